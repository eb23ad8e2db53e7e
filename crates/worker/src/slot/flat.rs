//! Documents as a table: a column for each value, by its path, as in `creator._id` and
//! `items.0.name`. Formats that cannot nest are given such rows.
//!
//! How many columns a list takes is known when the longest one has gone by. So documents with lists
//! are read twice: they wait in a file in between, and no more than a batch is in memory. A list
//! that is empty in every row has no columns.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ListArray, RecordBatch, RecordBatchOptions, StructArray, UInt32Array,
    make_array,
};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use arrow_select::take::take;
use futures::{StreamExt, stream};
use outhaul_exports::flow::{BatchStream, RowStream};
use outhaul_exports::{Error, ErrorKind, Result, limits};

use super::archive::Room;

/// The same documents as a table.
///
/// # Errors
/// `TooLarge` for more columns than there may be; what the rows say, and the room in which they wait.
pub(super) async fn flat(rows: RowStream, room: &Room) -> Result<RowStream> {
    let mut shapes: Vec<Shape> =
        rows.schema.fields().iter().map(|field| Shape::of(field.data_type())).collect();
    let RowStream { mut schema, estimated_rows, warnings, mut batches } = rows;
    if shapes.iter().any(Shape::has_lists) {
        schema = without_views(&schema);
        let mut waiting = Waiting::begin(room, &schema)?;
        while let Some(batch) = batches.next().await.transpose()? {
            for (shape, column) in shapes.iter_mut().zip(batch.columns()) {
                shape.measure(column)?;
            }
            // On a thread that may wait for the disk.
            waiting = on_disk(move || waiting.with(&batch)).await?;
        }
        batches = on_disk(move || waiting.read()).await?;
    }
    let mut fields = Vec::new();
    for (shape, field) in shapes.iter().zip(schema.fields()) {
        shape.fields(field.name(), field, &mut fields)?;
    }
    let schema = Arc::new(Schema::new(fields));
    let own = Arc::clone(&schema);
    // Few rows at once where there are many columns.
    let rows_max = (limits::FLAT_CELLS_MAX / own.fields().len().max(1)).max(1);
    let batches = batches.flat_map(move |batch| {
        let pieces: Vec<_> = match batch {
            Ok(batch) => {
                let first = (0..batch.num_rows()).step_by(rows_max);
                let piece = |at| Ok(batch.slice(at, rows_max.min(batch.num_rows() - at)));
                first.map(piece).collect()
            }
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    });
    let batches = batches.map(move |batch| {
        let batch = batch?;
        let mut columns = Vec::with_capacity(own.fields().len());
        for (shape, column) in shapes.iter().zip(batch.columns()) {
            shape.columns(column, &mut columns)?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&own), columns, &options).map_err(wrong)
    });
    Ok(RowStream { schema, estimated_rows, warnings, batches: batches.boxed() })
}

/// The same columns with texts of their own: views are written with all of what they look into,
/// which many batches may share.
fn without_views(schema: &Schema) -> SchemaRef {
    fn plain(data_type: &DataType) -> DataType {
        match data_type {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            DataType::Struct(members) => DataType::Struct(members.iter().map(field).collect()),
            DataType::List(item) => DataType::List(field(item)),
            other => other.clone(),
        }
    }
    fn field(field: &FieldRef) -> FieldRef {
        Arc::new(field.as_ref().clone().with_data_type(plain(field.data_type())))
    }
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// How a value is laid out.
enum Shape {
    Value,
    Document(Vec<Shape>),
    /// With the length of the longest list so far.
    List(usize, Box<Shape>),
}

impl Shape {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Struct(members) => {
                Self::Document(members.iter().map(|member| Self::of(member.data_type())).collect())
            }
            DataType::List(item) => Self::List(0, Box::new(Self::of(item.data_type()))),
            _ => Self::Value,
        }
    }

    fn has_lists(&self) -> bool {
        match self {
            Self::Value => false,
            Self::Document(members) => members.iter().any(Self::has_lists),
            Self::List(..) => true,
        }
    }

    fn measure(&mut self, column: &ArrayRef) -> Result<()> {
        match self {
            Self::Value => {}
            Self::Document(members) => {
                for (member, column) in members.iter_mut().zip(document(column)?.columns()) {
                    member.measure(column)?;
                }
            }
            Self::List(longest, item) => {
                let lists = list(column)?;
                let lengths = (0..lists.len()).filter(|&row| lists.is_valid(row));
                let longer = lengths.map(|row| lists.value_length(row) as usize).max();
                *longest = (*longest).max(longer.unwrap_or(0));
                // Cannot fail because a list array has at least one offset.
                let offsets = lists.value_offsets();
                let (first, end) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
                item.measure(&lists.values().slice(first, end - first))?;
            }
        }
        Ok(())
    }

    /// The columns that it takes.
    fn fields(&self, name: &str, field: &Field, fields: &mut Vec<FieldRef>) -> Result<()> {
        match (self, field.data_type()) {
            (Self::Document(shapes), DataType::Struct(members)) => {
                for (shape, member) in shapes.iter().zip(members) {
                    shape.fields(&format!("{name}.{}", member.name()), member, fields)?;
                }
            }
            (Self::List(longest, shape), DataType::List(item)) => {
                for at in 0..*longest {
                    shape.fields(&format!("{name}.{at}"), item, fields)?;
                }
            }
            _ => {
                if fields.len() == limits::FLAT_COLUMNS_MAX {
                    let most = limits::FLAT_COLUMNS_MAX;
                    let text = format!(
                        "the lists of the documents would need more than {most} columns: export \
                         them as JSON, or leave lists out"
                    );
                    return Err(Error::new(ErrorKind::TooLarge, text));
                }
                fields.push(Arc::new(field.clone().with_name(name).with_nullable(true)));
            }
        }
        Ok(())
    }

    /// Their values.
    fn columns(&self, column: &ArrayRef, columns: &mut Vec<ArrayRef>) -> Result<()> {
        match self {
            Self::Value => columns.push(Arc::clone(column)),
            Self::Document(members) => {
                let document = document(column)?;
                for (member, column) in members.iter().zip(document.columns()) {
                    member.columns(&under(document.nulls(), column)?, columns)?;
                }
            }
            Self::List(longest, item) => {
                let lists = list(column)?;
                for at in 0..*longest {
                    let there = |row: &usize| {
                        lists.is_valid(*row) && at < lists.value_length(*row) as usize
                    };
                    let offset = |row| lists.value_offsets()[row] as u32 + at as u32;
                    let rows: UInt32Array =
                        (0..lists.len()).map(|row| there(&row).then(|| offset(row))).collect();
                    let elements = take(lists.values(), &rows, None).map_err(wrong)?;
                    item.columns(&elements, columns)?;
                }
            }
        }
        Ok(())
    }
}

