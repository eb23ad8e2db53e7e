//! The byte buffer every text encoder writes into. A `Vec` checks its capacity on each push and
//! copies short pieces through `memcpy`; here the bytes exist already, so a cell is a few
//! fixed-size stores and one addition. The buffer is recycled between chunks, so that its memory
//! is zeroed and faulted in once.

use std::io;

/// Smallest step by which the buffer grows, in bytes.
const GROW_BYTES_MIN: usize = 64 * 1024;

/// A growing buffer whose first `len` bytes are written.
#[derive(Debug, Default)]
pub struct Buf {
    bytes: Vec<u8>,
    len: usize,
}

impl Buf {
    /// What has been written.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// How many bytes have been written.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nothing has been written.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets what was written and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Cuts back to an earlier length.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Puts another byte in the place of one that was written.
    #[inline(always)]
    pub fn replace(&mut self, at: usize, byte: u8) {
        debug_assert!(at < self.len);
        self.bytes[at] = byte;
    }

    /// Puts bytes before all that was written, which moves.
    pub fn prepend(&mut self, bytes: &[u8]) {
        self.room(bytes.len());
        self.bytes.copy_within(..self.len, bytes.len());
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// The writable rest, at least `bytes` long.
    #[inline(always)]
    pub fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < bytes {
            self.grow(bytes);
        }
        &mut self.bytes[self.len..]
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) {
        let wanted = (self.len + bytes).max(self.bytes.len() * 2).max(GROW_BYTES_MIN);
        self.bytes.resize(wanted, 0);
    }

    /// Counts `bytes` of the room as written.
    #[inline(always)]
    pub fn advance(&mut self, bytes: usize) {
        debug_assert!(self.len + bytes <= self.bytes.len());
        self.len += bytes;
    }

    /// Writes one byte.
    #[inline(always)]
    pub fn byte(&mut self, byte: u8) {
        self.room(1)[0] = byte;
        self.len += 1;
    }

    /// Writes a text whose length is known at compile time.
    #[inline(always)]
    pub fn fixed<const N: usize>(&mut self, text: &[u8; N]) {
        self.room(N)[..N].copy_from_slice(text);
        self.len += N;
    }

    /// Writes a text. Up to 32 bytes go as two overlapping stores, without calling `memcpy`.
    #[inline(always)]
    pub fn slice(&mut self, text: &[u8]) {
        let len = text.len();
        let room = self.room(len);
        copy_short(&mut room[..len], text);
        self.len += len;
    }
}

#[inline(always)]
fn copy_short(to: &mut [u8], from: &[u8]) {
    let len = from.len();
    if len > 32 || to.len() != len {
        to.copy_from_slice(from);
    } else if len >= 16 {
        to[..16].copy_from_slice(&from[..16]);
        to[len - 16..].copy_from_slice(&from[len - 16..]);
    } else if len >= 8 {
        to[..8].copy_from_slice(&from[..8]);
        to[len - 8..].copy_from_slice(&from[len - 8..]);
    } else if len >= 4 {
        to[..4].copy_from_slice(&from[..4]);
        to[len - 4..].copy_from_slice(&from[len - 4..]);
    } else {
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
    }
}

impl io::Write for Buf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_length_is_copied_exactly() {
        let source: Vec<u8> = (0..=100).collect();
        for len in 0..=100 {
            let mut buf = Buf::default();
            buf.byte(b'<');
            buf.slice(&source[..len]);
            buf.byte(b'>');
            assert_eq!(buf.len(), len + 2);
            assert_eq!(&buf.as_slice()[1..=len], &source[..len]);
        }
    }

    #[test]
    fn bytes_are_put_before_and_in_place_of_others() {
        let mut buf = Buf::default();
        buf.prepend(b"");
        buf.slice(b"lock");
        buf.prepend(b"a b");
        buf.replace(1, b'-');
        assert_eq!(buf.as_slice(), b"a-block");
    }

    #[test]
    fn a_recycled_buffer_shows_nothing_of_its_past() {
        let mut buf = Buf::default();
        buf.slice(b"secret");
        buf.clear();
        buf.slice(b"ab");
        assert_eq!(buf.as_slice(), b"ab");
    }
}
