//! The clock on the wall is set and runs wrong while exports run: none is lost, none runs twice.
//!
//! libfaketime tells the server another time than the machine's. It reads the difference from a
//! file, which is rewritten while the server runs. A rate is made of many small differences:
//! libfaketime's own rates also stretch how long the server waits in `epoll_wait`, which no real
//! clock on the wall does. The clock that is never set stays as it is.
//!
//! Slots get an environment of their own and with it the machine's time: a slot and its server
//! disagree by up to an hour all the while, as do the server and the times of its files.
//!
//! Not promised, and not looked at: whatever ends at a stated second (a link, a file, a key for
//! repeated requests) ends by the clock on the wall, early after a leap forward.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server};
use reqwest::Method;
use serde_json::{Value, json};

/// What happens to the clock, over and over.
const CYCLE: [Step; 4] = [Step::Leap(HOUR), Step::Rate(2.0), Step::Leap(-HOUR), Step::Rate(0.5)];
const STEPS: usize = 20;
/// Small exports that each of their clients creates at least.
const SMALL_MIN: usize = 50;
const HOUR: f64 = 3_600.0;
/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that gives no signal.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy)]
enum Step {
    /// It is set by so many seconds, and runs as it should.
    Leap(f64),
    /// So many of its seconds pass in one.
    Rate(f64),
}

/// The server's clock.
struct Clock {
    file: PathBuf,
    hand: Mutex<Hand>,
    /// Whose it is.
    process: AtomicUsize,
}

/// How far the clock is from the machine's, in seconds.
struct Hand {
    ahead: f64,
    at: Instant,
    rate: f64,
}

impl Clock {
    fn new(folder: &Path) -> anyhow::Result<Arc<Self>> {
        let hand = Hand { ahead: 0.0, at: Instant::now(), rate: 1.0 };
        let file = folder.join("ahead");
        let clock = Self { file, hand: Mutex::new(hand), process: AtomicUsize::new(0) };
        clock.turn(None)?;
        Ok(Arc::new(clock))
    }

    /// The environment of a process that goes by it.
    fn environment(&self) -> anyhow::Result<[(&'static str, String); 5]> {
        // It knows where its library is.
        let asked = Command::new("faketime")
            .args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"])
            .output()
            .context("faketime is not installed")?;
        let library = String::from_utf8(asked.stdout)?.trim().to_owned();
        ensure!(!library.is_empty(), "faketime names no library");
        Ok([
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ])
    }

    /// Goes on, after a step if there is one. How far ahead it is then.
    fn turn(&self, step: Option<Step>) -> anyhow::Result<f64> {
        let mut hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        hand.ahead += (hand.rate - 1.0) * (now - hand.at).as_secs_f64();
        hand.at = now;
        match step {
            Some(Step::Leap(seconds)) => (hand.ahead, hand.rate) = (hand.ahead + seconds, 1.0),
            Some(Step::Rate(rate)) => hand.rate = rate,
            None => {}
        }
        // In one piece: the server reads it at any moment.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{:+.6}\n", hand.ahead))?;
        std::fs::rename(&next, &self.file)?;
        Ok(hand.ahead)
    }

    /// Runs, until `over`.
    async fn run(self: Arc<Self>, over: Arc<AtomicBool>) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while !over.load(Ordering::Relaxed) {
            ticks.tick().await;
            self.turn(None)?;
        }
        Ok(())
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // A killed process leaves these; the next of its number could not start with the library.
        for kind in ["faketime_shm_", "sem.faketime_sem_"] {
            let left = format!("/dev/shm/{kind}{}", self.process.load(Ordering::Relaxed));
            std::fs::remove_file(left).ok();
        }
    }
}

/// Seconds of the day that a moment of the API names.
fn second_of_day(moment: &Value) -> anyhow::Result<f64> {
    let text = moment.as_str().unwrap_or_default();
    let (_, time) = text.trim_end_matches('Z').split_once('T').context("a moment")?;
    let parts: Vec<f64> = time.split(':').map(str::parse).collect::<Result<_, _>>()?;
    Ok(parts.iter().fold(0.0, |all, part| all * 60.0 + part))
}

/// The way from one second of the day to another, either way round.
fn apart(one: f64, other: f64) -> f64 {
    let forward = (one - other).rem_euclid(24.0 * HOUR);
    forward.min(24.0 * HOUR - forward)
}

