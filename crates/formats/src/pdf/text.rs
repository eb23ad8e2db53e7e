//! Texts to lines of glyphs: broken where they are too wide, cut where they have too many lines,
//! shaped and turned where their script wants it. What comes out are the operators that show a line
//! (ISO 32000-2, 9.4.3), to be put anywhere on a page.

use harfrust::ShaperFont;

use super::fonts::{BOXED, Face, Used};
use super::letters::{self, breaks_softly, is_foreign, is_ideographic, is_invisible, is_simple};

/// Blanks that stand for a tab.
const TAB_BLANKS: usize = 4;

const ELLIPSIS: u16 = 0x2026;
const REPLACEMENT: u16 = 0xFFFD;

/// A line of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// Where its operators end.
    pub(super) end: usize,
    /// Width without the blanks at its end, in units of the face.
    pub(super) width: i32,
    /// Set when the text is read from right to left.
    pub(super) rtl: bool,
}

/// A text on its lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    /// Operators of all lines.
    pub(super) ops: Vec<u8>,
    pub(super) lines: Vec<Line>,
    /// Text was left out at the end.
    pub(super) cut: bool,
    /// Characters have no glyph and stand as boxes.
    pub(super) boxed: bool,
    /// Characters have no place on a page and stand as U+FFFD.
    pub(super) replaced: bool,
}

impl Block {
    fn clear(&mut self) {
        self.ops.clear();
        self.lines.clear();
        (self.cut, self.boxed, self.replaced) = (false, false, false);
    }

    /// The lines with their operators.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Line, &[u8])> {
        let mut start = 0;
        self.lines.iter().map(move |line| {
            let ops = &self.ops[start..line.end];
            start = line.end;
            (*line, ops)
        })
    }
}

/// The room that a text is set into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Width, in units of the face.
    pub(super) width: i32,
    /// Lines, at least one.
    pub(super) lines: usize,
    /// Size of the text, in hundredths of a point.
    pub(super) size: i32,
}

/// Sets texts in one face. Made per thread and piece.
pub(super) struct Setter {
    pub(super) face: &'static Face,
    pub(super) shaper: ShaperFont<'static, 'static>,
    /// The line that is being filled.
    cids: Vec<u16>,
}

/// A text or one of its lines is full, and the rest is left out.
struct Full;

impl Setter {
    pub(super) fn new(face: &'static Face) -> Self {
        Self { face, shaper: ShaperFont::new(&face.font), cids: Vec::new() }
    }

    /// Sets a text. An empty text has no lines.
    pub(super) fn set(&mut self, text: &str, room: Room, used: &mut Used, block: &mut Block) {
        block.clear();
        if text.is_empty() {
            return;
        }
        let mut paragraphs = letters::paragraphs(text).peekable();
        while let Some(paragraph) = paragraphs.next() {
            let more = paragraphs.peek().is_some();
            let set = if paragraph.chars().all(is_simple) {
                self.simple(paragraph, room, more, used, block)
            } else {
                self.shaped(paragraph, room, more, used, block)
            };
            if set.is_err() {
                block.cut = true;
                return;
            }
        }
    }

    /// About how wide a text wants to be, in units: its widest line, without shaping. Looks at no
    /// more than `letters_max` characters of it.
    pub(super) fn wish(&self, text: &str, letters_max: usize) -> i32 {
        let mut widest = 0;
        let mut width = 0;
        for letter in text.chars().take(letters_max) {
            match letter {
                '\n' | '\r' => width = 0,
                letter => width += self.cid_of(letter).map_or(0, |cid| self.face.cid_advance(cid)),
            }
            widest = widest.max(width);
        }
        widest
    }

    /// CID of a character; `None` for those of which nothing is seen.
    fn cid_of(&self, letter: char) -> Option<u16> {
        if is_invisible(letter) {
            return None;
        }
        if is_foreign(letter) {
            return Some(REPLACEMENT);
        }
        Some(u16::try_from(letter as u32).unwrap_or(BOXED))
    }