/// A member of a document has no value where there is no document.
fn under(nulls: Option<&NullBuffer>, column: &ArrayRef) -> Result<ArrayRef> {
    if nulls.is_none_or(|nulls| nulls.null_count() == 0) {
        return Ok(Arc::clone(column));
    }
    let both = NullBuffer::union(nulls, column.nulls());
    let data = column.to_data().into_builder().nulls(both).build().map_err(wrong)?;
    Ok(make_array(data))
}

fn document(column: &ArrayRef) -> Result<&StructArray> {
    column.as_any().downcast_ref().ok_or_else(changed)
}

fn list(column: &ArrayRef) -> Result<&ListArray> {
    column.as_any().downcast_ref().ok_or_else(changed)
}

/// Documents that wait in a file.
struct Waiting {
    writer: StreamWriter<Counted>,
    schema: SchemaRef,
}

/// Takes no more than there is room for.
struct Counted {
    file: BufWriter<File>,
    room: Room,
    /// Why there was none.
    full: Option<Error>,
}

impl Waiting {
    fn begin(room: &Room, schema: &SchemaRef) -> Result<Self> {
        let file = BufWriter::new(room.file()?);
        let counted = Counted { file, room: room.clone(), full: None };
        let writer = StreamWriter::try_new(counted, schema).map_err(wrong)?;
        Ok(Self { writer, schema: Arc::clone(schema) })
    }

    fn with(mut self, batch: &RecordBatch) -> Result<Self> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type()));
        let columns = columns.collect::<std::result::Result<_, _>>().map_err(wrong)?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let own = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        match self.writer.write(&own.map_err(wrong)?) {
            Ok(()) => Ok(self),
            Err(cause) => Err(self.writer.get_mut().full.take().unwrap_or_else(|| wrong(cause))),
        }
    }

    fn read(mut self) -> Result<BatchStream> {
        self.writer.finish().map_err(wrong)?;
        let counted = self.writer.into_inner().map_err(wrong)?;
        let mut file = counted.file.into_inner().map_err(|error| not_kept(error.into_error()))?;
        file.rewind().map_err(not_kept)?;
        let reader = StreamReader::try_new(BufReader::new(file), None).map_err(wrong)?;
        let batches = stream::try_unfold(reader, |mut reader| {
            on_disk(move || {
                let batch = reader.next().transpose().map_err(wrong)?;
                Ok(batch.map(|batch| (batch, reader)))
            })
        });
        Ok(batches.boxed())
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Err(error) = self.room.take(bytes.len() as u64) {
            self.full = Some(error);
            return Err(std::io::ErrorKind::QuotaExceeded.into());
        }
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Runs what waits for the disk on a thread that may wait.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| Error::internal(format!("laying documents out panicked: {panic}")))?
}

fn not_kept(cause: std::io::Error) -> Error {
    Error::unavailable("the spill folder cannot be used").with_source(cause)
}

fn changed() -> Error {
    Error::internal("documents changed their layout")
}

