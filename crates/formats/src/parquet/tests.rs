//! The schema that a file has, what is refused before it begins, and what the footer says. Values
//! are read back by other programs in `tests/parquet.rs`.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::printer::print_schema;

use super::schema::{columns, root};
use super::*;
use crate::pack::EntryName;
use crate::seal::{Recipient, Sealing};
use crate::{Entry, Error, Pipeline, PipelineOptions};

fn json(name: &str) -> Field {
    let mark = ("ARROW:extension:name".to_owned(), "arrow.json".to_owned());
    Field::new(name, DataType::Utf8, true).with_metadata([mark].into())
}

fn list(of: Field) -> DataType {
    DataType::List(Arc::new(of))
}

fn message(fields: Vec<Field>) -> String {
    let columns = columns(&Schema::new(fields)).unwrap();
    let mut text = Vec::new();
    print_schema(&mut text, &root(&columns).unwrap());
    String::from_utf8(text).unwrap()
}

#[test]
fn types_are_those_that_the_format_has() {
    let text = message(vec![
        Field::new("id", DataType::UInt64, false),
        Field::new("day", DataType::Date64, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Second, Some("+02:00".into())), true),
        Field::new("wall", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        Field::new("time", DataType::Time32(TimeUnit::Second), true),
        Field::new("amount", DataType::Decimal256(30, -2), true),
        Field::new("wide", DataType::Decimal256(39, 0), true),
        Field::new("half", DataType::Float16, true),
        Field::new("nothing", DataType::Null, false),
    ]);
    assert_eq!(
        text,
        "message schema {\n  \
           REQUIRED INT64 id (INTEGER(64,false));\n  \
           OPTIONAL INT32 day (DATE);\n  \
           OPTIONAL INT64 at (TIMESTAMP(MILLIS,true));\n  \
           OPTIONAL INT64 wall (TIMESTAMP(NANOS,false));\n  \
           OPTIONAL INT32 time (TIME(MILLIS,false));\n  \
           OPTIONAL FIXED_LEN_BYTE_ARRAY (14) amount (DECIMAL(32,0));\n  \
           OPTIONAL BYTE_ARRAY wide (STRING);\n  \
           OPTIONAL FLOAT half;\n  \
           OPTIONAL INT32 nothing (UNKNOWN);\n\
         }\n"
    );
}

#[test]
fn json_is_marked_wherever_it_stands() {
    let pair = Fields::from(vec![Field::new("k", DataType::Utf8, false), json("v")]);
    let entries = Arc::new(Field::new("pairs", DataType::Struct(pair), false));
    let text = message(vec![
        json("top"),
        Field::new("items", list(json("item")), true),
        Field::new(
            "inner",
            DataType::Struct(vec![json("a"), Field::new("b", DataType::Utf8, true)].into()),
            true,
        ),
        Field::new("map", DataType::Map(entries, false), true),
    ]);
    assert_eq!(
        text,
        "message schema {\n  \
           OPTIONAL BYTE_ARRAY top (JSON);\n  \
           OPTIONAL group items (LIST) {\n    \
             REPEATED group list {\n      \
               OPTIONAL BYTE_ARRAY element (JSON);\n    \
             }\n  \
           }\n  \
           OPTIONAL group inner {\n    \
             OPTIONAL BYTE_ARRAY a (JSON);\n    \
             OPTIONAL BYTE_ARRAY b (STRING);\n  \
           }\n  \
           OPTIONAL group map (MAP) {\n    \
             REPEATED group key_value {\n      \
               REQUIRED BYTE_ARRAY key (STRING);\n      \
               OPTIONAL BYTE_ARRAY value (JSON);\n    \
             }\n  \
           }\n\
         }\n"
    );
}

