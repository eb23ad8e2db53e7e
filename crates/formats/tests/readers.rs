//! Reads what the formats write with readers that we did not write, value for value: Python's
//! csv, html.parser, gzip and zipfile, openpyxl, polars, and calamine. The expected rows are given
//! to the scripts as JSON, made here from the same arrays.
//!
//! The scripts need a Python with openpyxl, named by `OUTHAUL_TEST_PYTHON`; LibreOffice is asked
//! too when `OUTHAUL_TEST_SOFFICE` names it. What is missing is skipped, and says so.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringViewArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};
use calamine::{Data, Reader, Xlsx, open_workbook};
use outhaul_formats::pack::{Deflater, EntryName, Level};
use outhaul_formats::{
    Buf, Entry, FormatOptions, Packing, Pipeline, PipelineOptions, Report, format,
};
use serde_json::{Value, json};

/// Texts that break writers: quoting, markup, formulas, control characters, other scripts.
const TEXTS: [&str; 28] = [
    "plain",
    "",
    "a,b",
    "say \"hi\"",
    "line\nend",
    "cr\rin",
    "crlf\r\nin",
    " blanks ",
    "\ttab",
    "ünï",
    "請求書",
    "😀 🏳️‍🌈",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "=HYPERLINK(\"http://example.com\",\"x\")",
    "=cmd|' /C calc'!A0",
    "<script>alert('x')</script>",
    "&amp; & &#65;",
    "</td></tr></table>",
    "1E5",
    "00123",
    "2026-08-01",
    "TRUE",
    "'quoted'",
    "]]>",
    "\u{2028}separator",
];

