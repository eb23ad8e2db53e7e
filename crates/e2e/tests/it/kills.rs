//! SIGKILL at random moments: nothing that was accepted is lost, doubled, or half there.
//!
//! The moments come from a seed that is printed; `SEED=n` repeats them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

const ALL_ITEMS: &str = "select * from InvoiceItem";

fn seeded() -> StdRng {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("seed={seed}");
    StdRng::seed_from_u64(seed)
}

/// How many times, unless the environment asks for a longer run.
fn times(standard: usize) -> usize {
    std::env::var("OUTHAUL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(standard)
}

/// 50 kills while exports of a whole table run: each ends completed with the right rows in one
/// file, and what the killed attempts left behind is cleared away.
#[tokio::test(flavor = "multi_thread")]
async fn every_export_survives_kills_in_its_midst() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut random = seeded();
    let options = Options::rows(60_000).set("OUTHAUL__WORKER__ORPHAN_SECS", 1);
    let mut server = Server::start(folder.path(), options).await?;
    let mut client = Zuora::sign_in(&server, "acme").await?;
    let oracle = client.export(ALL_ITEMS, "csv", false).await?;
    let mut accepted = Vec::new();
    for _ in 0..times(50) {
        accepted.push(client.submit(ALL_ITEMS, "csv", random.random_bool(0.3)).await?);
        tokio::time::sleep(Duration::from_millis(random.random_range(5..700))).await;
        server.kill();
        server.restart().await?;
        client.follow(&server);
    }
    let rows = oracle.iter().filter(|byte| **byte == b'\n').count() - 1;
    for id in &accepted {
        client.wait(id, Duration::from_secs(120)).await?;
    }
    only_published_files_remain(&server, accepted.len() + 1).await?;
    for id in &accepted {
        let export = client.read(id).await?;
        assert_eq!(export["Size"], rows, "{export}");
        let bytes = client.download(export["FileId"].as_str().unwrap_or_default()).await?;
        if export["Zip"] == false {
            assert!(bytes == oracle, "the bytes of {id} differ from an undisturbed export");
        }
    }
    let mut unique = accepted.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), accepted.len());
    println!("kills={} exports={} rows={rows}", accepted.len(), accepted.len());
    Ok(())
}

/// Waits until the artifact folder holds that many files, whole or half: a kill between the last
/// byte of a file and its publication leaves one that no export lists, for the housekeeper.
async fn only_published_files_remain(server: &Server, published: usize) -> anyhow::Result<()> {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let found = files_under(&server.folder().join("artifacts"));
        if found == published {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < patience, "{found} files for {published} exports");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn files_under(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_under(&entry.path()),
            _ => 1,
        })
        .sum()
}

/// 150 kills while clients create in every dialect: each acknowledged id answers afterwards with
/// its own request, and all exports reach a final state.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_export_is_never_lost() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut random = seeded();
    let options = Options::rows(1_000)
        .set("OUTHAUL__DIALECTS__ZUORA_EXPORT__POLICY__ACTIVE_MAX", 0)
        .set("OUTHAUL__DIALECTS__NATIVE__POLICY__ACTIVE_MAX", 0);
    let mut server = Server::start(folder.path(), options).await?;
    let mut zuora = Zuora::sign_in(&server, "acme").await?;
    let mut native = Native::of(&server, "globex")?;
    let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
    for round in 0..times(150) {
        let mut clients = tokio::task::JoinSet::new();
        for lane in 0..8 {
            let (zuora, native, log) = (zuora.clone(), native.clone(), acknowledged.clone());
            clients.spawn(create_until_it_dies(zuora, native, log, round * 8 + lane));
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(5..500))).await;
        server.kill();
        while clients.join_next().await.is_some() {}
        server.restart().await?;
        zuora.follow(&server);
        native.follow(&server);
    }
    let acknowledged = std::mem::take(&mut *lock(&acknowledged));
    println!("kills={} acknowledged={}", times(150), acknowledged.len());
    for (id, (dialect, label)) in &acknowledged {
        let found = match *dialect {
            "native" => native.finished(id, Duration::from_secs(300)).await?["label"].clone(),
            _ => zuora.wait(id, Duration::from_secs(300)).await?["Name"].clone(),
        };
        assert_eq!(found, **label, "{dialect} {id}");
    }
    Ok(())
}

type Log = Arc<Mutex<BTreeMap<String, (&'static str, String)>>>;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates one export after another, and notes each that was answered with success, until the
/// server is gone.
async fn create_until_it_dies(zuora: Zuora, native: Native, log: Log, lane: usize) {
    for n in 0.. {
        let label = format!("lane {lane} number {n}");
        let (dialect, id) = if lane.is_multiple_of(2) {
            let query = "select Id from Account limit 1";
            let body = json!({"Query": query, "Format": "csv", "Name": label});
            let Ok(answer) = zuora.create(&body).await else { return };
            ("zuora", answer.json::<Value>().await.map(|body| body["Id"].clone()))
        } else {
            let query = json!({"object": "Account", "fields": ["Id"], "limit": 1});
            let body = json!({"queries": [query], "format": "csv", "label": label});
            let Ok(answer) = native.post("/exports", &body).await else { return };
            ("native", answer.json::<Value>().await.map(|body| body["id"].clone()))
        };
        let Ok(Value::String(id)) = id else { return };
        lock(&log).insert(id, (dialect, label));
    }
}
