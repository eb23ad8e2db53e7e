//! ZOQL: the language of AQuA queries of type `zoql`.
//!
//! A query reads fields of one object, with a filter that neither nests nor compares fields with
//! each other (Zuora documentation, "ZOQL"); what else people expect of a query language is refused
//! with the way to get it. [`parser`] reads text into [`ast`] and `print` writes it back;
//! [`compile`] also looks every name up in the catalog and checks every type.

pub mod ast;
mod lower;
pub mod parser;
mod print;
#[cfg(test)]
mod tests;

pub use lower::compile;

/// The most conditions in one filter (Zuora documentation, "ZOQL").
pub const CONDITIONS_MAX: usize = 200;
