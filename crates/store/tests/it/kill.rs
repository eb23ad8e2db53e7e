//! A process that is killed in the middle of its writes: what it was answered is there, and there
//! is nothing half done.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use outhaul_exports::ExportId;
use outhaul_exports::export::State;
use outhaul_exports::ports::{Inserted, ListFilter};
use outhaul_store::Store;

use crate::samples::*;

/// How often the process is killed.
const KILLS: usize = 20;
/// Names the folder of the store to the process that is killed.
const FOLDER: &str = "OUTHAUL_STORE_TEST_FOLDER";
/// Names its place in the row of those that are killed.
const ROUND: &str = "OUTHAUL_STORE_TEST_ROUND";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_acknowledged_is_lost() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut acknowledged = HashMap::new();
    for round in 0..KILLS {
        // Very early, early and late in its life; the moment within a write is left to chance.
        let lines = 1 + (round * 37) % 83;
        let mut fresh = HashMap::new();
        for line in run_and_kill(folder.path(), round, lines)? {
            let words: Vec<_> = line.split(' ').collect();
            let ["ack", id, state, key] = words[..] else { continue };
            fresh.insert(id.parse::<ExportId>()?, (state.to_owned(), key.to_owned()));
        }
        // The lock died with the process.
        let store = open(folder.path()).await;
        check_acknowledged(&store, &fresh).await?;
        store.close().await;
        acknowledged.extend(fresh);
    }
    let store = open(folder.path()).await;
    check_acknowledged(&store, &acknowledged).await?;
    check_whole(&store).await?;
    let done = acknowledged.values().filter(|(state, _)| state == "completed").count();
    println!("{KILLS} kills, {} acknowledged, {done} of them completed", acknowledged.len());
    assert!(acknowledged.len() >= KILLS * 5 && done > KILLS, "too little was tried");
    Ok(())
}

/// Lets a process write until it has told of so many acknowledgements, and kills it.
fn run_and_kill(folder: &Path, round: usize, lines: usize) -> anyhow::Result<Vec<String>> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--exact", "kill::writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut told = Vec::new();
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut killed = false;
    loop {
        let mut line = String::new();
        output.read_line(&mut line)?;
        // A line without an end was cut off.
        let Some(whole) = line.strip_suffix('\n') else { break };
        told.push(whole.to_owned());
        let acknowledged = told.iter().filter(|line| line.starts_with("ack ")).count();
        if acknowledged >= lines && !killed {
            child.kill()?;
            killed = true;
        }
    }
    child.wait()?;
    anyhow::ensure!(killed, "the process ended by itself: {told:#?}");
    Ok(told)
}

async fn check_acknowledged(
    store: &Store,
    acknowledged: &HashMap<ExportId, (String, String)>,
) -> anyhow::Result<()> {
    assert!(store.check().await?.is_empty());
    let jobs = store.jobs();
    let acme = tenant("acme");
    for (id, (state, key)) in acknowledged {
        let export = jobs.get(&acme, *id).await?;
        let export = export.unwrap_or_else(|| panic!("{id} was acknowledged and is lost"));
        assert_eq!(export.spec.label.as_ref(), Some(key));
        if state == "completed" {
            assert_eq!(export.state, State::Completed, "{id}");
            let file = export.manifest.as_ref().expect("it is completed").artifacts[0].id;
            assert!(jobs.artifact(&acme, file).await?.is_some());
        }
    }
    Ok(())
}

/// Every export, acknowledged or not, has its key and its events.
async fn check_whole(store: &Store) -> anyhow::Result<()> {
    let jobs = store.jobs();
    let acme = tenant("acme");
    // Long after the leases of the dead process ended.
    jobs.rescue(at(1_000), &[]).await?;
    for export in jobs.list(&ListFilter { most: u32::MAX, ..all_of("acme") }).await? {
        assert_ne!(export.state, State::Running, "its process is dead");
        let key = export.spec.label.clone().expect("each has one");
        let again = jobs.insert(with_key(free("acme", 0), &key, "body")).await?;
        assert!(matches!(&again, Inserted::Replayed(first) if first.id == export.id));
        let events = jobs.events(&acme, 0, Some(export.id), 100).await?;
        assert_eq!(events[0].kind, "submitted");
        assert_eq!(events.last().map(|event| event.state), Some(export.state));
    }
    Ok(())
}

/// Not a test: the process that is killed. Four tasks submit, one works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run, and killed, by another test"]
async fn writes_until_it_is_killed() -> anyhow::Result<()> {
    let Some(folder) = std::env::var_os(FOLDER) else { return Ok(()) };
    let round = std::env::var(ROUND)?;
    let store = open(Path::new(&folder)).await;
    let stores = Stores::over(&store);
    println!();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..4 {
        tasks.spawn(submit(stores.clone(), format!("{round}-{writer}")));
    }
    tasks.spawn(work(stores));
    match tasks.join_next().await {
        Some(ended) => ended?,
        None => Ok(()),
    }
}

async fn submit(stores: Stores, name: String) -> anyhow::Result<()> {
    for n in 0.. {
        let key = format!("{name}-{n}");
        let mut export = free("acme", 0);
        export.spec.label = Some(key.clone());
        let id = export.id;
        stores.jobs.insert(with_key(export, &key, "body")).await?;
        println!("ack {id} queued {key}");
    }
    Ok(())
}

async fn work(stores: Stores) -> anyhow::Result<()> {
    loop {
        for (export, key) in lease(&stores, 2, 1).await {
            stores.jobs.heartbeat(&key, at(30), &export.progress, at(2)).await?;
            let done = stores.jobs.finish(&key, completed(&export, &key), at(3)).await?;
            let label = done.and_then(|export| export.spec.label).expect("each has one");
            println!("ack {} completed {label}", export.id);
        }
        tokio::task::yield_now().await;
    }
}
