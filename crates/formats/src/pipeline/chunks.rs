//! Batches to chunks: small batches are joined, so that a thread's work is worth its queueing, and
//! large ones cut, so that the memory of a chunk is bounded, by rows and by an estimate of the
//! bytes that its texts will take. A format may want chunks of a size of its own, up to a bound of
//! bytes. The cuts depend only on the rows, so that any number of threads gives the same file.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

use crate::Chunk;

/// A chunk is complete from here on.
const ROWS_WANTED: usize = 8_192;
const BYTES_WANTED: usize = 1 << 20;

/// A chunk whose rows the format counts is complete from here on, whatever it counts.
const BYTES_WANTED_COUNTED: usize = 32 << 20;

/// A batch above this is cut.
const ROWS_MAX: usize = 16_384;
const BYTES_MAX: usize = 4 << 20;

/// What a cell of fixed size takes, in bytes of output.
const CELL_BYTES: usize = 12;

/// Batches of one file, waiting to be chunks.
#[derive(Debug)]
pub(super) struct Chunker {
    section_rows: Option<u64>,
    /// Exact rows of a chunk; `None` joins and cuts by the sizes above.
    chunk_rows: Option<usize>,
    next_row: u64,
    waiting: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// A chunk with about how many bytes it takes.
#[derive(Debug)]
pub(super) struct Weighed {
    pub(super) chunk: Chunk,
    pub(super) bytes: usize,
}

impl Chunker {
    pub(super) fn new(section_rows: Option<u64>, chunk_rows: Option<usize>) -> Self {
        let chunk_rows = chunk_rows.map(|rows| rows.max(1));
        Self { section_rows, chunk_rows, next_row: 0, waiting: Vec::new(), rows: 0, bytes: 0 }
    }

    /// Adds a batch. Answers the chunks that are complete by it.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Vec<Weighed> {
        let mut complete = Vec::new();
        self.cut(batch, &mut complete);
        complete
    }

    /// What is left at the end of the file.
    pub(super) fn rest(&mut self) -> Option<Weighed> {
        if self.rows == 0 {
            return None;
        }
        let chunk = Chunk {
            batches: std::mem::take(&mut self.waiting),
            rows: self.rows as u64,
            first_row: self.next_row,
        };
        self.next_row += chunk.rows;
        self.rows = 0;
        Some(Weighed { chunk, bytes: std::mem::take(&mut self.bytes) })
    }

    /// Rows that still go into the chunk, at most.
    fn room(&self) -> u64 {
        let section = self
            .section_rows
            .map_or(u64::MAX, |section| section - (self.next_row + self.rows as u64) % section);
        // There is always room for one: a full chunk does not stay here.
        section.min(self.chunk_rows.map_or(u64::MAX, |rows| (rows - self.rows) as u64))
    }

    fn is_complete(&self) -> bool {
        match self.chunk_rows {
            Some(_) => self.bytes >= BYTES_WANTED_COUNTED,
            None => self.rows >= ROWS_WANTED || self.bytes >= BYTES_WANTED,
        }
    }

    fn cut(&mut self, batch: RecordBatch, complete: &mut Vec<Weighed>) {
        let rows = batch.num_rows();
        if rows == 0 {
            return;
        }
        let bytes = batch_bytes(&batch);
        let room = self.room();
        let half = if rows as u64 > room {
            room as usize
        } else if rows > ROWS_MAX || (bytes > BYTES_MAX && rows > 1) {
            rows.div_ceil(2).min(ROWS_MAX)
        } else {
            rows
        };
        if half < rows {
            self.cut(batch.slice(0, half), complete);
            return self.cut(batch.slice(half, rows - half), complete);
        }
        self.rows += rows;
        self.bytes += bytes;
        self.waiting.push(batch);
        if self.is_complete() || rows as u64 == room {
            complete.extend(self.rest());
        }
    }
}

fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| bytes_between(column, 0, column.len())).sum()
}

/// About how many bytes the rows of a column take as text.
fn bytes_between(array: &ArrayRef, from: usize, to: usize) -> usize {
    let rows = to - from;
    let text = match array.data_type() {
        DataType::Utf8 => between(array.as_string::<i32>().value_offsets(), from, to),
        DataType::LargeUtf8 => between(array.as_string::<i64>().value_offsets(), from, to),
        DataType::Binary => between(array.as_binary::<i32>().value_offsets(), from, to) * 2,
        DataType::LargeBinary => between(array.as_binary::<i64>().value_offsets(), from, to) * 2,
        DataType::Utf8View => views(array.as_string_view().views(), from, to),
        DataType::BinaryView => views(array.as_binary_view().views(), from, to) * 2,
        DataType::FixedSizeBinary(width) => *width as usize * rows * 2,
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            if dictionary.values().is_empty() {
                return rows * CELL_BYTES;
            }
            let keys = dictionary.normalized_keys();
            let values = dictionary.values();
            keys[from..to].iter().map(|key| bytes_between(values, *key, key + 1)).sum()
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            bytes_between(list.values(), offsets[from] as usize, offsets[to] as usize)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.value_offsets();
            bytes_between(list.values(), offsets[from] as usize, offsets[to] as usize)
        }
        DataType::FixedSizeList(_, width) => {
            let width = *width as usize;
            bytes_between(array.as_fixed_size_list().values(), from * width, to * width)
        }
        DataType::Struct(_) => {
            array.as_struct().columns().iter().map(|column| bytes_between(column, from, to)).sum()
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let (from, to) = (map.value_offsets()[from] as usize, map.value_offsets()[to] as usize);
            bytes_between(map.keys(), from, to) + bytes_between(map.values(), from, to)
        }
        _ => 0,
    };
    text + rows * CELL_BYTES
}

