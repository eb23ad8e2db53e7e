//! The numbers that a script is held to. They say what, not how: `child` and `parent` enforce them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long after its time a script is killed from outside. Within it the process may still tell,
/// by itself, that the time is over.
pub const GRACE: Duration = Duration::from_millis(150);

/// How long a process may take until it is ready for a script.
pub const START_MAX: Duration = Duration::from_secs(20);

/// Memory of the process besides the script's own, in bytes: the engine's start, the texts that are
/// handed over, and what is between two allocations.
pub const OVERHEAD_BYTES: u64 = 48 * 1024 * 1024;

/// How deep the JSON of a call-out, an answer or a result may nest. Readers of JSON stop at 128.
pub const NESTING_MAX: usize = 100;

/// What one script may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Characters of the source.
    pub source_chars: usize,
    /// Bytes of the globals as JSON.
    pub input_bytes: usize,
    /// Time on the wall, without the time in which a call-out waits for its answer.
    pub time: Duration,
    /// Time on the wall of one call-out.
    pub call_time: Duration,
    /// Bytes of one call-out's arguments, and of its answer, as JSON.
    pub call_bytes: usize,
    /// Bytes of memory for everything that the script makes.
    pub memory_bytes: usize,
    /// Bytes of stack.
    pub stack_bytes: usize,
    /// Lines of the log.
    pub log_lines: usize,
    /// Bytes of the log, all lines together.
    pub log_bytes: usize,
    /// Bytes of the result as JSON.
    pub result_bytes: usize,
    /// Bytes of an error's message.
    pub message_bytes: usize,
}

impl Default for Limits {
    /// 50,000 characters, 10 s, call-outs of 30 s, 64 MiB, 1,000 lines of log in 64 KiB.
    fn default() -> Self {
        Self {
            source_chars: 50_000,
            input_bytes: 1024 * 1024,
            time: Duration::from_secs(10),
            call_time: Duration::from_secs(30),
            // A body of 512 KiB in which every second character has to be escaped.
            call_bytes: 1024 * 1024 + 64 * 1024,
            memory_bytes: 64 * 1024 * 1024,
            stack_bytes: 1024 * 1024,
            log_lines: 1_000,
            log_bytes: 64 * 1024,
            result_bytes: 64 * 1024,
            message_bytes: 1024,
        }
    }
}

impl Limits {
    /// The longest line that a script's process may say: JSON inside a JSON text, in which at most
    /// every byte becomes two; of a result, characters are counted before they are bytes.
    pub(crate) fn line_bytes(&self) -> usize {
        let call = self.call_bytes.saturating_mul(2);
        let result = self.result_bytes.saturating_mul(6);
        let log = self.log_bytes.saturating_mul(2);
        call.max(result).max(log).saturating_add(64 * 1024)
    }
}
