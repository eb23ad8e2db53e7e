//! Lines that a shaper has to see: scripts that join, marks that sit on letters, texts that run
//! from right to left (Unicode Standard Annex 9), and everything beyond the basic plane. The font's
//! tables say how, `harfrust` reads them.

use std::ops::Range;

use harfrust::{Buffer, BufferFlags, Direction, ShapeOptions, shape};
use unicode_bidi::{BidiInfo, Level};

use super::fonts::{BOXED, Face, Used};
use super::letters::is_arabic;
use super::object::push_number;
use super::text::{Block, Setter, push_cid};

/// Which way the text as a whole is read.
pub(super) fn base_level(text: &str) -> Level {
    let info = BidiInfo::new(text, None);
    info.paragraphs.first().map_or(Level::ltr(), |paragraph| paragraph.level)
}

/// Width of a text on one line, in units.
pub(super) fn width(setter: &Setter, text: &str) -> i32 {
    let level = base_level(text);
    runs(text, level)
        .iter()
        .map(|run| width_of(&shaped(setter, &text[run.range.clone()], run)))
        .sum()
}

fn width_of(buffer: &Buffer) -> i32 {
    buffer.glyph_positions().iter().map(|position| position.x_advance).sum()
}

/// Writes a line's operators; answers its width in units.
pub(super) fn line(
    setter: &Setter,
    text: &str,
    base: Level,
    size: i32,
    used: &mut Used,
    block: &mut Block,
) -> i32 {
    let mut width = 0;
    let mut show = Show { face: setter.face, size, open: false, rise: 0 };
    for run in runs(text, base) {
        let part = &text[run.range.clone()];
        let buffer = shaped(setter, part, &run);
        width += width_of(&buffer);
        write_run(&mut show, part, &run, &buffer, used, block);
    }
    show.close(&mut block.ops);
    show.rise_to(0, &mut block.ops);
    width
}

/// Text of one direction and kind of script.
struct Run {
    range: Range<usize>,
    rtl: bool,
}

/// The runs of a line, from left to right on the page.
fn runs(text: &str, base: Level) -> Vec<Run> {
    let info = BidiInfo::new(text, Some(base));
    let Some(paragraph) = info.paragraphs.first() else { return Vec::new() };
    let (levels, ranges) = info.visual_runs(paragraph, paragraph.range.clone());
    let mut runs = Vec::new();
    for range in ranges {
        let rtl = levels[range.start].is_rtl();
        let first = runs.len();
        runs.extend(by_script(text, range).into_iter().map(|range| Run { range, rtl }));
        if rtl {
            runs[first..].reverse();
        }
    }
    runs
}

/// Parts of a run that join and parts that do not. Blanks and signs go with what is before them.
fn by_script(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut joins = None;
    for (at, letter) in text[range.clone()].char_indices() {
        let at = range.start + at;
        if letter.is_alphabetic() && joins != Some(is_arabic(letter)) {
            if joins.is_some()
                && let Some(last) = parts.last_mut()
            {
                last.end = at;
                parts.push(at..range.end);
            }
            joins = Some(is_arabic(letter));
        }
        if parts.is_empty() {
            parts.push(at..range.end);
        }
    }
    parts
}

fn shaped(setter: &Setter, text: &str, run: &Run) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.push_str(text);
    buffer.guess_segment_properties();
    buffer.set_direction(if run.rtl { Direction::RightToLeft } else { Direction::LeftToRight });
    buffer.set_flags(BufferFlags::REMOVE_DEFAULT_IGNORABLES);
    // It fails on fonts that are none; both faces are shaped by a test.
    if shape(&setter.shaper, &mut buffer, ShapeOptions::new()).is_err() {
        buffer.clear();
    }
    buffer
}

fn write_run(
    show: &mut Show,
    text: &str,
    run: &Run,
    buffer: &Buffer,
    used: &mut Used,
    block: &mut Block,
) {
    let infos = buffer.glyph_infos();
    let clusters: Vec<usize> = infos.iter().map(|info| info.cluster as usize).collect();
    for (at, (info, position)) in infos.iter().zip(buffer.glyph_positions()).enumerate() {
        let meaning = meaning(text, &clusters, at, run.rtl);
        let mut letters = meaning.chars();
        let only = letters.next().filter(|_| letters.next().is_none());
        let nominal = only.and_then(|letter| u16::try_from(letter as u32).ok());
        let cid = match (info.glyph_id, nominal) {
            (0, nominal) => {
                block.boxed = true;
                nominal.unwrap_or(BOXED)
            }
            (glyph, Some(letter)) if u32::from(show.face.glyph(letter)) == glyph => letter,
            (glyph, _) => Face::shaped(glyph).unwrap_or(BOXED),
        };
        if cid == BOXED {
            show.close(&mut block.ops);
            say(meaning, &mut block.ops);
        }
        if cid == BOXED || nominal == Some(cid) {
            used.add(show.face.style, cid);
        } else {
            used.add_shaped(show.face.style, cid, meaning);
        }
        show.rise_to(position.y_offset, &mut block.ops);
        show.glyph(cid, position.x_offset, position.x_advance, &mut block.ops);
        if cid == BOXED {
            show.close(&mut block.ops);
            block.ops.extend_from_slice(b"EMC ");
        }
    }
}

