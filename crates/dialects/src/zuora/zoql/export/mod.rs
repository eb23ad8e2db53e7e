//! Export ZOQL: the language of Zuora's Export API and of AQuA queries of type `zoqlexport`.
//!
//! [`parser`] reads text into [`ast`] and `print` writes it back; `names`, `conditions` and `lower`
//! look every name up in the catalog and check every type. [`compile`] is the way through all of
//! them.

pub mod ast;
mod conditions;
mod lower;
mod names;
pub mod parser;
mod print;
#[cfg(test)]
mod tests;

pub use super::scope::Zones;
pub use lower::compile;
