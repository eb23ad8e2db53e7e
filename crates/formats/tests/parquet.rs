//! Parquet files as pyarrow, DuckDB and Polars read them: every type, value for value, and what the
//! footer says. The columns with their values, and the types that each reader should see, are
//! given to the script as JSON.
//!
//! The script needs a Python with the three readers, named by `OUTHAUL_TEST_PYTHON`; without it,
//! that part is skipped, and says so.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::types::{Int8Type, Int32Type, Int64Type};
use arrow_array::*;
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer, i256};
use arrow_schema::{DataType, Field, Fields, Schema};
use outhaul_formats::pack::EntryName;
use outhaul_formats::parquet::Compression;
use outhaul_formats::{
    Entry, FormatOptions, Packing, Pipeline, PipelineOptions, Report, WarningKind, format,
};
use serde_json::{Value, json};

/// A column and what readers should make of it.
struct Case {
    name: &'static str,
    array: ArrayRef,
    /// How the script compares values.
    kind: &'static str,
    /// The type in pyarrow, in DuckDB, and in Polars.
    types: [&'static str; 3],
    values: Value,
    json: bool,
}

fn case(
    name: &'static str,
    array: impl Array + 'static,
    kind: &'static str,
    types: [&'static str; 3],
    values: Value,
) -> Case {
    Case { name, array: Arc::new(array), kind, types, values, json: false }
}

const D38: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

/// Four rows each.
fn numbers() -> Vec<Case> {
    let decimal = |array: Decimal128Array, digits, scale| {
        array.with_precision_and_scale(digits, scale).unwrap()
    };
    vec![
        case(
            "int8",
            Int8Array::from(vec![Some(i8::MIN), Some(i8::MAX), None, Some(0)]),
            "int",
            ["int8", "TINYINT", "Int8"],
            json!([-128, 127, null, 0]),
        ),
        case(
            "int16",
            Int16Array::from(vec![Some(i16::MIN), Some(i16::MAX), None, Some(-1)]),
            "int",
            ["int16", "SMALLINT", "Int16"],
            json!([-32768, 32767, null, -1]),
        ),
        case(
            "int32",
            Int32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None, Some(1)]),
            "int",
            ["int32", "INTEGER", "Int32"],
            json!([i32::MIN, i32::MAX, null, 1]),
        ),
        case(
            "int64",
            Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some((1 << 53) + 1)]),
            "int",
            ["int64", "BIGINT", "Int64"],
            json!([i64::MIN, i64::MAX, null, (1_i64 << 53) + 1]),
        ),
        case(
            "uint8",
            UInt8Array::from(vec![Some(0), Some(u8::MAX), None, Some(200)]),
            "int",
            ["uint8", "UTINYINT", "UInt8"],
            json!([0, 255, null, 200]),
        ),
        case(
            "uint16",
            UInt16Array::from(vec![Some(0), Some(u16::MAX), None, Some(40_000)]),
            "int",
            ["uint16", "USMALLINT", "UInt16"],
            json!([0, 65_535, null, 40_000]),
        ),
        case(
            "uint32",
            UInt32Array::from(vec![Some(0), Some(u32::MAX), None, Some(3_000_000_000)]),
            "int",
            ["uint32", "UINTEGER", "UInt32"],
            json!([0, u32::MAX, null, 3_000_000_000_u32]),
        ),
        case(
            "uint64",
            UInt64Array::from(vec![Some(0), Some(u64::MAX), None, Some(1 << 63)]),
            "int",
            ["uint64", "UBIGINT", "UInt64"],
            json!([0, u64::MAX, null, 1_u64 << 63]),
        ),
        case(
            "float32",
            Float32Array::from(vec![Some(f32::MIN_POSITIVE), Some(f32::NAN), None, Some(0.1)]),
            "float",
            ["float", "FLOAT", "Float32"],
            json!([f64::from(f32::MIN_POSITIVE), "nan", null, f64::from(0.1_f32)]),
        ),
        case(
            "float64",
            Float64Array::from(vec![
                Some(f64::INFINITY),
                Some(f64::NEG_INFINITY),
                Some(-0.0),
                Some(f64::MAX),
            ]),
            "float",
            ["double", "DOUBLE", "Float64"],
            json!(["inf", "-inf", -0.0, f64::MAX]),
        ),
        case(
            "half",
            Float16Array::from_iter([Some(0.5_f32), Some(-65_504.0), None, Some(6.0e-8)].map(
                |v| v.map(<types::Float16Type as types::ArrowPrimitiveType>::Native::from_f32),
            )),
            "float",
            ["float", "FLOAT", "Float32"],
            json!([0.5, -65_504.0, null, 5.960_464_477_539_063e-8]),
        ),
        case(
            "boolean",
            BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]),
            "same",
            ["bool", "BOOLEAN", "Boolean"],
            json!([true, false, null, true]),
        ),
        case(
            "decimal9",
            decimal(vec![Some(-123_456_789), Some(5), None, Some(0)].into(), 9, 2),
            "decimal",
            ["decimal128(9, 2)", "DECIMAL(9,2)", "Decimal(precision=9, scale=2)"],
            json!(["-1234567.89", "0.05", null, "0.00"]),
        ),
        case(
            "decimal18",
            decimal(vec![Some(999_999_999_999_999_999), Some(-1), None, Some(10)].into(), 18, 4),
            "decimal",
            ["decimal128(18, 4)", "DECIMAL(18,4)", "Decimal(precision=18, scale=4)"],
            json!(["99999999999999.9999", "-0.0001", null, "0.0010"]),
        ),
        case(
            "decimal38",
            decimal(vec![Some(D38), Some(-D38), None, Some(1)].into(), 38, 10),
            "decimal",
            ["decimal128(38, 10)", "DECIMAL(38,10)", "Decimal(precision=38, scale=10)"],
            json!([
                "9999999999999999999999999999.9999999999",
                "-9999999999999999999999999999.9999999999",
                null,
                "0.0000000001"
            ]),
        ),
        case(
            "decimal_1_digit",
            decimal(vec![Some(-9), Some(9), None, Some(0)].into(), 1, 0),
            "decimal",
            ["decimal128(1, 0)", "DECIMAL(1,0)", "Decimal(precision=1, scale=0)"],
            json!(["-9", "9", null, "0"]),
        ),
        case(
            "decimal_of_thousands",
            decimal(vec![Some(7), Some(-12), None, Some(0)].into(), 5, -3),
            "decimal",
            ["decimal128(8, 0)", "DECIMAL(8,0)", "Decimal(precision=8, scale=0)"],
            json!(["7000", "-12000", null, "0"]),
        ),
        case(
            "decimal64",
            Decimal64Array::from(vec![Some(-1_234_567_890_123), Some(5), None, Some(0)])
                .with_precision_and_scale(15, 3)
                .unwrap(),
            "decimal",
            ["decimal128(15, 3)", "DECIMAL(15,3)", "Decimal(precision=15, scale=3)"],
            json!(["-1234567890.123", "0.005", null, "0.000"]),
        ),
        case(
            "decimal256",
            Decimal256Array::from(vec![Some(i256::from_i128(D38)), None, None, Some(i256::ONE)])
                .with_precision_and_scale(38, 0)
                .unwrap(),
            "decimal",
            ["decimal128(38, 0)", "DECIMAL(38,0)", "Decimal(precision=38, scale=0)"],
            json!(["99999999999999999999999999999999999999", null, null, "1"]),
        ),
        case(
            "decimal_too_wide",
            Decimal256Array::from(vec![
                Some(i256::from_i128(D38).wrapping_mul(i256::from_i128(1000))),
                Some(i256::MINUS_ONE),
                None,
                None,
            ])
            .with_precision_and_scale(50, 5)
            .unwrap(),
            "same",
            ["string", "VARCHAR", "String"],
            json!(["999999999999999999999999999999999999.99000", "-0.00001", null, null]),
        ),
    ]
}

