//! Every kind of value as text, one row of data a case.

use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::*;
use arrow_buffer::{IntervalMonthDayNano, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, TimeUnit};

use super::*;
use crate::options::{Fraction, OffsetStyle};

struct Show;

impl Escape for Show {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        out.slice(text);
    }

    fn null(&mut self, out: &mut Buf) {
        out.fixed(b"<null>");
    }
}

fn shown(array: impl Array + 'static, options: &ValueOptions) -> Vec<String> {
    let array: ArrayRef = Arc::new(array);
    let mut column = Column::resolve("c", &array, options).unwrap();
    (0..array.len())
        .map(|row| {
            let mut out = Buf::default();
            column.write(row, &mut out, &mut Show);
            assert_eq!(column.is_null(row), out.as_slice() == b"<null>");
            String::from_utf8(out.as_slice().to_vec()).unwrap()
        })
        .collect()
}

fn plain(array: impl Array + 'static) -> Vec<String> {
    shown(array, &ValueOptions::default())
}

#[test]
fn integers_and_booleans() {
    assert_eq!(
        plain(Int8Array::from(vec![Some(-128), None, Some(127)])),
        ["-128", "<null>", "127"]
    );
    assert_eq!(plain(UInt64Array::from(vec![0, u64::MAX])), ["0", "18446744073709551615"]);
    assert_eq!(plain(Int64Array::from(vec![i64::MIN])), ["-9223372036854775808"]);
    assert_eq!(plain(UInt16Array::from(vec![65_535])), ["65535"]);
    assert_eq!(
        plain(BooleanArray::from(vec![Some(true), Some(false), None])),
        ["true", "false", "<null>"]
    );
    assert_eq!(plain(NullArray::new(2)), ["<null>", "<null>"]);
}

#[test]
fn floats_read_back_as_the_same_number() {
    let values = [0.1, 1.0, -0.0, 1e300, 5e-324, 123_456_789.125, 1.0 / 3.0];
    for (text, value) in plain(Float64Array::from(values.to_vec())).iter().zip(values) {
        assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
    }
    assert_eq!(plain(Float32Array::from(vec![0.1, 16_777_216.0])), ["0.1", "16777216.0"]);
    assert_eq!(
        plain(Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY])),
        ["NaN", "Infinity", "-Infinity"]
    );
}

#[test]
fn decimals_of_every_width_are_exact() {
    let d128 = |values: Vec<i128>, precision, scale| {
        Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()
    };
    assert_eq!(
        plain(d128(vec![0, -1_109_500, 1_050, 5], 15, 2)),
        ["0.00", "-11095.00", "10.50", "0.05"]
    );
    let trimmed = ValueOptions { decimals: Decimals::Trimmed, ..ValueOptions::default() };
    assert_eq!(
        shown(d128(vec![0, -1_109_500, 1_050, 5], 15, 2), &trimmed),
        ["0", "-11095", "10.5", "0.05"]
    );
    let widest = 99_999_999_999_999_999_999_999_999_999_999_999_999i128;
    assert_eq!(
        plain(d128(vec![widest, -widest], 38, 10)),
        ["9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999",]
    );
    assert_eq!(plain(d128(vec![7, 0], 5, -3)), ["7000", "0"]);
    assert_eq!(plain(d128(vec![7], 38, 38)), ["0.00000000000000000000000000000000000007"]);
    let wide = i256::from_string(&"9".repeat(76)).unwrap();
    let d256 = Decimal256Array::from(vec![wide, i256::from_i128(-150)])
        .with_precision_and_scale(76, 2)
        .unwrap();
    assert_eq!(plain(d256), [format!("{}.99", "9".repeat(74)), "-1.50".to_owned()]);
    let d32 = Decimal32Array::from(vec![-12_345]).with_precision_and_scale(9, 3).unwrap();
    assert_eq!(plain(d32), ["-12.345"]);
    let d64 = Decimal64Array::from(vec![10]).with_precision_and_scale(18, 1).unwrap();
    assert_eq!(plain(d64), ["1.0"]);
}