fn wrong(cause: ArrowError) -> Error {
    if let ArrowError::IoError(_, cause) = cause {
        return not_kept(cause);
    }
    Error::internal("documents do not become a table").with_source(cause)
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{Int64Builder, ListBuilder};
    use arrow_array::{Int64Array, StringArray};
    use arrow_cast::pretty::pretty_format_batches;
    use arrow_schema::Fields;
    use futures::TryStreamExt;

    use super::*;

    /// Three batches of two rows: a number, a document with a text and a list of numbers, a list of
    /// documents with a list each.
    fn rows() -> RowStream {
        let mut batches = Vec::new();
        for first in [0_i64, 2, 4] {
            let number: ArrayRef = Arc::new(Int64Array::from(vec![first, first + 1]));
            let mut inner = ListBuilder::new(Int64Builder::new());
            for row in [first, first + 1] {
                (0..row % 3).for_each(|n| inner.values().append_value(n));
                inner.append(row != 4);
            }
            let numbers: ArrayRef = Arc::new(inner.finish());
            let text: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
            let fields = Fields::from(vec![
                Field::new("t", DataType::Utf8, true),
                Field::new("n", numbers.data_type().clone(), true),
            ]);
            let there = NullBuffer::from(vec![first != 2, true]);
            let nested =
                StructArray::new(fields.clone(), vec![text.clone(), numbers.clone()], Some(there));
            let each = StructArray::new(fields, vec![text, numbers], None);
            let item = Arc::new(Field::new_list_field(each.data_type().clone(), true));
            let offsets = arrow_buffer::OffsetBuffer::from_lengths([(first / 2) as usize, 0]);
            let each = each.slice(0, (first / 2) as usize);
            let list: ArrayRef = Arc::new(ListArray::new(item, offsets, Arc::new(each), None));
            let nested: ArrayRef = Arc::new(nested);
            let columns = [("id", number, true), ("d", nested, true), ("l", list, true)];
            batches.push(Ok(RecordBatch::try_from_iter_with_nullable(columns).unwrap()));
        }
        let schema = batches[0].as_ref().unwrap().schema();
        let batches = stream::iter(batches).boxed();
        RowStream { schema, estimated_rows: Some(6), warnings: Vec::new(), batches }
    }

    #[tokio::test]
    async fn every_value_has_a_column_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let table = flat(rows(), &Room::new(folder.path(), 1 << 20)).await.unwrap();
        let schema = table.schema.clone();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(
            names,
            [
                "id", "d.t", "d.n.0", "d.n.1", "l.0.t", "l.0.n.0", "l.0.n.1", "l.1.t", "l.1.n.0",
                "l.1.n.1"
            ]
        );
        let batches: Vec<RecordBatch> = table.batches.try_collect().await.unwrap();
        let shown = pretty_format_batches(&batches).unwrap().to_string();
        let cells = |line: &str| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            cells[1..cells.len() - 1].join(",")
        };
        let lines: Vec<_> = shown.lines().skip(3).take(6).map(cells).collect();
        assert_eq!(
            lines,
            [
                "0,x,,,,,,,,",
                "1,,0,,,,,,,",
                "2,,,,x,0,1,,,",
                "3,,,,,,,,,",
                "4,x,,,x,,,,0,1",
                "5,,0,1,,,,,,"
            ]
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }

    /// Batches that look into one large buffer take no more room than what they show.
    #[tokio::test]
    async fn shared_texts_wait_once() {
        let letters = "x".repeat(1_000);
        let texts: arrow_array::StringViewArray = (0..1_000).map(|_| Some(&letters)).collect();
        let item = Arc::new(Field::new_list_field(DataType::Utf8View, true));
        let lengths = std::iter::repeat_n(1, 1_000);
        let offsets = arrow_buffer::OffsetBuffer::from_lengths(lengths);
        let list: ArrayRef = Arc::new(ListArray::new(item, offsets, Arc::new(texts), None));
        let all = RecordBatch::try_from_iter([("l", list)]).unwrap();
        let pieces: Vec<_> = (0..100).map(|at| Ok(all.slice(at * 10, 10))).collect();
        let rows = RowStream {
            schema: all.schema(),
            estimated_rows: None,
            warnings: Vec::new(),
            batches: stream::iter(pieces).boxed(),
        };
        let folder = tempfile::tempdir().unwrap();
        let table = flat(rows, &Room::new(folder.path(), 2_000_000)).await.unwrap();
        let batches: Vec<RecordBatch> = table.batches.try_collect().await.unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 1_000);
    }

    #[tokio::test]
    async fn what_would_take_too_much_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(folder.path(), 2_000);
        let error = flat(rows(), &room).await.err().expect("too much to keep");
        assert!(error.to_string().contains("spill_limit"), "{error}");
        let room = Room::new(&folder.path().join("gone"), 1 << 20);
        let error = flat(rows(), &room).await.err().expect("no folder");
        assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    }
}
