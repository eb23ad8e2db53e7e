//! Hashes what passes through: SHA-256 of the whole, CRC-32 of each block, and the length.

use crc32fast::Hasher;
use outhaul_exports::manifest::BLOCK_BYTES;
use outhaul_exports::ports::Written;
use sha2::{Digest as _, Sha256};

/// The running hashes of an object that is being written.
#[derive(Default)]
pub(crate) struct Digest {
    whole: Sha256,
    block: Hasher,
    in_block: u64,
    blocks: Vec<u32>,
    bytes: u64,
}

impl Digest {
    /// Adds bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - self.in_block;
            let (now, later) = bytes.split_at(bytes.len().min(room as usize));
            self.block.update(now);
            self.in_block += now.len() as u64;
            if self.in_block == BLOCK_BYTES {
                self.close_block();
            }
            bytes = later;
        }
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was written in all.
    pub(crate) fn finish(mut self) -> Written {
        if self.in_block > 0 {
            self.close_block();
        }
        Written {
            bytes: self.bytes,
            sha256: hex::encode(self.whole.finalize()),
            block_crc32: self.blocks,
        }
    }

    fn close_block(&mut self) {
        self.blocks.push(std::mem::take(&mut self.block).finalize());
        self.in_block = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_give_the_same_hashes() {
        let block = usize::try_from(BLOCK_BYTES).expect("it fits");
        let data: Vec<u8> = (0..block * 2 + 17).map(|i| (i % 251) as u8).collect();
        let mut once = Digest::default();
        once.update(&data);
        let once = once.finish();
        assert_eq!(once.bytes, data.len() as u64);
        assert_eq!(once.block_crc32.len(), 3);
        assert_eq!(once.block_crc32[2], crc32fast::hash(&data[block * 2..]));
        assert_eq!(once.sha256, hex::encode(Sha256::digest(&data)));
        for size in [1_000, block - 1, block, block + 1] {
            let mut digest = Digest::default();
            data.chunks(size).for_each(|piece| digest.update(piece));
            assert_eq!(digest.finish(), once, "pieces of {size}");
        }
    }

    #[test]
    fn nothing_has_no_blocks() {
        let nothing = Digest::default().finish();
        assert_eq!((nothing.bytes, nothing.block_crc32.len()), (0, 0));
    }
}
