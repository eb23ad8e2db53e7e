//! One slot's process: what is said to it and by it, how it is watched, and how it ends.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::time::{Instant, Interval, MissedTickBehavior, sleep_until, timeout};

use super::memory::resident_bytes;
use super::{SlotSettings, spawn::Spawner};
use crate::slot::lines::Lines;
use crate::slot::protocol::{ANSWER_BYTES_MAX, Answer, Request, Setup, VERSION};

/// Bytes of a slot's last words that are kept.
const LAST_WORDS_BYTES: usize = 4_096;

/// A slot's process. When it is dropped it is killed.
pub(crate) struct Slot {
    child: Child,
    pid: Option<Pid>,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    words: LastWords,
    watch: Interval,
    settings: Arc<SlotSettings>,
    heard_at: Instant,
    pub(super) served: u32,
}

/// How a slot ended.
#[derive(Debug)]
pub(crate) enum Death {
    /// By itself.
    Exited {
        /// How.
        status: Option<ExitStatus>,
        /// What it said last on its standard error.
        words: String,
    },
    /// It was killed because of its memory.
    Memory {
        /// What it held.
        resident_bytes: u64,
    },
    /// It was killed because it said nothing.
    Silent,
    /// It was killed because what it said made no sense, or could not be said to.
    Garbled(String),
}

impl Death {
    /// A word for metrics and logs.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Memory { .. } => "memory",
            Self::Silent => "silence",
            Self::Garbled(_) => "garbled",
            Self::Exited { .. } if self.is_out_of_memory() => "memory",
            Self::Exited { .. } => "exit",
        }
    }

    /// Whether it took more memory than it may have.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Memory { .. } => true,
            // What Rust's allocator says before it aborts.
            Self::Exited { words, .. } => words.contains("memory allocation of"),
            Self::Silent | Self::Garbled(_) => false,
        }
    }

    /// Whether the work killed it, rather than somebody from outside.
    pub(super) fn is_by_query(&self) -> bool {
        let aborted = |status: &Option<ExitStatus>| {
            let signal = status.and_then(|status| status.signal());
            signal.is_some_and(|signal| {
                [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS].contains(&signal)
            })
        };
        match self {
            Self::Memory { .. } => true,
            Self::Exited { status, .. } => aborted(status) || self.is_out_of_memory(),
            Self::Silent | Self::Garbled(_) => false,
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { status: Some(status), words } => write!(f, "{status}: {words}"),
            Self::Exited { status: None, words } => write!(f, "it ended: {words}"),
            Self::Memory { resident_bytes } => write!(f, "it held {resident_bytes} bytes"),
            Self::Silent => f.write_str("it said nothing for too long"),
            Self::Garbled(what) => write!(f, "it could not be understood: {what}"),
        }
    }
}

impl Slot {
    /// Starts a process and waits until it says that it is ready.
    pub(super) async fn start(
        spawner: &Spawner,
        settings: &Arc<SlotSettings>,
        spill_dir: PathBuf,
    ) -> io::Result<Self> {
        let mut child = spawner.spawn().await?;
        let lost = || io::Error::other("a slot was started without pipes");
        let input = child.stdin.take().ok_or_else(lost)?;
        let output = child.stdout.take().ok_or_else(lost)?;
        let errors = child.stderr.take().ok_or_else(lost)?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let mut watch = tokio::time::interval(settings.watch_every);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut slot = Self {
            pid,
            child,
            input,
            answers: Lines::new(BufReader::with_capacity(64 * 1024, output), ANSWER_BYTES_MAX),
            words: LastWords::listen(errors),
            watch,
            settings: settings.clone(),
            heard_at: Instant::now(),
            served: 0,
        };
        let setup = Setup {
            version: VERSION,
            memory_bytes: settings.memory_bytes,
            hard_memory_bytes: settings.hard_memory_bytes,
            spill_dir,
            spill_bytes: settings.spill_bytes,
            threads: settings.threads,
        };
        let hello = timeout(settings.hello_within, async {
            slot.write(&setup).await?;
            slot.answer().await
        });
        match hello.await {
            Ok(Ok(Answer::Hello { version: VERSION })) => Ok(slot),
            Ok(Ok(other)) => Err(io::Error::other(format!("a slot began with {other:.100?}"))),
            Ok(Err(death)) => Err(io::Error::other(format!("a slot did not start: {death}"))),
            Err(_) => Err(io::Error::other("a slot did not say in time that it is ready")),
        }
    }

