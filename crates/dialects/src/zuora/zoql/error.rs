//! What is wrong with a query, and where.
//!
//! One error type for every stage from the first character to the resolved query, so that a
//! client always learns a line and a column. The wire form (which of Zuora's error families, which
//! code) is decided elsewhere, from [`ZoqlErrorKind`].

use std::fmt;

/// A place in the text of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// Line, from 1; lines end with a line feed.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl Position {
    /// The first character.
    pub const START: Self = Self { offset: 0, line: 1, column: 1 };
}

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ZoqlErrorKind {
    /// The text is not in the language.
    Syntax,
    /// The query is longer, deeper or wider than is allowed.
    Limit,
    /// A literal is malformed or out of range: a date that does not exist, a number too long.
    Value,
    /// The object after FROM is not known to this tenant.
    NoSuchDataSource,
    /// A field or joined object is not known to this tenant.
    NoSuchField,
    /// An operator, function or literal that does not go with the type of a field.
    Type,
    /// A selected or sorted column that is neither grouped nor aggregated.
    Grouping,
    /// Two columns under one name.
    DuplicateAlias,
    /// DISTINCT anywhere but in COUNT.
    DistinctWithoutCount,
    /// A sensitive field where its value would show through: in a filter, group, order or function.
    Sensitive,
}

/// A query that cannot be run, with the reason and the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoqlError {
    /// What kind of mistake it is.
    pub kind: ZoqlErrorKind,
    /// The reason as one sentence, without the place. Texts that Zuora's clients compare stand at
    /// its beginning, byte for byte.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl ZoqlError {
    pub(crate) fn new(kind: ZoqlErrorKind, at: Position, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), line: at.line, column: at.column }
    }

    pub(crate) fn syntax(at: Position, message: impl Into<String>) -> Self {
        Self::new(ZoqlErrorKind::Syntax, at, message)
    }
}

impl fmt::Display for ZoqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

impl std::error::Error for ZoqlError {}

/// The text as it may stand in a message: cut to 100 characters, control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 100;
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_MAX {
            out.push_str("...");
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
