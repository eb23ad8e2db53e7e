//! Choices of xlsx, and their check.

use serde::{Deserialize, Serialize};

use super::SHEET_ROWS_MAX;
use crate::error::{Error, Result};

/// Longest name of a sheet, in characters, with room for a number behind it.
const SHEET_NAME_CHARS_MAX: usize = 26;

/// How the workbook is laid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct XlsxOptions {
    /// Name of the first sheet; further ones get a number: `Sheet`, `Sheet 2`, ...
    pub sheet: String,
    /// Whether each sheet begins with the names of the columns.
    pub header: bool,
    /// Data rows of a sheet before the next begins, 1 to 1,048,575.
    pub rows_per_sheet: u64,
    /// What happens to a text of more than 32,767 characters.
    pub long_text: LongText,
}

impl Default for XlsxOptions {
    fn default() -> Self {
        Self {
            sheet: "Sheet".to_owned(),
            header: true,
            rows_per_sheet: SHEET_ROWS_MAX - 1,
            long_text: LongText::Cut,
        }
    }
}

/// What happens to a text that is longer than a cell can hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongText {
    /// It is cut at 32,767 characters, and the report has a warning that counts it.
    #[default]
    Cut,
    /// The export fails with an error that names column and row.
    Refuse,
}

impl XlsxOptions {
    /// # Errors
    /// `Option` names the one that Excel would not open.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |option, problem: String| Err(Error::Option { option, problem });
        if !(1..SHEET_ROWS_MAX).contains(&self.rows_per_sheet) {
            return refuse(
                "xlsx.rows_per_sheet",
                format!("a sheet holds 1 to {} data rows", SHEET_ROWS_MAX - 1),
            );
        }
        let name = &self.sheet;
        if name.trim().is_empty() || name.chars().count() > SHEET_NAME_CHARS_MAX {
            return refuse(
                "xlsx.sheet",
                format!("the name of a sheet has 1 to {SHEET_NAME_CHARS_MAX} characters"),
            );
        }
        let forbidden = |letter: char| {
            letter.is_control() || matches!(letter, '[' | ']' | ':' | '*' | '?' | '/' | '\\')
        };
        if name.contains(forbidden)
            || name.starts_with('\'')
            || name.eq_ignore_ascii_case("history")
        {
            return refuse(
                "xlsx.sheet",
                "Excel refuses [ ] : * ? / \\, a ' at the start, and the name History".into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_excel_refuses_are_refused() {
        for sheet in
            ["", "  ", "a/b", "a[1]", "what?", "'x", "History", "a name of twenty-seven lett"]
        {
            let options = XlsxOptions { sheet: sheet.to_owned(), ..XlsxOptions::default() };
            assert!(options.check().is_err(), "{sheet:?}");
        }
        for sheet in ["Invoices", "Rechnungen März", "a & b <c>"] {
            let options = XlsxOptions { sheet: sheet.to_owned(), ..XlsxOptions::default() };
            options.check().unwrap();
        }
        for rows_per_sheet in [0, SHEET_ROWS_MAX] {
            let options = XlsxOptions { rows_per_sheet, ..XlsxOptions::default() };
            assert!(options.check().is_err());
        }
    }
}
