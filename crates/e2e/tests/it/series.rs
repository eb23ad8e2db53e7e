//! Stateful AQuA jobs, one after the other, while others write to the database and the server is
//! killed at random moments: what the client has put together in the end is what the table holds.
//!
//! The moments come from a seed that is printed; `SEED=n` repeats them. `OUTHAUL_INCREMENTS` makes
//! the series longer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use outhaul_e2e::Source;
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

const WRITERS: usize = 6;
const INCREMENTS: usize = 100;
const TABLE: &str = r#"outhaul_demo."Account""#;

/// What becomes of one increment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It goes as it should.
    Taken,
    /// The server dies around the submission; the client submits again.
    SubmittedAmidDeath,
    /// The server dies while the job runs.
    RunAmidDeath,
    /// The server dies while a file is downloaded; the client downloads it again.
    DownloadedAmidDeath,
    /// The client dies with the job's id and never fetches its files.
    Forgotten,
    /// The client cancels it.
    Cancelled,
}

const FATES: [Fate; 8] = [
    Fate::Taken,
    Fate::Taken,
    Fate::SubmittedAmidDeath,
    Fate::RunAmidDeath,
    Fate::RunAmidDeath,
    Fate::DownloadedAmidDeath,
    Fate::Forgotten,
    Fate::Cancelled,
];

/// What a client knows of the accounts: their names by their ids.
type Rows = BTreeMap<String, String>;

struct Client {
    server: Server,
    zuora: Zuora,
    random: StdRng,
    rows: Rows,
    full: u64,
    received: u64,
    kills: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_increment_is_lost_to_deaths_or_writers() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    let more = std::env::var("OUTHAUL_INCREMENTS").ok().and_then(|text| text.parse().ok());
    let increments = more.unwrap_or(INCREMENTS);
    println!("seed={seed}");
    let options = Options::rows(5_000)
        .on(Source::Postgres)
        .set("OUTHAUL__DIALECTS__ZUORA_AQUA__POLICY__SESSION_ACTIVE_MAX", 0);
    let mut server = Server::start(folder.path(), options).await?;
    let url = server.database().context("it has a database")?.url();
    let zuora = Zuora::sign_in(&server, "acme").await?;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|own| tokio::spawn(write(url.clone(), own, seed, Arc::clone(&stop))))
        .collect();
    let mut client = Client {
        server,
        zuora,
        random: StdRng::seed_from_u64(seed),
        rows: Rows::new(),
        full: 0,
        received: 0,
        kills: 0,
    };
    let mut fates = BTreeMap::new();
    for round in 0..increments {
        let fate = FATES[client.random.random_range(0..FATES.len())];
        *fates.entry(fate).or_insert(0_u32) += 1;
        let done = client.increment(fate).await;
        done.with_context(|| format!("increment {round}, {fate:?}, seed {seed}"))?;
    }
    stop.store(true, Ordering::Relaxed);
    let mut committed = 0;
    for writer in writers {
        committed += writer.await??;
    }
    client.increment(Fate::Taken).await?;
    let there = client.there()?;
    let wrong: Vec<_> =
        there.iter().filter(|(id, name)| client.rows.get(*id) != Some(*name)).collect();
    assert!(
        wrong.is_empty(),
        "{} rows are missing or old, such as {:?}",
        wrong.len(),
        wrong.first()
    );
    assert_eq!(client.rows.len(), there.len(), "rows that were deleted are still there");
    println!(
        "{increments} increments, {committed} transactions, {} kills, {fates:?}: {} rows, none \
         missed; {} came, and {} times all",
        client.kills,
        there.len(),
        client.received,
        client.full
    );
    assert!(committed > 50, "the writers wrote meanwhile");
    Ok(())
}

impl Client {
    async fn increment(&mut self, fate: Fate) -> anyhow::Result<()> {
        if fate == Fate::SubmittedAmidDeath {
            let zuora = self.zuora.clone();
            let submitting = tokio::spawn(async move { submit(&zuora).await });
            self.death(20).await?;
            // It may have been accepted; nobody will know.
            submitting.await?.ok();
        }
        let id = submit(&self.zuora).await?;
        match fate {
            Fate::RunAmidDeath => self.death(250).await?,
            Fate::Cancelled => {
                self.zuora.delete(&format!("/v1/batch-query/jobs/{id}")).await?;
                return Ok(());
            }
            _ => {}
        }
        let job = self.finished(&id).await?;
        if fate == Fate::Forgotten {
            return Ok(());
        }
        let batches = job["batches"].as_array().context("no batches")?.clone();
        for batch in &batches {
            let path = format!("/v1/file/{}", batch["fileId"].as_str().context("no file")?);
            if fate == Fate::DownloadedAmidDeath {
                let zuora = self.zuora.clone();
                let broken = path.clone();
                let downloading = tokio::spawn(async move {
                    let answer = zuora.get(&broken).await?;
                    anyhow::Ok(answer.bytes().await?)
                });
                self.death(10).await?;
                downloading.await?.ok();
            }
            let answer = self.zuora.get(&path).await?.error_for_status()?;
            let text = answer.text().await?;
            let rows = text.lines().count() - 1;
            anyhow::ensure!(batch["recordCount"] == rows, "{rows} rows: {batch}");
            self.full += u64::from(batch["full"] == true);
            if batch["name"] == "Account" {
                self.take(&text)?;
            }
        }
        Ok(())
    }

