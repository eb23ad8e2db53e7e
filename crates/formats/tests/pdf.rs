//! Reads pages back with readers that we did not write: poppler's pdftotext and pypdf for every
//! cell, qpdf for the structure of the file. The pages are also rendered, into the folder `pdf` of
//! cargo's temporary directory, for people to look at.
//!
//! The scripts need a Python with pypdf, named by `OUTHAUL_TEST_PYTHON`, and poppler's and qpdf's
//! programs. What is missing is skipped, and says so.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow_cast::display::{ArrayFormatter, FormatOptions as ShowOptions};
use outhaul_formats::pack::{EntryName, Password};
use outhaul_formats::pdf::{Orientation, Paper, PdfOptions, Place, Slot, Widths};
use outhaul_formats::{
    Entry, FormatOptions, Pipeline, PipelineOptions, Report, WarningKind, format,
};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pdf");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(
    name: &str,
    batches: &[RecordBatch],
    pdf: PdfOptions,
    password: Option<&str>,
) -> (PathBuf, Report) {
    let path = folder().join(name);
    let file = BufWriter::new(fs::File::create(&path).unwrap());
    let options = PipelineOptions {
        options: FormatOptions { pdf, ..FormatOptions::default() },
        password: password.map(|text| Password::new(text).unwrap()),
        threads: 2,
        ..PipelineOptions::new(format("pdf").unwrap())
    };
    let mut pipeline = Pipeline::new(options, Box::new(file)).unwrap();
    let schema = batches[0].schema();
    pipeline
        .begin(Entry { name: EntryName::new("table.pdf").unwrap(), schema, sealing: None })
        .unwrap();
    for batch in batches {
        pipeline.push(batch.clone()).unwrap();
    }
    (path, pipeline.finish().unwrap())
}

/// Runs a program; `None` when it is not there.
fn run(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        eprintln!("skipped: there is no {program}");
        return None;
    };
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), text))
}

/// Pages of a file as pictures beside it.
fn render(path: &Path, first: usize, last: usize) {
    let to = path.with_extension("");
    let (first, last) = (first.to_string(), last.to_string());
    let arguments = [
        "-png",
        "-r",
        "80",
        "-f",
        &first,
        "-l",
        &last,
        path.to_str().unwrap(),
        to.to_str().unwrap(),
    ];
    if let Some((done, text)) = run("pdftoppm", &arguments) {
        assert!(done && text.is_empty(), "{text}");
    }
}

fn check_structure(path: &Path, password: Option<&str>) {
    let password = format!("--password={}", password.unwrap_or_default());
    if let Some((done, text)) = run("qpdf", &["--check", &password, path.to_str().unwrap()]) {
        assert!(done && !text.contains("WARNING"), "{text}");
    }
}

fn read_back(path: &Path, expected: &Value, password: Option<&str>) {
    let Ok(python) = std::env::var("OUTHAUL_TEST_PYTHON") else {
        eprintln!("skipped: OUTHAUL_TEST_PYTHON names no Python with pypdf");
        return;
    };
    if run("pdftotext", &["-v"]).is_none() {
        return;
    }
    let wanted = path.with_extension("json");
    let mut file = BufWriter::new(fs::File::create(&wanted).unwrap());
    serde_json::to_writer(&mut file, expected).unwrap();
    file.flush().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/read_pdf.py");
    let mut arguments = vec![script, path.to_str().unwrap(), wanted.to_str().unwrap()];
    arguments.extend(password);
    let (done, text) = run(&python, &arguments).unwrap();
    assert!(done, "{text}");
    println!("{text}");
}

