//! An engine that does what the query's text says: `rows=5000 at=2000 do=abort`.
//!
//! `rows` is a number or `endless`; the action is done before row `at` is given (default 0).
//! `begin=`, `open=` and `check=` name an action for an earlier moment; `begin=` stands in the
//! tenant's value, because no query is known then. Actions: `abort`, `panic`, `hang` (waits for
//! ever), `block` (keeps a thread for ever), `bomb` (takes memory bit by bit), `leap` (takes far
//! too much at once), `freeze` (stops the process), `away` (an error that may pass), `missing` and
//! `bad` (those that may not), `wait:PATH` (until the named pipe at PATH is opened and closed by a
//! writer).
//!
//! A row refers by its name to a file, of which `files=5:gone,8:long` says what becomes: `gone` and
//! `refused` (it never comes), `long` (three pieces), `short` (fewer bytes than were promised), `cut`
//! and `off` (a long one that changes, or whose store goes away, behind its first piece), `away`
//! (the store is), and `wait:PATH` (a long one that waits behind its first piece); all others are
//! there.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use outhaul_exports::flow::RowStream;
use outhaul_exports::manifest::{ColumnNote, SnapshotNote};
use outhaul_exports::ports::{Content, Engine, RunLimits, Snapshot};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{Path, Query};
use outhaul_exports::session::Mark;
use outhaul_exports::{Error, ErrorKind, Result, testing};

const BATCH: u64 = 1_000;

pub struct ScriptEngine;

struct ScriptSnapshot;

/// Bytes of a piece of a long file.
const PIECE: usize = 1 << 20;

#[async_trait]
impl Engine for ScriptEngine {
    async fn begin(&self, scope: &TenantScope, limits: &RunLimits) -> Result<Box<dyn Snapshot>> {
        assert!(limits.spill_dir.is_dir(), "there is a folder to spill to");
        if let Some(action) = word(scope.value(), "begin=") {
            act(&action).await?;
        }
        Ok(Box::new(ScriptSnapshot))
    }
}

#[async_trait]
impl Snapshot for ScriptSnapshot {
    fn note(&self) -> SnapshotNote {
        SnapshotNote {
            taken_at: testing::noon(),
            guarantee: "it is made up".into(),
            sources: Vec::new(),
        }
    }

    async fn check(&self, query: &Query) -> Result<Vec<ColumnNote>> {
        if let Some(action) = word(text(query), "check=") {
            act(&action).await?;
        }
        Ok(ColumnNote::of(&schema()))
    }

    async fn mark(&self, _: &Query) -> Result<Mark> {
        let value = serde_json::Value::Null;
        Ok(Mark::new("script", testing::noon(), value))
    }

    async fn content(&self, query: &Query, field: &Path, reference: &str) -> Result<Content> {
        assert_eq!(field, &Path::own("photo"));
        let number: String = reference.chars().filter(char::is_ascii_digit).collect();
        let files = word(text(query), "files=").unwrap_or_default();
        let become_of = files.split(',').find_map(|file| file.strip_prefix(&format!("{number}:")));
        let become_of = become_of.unwrap_or_default().to_owned();
        let piece = || Ok(Bytes::from(vec![b'x'; PIECE]));
        let changed = || Err(Error::new(ErrorKind::Conflict, "the file changed"));
        let content = |bytes, pieces: Vec<Result<Bytes>>| {
            Ok(Content { bytes, stream: Box::pin(stream::iter(pieces)) })
        };
        match become_of.as_str() {
            "" => content(reference.len() as u64, vec![Ok(reference.to_owned().into())]),
            "gone" => Err(Error::new(ErrorKind::NotFound, "there is no such file")),
            "refused" => Err(Error::invalid("reference", "it is no path")),
            "away" => Err(Error::unavailable("the store of the files is away")),
            "short" => content(10, vec![Ok("few".into())]),
            "long" => content(3 * PIECE as u64, vec![piece(), piece(), piece()]),
            "cut" => content(3 * PIECE as u64, vec![piece(), changed()]),
            "off" => {
                let away = Err(Error::unavailable("the store of the files went away"));
                content(3 * PIECE as u64, vec![piece(), away])
            }
            wait => {
                let wait = wait.to_owned();
                let waiting = async move { act(&wait).await.map(|()| Bytes::from(vec![0; PIECE])) };
                let first = stream::iter([piece()]);
                let stream = Box::pin(first.chain(stream::once(waiting)));
                Ok(Content { bytes: 2 * PIECE as u64, stream })
            }
        }
    }

