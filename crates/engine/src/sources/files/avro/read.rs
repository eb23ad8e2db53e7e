//! The rows of Avro files: blocks are found, compared, unpacked and walked through, and then decoded
//! some at a time.

use std::io::Cursor;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::error::{DataFusionError, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};

use super::super::parts::{Part, Reader};
use super::codec::BLOCK_BYTES_MAX;
use super::{Header, Writer, container, decoder, shape, wrong};

/// Bytes that are decoded at once, about. A block is never divided.
const GROUP_BYTES: usize = 1024 * 1024;
/// The most bytes of the two numbers before a block.
const NUMBERS_BYTES: usize = 20;
const SYNC_BYTES: usize = 16;

/// Reads columns of Avro files.
#[derive(Debug)]
pub(in super::super) struct Avro {
    /// How each file of the table is read.
    pub(in super::super) headers: Arc<Vec<Header>>,
    /// The columns that come from files, as the table has them.
    pub(in super::super) schema: SchemaRef,
    pub(in super::super) batch_rows: usize,
}

impl Reader for Avro {
    fn name(&self) -> &'static str {
        "AvroExec"
    }

    fn read(
        &self,
        store: Arc<dyn ObjectStore>,
        part: Part,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let Some(header) = self.headers.get(part.file.at).cloned() else {
            return stream::once(async move { Err(wrong(&part.file.meta, "has no header")) })
                .boxed();
        };
        let (schema, batch_rows) = (Arc::clone(&self.schema), self.batch_rows);
        let batches = async move {
            let columns = Columns::of(Arc::clone(&header.writer), schema, batch_rows);
            let blocks = Blocks::open(store.as_ref(), &part, header).await?;
            Ok::<_, DataFusionError>(
                stream::try_unfold((blocks, columns), |(mut blocks, columns)| async move {
                    let group = blocks.group().await?;
                    if group.is_empty() {
                        return Ok(None);
                    }
                    let batches = columns.decode(&group).map_err(|cause| {
                        wrong(&blocks.file, format_args!("holds a block that is damaged: {cause}"))
                    })?;
                    let batches = stream::iter(batches.into_iter().map(Ok::<_, DataFusionError>));
                    Ok::<_, DataFusionError>(Some((batches, (blocks, columns))))
                })
                .try_flatten(),
            )
        };
        stream::once(batches).try_flatten().boxed()
    }
}

/// Which of a file's columns are decoded, and where they go.
struct Columns {
    writer: Arc<Writer>,
    /// The columns that are decoded, by their places in the file.
    wanted: Vec<usize>,
    /// For each column of the table, its place among those that are decoded.
    places: Vec<Option<usize>>,
    schema: SchemaRef,
    batch_rows: usize,
}

impl Columns {
    fn of(writer: Arc<Writer>, schema: SchemaRef, batch_rows: usize) -> Self {
        let own: Vec<Option<usize>> = schema
            .fields()
            .iter()
            .map(|field| writer.decoded.index_of(field.name()).ok())
            .collect();
        let wanted: Vec<usize> = match writer.shape.has_references {
            true => (0..writer.shape.columns.len()).collect(),
            false => own.iter().flatten().copied().collect(),
        };
        // Where none is wanted, the rows still count.
        let wanted = if wanted.is_empty() { vec![0] } else { wanted };
        let place = |own: &Option<usize>| wanted.iter().position(|at| Some(*at) == *own);
        let places = own.iter().map(place).collect();
        Self { writer, wanted, places, schema, batch_rows }
    }

    fn decode(&self, group: &[(usize, Vec<u8>)]) -> Result<Vec<RecordBatch>> {
        let rows: usize = group.iter().map(|(rows, _)| rows).sum();
        let mut builder = decoder(self.batch_rows);
        if !self.writer.shape.has_references {
            builder = builder.with_projection(self.wanted.clone());
        }
        let reader = builder.build(Cursor::new(container(&self.writer.json, group)))?;
        let mut found = 0;
        let mut batches = Vec::new();
        for batch in reader {
            let batch = batch?;
            found += batch.num_rows();
            batches.push(self.shaped(&batch)?);
        }
        if found != rows {
            let text = format!("{found} rows were decoded of {rows}");
            return Err(DataFusionError::Internal(text));
        }
        Ok(batches)
    }