fn texts() -> Vec<Case> {
    let text = ["string", "VARCHAR", "String"];
    let binary = ["binary", "BLOB", "Binary"];
    let bytes = || vec![Some(&b"\x00\xff"[..]), Some(b""), None, Some("é😀".as_bytes())];
    let hex = || json!(["00ff", "", null, "c3a9f09f9880"]);
    let words = || vec![Some("𝄞 請求書 😀🏳️‍🌈"), Some(""), None, Some("a\0b\r\n\"")];
    let all = || json!(["𝄞 請求書 😀🏳️‍🌈", "", null, "a\0b\r\n\""]);
    let keys = Int8Array::from(vec![Some(1), Some(0), None, Some(1)]);
    let few: ArrayRef = Arc::new(StringArray::from(vec![None, Some("many 😀")]));
    let codes: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(7)]));
    let run_ends = Int32Array::from(vec![1, 3, 4]);
    let runs = StringArray::from(vec![Some("a"), None, Some("b")]);
    let document = ["string", "JSON", "String"];
    let documents =
        vec![Some("{\"a\": [1, null]}"), Some("\"x\""), None, Some("12345678901234567890")];
    let mut json_text =
        case("json", StringArray::from(documents.clone()), "same", document, json!(documents));
    json_text.json = true;
    vec![
        case("text", StringArray::from(words()), "same", text, all()),
        case("large_text", LargeStringArray::from(words()), "same", text, all()),
        case("text_view", StringViewArray::from(words()), "same", text, all()),
        case(
            "dictionary",
            DictionaryArray::<Int8Type>::try_new(keys.clone(), few).unwrap(),
            "same",
            text,
            json!(["many 😀", null, null, "many 😀"]),
        ),
        case(
            "dictionary_of_numbers",
            DictionaryArray::<Int8Type>::try_new(keys, codes).unwrap(),
            "int",
            ["int64", "BIGINT", "Int64"],
            json!([7, i64::MIN, null, 7]),
        ),
        case(
            "runs",
            RunArray::<Int32Type>::try_new(&run_ends, &runs).unwrap(),
            "same",
            text,
            json!(["a", null, null, "b"]),
        ),
        json_text,
        case("binary", BinaryArray::from(bytes()), "binary", binary, hex()),
        case("large_binary", LargeBinaryArray::from(bytes()), "binary", binary, hex()),
        case("binary_view", BinaryViewArray::from(bytes()), "binary", binary, hex()),
        case(
            "fixed_binary",
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                [Some([0_u8, 1]), Some([255, 254]), None, Some([9, 9])].into_iter(),
                2,
            )
            .unwrap(),
            "binary",
            ["fixed_size_binary[2]", "BLOB", "Binary"],
            json!(["0001", "fffe", null, "0909"]),
        ),
    ]
}

