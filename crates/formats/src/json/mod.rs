//! One JSON document (RFC 8259) with all rows in an array, with every digit of every number. What
//! stands around the array is a text that whoever chooses the format gives. What customers read
//! about it is in `docs.md`.

mod document;
mod encoder;
mod options;

use arrow_schema::SchemaRef;

pub use options::{JsonOptions, Nulls, Numbers, Row};

use crate::error::Result;
use crate::{Encoder, Format, FormatOptions};

/// The format.
#[derive(Debug)]
pub struct Json;

impl Format for Json {
    fn id(&self) -> &'static str {
        "json"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn nests(&self) -> bool {
        true
    }

    fn docs(&self) -> &'static str {
        include_str!("docs.md")
    }

    fn encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::JsonEncoder::new(schema, options)?))
    }
}
