//! A worker with real slots over a store in memory, and the means to watch and to disturb it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use outhaul_delivery::LocalArtifacts;
use outhaul_exports::export::{Export, State};
use outhaul_exports::lease::Incarnation;
use outhaul_exports::manifest::Artifact;
use outhaul_exports::ports::{ArtifactStore, JobStore, LeaseAsk, NewExport};
use outhaul_exports::principal::TenantId;
use outhaul_exports::query::Query;
use outhaul_exports::spec::QuerySpec;
use outhaul_exports::testing::{self, MemoryStore};
use outhaul_exports::{Clock, ExportId, SystemClock};
use outhaul_worker::slot::{Parts, serve_process};
use outhaul_worker::{
    Drain, House, SlotCommand, SlotPool, SlotSettings, Timings, Worker, WorkerParts,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::artifacts::SlowArtifacts;
use super::engine::ScriptEngine;

pub type BoxedTest = Pin<Box<dyn Future<Output = ()>>>;

pub const MIB: u64 = 1 << 20;

/// This binary as a slot: the first argument is the artifact folder.
pub fn slot_main(args: &[String]) -> ExitCode {
    serve_process(|_setup| {
        let folder = PathBuf::from(&args[0]);
        let gate = folder.with_extension("gate");
        let inner = LocalArtifacts::open(folder)?;
        Ok(Parts {
            engine: Arc::new(ScriptEngine),
            artifacts: Arc::new(SlowArtifacts { inner, gate, stuck: None }),
            clock: Arc::new(SystemClock),
        })
    })
}

/// Slots that write to `artifacts` and spill below `folder`.
pub fn settings(folder: &Path, artifacts: &Path) -> SlotSettings {
    let command = SlotCommand {
        program: std::env::current_exe().expect("this binary"),
        args: vec!["slot".into(), artifacts.into()],
        env: vec![("RUST_BACKTRACE".into(), "0".into())],
    };
    SlotSettings {
        slots: 2,
        planners: 1,
        threads: 2,
        memory_bytes: 32 * MIB,
        hard_memory_bytes: 256 * MIB,
        watch_every: Duration::from_millis(10),
        stop_within: Duration::from_millis(300),
        silence_max: Duration::from_secs(3),
        plan_within: Duration::from_secs(10),
        ..SlotSettings::new(command, folder.join("spill"))
    }
}

/// Heartbeat 200 ms, lease 600 ms, sweep 100 ms.
pub fn timings() -> Timings {
    let ms = Duration::from_millis;
    Timings {
        heartbeat: ms(200),
        lease: ms(600),
        sweep: ms(100),
        poll: ms(100),
        finish_patience: Duration::from_secs(5),
        ..Timings::default()
    }
}

/// What the tests of one case share.
pub struct Rig {
    pub folder: TempDir,
    pub root: PathBuf,
    pub jobs: Arc<MemoryStore>,
    pub artifacts: Arc<LocalArtifacts>,
    pub clock: Arc<dyn Clock>,
    pub timings: Timings,
    pub settings: SlotSettings,
    begun: Instant,
}

/// A test that waits for something for so long says what it sees.
const STUCK: Duration = Duration::from_secs(100);

/// A running worker.
pub struct Running {
    pub drain: Drain,
    pub slots: Arc<SlotPool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Waits until it has drained.
    pub async fn ended(self) {
        self.task.await.expect("the worker does not panic");
    }
}

impl Rig {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("artifacts");
        Self::at(folder, root)
    }

    pub fn at(folder: TempDir, root: PathBuf) -> Self {
        let artifacts = Arc::new(LocalArtifacts::open(&root).expect("it opens"));
        Self {
            settings: settings(folder.path(), &root),
            folder,
            root,
            jobs: Arc::new(MemoryStore::new()),
            artifacts,
            clock: Arc::new(SystemClock),
            timings: timings(),
            begun: Instant::now(),
        }
    }

    /// Starts a worker on the shared store.
    pub async fn work(&self) -> Running {
        self.work_on(self.jobs.clone()).await
    }

    /// Starts a worker that sees the store through `jobs`.
    pub async fn work_on(&self, jobs: Arc<dyn JobStore>) -> Running {
        let holder = Incarnation::random();
        let slots = SlotPool::start(self.settings.clone(), &holder).expect("a pool");
        slots.ready().await.expect("slots start");
        let slots = Arc::new(slots);
        let parts = WorkerParts {
            jobs,
            artifacts: self.artifacts.clone(),
            clock: self.clock.clone(),
            slots: slots.clone(),
        };
        let drain = Drain::default();
        let worker = Worker::new(parts, self.timings.clone(), holder, drain.clone());
        let task = tokio::spawn(worker.run());
        Running { drain, slots, task }
    }

    pub fn house(&self) -> House {
        House {
            jobs: self.jobs.clone(),
            access: self.jobs.clone(),
            artifacts: self.artifacts.clone(),
            clock: self.clock.clone(),
            timings: self.timings.clone(),
            memory: Arc::default(),
        }
    }

    /// Keeps house until the answer is dropped.
    pub fn keep_house(&self) -> tokio_util::sync::DropGuard {
        let stop = CancellationToken::new();
        let (house, until) = (self.house(), stop.clone());
        tokio::spawn(async move { house.keep(until).await });
        stop.drop_guard()
    }

    /// An export of acme with one query for each script.
    pub fn export(&self, scripts: &[&str]) -> Export {
        let mut export = testing::export("acme", self.clock.now());
        export.policy.active_max = None;
        export.spec.queries = scripts
            .iter()
            .map(|text| QuerySpec { name: None, query: Query::Sql { text: (*text).into() } })
            .collect();
        export
    }

    pub async fn submit(&self, export: Export) -> ExportId {
        let id = export.id;
        let inserted = self.jobs.insert(NewExport { export, idempotency: None }).await;
        inserted.expect("it is inserted");
        id
    }

    pub async fn script(&self, script: &str) -> ExportId {
        self.submit(self.export(&[script])).await
    }

    /// An export that `holder` just leased.
    pub async fn leased_by(&self, holder: &Incarnation) -> ExportId {
        let id = self.script("rows=1").await;
        let ttl = chrono::TimeDelta::from_std(self.timings.lease).expect("a short time");
        let ask = LeaseAsk { holder: holder.clone(), most: 1, ttl, now: self.clock.now() };
        let leased = self.jobs.lease(&ask).await.expect("the store works");
        assert_eq!(leased.iter().map(|export| export.id).collect::<Vec<_>>(), [id]);
        id
    }

    pub async fn get(&self, id: ExportId) -> Export {
        let found = self.jobs.get(&TenantId::from("acme"), id).await.expect("the store works");
        found.expect("it is there")
    }

    pub async fn cancel(&self, id: ExportId) {
        let now = self.clock.now();
        let change = Box::new(move |export: &mut Export| export.cancel(now));
        self.jobs.change(&TenantId::from("acme"), id, change).await.expect("it is cancelled");
    }

    /// The export, as soon as it is as wished.
    pub async fn until(&self, id: ExportId, wish: impl Fn(&Export) -> bool) -> Export {
        let mut changes = self.jobs.changes();
        loop {
            changes.borrow_and_update();
            let export = self.get(id).await;
            if wish(&export) {
                return export;
            }
            if self.begun.elapsed() > STUCK {
                panic!("it never came to what was waited for: {export:#?}");
            }
            // Not every write is told; look again soon.
            let _ = tokio::time::timeout(Duration::from_millis(20), changes.changed()).await;
        }
    }

    pub async fn ended(&self, id: ExportId) -> Export {
        self.until(id, |export| !export.state.is_active()).await
    }

    /// The bytes of a file, which are what the manifest says.
    pub async fn bytes(&self, artifact: &Artifact) -> Vec<u8> {
        let stream = self.artifacts.open(artifact, 0..artifact.bytes).await.expect("it opens");
        let pieces: Vec<bytes::Bytes> = stream.try_collect().await.expect("it is whole");
        let bytes = pieces.concat();
        let digest: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!((bytes.len() as u64, &digest), (artifact.bytes, &artifact.sha256));
        bytes
    }

    /// Checks that a completed export of one csv holds exactly so many rows.
    pub async fn assert_whole(&self, export: &Export, rows: u64) {
        assert_eq!(export.state, State::Completed, "{:?}", export.failure);
        let manifest = export.manifest.as_ref().expect("a manifest");
        let [artifact] = manifest.artifacts.as_slice() else { panic!("one file") };
        assert_eq!((artifact.rows, export.progress.rows_read), (rows, rows));
        let text = String::from_utf8(self.bytes(artifact).await).expect("text");
        assert!(text == super::engine::csv(rows), "the file's text differs");
    }

    /// Files below the artifact folder.
    pub fn files(&self) -> Vec<PathBuf> {
        fn below(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => below(&path, found),
                    path => found.push(path),
                }
            }
        }
        let mut found = Vec::new();
        below(&self.root, &mut found);
        found
    }

    /// A named pipe at which a script or an upload waits.
    pub fn gate(&self, name: &str) -> Gate {
        Gate::at(self.folder.path().join(name))
    }
}

