//! Choices of pdf, and the check that a page comes of them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What the pages look like. Texts are shown as they are; nothing in them is a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PdfOptions {
    /// Size of the paper.
    pub paper: Paper,
    /// Which way up it is.
    pub orientation: Orientation,
    /// What stays free at the edges.
    pub margins: Margins,
    /// Size of the text in points, 4 to 24. Tables that are too wide for it get a smaller one.
    pub text_size: u8,
    /// How the width of the page is divided.
    pub widths: Widths,
    /// Names of the columns at the head of every page.
    pub header: bool,
    /// Lines around the cells.
    pub grid: bool,
    /// Lines of text that a cell has at most, 1 to 100; what does not fit is cut with a warning.
    pub lines_max: u8,
    /// Title of the document; empty for none.
    pub title: String,
    /// Where the title is shown.
    pub title_at: Place,
    /// A sentence or two about the document; empty for none.
    pub description: String,
    /// Where the description is shown.
    pub description_at: Place,
    /// The text that the slot `date` shows. Formats know no clock.
    pub date: String,
    /// Left end of the line above every page.
    pub header_left: Slot,
    /// Middle of the line above every page.
    pub header_center: Slot,
    /// Right end of the line above every page.
    pub header_right: Slot,
    /// Left end of the line below every page.
    pub footer_left: Slot,
    /// Middle of the line below every page.
    pub footer_center: Slot,
    /// Right end of the line below every page.
    pub footer_right: Slot,
}

impl Default for PdfOptions {
    fn default() -> Self {
        Self {
            paper: Paper::A4,
            orientation: Orientation::Portrait,
            margins: Margins::default(),
            text_size: 8,
            widths: Widths::Content,
            header: true,
            grid: true,
            lines_max: 10,
            title: String::new(),
            title_at: Place::Top,
            description: String::new(),
            description_at: Place::Top,
            date: String::new(),
            header_left: Slot::Blank,
            header_center: Slot::Blank,
            header_right: Slot::Blank,
            footer_left: Slot::Blank,
            footer_center: Slot::PageOfTotal,
            footer_right: Slot::Blank,
        }
    }
}

/// Size of the paper, upright.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paper {
    /// 8.5 x 11 inches.
    Letter,
    /// 8.5 x 14 inches.
    Legal,
    /// 11 x 17 inches.
    Tabloid,
    /// 297 x 420 mm.
    A3,
    /// 210 x 297 mm.
    #[default]
    A4,
    /// As high as A4 and as wide as the columns want to be, up to 200 inches.
    AutoWidth,
}

impl Paper {
    /// Width and height, upright, in hundredths of a point (1/7200 inch).
    pub(super) fn size(self) -> (i32, i32) {
        match self {
            Self::Letter => (61_200, 79_200),
            Self::Legal => (61_200, 100_800),
            Self::Tabloid => (79_200, 122_400),
            Self::A3 => (84_189, 119_055),
            Self::A4 | Self::AutoWidth => (59_528, 84_189),
        }
    }
}

/// Which way up the paper is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// Higher than wide.
    #[default]
    Portrait,
    /// Wider than high.
    Landscape,
}

/// What stays free at the edges, each in thousandths of an inch, 0 to 2,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Margins {
    /// Above.
    pub top: u16,
    /// Below.
    pub bottom: u16,
    /// On the left.
    pub left: u16,
    /// On the right.
    pub right: u16,
}

impl Default for Margins {
    fn default() -> Self {
        Self { top: 250, bottom: 250, left: 250, right: 250 }
    }
}

/// How the width of the page is divided among the columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Widths {
    /// By the headings and the first rows.
    #[default]
    Content,
    /// All the same.
    Equal,
}

/// Where a text of the whole document is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Above the table, on the first page.
    #[default]
    Top,
    /// Below the table, on the last page.
    Bottom,
    /// Nowhere.
    None,
}