    fn simple(
        &mut self,
        text: &str,
        room: Room,
        more: bool,
        used: &mut Used,
        block: &mut Block,
    ) -> Result<(), Full> {
        self.cids.clear();
        let (mut width, mut soft) = (0, false);
        // Where the line may end: CIDs and width before it.
        let mut may_end: Option<(usize, i32)> = None;
        for letter in text.chars() {
            if letter == '\t' {
                self.cids.resize(self.cids.len() + TAB_BLANKS, b' '.into());
                width += TAB_BLANKS as i32 * self.face.cid_advance(b' '.into());
                may_end = Some((self.cids.len(), width));
                continue;
            }
            let Some(cid) = self.cid_of(letter) else { continue };
            block.replaced |= cid == REPLACEMENT && letter != '\u{fffd}';
            let glyph = self.face.glyph(cid);
            block.boxed |= glyph == 0;
            let advance = self.face.advance(glyph);
            let ideograph = is_ideographic(letter);
            if (soft && !letter.is_ascii_digit()) || ideograph {
                may_end = Some((self.cids.len(), width));
            }
            if width + advance > room.width && letter != ' ' && !self.cids.is_empty() {
                let (end, before) =
                    may_end.take().filter(|(end, _)| *end > 0).unwrap_or((self.cids.len(), width));
                self.end_line(end, true, room, used, block)?;
                width -= before;
            }
            self.cids.push(cid);
            width += advance;
            soft = breaks_softly(letter) || ideograph;
            if letter == ' ' {
                may_end = Some((self.cids.len(), width));
            }
        }
        self.end_line(self.cids.len(), more, room, used, block)
    }

    /// Writes the first CIDs of the line that is being filled as a line of the block, and keeps the
    /// others for the next. `more` says that text follows.
    fn end_line(
        &mut self,
        mut end: usize,
        more: bool,
        room: Room,
        used: &mut Used,
        block: &mut Block,
    ) -> Result<(), Full> {
        let full = more && block.lines.len() + 1 >= room.lines;
        if full {
            self.cids.truncate(end);
            while self.cids.len() > 1
                && self.width_of(self.cids.len()) + self.face.cid_advance(ELLIPSIS) > room.width
            {
                self.cids.pop();
            }
            self.cids.push(ELLIPSIS);
            end = self.cids.len();
        }
        let mut seen = end;
        while seen > 0 && self.cids[seen - 1] == u16::from(b' ') {
            seen -= 1;
        }
        let width = self.width_of(seen);
        if end > 0 {
            block.ops.push(b'(');
            for cid in &self.cids[..end] {
                used.add(self.face.style, *cid);
                push_cid(&mut block.ops, *cid);
            }
            block.ops.extend_from_slice(b")Tj");
        }
        block.lines.push(Line { end: block.ops.len(), width, rtl: false });
        self.cids.drain(..end);
        if full { Err(Full) } else { Ok(()) }
    }

    fn width_of(&self, cids: usize) -> i32 {
        self.cids[..cids].iter().map(|cid| self.face.cid_advance(*cid)).sum()
    }

    fn shaped(
        &mut self,
        text: &str,
        room: Room,
        more: bool,
        used: &mut Used,
        block: &mut Block,
    ) -> Result<(), Full> {
        let text = self.plain(text, block);
        let base = super::shaping::base_level(&text);
        let mut rest = text.as_str();
        loop {
            let fits = self.fitting(rest, room.width);
            let (line, behind) = rest.split_at(fits);
            let follows = more || !behind.is_empty();
            let full = follows && block.lines.len() + 1 >= room.lines;
            let shown = if full { self.with_ellipsis(line, room.width) } else { line.to_owned() };
            let width = super::shaping::line(
                self,
                shown.trim_end_matches(' '),
                base,
                room.size,
                used,
                block,
            );
            block.lines.push(Line { end: block.ops.len(), width, rtl: base.is_rtl() });
            if full {
                return Err(Full);
            }
            if behind.is_empty() {
                return Ok(());
            }
            rest = behind;
        }
    }

