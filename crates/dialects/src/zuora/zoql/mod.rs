//! Zuora's query languages.
//!
//! Export ZOQL (Zuora documentation, "Export ZOQL") is read in [`export`]. What it shares with
//! ZOQL proper lives here: the [`lexer`], the [`literal`] forms of dates and datetimes, and the
//! [`error`] that says what is wrong with a query and where. Nothing here plans or runs a query:
//! text goes in, a neutral [`outhaul_exports::query::Select`] or an error comes out.

pub mod error;
pub mod export;
pub mod lexer;
pub mod literal;

use outhaul_exports::limits;

pub use error::{Position, ZoqlError, ZoqlErrorKind};

/// The longest query, in characters (Zuora documentation, "Export ZOQL": 20,000 characters).
pub const CHARACTERS_MAX: usize = limits::QUERY_CHARS_MAX;

/// The deepest nesting of parentheses and NOT.
pub const DEPTH_MAX: usize = limits::NESTING_MAX;

/// The most terms in one chain of AND or of OR; hardly more fit into the longest query. The neutral
/// query's chains are shorter: long ones become lists and chains of chains.
pub const TERMS_MAX: usize = 4 * limits::CHAIN_TERMS_MAX;
