//! The gzip frame (RFC 1952) around deflate blocks: one member, so that every reader, also one
//! that stops after the first member, gets the whole file.

use super::deflate::{LAST_BLOCK, Sum};

/// Magic, deflate, no flags, no time, no hint, unknown system: the same rows give the same bytes.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Closes the stream: the last block, the checksum, and the length modulo 2^32.
pub(crate) fn trailer(sum: &Sum) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&LAST_BLOCK);
    bytes[2..6].copy_from_slice(&sum.crc32().to_le_bytes());
    bytes[6..].copy_from_slice(&(sum.raw_bytes as u32).to_le_bytes());
    bytes
}
