//! Excel workbooks (ECMA-376, "Office Open XML"), written front to back by a writer of our own: the
//! libraries for it build each cell as a value first, which costs an order of magnitude. Rows are
//! encoded and deflated on all threads; only the zip frame is serial. What customers read about it
//! is in `docs.md`.
//!
//! Charts, widths, formulas and everything else that rows do not need are not here.

mod container;
mod encoder;
mod lock;
mod options;
mod package;
mod text;

use arrow_schema::SchemaRef;

pub use options::{LongText, XlsxOptions};

use crate::error::Result;
use crate::{Encoder, Format, FormatOptions};

/// Rows of a sheet, the header included (Microsoft, "Excel specifications and limits").
const SHEET_ROWS_MAX: u64 = 1_048_576;

/// Sheets of a workbook. Excel knows no limit but its memory; each sheet is a file of the package,
/// whose name is kept until the end.
const SHEETS_MAX: u64 = 1_024;

/// Columns of a sheet (same source).
const SHEET_COLUMNS_MAX: usize = 16_384;

/// Characters of a cell, in UTF-16 code units (same source).
const TEXT_UNITS_MAX: usize = 32_767;

/// The format.
#[derive(Debug)]
pub struct Xlsx;

impl Format for Xlsx {
    fn id(&self) -> &'static str {
        "xlsx"
    }

    fn media_type(&self) -> &'static str {
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    }

    fn extension(&self) -> &'static str {
        "xlsx"
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
        Ok(Box::new(encoder::XlsxEncoder::new(schema, options)?))
    }
}
