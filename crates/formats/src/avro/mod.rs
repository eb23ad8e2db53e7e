//! Avro object container files (Apache Avro 1.11 and 1.12, "Object Container Files"), written by an
//! encoder of our own: a chunk of rows becomes a block, compressed on the thread that encodes it.
//! What customers read about it is in `docs.md`.

mod encoder;
mod options;
mod schema;
mod values;

#[cfg(test)]
pub(crate) mod reading;

use arrow_schema::SchemaRef;

pub use options::{AvroOptions, Codec};

use crate::error::Result;
use crate::{Encoder, Format, FormatOptions};

/// The format.
#[derive(Debug)]
pub struct Avro;

impl Format for Avro {
    fn id(&self) -> &'static str {
        "avro"
    }

    fn media_type(&self) -> &'static str {
        "application/avro"
    }

    fn extension(&self) -> &'static str {
        "avro"
    }

    fn nests(&self) -> bool {
        true
    }

    fn docs(&self) -> &'static str {
        include_str!("docs.md")
    }

    fn compressed(&self) -> bool {
        true
    }

    fn encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::AvroEncoder::new(schema, options)?))
    }
}
