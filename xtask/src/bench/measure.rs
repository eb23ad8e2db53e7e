//! Time and peak memory of one run of a program, and the size of the file it wrote.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// Seconds.
    pub seconds: f64,
    /// Peak of resident memory of the process, in MiB.
    pub peak_mib: f64,
    /// Size of the file, in MiB.
    pub file_mib: f64,
}

/// Runs it to its end, after which `output` is the file it wrote. With `self_timed` the program
/// prints its own seconds.
pub fn measure(
    command: &mut Command,
    self_timed: bool,
    output: &Path,
) -> anyhow::Result<Measurement> {
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot be started")?;
    let mut peak_kib = 0;
    let status = loop {
        peak_kib = peak_kib.max(high_water_kib(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let wall = begun.elapsed().as_secs_f64();
    let mut printed = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut printed)?;
    }
    anyhow::ensure!(status.success(), "{command:?}: {status}");
    let seconds = if self_timed {
        printed.trim().parse().with_context(|| format!("{command:?} printed {printed:?}"))?
    } else {
        wall
    };
    let file = std::fs::metadata(output).with_context(|| format!("{command:?} left no file"))?;
    Ok(Measurement {
        seconds,
        peak_mib: peak_kib as f64 / 1024.0,
        file_mib: file.len() as f64 / f64::from(1 << 20),
    })
}

/// The kernel's own record of the process's peak; 0 once it is gone.
fn high_water_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