/// The text that a glyph stands for. Of a cluster with as many glyphs as letters, each has one; else
/// the glyph that is read first has them all.
fn meaning<'a>(text: &'a str, clusters: &[usize], at: usize, rtl: bool) -> &'a str {
    let start = clusters[at];
    let end = clusters.iter().copied().filter(|other| *other > start).min().unwrap_or(text.len());
    let (Some(of_cluster), true) = (text.get(start..end), start < end) else { return "" };
    let first = clusters.iter().position(|other| *other == start).unwrap_or(at);
    let glyphs = clusters[first..].iter().take_while(|other| **other == start).count();
    let place = if rtl { glyphs - 1 - (at - first) } else { at - first };
    if of_cluster.chars().count() == glyphs {
        return of_cluster
            .char_indices()
            .nth(place)
            .map_or("", |(from, letter)| &of_cluster[from..from + letter.len_utf8()]);
    }
    if place == 0 { of_cluster } else { "" }
}

/// Says what the next glyph stands for, where no code can (ISO 32000-2, 14.9.4).
fn say(text: &str, ops: &mut Vec<u8>) {
    ops.extend_from_slice(b"/Span<</ActualText<FEFF");
    for unit in text.encode_utf16() {
        ops.extend_from_slice(format!("{unit:04X}").as_bytes());
    }
    ops.extend_from_slice(b">>>BDC ");
}

/// Glyphs with their places as an array of strings and distances.
struct Show {
    face: &'static Face,
    size: i32,
    open: bool,
    /// How high glyphs stand above the line, in units.
    rise: i32,
}

impl Show {
    fn glyph(&mut self, cid: u16, offset: i32, advance: i32, ops: &mut Vec<u8>) {
        if !self.open {
            ops.push(b'[');
            self.open = true;
        }
        self.distance(offset, ops);
        ops.push(b'(');
        push_cid(ops, cid);
        ops.push(b')');
        self.distance(advance - offset - self.face.cid_advance(cid), ops);
    }

    /// Moves on by units; the operator counts thousandths of an em, backwards.
    fn distance(&self, units: i32, ops: &mut Vec<u8>) {
        if units != 0 {
            push_number(ops, -(i64::from(units) * 100_000 / i64::from(self.face.em)) as i32);
        }
    }

    fn close(&mut self, ops: &mut Vec<u8>) {
        if std::mem::take(&mut self.open) {
            ops.extend_from_slice(b"]TJ ");
        }
    }

    fn rise_to(&mut self, units: i32, ops: &mut Vec<u8>) {
        if self.rise != units {
            self.close(ops);
            let rise = i64::from(units) * i64::from(self.size) / i64::from(self.face.em);
            push_number(ops, rise as i32);
            ops.extend_from_slice(b" Ts ");
            self.rise = units;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::fonts::{SHAPED_FIRST, STYLES};
    use crate::pdf::text::Room;

    fn set(text: &str) -> (Block, Used) {
        let mut used = Used::default();
        let mut block = Block::default();
        let mut setter = Setter::new(Face::of(STYLES[0]).unwrap());
        let room = Room { width: 100 * 2_048, lines: 3, size: 800 };
        setter.set(text, room, &mut used, &mut block);
        (block, used)
    }

    #[test]
    fn arabic_letters_take_the_form_of_their_place() {
        let (block, used) = set("بببب");
        assert!(block.lines[0].rtl && !block.boxed);
        let forms: Vec<_> =
            used.cids(STYLES[0]).iter().filter(|cid| *cid >= SHAPED_FIRST).collect();
        assert_eq!(forms.len(), 3, "initial, medial, final");
        for form in forms {
            assert_eq!(used.text(STYLES[0], form), "ب");
        }
        // Lam and alef become one glyph that is both.
        let (_, used) = set("لا");
        let texts: Vec<_> =
            used.cids(STYLES[0]).iter().map(|cid| used.text(STYLES[0], cid)).collect();
        assert_eq!(texts, ["لا"]);
    }

    #[test]
    fn runs_are_put_from_left_to_right() {
        let text = "abc אבג 123 ابج";
        let parts: Vec<_> = runs(text, base_level(text))
            .into_iter()
            .map(|run| (text[run.range].trim().to_owned(), run.rtl))
            .collect();
        let expected = [("abc", false), ("ابج", true), ("123", false), ("אבג", true)];
        assert_eq!(parts.len(), expected.len(), "{parts:?}");
        for (part, (text, rtl)) in parts.iter().zip(expected) {
            assert_eq!((part.0.as_str(), part.1), (text, rtl));
        }
    }

    #[test]
    fn marks_take_no_room_and_both_faces_shape() {
        for style in STYLES {
            let setter = Setter::new(Face::of(style).unwrap());
            assert_eq!(width(&setter, "e\u{301}"), width(&setter, "é"));
            assert_eq!(width(&setter, "б\u{301}"), width(&setter, "б"));
            assert!(width(&setter, "שלום") > 0 && width(&setter, "ابج") > 0);
        }
    }

    #[test]
    fn what_no_code_can_say_is_said_beside_the_glyph() {
        let (block, used) = set("𠀀");
        let ops = String::from_utf8_lossy(&block.ops).into_owned();
        assert!(ops.contains("/ActualText<FEFFD840DC00>"), "{ops}");
        assert!(block.boxed);
        assert_eq!(used.cids(STYLES[0]).iter().collect::<Vec<_>>(), [BOXED]);
    }
}
