//! One XML document (XML 1.0, fifth edition) with an element for each row. What customers read about
//! it is in `docs.md`.

mod encoder;
mod name;
mod options;
mod text;

use arrow_schema::SchemaRef;

pub use options::{Columns, Element, Nulls, XmlOptions};

use crate::error::Result;
use crate::{Encoder, Format, FormatOptions};

/// The format.
#[derive(Debug)]
pub struct Xml;

impl Format for Xml {
    fn id(&self) -> &'static str {
        "xml"
    }

    fn media_type(&self) -> &'static str {
        "application/xml"
    }

    fn extension(&self) -> &'static str {
        "xml"
    }

    fn docs(&self) -> &'static str {
        include_str!("docs.md")
    }

    fn encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::XmlEncoder::new(schema, options)?))
    }
}