    async fn open(&self, query: &Query) -> Result<RowStream> {
        let text = text(query).to_owned();
        if let Some(action) = word(&text, "open=") {
            act(&action).await?;
        }
        let rows = word(&text, "rows=").expect("the script names its rows");
        let rows = if rows == "endless" { u64::MAX } else { rows.parse().expect("a number") };
        let at: u64 = word(&text, "at=").map_or(0, |at| at.parse().expect("a number"));
        let action = word(&text, "do=");
        let batches = stream::try_unfold((0, action), move |(from, mut action)| async move {
            if from >= at
                && let Some(action) = action.take()
            {
                act(&action).await?;
            }
            let to = from.saturating_add(BATCH).min(rows);
            if from == to {
                return Ok(None);
            }
            tokio::task::consume_budget().await;
            Ok(Some((batch(from, to), (to, action))))
        });
        let estimated_rows = (rows < u64::MAX).then_some(rows);
        let warnings = Vec::new();
        Ok(RowStream { schema: schema(), estimated_rows, warnings, batches: Box::pin(batches) })
    }
}

fn text(query: &Query) -> &str {
    match query {
        Query::Sql { text } => text,
        Query::Select(_) => "rows=10",
    }
}

fn word(text: &str, key: &str) -> Option<String> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)).map(str::to_owned)
}

fn schema() -> SchemaRef {
    let id = Field::new("id", DataType::Int64, false);
    Arc::new(Schema::new(vec![id, Field::new("name", DataType::Utf8, true)]))
}

fn batch(from: u64, to: u64) -> RecordBatch {
    let ids = (from..to).map(u64::cast_signed);
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    let names = (from..to).map(|n| (n % 7 > 0).then(|| format!("name, \"{n}\"")));
    let name: ArrayRef = Arc::new(names.collect::<StringArray>());
    RecordBatch::try_new(schema(), vec![id, name]).expect("a batch")
}

/// The csv that a whole export of so many rows is.
pub fn csv(rows: u64) -> String {
    let mut text = "id,name\n".to_owned();
    for n in 0..rows {
        let name = if n % 7 > 0 { format!("\"name, \"\"{n}\"\"\"") } else { String::new() };
        text.push_str(&format!("{n},{name}\n"));
    }
    text
}

async fn act(action: &str) -> Result<()> {
    match action {
        "abort" => std::process::abort(),
        "panic" => panic!("the script says so"),
        "hang" => std::future::pending().await,
        "block" => loop {
            std::thread::park();
        },
        "bomb" => {
            let mut held = Vec::new();
            loop {
                held.push(vec![1u8; 4 << 20]);
            }
        }
        "leap" => {
            let bytes = vec![1u8; 1 << 42];
            Err(Error::internal(format!("{} bytes were given", bytes.len())))
        }
        "freeze" => {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::STOP).expect("it stops");
            Ok(())
        }
        "away" => Err(Error::unavailable("the source is away")),
        "missing" => Err(Error::unavailable("source_missing: object Invoice has no file")),
        "bad" => Err(Error::invalid("where", "a value is not a number")),
        other => {
            let path = other.strip_prefix("wait:").expect("a known action").to_owned();
            let waiting = tokio::task::spawn_blocking(move || std::fs::read(path));
            waiting.await.expect("it waits").map_err(|e| Error::internal(e.to_string()))?;
            Ok(())
        }
    }
}
