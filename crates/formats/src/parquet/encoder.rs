//! Rows to the column chunks of a row group. Columns know nothing of one another, so that each is a
//! part of its own for the threads; a part never waits for the rest of its group.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::schema::types::TypePtr;

use super::column::{ColumnEncoder, Settings};
use super::file::{ColumnChunks, ParquetFile};
use super::schema;
use crate::cells;
use crate::error::Result;
use crate::options::{FormatOptions, ValueOptions};
use crate::report::Warnings;
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch};

/// Most parts of a row group; more only cost their queueing.
const PARTS_MAX: usize = 64;

pub(super) struct ParquetEncoder {
    root: TypePtr,
    properties: WriterPropertiesPtr,
    columns: Vec<ColumnEncoder>,
    values: ValueOptions,
    rows_per_group: usize,
}

impl ParquetEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        options.parquet.check()?;
        let columns = schema::columns(schema)?;
        let root = schema::root(&columns)?;
        let zone = options.values.timestamps.zone.as_deref();
        let arrow = schema::arrow_schema(&columns, zone);
        let settings = Arc::new(Settings::new(&options.parquet, arrow));
        let properties = settings.of_the_file();
        let encoder = |column| ColumnEncoder::new(column, settings.clone());
        Ok(Self {
            columns: columns.into_iter().map(encoder).collect(),
            root,
            properties,
            values: options.values.clone(),
            rows_per_group: options.parquet.rows_per_group,
        })
    }

    /// The columns of a part.
    fn range(&self, part: usize) -> Range<usize> {
        let (columns, parts) = (self.columns.len(), self.parts());
        part * columns / parts..(part + 1) * columns / parts
    }

    fn encode_columns(
        &self,
        chunk: &Chunk,
        columns: Range<usize>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        let last = columns.end == self.columns.len();
        let mut warnings = Warnings::default();
        let mut chunks = Vec::new();
        for at in columns {
            let arrays: Vec<_> =
                chunk.batches.iter().map(|batch| batch.column(at).clone()).collect();
            let encoder = &self.columns[at];
            chunks.extend(encoder.encode(&arrays, &self.values, stop)?);
            encoder.warn(&arrays, chunk.first_row, &mut warnings);
        }
        Ok(Piece {
            rows: chunk.rows,
            first_row: chunk.first_row,
            body: Body::Other(Box::new(ColumnChunks { chunks, last })),
            warnings,
        })
    }
}

impl Encoder for ParquetEncoder {
    fn encode(&self, chunk: &Chunk, _: &mut Scratch, stop: &dyn Fn() -> bool) -> Result<Piece> {
        self.encode_columns(chunk, 0..self.columns.len(), stop)
    }

    fn assembler(&self) -> Box<dyn Assembler> {
        Box::new(ParquetFile::new(self.root.clone(), self.properties.clone()))
    }

    fn chunk_rows(&self) -> Option<usize> {
        Some(self.rows_per_group)
    }

    fn parts(&self) -> usize {
        self.columns.len().min(PARTS_MAX)
    }

    fn encode_part(
        &self,
        chunk: &Chunk,
        part: usize,
        _: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        self.encode_columns(chunk, self.range(part), stop)
    }

    fn verbatim(&self) -> bool {
        false
    }
}
