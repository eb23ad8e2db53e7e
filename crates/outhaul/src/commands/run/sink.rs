//! Where the bytes of a run go, and what becomes of them when it does not come to its end.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::output::{self, Target};

/// Bytes that are written together.
const OUTPUT_BYTES: usize = 1 << 20;

/// Where the bytes go. A file gets its name when it is whole; until then it is removed when this is
/// dropped.
pub struct Output {
    target: Target,
    /// Whether there is a file that has not got its name.
    begun: Cell<bool>,
}

impl Output {
    /// Finds out what the name means; nothing is written yet.
    ///
    /// # Errors
    /// As [`Target::of`].
    pub fn open(name: &str) -> anyhow::Result<Self> {
        Ok(Self { target: Target::of(Path::new(name))?, begun: Cell::new(false) })
    }

    /// Opens it. A pipe is waited for until somebody reads it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn sink(&self) -> anyhow::Result<Box<dyn Write + Send>> {
        let file = match &self.target {
            Target::Stdout => {
                let stdout = output::Stdout::new();
                return Ok(Box::new(io::BufWriter::with_capacity(OUTPUT_BYTES, stdout)));
            }
            Target::Direct(path) => {
                let own = path.clone();
                let opened = tokio::task::spawn_blocking(move || output::open_direct(&own)).await?;
                opened.with_context(|| cannot_write(path))?
            }
            Target::Whole(path) => {
                let part = part_of(path);
                let file = output::create_after(&part, path);
                let file = file.with_context(|| cannot_write(&part))?;
                self.begun.set(true);
                file
            }
        };
        Ok(Box::new(io::BufWriter::with_capacity(OUTPUT_BYTES, file)))
    }

    /// Gives the file its name. It is not forced to the disk before: whoever runs a command sees
    /// it end, and makes the file again after a power cut.
    ///
    /// # Errors
    /// When that fails.
    pub fn finish(&self) -> anyhow::Result<()> {
        let Target::Whole(path) = &self.target else { return Ok(()) };
        let part = part_of(path);
        std::fs::rename(&part, path).with_context(|| cannot_write(path))?;
        self.begun.set(false);
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Target::Whole(path) = &self.target
            && self.begun.get()
        {
            std::fs::remove_file(part_of(path)).ok();
        }
    }
}

/// What a file is called until it is whole.
fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    part.into()
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}