#[test]
fn what_readers_could_not_tell_apart_is_refused() {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let refused = |fields: Vec<Field>| {
        let schema = Arc::new(Schema::new(fields));
        let error = Parquet.encoder(&schema, &FormatOptions::default()).err().unwrap();
        assert!(matches!(error, Error::Schema { format: "parquet", .. }), "{error}");
        error.to_string()
    };
    let error = refused(vec![text("Name"), text("Id"), text("Name")]);
    assert!(error.contains("two columns are called \"Name\""), "{error}");
    let twice = DataType::Struct(vec![text("a"), text("a")].into());
    let error = refused(vec![Field::new("s", list(Field::new("item", twice, true)), true)]);
    assert!(error.contains("two fields in column \"s\" are called \"a\""), "{error}");
    let error = refused(vec![Field::new("s", DataType::Struct(Fields::empty()), true)]);
    assert!(error.contains("struct without fields"), "{error}");
    let nothing = DataType::FixedSizeList(Arc::new(text("item")), 0);
    let error = refused(vec![Field::new("l", nothing, true)]);
    assert!(error.contains("fixed length 0"), "{error}");
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(
    options: FormatOptions,
    sealing: Option<Sealing>,
    batches: &[RecordBatch],
) -> Result<Bytes> {
    let kept = Kept::default();
    let options = PipelineOptions { options, threads: 3, ..PipelineOptions::new(&Parquet) };
    let mut pipeline = Pipeline::new(options, Box::new(kept.clone())).unwrap();
    let name = EntryName::new("t.parquet").unwrap();
    pipeline.begin(Entry { name, schema: batches[0].schema(), sealing })?;
    batches.iter().try_for_each(|batch| pipeline.push(batch.clone()))?;
    pipeline.finish()?;
    let bytes = kept.0.lock().unwrap().clone();
    Ok(bytes.into())
}

fn numbers(rows: i64) -> RecordBatch {
    let all: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let few: ArrayRef = Arc::new(Int32Array::from_iter_values((0..rows).map(|row| row as i32 % 7)));
    RecordBatch::try_from_iter([("all", all), ("few", few)]).unwrap()
}

#[test]
fn the_footer_tells_the_groups_their_bounds_and_who_wrote_it() {
    let mut options = FormatOptions::default();
    options.parquet.rows_per_group = 10_000;
    let file = write(options, None, &[numbers(25_000)]).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let footer = reader.metadata();
    let made_by = footer.file_metadata().created_by().unwrap();
    assert_eq!(made_by, concat!("outhaul version ", env!("CARGO_PKG_VERSION")));
    let rows: Vec<_> = footer.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(rows, [10_000, 10_000, 5_000]);
    let second = footer.row_group(1);
    let bounds = second.column(0).statistics().unwrap();
    assert_eq!(bounds.min_bytes_opt().unwrap(), 10_000_i64.to_le_bytes());
    assert_eq!(bounds.max_bytes_opt().unwrap(), 19_999_i64.to_le_bytes());
    assert!(second.column(0).dictionary_page_offset().is_none(), "all values differ");
    assert!(second.column(1).dictionary_page_offset().is_some(), "there are seven");
}

#[test]
fn sealed_columns_are_sealed_once() {
    let identity = age::x25519::Identity::generate();
    let now = chrono::DateTime::from_timestamp(1_785_542_400, 0).unwrap();
    let recipient = Recipient::parse(&identity.to_public().to_string(), now).unwrap();
    let sealing = Sealing::new(vec![1], recipient, crate::options::ValueOptions::default());
    let file = write(FormatOptions::default(), Some(sealing), &[numbers(40)]).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batches: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    assert_eq!(batches[0].num_rows(), 40);
    let sealed: &StringArray = batches[0].column(1).as_any().downcast_ref().unwrap();
    for (row, text) in sealed.iter().enumerate() {
        use base64::Engine as _;
        let message = base64::engine::general_purpose::STANDARD.decode(text.unwrap()).unwrap();
        assert_eq!(age::decrypt(&identity, &message).unwrap(), (row % 7).to_string().as_bytes());
    }
}

#[test]
fn more_groups_than_a_file_counts_are_refused() {
    let mut options = FormatOptions::default();
    options.parquet.rows_per_group = 1_000;
    let one: ArrayRef = Arc::new(Int32Array::from(vec![1; 1_000_000]));
    let batch = RecordBatch::try_from_iter([("n", one)]).unwrap();
    let batches: Vec<_> = std::iter::repeat_n(batch, 33).collect();
    let error = write(options, None, &batches).unwrap_err().to_string();
    assert!(error.contains("more than 32767 row groups"), "{error}");
}
