//! Where things stand on a page: the paper, the columns, the headings, the title. Computed once,
//! from the options, the names and the first rows; all lengths are in hundredths of a point.

use super::fonts::{Face, Style, Used};
use super::options::{Orientation, PdfOptions, Place, Slot, Widths};
use super::rows::{ColumnBox, Row};
use super::text::{Block, Room, Setter};
use super::{FORMAT, Paper};
use crate::error::{Error, Result};
use crate::report::{WarningKind, Warnings};

/// Free space in a cell, left and right of its text, and above and below it.
pub(super) const PAD_X: i32 = 300;
pub(super) const PAD_Y: i32 = 150;

/// The smallest text that a table is set in when it is too wide, and its steps down to it.
const SIZE_MIN: i32 = 400;
const SIZE_STEP: i32 = 50;

/// Widths of a column in ems of the text: what every column has, what the widest ones are left
/// before the text is made smaller, and what one may want when the page can grow.
const COLUMN_EMS_MIN: i32 = 4;
const COLUMN_EMS_ENOUGH: i32 = 12;
const COLUMN_EMS_MAX: i32 = 60;

/// A page is at most 200 inches wide (ISO 32000-2, annex C.2).
const PAGE_WIDTH_MAX: i32 = 1_440_000;

/// Lines of headings, of the title, of the description.
const HEADING_LINES_MAX: usize = 8;
const TITLE_LINES_MAX: usize = 3;
const DESCRIPTION_LINES_MAX: usize = 12;

const TITLE_SIZE: i32 = 1_400;
const DESCRIPTION_SIZE: i32 = 900;

/// Size of the lines above and below a page, and the room that each takes.
pub(super) const SLOT_SIZE: i32 = 700;
const SLOT_ROOM: i32 = 1_400;

/// Letters of a heading that are looked at for its width.
const WISH_LETTERS_MAX: usize = 500;

/// Baseline to baseline.
pub(super) fn leading(size: i32) -> i32 {
    size * 6 / 5
}

/// Units of a face as a length.
pub(super) fn length(face: &Face, units: i32, size: i32) -> i32 {
    (i64::from(units) * i64::from(size) / i64::from(face.em)) as i32
}

/// A length as units of a face.
pub(super) fn units(face: &Face, length: i32, size: i32) -> i32 {
    (i64::from(length) * i64::from(face.em) / i64::from(size)) as i32
}

/// The face of a style.
///
/// # Errors
/// `Usage`, which a test rules out.
pub(super) fn face(style: Style) -> Result<&'static Face> {
    Face::of(style).ok_or(Error::Usage("the built-in font could not be read"))
}

/// A text that stands above or below the table.
pub(super) struct Heading {
    pub(super) row: Row,
    pub(super) style: Style,
    pub(super) size: i32,
}

/// Everything that all pages of a document have in common.
pub(super) struct Layout {
    pub(super) page: (i32, i32),
    /// Left edge of the table.
    pub(super) left: i32,
    pub(super) columns: Vec<ColumnBox>,
    /// Size of the cells' text.
    pub(super) size: i32,
    /// Lines of a cell, at most: what was asked for, or what fits on a page.
    pub(super) lines_max: usize,
    /// Where the table may begin and end on a page.
    pub(super) top: i32,
    pub(super) bottom: i32,
    /// Names of the columns.
    pub(super) names: Option<Row>,
    /// What stands above the table of the first page, and below that of the last.
    pub(super) above: Vec<Heading>,
    pub(super) below: Vec<Heading>,
    /// Glyphs of all that.
    pub(super) used: Used,
    pub(super) warnings: Warnings,
}

impl Layout {
    /// Checks that pages come of the options and so many columns, whatever is in them.
    ///
    /// # Errors
    /// `Option` or `Schema`, with what to change.
    pub(super) fn check(options: &PdfOptions, names: &[String]) -> Result<()> {
        options.check()?;
        let none = vec![0; names.len()];
        let numeric = vec![false; names.len()];
        Self::new(options, names, &numeric, &none).map(drop)
    }

