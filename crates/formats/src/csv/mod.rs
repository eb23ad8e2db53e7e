//! Comma-separated text after RFC 4180, lossless by default: a null and an empty text differ, and
//! no value is changed. What customers read about it is in `docs.md`.

mod encoder;
mod options;

use arrow_schema::SchemaRef;

pub use options::{CsvOptions, LineEnd, Quoting};

use crate::error::Result;
use crate::{Encoder, Format, FormatOptions};

/// The format.
#[derive(Debug)]
pub struct Csv;

impl Format for Csv {
    fn id(&self) -> &'static str {
        "csv"
    }

    fn media_type(&self) -> &'static str {
        "text/csv"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn docs(&self) -> &'static str {
        include_str!("docs.md")
    }

    fn encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::CsvEncoder::new(schema, options)?))
    }
}
