//! `outhaul doctor`: looks at everything a server needs and says what to do where it is wrong. It
//! may run beside a server, and makes nothing that stays: what a server would make at its first
//! start is tried in a temporary folder.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use outhaul_exports::lease::Incarnation;
use outhaul_exports::{Clock as _, SystemClock};
use outhaul_store::Store;
use rustix::fs::Access;
use serde_json::json;

use crate::assemble::{self, Rooms};
use crate::cli::{ConfigFile, Output};
use crate::commands::catalog::compare;
use crate::config::check::load_checked;
use crate::config::sections::MailTransport;
use crate::config::size::human;
use crate::config::{Checked, Loaded};
use crate::exit::{Code, Exit};
use crate::output::{self, outln};

/// Room on a volume below which is said so.
const ROOM_LOW: u64 = 2 << 30;
/// Open files below which is said so.
const FILES_LOW: u64 = 4_096;
/// How long slots may take to start.
const SLOTS_WITHIN: Duration = Duration::from_secs(60);
/// How often, and after which pauses, it is looked whether they have ended.
const SLOT_LOOKS: u32 = 100;
const SLOT_PAUSE: Duration = Duration::from_millis(20);
/// No clock is right that shows a time before this was written: 2026 began then, in seconds.
const CLOCK_EARLIEST: i64 = 1_767_225_600;

/// Its options.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outhaul doctor --config /etc/outhaul/outhaul.toml")]
pub struct Options {
    /// Which configuration.
    #[command(flatten)]
    file: ConfigFile,
    /// How to print.
    #[command(flatten)]
    output: Output,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    Doubtful,
    Bad,
}

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    grade: Grade,
    text: String,
}

/// Runs it.
///
/// # Errors
/// When something is wrong.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut findings = Findings(Vec::new());
    let mut code = Code::Failed;
    match load_checked(&options.file.config, SystemClock.now()) {
        Ok((loaded, checked)) => {
            findings.good("configuration", format!("{} is sound", options.file.config.display()));
            examine(&loaded, &checked, &mut findings).await;
        }
        Err(problems) => {
            code = Code::Config;
            findings.bad("configuration", problems.to_string());
        }
    }
    findings.clock();
    findings.limits();
    print(&findings.0, options.output);
    let bad = findings.0.iter().filter(|finding| finding.grade == Grade::Bad).count();
    match bad {
        0 => Ok(()),
        count => {
            let things = output::count(count, "thing is", "things are");
            let text = format!("{things} wrong; each line says what to do");
            Err(Exit::new(code, text).into())
        }
    }
}

async fn examine(loaded: &Loaded, checked: &Checked, findings: &mut Findings) {
    let trial = match Trial::new() {
        Ok(trial) => trial,
        Err(error) => return findings.bad("temporary folder", format!("{error:#}")),
    };
    if let Some(store) = open_store(loaded, &trial, findings).await {
        open_artifacts(loaded, findings).await;
        look_at_sources(loaded, checked, findings).await;
        match dialects(loaded, checked, store.clone(), &trial).await {
            Ok(()) => findings.good("slots", "they start, and every API can be served".into()),
            Err(error) => findings.bad("slots", format!("{error:#}")),
        }
        store.close().await;
    }
    look_at_mail(loaded, findings).await;
    trial.end().await;
}

/// Goes the way of a mail without sending one.
async fn look_at_mail(loaded: &Loaded, findings: &mut Findings) {
    let mailer = match assemble::mailer(loaded) {
        Ok(None) => return,
        Ok(Some(mailer)) => mailer,
        Err(error) => return findings.bad("mail", error.chain()),
    };
    let mail = &loaded.config.mail;
    let way = match mail.transport {
        MailTransport::Smtp => {
            let port = mail.port.unwrap_or(mail.tls.port());
            format!("the mail server {}:{port}", mail.host.as_deref().unwrap_or_default())
        }
        _ => format!("the folder {}", loaded.path(&mail.folder).display()),
    };
    let is_local = mail.transport == MailTransport::File;
    match mailer.check().await {
        Ok(()) if loaded.config.server.base_url.is_none() && !is_local => {
            let text = format!(
                "{way} takes mails, but server.base_url is not set: the links in them lead to this \
                 machine's own address"
            );
            findings.doubt("mail", text);
        }
        Ok(()) => findings.good("mail", format!("{way} takes mails")),
        Err(refusal) => {
            let text = format!(
                "{way} takes no mails: {} ({}); see the section [mail]",
                refusal.public, refusal.internal
            );
            findings.bad("mail", text);
        }
    }
}

