//! Medable Cortex's Export API, as far as it is there: the names that the catalog has on its wire
//! ([`names`]), and the query arguments of an export ([`query`]).
//!
//! It is not a dialect yet: it has no routes, no faults as JSON and no jobs, and is not in the list
//! of dialects. Nested documents and lists inside a document come later; until then a catalog's
//! nested values can be exported whole, and neither searched nor entered.

pub mod names;
pub mod query;
