//! Brings the demo's rows into its schema: tables, rows by several connections at once, then keys,
//! indexes, references and comments. The comment on the schema says which data are in it; it is
//! written last.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use bytes::Bytes;
use futures::SinkExt as _;
use futures::future::try_join_all;
use tokio_postgres::Client;

use super::SCHEMA;
use super::connect::connect;
use super::copy;
use crate::demo::data::{Table, World, quoted, quoted_text, tables};

/// What the comments on our schema begin with.
const OURS: &str = "Outhaul's demo";
/// Rows made and sent at a time.
const BATCH_ROWS: u64 = 8_192;
/// Nobody waits for each statement to be on the disk, and indexes are sorted in memory.
const SETTINGS: &str = "set synchronous_commit = off; set maintenance_work_mem = '128MB'";
/// Connections at most.
const CONNECTIONS_MAX: usize = 4;

/// What the schema says that is in it, in the words of [`load`]; `None` when there is no schema.
///
/// # Errors
/// When the database cannot be asked, or the schema is somebody else's.
pub async fn loaded(url: &str, password: Option<&str>) -> anyhow::Result<Option<String>> {
    let client = connect(url, password).await?;
    let question =
        "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = $1";
    let Some(row) = client.query_opt(question, &[&SCHEMA]).await? else { return Ok(None) };
    let comment: Option<String> = row.get(0);
    match comment.and_then(|text| text.strip_prefix(OURS).map(str::to_owned)) {
        Some(rest) => Ok(Some(rest.trim_start_matches(": ").to_owned())),
        None => bail!(
            "the database at {url} has a schema {SCHEMA} that the demo did not make; drop it, or \
             give another --url"
        ),
    }
}

/// Makes the schema anew with the data of a world with `items` invoice items, and writes `stamp` on
/// it. `progress` is told how many rows are there, and how many there will be.
///
/// # Errors
/// When the database refuses or goes away.
pub async fn load(
    url: &str,
    password: Option<&str>,
    items: u64,
    stamp: &str,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> anyhow::Result<()> {
    let (tables, world) = (Arc::new(tables()), World::of(items));
    let client = connect(url, password).await?;
    make_tables(&client, &tables).await.context("cannot make the demo's tables")?;
    let work = Work::of(&tables, &world);
    let count = std::thread::available_parallelism().map_or(1, usize::from).min(CONNECTIONS_MAX);
    let clients = try_join_all((0..count).map(|_| connect(url, password))).await?;
    for client in clients.iter().chain([&client]) {
        client.batch_execute(SETTINGS).await?;
    }
    try_join_all(clients.iter().map(|client| send(client, &tables, world, &work, progress)))
        .await?;
    try_join_all(clients.iter().map(|client| complete(client, &tables, &work))).await?;
    // One after the other: each locks two tables.
    for table in tables.iter() {
        let statements = table.references(SCHEMA, &tables);
        client.batch_execute(&statements.join(";\n")).await.context(table.name)?;
    }
    // What is written before is on the disk when this is.
    client.batch_execute(&format!("set synchronous_commit = on; {}", comment(stamp))).await?;
    Ok(())
}

/// Keys, indexes and comments of table after table, and what the planner of queries knows of it.
async fn complete(client: &Client, tables: &[Table], work: &Work) -> anyhow::Result<()> {
    while let Some(at) = work.next_table() {
        let table = &tables[at];
        let statements = table.complete(SCHEMA);
        client.batch_execute(&statements.join(";\n")).await.context(table.name)?;
        client.batch_execute(&format!("vacuum analyze {}", name(table))).await?;
    }
    Ok(())
}

/// Tables without rows, in a schema whose comment says that they are being loaded.
async fn make_tables(client: &Client, tables: &[Table]) -> anyhow::Result<()> {
    let schema = quoted(SCHEMA);
    let mut statements = vec![
        "begin".to_owned(),
        format!("drop schema if exists {schema} cascade"),
        format!("create schema {schema}"),
        comment("being loaded"),
    ];
    statements.extend(tables.iter().map(|table| table.create(SCHEMA)));
    statements.push("commit".to_owned());
    // That what hangs on a dropped schema goes with it is not worth a line for each.
    client.batch_execute("set client_min_messages = warning").await?;
    Ok(client.batch_execute(&statements.join(";\n")).await?)
}

fn comment(text: &str) -> String {
    let text = quoted_text(&format!("{OURS}: {text}"));
    format!("comment on schema {} is {text}", quoted(SCHEMA))
}

fn name(table: &Table) -> String {
    format!("{}.{}", quoted(SCHEMA), quoted(table.name))
}

/// What is still to be done, the largest first.
struct Work {
    /// Parts to send.
    waiting: Mutex<VecDeque<(usize, Range<u64>)>>,
    /// Tables to complete.
    incomplete: Mutex<VecDeque<usize>>,
    done: AtomicU64,
    total: u64,
}

impl Work {
    fn of(tables: &[Table], world: &World) -> Self {
        let mut waiting: Vec<_> = (0..tables.len())
            .flat_map(|at| tables[at].parts(world).into_iter().map(move |rows| (at, rows)))
            .collect();
        waiting.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.end - rows.start));
        let total = waiting.iter().map(|(_, rows)| rows.end - rows.start).sum();
        let mut incomplete: Vec<_> = (0..tables.len()).collect();
        incomplete.sort_by_key(|at| std::cmp::Reverse(world.rows(tables[*at].kind)));
        let (waiting, incomplete) = (Mutex::new(waiting.into()), Mutex::new(incomplete.into()));
        Self { waiting, incomplete, done: AtomicU64::new(0), total }
    }

    fn next_table(&self) -> Option<usize> {
        self.incomplete.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn next(&self) -> Option<(usize, Range<u64>)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Sends part after part.
async fn send(
    client: &Client,
    tables: &Arc<Vec<Table>>,
    world: World,
    work: &Work,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> anyhow::Result<()> {
    while let Some((at, rows)) = work.next() {
        let table = &tables[at];
        let mut sink = pin!(client.copy_in::<_, Bytes>(&table.copy_in(SCHEMA)).await?);
        sink.send(Bytes::from_static(copy::HEADER)).await?;
        let mut from = rows.start;
        while from < rows.end {
            let to = (from + BATCH_ROWS).min(rows.end);
            let tables = Arc::clone(tables);
            let made = tokio::task::spawn_blocking(move || encoded(&tables[at], &world, from..to));
            let cannot = || format!("cannot load {}", table.name);
            sink.send(made.await??).await.with_context(cannot)?;
            progress(work.done.fetch_add(to - from, Ordering::Relaxed) + to - from, work.total);
            from = to;
        }
        sink.send(Bytes::from_static(copy::TRAILER)).await?;
        let sent =
            sink.as_mut().finish().await.with_context(|| format!("cannot load {}", table.name))?;
        if sent != rows.end - rows.start {
            bail!("{}: the database took {sent} rows of {rows:?}", table.name);
        }
    }
    Ok(())
}

fn encoded(table: &Table, world: &World, rows: Range<u64>) -> anyhow::Result<Bytes> {
    let mut out = Vec::with_capacity(1 << 20);
    copy::rows(&table.batch(world, &Arc::new(table.schema()), rows)?, &mut out)?;
    Ok(out.into())
}
