//! One JSON object a line (RFC 8259, "Newline Delimited JSON"), with every digit of every number.
//! What customers read about it is in `docs.md`.

mod encoder;
mod options;

use arrow_schema::SchemaRef;

pub use options::{NdjsonOptions, Nulls, Numbers};

use crate::error::Result;
use crate::{Encoder, Format, FormatOptions};

/// The format.
#[derive(Debug)]
pub struct Ndjson;

impl Format for Ndjson {
    fn id(&self) -> &'static str {
        "ndjson"
    }

    fn media_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn extension(&self) -> &'static str {
        "ndjson"
    }

    fn nests(&self) -> bool {
        true
    }

    fn docs(&self) -> &'static str {
        include_str!("docs.md")
    }

    fn encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::NdjsonEncoder::new(schema, options)?))
    }
}
