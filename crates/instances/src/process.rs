//! The process of a server: started in the background, watched, stopped by its number.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// How long a server may take to be ready. A recovery after a crash is part of it.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a server may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Ends the server when whoever started it is gone without a word: its standard input ends then.
/// $1: the signal, $2: the server, $3: the folder that goes with it, if any.
const GUARD: &str = r#"
cat >/dev/null
kill -"$1" "$2" 2>/dev/null
[ -n "$3" ] || exit 0
tries=0
while kill -0 "$2" 2>/dev/null && [ "$tries" -lt 300 ]; do tries=$((tries + 1)); sleep 0.1; done
rm -rf -- "$3"
"#;

/// A server that this process started.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    guard: Option<Child>,
}

impl Process {
    /// Starts a server whose output goes to the end of the log.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let program = command.get_program().to_owned();
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A key that interrupts the terminal is not meant for it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = Pid::from_child(&child);
        Ok(Self { child, pid, guard: None })
    }

    /// Has the server ended, by this signal, when this process is killed; and the folder removed.
    pub fn guard(&mut self, signal: Signal, folder: Option<&Path>) -> anyhow::Result<()> {
        let guard = Command::new("sh")
            .args(["-c", GUARD, "outhaul-instances-guard"])
            .arg(signal.as_raw().to_string())
            .arg(self.pid.as_raw_nonzero().to_string())
            .arg(folder.map_or_else(PathBuf::new, Path::to_path_buf))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sh, which ends the server when this process is killed")?;
        self.guard = Some(guard);
        Ok(())
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Sends the signal and waits for the end.
    pub fn stop(mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(mut guard) = self.guard.take() {
            // It may have ended by itself; nothing depends on it any more.
            let _ = guard.kill();
            let _ = guard.wait();
        }
        if self.has_ended() {
            return Ok(());
        }
        kill_process(self.pid, signal)?;
        let until = Instant::now() + STOP_WITHIN;
        while !self.has_ended() {
            if Instant::now() > until {
                self.child.kill()?;
                self.child.wait()?;
                bail!("the server did not stop within {} s and was killed", STOP_WITHIN.as_secs());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

/// Waits until `ready` says so; `ended` is asked in between.
///
/// # Errors
/// When the server ends, or the time does.
pub(crate) fn wait_until_ready(
    process: &mut Process,
    mut ready: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    let until = Instant::now() + READY_WITHIN;
    loop {
        if ready() {
            return Ok(());
        }
        if process.has_ended() {
            bail!("the server ended instead of becoming ready");
        }
        if Instant::now() > until {
            bail!("the server was not ready within {} s", READY_WITHIN.as_secs());
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The server that this file of a process number names, when it runs and its command line names the
/// data: numbers are used again.
pub(crate) fn running(pid_file: &Path, data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
    test_kill_process(pid).ok()?;
    let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let ours = String::from_utf8_lossy(&line).contains(&*data.to_string_lossy());
    ours.then_some(pid)
}

/// Stops a server that another process started, and waits until it took its file away.
///
/// # Errors
/// When it does not stop in time or is another user's.
pub(crate) fn stop_other(pid: Pid, signal: Signal, pid_file: &Path) -> anyhow::Result<()> {
    let number = pid.as_raw_nonzero();
    kill_process(pid, signal).with_context(|| format!("cannot stop the process {number}"))?;
    let until = Instant::now() + STOP_WITHIN;
    while pid_file.exists() && test_kill_process(pid).is_ok() {
        if Instant::now() > until {
            bail!("the server, process {number}, did not stop within {} s", STOP_WITHIN.as_secs());
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
