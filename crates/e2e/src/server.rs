//! One `outhaul demo` process in a folder of its own, which a test may kill and start again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use outhaul_instances::Postgres;
use serde_json::Value;

use crate::Source;

/// A running demo. Dropping it ends the process.
pub struct Server {
    child: Child,
    folder: PathBuf,
    options: Options,
    /// Where it answers.
    pub base_url: String,
    /// What `demo.json` says.
    pub demo: Value,
    // It ends after the process.
    database: Option<Postgres>,
}

/// How to start it.
#[derive(Clone, Default)]
pub struct Options {
    /// Rows of the largest table.
    pub rows: u64,
    /// Environment, such as configuration overrides.
    pub environment: Vec<(String, String)>,
    /// Where they are.
    pub source: Source,
    /// Whether they are in a database that the demo starts by itself.
    private: bool,
}

impl Options {
    /// A demo of that many rows.
    pub fn rows(rows: u64) -> Self {
        Self { rows, ..Self::default() }
    }

    /// With the rows there.
    #[must_use]
    pub fn on(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// With the rows in a database that the demo starts by itself and that outlives it: whoever asks
    /// for it stops it.
    #[must_use]
    pub fn privately(mut self) -> Self {
        self.private = true;
        self
    }

    /// With a configuration override, such as `OUTHAUL__WORKER__SLOTS`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }
}

/// The program under test: the one that `cargo xtask test` built, or the debug build.
pub fn program() -> PathBuf {
    let named = std::env::var_os("OUTHAUL_TEST_BIN").map(PathBuf::from);
    named
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/outhaul"))
}

/// How long a start may take: the first one makes the data.
const START: Duration = Duration::from_secs(180);

impl Server {
    /// Starts a demo in `folder` and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or does not become ready; its log is in `folder/server.log`.
    pub async fn start(folder: &Path, options: Options) -> anyhow::Result<Self> {
        let database = options.source.start()?;
        let (child, demo) = spawn(folder, &options, database.as_ref()).await?;
        let base_url = demo["base_url"].as_str().context("demo.json has no base_url")?.to_owned();
        Ok(Self { child, folder: folder.to_owned(), options, base_url, demo, database })
    }

    /// The database with its rows, where they are in one.
    pub fn database(&mut self) -> Option<&mut Postgres> {
        self.database.as_mut()
    }

    /// A demo's folder with the same rows in files, for those who compare: its own, or one that is
    /// made below it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn files(&self) -> anyhow::Result<PathBuf> {
        if self.options.source == Source::Files {
            return Ok(self.folder.clone());
        }
        let folder = self.folder.join("files");
        std::fs::create_dir_all(&folder)?;
        let (mut child, _) = spawn(&folder, &Options::rows(self.options.rows), None).await?;
        child.kill()?;
        child.wait()?;
        Ok(folder)
    }

    /// Starts it again, on another port, with the same data and credentials.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let (child, demo) = spawn(&self.folder, &self.options, self.database.as_ref()).await?;
        self.child = child;
        self.base_url = demo["base_url"].as_str().context("demo.json has no base_url")?.to_owned();
        self.demo = demo;
        Ok(())
    }

    /// Starts it again with other options.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn restart_with(&mut self, options: Options) -> anyhow::Result<()> {
        self.options = options;
        self.restart().await
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Sends SIGTERM and waits for the end, at most `grace`.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn terminate(&mut self, grace: Duration) -> anyhow::Result<()> {
        let process = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &process]).status()?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            anyhow::ensure!(begun.elapsed() < grace, "it does not end within {grace:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The process's id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Most memory that a slot of the server has had, in KiB; 0 without a slot.
    pub fn slot_peak_kib(&self) -> u64 {
        let line = |status: &str, name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let statuses =
            folders.filter_map(|own| std::fs::read_to_string(own.path().join("status")).ok());
        let slots = statuses.filter(|own| line(own, "PPid:") == Some(u64::from(self.process())));
        slots.filter_map(|own| line(&own, "VmHWM:")).max().unwrap_or(0)
    }

    /// Resident memory of the server process itself, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let pages = std::fs::read_to_string(path).unwrap_or_default();
        let pages = pages.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        pages * 4096
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A value of `demo.json` by its path, such as `tenants.acme.native.api_key`.
    pub fn secret(&self, path: &str) -> String {
        let found = path.split('.').fold(&self.demo, |value, key| &value[key]);
        found.as_str().unwrap_or_else(|| panic!("demo.json has no {path}")).to_owned()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn spawn(
    folder: &Path,
    options: &Options,
    database: Option<&Postgres>,
) -> anyhow::Result<(Child, Value)> {
    let ready = folder.join("demo.json");
    std::fs::remove_file(&ready).ok();
    let log = std::fs::File::options().create(true).append(true).open(folder.join("server.log"))?;
    let mut demo = Command::new(program());
    demo.args(["demo", "--port", "0", "--rows", &options.rows.to_string(), "--data"]).arg(folder);
    if let Some(database) = database {
        demo.args(["--source", "postgres", "--url", &database.url()]);
    }
    if options.private {
        demo.args(["--source", "postgres"]);
    }
    let mut child = demo
        .envs(options.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("{} cannot be started", program().display()))?;
    let begun = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            return Ok((child, serde_json::from_str(&text)?));
        }
        if let Some(status) = child.try_wait()? {
            let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            bail!("the demo ended with {status}: {tail:#?}");
        }
        if begun.elapsed() > START {
            child.kill().ok();
            bail!("the demo was not ready within {START:?}");
        }
        // The process gives no signal but the file.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
