//! Choices of json.

use serde::{Deserialize, Serialize};

/// How the document is laid out. Values themselves are in `ValueOptions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JsonOptions {
    /// How a row is written.
    pub row: Row,
    /// The whole document, in which `$rows` stands for the array of the rows and `$columns` for an
    /// array of the names of the columns.
    pub document: String,
    /// Whether each row has a line of its own.
    pub lines: bool,
    /// Whether every value is a string, numbers and booleans too.
    pub strings: bool,
    /// How numbers are written that a reader with binary doubles would round.
    pub numbers: Numbers,
    /// What becomes of nulls.
    pub nulls: Nulls,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self {
            row: Row::default(),
            document: "$rows".to_owned(),
            lines: true,
            strings: false,
            numbers: Numbers::default(),
            nulls: Nulls::default(),
        }
    }
}

/// How a row is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// As an object, with the names of the columns as keys.
    #[default]
    Object,
    /// As an array of its values.
    Array,
}

/// How numbers are written that a reader with binary doubles, such as JavaScript's, would round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// As numbers, with all their digits.
    #[default]
    Exact,
    /// Decimals, and integers beyond 2^53 - 1, as texts with all their digits.
    Text,
}

/// What becomes of a null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// `null`.
    #[default]
    Write,
    /// Nothing: the object does not have the key. Not for rows that are arrays.
    Omit,
    /// The same, and in objects inside of it, too.
    OmitDeep,
    /// The text of `values.null` as a string.
    Text,
}
