//! Encrypted workbooks, opened by programs that we did not write: msoffcrypto-tool and openpyxl. The
//! script needs a Python with both, named by `OUTHAUL_TEST_PYTHON`. What is missing is skipped, and
//! says so.

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use outhaul_formats::pack::{EntryName, Password};
use outhaul_formats::{Entry, Error, FormatOptions, Packing, Pipeline, PipelineOptions, format};

const PASSWORD: &str = "Öl & correct horse";

/// A text that does not get smaller by packing; the script makes the same.
fn text(at: u64) -> String {
    let number = |part: u64| at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(part * part);
    (1..=12)
        .map(|part| format!("{:016x}", number(part).wrapping_mul(2_862_933_555_777_941_757)))
        .collect()
}

fn rows(count: usize) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(0..count as i64);
    let texts = StringArray::from_iter_values((0..count as u64).map(text));
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(numbers)), ("text", Arc::new(texts))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn write(folder: &Path, batch: &RecordBatch, packing: Packing, spill: Option<PathBuf>) -> PathBuf {
    let name = EntryName::new("table.xlsx").unwrap();
    let path = folder.join(packing.file_name("table.xlsx"));
    let file = BufWriter::new(fs::File::create(&path).unwrap());
    let options = PipelineOptions {
        options: FormatOptions { spill_dir: spill, ..FormatOptions::default() },
        packing,
        password: Some(Password::new(PASSWORD).unwrap()),
        threads: 2,
        ..PipelineOptions::new(format("xlsx").unwrap())
    };
    let mut pipeline = Pipeline::new(options, Box::new(file)).unwrap();
    pipeline.begin(Entry { name, schema: batch.schema(), sealing: None }).unwrap();
    pipeline.push(batch.clone()).unwrap();
    let report = pipeline.finish().unwrap();
    assert_eq!(report.bytes_written, fs::metadata(&path).unwrap().len());
    path
}

fn read(path: &Path, rows: usize) {
    let Ok(python) = std::env::var("OUTHAUL_TEST_PYTHON") else {
        eprintln!("skipped: OUTHAUL_TEST_PYTHON names no Python with msoffcrypto-tool");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/read_locked.py");
    let output = Command::new(python)
        .args([script, path.to_str().unwrap(), PASSWORD, &rows.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn workbooks_of_any_size_open_with_the_password_and_not_without() {
    let folder = tempfile::tempdir().unwrap();
    // Smaller than what stands among the small sectors, around a segment, and larger than memory
    // holds, with more tables of sectors than the head lists.
    for count in [0, 1, 100, 150, 5_000, 100_000] {
        let spill = tempfile::tempdir().unwrap();
        let batch = rows(count);
        let path = write(folder.path(), &batch, Packing::None, Some(spill.path().to_owned()));
        assert_eq!(fs::read_dir(spill.path()).unwrap().count(), 0, "a file was left behind");
        assert_eq!(count == 100_000, fs::metadata(&path).unwrap().len() > 8 << 20);
        read(&path, count);
    }
    let path = write(folder.path(), &rows(10), Packing::Zip, None);
    read(&path, 10);
}

#[test]
fn a_folder_that_is_not_there_fails_the_export_and_says_so() {
    let batch = rows(100_000);
    let options = PipelineOptions {
        options: FormatOptions {
            spill_dir: Some(PathBuf::from("/nowhere/at/all")),
            ..FormatOptions::default()
        },
        password: Some(Password::new(PASSWORD).unwrap()),
        threads: 2,
        ..PipelineOptions::new(format("xlsx").unwrap())
    };
    let mut pipeline = Pipeline::new(options, Box::new(std::io::sink())).unwrap();
    let name = EntryName::new("table.xlsx").unwrap();
    pipeline.begin(Entry { name, schema: batch.schema(), sealing: None }).unwrap();
    let error = pipeline.push(batch).and_then(|()| pipeline.finish().map(drop)).unwrap_err();
    assert!(matches!(error, Error::Sink(_)), "{error}");
}