    /// Lays out. `wishes` are the widths that the cells of each column want, in units.
    pub(super) fn new(
        options: &PdfOptions,
        names: &[String],
        numeric: &[bool],
        wishes: &[i32],
    ) -> Result<Self> {
        let bold = Setter::new(face(Style::Bold)?);
        let wishes: Vec<i32> = names
            .iter()
            .zip(wishes)
            .map(|(name, cells)| match options.header {
                true => name_wish(&bold, name).max(*cells),
                false => *cells,
            })
            .collect();
        let page = page(options, &wishes, bold.face);
        let margin = |mils: u16| i32::from(mils) * 36 / 5;
        let left = margin(options.margins.left);
        let width = page.0 - left - margin(options.margins.right);
        let (size, widths) = divide(options, &wishes, width, bold.face)?;
        let slots = options.slots();
        let room = |slots: &[(&str, &Slot)]| {
            if slots.iter().any(|(_, slot)| **slot != Slot::Blank) { SLOT_ROOM } else { 0 }
        };
        let mut layout = Self {
            page,
            left,
            columns: columns(left, &widths, numeric),
            size,
            lines_max: options.lines_max.into(),
            top: page.1 - margin(options.margins.top) - room(&slots[..3]),
            bottom: margin(options.margins.bottom) + room(&slots[3..]),
            names: None,
            above: Vec::new(),
            below: Vec::new(),
            used: Used::default(),
            warnings: Warnings::default(),
        };
        layout.set_names(options, names)?;
        layout.set_texts(options, width)?;
        layout.fit_lines()?;
        Ok(layout)
    }

    /// Width of the table.
    pub(super) fn width(&self) -> i32 {
        self.columns.last().map_or(0, |last| last.left + last.width - self.left)
    }

    fn set_names(&mut self, options: &PdfOptions, names: &[String]) -> Result<()> {
        if !options.header {
            return Ok(());
        }
        let mut setter = Setter::new(face(Style::Bold)?);
        let mut blocks = vec![Block::default(); names.len()];
        for ((name, column), block) in names.iter().zip(&self.columns).zip(&mut blocks) {
            let width = units(setter.face, column.width - 2 * PAD_X, self.size);
            let room = Room { width, lines: HEADING_LINES_MAX, size: self.size };
            setter.set(name, room, &mut self.used, block);
            for (wrong, kind) in [
                (block.cut, WarningKind::TextCut),
                (block.boxed, WarningKind::CharactersBoxed),
                (block.replaced, WarningKind::CharactersReplaced),
            ] {
                if wrong {
                    self.warnings.note(kind, name, 0);
                }
            }
        }
        let mut row = Row::default();
        let height = row.compose(setter.face, self.size, self.left, &self.columns, &blocks);
        row.height = height;
        self.names = Some(row);
        Ok(())
    }

    fn set_texts(&mut self, options: &PdfOptions, width: i32) -> Result<()> {
        for (text, place, style, size, lines) in [
            (&options.title, options.title_at, Style::Bold, TITLE_SIZE, TITLE_LINES_MAX),
            (
                &options.description,
                options.description_at,
                Style::Regular,
                DESCRIPTION_SIZE,
                DESCRIPTION_LINES_MAX,
            ),
        ] {
            if text.is_empty() || place == Place::None {
                continue;
            }
            let mut setter = Setter::new(face(style)?);
            let mut block = Block::default();
            let room = Room { width: units(setter.face, width - 2 * PAD_X, size), lines, size };
            setter.set(text, room, &mut self.used, &mut block);
            for (wrong, kind) in [
                (block.cut, WarningKind::TextCut),
                (block.boxed, WarningKind::CharactersBoxed),
                (block.replaced, WarningKind::CharactersReplaced),
            ] {
                if wrong {
                    self.warnings.note(kind, "", 0);
                }
            }
            let column = ColumnBox { left: self.left, width, right_aligned: false };
            let mut row = Row::default();
            row.height = row.compose(setter.face, size, self.left, &[column], &[block]) + PAD_Y;
            let heading = Heading { row, style, size };
            match place {
                Place::Bottom => self.below.push(heading),
                _ => self.above.push(heading),
            }
        }
        Ok(())
    }

