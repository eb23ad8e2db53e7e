//! One suite that every format runs, and the reader of the case files in each format's `cases/`.
//! A case is data: options, columns and rows in JSON, and the file that has to come out. Values in
//! a case are texts that Arrow casts to the column's type, so that any type can be written down.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow_schema::{DataType, Field, Schema};
use serde::Deserialize;

use crate::pack::EntryName;
use crate::{ALL, Entry, Error, Format, FormatOptions, Packing, Pipeline, PipelineOptions, Report};

/// A case file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it shows, for the message when it fails.
    name: String,
    #[serde(default)]
    options: FormatOptions,
    columns: Vec<(String, String)>,
    rows: Vec<Vec<Option<String>>>,
    /// The whole file, or for a workbook the rows of its sheets.
    expected: String,
    /// Kinds of the warnings with their counts.
    #[serde(default)]
    warnings: Vec<(String, u64)>,
}

impl Case {
    fn schema(&self) -> Arc<Schema> {
        let fields: Vec<_> = self
            .columns
            .iter()
            .map(|(name, data_type)| {
                if data_type == "Json" {
                    return json_field(name);
                }
                let data_type: DataType = data_type.parse().unwrap_or_else(|why| {
                    panic!("{}: type {data_type}: {why}", self.name);
                });
                Field::new(name, data_type, true)
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    fn batch(&self) -> RecordBatch {
        let schema = self.schema();
        let columns: Vec<ArrayRef> = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| {
                let texts: StringArray = self.rows.iter().map(|row| row[at].as_deref()).collect();
                if field.data_type() == &DataType::Null {
                    return new_null_array(&DataType::Null, self.rows.len());
                }
                arrow_cast::cast(&texts, field.data_type()).unwrap_or_else(|why| {
                    panic!("{}: column {}: {why}", self.name, field.name());
                })
            })
            .collect();
        RecordBatch::try_new(schema, columns).unwrap()
    }
}

/// A column whose texts are JSON, as Arrow marks it.
fn json_field(name: &str) -> Field {
    let mark = ("ARROW:extension:name".to_owned(), "arrow.json".to_owned());
    Field::new(name, DataType::Utf8, true).with_metadata([mark].into())
}

fn run_cases(format: &'static dyn Format, files: &[&str], decode: fn(Vec<u8>) -> String) {
    let mut seen = 0;
    for text in files {
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        for case in cases {
            let (bytes, report) =
                write(format, &case.options, Packing::None, 1, &[case.batch()], &case.schema());
            assert_eq!(decode(bytes), case.expected, "case: {}", case.name);
            assert_eq!(report.rows, case.rows.len() as u64, "case: {}", case.name);
            let warnings: Vec<_> = report
                .warnings()
                .map(|warning| {
                    let kind = serde_json::to_value(warning.kind).unwrap();
                    (kind.as_str().unwrap_or_default().to_owned(), warning.count)
                })
                .collect();
            assert_eq!(warnings, case.warnings, "case: {}", case.name);
            seen += 1;
        }
    }
    assert!(seen > 0, "{} has no cases", format.id());
}

#[test]
fn csv_cases() {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    run_cases(
        &crate::csv::Csv,
        &[include_str!("csv/cases/values.json"), include_str!("csv/cases/layout.json")],
        text,
    );
}

#[test]
fn html_cases() {
    let table =
        |bytes| {
            let page = String::from_utf8(bytes).unwrap();
            assert!(page.starts_with(
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">"
            ));
            assert!(page.ends_with("</table>\n</body>\n</html>\n"));
            let start = page.find("<thead>").unwrap();
            page[start..page.find("</table>").unwrap()].to_owned()
        };
    run_cases(&crate::html::Html, &[include_str!("html/cases/values.json")], table);
}

#[test]
fn xlsx_cases() {
    run_cases(&crate::xlsx::Xlsx, &[include_str!("xlsx/cases/values.json")], sheets);
}

#[test]
fn ndjson_cases() {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    run_cases(&crate::ndjson::Ndjson, &[include_str!("ndjson/cases/values.json")], text);
}

#[test]
fn json_cases() {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    run_cases(&crate::json::Json, &[include_str!("json/cases/values.json")], text);
}

#[test]
fn xml_cases() {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    run_cases(&crate::xml::Xml, &[include_str!("xml/cases/values.json")], text);
}

#[test]
fn avro_cases() {
    run_cases(
        &crate::avro::Avro,
        &[include_str!("avro/cases/values.json")],
        crate::avro::reading::lines,
    );
}

/// The rows of all sheets of a workbook as XML. Entries are found by their local headers.
fn sheets(workbook: Vec<u8>) -> String {
    let mut all = String::new();
    let mut at = 0;
    while workbook[at..].starts_with(b"PK\x03\x04") {
        let name_len = usize::from(u16::from_le_bytes([workbook[at + 26], workbook[at + 27]]));
        let name = String::from_utf8_lossy(&workbook[at + 30..at + 30 + name_len]).into_owned();
        let mut content = String::new();
        let mut reader = flate2::bufread::DeflateDecoder::new(&workbook[at + 30 + name_len..]);
        reader.read_to_string(&mut content).unwrap();
        at += 30 + name_len + reader.total_in() as usize + 16;
        if name.starts_with("xl/worksheets/") {
            let rows = content.find("<sheetData>").unwrap() + "<sheetData>".len();
            all.push_str(&content[rows..content.find("</sheetData>").unwrap()]);
            all.push('\n');
        }
    }
    all
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
    format: &'static dyn Format,
    options: &FormatOptions,
    packing: Packing,
    threads: usize,
    batches: &[RecordBatch],
    schema: &Arc<Schema>,
) -> (Vec<u8>, Report) {
    let kept = Kept::default();
    let options = PipelineOptions {
        options: options.clone(),
        packing,
        threads,
        ..PipelineOptions::new(format)
    };
    let mut pipeline = Pipeline::new(options, Box::new(kept.clone())).unwrap();
    let name = EntryName::from_label("cases", format.extension());
    pipeline.begin(Entry { name, schema: schema.clone(), sealing: None }).unwrap();
    for batch in batches {
        pipeline.push(batch.clone()).unwrap();
    }
    let report = pipeline.finish().unwrap();
    let bytes = kept.0.lock().unwrap().clone();
    assert_eq!(report.bytes_written, bytes.len() as u64);
    (bytes, report)
}

/// A batch with a column of every type the rules cover, in rows that are all different.
fn every_type(first: usize, rows: usize) -> RecordBatch {
    let types = [
        "Boolean",
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "Float32",
        "Float64",
        "Decimal128(20, 3)",
        "Decimal256(50, 5)",
        "Date32",
        "Time32(s)",
        "Time64(µs)",
        "Timestamp(ms)",
        "Timestamp(ns, \"Europe/Berlin\")",
        "Utf8",
        "LargeUtf8",
        "Utf8View",
        "Dictionary(Int32, Utf8)",
        "Binary",
        "BinaryView",
        "Null",
    ];
    let hostile = [
        "plain",
        "",
        "a,b",
        "say \"hi\"",
        "line\nend",
        "cr\rlf\r\n",
        "ünï 請求 😀",
        "=1+1",
        "@SUM(A1)",
        "<script>alert('x')</script>",
        "&amp;",
        "tab\t",
        " blanks ",
        "_x0041_",
        "'quoted'",
        "-5",
        "NULL",
    ];
    let mut columns: Vec<(String, ArrayRef, bool)> = Vec::new();
    for name in types {
        let data_type: DataType = name.parse().unwrap_or_else(|why| panic!("{name}: {why}"));
        let texts: StringArray = (first..first + rows)
            .map(|row| {
                if row % 11 == 3 {
                    return None;
                }
                Some(match &data_type {
                    DataType::Boolean => (row % 2 == 0).to_string(),
                    DataType::Date32 => format!("20{:02}-0{}-1{}", row % 90, row % 9 + 1, row % 10),
                    DataType::Time32(_) | DataType::Time64(_) => {
                        format!("{:02}:00:{:02}", row % 24, row % 60)
                    }
                    DataType::Timestamp(..) => {
                        format!("2026-0{}-15T0{}:00:00.12", row % 9 + 1, row % 10)
                    }
                    data_type if data_type.is_numeric() => (row % 120).to_string(),
                    _ => hostile[row % hostile.len()].to_owned(),
                })
            })
            .collect();
        let column = if data_type == DataType::Null {
            new_null_array(&data_type, rows)
        } else {
            arrow_cast::cast(&texts, &data_type).unwrap_or_else(|why| panic!("{name}: {why}"))
        };
        columns.push((name.to_owned(), column, true));
    }
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let sizes = [0, 1, 7, 1_000, 0, 9_000, 20_000, 3];
    let mut first = 0;
    let batches: Vec<_> = sizes
        .iter()
        .map(|rows| {
            first += rows;
            every_type(first - rows, *rows)
        })
        .collect();
    let schema = batches[0].schema();
    let mut options = FormatOptions::default();
    options.xlsx.rows_per_sheet = 10_000;
    options.parquet.rows_per_group = 4_000;
    for format in ALL.iter().copied() {
        for packing in crate::pack::ALL {
            let (one, report) = write(format, &options, *packing, 1, &batches, &schema);
            let (four, other) = write(format, &options, *packing, 4, &batches, &schema);
            assert!(one == four, "{} {}: threads change the bytes", format.id(), packing.id());
            assert_eq!(report, other);
            assert_eq!(report.rows, sizes.iter().sum::<usize>() as u64);
            assert!(report.bytes_uncompressed > 0);
        }
    }
}

#[test]
fn a_file_without_rows_is_a_whole_file() {
    let schema = every_type(0, 1).schema();
    for format in ALL.iter().copied() {
        let options = FormatOptions::default();
        let (nothing, report) = write(format, &options, Packing::None, 2, &[], &schema);
        let (empty, _) = write(format, &options, Packing::None, 2, &[every_type(0, 0)], &schema);
        // No lines are no bytes; every other format has a head.
        assert_eq!(nothing.is_empty(), format.id() == "ndjson");
        assert_eq!(nothing, empty, "{}", format.id());
        assert_eq!((report.rows, report.warnings().count()), (0, 0));
    }
}

#[test]
fn sliced_batches_give_the_same_file() {
    let whole = every_type(0, 500);
    let schema = whole.schema();
    let parts: Vec<_> = (0..500).step_by(37).map(|at| whole.slice(at, 37.min(500 - at))).collect();
    for format in ALL.iter().copied() {
        let options = FormatOptions::default();
        let (one, _) =
            write(format, &options, Packing::None, 2, std::slice::from_ref(&whole), &schema);
        let (many, _) = write(format, &options, Packing::None, 2, &parts, &schema);
        assert!(one == many, "{}", format.id());
    }
}

#[test]
fn memory_stays_bounded_by_the_chunk_and_not_by_the_file() {
    /// Remembers the largest single write, which is the largest piece.
    struct Largest(Arc<Mutex<(usize, u64)>>);
    impl Write for Largest {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut seen = self.0.lock().unwrap();
            *seen = (seen.0.max(bytes.len()), seen.1 + bytes.len() as u64);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let text = "wide text, \"quoted\" ".repeat(2_000);
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..256).map(|_| &text[..30_000])));
    let batch = RecordBatch::try_from_iter_with_nullable([("t", texts, true)]).unwrap();
    for format in ALL.iter().copied() {
        let seen = Arc::new(Mutex::new((0, 0)));
        let options = PipelineOptions { threads: 2, ..PipelineOptions::new(format) };
        let mut pipeline = Pipeline::new(options, Box::new(Largest(seen.clone()))).unwrap();
        let name = EntryName::new("t").unwrap();
        pipeline.begin(Entry { name, schema: batch.schema(), sealing: None }).unwrap();
        for _ in 0..4 {
            pipeline.push(batch.clone()).unwrap();
        }
        let report = pipeline.finish().unwrap();
        let (largest, bytes) = *seen.lock().unwrap();
        assert!(largest < 8 << 20, "{}: one write of {largest} bytes", format.id());
        assert_eq!(bytes, report.bytes_written);
        assert_eq!(report.rows, 1_024);
    }
}