/// The store, or one to try the rest with while there is none yet, or while it is an older one's.
async fn open_store(loaded: &Loaded, trial: &Trial, findings: &mut Findings) -> Option<Store> {
    let address = assemble::store_address(loaded);
    let path = Path::new(address.strip_prefix("sqlite:").unwrap_or(&address));
    findings.room("store volume", path);
    if path.exists() {
        match outhaul_store::open_unchanged(&address).await {
            Ok(store) => {
                findings.store(&store, &address).await;
                return Some(store);
            }
            Err(outhaul_store::Error::Older { found, known, .. }) => {
                let text = format!(
                    "{address} has form {found}, and this version needs {known}: `outhaul serve` brings it up to date; a copy of it is the way back"
                );
                findings.doubt("store", text);
            }
            Err(error) => {
                findings.bad("store", error.to_string());
                return None;
            }
        }
    } else {
        findings.made_later("store", path);
    }
    match outhaul_store::open_shared(&trial.store()).await {
        Ok(store) => Some(store),
        Err(error) => {
            findings.bad("store", error.to_string());
            None
        }
    }
}

/// The local folder of artifacts, if it has to be made yet.
fn artifacts_to_make(loaded: &Loaded) -> Option<PathBuf> {
    let (location, _) = assemble::artifact_location(loaded);
    let path = PathBuf::from(location.strip_prefix("file://").unwrap_or(&location));
    (path.is_absolute() && !path.exists()).then_some(path)
}

async fn open_artifacts(loaded: &Loaded, findings: &mut Findings) {
    if let Some(path) = artifacts_to_make(loaded) {
        findings.made_later("artifacts", &path);
        return findings.room("artifacts volume", &path);
    }
    match assemble::artifacts(loaded) {
        Ok(artifacts) => match artifacts.free_bytes().await {
            Ok(Some(free)) if free < ROOM_LOW => findings.doubt(
                "artifacts",
                format!(
                    "only {} are free; make room, or exports fail with storage_full",
                    human(free)
                ),
            ),
            Ok(Some(free)) => findings.good("artifacts", format!("{} are free", human(free))),
            Ok(None) => findings.good("artifacts", "the object store answers".into()),
            Err(error) => findings.bad("artifacts", error.chain()),
        },
        Err(error) => findings.bad("artifacts", error.chain()),
    }
}

async fn look_at_sources(loaded: &Loaded, checked: &Checked, findings: &mut Findings) {
    let spill = loaded.path(&loaded.config.worker.spill_dir);
    if !is_writable(existing(&spill)) {
        findings.made_later("spill folder", &spill);
    }
    findings.room("spill volume", &spill);
    let compared = compare(checked, &assemble::source_configs(loaded)).await;
    let problems = compared.unwrap_or_else(|error| vec![format!("{error:#}")]);
    if problems.is_empty() {
        let count = checked.catalog.objects().count();
        findings
            .good("sources", format!("readable, and all {count} objects are as the catalog says"));
    }
    for problem in problems {
        findings.bad("sources", problem);
    }
}

/// Starts slots as a server would, and makes every API's routes.
async fn dialects(
    loaded: &Loaded,
    checked: &Checked,
    store: Store,
    trial: &Trial,
) -> anyhow::Result<()> {
    // Beside a server that runs: another spill folder, which goes with the check.
    let mut own = loaded.clone();
    own.config.worker.spill_dir = trial.spill().display().to_string();
    if artifacts_to_make(loaded).is_some() {
        own.config.artifacts.url = trial.0.join("artifacts").display().to_string();
    }
    let rooms = Rooms::open(&own, store, &Incarnation::random(), true, None)?;
    tokio::time::timeout(SLOTS_WITHIN, rooms.slots.ready()).await??;
    let exports = rooms.exports(checked);
    assemble::routes(loaded, &exports, "http://localhost")?;
    Ok(())
}

/// A temporary folder to try in what a server makes.
struct Trial(PathBuf);

