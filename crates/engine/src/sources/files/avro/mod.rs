//! Avro files: object containers, whose schema each of them carries.
//!
//! The files of a table may differ in their columns: a table has those of all its files, and one
//! that a file does not have is null in its rows. A column that two files have is of one type, or
//! of two of which one holds all values of the other.

mod codec;
mod read;
mod shape;
mod values;

use std::collections::HashMap;
use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use arrow_avro::codec::Tz;
use arrow_avro::reader::ReaderBuilder;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use futures::{StreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt};
use outhaul_exports::{Error, Result};

use self::codec::Codec;
pub(super) use self::read::Avro;
use self::shape::{FileShape, put_long};
use self::values::Form;
use super::parquet::named_once;
use super::pinned::PinnedStore;
use super::provider::PinnedFiles;
use crate::error::source;

/// Files whose headers are read at once.
const HEADERS_AT_ONCE: usize = 16;
/// Bytes in which a header is looked for at first, and at last.
const HEADER_BYTES: u64 = 64 * 1024;
const HEADER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Where the blocks of a file begin, and how they are read.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// Bytes before the first block.
    length: u64,
    /// What stands between blocks.
    sync: [u8; 16],
    codec: Codec,
    writer: Arc<Writer>,
}

/// A schema with which files were written. Most files of a table share one.
pub(super) struct Writer {
    /// The schema as it is given to the decoder.
    json: String,
    shape: FileShape,
    /// The columns as the decoder gives them.
    decoded: SchemaRef,
    /// What becomes of each of them.
    forms: Vec<Form>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("columns", &self.shape.columns).finish_non_exhaustive()
    }
}

impl Writer {
    fn of(text: &[u8]) -> std::result::Result<Self, String> {
        let mut json: serde_json::Value =
            serde_json::from_slice(text).map_err(|_| "its schema is no JSON")?;
        let shape = FileShape::of(&json)?;
        if shape.columns.is_empty() {
            return Err("its rows have no columns".to_owned());
        }
        shape::plain_texts(&mut json);
        let json = json.to_string();
        // A file without a block: the decoder says what it would make of one.
        let reader = decoder(1).build(Cursor::new(container(&json, &[])));
        let reader = reader.map_err(|cause| format!("its schema cannot be used: {cause}"))?;
        let decoded = reader.schema();
        if decoded.fields().len() != shape.columns.len() {
            return Err("its schema cannot be used".to_owned());
        }
        let fields = decoded.fields().iter().zip(&shape.uuids);
        let forms = fields.map(|(field, &uuid)| Form::of(field, uuid)).collect();
        Ok(Self { json, shape, decoded, forms })
    }

    /// The columns as the table has them.
    fn schema(&self) -> Schema {
        let fields = self.decoded.fields().iter().zip(&self.forms);
        let field = |(field, form): (&Arc<Field>, &Form)| {
            Field::new(field.name(), form.data_type(field.data_type()), true)
        };
        Schema::new(fields.map(field).collect::<Vec<_>>())
    }
}

/// The decoder of rows. Texts are not asked for as views: of those it forgets which are null.
fn decoder(batch_rows: usize) -> ReaderBuilder {
    ReaderBuilder::new().with_batch_size(batch_rows).with_tz(Tz::Utc)
}

/// What stands between the blocks of a container of our own.
const SYNC: [u8; 16] = *b"outhaul-our-sync";

/// A container of blocks that are not compressed: their rows and bytes.
fn container(schema: &str, blocks: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let bytes: usize = blocks.iter().map(|(_, block)| block.len() + 40).sum();
    let mut file = Vec::with_capacity(schema.len() + bytes + 64);
    file.extend_from_slice(b"Obj\x01");
    put_long(1, &mut file);
    for text in ["avro.schema", schema] {
        put_long(text.len(), &mut file);
        file.extend_from_slice(text.as_bytes());
    }
    put_long(0, &mut file);
    file.extend_from_slice(&SYNC);
    for (rows, block) in blocks {
        put_long(*rows, &mut file);
        put_long(block.len(), &mut file);
        file.extend_from_slice(block);
        file.extend_from_slice(&SYNC);
    }
    file
}

/// An error about a file, for the log.
fn wrong(file: &ObjectMeta, what: impl fmt::Display) -> DataFusionError {
    DataFusionError::Execution(format!("{}: {what}", file.location))
}

/// What the beginning of a file says, as it is written.
struct Written {
    length: u64,
    sync: [u8; 16],
    schema: Vec<u8>,
    codec: Vec<u8>,
}