    fn shaped(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let fields = self.schema.fields().iter().zip(&self.places);
        let column = |(field, place): (&FieldRef, &Option<usize>)| -> Result<ArrayRef> {
            let Some(place) = *place else {
                return Ok(new_null_array(field.data_type(), batch.num_rows()));
            };
            let at = self.wanted[place];
            let form = self.writer.forms[at];
            let column = form.apply(&self.writer.decoded.fields()[at], batch.column(place))?;
            match column.data_type() == field.data_type() {
                true => Ok(column),
                false => Ok(cast(&column, field.data_type())?),
            }
        };
        let columns = fields.map(column).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// The blocks of a part of a file: those before which there is a marker that begins in the part.
struct Blocks {
    file: ObjectMeta,
    header: Header,
    chunks: BoxStream<'static, object_store::Result<Bytes>>,
    /// What was read and not taken yet.
    held: BytesMut,
    /// Where that begins in the file.
    at: u64,
    /// Where the part ends in the file.
    end: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No marker was found yet.
    Before,
    /// Right behind a marker that begins in the part.
    Between,
    Over,
}

impl Blocks {
    async fn open(store: &dyn ObjectStore, part: &Part, header: Header) -> Result<Self> {
        let file = part.file.meta.clone();
        // The header ends with the first marker.
        let at = part.start.max(header.length - SYNC_BYTES as u64);
        let (chunks, state) = match at < part.end {
            true => {
                let range = Some(GetRange::Offset(at));
                let options = GetOptions { range, ..GetOptions::default() };
                let found = store.get_opts(&file.location, options).await?;
                (found.into_stream(), State::Before)
            }
            false => (stream::empty().boxed(), State::Over),
        };
        Ok(Self { file, header, chunks, held: BytesMut::new(), at, end: part.end, state })
    }

    /// Some blocks, unpacked and found to be sound: their rows and bytes. None at the end.
    async fn group(&mut self) -> Result<Vec<(usize, Vec<u8>)>> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while bytes < GROUP_BYTES {
            let at = self.at;
            let Some((rows, packed)) = self.next().await? else { break };
            let broken =
                |what: &str| wrong(&self.file, format_args!("the block at byte {at} {what}"));
            let block = self.header.codec.unpacked(&packed).map_err(broken)?;
            shape::check(&self.header.writer.shape.row, rows, &block).map_err(broken)?;
            if rows == 0 {
                continue;
            }
            if block.is_empty() {
                return Err(broken("holds rows without a byte"));
            }
            bytes += block.len();
            group.push((rows, block));
        }
        Ok(group)
    }

    /// The next block as it is stored, with its rows.
    async fn next(&mut self) -> Result<Option<(usize, Bytes)>> {
        if self.state == State::Before {
            self.find().await?;
        }
        if self.state == State::Over || self.at >= self.file.size {
            return Ok(None);
        }
        let at = self.at;
        let broken = |blocks: &Self, what: &str| {
            wrong(&blocks.file, format_args!("the block at byte {at} {what}"))
        };
        let left = usize::try_from(self.file.size - self.at).unwrap_or(usize::MAX);
        self.fill(NUMBERS_BYTES.min(left)).await?;
        let (rows, size, from) = head(&self.held).map_err(|what| broken(self, what))?;
        if size > BLOCK_BYTES_MAX {
            return Err(broken(self, "is larger than a block may be"));
        }
        if from + size + SYNC_BYTES > left {
            return Err(broken(self, "is cut short: the file ends in it"));
        }
        self.fill(from + size + SYNC_BYTES).await?;
        self.take(from);
        let block = self.take(size);
        if self.held[..SYNC_BYTES] != self.header.sync {
            return Err(broken(self, "is not followed by the file's marker"));
        }
        if self.at >= self.end {
            self.state = State::Over;
        }
        self.take(SYNC_BYTES);
        Ok(Some((rows, block)))
    }

    /// Goes on behind the first marker that begins in the part.
    async fn find(&mut self) -> Result<()> {
        loop {
            let found = self.held.windows(SYNC_BYTES).position(|bytes| bytes == self.header.sync);
            let passed = found.unwrap_or_else(|| (self.held.len() + 1).saturating_sub(SYNC_BYTES));
            self.take(passed);
            if self.at >= self.end {
                self.state = State::Over;
                return Ok(());
            }
            if found.is_some() {
                self.take(SYNC_BYTES);
                self.state = State::Between;
                return Ok(());
            }
            if !self.more().await? {
                self.state = State::Over;
                return Ok(());
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Bytes {
        self.at += bytes as u64;
        self.held.split_to(bytes).freeze()
    }

    /// Reads on until so many bytes are held.
    async fn fill(&mut self, bytes: usize) -> Result<()> {
        while self.held.len() < bytes {
            if !self.more().await? {
                return Err(wrong(&self.file, "is shorter than its store says"));
            }
        }
        Ok(())
    }

    async fn more(&mut self) -> Result<bool> {
        let Some(chunk) = self.chunks.next().await.transpose()? else { return Ok(false) };
        self.held.extend_from_slice(&chunk);
        Ok(true)
    }
}

/// The two numbers before a block: its rows and its bytes; and how many bytes they take.
fn head(bytes: &[u8]) -> std::result::Result<(usize, usize, usize), &'static str> {
    let number = |from: usize| {
        let found = shape::long(bytes.get(from..).unwrap_or_default())?;
        let (value, length) = found.ok_or("is cut short")?;
        Ok::<_, &'static str>((
            usize::try_from(value).map_err(|_| "has a damaged head")?,
            from + length,
        ))
    };
    let (rows, from) = number(0)?;
    let (size, from) = number(from)?;
    Ok((rows, size, from))
}
