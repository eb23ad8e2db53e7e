//! The process of a script as its owner sees it: lines to it, lines from it, its memory, its end.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::protocol::{Memory, Said};

/// A process, from its start to its end; dropping this kills it.
pub(super) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: Vec<u8>,
    line_max: usize,
    peak: Option<u64>,
}

/// What was heard.
pub(super) enum Heard {
    /// A sentence.
    Said(Said),
    /// No sentence.
    Nonsense(&'static str),
    /// The process ended.
    End,
}

impl Peer {
    pub(super) fn new(mut child: Child, line_max: usize) -> io::Result<Self> {
        let missing = || io::Error::other("the process has no pipes");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        Ok(Self { child, input, output, line: Vec::new(), line_max, peak: None })
    }

    pub(super) async fn say(&mut self, what: &(impl Serialize + Sync)) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        self.input.write_all(&line).await?;
        self.input.flush().await
    }

    /// Waits for a sentence. Nothing is lost when the future is dropped before it is ready.
    pub(super) async fn hear(&mut self) -> Heard {
        loop {
            let Ok(read) = self.output.fill_buf().await else { return Heard::End };
            if read.is_empty() {
                return Heard::End;
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
            if self.line.len() + part.len() > self.line_max {
                return Heard::Nonsense("a line without an end");
            }
            self.line.extend_from_slice(part);
            let used = part.len() + usize::from(end.is_some());
            self.output.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                let said = serde_json::from_slice(&line).map(Heard::Said);
                return said.unwrap_or(Heard::Nonsense("a line that is no sentence"));
            }
        }
    }

    /// The memory of the process; zeros when it is gone or the system does not tell. Notes the most
    /// that it ever held.
    pub(super) fn memory(&mut self) -> Memory {
        let file = self.child.id().map(|pid| format!("/proc/{pid}/status"));
        let status = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            Some(kib * 1024)
        };
        self.peak = self.peak.max(bytes("VmHWM:"));
        Memory { now: bytes("VmRSS:").unwrap_or_default(), peak: self.peak.unwrap_or_default() }
    }

    /// Ends the process, whatever it is at, and waits until it is gone.
    pub(super) async fn kill(mut self) -> Option<u64> {
        self.memory();
        // It may have ended by itself.
        let _ = self.child.kill().await;
        self.peak
    }

    /// Waits for a process that closed its pipe, and says how it ended.
    pub(super) async fn bury(mut self) -> (String, Option<i32>, Option<u64>) {
        let (text, signal) = match self.child.wait().await {
            Ok(status) => (told(status), status.signal()),
            Err(error) => (error.to_string(), None),
        };
        (text, signal, self.peak)
    }
}

fn told(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("ended by signal {signal}"),
        (None, Some(code)) => format!("ended with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}