    /// The rows that came over those that are known.
    fn take(&mut self, text: &str) -> anyhow::Result<()> {
        for line in text.lines().skip(1) {
            // Names alone are quoted: one with a comma may come back from those that were deleted.
            let cells: Vec<_> = line.splitn(3, ',').collect();
            let [deleted, id, name] = cells[..] else { bail!("a strange row: {line}") };
            let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
            let name = quoted.map_or_else(|| name.to_owned(), |name| name.replace("\"\"", "\""));
            match deleted {
                "true" => self.rows.remove(id),
                _ => self.rows.insert(id.to_owned(), name),
            };
            self.received += 1;
        }
        Ok(())
    }

    async fn finished(&mut self, id: &str) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let answer = self.zuora.get(&format!("/v1/batch-query/jobs/{id}")).await?;
            let job: Value = answer.json().await?;
            match job["status"].as_str() {
                Some("completed") => return Ok(job),
                Some("submitted" | "pending" | "executing")
                    if begun.elapsed() < Duration::from_secs(60) =>
                {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                _ => bail!("after {:?}: {job}", begun.elapsed()),
            }
        }
    }

    /// The server dies within so many milliseconds, and is started again.
    async fn death(&mut self, within: u64) -> anyhow::Result<()> {
        let micros = self.random.random_range(0..within * 1_000);
        tokio::time::sleep(Duration::from_micros(micros)).await;
        self.server.kill();
        self.kills += 1;
        self.server.restart().await?;
        self.zuora.follow(&self.server);
        Ok(())
    }

    fn there(&mut self) -> anyhow::Result<Rows> {
        let question = format!(
            r#"select "Id" || ',' || "Name" from {TABLE} where tenant = 'acme' and not "Deleted""#
        );
        let answer = self.server.database().context("it has a database")?.sql(&question)?;
        let rows = answer.lines().filter_map(|line| line.split_once(','));
        Ok(rows.map(|(id, name)| (id.to_owned(), name.to_owned())).collect())
    }
}

async fn submit(zuora: &Zuora) -> anyhow::Result<String> {
    let deleted = json!({"column": "Gone", "format": "Boolean"});
    let body = json!({
        "version": "1.2", "partner": "series", "project": "accounts", "useQueryLabels": "true",
        "queries": [
            {"name": "Account", "type": "zoqlexport", "query": "select Id, Name from Account",
             "deleted": deleted},
            {"name": "Contact", "type": "zoql", "query": "select Id, FirstName from Contact"},
        ],
    });
    let answer: Value = zuora.post("/v1/batch-query/", &body).await?.json().await?;
    Ok(answer["id"].as_str().with_context(|| format!("refused: {answer}"))?.to_owned())
}

/// Writes accounts of its own until it is told to stop, in transactions of up to three seconds;
/// answers how many it committed.
async fn write(url: String, own: usize, seed: u64, stop: Arc<AtomicBool>) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_add(own as u64));
    let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let all = format!(r#"select "Id" from {TABLE} where tenant = 'acme' order by "Id""#);
    let rows = client.query(&all, &[]).await?;
    let ids: Vec<String> = rows.iter().skip(own).step_by(WRITERS).map(|row| row.get(0)).collect();
    let (mut committed, mut fresh) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let transaction = client.transaction().await?;
        for _ in 0..random.random_range(1..6) {
            let id = &ids[random.random_range(0..ids.len())];
            // A clock that is a minute slow, now and then: nothing here goes by it.
            let slow = if random.random_range(0..10) == 0 { "1 min" } else { "0" };
            let set = match random.random_range(0..10) {
                0 => r#""Deleted" = true"#,
                1 => r#""Deleted" = false"#,
                _ => r#""Name" = 'name ' || (random() * 1e9)::bigint"#,
            };
            let update = format!(
                r#"update {TABLE} set {set}, "UpdatedDate" = now() - '{slow}'::interval
                   where "Id" = $1"#
            );
            transaction.execute(&update, &[id]).await?;
        }
        // Rows that are written once: an increment that is lost is not made good by a later one.
        if random.random_range(0..2) == 0 {
            fresh += 1;
            let id = format!("{own:04x}{fresh:028x}");
            let insert = format!(
                r#"insert into {TABLE} select (jsonb_populate_record(a, jsonb_build_object(
                       'Id', $1::text, 'Name', 'fresh', 'Deleted', false))).*
                   from {TABLE} a where "Id" = $2"#
            );
            transaction.execute(&insert, &[&id, &ids[0]]).await?;
        }
        let pause = random.random_range(0..[30, 30, 300, 3_000][own % 4]);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if random.random_range(0..8) == 0 {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
            committed += 1;
        }
    }
    Ok(committed)
}
