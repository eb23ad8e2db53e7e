//! One connection, and all that wants to read over it.
//!
//! Where a snapshot belongs to one connection, the scans of a run read one after the other. A plan
//! may want rows of two scans by turns (a join that is merged, tables that are read at once), and
//! would wait for ever for the second one while the first holds the connection. So whoever holds it
//! and cannot go on, because nobody takes its rows, makes room as soon as somebody else wants a
//! turn: it writes the rest of its rows to a file of the run's spill folder (within the run's limit)
//! and hands them on from there. While nobody waits nothing is written.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamDecoder;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::{SpillFile, SpillWriter};
use futures::{StreamExt, stream};
use outhaul_exports::Error;
use tokio::sync::{Mutex, MutexGuard, mpsc, watch};

use super::exec::{BatchStream, lazy};
use crate::error::{is_full, said};

/// Batches that wait for whoever takes them.
const BATCHES_WAITING: usize = 2;

/// A connection that is used by turns.
pub(crate) struct Turns<W> {
    wire: Mutex<W>,
    /// How many wait for it.
    waiting: watch::Sender<usize>,
}

impl<W> fmt::Debug for Turns<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turns({} wait)", *self.waiting.borrow())
    }
}

impl<W> Turns<W> {
    pub(crate) fn new(wire: W) -> Self {
        Self { wire: Mutex::new(wire), waiting: watch::Sender::new(0) }
    }

    /// Waits for a turn, which lasts as long as what is answered.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, W> {
        let _wish = Wish::of(&self.waiting);
        self.wire.lock().await
    }
}

/// Somebody who waits.
struct Wish<'a>(&'a watch::Sender<usize>);

impl<'a> Wish<'a> {
    fn of(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// What reads during a turn.
#[async_trait]
pub(crate) trait Reader<W>: Send + Sync {
    /// Reads all rows to the outlet, and leaves the connection fit for the next turn, also when it
    /// stops before the end.
    async fn read(&self, wire: &mut W, outlet: &mut Outlet) -> Result<(), Stop>;
}

/// Why a turn ended before its rows did.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody wants the rows any more.
    Unheard,
    /// What went wrong.
    Failed(DataFusionError),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(said(error))
    }
}

/// What goes to whoever takes the rows; the last one is `None`, so that rows that end because a task
/// died are not taken for all of them.
type Sent = Result<Option<RecordBatch>>;

/// The rows of a scan that waits for its turn when it is first asked for rows. Dropping them ends
/// the turn.
pub(crate) fn in_turn<W: Send + 'static>(
    turns: &Arc<Turns<W>>,
    reader: Arc<dyn Reader<W>>,
    schema: SchemaRef,
    context: &Arc<TaskContext>,
) -> BatchStream {
    let (turns, context) = (Arc::clone(turns), Arc::clone(context));
    lazy(async move {
        let (sender, rows) = mpsc::channel(BATCHES_WAITING);
        // A task of its own, because a connection must be left in order when nobody listens any
        // more. It notices that, and ends.
        tokio::spawn(take_turn(turns, reader, schema, context, sender));
        let rows = stream::unfold(Some(rows), |rows| async move {
            let mut rows = rows?;
            match rows.recv().await {
                Some(Ok(Some(batch))) => Some((Ok(batch), Some(rows))),
                Some(Ok(None)) => None,
                Some(Err(error)) => Some((Err(error), None)),
                None => {
                    let lost = said(Error::internal("a scan ended without a word"));
                    Some((Err(lost), None))
                }
            }
        });
        Ok(rows.boxed())
    })
}

async fn take_turn<W: Send>(
    turns: Arc<Turns<W>>,
    reader: Arc<dyn Reader<W>>,
    schema: SchemaRef,
    context: Arc<TaskContext>,
    sender: mpsc::Sender<Sent>,
) {
    let waiting = turns.waiting.subscribe();
    let mut outlet = Outlet { sender, waiting, schema, context, aside: None };
    let end = {
        let mut wire = tokio::select! {
            biased;
            () = outlet.unheard() => return,
            wire = turns.turn() => wire,
        };
        reader.read(&mut wire, &mut outlet).await
    };
    outlet.close(end).await;
}

