//! The password of an export's files, from a file of one line: on the command line itself every
//! user of the machine would see it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context;
use outhaul_exports::limits::FILE_PASSWORD_CHARS_MAX;
use outhaul_exports::password::Password;

use crate::exit::{Code, Exit};

/// The password that is the first line of a file.
///
/// # Errors
/// When the file cannot be read, or its first line is no password.
pub fn read(file: &Path) -> anyhow::Result<Password> {
    let mut text = Vec::new();
    // In UTF-8 a character has four bytes at most; a line too long is seen by what follows.
    let most = FILE_PASSWORD_CHARS_MAX as u64 * 4 + 2;
    let read = File::open(file).and_then(|opened| opened.take(most).read_to_end(&mut text));
    read.with_context(|| format!("cannot read {}", file.display()))?;
    let wrong = |problem: &str| {
        Exit::new(Code::Usage, format!("--password-file {}: {problem}", file.display()))
    };
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| wrong("it is not text in UTF-8"))?;
    Ok(Password::new(text).map_err(|error| wrong(error.public()))?)
}