    /// Hands it a piece of work.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<(), Death> {
        self.served += 1;
        self.heard_at = Instant::now();
        self.write(request).await
    }

    async fn write(&mut self, message: &impl serde::Serialize) -> Result<(), Death> {
        let mut line =
            serde_json::to_vec(message).map_err(|error| Death::Garbled(error.to_string()))?;
        line.push(b'\n');
        let written = timeout(self.settings.hello_within, self.input.write_all(&line)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.bury().await),
            Err(_) => Err(self.kill(Death::Silent).await),
        }
    }

    /// The next thing it says. While it is waited for, its memory is watched. A call that is given
    /// up loses nothing.
    pub(crate) async fn answer(&mut self) -> Result<Answer, Death> {
        loop {
            tokio::select! {
                line = self.answers.next() => return match line {
                    Ok(Some(line)) => self.understand(&line).await,
                    Ok(None) => Err(self.bury().await),
                    Err(error) => Err(self.kill(Death::Garbled(error.to_string())).await),
                },
                _ = self.watch.tick() => {
                    let resident_bytes = self.pid.and_then(resident_bytes).unwrap_or(0);
                    if resident_bytes > self.settings.hard_memory_bytes {
                        return Err(self.kill(Death::Memory { resident_bytes }).await);
                    }
                }
            }
        }
    }

    /// As [`Slot::answer`], for a run: it reports itself, so that silence is a death too.
    pub(crate) async fn report(&mut self) -> Result<Answer, Death> {
        let silent_at = self.heard_at + self.settings.silence_max;
        tokio::select! {
            answer = self.answer() => {
                self.heard_at = Instant::now();
                answer
            }
            () = sleep_until(silent_at) => Err(self.kill(Death::Silent).await),
        }
    }

    async fn understand(&mut self, line: &[u8]) -> Result<Answer, Death> {
        match serde_json::from_slice(line) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.kill(Death::Garbled(error.to_string())).await),
        }
    }

    /// Asks it to stop, and kills it when it does not in time. What it said at the end.
    pub(crate) async fn stop(&mut self) -> Result<Answer, Death> {
        let within = self.settings.stop_within;
        let stopping = async {
            self.write(&Request::Cancel).await?;
            loop {
                match self.answer().await? {
                    Answer::Progress(_) => {}
                    last => return Ok(last),
                }
            }
        };
        match timeout(within, stopping).await {
            Ok(ended) => ended,
            Err(_) => Err(self.kill(Death::Silent).await),
        }
    }

    /// Ends it at once, and waits until it is gone.
    pub(crate) async fn end(&mut self) {
        self.kill(Death::Silent).await;
    }

    /// Whether it still lives.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether it holds much more than it needs to wait.
    pub(super) fn is_swollen(&self) -> bool {
        let resident = self.pid.and_then(resident_bytes).unwrap_or(0);
        resident > self.settings.hard_memory_bytes / 2
    }

    /// Ends it, and waits until it is gone: from then on it writes nothing.
    async fn kill(&mut self, death: Death) -> Death {
        if let Err(error) = self.child.kill().await {
            tracing::error!(error = %error, "a slot could not be killed");
        }
        death
    }

    /// How it ended, after its output did.
    async fn bury(&mut self) -> Death {
        // One that closed its output and goes on is of no use.
        let ended = timeout(self.settings.stop_within, self.child.wait()).await;
        let status = match ended {
            Ok(status) => status.ok(),
            Err(_) => {
                let _ = self.child.kill().await;
                None
            }
        };
        Death::Exited { status, words: self.words.text().await }
    }
}

/// The end of what a process says on its standard error.
struct LastWords {
    kept: Arc<Mutex<VecDeque<u8>>>,
    listening: Option<tokio::task::JoinHandle<()>>,
}

impl LastWords {
    fn listen(mut errors: ChildStderr) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let words = kept.clone();
        let listening = tokio::spawn(async move {
            let mut buffer = [0; 1_024];
            while let Ok(count @ 1..) = errors.read(&mut buffer).await {
                // It belongs to the server's log as well.
                let text = String::from_utf8_lossy(&buffer[..count]);
                tracing::info!(target: "outhaul_worker::slot", text = text.trim_end(), "a slot says");
                let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
                words.extend(&buffer[..count]);
                let past = words.len().saturating_sub(LAST_WORDS_BYTES);
                words.drain(..past);
            }
        });
        Self { kept, listening: Some(listening) }
    }

    /// Everything, once the process has ended.
    async fn text(&mut self) -> String {
        if let Some(listening) = self.listening.take() {
            // Something that the process started may hold the pipe open.
            let _ = timeout(std::time::Duration::from_millis(500), listening).await;
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}