/// Where the rows of a turn go.
pub(crate) struct Outlet {
    sender: mpsc::Sender<Sent>,
    waiting: watch::Receiver<usize>,
    schema: SchemaRef,
    context: Arc<TaskContext>,
    aside: Option<Aside>,
}

impl Outlet {
    /// Hands a batch on, or puts it aside where others wait.
    pub(crate) async fn put(&mut self, batch: RecordBatch) -> Result<(), Stop> {
        if self.aside.is_none() {
            let place = tokio::select! {
                biased;
                place = self.sender.reserve() => Some(place),
                // Cannot fail because whoever reads holds the other end.
                _ = self.waiting.wait_for(|waiting| *waiting > 0) => None,
            };
            if let Some(place) = place {
                place.map_err(|_| Stop::Unheard)?.send(Ok(Some(batch)));
                return Ok(());
            }
        }
        if self.sender.is_closed() {
            return Err(Stop::Unheard);
        }
        let aside = match self.aside.take() {
            Some(aside) => aside,
            None => Aside::begin(&self.context, &self.schema).map_err(no_room)?,
        };
        self.aside = Some(aside.put(batch).await.map_err(no_room)?);
        Ok(())
    }

    /// Comes when nobody wants the rows any more.
    pub(crate) async fn unheard(&mut self) {
        self.sender.closed().await;
    }

    /// Hands on what was put aside, and how it ended. The turn is over by then.
    async fn close(mut self, end: Result<(), Stop>) {
        if matches!(end, Err(Stop::Unheard)) {
            return;
        }
        if let Some(aside) = self.aside.take()
            && let Err(error) = aside.hand_on(&self.sender).await
        {
            // Nobody listens any more: then nobody needs to know.
            let _ = self.sender.send(Err(error)).await;
            return;
        }
        let last = match end {
            Ok(()) => Ok(None),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Unheard) => return,
        };
        let _ = self.sender.send(last).await;
    }
}

/// A spill folder that is full is no fault of the source.
fn no_room(error: DataFusionError) -> Stop {
    Stop::Failed(match is_full(&error) {
        true => DataFusionError::ResourcesExhausted(format!("spill files: {error}")),
        false => error,
    })
}

/// Rows in a file.
struct Aside {
    file: Arc<dyn SpillFile>,
    writer: StreamWriter<Box<dyn SpillWriter>>,
}

impl Aside {
    fn begin(context: &TaskContext, schema: &SchemaRef) -> Result<Self> {
        let disk = &context.runtime_env().disk_manager;
        let file = disk.create_tmp_file("rows that make room on their connection")?;
        let writer = StreamWriter::try_new(file.open_writer()?, schema)?;
        Ok(Self { file, writer })
    }

    async fn put(mut self, batch: RecordBatch) -> Result<Self> {
        let put = tokio::task::spawn_blocking(move || {
            self.writer.write(&batch)?;
            Ok(self)
        });
        put.await.map_err(|cause| DataFusionError::External(Box::new(cause)))?
    }