#[test]
fn dates_times_and_timestamps() {
    assert_eq!(plain(Date32Array::from(vec![Some(20_666), None])), ["2026-08-01", "<null>"]);
    assert_eq!(plain(Date64Array::from(vec![-86_400_000])), ["1969-12-31"]);
    assert_eq!(plain(Time32SecondArray::from(vec![86_399])), ["23:59:59"]);
    assert_eq!(plain(Time64NanosecondArray::from(vec![1_500_000_000])), ["00:00:01.500"]);
    let moment = 1_786_453_688_000; // 2026-08-11T13:08:08Z
    let with = |zone: Option<&str>, options: &ValueOptions| {
        let array = TimestampMillisecondArray::from(vec![moment, moment + 5]);
        shown(array.with_timezone_opt(zone), options)
    };
    let mut options = ValueOptions::default();
    assert_eq!(with(None, &options), ["2026-08-11T13:08:08", "2026-08-11T13:08:08.005"]);
    assert_eq!(with(Some("UTC"), &options)[0], "2026-08-11T13:08:08Z");
    assert_eq!(with(Some("America/Los_Angeles"), &options)[0], "2026-08-11T06:08:08-07:00");
    options.timestamps.naive_is_utc = true;
    options.timestamps.offset = OffsetStyle::Plain;
    options.timestamps.fraction = Fraction::Seconds;
    assert_eq!(with(None, &options)[1], "2026-08-11T13:08:08+0000");
    options.timestamps.zone = Some("Australia/Sydney".to_owned());
    options.timestamps.space = true;
    assert_eq!(with(None, &options)[0], "2026-08-11 23:08:08+1000");
    assert_eq!(with(Some("UTC"), &options)[0], "2026-08-11 23:08:08+1000");
    assert_eq!(with(Some("+05:30"), &ValueOptions::default())[0], "2026-08-11T18:38:08+05:30");
    let far = TimestampSecondArray::from(vec![i64::MAX, i64::MIN]).with_timezone("Europe/Paris");
    assert_eq!(plain(far).len(), 2);
}

#[test]
fn a_zone_that_does_not_exist_is_refused_before_the_first_row() {
    let schema = arrow_schema::Schema::new(vec![Field::new(
        "at",
        DataType::Timestamp(TimeUnit::Second, Some("Mars/Olympus".into())),
        true,
    )]);
    let error = check_types(&schema, &ValueOptions::default()).unwrap_err().to_string();
    assert!(error.contains("Mars/Olympus"), "{error}");
}

#[test]
fn texts_in_every_layout() {
    let texts = [Some("short"), None, Some(""), Some("a text of more than twelve bytes, ü")];
    let expected = ["short", "<null>", "", "a text of more than twelve bytes, ü"];
    assert_eq!(plain(StringArray::from(texts.to_vec())), expected);
    assert_eq!(plain(LargeStringArray::from(texts.to_vec())), expected);
    assert_eq!(plain(StringViewArray::from(texts.to_vec())), expected);
    let dictionary: DictionaryArray<Int8Type> = texts.into_iter().collect();
    assert_eq!(plain(dictionary), expected);
    let empty = DictionaryArray::<Int8Type>::new(
        Int8Array::from(vec![None, None]),
        Arc::new(StringArray::from(Vec::<&str>::new())),
    );
    assert_eq!(plain(empty), ["<null>", "<null>"]);
    let null_value = DictionaryArray::<Int8Type>::new(
        Int8Array::from(vec![0, 1]),
        Arc::new(StringArray::from(vec![None, Some("b")])),
    );
    assert_eq!(plain(null_value), ["<null>", "b"]);
    let sliced = StringViewArray::from(texts.to_vec()).slice(2, 2);
    assert_eq!(plain(sliced), expected[2..]);
    let runs: RunArray<Int32Type> = [Some("a"), Some("a"), None, Some("b")].into_iter().collect();
    assert_eq!(plain(runs), ["a", "a", "<null>", "b"]);
}

