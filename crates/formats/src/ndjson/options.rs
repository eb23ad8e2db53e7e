//! Choices of ndjson.

use serde::{Deserialize, Serialize};

/// How the objects are laid out. Values themselves are in `ValueOptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NdjsonOptions {
    /// How numbers are written that a reader with binary doubles would round.
    pub numbers: Numbers,
    /// What becomes of nulls.
    pub nulls: Nulls,
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
    /// `null`, so that every object has every key.
    #[default]
    Write,
    /// Nothing: the object does not have the key.
    Omit,
    /// The same, and in objects inside of it, too.
    OmitDeep,
}
