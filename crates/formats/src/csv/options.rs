//! Choices of csv, and the check that they can be honoured together.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the rows are laid out. Values themselves are in `ValueOptions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsvOptions {
    /// Between two fields: one ASCII character that no number or date contains.
    pub delimiter: char,
    /// Behind each row.
    pub line_end: LineEnd,
    /// Which fields stand in quotation marks.
    pub quoting: Quoting,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Whether the file begins with a UTF-8 byte order mark, which older Excel versions need to
    /// recognise UTF-8.
    pub bom: bool,
    /// Put `'` before texts that a spreadsheet would run as a formula. Changes those texts.
    pub spreadsheet_safe: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: ',',
            line_end: LineEnd::Lf,
            quoting: Quoting::Needed,
            header: true,
            bom: false,
            spreadsheet_safe: false,
        }
    }
}

/// What ends a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    /// `\n`.
    #[default]
    Lf,
    /// `\r\n`, as RFC 4180 shows it.
    Crlf,
    /// `\r`, as old Macintosh programs want it.
    Cr,
}

impl LineEnd {
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::Crlf => b"\r\n",
            Self::Cr => b"\r",
        }
    }
}

/// Which fields stand in quotation marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quoting {
    /// Those that would be misread without.
    #[default]
    Needed,
    /// All but nulls.
    All,
    /// All but nulls, in apostrophes instead: few readers take them for what they are.
    AllSingle,
}

impl Quoting {
    /// The mark around a field.
    pub(super) fn mark(self) -> u8 {
        match self {
            Self::Needed | Self::All => b'"',
            Self::AllSingle => b'\'',
        }
    }
}

impl CsvOptions {
    /// Checks the options together with the text of nulls.
    ///
    /// # Errors
    /// `Option` names the one that cannot be honoured.
    pub(super) fn check(&self, null: &str) -> Result<u8> {
        let refuse = |option, problem: String| Err(Error::Option { option, problem });
        let delimiter = match u8::try_from(self.delimiter) {
            Ok(byte) if byte.is_ascii() => byte,
            _ => {
                return refuse(
                    "csv.delimiter",
                    "use one ASCII character, such as , ; | or a tab".into(),
                );
            }
        };
        if delimiter.is_ascii_alphanumeric()
            || matches!(delimiter, b'"' | b'\'' | b'\n' | b'\r' | b'+' | b'-' | b'.' | b':' | 0)
        {
            return refuse(
                "csv.delimiter",
                "it occurs inside numbers, dates or quoting; use , ; | or a tab".into(),
            );
        }
        let marks = [delimiter, b'"', b'\n', b'\r', self.quoting.mark()];
        if null.bytes().any(|byte| marks.contains(&byte)) {
            return refuse(
                "values.null",
                "the text of nulls cannot have the delimiter, a quotation mark or a line end"
                    .into(),
            );
        }
        Ok(delimiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_that_break_values_are_refused() {
        for delimiter in ['"', '\n', '\r', '-', '.', ':', '1', 'T', 'é', '\0'] {
            let options = CsvOptions { delimiter, ..CsvOptions::default() };
            assert!(options.check("").is_err(), "{delimiter:?}");
        }
        for delimiter in [',', ';', '\t', '|', ' ', '\u{1f}'] {
            let options = CsvOptions { delimiter, ..CsvOptions::default() };
            assert_eq!(char::from(options.check("NULL").unwrap()), delimiter);
        }
        assert!(CsvOptions::default().check("a,b").is_err());
        let single = CsvOptions { quoting: Quoting::AllSingle, ..CsvOptions::default() };
        assert!(CsvOptions::default().check("'").is_ok() && single.check("'").is_err());
    }
}