/// What the clients know.
#[derive(Default)]
struct Log {
    /// Acknowledged: whose it is, and how many files it must have.
    acknowledged: Mutex<BTreeMap<String, (Native, usize)>>,
    /// Long ones that are seen to run, each with its client.
    running: Mutex<BTreeMap<usize, String>>,
    /// Long ones that were seen to run with a lease that was renewed by a clock that had leapt.
    renewed: Mutex<BTreeSet<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates an export of that many queries; its id.
async fn create(client: &Native, log: &Log, queries: &[Value]) -> anyhow::Result<Value> {
    let body =
        json!({"queries": queries, "format": if queries.len() > 1 { "xlsx" } else { "csv" }});
    let made: Value = client.post("/exports", &body).await?.error_for_status()?.json().await?;
    let id = made["id"].as_str().context("an id")?.to_owned();
    lock(&log.acknowledged).insert(id, (client.clone(), queries.len()));
    Ok(made)
}

fn id_of(export: &Value) -> &str {
    export["id"].as_str().unwrap_or_default()
}

fn small() -> Value {
    json!({"object": "Account", "fields": ["Id"], "limit": 1})
}

/// Queries that take one slot several heartbeats on this machine.
async fn large(client: &Native, log: &Log) -> anyhow::Result<Vec<Value>> {
    let query = json!({"object": "InvoiceItem"});
    let begun = Instant::now();
    let export = create(client, log, &vec![query.clone(); 2]).await?;
    client.finished(id_of(&export), PATIENCE).await?;
    // Two run at once beside the small ones, each the slower for it.
    let times = 2.0 * 0.8 / begun.elapsed().as_secs_f64();
    let count = (2..=12).find(|count| f64::from(*count) >= times).unwrap_or(12);
    Ok(std::iter::repeat_n(query, usize::try_from(count)?).collect())
}

/// One small export after the other.
async fn many(client: Native, log: Arc<Log>, over: Arc<AtomicBool>) -> anyhow::Result<()> {
    for made in 0.. {
        if over.load(Ordering::Relaxed) && made >= SMALL_MIN {
            break;
        }
        let export = create(&client, &log, &[small()]).await?;
        client.finished(id_of(&export), PATIENCE).await?;
    }
    Ok(())
}

/// One export of some seconds after the other.
async fn long(
    lane: usize,
    client: Native,
    queries: Vec<Value>,
    log: Arc<Log>,
    over: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    while !over.load(Ordering::Relaxed) {
        let made = create(&client, &log, &queries).await?;
        let begun = Instant::now();
        loop {
            let export = client.get(&format!("/exports/{}", id_of(&made))).await?;
            match export["state"].as_str() {
                Some("queued") => {}
                Some("running") => {
                    lock(&log.running).insert(lane, id_of(&export).to_owned());
                    let started = second_of_day(&export["started_at"])?;
                    if apart(started, second_of_day(&export["updated_at"])?) > HOUR / 2.0 {
                        lock(&log.renewed).insert(id_of(&export).to_owned());
                    }
                }
                _ => break,
            }
            ensure!(begun.elapsed() < PATIENCE, "it does not end: {export}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        lock(&log.running).remove(&lane);
    }
    Ok(())
}

/// Waits until it is so.
async fn until(what: &str, wish: impl Fn() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !wish() {
        ensure!(begun.elapsed() < PATIENCE, "it never came to it: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Does a step while long exports run, and waits until one of them has ended that was in its midst.
async fn take(step: Step, clock: &Clock, client: &Native, log: &Log) -> anyhow::Result<()> {
    until("a long export runs", || !lock(&log.running).is_empty()).await?;
    let before = lock(&log.running).clone();
    let ahead = clock.turn(Some(step))?;
    let is_over = |(lane, id): (&usize, &String)| lock(&log.running).get(lane) != Some(id);
    match step {
        Step::Leap(_) => {
            // The server goes by it: otherwise nothing here would mean anything.
            let made = create(client, log, &[small()]).await?;
            let told = second_of_day(&made["created_at"])?;
            let here = machine_second_of_day()?;
            ensure!(apart(told, here + ahead) < 5.0, "{told} there, {here} here, {ahead} between");
            until("what ran at the leap has ended", || before.iter().all(is_over)).await
        }
        Step::Rate(_) => {
            until("others run", || {
                lock(&log.running).iter().any(|(lane, id)| before.get(lane) != Some(id))
            })
            .await?;
            let all_of_it = lock(&log.running).clone();
            let begun_since = |(lane, id): &(&usize, &String)| before.get(lane) != Some(*id);
            until("one that ran at this rate only has ended", || {
                all_of_it.iter().filter(begun_since).any(is_over)
            })
            .await
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it is what the server's clock is compared with")]
fn machine_second_of_day() -> anyhow::Result<f64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(now.as_secs_f64().rem_euclid(24.0 * HOUR))
}

/// 20 steps of the clock, an hour forth and back and at twice and half its rate, while clients
/// create exports and leases are renewed: each export ran once and completed once, and its files
/// are there, and no others.
#[tokio::test(flavor = "multi_thread")]
async fn no_export_notices_that_the_clock_leaps_and_runs_wrong() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let clock = Clock::new(folder.path())?;
    let mut options = Options::rows(60_000)
        .set("OUTHAUL__DIALECTS__NATIVE__POLICY__ACTIVE_MAX", 0)
        .set("OUTHAUL__WORKER__SLOTS", 4)
        .set("OUTHAUL__WORKER__HEARTBEAT_SECS", 1)
        .set("OUTHAUL__WORKER__LEASE_SECS", 6)
        .set("OUTHAUL__WORKER__SWEEP_SECS", 1)
        .set("OUTHAUL__WORKER__ORPHAN_SECS", 1);
    for (name, value) in clock.environment()? {
        options = options.set(name, value);
    }
    let mut server = Server::start(folder.path(), options).await?;
    clock.process.store(usize::try_from(server.process())?, Ordering::Relaxed);
    let (acme, globex) = (Native::of(&server, "acme")?, Native::of(&server, "globex")?);
    let (log, over) = (Arc::new(Log::default()), Arc::new(AtomicBool::new(false)));
    let queries = large(&acme, &log).await?;
    let begun = Instant::now();
    let mut lanes = tokio::task::JoinSet::new();
    lanes.spawn(clock.clone().run(over.clone()));
    for lane in 0..2 {
        lanes.spawn(long(lane, acme.clone(), queries.clone(), log.clone(), over.clone()));
    }
    for _ in 0..6 {
        lanes.spawn(many(globex.clone(), log.clone(), over.clone()));
    }
    for step in CYCLE.iter().cycle().take(STEPS) {
        take(*step, &clock, &acme, &log).await.with_context(|| format!("{step:?}"))?;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = lanes.join_next().await {
        ended??;
    }
    let took = begun.elapsed();
    let acknowledged = std::mem::take(&mut *lock(&log.acknowledged));
    let (mut published, mut gave_up) = (0, 0);
    for (id, (client, files)) in &acknowledged {
        gave_up += ran_once(client, id, *files, &server.log()).await?;
        published += files;
    }
    until("no other files are left", || {
        files_under(&server.folder().join("artifacts")) == published
    })
    .await?;
    let renewed = lock(&log.renewed).len();
    let leaps = server.log().matches("the clock was set").count();
    println!(
        "steps={STEPS} in {took:?} exports={} (long ones of {} queries) files={published} renewed across a leap={renewed} \
         leaps seen={leaps} given up by a busy machine={gave_up}",
        acknowledged.len(),
        queries.len()
    );
    ensure!(renewed >= 3, "too few leases were renewed across leaps: {renewed}");
    server.terminate(Duration::from_secs(31)).await
}

/// The export completed, in its only attempt, and its files can be read to their ends. Or its worker
/// stopped an attempt, and said so, because the machine was too busy to renew the lease in time, by
/// the clock that is never set; the export was run again that often. How often.
async fn ran_once(client: &Native, id: &str, files: usize, log: &str) -> anyhow::Result<usize> {
    let export = client.finished(id, PATIENCE).await?;
    let told = client.request(Method::GET, &format!("/exports/{id}/events")).send().await?;
    let told = told.error_for_status()?.text().await?;
    let kinds = told.lines().filter_map(|line| line.strip_prefix("event: "));
    let kinds: Vec<&str> = kinds.filter(|kind| *kind != "progress").collect();
    let gave_up = log.lines().filter(|l| l.contains(id) && l.contains("order=OutOfReach")).count();
    let mut wish = vec!["submitted", "started"];
    wish.extend(["rescued", "started"].repeat(gave_up));
    wish.extend(["completed", "end"]);
    assert_eq!(kinds, wish, "{export} {told}");
    assert_eq!(export["attempts"], 1 + gave_up, "{export}");
    let artifacts = export["artifacts"].as_array().context("files")?;
    assert_eq!(artifacts.len(), files, "{export}");
    for artifact in artifacts {
        let path = format!("/exports/{id}/files/{}", id_of(artifact));
        let last = client.request(Method::GET, &path).header("range", "bytes=-1").send().await?;
        let range = last.error_for_status_ref()?.headers().get("content-range").cloned();
        let range = range.context("a part")?.to_str()?.to_owned();
        let bytes = range.rsplit('/').next().unwrap_or_default();
        assert_eq!(artifact["bytes"].to_string(), bytes, "{export}");
        assert_eq!(last.bytes().await?.len(), 1, "{export}");
    }
    Ok(gave_up)
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
