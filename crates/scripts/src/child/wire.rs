//! The two pipes, from the script's side.

use std::io::{self, BufRead, BufReader, Stdin, Stdout, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads and writes lines of JSON.
pub(super) struct Wire {
    input: BufReader<Stdin>,
    output: Stdout,
}

impl Wire {
    pub(super) fn standard() -> Self {
        Self { input: BufReader::new(io::stdin()), output: io::stdout() }
    }

    /// Says one thing.
    pub(super) fn say(&mut self, what: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        let mut output = self.output.lock();
        output.write_all(&line)?;
        output.flush()
    }

    /// Waits for one thing.
    pub(super) fn hear<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut line = Vec::new();
        self.input.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&line)?)
    }

    /// Waits until the other side has gone, or ends this process.
    pub(super) fn wait_for_the_end(&mut self) {
        let mut rest = Vec::new();
        while matches!(self.input.read_until(b'\n', &mut rest), Ok(count) if count > 0) {
            rest.clear();
        }
    }
}
