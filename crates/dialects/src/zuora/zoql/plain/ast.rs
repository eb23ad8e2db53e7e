//! A ZOQL query as it was written, before any name is looked up.
//!
//! Filters do not nest, so neither does the tree.

pub use crate::zuora::zoql::ast::{Comparison, Literal, Located, Name};

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The fields that are selected, at least one.
    pub fields: Vec<Name>,
    /// The object after FROM.
    pub object: Name,
    /// What stands after WHERE.
    pub filter: Option<Filter>,
}

/// Terms with OR between them, each of conditions with AND between them; of both at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(pub Vec<Vec<Condition>>);

impl Filter {
    /// Every condition, from left to right.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.0.iter().flatten()
    }
}

/// What is asked of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The field on the left side.
    pub field: Name,
    /// What is asked.
    pub test: Test,
}

/// What may be asked of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `field op value`
    Compare {
        /// How they are compared.
        op: Comparison,
        /// The value on the right side.
        value: Located<Literal>,
    },
    /// `field like 'pattern'`, with `%` for any text and `_` for one character.
    Like(Name),
    /// `field = null` and `field != null`
    IsNull {
        /// Whether a value is wanted.
        negated: bool,
    },
}
