//! The pipeline under stress: order, back-pressure, faults, cancellation.

use std::io;
use std::sync::{Condvar, Mutex};

use arrow_array::{ArrayRef, Int32Array};
use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::{Body, Scratch, Warnings};

fn numbers(rows: i32) -> RecordBatch {
    let array: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows));
    RecordBatch::try_from_iter_with_nullable([("n", array, true)]).unwrap()
}

fn entry() -> Entry {
    Entry {
        name: EntryName::new("n.csv").unwrap(),
        schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)])),
        sealing: None,
    }
}

fn options(threads: usize) -> PipelineOptions {
    PipelineOptions { threads, ..PipelineOptions::new(&crate::csv::Csv) }
}

/// A sink that fails after some bytes.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.checked_sub(bytes.len()) {
            Some(left) => {
                self.0 = left;
                Ok(bytes.len())
            }
            None => Err(io::Error::new(io::ErrorKind::StorageFull, "no space left")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Pushes until the pipeline refuses. Answers why.
fn push_until_fault(pipeline: &mut Pipeline) -> Error {
    for _ in 0..10_000 {
        if let Err(fault) = pipeline.push(numbers(10_000)) {
            return fault;
        }
    }
    panic!("the pipeline took everything");
}

#[test]
fn a_full_sink_stops_the_pushes_and_is_named() {
    for threads in [1, 4] {
        let mut pipeline = Pipeline::new(options(threads), Box::new(Full(300_000))).unwrap();
        pipeline.begin(entry()).unwrap();
        let fault = push_until_fault(&mut pipeline);
        assert!(matches!(&fault, Error::Sink(why) if why.kind() == io::ErrorKind::StorageFull));
    }
}

#[test]
fn a_full_sink_at_the_very_end_is_named() {
    let mut pipeline = Pipeline::new(options(2), Box::new(Full(10))).unwrap();
    pipeline.begin(entry()).unwrap();
    pipeline.push(numbers(100)).unwrap();
    assert!(matches!(pipeline.finish(), Err(Error::Sink(_))));
}

#[test]
fn cancelling_stops_the_work() {
    let options = options(2);
    let cancel = options.cancel.clone();
    let mut pipeline = Pipeline::new(options, Box::new(io::sink())).unwrap();
    pipeline.begin(entry()).unwrap();
    pipeline.push(numbers(50_000)).unwrap();
    cancel.store(true, Ordering::Relaxed);
    assert!(matches!(pipeline.push(numbers(1)), Err(Error::Cancelled)));
    assert!(matches!(pipeline.finish(), Err(Error::Cancelled)));
}

/// A gate that writes wait at until it opens.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl io::Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_slow_sink_holds_back_the_pushes() {
    let gate = Gate::default();
    let mut pipeline = Pipeline::new(options(2), Box::new(gate.clone())).unwrap();
    let progress = pipeline.progress();
    let taken = Arc::new(AtomicU64::new(0));
    let seen = taken.clone();
    let (full, is_full) = std::sync::mpsc::sync_channel(1);
    let pushing = std::thread::spawn(move || {
        pipeline.begin(entry()).unwrap();
        for _ in 0..100 {
            if seen.load(Ordering::SeqCst) == 4 {
                // Two queued for threads, the rest of the queues follows; all of it is bounded.
                let _ = full.try_send(());
            }
            pipeline.push(numbers(16_384)).unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
        }
        pipeline.finish().unwrap()
    });
    is_full.recv().unwrap();
    // With the gate closed nothing reaches the sink, and pushes past the queues cannot return:
    // queue of steps (4), the writer's hands (1), one that is being pushed.
    assert_eq!(progress.rows(), 0);
    assert!(taken.load(Ordering::SeqCst) <= 8);
    gate.open();
    let report = pushing.join().unwrap();
    assert_eq!(report.rows, 100 * 16_384);
    assert_eq!(progress.rows(), report.rows);
    assert_eq!(progress.bytes(), report.bytes_written);
}

#[test]
fn large_chunks_stay_within_the_budget_however_many_threads_there_are() {
    const ROWS: i32 = 1_000_000;
    for threads in [2, 64] {
        let gate = Gate::default();
        let options = PipelineOptions { threads, ..PipelineOptions::new(&crate::parquet::Parquet) };
        let mut pipeline = Pipeline::new(options, Box::new(gate.clone())).unwrap();
        let (push, taken) = std::sync::mpsc::sync_channel(100);
        let pushing = std::thread::spawn(move || {
            pipeline.begin(entry()).unwrap();
            let batch = numbers(ROWS);
            for _ in 0..40 {
                pipeline.push(batch.clone()).unwrap();
                push.send(()).unwrap();
            }
            pipeline.finish().unwrap()
        });
        // Until no push has come through for a while: they are held back.
        let quiet = std::time::Duration::from_millis(400);
        let pushed = std::iter::from_fn(|| taken.recv_timeout(quiet).ok()).count();
        // About 11 MiB each: 64 MiB up to the gate, and a chunk of 32 MiB that is growing.
        assert!(pushed <= 9, "{threads} threads took {pushed} batches");
        gate.open();
        let report = pushing.join().unwrap();
        assert_eq!(report.rows, 40 * ROWS as u64);
    }
}

/// A format whose encoder does as it is told when it meets its row.
struct Trap {
    row: u64,
    panics: bool,
}

