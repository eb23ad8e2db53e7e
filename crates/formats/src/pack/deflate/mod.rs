//! Raw deflate in blocks that are compressed apart and joined afterwards. Each block ends with a
//! sync flush, that is on a byte boundary and not marked as the last, so that blocks of any number
//! of threads follow one another in one valid stream; an empty last block closes it. Their CRC-32
//! values are combined without reading the bytes again.
//!
//! Blocks share no window: at a megabyte each, that costs about one part in a thousand.
//!
//! The default level has an encoder of its own, `fast`; the others are zlib-rs.

mod bits;
mod codes;
mod fast;
mod header;
mod matches;
mod symbols;

use flate2::{Compress, Compression, FlushCompress, Status};

use self::fast::Fast;
use crate::cells::Buf;
use crate::error::{Error, Result};

/// The empty block that closes a deflate stream.
pub const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// Bytes one stored block can hold.
const STORED_BYTES_MAX: usize = 65_535;

/// Compressed bytes that may stand anywhere in a deflate stream.
#[derive(Debug)]
pub struct Block {
    bytes: Buf,
    raw_bytes: u64,
    crc: crc32fast::Hasher,
}

impl Block {
    /// The compressed bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// Length before compression.
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// The compressed bytes in their buffer.
    pub(crate) fn into_bytes(self) -> Buf {
        self.bytes
    }

    /// Gives the buffer back for reuse.
    pub fn into_buf(mut self) -> Buf {
        self.bytes.clear();
        self.bytes
    }
}

/// Length and CRC-32 of a stream, built up block by block.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    crc: crc32fast::Hasher,
    pub(crate) raw_bytes: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, block: &Block) {
        self.crc.combine(&block.crc);
        self.raw_bytes += block.raw_bytes;
    }

    pub(crate) fn crc32(&self) -> u32 {
        self.crc.clone().finalize()
    }
}

/// How hard to compress: 1 is fastest, 9 is smallest; 0 stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(u32);

impl Default for Level {
    fn default() -> Self {
        Self::FAST
    }
}

impl Level {
    /// For bytes that are compressed already.
    pub const STORE: Self = Self(0);
    /// The default: the best exchange of time for size on tables of text.
    pub const FAST: Self = Self(DEFAULT_LEVEL);

    /// # Errors
    /// `Option` when the level is not in 1 to 9.
    pub fn new(level: u32) -> Result<Self> {
        if !(1..=9).contains(&level) {
            return Err(Error::Option {
                option: "level",
                problem: format!("{level} is not a level from 1 (fastest) to 9 (smallest)"),
            });
        }
        Ok(Self(level))
    }
}

/// The level of `fast`, which takes its place among zlib-rs's: level 1 is as quick and makes files
/// by two fifths larger; level 3 takes twice as long for a twentieth.
const DEFAULT_LEVEL: u32 = 2;

/// Compressor state of one thread, kept between blocks.
#[derive(Debug, Default)]
pub struct Deflater {
    state: Option<(u32, Compress)>,
    fast: Option<Box<Fast>>,
}

impl Deflater {
    /// Compresses `raw` into `into`, which is emptied first.
    ///
    /// # Errors
    /// `Usage` when the compressor stops making progress, which its contract rules out.
    pub fn block(&mut self, raw: &[u8], level: Level, mut into: Buf) -> Result<Block> {
        into.clear();
        match level {
            Level::STORE => store(raw, &mut into),
            Level::FAST => self.fast.get_or_insert_default().compress(raw, &mut into),
            _ => self.compress(raw, level, &mut into)?,
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(raw);
        Ok(Block { bytes: into, raw_bytes: raw.len() as u64, crc })
    }

    fn compress(&mut self, raw: &[u8], Level(level): Level, into: &mut Buf) -> Result<()> {
        if raw.is_empty() {
            return Ok(());
        }
        let state = match &mut self.state {
            Some((known, state)) if *known == level => {
                state.reset();
                state
            }
            slot => &mut slot.insert((level, Compress::new(Compression::new(level), false))).1,
        };
        loop {
            let taken = state.total_in() as usize;
            let made = state.total_out();
            // A quarter of what is left is a common size; a little more room than that lets most
            // blocks finish in one call, and the loop asks again when it was not enough.
            let wanted = (raw.len() - taken) / 3 + 4_096;
            let room = into.room(wanted);
            let offered = room.len();
            let status = state
                .compress(&raw[taken..], room, FlushCompress::Sync)
                .map_err(|_| Error::Usage("the compressor refused a block"))?;
            let written = (state.total_out() - made) as usize;
            into.advance(written);
            let all_taken = state.total_in() as usize == raw.len();
            // Room left over means that the flush is complete.
            if all_taken && written < offered {
                return Ok(());
            }
            if written == 0 && status == Status::BufError {
                return Err(Error::Usage("the compressor made no progress"));
            }
        }
    }
}

/// Stored blocks: the bytes as they are, in the frame that keeps the stream self-describing.
fn store(raw: &[u8], into: &mut Buf) {
    for part in raw.chunks(STORED_BYTES_MAX) {
        let len = part.len() as u16;
        into.byte(0);
        into.fixed(&len.to_le_bytes());
        into.fixed(&(!len).to_le_bytes());
        into.slice(part);
    }
}

#[cfg(test)]
mod tests;