impl Trial {
    fn new() -> anyhow::Result<Self> {
        let name = format!("outhaul-doctor-{}", outhaul_exports::id::secret(8));
        let folder = std::env::temp_dir().join(name);
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Self(folder))
    }

    fn store(&self) -> String {
        format!("sqlite:{}", self.0.join("outhaul.db").display())
    }

    fn spill(&self) -> PathBuf {
        self.0.join("spill")
    }

    /// Waits for the last slot to end, which empties the spill folder, so that nobody writes into
    /// what is removed.
    async fn end(self) {
        let is_empty =
            || !std::fs::read_dir(self.spill()).is_ok_and(|mut list| list.next().is_some());
        for _ in 0..SLOT_LOOKS {
            if is_empty() {
                break;
            }
            tokio::time::sleep(SLOT_PAUSE).await;
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The path, or the nearest folder above it that there is.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."))
}

fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, what: &'static str, grade: Grade, text: String) {
        self.0.push(Finding { what, grade, text });
    }

    fn good(&mut self, what: &'static str, text: String) {
        self.add(what, Grade::Good, text);
    }

    fn doubt(&mut self, what: &'static str, text: String) {
        self.add(what, Grade::Doubtful, text);
    }

    fn bad(&mut self, what: &'static str, text: String) {
        self.add(what, Grade::Bad, text);
    }

    /// Whether a store is whole.
    async fn store(&mut self, store: &Store, address: &str) {
        match store.check().await {
            Ok(wrong) if wrong.is_empty() => self.good("store", format!("{address} is whole")),
            Ok(wrong) => self.bad(
                "store",
                format!("{address} is damaged: {}; restore a backup", wrong.join("; ")),
            ),
            Err(error) => self.bad("store", error.chain()),
        }
    }

    /// What a server makes at its start, if it can.
    fn made_later(&mut self, what: &'static str, path: &Path) {
        let (there, shown) = (existing(path), path.display());
        if !is_writable(there) {
            let there = there.display();
            let text =
                format!("{shown} cannot be made or written, because {there} cannot be written");
            self.bad(what, text);
        } else if path.parent() == Some(there) {
            self.good(what, format!("{shown} is not there yet; the server makes it"));
        } else {
            let text = format!(
                "{shown} is not there yet, and neither is its folder; the server makes both, if that is what is meant"
            );
            self.doubt(what, text);
        }
    }

    /// Room on the volume of a path, or of the nearest folder above it that there is.
    fn room(&mut self, what: &'static str, path: &Path) {
        let there = existing(path);
        match rustix::fs::statvfs(there) {
            Ok(volume) => {
                let free = volume.f_bavail * volume.f_frsize;
                if free < ROOM_LOW {
                    self.doubt(
                        what,
                        format!("only {} are free at {}", human(free), there.display()),
                    );
                } else {
                    self.good(what, format!("{} are free", human(free)));
                }
            }
            Err(error) => {
                self.bad(what, format!("{} cannot be looked at: {error}", there.display()));
            }
        }
    }

    fn clock(&mut self) {
        let now = SystemClock.now();
        if now.timestamp() < CLOCK_EARLIEST {
            let text =
                format!("the clock shows {now}; set it, or links and keys end at wrong times");
            self.bad("clock", text);
        } else {
            self.good("clock", format!("{}", now.format("%Y-%m-%d %H:%M:%S UTC")));
        }
    }

    fn limits(&mut self) {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        match files {
            Some(files) if files < FILES_LOW => self.doubt(
                "open files",
                format!(
                    "at most {files}; raise the limit (ulimit -Hn, LimitNOFILE=) to {FILES_LOW}"
                ),
            ),
            Some(files) => self.good("open files", format!("at most {files}")),
            None => self.good("open files", "any number".into()),
        }
    }
}

fn print(findings: &[Finding], output: Output) {
    let word = |grade| match grade {
        Grade::Good => "ok",
        Grade::Doubtful => "look",
        Grade::Bad => "WRONG",
    };
    if output.json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| json!({ "what": f.what, "state": word(f.grade).to_lowercase(), "text": f.text }))
            .collect();
        outln!("{:#}", json!({ "findings": list }));
        return;
    }
    for finding in findings {
        outln!("{:<6} {:<14} {}", word(finding.grade), finding.what, finding.text);
    }
}
