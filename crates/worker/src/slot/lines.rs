//! Lines with a limit to their length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Reads lines. A call that is given up loses nothing: the next one goes on.
pub(crate) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    bytes_max: usize,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Lines of at most `bytes_max` bytes.
    pub(crate) fn new(input: R, bytes_max: usize) -> Self {
        Self { input, line: Vec::new(), bytes_max }
    }

    /// The next line without its end; `None` at the end of the input, also when that cuts a line.
    ///
    /// # Errors
    /// `InvalidData` for a line that is too long.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let found = self.input.fill_buf().await?;
            if found.is_empty() {
                return Ok(None);
            }
            let end = found.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(found.len());
            if self.line.len() + taken > self.bytes_max {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
            }
            self.line.extend_from_slice(&found[..taken]);
            self.input.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_and_capped() {
        let mut lines = Lines::new(&b"one\n\ntwo\ncut"[..], 3);
        for expected in [Some("one"), Some(""), Some("two"), None] {
            let line = lines.next().await.expect("short enough");
            assert_eq!(line.as_deref(), expected.map(str::as_bytes));
        }
        let mut lines = Lines::new(&b"four\n"[..], 3);
        assert_eq!(lines.next().await.expect_err("too long").kind(), io::ErrorKind::InvalidData);
    }
}
