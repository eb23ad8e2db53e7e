//! Writes bits, the lowest first, as RFC 1951, section 3.1.1 packs them. Up to 63 bits wait in a
//! word, which goes out eight bytes at a time; so the place behind the last byte needs eight more.

use crate::cells::Buf;

/// Bytes that a flush may touch behind those that it writes.
const FLUSH_BYTES: usize = 8;
/// Bits that may stay in the word after a flush.
pub const LEFT_BITS_MAX: u32 = 7;

/// Fewer than eight bits that did not make a byte yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rest {
    word: u64,
    bits: u32,
}

impl Rest {
    /// True when all is in whole bytes.
    pub fn is_empty(self) -> bool {
        self.bits == 0
    }
}

/// Room for a number of bits that was computed before.
pub struct Bits<'a> {
    room: &'a mut [u8],
    at: usize,
    word: u64,
    bits: u32,
}

impl Bits<'_> {
    /// Continues `into` after `rest` by what `write` writes, which is at most `bits` bits.
    pub fn write(into: &mut Buf, rest: Rest, bits: u64, write: impl FnOnce(&mut Bits<'_>)) -> Rest {
        let room = into.room((bits / 8) as usize + 2 * FLUSH_BYTES);
        let mut bits = Bits { room, at: 0, word: rest.word, bits: rest.bits };
        write(&mut bits);
        bits.flush();
        let Bits { at, word, bits, .. } = bits;
        into.advance(at);
        Rest { word, bits }
    }

    /// Adds bits to the word. Between two flushes at most 64 less `LEFT_BITS_MAX` fit.
    #[inline(always)]
    pub fn put(&mut self, value: u32, bits: u32) {
        debug_assert!(self.bits + bits < u64::BITS);
        self.word |= u64::from(value) << (self.bits & 63);
        self.bits += bits;
    }

    /// Moves the word's whole bytes out.
    #[inline(always)]
    pub fn flush(&mut self) {
        self.room[self.at..][..FLUSH_BYTES].copy_from_slice(&self.word.to_le_bytes());
        self.at += (self.bits / 8) as usize;
        self.word >>= self.bits & !LEFT_BITS_MAX & 63;
        self.bits &= LEFT_BITS_MAX;
    }

    /// Fills the last byte with zeros.
    pub fn align(&mut self) {
        self.bits = self.bits.next_multiple_of(8);
        self.flush();
    }

    /// Writes whole bytes. Only after `align`.
    pub fn bytes(&mut self, bytes: &[u8]) {
        debug_assert!(self.bits == 0);
        self.room[self.at..][..bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}
