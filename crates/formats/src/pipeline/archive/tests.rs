//! Archives with files that are no rows: what is refused, what stops, how many there may be. Foreign
//! readers open them in the tests of the room.

use std::io::Write;
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int32Array, RecordBatch};

use super::*;
use crate::pipeline::{Entry, Pipeline, PipelineOptions};

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

fn name(text: &str) -> EntryName {
    EntryName::new(text).unwrap()
}

fn options() -> PipelineOptions {
    let csv = PipelineOptions::new(&crate::csv::Csv);
    PipelineOptions { threads: 1, packing: Packing::Zip, ..csv }
}

fn rows() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..3));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}

fn archive(options: PipelineOptions, sink: Box<dyn Write + Send>) -> OpenArchive {
    let mut pipeline = Pipeline::new(options, sink).unwrap();
    let schema = rows().schema();
    pipeline.begin(Entry { name: name("n.csv"), schema, sealing: None }).unwrap();
    pipeline.push(rows()).unwrap();
    pipeline.into_archive().unwrap()
}

#[test]
fn the_report_is_of_the_rows_and_of_all_bytes() {
    let kept = Kept::default();
    let mut archive = archive(options(), Box::new(kept.clone()));
    assert_eq!((archive.entries()[0].rows, archive.entries()[0].bytes_uncompressed), (3, 8));
    archive.begin(name("files/a")).unwrap();
    archive.bytes(b"some").unwrap();
    archive.bytes(b" bytes").unwrap();
    assert_eq!(archive.end().unwrap(), 10);
    let report = archive.finish().unwrap();
    assert_eq!((report.rows, report.entries.len()), (3, 1));
    assert_eq!(report.bytes_written, kept.0.lock().unwrap().len() as u64);
}

#[test]
fn calls_that_have_no_meaning_are_refused() {
    let new = || archive(options(), Box::new(io::sink()));
    let mut one = new();
    assert!(one.bytes(b"x").is_err() && one.end().is_err() && one.end_inner().is_err());
    assert!(one.begin(name("N.CSV")).is_err(), "the rows have that name");
    let mut one = new();
    one.begin(name("a")).unwrap();
    assert!(one.begin(name("b")).is_err() && one.begin_inner(name("c.zip")).is_err());
    assert!(one.finish().is_err());
    let mut one = new();
    one.begin_inner(name("files.zip")).unwrap();
    assert!(one.begin_inner(name("more.zip")).is_err());
    one.begin(name("a")).unwrap();
    assert!(one.end_inner().is_err());
    one.end().unwrap();
    assert!(one.begin(name("A")).is_err());
    assert!(one.finish().is_err());
    let plain = PipelineOptions { packing: Packing::None, ..options() };
    let mut pipeline = Pipeline::new(plain, Box::new(io::sink())).unwrap();
    let schema = rows().schema();
    pipeline.begin(Entry { name: name("n.csv"), schema, sealing: None }).unwrap();
    assert!(pipeline.into_archive().is_err());
}

#[test]
fn a_cancel_stops_between_files_and_inside_them() {
    for inside in [false, true] {
        let options = options();
        let cancel = options.cancel.clone();
        let mut archive = archive(options, Box::new(io::sink()));
        archive.begin(name("a")).unwrap();
        archive.bytes(b"x").unwrap();
        if !inside {
            archive.end().unwrap();
        }
        cancel.store(true, Ordering::Relaxed);
        let stopped = match inside {
            true => archive.bytes(b"x"),
            false => archive.begin(name("b")),
        };
        assert!(matches!(stopped, Err(Error::Cancelled)));
        assert!(matches!(archive.finish(), Err(Error::Cancelled)));
    }
}

/// Counts, and keeps nothing.
#[derive(Clone, Default)]
struct Count(Arc<Mutex<u64>>);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // No piece is as large as the directory of many entries.
        assert!(bytes.len() < 1 << 18, "{} bytes at once", bytes.len());
        *self.0.lock().unwrap() += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_directory_of_many_files_is_handed_on_in_pieces() {
    for together in [false, true] {
        let count = Count::default();
        let mut archive = archive(options(), Box::new(count.clone()));
        if together {
            archive.begin_inner(name("files.zip")).unwrap();
        }
        for at in 0..70_000 {
            archive.begin(name(&format!("c_photo/{at:024}-photo.jpg"))).unwrap();
            archive.end().unwrap();
        }
        if together {
            archive.end_inner().unwrap();
        }
        let report = archive.finish().unwrap();
        assert_eq!(report.bytes_written, *count.0.lock().unwrap());
    }
}