/// Days, moments and times as counts, which no reader's own calendar limits.
fn moments() -> Vec<Case> {
    // 0001-01-01 and 9999-12-31, in days and at the last second.
    const FIRST: i64 = -719_162;
    const LAST: i64 = 2_932_896;
    let micros = || {
        vec![
            Some(FIRST * 86_400_000_000),
            Some(LAST * 86_400_000_000 + 86_399_999_999),
            None,
            Some(-1),
        ]
    };
    let millis =
        || vec![Some(FIRST * 86_400_000), Some(LAST * 86_400_000 + 86_399_999), None, Some(-1)];
    let nanos = || vec![Some(1_785_542_400_123_456_789), Some(-1), None, Some(0)];
    let seconds = || vec![Some(FIRST * 86_400), Some(LAST * 86_400 + 86_399), None, Some(-1)];
    let in_millis = || json!([FIRST * 86_400_000, LAST * 86_400_000 + 86_399_000, null, -1_000]);
    vec![
        case(
            "date",
            Date32Array::from(vec![Some(FIRST as i32), Some(LAST as i32), None, Some(0)]),
            "date",
            ["date32[day]", "DATE", "Date"],
            json!(["0001-01-01", "9999-12-31", null, "1970-01-01"]),
        ),
        case(
            "date64",
            Date64Array::from(vec![Some(FIRST * 86_400_000), Some(-86_400_000), None, Some(0)]),
            "date",
            ["date32[day]", "DATE", "Date"],
            json!(["0001-01-01", "1969-12-31", null, "1970-01-01"]),
        ),
        case(
            "wall_s",
            TimestampSecondArray::from(seconds()),
            "timestamp",
            ["timestamp[ms]", "TIMESTAMP", "Datetime(time_unit='ms', time_zone=None)"],
            in_millis(),
        ),
        case(
            "wall_ms",
            TimestampMillisecondArray::from(millis()),
            "timestamp",
            ["timestamp[ms]", "TIMESTAMP", "Datetime(time_unit='ms', time_zone=None)"],
            json!(millis()),
        ),
        case(
            "wall_us",
            TimestampMicrosecondArray::from(micros()),
            "timestamp",
            ["timestamp[us]", "TIMESTAMP", "Datetime(time_unit='us', time_zone=None)"],
            json!(micros()),
        ),
        case(
            "wall_ns",
            TimestampNanosecondArray::from(nanos()),
            "timestamp",
            ["timestamp[ns]", "TIMESTAMP_NS", "Datetime(time_unit='ns', time_zone=None)"],
            json!(nanos()),
        ),
        case(
            "moment_s",
            TimestampSecondArray::from(seconds()).with_timezone("+02:00"),
            "timestamp",
            [
                "timestamp[ms, tz=UTC]",
                "TIMESTAMP WITH TIME ZONE",
                "Datetime(time_unit='ms', time_zone='UTC')",
            ],
            in_millis(),
        ),
        case(
            "moment_us",
            TimestampMicrosecondArray::from(micros()).with_timezone("Europe/Berlin"),
            "timestamp",
            [
                "timestamp[us, tz=Europe/Berlin]",
                "TIMESTAMP WITH TIME ZONE",
                "Datetime(time_unit='us', time_zone='Europe/Berlin')",
            ],
            json!(micros()),
        ),
        case(
            "time_s",
            Time32SecondArray::from(vec![Some(0), Some(86_399), None, Some(1)]),
            "time",
            ["time32[ms]", "TIME", "Time"],
            json!([0_i64, 86_399_000_000_000_i64, null, 1_000_000_000]),
        ),
        case(
            "time_ms",
            Time32MillisecondArray::from(vec![Some(0), Some(86_399_999), None, Some(1)]),
            "time",
            ["time32[ms]", "TIME", "Time"],
            json!([0, 86_399_999_000_000_i64, null, 1_000_000]),
        ),
        case(
            "time_us",
            Time64MicrosecondArray::from(vec![Some(0), Some(86_399_999_999), None, Some(1)]),
            "time",
            ["time64[us]", "TIME", "Time"],
            json!([0, 86_399_999_999_000_i64, null, 1_000]),
        ),
        case(
            "duration",
            DurationMillisecondArray::from(vec![Some(90_061_500), Some(-1_000), None, Some(0)]),
            "same",
            ["string", "VARCHAR", "String"],
            json!(["PT90061.5S", "PT-1S", null, "PT0S"]),
        ),
        case(
            "interval",
            IntervalMonthDayNanoArray::from(vec![
                Some(IntervalMonthDayNano::new(14, 3, 14_706_500_000_000)),
                None,
                None,
                Some(IntervalMonthDayNano::new(-1, 0, 0)),
            ]),
            "same",
            ["string", "VARCHAR", "String"],
            json!(["P1Y2M3DT4H5M6.5S", null, null, "P-1M"]),
        ),
    ]
}

