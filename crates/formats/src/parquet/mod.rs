//! Apache Parquet: columns with their types, compressed, for programs that read tables. Values keep
//! their types; nothing becomes text but what the format has no type for. What customers read about
//! it is in `docs.md`.
//!
//! The pages of a column are encoded by the `parquet` crate. What is ours is the choice of types,
//! the division of the work, and the file around it: a chunk is a row group, each of its columns
//! is encoded apart, and the assembler puts the finished columns in place.

mod bounds;
mod carry;
mod column;
mod dictionary;
mod encoder;
mod file;
mod options;
mod schema;

use arrow_schema::SchemaRef;

pub use options::{Compression, ParquetOptions};

use crate::error::Result;
use crate::{Encoder, Format, FormatOptions};

/// The format.
#[derive(Debug)]
pub struct Parquet;

impl Format for Parquet {
    fn id(&self) -> &'static str {
        "parquet"
    }

    fn media_type(&self) -> &'static str {
        "application/vnd.apache.parquet"
    }

    fn extension(&self) -> &'static str {
        "parquet"
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
        Ok(Box::new(encoder::ParquetEncoder::new(schema, options)?))
    }
}

#[cfg(test)]
mod tests;