    /// The text with what has no place replaced.
    fn plain(&self, text: &str, block: &mut Block) -> String {
        let mut plain = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '\t' => plain.push_str("    "),
                letter if is_foreign(letter) => {
                    block.replaced = true;
                    plain.push('\u{fffd}');
                }
                letter => plain.push(letter),
            }
        }
        plain
    }

    /// Bytes of a text that go on a line: whole words where one fits, else as many letters as do.
    fn fitting(&self, text: &str, width: i32) -> usize {
        let mut taken = 0;
        let mut filled = 0;
        for word in text.split_inclusive(' ') {
            let wide = super::shaping::width(self, word.trim_end_matches(' '));
            if filled + wide > width {
                break;
            }
            filled += super::shaping::width(self, word);
            taken += word.len();
        }
        if taken > 0 || text.is_empty() {
            return taken;
        }
        let mut letters = text.char_indices().skip(1).map(|(at, _)| at).chain([text.len()]);
        let mut fits = letters.next().unwrap_or(text.len());
        for at in letters {
            if super::shaping::width(self, &text[..at]) > width {
                break;
            }
            fits = at;
        }
        fits
    }

    fn with_ellipsis(&self, line: &str, width: i32) -> String {
        let mut kept = line.trim_end_matches(' ').to_owned();
        loop {
            let shown = format!("{kept}\u{2026}");
            if super::shaping::width(self, &shown) <= width || kept.pop().is_none() {
                return shown;
            }
        }
    }
}

/// Writes a CID into a string of the page (ISO 32000-2, 7.3.4.2).
#[inline(always)]
pub(super) fn push_cid(ops: &mut Vec<u8>, cid: u16) {
    for byte in cid.to_be_bytes() {
        match byte {
            b'(' | b')' | b'\\' => ops.extend_from_slice(&[b'\\', byte]),
            // An end of line would be read as another end of line.
            b'\r' => ops.extend_from_slice(b"\\r"),
            byte => ops.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::fonts::Style;

    fn lines(text: &str, ems: i32, lines: usize) -> (Vec<String>, Block) {
        let mut setter = Setter::new(Face::of(Style::Regular).unwrap());
        let mut block = Block::default();
        let room = Room { width: ems * 2_048, lines, size: 800 };
        setter.set(text, room, &mut Used::default(), &mut block);
        let texts = block
            .iter()
            .map(|(line, ops)| {
                assert!(line.width <= room.width, "{text}: a line of {} units", line.width);
                let units: Vec<u16> = ops
                    .strip_prefix(b"(")
                    .and_then(|ops| ops.strip_suffix(b")Tj"))
                    .unwrap_or_default()
                    .chunks(2)
                    .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                    .collect();
                String::from_utf16(&units).unwrap()
            })
            .collect();
        (texts, block)
    }

    #[test]
    fn lines_end_at_blanks_then_at_signs_then_anywhere() {
        for (text, expected) in [
            ("", vec![]),
            ("short", vec!["short"]),
            ("two words here", vec!["two words ", "here"]),
            ("one\ntwo", vec!["one", "two"]),
            ("wwwwwwwwwwww", vec!["wwwwww", "wwwwww"]),
            ("some-where/else", vec!["some-", "where/else"]),
            ("a\tb", vec!["a    b"]),
        ] {
            let (lines, block) = lines(text, 5, 10);
            assert_eq!(lines, expected);
            assert!(!block.cut && !block.boxed && !block.replaced);
        }
        // Not between a sign and a digit: a date is broken as a word is, where it must be.
        let (lines, _) = lines("2026-11-22", 5, 10);
        assert!(lines.len() == 2 && !lines[0].ends_with('-'), "{lines:?}");
    }

    #[test]
    fn what_does_not_fit_is_cut_and_said() {
        let (texts, block) = lines("many words that go on and on", 5, 2);
        assert_eq!(texts.len(), 2);
        assert!(texts[1].ends_with('…') && block.cut, "{texts:?}");
        let (texts, block) = lines("a\nb\nc", 5, 2);
        assert_eq!(texts, ["a", "b…"]);
        assert!(block.cut);
        let (texts, block) = lines("a\nb", 5, 2);
        assert_eq!(texts, ["a", "b"]);
        assert!(!block.cut);
    }

    #[test]
    fn what_the_face_does_not_show_is_boxed_and_said() {
        let (texts, block) = lines("請求", 5, 2);
        assert_eq!((texts.concat().as_str(), block.boxed, block.replaced), ("請求", true, false));
        let (texts, block) = lines("a\u{7}b\u{e000}", 5, 2);
        assert_eq!((texts.concat().as_str(), block.replaced), ("a\u{fffd}b\u{fffd}", true));
        let (_, block) = lines("𠀀", 5, 2);
        assert!(block.boxed && block.lines.len() == 1);
    }
}
