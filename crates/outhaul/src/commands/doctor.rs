//! `outhaul doctor`: looks at everything a server needs and says what to do where it is wrong. It
//! may run beside a server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use outhaul_exports::lease::Incarnation;
use outhaul_exports::{Clock as _, SystemClock};
use serde_json::json;

use crate::assemble::{self, Rooms};
use crate::cli::{ConfigFile, Output};
use crate::commands::catalog::compare;
use crate::config::check::load_checked;
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
    match load_checked(&options.file.config, SystemClock.now()) {
        Ok((loaded, checked)) => {
            findings.good("configuration", format!("{} is sound", options.file.config.display()));
            examine(&loaded, &checked, &mut findings).await;
        }
        Err(problems) => findings.bad("configuration", problems.to_string()),
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
            Err(Exit::new(Code::Failed, text).into())
        }
    }
}

async fn examine(loaded: &Loaded, checked: &Checked, findings: &mut Findings) {
    let address = assemble::store_address(loaded);
    let store = match outhaul_store::open_shared(&address).await {
        Ok(store) => store,
        Err(error) => return findings.bad("store", format!("{error}")),
    };
    match store.check().await {
        Ok(wrong) if wrong.is_empty() => findings.good("store", format!("{address} is whole")),
        Ok(wrong) => findings
            .bad("store", format!("{address} is damaged: {}; restore a backup", wrong.join("; "))),
        Err(error) => findings.bad("store", error.chain()),
    }
    if let Some(path) = address.strip_prefix("sqlite:") {
        findings.room("store volume", Path::new(path));
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
    let spill = loaded.path(&loaded.config.worker.spill_dir);
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
    if let Err(error) = dialects(loaded, checked, store.clone()).await {
        findings.bad("slots", format!("{error:#}"));
    } else {
        findings.good("slots", "they start, and every API can be served".into());
    }
    store.close().await;
}

/// Starts slots as a server would, and makes every API's routes.
async fn dialects(
    loaded: &Loaded,
    checked: &Checked,
    store: outhaul_store::Store,
) -> anyhow::Result<()> {
    // Beside a server that runs: another spill folder, which goes with the check.
    let mut own = loaded.clone();
    let folder = TemporaryFolder::beside(&loaded.path(&loaded.config.worker.spill_dir))?;
    own.config.worker.spill_dir = folder.0.display().to_string();
    let rooms = Rooms::open(&own, store, &Incarnation::random(), true)?;
    tokio::time::timeout(SLOTS_WITHIN, rooms.slots.ready()).await??;
    let exports = rooms.exports(checked);
    assemble::routes(loaded, &exports, "http://localhost")?;
    Ok(())
}

struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn beside(path: &Path) -> std::io::Result<Self> {
        let name = format!("doctor-{}", std::process::id());
        let folder = path.parent().unwrap_or(Path::new(".")).join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
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

    /// Room on the volume of a path, or of the nearest folder above it that there is.
    fn room(&mut self, what: &'static str, path: &Path) {
        let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
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
