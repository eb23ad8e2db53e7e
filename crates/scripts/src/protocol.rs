//! What the two processes say to each other: one JSON value a line.
//!
//! The caller's side says [`Setup`], waits for [`Said::Ready`], says [`Job`], and then only answers:
//! [`Answer`] to [`Said::Call`], [`Memory`] to [`Said::Memory`]. The script's side ends with
//! [`Said::Done`] and waits for its end. Nothing that the script's side says is trusted.

use serde::{Deserialize, Serialize};

use crate::host::Module;
use crate::limits::Limits;
use crate::outcome::{End, LogLine};

/// Changes with every change of the messages: both sides are the same binary, and a server whose
/// file was replaced under it must find out.
pub(crate) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub version: u32,
    pub limits: Limits,
}

/// The second line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub work: Work,
    pub source: String,
    pub modules: Vec<Module>,
}

/// What is to be done with the source.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Read it.
    Check,
    /// Run it; the globals are the text of a JSON object.
    Run { globals: String },
}

/// What the script's side says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// Its limits are in force.
    Ready { version: u32 },
    /// The script logged.
    Log(LogLine),
    /// The script logged more than is kept.
    LogsCut,
    /// The script asks the host; the arguments are the text of a JSON array.
    Call { module: String, function: String, arguments: String },
    /// The script asks how much memory its process holds.
    Memory,
    /// It is over. For a check, finished means good.
    Done(End),
}

/// How much memory the script's process holds, in bytes; zeros where the system does not tell.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub now: u64,
    pub peak: u64,
}

/// What the host answered: the text of a JSON value, or a message.
pub(crate) type Answer = Result<String, String>;