/// What a place in the line above or below every page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// Nothing.
    #[default]
    Blank,
    /// The title.
    Title,
    /// The option `date`.
    Date,
    /// The number of the page.
    Page,
    /// The number of the page and of all pages: `3 / 17`.
    PageOfTotal,
    /// A text of one's own, on one line.
    Text(String),
}

/// Smallest and largest text that can be asked for, in points.
pub(super) const TEXT_SIZES: std::ops::RangeInclusive<u8> = 4..=24;

const MARGIN_MAX: u16 = 2_000;
const LINES_MAX: u8 = 100;

/// Characters of a title or a slot, and of a description.
const TITLE_CHARS_MAX: usize = 500;
const DESCRIPTION_CHARS_MAX: usize = 4_000;

impl PdfOptions {
    /// # Errors
    /// `Option` names the one that no page comes of.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |option, problem: String| Err(Error::Option { option, problem });
        if !TEXT_SIZES.contains(&self.text_size) {
            return refuse("pdf.text_size", "text has 4 to 24 points".into());
        }
        if !(1..=LINES_MAX).contains(&self.lines_max) {
            return refuse("pdf.lines_max", format!("a cell has 1 to {LINES_MAX} lines"));
        }
        for (option, margin) in [
            ("pdf.margins.top", self.margins.top),
            ("pdf.margins.bottom", self.margins.bottom),
            ("pdf.margins.left", self.margins.left),
            ("pdf.margins.right", self.margins.right),
        ] {
            if margin > MARGIN_MAX {
                return refuse(
                    option,
                    format!("{margin} is more than {MARGIN_MAX} thousandths of an inch"),
                );
            }
        }
        let mut texts = vec![
            ("pdf.title", &self.title, TITLE_CHARS_MAX),
            ("pdf.description", &self.description, DESCRIPTION_CHARS_MAX),
            ("pdf.date", &self.date, TITLE_CHARS_MAX),
        ];
        for (option, slot) in self.slots() {
            if let Slot::Text(text) = slot {
                texts.push((option, text, TITLE_CHARS_MAX));
            }
        }
        for (option, text, chars_max) in texts {
            if text.chars().count() > chars_max {
                return refuse(option, format!("the text has more than {chars_max} characters"));
            }
        }
        Ok(())
    }

    /// The slots with their names: three of the line above, three of the line below.
    pub(super) fn slots(&self) -> [(&'static str, &Slot); 6] {
        [
            ("pdf.header_left", &self.header_left),
            ("pdf.header_center", &self.header_center),
            ("pdf.header_right", &self.header_right),
            ("pdf.footer_left", &self.footer_left),
            ("pdf.footer_center", &self.footer_center),
            ("pdf.footer_right", &self.footer_right),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_page_comes_of_is_refused_by_name() {
        let margins = Margins { left: 2_001, ..Margins::default() };
        let long = "x".repeat(501);
        for (options, option) in [
            (PdfOptions { text_size: 3, ..PdfOptions::default() }, "pdf.text_size"),
            (PdfOptions { lines_max: 0, ..PdfOptions::default() }, "pdf.lines_max"),
            (PdfOptions { margins, ..PdfOptions::default() }, "pdf.margins.left"),
            (PdfOptions { title: long.clone(), ..PdfOptions::default() }, "pdf.title"),
            (
                PdfOptions { footer_left: Slot::Text(long), ..PdfOptions::default() },
                "pdf.footer_left",
            ),
        ] {
            let error = options.check().unwrap_err();
            assert!(matches!(error, Error::Option { option: named, .. } if named == option));
        }
        PdfOptions::default().check().unwrap();
    }

    #[test]
    fn slots_are_words_or_a_text() {
        let options: PdfOptions = serde_json::from_str(
            r#"{"header_left": "title", "footer_right": {"text": "draft"}, "paper": "auto_width"}"#,
        )
        .unwrap();
        assert_eq!(options.header_left, Slot::Title);
        assert_eq!(options.footer_right, Slot::Text("draft".to_owned()));
        assert_eq!(options.paper, Paper::AutoWidth);
    }
}
