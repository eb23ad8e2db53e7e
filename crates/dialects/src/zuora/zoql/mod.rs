//! Zuora's query languages.
//!
//! There are two, and Zuora's documentation describes each on pages of its own: ZOQL, which reads
//! single objects, in [`plain`], and Export ZOQL in [`export`]. What they share lives here: the
//! [`lexer`] and the reader of its tokens, the [`literal`] forms of dates and datetimes, the look-up
//! of names, what a comparison means, and the [`error`] that says what is wrong with a query and
//! where. Where the two differ, [`Language`] knows. Nothing here plans or runs a query: text goes
//! in, a neutral [`outhaul_exports::query::Select`] or an error comes out.

pub mod ast;
mod chains;
mod comparisons;
pub mod error;
pub mod export;
mod language;
pub mod lexer;
pub mod literal;
pub mod plain;
mod reader;
mod scope;
#[cfg(test)]
mod tests;

use outhaul_exports::limits;

pub use error::{Position, ZoqlError, ZoqlErrorKind};
pub use language::Language;
pub use scope::Zones;

/// The longest query, in characters (Zuora documentation, "Export ZOQL": 20,000 characters).
pub const CHARACTERS_MAX: usize = limits::QUERY_CHARS_MAX;

/// The deepest nesting of parentheses and NOT.
pub const DEPTH_MAX: usize = limits::NESTING_MAX;

/// The most terms in one chain of AND or of OR; hardly more fit into the longest query. The neutral
/// query's chains are shorter: long ones become lists and chains of chains.
pub const TERMS_MAX: usize = 4 * limits::CHAIN_TERMS_MAX;