/// A named pipe: whoever reads it waits until it was written to.
#[derive(Clone)]
pub struct Gate(pub PathBuf);

impl Gate {
    pub fn at(path: PathBuf) -> Self {
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo runs").success());
        Self(path)
    }

    pub fn script(&self) -> String {
        format!("wait:{}", self.0.display())
    }

    /// Waits until somebody waits there. Dropping the answer lets it go on.
    pub async fn reached(&self) -> std::fs::File {
        let path = self.0.clone();
        let open = move || std::fs::OpenOptions::new().write(true).open(path);
        tokio::task::spawn_blocking(open).await.expect("it opens").expect("it opens")
    }

    /// Lets whoever comes from now on pass. Who waits goes on waiting.
    pub fn open(&self) {
        std::fs::remove_file(&self.0).expect("it is removed");
        std::fs::write(&self.0, "").expect("it is replaced");
    }
}

/// Waits until nobody reads a named pipe any more.
pub async fn deserted(mut pipe: std::fs::File) {
    use std::io::Write;
    let writing = move || {
        loop {
            if let Err(error) = pipe.write_all(&[0; 4_096]) {
                return error.kind();
            }
        }
    };
    let ended = tokio::task::spawn_blocking(writing).await.expect("no panic");
    assert_eq!(ended, std::io::ErrorKind::BrokenPipe);
}