    /// Lines that a cell may have so that its row fits on any page.
    fn fit_lines(&mut self) -> Result<()> {
        let sum = |texts: &[Heading]| texts.iter().map(|text| text.row.height).sum::<i32>();
        let names = self.names.as_ref().map_or(0, |_| {
            // As many lines as the widths of any rows may make of them.
            HEADING_LINES_MAX as i32 * leading(self.size) + 2 * PAD_Y
        });
        let room = self.top - self.bottom - sum(&self.above).max(sum(&self.below)) - names;
        let lines = (room - 2 * PAD_Y) / leading(self.size);
        if lines < 1 {
            return Err(Error::Option {
                option: "pdf.margins",
                problem: "no row fits on a page between margins, title, description and headings; \
                          make one of them smaller, or the paper larger"
                    .into(),
            });
        }
        self.lines_max = self.lines_max.min(lines as usize);
        Ok(())
    }
}

/// The width that a heading wants: all of it when it is short, else what is worth reading or its
/// longest word.
fn name_wish(setter: &Setter, name: &str) -> i32 {
    let word = name.split_whitespace().map(|word| setter.wish(word, WISH_LETTERS_MAX)).max();
    let enough = (COLUMN_EMS_ENOUGH * setter.face.em).max(word.unwrap_or(0));
    setter.wish(name, WISH_LETTERS_MAX).min(enough)
}

fn columns(left: i32, widths: &[i32], numeric: &[bool]) -> Vec<ColumnBox> {
    let mut at = left;
    widths
        .iter()
        .zip(numeric)
        .map(|(width, numeric)| {
            let column = ColumnBox { left: at, width: *width, right_aligned: *numeric };
            at += width;
            column
        })
        .collect()
}

fn page(options: &PdfOptions, wishes: &[i32], face: &Face) -> (i32, i32) {
    let (mut width, mut height) = options.paper.size();
    if options.orientation == Orientation::Landscape {
        (width, height) = (height, width);
    }
    if options.paper == Paper::AutoWidth {
        let size = i32::from(options.text_size) * 100;
        let wanted: i64 = wishes
            .iter()
            .map(|wish| {
                length(face, *wish, size).min(COLUMN_EMS_MAX * size).max(COLUMN_EMS_MIN * size)
            })
            .map(|wish| i64::from(wish + 2 * PAD_X))
            .sum();
        let margins = i64::from(options.margins.left) + i64::from(options.margins.right);
        let wanted = wanted + margins * 36 / 5 + 100;
        width = wanted.clamp(width.into(), PAGE_WIDTH_MAX.into()) as i32;
    }
    (width, height)
}

/// Divides the width of a page among the columns: the size of the text, and the widths.
///
/// Each column gets what its heading and cells want when that fits, and a share of what is left
/// over. Else the widest ones are cut down to a common width, the others keep theirs. When that
/// leaves the widest ones less than is worth reading, the text is made smaller, in half points.
fn divide(
    options: &PdfOptions,
    wishes: &[i32],
    width: i32,
    face: &Face,
) -> Result<(i32, Vec<i32>)> {
    let count = wishes.len() as i32;
    let asked = i32::from(options.text_size) * 100;
    let mut size = asked;
    loop {
        let least = COLUMN_EMS_MIN * size + 2 * PAD_X;
        let enough = COLUMN_EMS_ENOUGH * size + 2 * PAD_X;
        let smallest = size - SIZE_STEP < SIZE_MIN;
        if i64::from(least) * i64::from(count) <= i64::from(width) {
            let wanted: Vec<i32> = match options.widths {
                Widths::Equal => vec![width; wishes.len()],
                Widths::Content => wishes
                    .iter()
                    .map(|wish| {
                        // One unit more, for the rounding.
                        (length(face, *wish + 1, size) + 2 * PAD_X + 1)
                            .clamp(least, width.max(least))
                    })
                    .collect(),
            };
            let (widths, cap) = pour(&wanted, width);
            if smallest || cap.is_none_or(|cap| cap >= enough) {
                return Ok((size, widths));
            }
        } else if smallest {
            return Err(Error::Schema {
                format: FORMAT,
                problem: format!(
                    "{count} columns do not fit on a page of {} mm between its margins; select \
                     fewer, or set pdf.paper to a larger one or to \"auto_width\", or \
                     pdf.orientation to \"landscape\"",
                    i64::from(width) * 254 / 72_000
                ),
            });
        }
        size -= SIZE_STEP;
    }
}