fn rows(first: usize, count: usize) -> RecordBatch {
    let all = || first..first + count;
    let keep = |row: usize| !row.is_multiple_of(13);
    let names =
        ["Müller & Söhne", "Жуков", "Nguyễn Văn Ạ", "(brackets) \\ and %", "Ωμέγα", "plain"];
    let columns: [(&str, ArrayRef); 6] = [
        ("id", Arc::new(Int64Array::from_iter_values(all().map(|row| row as i64 * 7_919)))),
        (
            "customer",
            Arc::new(StringArray::from_iter(
                all().map(|row| keep(row).then(|| format!("{} {row}", names[row % names.len()]))),
            )),
        ),
        (
            "amount",
            Arc::new(
                Decimal128Array::from_iter(
                    all().map(|row| keep(row + 1).then_some(row as i128 * 997 - 50_000)),
                )
                .with_precision_and_scale(15, 2)
                .unwrap(),
            ),
        ),
        ("rate", Arc::new(Float64Array::from_iter_values(all().map(|row| row as f64 / 8.0)))),
        (
            "paid",
            Arc::new(
                all().map(|row| keep(row + 3).then_some(row % 2 == 0)).collect::<BooleanArray>(),
            ),
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(all().map(|row| 20_000 + row as i32 % 9_000))),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// The rows as Arrow shows them.
fn expected(batches: &[RecordBatch], title: &str) -> Value {
    let show = ShowOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &show).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            rows.push(
                columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>(),
            );
        }
    }
    let header: Vec<_> =
        batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    json!({"title": title, "header": header, "rows": rows})
}

#[test]
fn every_cell_of_a_large_table_is_read_back() {
    let batches: Vec<_> =
        (0..100_000).step_by(8_000).map(|at| rows(at, 8_000.min(100_000 - at))).collect();
    let title = "Invoices of the year";
    let options =
        PdfOptions { title: title.to_owned(), header_right: Slot::Blank, ..PdfOptions::default() };
    let (path, report) = write("large.pdf", &batches, options, None);
    assert_eq!((report.rows, report.warnings().count()), (100_000, 0));
    check_structure(&path, None);
    read_back(&path, &expected(&batches, title), None);
    render(&path, 1, 1);
    render(&path, 900, 900);
}

#[test]
fn a_password_is_needed_to_read() {
    let batches = [rows(0, 200)];
    let title = "Secret";
    let options = PdfOptions { title: title.to_owned(), ..PdfOptions::default() };
    for (name, password) in
        [("locked.pdf", "correct horse"), ("locked-umlaut.pdf", "Öl & Straße 9")]
    {
        let (path, _) = write(name, &batches, options.clone(), Some(password));
        let bytes = fs::read(&path).unwrap();
        let title: Vec<u8> = "Secret".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(!bytes.windows(title.len()).any(|at| at == title), "the title is in the clear");
        check_structure(&path, Some(password));
        if let Some((done, text)) = run("qpdf", &["--check", path.to_str().unwrap()]) {
            assert!(!done && text.contains("invalid password"), "{text}");
        }
        if let Some((done, text)) = run(
            "qpdf",
            &["--show-encryption", &format!("--password={password}"), path.to_str().unwrap()],
        ) {
            assert!(done && text.contains("R = 6") && text.contains("AESv3"), "{text}");
        }
        read_back(&path, &expected(&batches, "Secret"), Some(password));
    }
}