#[test]
fn columns_that_do_not_fit_are_refused_before_anything_is_written() {
    let none = Arc::new(Schema::empty());
    for format in ALL {
        let error = format.encoder(&none, &FormatOptions::default()).err().unwrap();
        assert!(matches!(error, Error::Schema { .. }), "{}", format.id());
        let mut options = FormatOptions::default();
        options.values.timestamps.zone = Some("Nowhere/Land".to_owned());
        let zoned = every_type(0, 0).schema();
        assert!(matches!(format.encoder(&zoned, &options), Err(Error::Zone { .. })));
    }
    let wide: Vec<_> =
        (0..16_385).map(|at| Field::new(at.to_string(), DataType::Int8, true)).collect();
    let wide = Arc::new(Schema::new(wide));
    let error =
        crate::xlsx::Xlsx.encoder(&wide, &FormatOptions::default()).err().unwrap().to_string();
    assert!(error.contains("16385 columns do not fit"), "{error}");
}

#[test]
fn long_texts_are_cut_with_a_warning_or_refused() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(32_767), "ü".repeat(40_000)]));
    let batch = RecordBatch::try_from_iter_with_nullable([("t", texts, true)]).unwrap();
    let mut options = FormatOptions::default();
    let xlsx: &dyn Format = &crate::xlsx::Xlsx;
    let (bytes, report) =
        write(xlsx, &options, Packing::None, 1, std::slice::from_ref(&batch), &batch.schema());
    let warnings: Vec<_> = report.warnings().map(|w| (w.kind, w.count, w.first_row)).collect();
    assert_eq!(warnings, [(crate::WarningKind::TextCut, 1, 2)]);
    assert!(sheets(bytes).contains(&format!("<t>{}</t>", "ü".repeat(32_767))));
    options.xlsx.long_text = crate::xlsx::LongText::Refuse;
    let encoder = xlsx.encoder(&batch.schema(), &options).unwrap();
    let chunk = crate::Chunk { batches: vec![batch], rows: 2, first_row: 0 };
    let error = encoder.encode(&chunk, &mut crate::Scratch::default(), &|| false).unwrap_err();
    assert!(matches!(error, Error::Value { row: 2, .. }), "{error}");
}

