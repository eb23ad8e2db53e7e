//! How statements of one snapshot are read at once, and their rows put back in order.
//!
//! A table is read in ranges of its blocks, each by a statement of its own. Several *lanes*, each
//! with a connection, take the ranges in turn; their batches wait in short queues until it is their
//! turn to go on, so that the rows come in the order of the table whatever the number of lanes, and
//! what waits is bounded. A range that breaks off is read again under the same snapshot, and rows
//! that have gone on already are left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use futures::{StreamExt, stream};
use outhaul_exports::Error;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_postgres::error::SqlState;

use super::connect::Wire;
use super::decode::{Decoder, Wrong};
use super::session::Session;
use super::types::Column;
use crate::error::said;
use crate::sources::database::BatchStream;

/// Batches of a range that wait.
const BATCHES_WAITING: usize = 8;
/// Ranges that are read or wait, beyond one for each lane.
const RANGES_AHEAD: usize = 2;
/// How often a range is tried.
const TRIES: u32 = 5;
/// Time before a range is tried again; doubled each time.
const PAUSE: Duration = Duration::from_millis(50);

/// What to read.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) session: Arc<Session>,
    /// Whose rows they are, for texts.
    pub(super) object: String,
    /// What each range asks for, in order.
    pub(super) statements: Arc<[Statement]>,
    pub(super) columns: Arc<[Column]>,
    pub(super) schema: SchemaRef,
    pub(super) batch_rows: usize,
}

/// One statement.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// A query, without `COPY`.
    pub(super) query: String,
    /// Whether it gives its rows in the same order when it is run again.
    pub(super) repeats: bool,
}

/// Reads. Dropping the stream stops what is being done for it.
pub(super) async fn rows(reading: Reading) -> BatchStream {
    let most = reading.statements.len();
    // The first lane is everybody's right: two scans that each wait for the other's would wait for
    // ever.
    let mut permits = Vec::new();
    while permits.len() + 1 < most
        && let Some(permit) = reading.session.one_more()
    {
        permits.push(Some(permit));
    }
    permits.push(None);
    let ahead = permits.len() + RANGES_AHEAD;
    let (queue, queues) = mpsc::channel(ahead);
    let ahead = Arc::new(Semaphore::new(ahead));
    let mut lanes = JoinSet::new();
    let next = Arc::new(Next { range: AtomicUsize::new(0), order: tokio::sync::Mutex::new(queue) });
    for permit in permits {
        let (reading, next, ahead) = (reading.clone(), Arc::clone(&next), Arc::clone(&ahead));
        lanes.spawn(async move {
            let mut wire = None;
            if permit.is_some() {
                // The server may have no room for one more: then those that are there do it.
                let Ok(more) = reading.session.wire().await else { return };
                wire = Some(more);
            }
            lane(&reading, &next, &ahead, wire).await;
            drop(permit);
        });
    }
    drop(next);
    let state = Ordered { queues, current: None, ahead, _lanes: lanes };
    stream::unfold(state, |mut state| async move { Some((state.next().await?, state)) }).boxed()
}

/// The batches of one range, or why there are no more.
type Queue = mpsc::Receiver<Result<RecordBatch>>;

/// Which range is next, and the queues of those that were begun, in order.
struct Next {
    range: AtomicUsize,
    order: tokio::sync::Mutex<mpsc::Sender<Queue>>,
}

impl Next {
    /// Takes the next range, with the sender of its queue.
    async fn take(&self, most: usize) -> Option<(usize, mpsc::Sender<Result<RecordBatch>>)> {
        let order = self.order.lock().await;
        let range = self.range.fetch_add(1, Ordering::Relaxed);
        if range >= most {
            return None;
        }
        let (sender, queue) = mpsc::channel(BATCHES_WAITING);
        order.send(queue).await.ok()?;
        Some((range, sender))
    }
}

/// The queues as one stream.
struct Ordered {
    queues: mpsc::Receiver<Queue>,
    current: Option<Queue>,
    ahead: Arc<Semaphore>,
    /// Dropped with this, and the lanes end.
    _lanes: JoinSet<()>,
}

impl Ordered {
    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let queue = match &mut self.current {
                Some(queue) => queue,
                None => self.current.insert(self.queues.recv().await?),
            };
            if let Some(batch) = queue.recv().await {
                return Some(batch);
            }
            self.current = None;
            self.ahead.add_permits(1);
        }
    }
}

/// Reads one range after the other until there are none left or one fails.
async fn lane(reading: &Reading, next: &Next, ahead: &Semaphore, mut wire: Option<Wire>) {
    loop {
        // Given back by whoever has taken all of the range's rows.
        let Ok(place) = ahead.acquire().await else { return };
        let Some((range, queue)) = next.take(reading.statements.len()).await else {
            if let Some(wire) = wire {
                reading.session.give_back(wire);
            }
            return;
        };
        place.forget();
        let statement = &reading.statements[range];
        if let Err(why) = again_and_again(reading, statement, &mut wire, &queue).await {
            // Nobody listens any more: then nobody needs to know.
            let _ = queue.send(Err(why)).await;
            return;
        }
    }
}