    async fn hand_on(mut self, to: &mpsc::Sender<Sent>) -> Result<()> {
        self.writer.finish()?;
        self.writer.get_mut().finish()?;
        let mut bytes = self.file.read_stream()?;
        let mut decoder = StreamDecoder::new();
        while let Some(piece) = bytes.next().await {
            let mut piece = Buffer::from(piece?);
            while !piece.is_empty() {
                if let Some(batch) = decoder.decode(&mut piece)?
                    && to.send(Ok(Some(batch))).await.is_err()
                {
                    return Ok(());
                }
            }
        }
        Ok(decoder.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use datafusion::arrow::array::{Int64Array, StringViewArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    /// Gives so many batches over a connection that counts who uses it.
    struct Counts(i64);

    fn schema() -> SchemaRef {
        let fields = [("n", DataType::Int64), ("t", DataType::Utf8View)];
        Arc::new(Schema::new(fields.map(|(name, of)| Field::new(name, of, true)).to_vec()))
    }

    #[async_trait]
    impl Reader<Arc<AtomicUsize>> for Counts {
        async fn read(&self, wire: &mut Arc<AtomicUsize>, outlet: &mut Outlet) -> Result<(), Stop> {
            assert_eq!(wire.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
            let mut end = Ok(());
            for n in 0..self.0 {
                let text = format!("the value of row {n}, which is no short one");
                let columns: Vec<datafusion::arrow::array::ArrayRef> = vec![
                    Arc::new(Int64Array::from(vec![n])),
                    Arc::new(StringViewArray::from(vec![Some(text.as_str())])),
                ];
                let batch = RecordBatch::try_new(schema(), columns).expect("a batch");
                end = outlet.put(batch).await;
                if end.is_err() {
                    break;
                }
            }
            wire.fetch_sub(1, Ordering::SeqCst);
            end
        }
    }

    /// A scan that fails, or dies, after one row.
    struct Breaks(bool);

    #[async_trait]
    impl Reader<Arc<AtomicUsize>> for Breaks {
        async fn read(&self, wire: &mut Arc<AtomicUsize>, outlet: &mut Outlet) -> Result<(), Stop> {
            Counts(1).read(wire, outlet).await?;
            assert!(self.0, "it dies");
            Err(Error::unavailable("broken").into())
        }
    }

    fn rows(
        turns: &Arc<Turns<Arc<AtomicUsize>>>,
        reader: impl Reader<Arc<AtomicUsize>> + 'static,
    ) -> BatchStream {
        in_turn(turns, Arc::new(reader), schema(), &Arc::new(TaskContext::default()))
    }

    async fn next(rows: &mut BatchStream) -> Option<i64> {
        let batch = rows.next().await?.expect("a batch");
        let values = batch.column(0).as_any().downcast_ref::<Int64Array>().expect("numbers");
        let texts = batch.column(1).as_any().downcast_ref::<StringViewArray>().expect("texts");
        assert!(texts.value(0).starts_with(&format!("the value of row {}", values.value(0))));
        Some(values.value(0))
    }

    #[tokio::test]
    async fn scans_that_are_wanted_by_turns_do_not_wait_for_each_other() {
        let turns = Arc::new(Turns::new(Arc::new(AtomicUsize::new(0))));
        let mut three = [100, 50, 70].map(|count| rows(&turns, Counts(count)));
        for n in 0..100 {
            for (scan, count) in three.iter_mut().zip([100, 50, 70]) {
                if n <= count {
                    assert_eq!(next(scan).await, (n < count).then_some(n));
                }
            }
        }
    }

    #[tokio::test]
    async fn rows_that_nobody_takes_give_the_connection_free() {
        let turns = Arc::new(Turns::new(Arc::new(AtomicUsize::new(0))));
        let mut first = rows(&turns, Counts(1_000_000));
        assert_eq!(next(&mut first).await, Some(0));
        drop(first);
        let mut second = rows(&turns, Counts(1));
        assert_eq!(next(&mut second).await, Some(0));
        assert_eq!(next(&mut second).await, None);
        drop(turns.turn().await);
        assert_eq!(*turns.waiting.borrow(), 0);
    }

    #[tokio::test]
    async fn what_breaks_off_is_never_taken_for_the_end() {
        for told in [true, false] {
            let turns = Arc::new(Turns::new(Arc::new(AtomicUsize::new(0))));
            let mut rows = rows(&turns, Breaks(told));
            assert_eq!(next(&mut rows).await, Some(0));
            assert!(rows.next().await.expect("a word").is_err());
            assert!(rows.next().await.is_none());
        }
    }
}