#[test]
fn a_workbook_of_too_many_sheets_is_refused() {
    let mut options = FormatOptions::default();
    options.xlsx.rows_per_sheet = 1;
    let xlsx: &dyn Format = &crate::xlsx::Xlsx;
    let batch = every_type(0, 1_025);
    let most = batch.slice(0, 1_024);
    let (_, report) = write(xlsx, &options, Packing::None, 2, &[most], &batch.schema());
    assert_eq!(report.warnings().map(|warning| warning.count).max(), Some(1_023));

    let sink = Box::new(io::sink());
    let pipeline_options = PipelineOptions { options, ..PipelineOptions::new(xlsx) };
    let mut pipeline = Pipeline::new(pipeline_options, sink).unwrap();
    let name = EntryName::new("t").unwrap();
    pipeline.begin(Entry { name, schema: batch.schema(), sealing: None }).unwrap();
    let error = pipeline.push(batch).and_then(|()| pipeline.finish().map(drop)).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("more than 1024 sheets of 1 rows"), "{error}");
}

#[test]
fn indexes_that_point_at_long_texts_are_counted_as_such() {
    // One long value behind many keys must not make one huge piece.
    let keys = UInt32Array::from(vec![0; 4_096]);
    let value = StringArray::from(vec!["y".repeat(1 << 16)]);
    let texts: ArrayRef = Arc::new(arrow_array::DictionaryArray::new(keys, Arc::new(value)));
    let batch = RecordBatch::try_from_iter_with_nullable([("t", texts, true)]).unwrap();
    let (bytes, report) = write(
        &crate::csv::Csv,
        &FormatOptions::default(),
        Packing::Gzip,
        2,
        std::slice::from_ref(&batch),
        &batch.schema(),
    );
    assert_eq!(report.bytes_uncompressed, 2 + 4_096 * ((1 << 16) + 1));
    assert!(bytes.len() < 8 << 20);
}
