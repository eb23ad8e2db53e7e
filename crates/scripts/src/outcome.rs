//! What became of a script, in words that can be stored and shown.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything that is known of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What it logged, also when it failed.
    pub logs: Logs,
    /// Call-outs that reached the host.
    pub calls: u32,
    /// Time on the wall from handing the script over to its end, call-outs included.
    pub took: Duration,
    /// The most memory that the process held, in bytes; `None` where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It came to its end.
    Finished {
        /// What the script returned, or gave to `script.exit`, as JSON; `None` for nothing.
        result: Option<String>,
    },
    /// It did not.
    Failed(Failure),
}

/// Why a script failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Its time was over.
    Time,
    /// It wanted more memory than there was.
    Memory,
    /// It nested its calls too deep.
    Stack,
    /// It threw, or left a promise rejected or unsettled.
    Exception {
        /// What, cut and without control characters.
        message: String,
        /// The line of the source, from 1.
        line: Option<u32>,
    },
    /// Its result is not JSON, or too long.
    Output {
        /// What is wrong with it.
        message: String,
    },
    /// It was not run: it is no script.
    Refused(Refusal),
    /// The process ended by itself or spoke nonsense.
    Crashed {
        /// What is known.
        detail: String,
    },
}

/// Why a text is no script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// The line of the source, from 1.
    pub line: Option<u32>,
    /// The character of the line, from 1.
    pub column: Option<u32>,
}

/// Whether a text is a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is.
    Good,
    /// It is not, or could not be read within the limits.
    Bad(Failure),
}

impl Failure {
    /// One word, for events and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Exception { .. } => "exception",
            Self::Output { .. } => "output",
            Self::Refused(_) => "refused",
            Self::Crashed { .. } => "crashed",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time => f.write_str("the script's time was over"),
            Self::Memory => f.write_str("the script wanted more memory than it may have"),
            Self::Stack => f.write_str("the script's calls were nested too deep"),
            Self::Exception { message, line: Some(line) } => write!(f, "{message} (line {line})"),
            Self::Exception { message, line: None } | Self::Output { message } => {
                f.write_str(message)
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Crashed { detail } => write!(f, "the script's process failed: {detail}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => {
                write!(f, "{} (line {line}, column {column})", self.message)
            }
            (Some(line), None) => write!(f, "{} (line {line})", self.message),
            (None, _) => f.write_str(&self.message),
        }
    }
}

/// What a script logged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// The first lines, in order.
    pub lines: Vec<LogLine>,
    /// Whether there was more than is kept.
    pub cut: bool,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The text, control characters and line ends escaped.
    pub text: String,
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Steps.
    Trace,
    /// Values.
    Debug,
    /// News.
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}