fn nested() -> Vec<Case> {
    let mut list = ListBuilder::new(Int64Builder::new());
    list.append_value([Some(i64::MAX), None]);
    list.append_value([]);
    list.append_null();
    list.append_value([Some(1)]);

    let mut lists = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    lists.values().append_value([Some("a"), None]);
    lists.values().append_null();
    lists.append(true);
    lists.values().append_value(Vec::<Option<&str>>::new());
    lists.append(true);
    lists.append(false);
    lists.append(true);

    let amounts: ArrayRef = Arc::new(
        Decimal128Array::from(vec![Some(D38), None, Some(0), Some(5)])
            .with_precision_and_scale(38, 2)
            .unwrap(),
    );
    let marks: ArrayRef = Arc::new(
        vec![Some("x"), Some(""), None, None].into_iter().collect::<DictionaryArray<Int8Type>>(),
    );
    let inner = Fields::from(vec![
        Field::new("amount", DataType::Decimal128(38, 2), true),
        Field::new("mark", marks.data_type().clone(), true),
    ]);
    let nulls = NullBuffer::from(vec![true, true, false, true]);
    let pairs = StructArray::new(inner.clone(), vec![amounts.clone(), marks.clone()], Some(nulls));
    let items = StructArray::new(inner.clone(), vec![amounts, marks], None);
    let of = Arc::new(Field::new("item", DataType::Struct(inner), true));
    let structs = ListArray::new(
        of,
        OffsetBuffer::from_lengths([2, 0, 0, 2]),
        Arc::new(items),
        Some(NullBuffer::from(vec![true, true, false, true])),
    );

    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("é");
    map.values().append_value(i64::MIN);
    map.keys().append_value("none");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.keys().append_value("");
    map.values().append_value(0);
    map.append(true).unwrap();

    let fixed = FixedSizeListArray::from_iter_primitive::<Int64Type, _, _>(
        [Some([Some(1), Some(2)]), None, Some([None, Some(4)]), Some([Some(5), Some(6)])],
        2,
    );
    let pair = "STRUCT(amount DECIMAL(38,2), mark VARCHAR)";
    let pair_in_lists: &'static str = "STRUCT(amount DECIMAL(38,2), mark VARCHAR)[]";
    let big = "999999999999999999999999999999999999.99";
    vec![
        case(
            "list",
            list.finish(),
            "nested",
            ["list<element: int64>", "BIGINT[]", "List(Int64)"],
            json!([[i64::MAX, null], [], null, [1]]),
        ),
        case(
            "list_of_lists",
            lists.finish(),
            "nested",
            ["list<element: list<element: string>>", "VARCHAR[][]", "List(List(String))"],
            json!([[["a", null], null], [[]], null, []]),
        ),
        case(
            "fixed_list",
            fixed,
            "nested",
            ["list<element: int64>", "BIGINT[]", "List(Int64)"],
            json!([[1, 2], null, [null, 4], [5, 6]]),
        ),
        case(
            "struct",
            pairs,
            "nested",
            [
                "struct<amount: decimal128(38, 2), mark: string>",
                pair,
                "Struct({'amount': Decimal(precision=38, scale=2), 'mark': String})",
            ],
            json!([
                {"amount": {"decimal": big}, "mark": "x"},
                {"amount": null, "mark": ""},
                null,
                {"amount": {"decimal": "0.05"}, "mark": null}
            ]),
        ),
        case(
            "list_of_structs",
            structs,
            "nested",
            [
                "list<element: struct<amount: decimal128(38, 2), mark: string>>",
                pair_in_lists,
                "List(Struct({'amount': Decimal(precision=38, scale=2), 'mark': String}))",
            ],
            json!([
                [{"amount": {"decimal": big}, "mark": "x"}, {"amount": null, "mark": ""}],
                [],
                null,
                [{"amount": {"decimal": "0.00"}, "mark": null}, {"amount": {"decimal": "0.05"}, "mark": null}]
            ]),
        ),
        case(
            "map",
            map.finish(),
            "map",
            ["map<string, int64 ('map')>", "MAP(VARCHAR, BIGINT)", "Map(String, Int64)"],
            json!([[["é", i64::MIN], ["none", null]], [], null, [["", 0]]]),
        ),
    ]
}