/// Texts of many scripts, and whether readers get them back as a whole: lines that run from right to
/// left stand as they are seen, and only their words come back whole.
const SCRIPTS: [(&str, &str, bool); 14] = [
    ("Latin", "Zażółć gęślą jaźń, ÆØÅ ßẞ, İstanbul", true),
    ("Vietnamese", "Tiếng Việt: Hồ Chí Minh, Đặng Thị Ngọc Ánh", true),
    ("Cyrillic", "Съешь же ещё этих мягких булок", true),
    ("Greek", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία, ἀρχή", true),
    ("Armenian", "Հայաստան", true),
    ("Georgian", "საქართველო", true),
    ("Hebrew", "שלום עולם", false),
    ("Arabic", "السلام عليكم", false),
    ("Hebrew and digits", "חשבונית 1234 מיום 5 במאי", false),
    ("Latin and Arabic", "Invoice فاتورة 42 paid", false),
    ("Signs", "€ £ ¥ ₹ № ™ ½ ∑ √ ≤ → ✓ ★ ♥", true),
    ("Marks", "e\u{301}a\u{308}o\u{302}", true),
    ("Chinese", "請求書 发票", true),
    ("Japanese and Korean", "せいきゅうしょ 청구서", true),
];

#[test]
fn other_scripts_are_shown_or_said_to_be_missing() {
    let names = StringArray::from_iter_values(SCRIPTS.map(|(name, ..)| name));
    let texts = StringArray::from_iter_values(SCRIPTS.map(|(_, text, _)| text));
    let columns: [(&str, ArrayRef); 2] = [("script", Arc::new(names)), ("text", Arc::new(texts))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = PdfOptions {
        title: "Scripts — Письменности — الكتابات".to_owned(),
        description: "What the built-in font shows, and what stands as boxes.".to_owned(),
        text_size: 12,
        ..PdfOptions::default()
    };
    let (path, report) = write("scripts.pdf", &[batch], options, None);
    check_structure(&path, None);
    render(&path, 1, 1);
    let warnings: Vec<_> =
        report.warnings().map(|w| (w.kind, w.column.as_str(), w.count)).collect();
    assert_eq!(warnings, [(WarningKind::CharactersBoxed, "text", 2)]);
    let path = path.to_str().unwrap();
    let Some((done, text)) = run("pdftotext", &["-raw", "-enc", "UTF-8", path, "-"]) else {
        return;
    };
    assert!(done, "{text}");
    // Poppler marks where the direction turns.
    let plain: String =
        text.chars().filter(|c| !matches!(*c as u32, 0x202A..=0x202E | 0x200E..=0x200F)).collect();
    for (name, text, whole) in SCRIPTS {
        let words = if whole { vec![text] } else { text.split(' ').collect() };
        for word in words {
            // Poppler turns the two letters of a ligature round.
            let turned = word.replace("لا", "ال");
            assert!(
                plain.contains(word) || plain.contains(&turned),
                "{name}: {word} is not in\n{plain}"
            );
        }
    }
}

#[test]
fn long_cells_are_wrapped_then_cut() {
    let words = "The goods were delivered in good order and condition, and no claim was made. ";
    let texts: Vec<String> = (0..40)
        .map(|row| match row % 4 {
            0 => words.repeat(row % 7),
            1 => "https://example.com/a/very/long/address?with=parameters&and=more#".repeat(3),
            2 => "W".repeat(300),
            _ => words.repeat(100),
        })
        .collect();
    let numbers = Int64Array::from_iter_values((0..40).map(|row| row * 1_000_003));
    let columns: [(&str, ArrayRef); 4] = [
        ("number", Arc::new(numbers.clone())),
        ("remark of the carrier", Arc::new(StringArray::from(texts.clone()))),
        ("second number with a long heading that is wrapped", Arc::new(numbers)),
        ("second remark", Arc::new(StringArray::from(texts))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = PdfOptions {
        paper: Paper::Letter,
        orientation: Orientation::Landscape,
        title: "Deliveries".to_owned(),
        description: "All deliveries with the carrier's remarks.".to_owned(),
        date: "22 November 2026".to_owned(),
        header_left: Slot::Title,
        header_right: Slot::Date,
        footer_left: Slot::Text("Confidential".to_owned()),
        footer_center: Slot::Blank,
        footer_right: Slot::PageOfTotal,
        ..PdfOptions::default()
    };
    let (path, report) = write("long.pdf", &[batch], options, None);
    check_structure(&path, None);
    render(&path, 1, 2);
    let cut: Vec<_> = report
        .warnings()
        .map(|warning| (warning.kind, warning.column.as_str(), warning.count, warning.first_row))
        .collect();
    assert_eq!(
        cut,
        [
            (WarningKind::TextCut, "remark of the carrier", 10, 4),
            (WarningKind::TextCut, "second remark", 10, 4)
        ]
    );
    let path = path.to_str().unwrap();
    let Some((_, info)) = run("pdfinfo", &[path]) else { return };
    assert!(info.contains("792 x 612 pts (letter)"), "{info}");
    let Some((_, text)) = run("pdftotext", &["-raw", path, "-"]) else { return };
    let pages = text.matches('\u{c}').count();
    for said in ["Confidential", "22 November 2026", "remark of the carrier"] {
        assert_eq!(text.matches(said).count(), pages, "{said} on {pages} pages");
    }
    assert!(text.contains(&format!("{pages} / {pages}")), "{text}");
}

#[test]
fn more_cells_than_a_document_may_have_are_refused() {
    let options = PipelineOptions { threads: 2, ..PipelineOptions::new(format("pdf").unwrap()) };
    let mut pipeline = Pipeline::new(options, Box::new(std::io::sink())).unwrap();
    let name = EntryName::new("t.pdf").unwrap();
    let number: ArrayRef = Arc::new(Int64Array::from_iter_values(0..125_001));
    let batch =
        RecordBatch::try_from_iter((0..8).map(|at| (at.to_string(), number.clone()))).unwrap();
    pipeline.begin(Entry { name, schema: batch.schema(), sealing: None }).unwrap();
    let error = pipeline.push(batch).and_then(|()| pipeline.finish().map(drop)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("more than 1000000 cells, 125000 rows of 8 columns"), "{text}");
}

#[test]
fn the_largest_document_is_whole() {
    let batches: Vec<_> =
        (0..166_666).step_by(8_192).map(|at| rows(at, 8_192.min(166_666 - at))).collect();
    let start = std::time::Instant::now();
    let (path, report) = write("largest.pdf", &batches, PdfOptions::default(), None);
    let bytes = fs::metadata(&path).unwrap().len();
    println!("{} rows, {bytes} bytes in {:?}", report.rows, start.elapsed());
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    assert_eq!((report.rows, report.bytes_written), (166_666, bytes));
    if let Some((done, text)) = run("pdfinfo", &[path.to_str().unwrap()]) {
        assert!(done && text.contains("Pages:           2733"), "{text}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn texts_stand_where_they_are_asked_to_and_paper_grows() {
    // So many rows that the texts below the table need a page of their own or share the last one.
    for count in [1, 56, 57, 58, 59, 60, 61, 62, 63, 64] {
        let options = PdfOptions {
            title: "Sum of all".to_owned(),
            title_at: Place::Bottom,
            description: "Figures of the year\nbefore audit.".to_owned(),
            description_at: Place::Bottom,
            widths: Widths::Equal,
            grid: false,
            header: false,
            header_center: Slot::Page,
            footer_center: Slot::Blank,
            ..PdfOptions::default()
        };
        let (path, _) = write(&format!("below-{count}.pdf"), &[rows(0, count)], options, None);
        check_structure(&path, None);
        if count == 56 {
            render(&path, 1, 1);
        }
        let Some((_, text)) = run("pdftotext", &["-raw", path.to_str().unwrap(), "-"]) else {
            return;
        };
        let below = "Sum of all\nFigures of the year\nbefore audit.";
        assert!(text.contains(below), "{text}");
        assert_eq!(text.matches("Sum of all").count(), 1);
        assert!(!text.contains("customer"), "there are no headings");
        fs::remove_file(path).unwrap();
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..3));
    let names = (0..60).map(|at| (format!("a rather long name {at}"), numbers.clone()));
    let batch = RecordBatch::try_from_iter(names).unwrap();
    let options = PdfOptions { paper: Paper::AutoWidth, ..PdfOptions::default() };
    let (path, report) = write("wide.pdf", &[batch], options, None);
    assert_eq!(report.warnings().count(), 0);
    render(&path, 1, 1);
    let Some((_, info)) = run("pdfinfo", &[path.to_str().unwrap()]) else { return };
    let width = info.split("Page size:").nth(1).unwrap().split_whitespace().next().unwrap();
    let width: f64 = width.parse().unwrap();
    assert!((3_000.0..14_400.0).contains(&width), "{info}");
}