impl Format for Trap {
    fn id(&self) -> &'static str {
        "trap"
    }

    fn media_type(&self) -> &'static str {
        "application/octet-stream"
    }

    fn extension(&self) -> &'static str {
        "trap"
    }

    fn docs(&self) -> &'static str {
        "# trap"
    }

    fn encoder(&self, _: &SchemaRef, _: &FormatOptions) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(Self { row: self.row, panics: self.panics }))
    }
}

impl Encoder for Trap {
    fn encode(&self, chunk: &Chunk, scratch: &mut Scratch, _: &dyn Fn() -> bool) -> Result<Piece> {
        let rows = chunk.first_row..chunk.first_row + chunk.rows;
        if rows.contains(&self.row) {
            assert!(!self.panics, "told to");
            return Err(Error::Value {
                column: "n".into(),
                row: self.row + 1,
                problem: "odd".into(),
            });
        }
        Ok(Piece {
            rows: chunk.rows,
            first_row: chunk.first_row,
            body: Body::Bytes(std::mem::take(&mut scratch.spare)),
            warnings: Warnings::default(),
        })
    }

    fn assembler(&self) -> Box<dyn Assembler> {
        Box::new(crate::Verbatim { head: Vec::new(), tail: b"" })
    }
}

#[test]
fn an_encoding_error_stops_everything() {
    static TRAP: Trap = Trap { row: 200_000, panics: false };
    for threads in [1, 4] {
        let options = PipelineOptions { threads, ..PipelineOptions::new(&TRAP) };
        let mut pipeline = Pipeline::new(options, Box::new(io::sink())).unwrap();
        pipeline.begin(entry()).unwrap();
        let fault = push_until_fault(&mut pipeline);
        assert!(matches!(fault, Error::Value { row: 200_001, .. }), "{fault}");
    }
}

#[test]
fn a_panic_in_a_thread_is_an_error_and_not_a_hang() {
    static TRAP: Trap = Trap { row: 5, panics: true };
    for threads in [1, 4] {
        let options = PipelineOptions { threads, ..PipelineOptions::new(&TRAP) };
        let mut pipeline = Pipeline::new(options, Box::new(io::sink())).unwrap();
        pipeline.begin(entry()).unwrap();
        pipeline.push(numbers(10)).unwrap();
        assert!(matches!(pipeline.finish(), Err(Error::Panicked("encoding"))));
    }
}

#[test]
fn dropping_an_unfinished_pipeline_ends_its_threads() {
    let kept = Arc::new(());
    struct Holds(#[expect(dead_code, reason = "only its life counts")] Arc<()>);
    impl io::Write for Holds {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut pipeline = Pipeline::new(options(3), Box::new(Holds(kept.clone()))).unwrap();
    pipeline.begin(entry()).unwrap();
    pipeline.push(numbers(100_000)).unwrap();
    drop(pipeline);
    assert_eq!(Arc::strong_count(&kept), 1, "the writing thread still holds the sink");
}

#[test]
fn calls_in_a_wrong_order_are_refused() {
    let mut pipeline = Pipeline::new(options(1), Box::new(io::sink())).unwrap();
    assert!(matches!(pipeline.push(numbers(1)), Err(Error::Usage(_))));
    pipeline.begin(entry()).unwrap();
    assert!(matches!(pipeline.begin(entry()), Err(Error::Usage(_))));
    let text: ArrayRef = Arc::new(arrow_array::StringArray::from(vec!["x"]));
    let other = RecordBatch::try_from_iter([("n", text)]).unwrap();
    let mut pipeline = Pipeline::new(options(1), Box::new(io::sink())).unwrap();
    pipeline.begin(entry()).unwrap();
    assert!(matches!(pipeline.push(other), Err(Error::Usage(_))));
    let pipeline = Pipeline::new(options(1), Box::new(io::sink())).unwrap();
    assert!(matches!(pipeline.finish(), Err(Error::Usage(_))));
    assert!(Pipeline::new(options(0), Box::new(io::sink())).is_err());
}

#[test]
fn sealed_columns_leave_only_as_messages() {
    let identity = age::x25519::Identity::generate();
    let now = chrono::DateTime::from_timestamp(1_785_542_400, 0).unwrap();
    let recipient = crate::seal::Recipient::parse(&identity.to_public().to_string(), now).unwrap();
    let sealing = Sealing::new(vec![0], recipient, crate::options::ValueOptions::default());
    let kept = Arc::new(Mutex::new(Vec::new()));
    struct Keep(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Keep {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut pipeline = Pipeline::new(options(2), Box::new(Keep(kept.clone()))).unwrap();
    pipeline.begin(Entry { sealing: Some(sealing), ..entry() }).unwrap();
    pipeline.push(numbers(20)).unwrap();
    assert_eq!(pipeline.finish().unwrap().rows, 20);
    let text = String::from_utf8(kept.lock().unwrap().clone()).unwrap();
    for (row, line) in text.lines().skip(1).enumerate() {
        use base64::Engine as _;
        let message = base64::engine::general_purpose::STANDARD.decode(line).unwrap();
        let opened = age::decrypt(&identity, &message).unwrap();
        assert_eq!(opened, row.to_string().as_bytes());
    }
    assert_eq!(text.lines().count(), 21);
}
