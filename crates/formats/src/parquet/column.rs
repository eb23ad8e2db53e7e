//! One column of a row group: how it is encoded, and what the footer says of it.

use std::io;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_schema::ArrowError;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;

use super::options::ParquetOptions;
use super::schema::ParquetColumn;
use super::{bounds, dictionary};
use crate::error::{Error, Result};
use crate::options::ValueOptions;
use crate::report::{WarningKind, Warnings};

/// What made the file, in the form in which readers look for it.
const CREATED_BY: &str = concat!("outhaul version ", env!("CARGO_PKG_VERSION"));

/// A page ends at so many bytes before compression, or at so many rows. Pages that fit in a
/// processor's cache are compressed in half of the time that a page of a megabyte takes, and are
/// larger by less than one in a hundred.
const PAGE_BYTES: usize = 128 << 10;
const PAGE_ROWS: usize = 1 << 20;

/// Values between two looks at the size of a page.
const VALUES_PER_LOOK: usize = 4_096;

/// How the library encodes columns, with what varies between them.
pub(super) struct Settings {
    plain: WriterPropertiesPtr,
    plain_with_bounds: WriterPropertiesPtr,
    dictionary: WriterPropertiesPtr,
    dictionary_with_bounds: WriterPropertiesPtr,
}

impl Settings {
    pub(super) fn new(options: &ParquetOptions, arrow_schema: KeyValue) -> Self {
        let base = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_key_value_metadata(Some(vec![arrow_schema]))
            .set_compression(options.compression.codec())
            .set_data_page_size_limit(PAGE_BYTES)
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_write_batch_size(VALUES_PER_LOOK)
            // An index of pages would have to be kept in memory until the end of the file.
            .set_offset_index_disabled(true);
        let of = |dictionary: bool, bounds: EnabledStatistics| {
            let base = base.clone().set_dictionary_enabled(dictionary);
            Arc::new(base.set_statistics_enabled(bounds).build())
        };
        Self {
            plain: of(false, EnabledStatistics::None),
            plain_with_bounds: of(false, EnabledStatistics::Chunk),
            dictionary: of(true, EnabledStatistics::None),
            dictionary_with_bounds: of(true, EnabledStatistics::Chunk),
        }
    }

    /// What the footer is written with.
    pub(super) fn of_the_file(&self) -> WriterPropertiesPtr {
        self.plain.clone()
    }

    fn of(&self, dictionary: bool, bounds: bool) -> &WriterPropertiesPtr {
        match (dictionary, bounds) {
            (false, false) => &self.plain,
            (false, true) => &self.plain_with_bounds,
            (true, false) => &self.dictionary,
            (true, true) => &self.dictionary_with_bounds,
        }
    }
}

/// What encodes one column of the schema, which has several leaves when it is nested.
pub(super) struct ColumnEncoder {
    column: ParquetColumn,
    settings: Arc<Settings>,
}

impl ColumnEncoder {
    pub(super) fn new(column: ParquetColumn, settings: Arc<Settings>) -> Self {
        Self { column, settings }
    }

    /// The chunks of a row group's arrays, one for each leaf.
    ///
    /// # Errors
    /// `Convert` when the library refuses the values, `Cancelled` when `stop` answers true.
    pub(super) fn encode(
        &self,
        arrays: &[ArrayRef],
        values: &ValueOptions,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<ArrowColumnChunk>> {
        let field = self.column.field();
        // The leaves of a nested column differ too much for one answer.
        let dictionary = field.data_type().is_nested()
            || dictionary::is_worthwhile(field.name(), arrays, values)?;
        let bounds = bounds::bounds(arrays);
        let mut writers = self.writers(dictionary, bounds.is_none())?;
        for array in arrays {
            if stop() {
                return Err(Error::Cancelled);
            }
            self.write(array, values, &mut writers)?;
        }
        let mut chunks = self.close(writers)?;
        if let (Some(bounds), [chunk]) = (bounds, chunks.as_mut_slice()) {
            let nulls = arrays.iter().map(|array| array.null_count()).sum();
            if let Some(statistics) = self.statistics(&bounds, nulls, values)? {
                let close = chunk.close_mut();
                let metadata = close.metadata.clone().into_builder().set_statistics(statistics);
                close.metadata = metadata.build().map_err(|why| self.failed(why))?;
            }
        }
        Ok(chunks)
    }

    /// Lets the library say what it says of a column of these values: in the type, and cut to the
    /// length, in which the footer has them.
    fn statistics(
        &self,
        bounds: &ArrayRef,
        nulls: usize,
        values: &ValueOptions,
    ) -> Result<Option<Statistics>> {
        let mut writers = self.writers(false, true)?;
        self.write(bounds, values, &mut writers)?;
        if nulls > 0 {
            self.write(&new_null_array(bounds.data_type(), nulls), values, &mut writers)?;
        }
        let chunks = self.close(writers)?;
        Ok(chunks.first().and_then(|chunk| chunk.close().metadata.statistics().cloned()))
    }

    fn writers(&self, dictionary: bool, bounds: bool) -> Result<Vec<ArrowColumnWriter>> {
        // A file of this column alone; its pages are the same in whatever file they end up.
        let settings = self.settings.of(dictionary, bounds).clone();
        SerializedFileWriter::new(io::sink(), self.column.root.clone(), settings)
            .map(|file| ArrowRowGroupWriterFactory::new(&file, self.column.schema.clone()))
            .and_then(|factory| factory.create_column_writers(0))
            .map_err(|why| self.failed(why))
    }

    fn write(
        &self,
        array: &ArrayRef,
        values: &ValueOptions,
        writers: &mut [ArrowColumnWriter],
    ) -> Result<()> {
        let field = self.column.field();
        let array = self.column.carry.apply(field.name(), array, values)?;
        if !field.is_nullable() && array.null_count() > 0 {
            return Err(Error::Usage("a column that has no nulls was given one"));
        }
        let leaves = compute_leaves(field, &array).map_err(|why| self.failed(why))?;
        leaves
            .iter()
            .zip(writers)
            .try_for_each(|(leaf, writer)| writer.write(leaf))
            .map_err(|why| self.failed(why))
    }

    fn close(&self, writers: Vec<ArrowColumnWriter>) -> Result<Vec<ArrowColumnChunk>> {
        let chunks: ParquetResult<_> = writers.into_iter().map(ArrowColumnWriter::close).collect();
        chunks.map_err(|why| self.failed(why))
    }

    /// The library's texts can hold values, so that only the column is named.
    fn failed(&self, why: ParquetError) -> Error {
        let source = ArrowError::ExternalError(Box::new(why));
        Error::Convert { column: self.column.field().name().clone(), source }
    }

    /// Tells how many values are texts because the format has no such type.
    pub(super) fn warn(&self, arrays: &[ArrayRef], first_row: u64, warnings: &mut Warnings) {
        if !self.column.carry.has_text() {
            return;
        }
        let mut row = first_row;
        for array in arrays {
            let nulls = array.logical_nulls();
            for at in 0..array.len() {
                if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at)) {
                    let name = self.column.field().name();
                    warnings.note(WarningKind::TypeAsText, name, row + at as u64);
                }
            }
            row += array.len() as u64;
        }
    }
}
