//! The side that starts scripts and outlives them: it trusts nothing that they say.

mod conversation;
mod peer;
mod spawner;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::child::imports::position;
use crate::host::{Host, Module, NoHost};
use crate::limits::Limits;
use crate::outcome::{Check, End, Failure, Logs, Outcome, Refusal};
use crate::protocol::{Job, Work};
use peer::Peer;
use spawner::Spawner;

/// What is wrong with the machine or the caller. A script is never at fault for these: what it does
/// is an [`Outcome`].
#[derive(Debug, Error)]
pub enum Error {
    /// No process could be started.
    #[error("the process for a script cannot be started")]
    Start(#[source] io::Error),
    /// A process was started and is no sandbox.
    #[error("the process for a script is not ready: {reason}")]
    NotReady {
        /// What happened instead.
        reason: String,
    },
    /// The globals are not the text of a JSON object.
    #[error("the globals of a script must be a JSON object: {reason}")]
    Globals {
        /// What they are.
        reason: String,
    },
    /// The globals are longer than they may be.
    #[error("the globals of a script have {bytes} bytes; they may have {most}")]
    GlobalsTooLong {
        /// Bytes that they have.
        bytes: usize,
        /// Bytes that they may have.
        most: usize,
    },
}

/// Runs scripts, each in a process of its own that is gone before the answer is given.
///
/// How many run at once is the caller's to decide: each may use all of its [`Limits`]. Dropping a
/// future kills its process.
#[derive(Debug, Clone)]
pub struct Sandbox {
    spawner: Spawner,
}

impl Sandbox {
    /// A sandbox whose processes are started as `program arguments...`; that program is to call
    /// [`child_main`](crate::child_main) first thing. To be called in a runtime of tokio.
    ///
    /// # Errors
    /// [`Error::Start`] when there is no runtime, or no thread can be started.
    pub fn new(program: impl Into<PathBuf>, arguments: Vec<OsString>) -> Result<Self, Error> {
        let spawner = Spawner::start(program.into(), arguments).map_err(Error::Start)?;
        Ok(Self { spawner })
    }

    /// Whether a text is a script, without running it. The parser can be attacked as well, so this
    /// too happens in a process of its own, within the same limits.
    ///
    /// # Errors
    /// When no process can be started.
    pub async fn check(
        &self,
        source: &str,
        modules: &[Module],
        limits: &Limits,
    ) -> Result<Check, Error> {
        if let Err(refusal) = readable(source, limits) {
            return Ok(Check::Bad(Failure::Refused(refusal)));
        }
        let job = job(Work::Check, source, modules);
        let outcome = self.hold(&job, limits, &NoHost).await?;
        Ok(match outcome.end {
            End::Finished { .. } => Check::Good,
            End::Failed(failure) => Check::Bad(failure),
        })
    }

    /// Runs a script once. `globals` is the text of a JSON object; each member becomes a global of
    /// the script, and its member `script` gets the functions that [the docs](crate) tell of.
    ///
    /// # Errors
    /// When no process can be started, or the globals are not a JSON object within the limits.
    pub async fn run(
        &self,
        source: &str,
        globals: &str,
        modules: &[Module],
        limits: &Limits,
        host: &dyn Host,
    ) -> Result<Outcome, Error> {
        if globals.len() > limits.input_bytes {
            return Err(Error::GlobalsTooLong { bytes: globals.len(), most: limits.input_bytes });
        }
        if !globals.trim_start().starts_with('{') {
            return Err(Error::Globals { reason: "they begin as something else".to_owned() });
        }
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(globals) {
            return Err(Error::Globals { reason: error.to_string() });
        }
        if let Err(refusal) = readable(source, limits) {
            return Ok(Outcome {
                end: End::Failed(Failure::Refused(refusal)),
                logs: Logs::default(),
                calls: 0,
                took: std::time::Duration::ZERO,
                peak_memory_bytes: None,
            });
        }
        let job = job(Work::Run { globals: globals.to_owned() }, source, modules);
        self.hold(&job, limits, host).await
    }

    async fn hold(&self, job: &Job, limits: &Limits, host: &dyn Host) -> Result<Outcome, Error> {
        let child = self.spawner.spawn().await.map_err(Error::Start)?;
        let peer = Peer::new(child, limits.line_bytes()).map_err(Error::Start)?;
        let outcome = conversation::hold(peer, job, limits, host).await?;
        if let End::Failed(Failure::Crashed { detail }) = &outcome.end {
            tracing::warn!(detail, "the process of a script failed");
        }
        Ok(outcome)
    }
}

fn job(work: Work, source: &str, modules: &[Module]) -> Job {
    Job { work, source: source.to_owned(), modules: modules.to_vec() }
}

/// What can be said of a text without reading it as a script.
fn readable(source: &str, limits: &Limits) -> Result<(), Refusal> {
    let refuse = |at: usize, message: String| {
        let (line, column) = position(source.chars().take(at));
        Err(Refusal { message, line: Some(line), column: Some(column) })
    };
    let most = limits.source_chars;
    if source.chars().nth(most).is_some() {
        let count = source.chars().count();
        return refuse(most, format!("the script has {count} characters; it may have {most}"));
    }
    if let Some(at) = source.chars().position(|character| character == '\0') {
        return refuse(at, "the script holds a character NUL, U+0000".to_owned());
    }
    if source.starts_with('\u{feff}') {
        let text = "the script begins with a byte order mark, U+FEFF: leave it out";
        return refuse(0, text.to_owned());
    }
    Ok(())
}