#[test]
fn binary_as_base64_or_hex() {
    let bytes: [&[u8]; 4] = [b"", b"f", b"foob", &[0, 255]];
    assert_eq!(plain(BinaryArray::from_vec(bytes.to_vec())), ["", "Zg==", "Zm9vYg==", "AP8="]);
    let hex = ValueOptions { binary: Binary::Hex, ..ValueOptions::default() };
    assert_eq!(
        shown(BinaryViewArray::from_iter_values(bytes), &hex),
        ["", "66", "666f6f62", "00ff"]
    );
    let fixed =
        FixedSizeBinaryArray::try_from_iter([vec![1u8, 2], vec![3, 4]].into_iter()).unwrap();
    assert_eq!(shown(fixed.slice(1, 1), &hex), ["0304"]);
}

#[test]
fn nested_values_are_json() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None, Some(3)]),
        None,
        Some(vec![]),
    ]);
    assert_eq!(plain(list), ["[1,null,3]", "<null>", "[]"]);
    let fields = Fields::from(vec![
        Field::new("a \"b\"", DataType::Utf8, true),
        Field::new("when", DataType::Date32, true),
        Field::new("x", DataType::Float64, true),
    ]);
    let nested = StructArray::new(
        fields,
        vec![
            Arc::new(StringArray::from(vec![Some("q\"\\\n\u{1}é"), None])),
            Arc::new(Date32Array::from(vec![Some(0), None])),
            Arc::new(Float64Array::from(vec![f64::NAN, 1.5])),
        ],
        None,
    );
    let texts = plain(nested);
    assert_eq!(texts[0], r#"{"a \"b\"":"q\"\\\n\u0001é","when":"1970-01-01","x":"NaN"}"#);
    assert_eq!(texts[1], r#"{"a \"b\"":null,"when":null,"x":1.5}"#);
    for text in texts {
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }
    let entries = StructArray::from(vec![
        (
            Arc::new(Field::new("keys", DataType::Int32, false)),
            Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("values", DataType::Boolean, true)),
            Arc::new(BooleanArray::from(vec![Some(true), None])) as ArrayRef,
        ),
    ]);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let map = MapArray::new(field, OffsetBuffer::new(vec![0, 2].into()), entries, None, false);
    assert_eq!(plain(map), [r#"{"1":true,"2":null}"#]);
}

#[test]
fn durations_and_intervals_are_iso_8601() {
    let durations = DurationMillisecondArray::from(vec![1_500, -90_061_001, 0, i64::MIN]);
    assert_eq!(plain(durations), ["PT1.5S", "PT-90061.001S", "PT0S", "PT-9223372036854775.808S"]);
    let intervals = IntervalMonthDayNanoArray::from(vec![
        IntervalMonthDayNano::new(14, 3, 14_706_500_000_000),
        IntervalMonthDayNano::new(-1, 2, -1),
        IntervalMonthDayNano::new(0, 0, 0),
        IntervalMonthDayNano::new(0, 0, 3_600_000_000_000),
    ]);
    assert_eq!(plain(intervals), ["P1Y2M3DT4H5M6.5S", "P-1M2DT-0.000000001S", "PT0S", "PT1H"]);
    assert_eq!(plain(IntervalYearMonthArray::from(vec![25])), ["P2Y1M"]);
    let day_time = IntervalDayTimeArray::from(vec![arrow_buffer::IntervalDayTime::new(1, 60_000)]);
    assert_eq!(plain(day_time), ["P1DT1M"]);
}

#[test]
fn a_type_without_a_rule_is_named() {
    let union = DataType::Union(
        arrow_schema::UnionFields::try_new([0], [Field::new("a", DataType::Int32, true)]).unwrap(),
        arrow_schema::UnionMode::Sparse,
    );
    let schema = arrow_schema::Schema::new(vec![Field::new("odd", union, true)]);
    let error = check_types(&schema, &ValueOptions::default()).unwrap_err().to_string();
    assert!(error.contains("\"odd\"") && error.contains("cast it in the query"), "{error}");
}