/// Fills `width` with the wanted widths. Answers the cap, when the widest had to be cut down to it.
fn pour(wanted: &[i32], width: i32) -> (Vec<i32>, Option<i32>) {
    let sum: i64 = wanted.iter().map(|wish| i64::from(*wish)).sum();
    let left = i64::from(width) - sum;
    if left >= 0 {
        // In proportion; what rounding leaves goes nowhere.
        let more = |wish: i32| (i64::from(wish) * left / sum.max(1)) as i32;
        return (wanted.iter().map(|wish| wish + more(*wish)).collect(), None);
    }
    let mut sorted = wanted.to_vec();
    sorted.sort_unstable();
    let (mut room, mut cap) = (width, 0);
    for (at, wish) in sorted.iter().enumerate() {
        cap = room / (sorted.len() - at) as i32;
        if *wish > cap {
            break;
        }
        room -= wish;
    }
    (wanted.iter().map(|wish| (*wish).min(cap)).collect(), Some(cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_shared_as_the_docs_say() {
        assert_eq!(pour(&[100, 300], 800), (vec![200, 600], None));
        assert_eq!(pour(&[100, 300, 500], 700), (vec![100, 300, 300], Some(300)));
        assert_eq!(pour(&[100, 900, 500], 700), (vec![100, 300, 300], Some(300)));
        let face = Face::of(Style::Regular).unwrap();
        let em = face.em;
        let options = PdfOptions::default();
        // Three short columns: nothing is made smaller.
        let (size, widths) = divide(&options, &[em, em, em], 56_000, face).unwrap();
        assert_eq!((size, widths.iter().sum::<i32>() / 10), (800, 5_599));
        // Twelve long ones: the text shrinks until each has twelve ems, or to four points.
        let (size, widths) = divide(&options, &[em * 40; 12], 56_000, face).unwrap();
        assert_eq!((size, widths[0]), (400, 4_666));
        let equal = PdfOptions { widths: Widths::Equal, ..PdfOptions::default() };
        let (_, widths) = divide(&equal, &[em, em * 9, em * 3], 56_000, face).unwrap();
        assert_eq!(widths, [18_666, 18_666, 18_666]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_do() {
        let names: Vec<_> = (0..26).map(|at| format!("c{at}")).collect();
        let error = Layout::check(&PdfOptions::default(), &names).unwrap_err().to_string();
        assert!(error.contains("26 columns do not fit on a page of 197 mm"), "{error}");
        let wide = PdfOptions { paper: Paper::AutoWidth, ..PdfOptions::default() };
        Layout::check(&wide, &names).unwrap();
        Layout::check(&PdfOptions::default(), &names[..25]).unwrap();

        let mut options = PdfOptions {
            orientation: Orientation::Landscape,
            text_size: 24,
            title: "title ".repeat(80),
            description: "description ".repeat(300),
            ..PdfOptions::default()
        };
        options.margins.top = 2_000;
        options.margins.bottom = 2_000;
        let error = Layout::check(&options, &names[..1]).unwrap_err().to_string();
        assert!(error.contains("no row fits on a page"), "{error}");
    }
}