impl Written {
    /// Reads it; `None` where it goes on after the bytes.
    fn of(bytes: &[u8]) -> std::result::Result<Option<Self>, &'static str> {
        let Some(mut rest) = bytes.strip_prefix(b"Obj\x01") else {
            return if b"Obj\x01".starts_with(bytes) { Ok(None) } else { Err("is no Avro file") };
        };
        let (mut schema, mut codec) = (Vec::new(), Vec::new());
        macro_rules! next {
            ($found:expr) => {
                match $found {
                    Some((value, length)) => {
                        rest = &rest[length..];
                        value
                    }
                    None => return Ok(None),
                }
            };
        }
        let text = |rest: &[u8]| -> std::result::Result<Option<(Vec<u8>, usize)>, &'static str> {
            let Some((length, before)) = shape::long(rest)? else { return Ok(None) };
            let length = usize::try_from(length).map_err(|_| "has a damaged header")?;
            let end = before.checked_add(length).ok_or("has a damaged header")?;
            Ok(rest.get(before..end).map(|text| (text.to_vec(), end)))
        };
        loop {
            let count = next!(shape::long(rest)?);
            if count == 0 {
                break;
            }
            if count < 0 {
                // The bytes of the entries, which nobody needs to know.
                next!(shape::long(rest)?);
            }
            for _ in 0..count.unsigned_abs() {
                let key = next!(text(rest)?);
                let value = next!(text(rest)?);
                match key.as_slice() {
                    b"avro.schema" => schema = value,
                    b"avro.codec" => codec = value,
                    _ => {}
                }
            }
        }
        let Some(sync) = rest.first_chunk::<16>() else { return Ok(None) };
        let length = (bytes.len() - rest.len() + 16) as u64;
        Ok(Some(Self { length, sync: *sync, schema, codec }))
    }
}

/// Reads the beginning of a file.
async fn written(store: Arc<PinnedStore>, file: ObjectMeta) -> datafusion::error::Result<Written> {
    let mut bytes = HEADER_BYTES;
    loop {
        let most = bytes.min(file.size);
        let text = match most {
            0 => bytes::Bytes::new(),
            most => store.get_range(&file.location, 0..most).await?,
        };
        match Written::of(&text) {
            Ok(Some(written)) => return Ok(written),
            Ok(None) if most == file.size => return Err(wrong(&file, "ends in its header")),
            Ok(None) if bytes >= HEADER_BYTES_MAX => {
                return Err(wrong(&file, "has a header that is too long"));
            }
            Ok(None) => bytes *= 4,
            Err(what) => return Err(wrong(&file, what)),
        }
    }
}

impl PinnedFiles {
    /// The columns of all files, and how each file is read.
    pub(super) async fn avro(
        &self,
        object: &str,
        files: &[ObjectMeta],
    ) -> Result<(SchemaRef, Vec<Header>)> {
        let reads: Vec<_> =
            files.iter().map(|file| written(Arc::clone(&self.store), file.clone())).collect();
        let mut reads = stream::iter(reads).buffered(HEADERS_AT_ONCE);
        let mut writers: HashMap<Vec<u8>, Arc<Writer>> = HashMap::new();
        let mut columns = Columns::default();
        let mut headers = Vec::with_capacity(files.len());
        for file in files {
            let Some(written) = reads.next().await else { break };
            let Written { length, sync, schema, codec } =
                written.map_err(|cause| source(object, cause))?;
            let Some(codec) = Codec::named(&codec) else {
                let text = format!(
                    "object {object}: one of its Avro files is compressed with a codec that is not \
                     read; write it with null, deflate, snappy, zstandard, bzip2 or xz"
                );
                let codec = String::from_utf8_lossy(&codec).into_owned();
                return Err(Error::invalid(object, text)
                    .with_internal(format!("{}: codec {codec:?}", file.location)));
            };
            let writer = match writers.get(&schema) {
                Some(writer) => Arc::clone(writer),
                None => {
                    let writer =
                        Writer::of(&schema).map_err(|what| source(object, wrong(file, what)))?;
                    let own = writer.schema();
                    named_once(object, &own)?;
                    columns.add(object, &own)?;
                    let writer = Arc::new(writer);
                    writers.insert(schema, Arc::clone(&writer));
                    writer
                }
            };
            headers.push(Header { length, sync, codec, writer });
        }
        Ok((Arc::new(Schema::new(columns.fields)), headers))
    }
}

/// The columns of all files so far.
#[derive(Debug, Default)]
struct Columns {
    fields: Vec<Field>,
    places: HashMap<String, usize>,
}

impl Columns {
    fn add(&mut self, object: &str, schema: &Schema) -> Result<()> {
        for field in schema.fields() {
            let Some(&at) = self.places.get(field.name()) else {
                self.places.insert(field.name().clone(), self.fields.len());
                self.fields.push(field.as_ref().clone());
                continue;
            };
            let (known, other) = (self.fields[at].data_type(), field.data_type());
            let Some(both) = wider(known, other) else {
                let text = format!(
                    "object {object}: column {} is of the types {known} and {other} in its files; \
                     all files of a folder must agree on it",
                    field.name()
                );
                return Err(Error::invalid(object, text));
            };
            let both = both.clone();
            self.fields[at] = Field::new(field.name(), both, true);
        }
        Ok(())
    }
}

/// The type that holds all values of both.
fn wider<'a>(one: &'a DataType, other: &'a DataType) -> Option<&'a DataType> {
    use DataType::{Float32, Float64, Int32, Int64, Null};
    match (one, other) {
        (one, other) if one == other => Some(one),
        (Null, other) => Some(other),
        (one, Null) => Some(one),
        (Int64, Int32) | (Int32, Int64) => Some(&Int64),
        (Float64, Float32) | (Float32, Float64) => Some(&Float64),
        _ => None,
    }
}
