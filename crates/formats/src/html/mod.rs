//! One HTML page with one table, for people to look at. Nothing of the data can run: every text is
//! escaped, and no value reaches an attribute, a style or a script. What customers read about it is
//! in `docs.md`.

mod encoder;
mod options;

use arrow_schema::SchemaRef;

pub use options::{Caption, HtmlOptions};

use crate::error::Result;
use crate::{Encoder, Format, FormatOptions};

/// The format.
#[derive(Debug)]
pub struct Html;

impl Format for Html {
    fn id(&self) -> &'static str {
        "html"
    }

    fn media_type(&self) -> &'static str {
        "text/html"
    }

    fn extension(&self) -> &'static str {
        "html"
    }

    fn docs(&self) -> &'static str {
        include_str!("docs.md")
    }

    fn encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::HtmlEncoder::new(schema, options)?))
    }
}