fn rows(first: usize, count: usize) -> RecordBatch {
    let all = || first..first + count;
    let keep = |row: usize| !row.is_multiple_of(13);
    let texts: StringViewArray =
        all().map(|row| keep(row).then(|| TEXTS[row % TEXTS.len()])).collect();
    let amounts: Decimal128Array =
        all().map(|row| keep(row + 1).then_some(row as i128 * 997 - 50_000)).collect();
    let moments: TimestampMillisecondArray = all()
        .map(|row| keep(row + 2).then_some(1_786_453_688_000 + row as i64 * 86_399_123))
        .collect();
    let columns: [(&str, ArrayRef); 7] = [
        (
            "id, \"quoted\" & <b>",
            Arc::new(Int64Array::from_iter_values(all().map(|row| row as i64))),
        ),
        ("text", Arc::new(texts)),
        ("amount", Arc::new(amounts.with_precision_and_scale(15, 2).unwrap())),
        ("rate", Arc::new(Float64Array::from_iter_values(all().map(|row| row as f64 / 7.0)))),
        (
            "flag",
            Arc::new(
                all().map(|row| keep(row + 3).then_some(row % 2 == 0)).collect::<BooleanArray>(),
            ),
        ),
        ("day", Arc::new(Date32Array::from_iter_values(all().map(|row| 20_000 + row as i32)))),
        ("at", Arc::new(moments)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// The rows as JSON, from the arrays and not from our texts.
fn expected(batch: &RecordBatch) -> Value {
    let columns = batch.columns();
    let cell = |column: &ArrayRef, row: usize| -> Value {
        if column.is_null(row) {
            return Value::Null;
        }
        let any = column.as_any();
        if let Some(values) = any.downcast_ref::<Int64Array>() {
            json!(values.value(row))
        } else if let Some(values) = any.downcast_ref::<StringViewArray>() {
            json!(values.value(row))
        } else if let Some(values) = any.downcast_ref::<Decimal128Array>() {
            json!(values.value_as_string(row))
        } else if let Some(values) = any.downcast_ref::<Float64Array>() {
            json!(values.value(row))
        } else if let Some(values) = any.downcast_ref::<BooleanArray>() {
            json!(values.value(row))
        } else if let Some(values) = any.downcast_ref::<Date32Array>() {
            json!(values.value_as_date(row).unwrap().to_string())
        } else if let Some(values) = any.downcast_ref::<TimestampMillisecondArray>() {
            json!(
                values.value_as_datetime(row).unwrap().format("%Y-%m-%dT%H:%M:%S%.3f").to_string()
            )
        } else {
            panic!("no rule for {}", column.data_type())
        }
    };
    let names: Vec<_> =
        batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
    let rows: Vec<Vec<Value>> = (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| cell(column, row)).collect())
        .collect();
    json!({ "names": names, "rows": rows })
}

fn write(
    path: &Path,
    id: &str,
    packing: Packing,
    options: &FormatOptions,
    batch: &RecordBatch,
) -> Report {
    let mut pipeline_options = PipelineOptions::new(format(id).unwrap());
    (pipeline_options.options, pipeline_options.packing) = (options.clone(), packing);
    let file = std::fs::File::create(path).unwrap();
    let mut pipeline = Pipeline::new(pipeline_options, Box::new(file)).unwrap();
    let files = if packing.many() { vec!["first", "zweite Prüfung"] } else { vec!["first"] };
    for label in files {
        let name = EntryName::from_label(label, id);
        pipeline.begin(Entry { name, schema: batch.schema(), sealing: None }).unwrap();
        for at in (0..batch.num_rows()).step_by(3_001) {
            pipeline.push(batch.slice(at, 3_001.min(batch.num_rows() - at))).unwrap();
        }
    }
    pipeline.finish().unwrap()
}

/// Runs a script with the file and the expected rows. Answers false when there is no Python.
fn read_by(script: &str, file: &Path, expected: &Value) -> bool {
    let Some(python) = std::env::var_os("OUTHAUL_TEST_PYTHON") else {
        let mut out = std::io::stderr();
        let _ = writeln!(
            out,
            "skipped: {script} needs OUTHAUL_TEST_PYTHON, the path of a Python with openpyxl and polars"
        );
        return false;
    };
    let wanted = file.with_extension("expected.json");
    std::fs::write(&wanted, expected.to_string()).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers");
    let done = Command::new(python)
        .arg(scripts.join(script))
        .args([file, &wanted])
        .output()
        .expect("OUTHAUL_TEST_PYTHON can be run");
    assert!(
        done.status.success(),
        "{script} {}:\n{}{}",
        file.display(),
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    true
}

#[test]
fn python_reads_csv_as_it_is_and_packed() {
    let folder = tempfile::tempdir().unwrap();
    let batch = rows(0, 10_000);
    for (name, packing) in
        [("a.csv", Packing::None), ("a.csv.gz", Packing::Gzip), ("a.zip", Packing::Zip)]
    {
        let path = folder.path().join(name);
        write(&path, "csv", packing, &FormatOptions::default(), &batch);
        read_by("read_csv.py", &path, &expected(&batch));
    }
}

#[test]
fn zlib_gunzip_and_unzip_read_what_the_default_level_makes() {
    let folder = tempfile::tempdir().unwrap();
    let batch = rows(0, 40_000);
    for (name, packing) in
        [("a.csv", Packing::None), ("a.csv.gz", Packing::Gzip), ("a.zip", Packing::Zip)]
    {
        write(&folder.path().join(name), "csv", packing, &FormatOptions::default(), &batch);
    }
    let mut noise = 1u32;
    let mut random = |len: usize| -> Vec<u8> {
        let byte = |_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        (0..len).map(byte).collect()
    };
    let table = std::fs::read(folder.path().join("a.csv")).unwrap();
    let streams = [
        ("empty", Vec::new()),
        ("byte", vec![b'x']),
        ("short", b"abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc".to_vec()),
        ("equal", vec![0; 1 << 20]),
        ("random", random(200_000)),
        ("mixed", [&table[..100_000], &random(100_000), &table[..70_000]].concat()),
        ("nibbles", random(200_000).iter().map(|byte| byte % 16).collect()),
        ("table", table),
    ];
    let mut deflater = Deflater::default();
    for (name, raw) in &streams {
        let block = deflater.block(raw, Level::FAST, Buf::default()).unwrap();
        let stream = [block.as_slice(), &[3, 0]].concat();
        std::fs::write(folder.path().join(format!("{name}.deflate")), stream).unwrap();
        std::fs::write(folder.path().join(name), raw).unwrap();
    }
    let names: Vec<&str> = streams.iter().map(|(name, _)| *name).collect();
    read_by("read_deflate.py", &folder.path().join("a.csv"), &json!({ "streams": names }));
}

#[test]
fn python_reads_html_and_finds_no_markup_from_data() {
    let folder = tempfile::tempdir().unwrap();
    let batch = rows(0, 3_000);
    for (name, packing) in
        [("a.html", Packing::None), ("a.html.gz", Packing::Gzip), ("a.zip", Packing::Zip)]
    {
        let path = folder.path().join(name);
        write(&path, "html", packing, &FormatOptions::default(), &batch);
        read_by("read_html.py", &path, &expected(&batch));
    }
}

#[test]
fn openpyxl_and_polars_read_xlsx() {
    let folder = tempfile::tempdir().unwrap();
    let batch = rows(0, 4_000);
    let mut options = FormatOptions::default();
    for (name, rows_per_sheet) in [("one.xlsx", 1_048_575), ("many.xlsx", 1_500)] {
        options.xlsx.rows_per_sheet = rows_per_sheet;
        let path = folder.path().join(name);
        write(&path, "xlsx", Packing::None, &options, &batch);
        read_by("read_xlsx.py", &path, &expected(&batch));
    }
    let path = folder.path().join("packed.zip");
    write(&path, "xlsx", Packing::Zip, &options, &batch);
    read_by("read_xlsx.py", &path, &expected(&batch));
}

#[test]
fn libreoffice_opens_xlsx_and_runs_nothing() {
    let Some(office) = std::env::var_os("OUTHAUL_TEST_SOFFICE") else {
        let mut out = std::io::stderr();
        let _ =
            writeln!(out, "skipped: needs OUTHAUL_TEST_SOFFICE, the path of LibreOffice's soffice");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xlsx");
    let batch = rows(0, 600);
    write(&path, "xlsx", Packing::None, &FormatOptions::default(), &batch);
    let done = Command::new(office)
        .arg("--headless")
        .arg(format!("-env:UserInstallation=file://{}/profile", folder.path().display()))
        .args(["--convert-to", "fods", "--outdir"])
        .args([folder.path(), &path])
        .output()
        .expect("OUTHAUL_TEST_SOFFICE can be run");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let office_file = folder.path().join("a.fods");
    read_by("read_office.py", &office_file, &expected(&batch));
}

#[test]
fn calamine_reads_xlsx() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xlsx");
    let batch = rows(0, 5_000);
    let mut options = FormatOptions::default();
    options.xlsx.rows_per_sheet = 2_000;
    let report = write(&path, "xlsx", Packing::None, &options, &batch);
    assert_eq!(report.rows, 5_000);
    let mut workbook: Xlsx<_> = open_workbook(&path).unwrap();
    assert_eq!(workbook.sheet_names(), ["Sheet", "Sheet 2", "Sheet 3"]);
    let wanted = expected(&batch);
    let mut row = 0;
    for name in workbook.sheet_names() {
        let formulas = workbook.worksheet_formula(&name).unwrap();
        assert_eq!(formulas.used_cells().count(), 0, "{name} has a formula");
        let range = workbook.worksheet_range(&name).unwrap();
        let mut cells = range.rows();
        let header: Vec<_> = cells.next().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(json!(header), wanted["names"]);
        for cells in cells {
            let wanted = &wanted["rows"][row];
            assert_eq!(cells[0], Data::Float(row as f64));
            match &wanted[1] {
                Value::Null => assert_eq!(cells[1], Data::Empty),
                text => assert_eq!(json!(cells[1].to_string()), *text, "row {row}"),
            }
            match &wanted[2] {
                Value::Null => assert_eq!(cells[2], Data::Empty),
                amount => {
                    let amount: f64 = amount.as_str().unwrap().parse().unwrap();
                    assert_eq!(cells[2], Data::Float(amount));
                }
            }
            assert_eq!(cells[3], Data::Float(wanted[3].as_f64().unwrap()));
            match &wanted[4] {
                Value::Null => assert_eq!(cells[4], Data::Empty),
                flag => assert_eq!(cells[4], Data::Bool(flag.as_bool().unwrap())),
            }
            assert!(
                matches!(&cells[5], Data::DateTime(day) if day.as_f64() == (45_569 + row) as f64)
            );
            row += 1;
        }
    }
    assert_eq!(row, 5_000);
}

/// Moments finer than a workbook keeps, many of them the last of a day.
fn fine_moments() -> RecordBatch {
    const DAY: i64 = 86_400_000_000;
    // The last day of the calendar, the first, and those around 1970.
    let days = [2_932_896, -25_508, -1, 0, 20_666];
    let of_day = [DAY - 1, DAY - 999, DAY - 1_000, 0, 999, 1_000, DAY / 2 - 1];
    let odd = (0..2_000_i64).map(|at| at * 43_217_771 % DAY);
    let of_day: Vec<_> = of_day.into_iter().chain(odd).collect();
    let moments = days.iter().flat_map(|day| of_day.iter().map(move |us| day * DAY + us));
    let times = days.iter().flat_map(|_| of_day.iter().copied());
    let columns: [(&str, ArrayRef); 2] = [
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(moments))),
        ("time", Arc::new(Time64MicrosecondArray::from_iter_values(times))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn a_moment_is_the_millisecond_it_lies_in_for_every_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moments.xlsx");
    let batch = fine_moments();
    write(&path, "xlsx", Packing::None, &FormatOptions::default(), &batch);
    let moments: &TimestampMicrosecondArray = batch.column(0).as_any().downcast_ref().unwrap();
    let times: &Time64MicrosecondArray = batch.column(1).as_any().downcast_ref().unwrap();
    let wanted: Vec<_> = (0..batch.num_rows())
        .map(|row| {
            // To three digits, which cuts.
            let at = moments.value_as_datetime(row).unwrap().format("%Y-%m-%dT%H:%M:%S%.3f");
            let time = times.value_as_time(row).unwrap().format("%H:%M:%S%.3f");
            [at.to_string(), time.to_string()]
        })
        .collect();
    read_by("read_moments.py", &path, &json!({ "rows": wanted }));

    let mut workbook: Xlsx<_> = open_workbook(&path).unwrap();
    let range = workbook.worksheet_range("Sheet").unwrap();
    for (cells, wanted) in range.rows().skip(1).zip(&wanted) {
        let parts = |cell: &Data| match cell {
            Data::DateTime(at) => at.to_ymd_hms_milli(),
            other => panic!("{other:?} is no moment"),
        };
        let (year, month, day, hour, minute, second, milli) = parts(&cells[0]);
        let at =
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}");
        let (_, _, _, hour, minute, second, milli) = parts(&cells[1]);
        let time = format!("{hour:02}:{minute:02}:{second:02}.{milli:03}");
        assert_eq!([at, time], *wanted);
    }
    assert_eq!(range.rows().count(), wanted.len() + 1);
}

#[test]
fn an_archive_of_hostile_names_opens_inside_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.zip");
    let batch = rows(0, 3);
    let mut options = PipelineOptions::new(format("csv").unwrap());
    options.packing = Packing::Zip;
    let file = std::fs::File::create(&path).unwrap();
    let mut pipeline = Pipeline::new(options, Box::new(file)).unwrap();
    let mut names = Vec::new();
    for at in 0..100 {
        let hostile = [
            "../",
            "/etc/",
            "C:\\",
            "..\\",
            "CON",
            "a\0b",
            "nul.txt ",
            "~/",
            "$(x)",
            "\u{202e}gpj",
        ];
        let name = EntryName::from_label(&format!("{}{at}", hostile[at % hostile.len()]), "csv");
        names.push(name.as_str().to_owned());
        pipeline.begin(Entry { name, schema: batch.schema(), sealing: None }).unwrap();
        pipeline.push(batch.clone()).unwrap();
    }
    let report = pipeline.finish().unwrap();
    assert_eq!((report.entries.len(), report.rows), (100, 300));
    read_by("read_names.py", &path, &json!({ "names": names }));
}

/// More entries than fit into 16 bits, most of them empty, and a large one.
#[test]
fn an_archive_of_rows_and_files_opens() {
    let folder = tempfile::tempdir().unwrap();
    for together in [false, true] {
        let path = folder.path().join("archive.zip");
        let batch = rows(0, 3);
        let mut options = PipelineOptions::new(format("csv").unwrap());
        options.packing = Packing::Zip;
        let file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        let mut pipeline = Pipeline::new(options, Box::new(file)).unwrap();
        let entry = |name: &str| EntryName::new(name).unwrap();
        let schema = batch.schema();
        pipeline.begin(Entry { name: entry("data.csv"), schema, sealing: None }).unwrap();
        pipeline.push(batch).unwrap();
        let mut archive = pipeline.into_archive().unwrap();
        if together {
            archive.begin_inner(entry("files.zip")).unwrap();
        }
        let count = 66_000;
        let mut names = Vec::with_capacity(count);
        for at in 0..count {
            let name = format!("files/{at}.txt");
            archive.begin(entry(&name)).unwrap();
            match at {
                // In calls of different lengths.
                7 => (0..300).for_each(|len| archive.bytes(&vec![0; len * 1_000]).unwrap()),
                at if at % 1_000 == 0 => archive.bytes(name.as_bytes()).unwrap(),
                _ => {}
            }
            archive.end().unwrap();
            names.push(name);
        }
        if together {
            archive.end_inner().unwrap();
        }
        archive.begin(entry("manifest.json")).unwrap();
        archive.bytes(b"{}").unwrap();
        archive.end().unwrap();
        let report = archive.finish().unwrap();
        assert_eq!(report.rows, 3);
        assert_eq!(report.bytes_written, std::fs::metadata(&path).unwrap().len());
        let texts: serde_json::Map<_, _> =
            (0..count).step_by(1_000).map(|at| (names[at].clone(), json!(names[at]))).collect();
        let large = names[7].clone();
        let files = if together { vec!["files.zip".to_owned()] } else { names };
        let edges = [vec!["data.csv".to_owned()], files, vec!["manifest.json".to_owned()]];
        let wanted = json!({
            "names": edges.concat(), "together": together, "count": count, "texts": texts,
            "large": large, "large_bytes": 300 * 299 / 2 * 1_000,
        });
        read_by("read_archive.py", &path, &wanted);
    }
}

#[test]
#[ignore = "takes minutes: a file of more than 4 GiB"]
fn an_archive_of_more_than_4_gib_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.zip");
    let text = "all the same ".repeat(80_000);
    let texts = StringViewArray::from_iter_values((0..64).map(|_| &text));
    let batch = RecordBatch::try_from_iter([("text", Arc::new(texts) as ArrayRef)]).unwrap();
    let mut options = PipelineOptions::new(format("csv").unwrap());
    options.packing = Packing::Zip;
    let file = std::fs::File::create(&path).unwrap();
    let mut pipeline = Pipeline::new(options, Box::new(file)).unwrap();
    for name in ["large", "behind"] {
        let name = EntryName::from_label(name, "csv");
        pipeline.begin(Entry { name, schema: batch.schema(), sealing: None }).unwrap();
        for _ in 0..65 {
            pipeline.push(batch.clone()).unwrap();
        }
    }
    let report = pipeline.finish().unwrap();
    let bytes: Vec<_> = report.entries.iter().map(|entry| entry.bytes_uncompressed).collect();
    assert!(bytes[0] > u64::from(u32::MAX));
    read_by("read_large.py", &path, &json!({ "bytes": bytes }));
}
