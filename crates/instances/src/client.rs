//! Running a client or a tool of a server to its end.

use std::io::{Seek, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Runs a command on a text as its standard input, and gives its output without the last line end.
///
/// # Errors
/// When the command cannot be started or fails; the error carries what it said.
pub(crate) fn run(mut command: Command, input: &str) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    // A file, and not a pipe: nobody has to write while somebody reads.
    let mut file = tempfile::tempfile()?;
    file.write_all(input.as_bytes())?;
    file.rewind()?;
    let output = command
        .stdin(Stdio::from(file))
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed ({}): {}", output.status, said.trim());
    }
    let mut text = String::from_utf8(output.stdout)
        .with_context(|| format!("{program} wrote something that is not UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}
