//! Pages to print or to read (ISO 32000-2, "Portable document format"), written front to back by a
//! writer of our own: the libraries for it keep a whole document until its end, and few encrypt.
//! Text is set on all threads; the serial half fills pages and writes each when it is full. Fonts
//! are read, shaped and cut to their used glyphs by libraries. What customers read about it is in
//! `docs.md`.
//!
//! Images, links, forms, tags for screen readers and everything else that a table does not need are
//! not here.

mod embed;
mod encoder;
mod fonts;
mod layout;
mod letters;
mod lock;
mod object;
mod options;
mod pages;
mod rows;
mod shaping;
mod text;

use arrow_schema::SchemaRef;

pub use options::{Margins, Orientation, Paper, PdfOptions, Place, Slot, Widths};

use crate::error::Result;
use crate::{Encoder, Format, FormatOptions};

/// Its id, also for errors.
const FORMAT: &str = "pdf";

/// Cells of a document, headings not counted: as many as the vendors' own exports allow.
pub const CELLS_MAX: u64 = 1_000_000;

/// Rows that decide the widths of the columns.
const SAMPLE_ROWS: usize = 1_000;

/// The format.
#[derive(Debug)]
pub struct Pdf;

impl Format for Pdf {
    fn id(&self) -> &'static str {
        FORMAT
    }

    fn media_type(&self) -> &'static str {
        "application/pdf"
    }

    fn extension(&self) -> &'static str {
        "pdf"
    }

    fn docs(&self) -> &'static str {
        include_str!("docs.md")
    }

    fn compressed(&self) -> bool {
        true
    }

    fn takes_password(&self) -> bool {
        true
    }

    fn encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::PdfEncoder::new(schema, options)?))
    }
}