fn all_cases() -> Vec<Case> {
    let nothing = case(
        "nothing",
        NullArray::new(4),
        "same",
        ["null", "\"NULL\"", "Null"],
        json!([null, null, null, null]),
    );
    [numbers(), texts(), moments(), nested(), vec![nothing]].into_iter().flatten().collect()
}

fn batch(cases: &[Case]) -> RecordBatch {
    let fields: Vec<_> = cases
        .iter()
        .map(|case| {
            let field = Field::new(case.name, case.array.data_type().clone(), true);
            match case.json {
                true => field.with_metadata(
                    [("ARROW:extension:name".to_owned(), "arrow.json".to_owned())].into(),
                ),
                false => field,
            }
        })
        .collect();
    let columns = cases.iter().map(|case| case.array.clone()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn write(
    path: &Path,
    packing: Packing,
    options: &FormatOptions,
    schema: &Arc<Schema>,
    batches: impl IntoIterator<Item = RecordBatch>,
) -> Report {
    let mut pipeline_options = PipelineOptions::new(format("parquet").unwrap());
    (pipeline_options.options, pipeline_options.packing) = (options.clone(), packing);
    let file = std::fs::File::create(path).unwrap();
    let mut pipeline = Pipeline::new(pipeline_options, Box::new(file)).unwrap();
    let name = EntryName::from_label("rows", "parquet");
    pipeline.begin(Entry { name, schema: schema.clone(), sealing: None }).unwrap();
    for batch in batches {
        pipeline.push(batch).unwrap();
    }
    pipeline.finish().unwrap()
}

/// What the script is told: the columns, and how often their values come.
fn wanted(cases: &[Case], times: usize, codec: &str, groups: &[usize]) -> Value {
    let columns: Vec<_> = cases
        .iter()
        .map(|case| {
            let [pyarrow, duckdb, polars] = case.types;
            json!({
                "name": case.name, "kind": case.kind, "json": case.json, "values": case.values,
                "pyarrow": pyarrow, "duckdb": duckdb, "polars": polars,
            })
        })
        .collect();
    json!({
        "columns": columns, "times": times, "codec": codec, "groups": groups,
        "created_by": concat!("outhaul version ", env!("CARGO_PKG_VERSION")),
    })
}

fn read_by_python(file: &Path, wanted: &Value) {
    let Some(python) = std::env::var_os("OUTHAUL_TEST_PYTHON") else {
        let mut out = std::io::stderr();
        let _ = writeln!(
            out,
            "skipped: needs OUTHAUL_TEST_PYTHON, the path of a Python with pyarrow, duckdb and polars"
        );
        return;
    };
    let path = file.with_extension("wanted.json");
    std::fs::write(&path, wanted.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/read_parquet.py");
    let done = Command::new(python).arg(script).args([file, &path]).output().unwrap();
    assert!(
        done.status.success(),
        "{}:\n{}{}",
        file.display(),
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn every_type_is_read_value_for_value() {
    let folder = tempfile::tempdir().unwrap();
    let (cases, path) = (all_cases(), folder.path().join("types.parquet"));
    let batch = batch(&cases);
    let report = write(&path, Packing::None, &FormatOptions::default(), &batch.schema(), [batch]);
    let texts: Vec<_> =
        report.warnings().map(|w| (w.column.as_str(), w.kind, w.count, w.first_row)).collect();
    let kind = WarningKind::TypeAsText;
    assert_eq!(
        texts,
        [("decimal_too_wide", kind, 2, 1), ("duration", kind, 3, 1), ("interval", kind, 2, 1)]
    );
    read_by_python(&path, &wanted(&cases, 1, "ZSTD", &[4]));
}

#[test]
fn every_compression_and_packing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let cases = all_cases();
    let batch = batch(&cases);
    let files = [
        ("zstd.parquet", Compression::Zstd, "ZSTD", Packing::None),
        ("snappy.parquet", Compression::Snappy, "SNAPPY", Packing::None),
        ("gzip.parquet", Compression::Gzip, "GZIP", Packing::None),
        ("none.parquet", Compression::None, "UNCOMPRESSED", Packing::None),
        ("packed.parquet.gz", Compression::Zstd, "ZSTD", Packing::Gzip),
        ("packed.zip", Compression::Zstd, "ZSTD", Packing::Zip),
    ];
    for (name, compression, codec, packing) in files {
        let mut options = FormatOptions::default();
        (options.parquet.compression, options.parquet.rows_per_group) = (compression, 1_000);
        let path = folder.path().join(name);
        let batches = std::iter::repeat_n(batch.clone(), 600);
        let report = write(&path, packing, &options, &batch.schema(), batches);
        assert_eq!(report.rows, 2_400);
        read_by_python(&path, &wanted(&cases, 600, codec, &[1_000, 1_000, 400]));
    }
}

#[test]
fn a_file_without_rows_has_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    let (cases, path) = (all_cases(), folder.path().join("empty.parquet"));
    let schema = batch(&cases).schema();
    write(&path, Packing::None, &FormatOptions::default(), &schema, []);
    read_by_python(&path, &wanted(&cases, 0, "ZSTD", &[]));
}
