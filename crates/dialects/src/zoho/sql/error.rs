//! What is wrong with a criteria or a statement, where, and by which of Zoho's codes.
//!
//! One error type for every stage, so that a client always learns a line and a column. The names of
//! the codes and their status on the wire are decided elsewhere, from the code.

use std::fmt;

use sqlparser::tokenizer::{Location, Span};

use crate::zoho::names::folded;

/// A text that cannot be run, with the reason and the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// Zoho's code of the error (Zoho Analytics API v2, "Error codes").
    pub code: u16,
    /// The reason as one sentence, without the place. It names the nearest candidates where a name
    /// is not known.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

impl std::error::Error for SqlError {}

pub(super) type Result<T> = std::result::Result<T, SqlError>;

/// A place in a text; its first character where nothing better is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
        Self { line: at(location.line), column: at(location.column) }
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        span.start.into()
    }
}

/// What kind of mistake it is; [`Language`] knows its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The text is not in the language.
    Syntax,
    /// It is in the language, and is not offered here.
    NotOffered,
    /// A value that does not go with what it is compared with, or a limit.
    NotConvertible,
    /// A column of the list of a SELECT that is not known.
    SelectedColumn,
    /// A column in another place that is not known.
    Column,
    /// A table that is not known.
    Table,
    /// A column of a table that is known, and has no part in this.
    ForeignTable,
    /// An aggregate where none may be.
    Aggregate,
    /// Two columns of one name.
    Twice,
    /// No table at all.
    NoTable,
}

/// Which of the two languages a text is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// A condition over the rows of one view (Zoho Analytics API v2, "Filter criteria").
    Criteria,
    /// A SELECT statement (Zoho Analytics API v2, "Query tables").
    Statement,
}

impl Language {
    pub(super) fn code(self, mistake: Mistake) -> u16 {
        match (self, mistake) {
            (Self::Criteria, Mistake::Syntax) => 7331,
            (Self::Criteria, Mistake::Column | Mistake::SelectedColumn) => 7330,
            (Self::Criteria, Mistake::Table) => 7332,
            (Self::Criteria, Mistake::Aggregate) => 7333,
            (Self::Criteria, Mistake::ForeignTable) => 7543,
            (
                Self::Criteria,
                Mistake::NotOffered | Mistake::NotConvertible | Mistake::Twice | Mistake::NoTable,
            ) => 7327,
            (Self::Statement, Mistake::Syntax) => 7403,
            (
                Self::Statement,
                Mistake::NotOffered | Mistake::NotConvertible | Mistake::Aggregate,
            ) => 7401,
            (Self::Statement, Mistake::SelectedColumn) => 7407,
            (Self::Statement, Mistake::Column) => 7408,
            (Self::Statement, Mistake::Table | Mistake::ForeignTable) => 7409,
            (Self::Statement, Mistake::Twice) => 7433,
            (Self::Statement, Mistake::NoTable) => 7835,
        }
    }

    pub(super) fn error(
        self,
        mistake: Mistake,
        at: impl Into<Place>,
        message: impl Into<String>,
    ) -> SqlError {
        let Place { line, column } = at.into();
        SqlError { code: self.code(mistake), message: message.into(), line, column }
    }
}

/// A text as it may stand in a message: on one line, and not long.
pub(super) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 100;
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_MAX {
            out.push_str("...");
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// `: did you mean "A", "B" or "C"?` with the nearest of the known names, or nothing where none is
/// near.
pub(super) fn candidates<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> String {
    const NAMED_MAX: usize = 3;
    const NEAR: f64 = 0.75;
    /// Nobody means a longer name, and comparing costs its length times that of every known one.
    const COMPARED_BYTES_MAX: usize = 200;
    if written.len() > COMPARED_BYTES_MAX {
        return String::new();
    }
    let written = folded(written);
    let score = |name: &str| strsim::jaro_winkler(&written, &folded(name));
    let mut near: Vec<_> = known.map(|name| (score(name), name)).filter(|n| n.0 >= NEAR).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    let names: Vec<_> =
        near.iter().take(NAMED_MAX).map(|(_, name)| format!("\"{}\"", shown(name))).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => format!(": did you mean {only}?"),
        Some((last, rest)) => format!(": did you mean {} or {last}?", rest.join(", ")),
    }
}
