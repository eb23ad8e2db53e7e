//! Choices of xml.

use serde::{Deserialize, Serialize};

/// How the document is laid out. Values themselves are in `ValueOptions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct XmlOptions {
    /// How a value's column is told.
    pub columns: Columns,
    /// The elements around the rows, from the outermost; at least one.
    pub around: Vec<Element>,
    /// Name of a row's element.
    pub row: String,
    /// Name of a value's element, when all have the same.
    pub column: String,
    /// Whether the document begins with its declaration.
    pub declaration: bool,
    /// Whether each row has a line of its own.
    pub lines: bool,
    /// What becomes of nulls.
    pub nulls: Nulls,
}

impl Default for XmlOptions {
    fn default() -> Self {
        Self {
            columns: Columns::default(),
            around: vec![Element { name: "rows".to_owned(), attributes: Vec::new() }],
            row: "row".to_owned(),
            column: "column".to_owned(),
            declaration: true,
            lines: true,
            nulls: Nulls::default(),
        }
    }
}

/// An element around the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Names and values of its attributes, in order.
    #[serde(default)]
    pub attributes: Vec<(String, String)>,
}

/// How a value's column is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Columns {
    /// By the element's name: `<Amount>1</Amount>`.
    #[default]
    Elements,
    /// By an attribute: `<column name="Amount">1</column>`.
    Named,
}

/// What becomes of a null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// The row does not have the element, so that a null is not an empty text.
    #[default]
    Omit,
    /// The text of `values.null` in the element.
    Text,
}