/// Reads a range, more than once where it breaks off and can be read again.
async fn again_and_again(
    reading: &Reading,
    statement: &Statement,
    wire: &mut Option<Wire>,
    queue: &mpsc::Sender<Result<RecordBatch>>,
) -> Result<()> {
    let mut sent = 0;
    let mut pause = PAUSE;
    for attempt in 1.. {
        let broken = match once(reading, statement, wire, queue, &mut sent).await {
            Ok(()) => return Ok(()),
            Err(Stop::Unheard) => return Ok(()),
            Err(Stop::Wrong(wrong)) => return Err(reading.wrong(&wrong)),
            Err(Stop::Broken(cause)) => cause,
        };
        let resumes = sent == 0 || statement.repeats;
        if attempt >= TRIES || !resumes || !is_passing(&broken) {
            return Err(said(failure(&reading.object, broken)));
        }
        tracing::debug!(attempt, error = %broken, "a range is read again");
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Ok(())
}

/// Why a range was not read to its end.
enum Stop {
    /// Nobody wants its rows.
    Unheard,
    Wrong(Wrong),
    Broken(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Stop {
    fn from(cause: tokio_postgres::Error) -> Self {
        Self::Broken(cause)
    }
}

/// Reads a range once, without the first `sent` rows, and counts further ones there.
async fn once(
    reading: &Reading,
    statement: &Statement,
    kept: &mut Option<Wire>,
    queue: &mpsc::Sender<Result<RecordBatch>>,
    sent: &mut usize,
) -> Result<(), Stop> {
    let mut wire = match kept.take() {
        Some(wire) => wire,
        None => reading.session.wire().await?,
    };
    let mut decoder =
        Decoder::new(Arc::clone(&reading.schema), reading.columns.iter(), reading.batch_rows);
    let mut skip = *sent;
    // Should this be dropped before its end, the statement is cancelled.
    wire.busy = true;
    let copy = format!("COPY ({}) TO STDOUT (FORMAT binary)", statement.query);
    let mut rows = Box::pin(wire.client.copy_out(copy.as_str()).await?);
    while let Some(message) = rows.next().await {
        if let Some(batch) = decoder.take(&message?).map_err(Stop::Wrong)? {
            hand_on(batch, queue, &mut skip, sent).await?;
        }
    }
    drop(rows);
    wire.busy = false;
    if let Some(batch) = decoder.finish().map_err(Stop::Wrong)? {
        hand_on(batch, queue, &mut skip, sent).await?;
    }
    *kept = Some(wire);
    Ok(())
}

async fn hand_on(
    batch: RecordBatch,
    queue: &mpsc::Sender<Result<RecordBatch>>,
    skip: &mut usize,
    sent: &mut usize,
) -> Result<(), Stop> {
    let known = batch.num_rows().min(*skip);
    *skip -= known;
    let fresh = batch.num_rows() - known;
    if fresh == 0 {
        return Ok(());
    }
    queue.send(Ok(batch.slice(known, fresh))).await.map_err(|_| Stop::Unheard)?;
    *sent += fresh;
    Ok(())
}

impl Reading {
    fn wrong(&self, wrong: &Wrong) -> DataFusionError {
        let object = &self.object;
        said(match wrong {
            Wrong::Protocol => Error::unavailable(format!(
                "source_data: object {object}: its database sends rows that cannot be read"
            )),
            Wrong::Value { column, what } => Error::unavailable(format!(
                "source_data: object {object}: column {column} holds {what}, for which its type has \
                 no place; declare its field as text, or correct the data"
            )),
        })
    }
}

/// Whether the same statement may go well a moment later, on another connection.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    if error.is_closed() {
        return true;
    }
    let Some(code) = error.code() else {
        // No answer of the server's: the connection broke.
        return true;
    };
    // A standby had to apply what the statement still looked at (40001), a lock was not to be had at
    // once, the connection was ended by somebody.
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::CONNECTION_FAILURE,
        SqlState::CONNECTION_EXCEPTION,
    ]
    .contains(code)
}

/// What went wrong in the database, for whoever asked for an object. The server's own words, which
/// may hold values, are for the log.
pub(super) fn failure(object: &str, cause: tokio_postgres::Error) -> Error {
    let away = format!("the database of object {object} cannot be reached at the moment");
    let Some(code) = cause.code() else {
        return Error::unavailable(away).with_source(cause);
    };
    let told = match code {
        code if *code == SqlState::QUERY_CANCELED => {
            "source_timeout: the database ended a statement that took too long; select fewer rows, \
             or let it take longer (statement_secs)"
        }
        code if *code == SqlState::LOCK_NOT_AVAILABLE => {
            "source_locked: somebody else holds a lock on the table; the export can be tried again"
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "source_refused: the database does not let its user read the table"
        }
        code if *code == SqlState::UNDEFINED_COLUMN || *code == SqlState::UNDEFINED_TABLE => {
            "source_changed: the table was changed while it was read; the export can be tried again"
        }
        code if *code == SqlState::INVALID_PASSWORD
            || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            || *code == SqlState::INVALID_CATALOG_NAME =>
        {
            "source_refused: the database refuses the connection: its name, user or password is \
             wrong"
        }
        code if *code == SqlState::TOO_MANY_CONNECTIONS => {
            "source_busy: the database takes no further connection; the export can be tried again"
        }
        code if *code == SqlState::T_R_SERIALIZATION_FAILURE => {
            "source_conflict: the standby ended the statement to apply changes of its primary; the \
             export can be tried again, or read another server"
        }
        // The name of a snapshot means something only while its transaction lives.
        code if *code == SqlState::INVALID_PARAMETER_VALUE
            || *code == SqlState::UNDEFINED_OBJECT =>
        {
            "source_lost: the database ended the snapshot that the export reads; the export can be \
             tried again"
        }
        code if code.code().starts_with("57P") || code.code().starts_with("08") => &away,
        _ => {
            return Error::unavailable(format!(
                "the database failed while it read object {object}"
            ))
            .with_source(cause);
        }
    };
    let text = match told.split_once(": ") {
        Some((word, rest)) if word.starts_with("source_") => {
            format!("{word}: object {object}: {rest}")
        }
        _ => told.to_owned(),
    };
    Error::unavailable(text).with_source(cause)
}