fn between<T: Copy + TryInto<usize>>(offsets: &[T], from: usize, to: usize) -> usize {
    let at = |place: usize| offsets[place].try_into().unwrap_or(0);
    at(to).saturating_sub(at(from))
}

fn views(views: &[u128], from: usize, to: usize) -> usize {
    // The low 32 bits of a view are the length of its value.
    views[from..to].iter().map(|view| *view as u32 as usize).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int32Array, StringArray};

    use super::*;

    fn numbers(from: i32, rows: i32) -> RecordBatch {
        let array: ArrayRef = Arc::new(Int32Array::from_iter_values(from..from + rows));
        RecordBatch::try_from_iter([("n", array)]).unwrap()
    }

    fn all_rows(chunks: &[Weighed]) -> Vec<i32> {
        let batches = chunks.iter().flat_map(|weighed| &weighed.chunk.batches);
        batches
            .flat_map(|batch| {
                batch.column(0).as_primitive::<arrow_array::types::Int32Type>().values().to_vec()
            })
            .collect()
    }

    #[test]
    fn small_batches_are_joined_and_large_ones_cut() {
        let mut chunker = Chunker::new(None, None);
        let (mut chunks, mut from) = (Vec::new(), 0);
        for rows in [1, 0, 5_000, 4_000, 100_000, 3, 16_385, 7] {
            chunks.extend(chunker.push(numbers(from, rows)));
            from += rows;
        }
        chunks.extend(chunker.rest());
        assert_eq!(all_rows(&chunks), (0..from).collect::<Vec<_>>());
        let mut next_row = 0;
        for Weighed { chunk, .. } in &chunks {
            assert_eq!(chunk.first_row, next_row);
            assert!(chunk.rows <= (ROWS_MAX + ROWS_WANTED) as u64);
            next_row += chunk.rows;
        }
        assert_eq!(chunks[0].chunk.rows, 9_001);
    }

    #[test]
    fn wide_texts_make_chunks_of_few_rows() {
        let text = "x".repeat(1 << 20);
        let array: ArrayRef = Arc::new(StringArray::from_iter_values((0..64).map(|_| &text)));
        let batch = RecordBatch::try_from_iter([("t", array)]).unwrap();
        let mut chunker = Chunker::new(None, None);
        let chunks = chunker.push(batch);
        assert_eq!(chunks.iter().map(|weighed| weighed.chunk.rows).sum::<u64>(), 64);
        assert!(chunks.iter().all(|weighed| weighed.chunk.rows <= 4));
    }

    #[test]
    fn no_chunk_crosses_a_section() {
        let mut chunker = Chunker::new(Some(1_000), None);
        let mut chunks = chunker.push(numbers(0, 300));
        chunks.extend(chunker.push(numbers(300, 5_200)));
        chunks.extend(chunker.rest());
        assert_eq!(all_rows(&chunks), (0..5_500).collect::<Vec<_>>());
        for Weighed { chunk, .. } in &chunks {
            assert_eq!(chunk.first_row / 1_000, (chunk.first_row + chunk.rows - 1) / 1_000);
        }
        assert_eq!(chunks.len(), 6);
    }

    #[test]
    fn a_format_that_counts_rows_gets_just_so_many() {
        let mut chunker = Chunker::new(None, Some(20_000));
        let mut chunks = chunker.push(numbers(0, 300));
        chunks.extend(chunker.push(numbers(300, 50_000)));
        chunks.extend(chunker.push(numbers(50_300, 9_700)));
        chunks.extend(chunker.push(numbers(60_000, 1)));
        chunks.extend(chunker.rest());
        assert_eq!(all_rows(&chunks), (0..60_001).collect::<Vec<_>>());
        let rows: Vec<_> = chunks.iter().map(|weighed| weighed.chunk.rows).collect();
        assert_eq!(rows, [20_000, 20_000, 20_000, 1]);
    }

    #[test]
    fn wide_texts_end_a_chunk_before_its_rows_are_counted() {
        let text = "x".repeat(1 << 20);
        let array: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|_| &text)));
        let batch = RecordBatch::try_from_iter([("t", array)]).unwrap();
        let mut chunker = Chunker::new(None, Some(100_000));
        let mut chunks = chunker.push(batch);
        chunks.extend(chunker.rest());
        assert_eq!(chunks.iter().map(|weighed| weighed.chunk.rows).sum::<u64>(), 100);
        assert!(chunks.len() > 2);
        let limit = BYTES_WANTED_COUNTED + BYTES_MAX;
        assert!(chunks.iter().all(|weighed| weighed.bytes <= limit));
    }
}
