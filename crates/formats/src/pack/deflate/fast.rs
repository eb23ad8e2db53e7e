//! The encoder of the default level: about as quick as a compressor's fastest level, with files as
//! small as the next ones. The input is cut into parts of some tens of KiB; each becomes a block
//! of RFC 1951 with codes of its own, with the fixed codes, or stored, whichever is smallest.
//!
//! It learned from libdeflate's and igzip's fastest levels that the choice of the codes after the
//! matches costs little and saves much, and from LZ4 to pass quickly what does not repeat.

use std::sync::LazyLock;

use super::bits::{Bits, Rest};
use super::codes::Code;
use super::header::Header;
use super::matches::{Finder, PART_BYTES_MAX, Part, Sequence};
use super::symbols::{self, DISTANCES, END, LENGTH_MAX, LITERALS};
use crate::cells::Buf;

/// Kinds of blocks, after the bit that says that a block is not the last.
const STORED: u32 = 0;
const FIXED: u32 = 1 << 1;
const DYNAMIC: u32 = 2 << 1;
const KIND_BITS: u32 = 3;

/// Codes of literals are no longer than this, so that four fit in a word between two flushes. The
/// limit bites in blocks of thousands of symbols where one is as rare as one in 16,000.
const LITERAL_BITS_MAX: usize = 14;
const DISTANCE_BITS_MAX: usize = 15;

static FIXED_LITERALS: LazyLock<Code<LITERALS>> = LazyLock::new(|| {
    Code::of(std::array::from_fn(|symbol| match symbol {
        0..144 | 280.. => 8,
        144..256 => 9,
        256..280 => 7,
    }))
});
static FIXED_DISTANCES: LazyLock<Code<DISTANCES>> = LazyLock::new(|| Code::of([5; DISTANCES]));

/// State of one thread. What it holds between inputs is memory, nothing else.
#[derive(Debug, Default)]
pub struct Fast {
    finder: Finder,
    part: Part,
}

impl Fast {
    /// Compresses `raw`, and ends on the border of a byte with no block marked as the last.
    pub fn compress(&mut self, raw: &[u8], into: &mut Buf) {
        self.finder.clear();
        let mut rest = Rest::default();
        let mut start = 0;
        while start < raw.len() {
            let end = self.finder.part(raw, start, &mut self.part);
            rest = write_part(&self.part, &raw[start..end], into, rest);
            start = end;
        }
        if !rest.is_empty() {
            write_stored(&[], into, rest);
        }
    }
}

/// Writes a part as the smallest of the three kinds of blocks.
pub(super) fn write_part(part: &Part, raw: &[u8], into: &mut Buf, rest: Rest) -> Rest {
    let counts = Counts::of(part);
    let literals = Code::best(&counts.literals, LITERAL_BITS_MAX);
    let distances = Code::best(&part.distances, DISTANCE_BITS_MAX);
    let header = Header::new(&literals, &distances);
    let dynamic = counts.bits(&literals, &distances) + header.bits();
    let fixed = counts.bits(&FIXED_LITERALS, &FIXED_DISTANCES);
    let stored = stored_bits(raw.len());
    if stored <= dynamic.min(fixed) {
        return write_stored(raw, into, rest);
    }
    Bits::write(into, rest, dynamic.min(fixed), |bits| {
        if fixed <= dynamic {
            bits.put(FIXED, KIND_BITS);
            write_sequences(part, &Words::new(&FIXED_LITERALS, &FIXED_DISTANCES), bits);
        } else {
            bits.put(DYNAMIC, KIND_BITS);
            header.write(bits);
            write_sequences(part, &Words::new(&literals, &distances), bits);
        }
    })
}

/// How often each symbol occurs in a part, its end included.
struct Counts<'a> {
    literals: [u32; LITERALS],
    distances: &'a [u32; DISTANCES],
    extra_bits: u64,
}

impl<'a> Counts<'a> {
    fn of(part: &'a Part) -> Self {
        let mut literals = [0; LITERALS];
        literals[..256].copy_from_slice(&part.literal_counts());
        literals[END] = 1;
        let mut extra_bits = 0;
        for (length, count) in part.lengths.iter().enumerate().skip(3) {
            let (symbol, _, extra) = symbols::length(length);
            literals[symbol] += count;
            extra_bits += u64::from(*count) * u64::from(extra);
        }
        for (symbol, count) in part.distances.iter().enumerate() {
            extra_bits += u64::from(*count) * u64::from(symbols::distance_extra(symbol));
        }
        Self { literals, distances: &part.distances, extra_bits }
    }

    /// Bits of the block in these codes, without their description.
    fn bits(&self, literals: &Code<LITERALS>, distances: &Code<DISTANCES>) -> u64 {
        let symbols = literals.cost(&self.literals) + distances.cost(self.distances);
        u64::from(KIND_BITS) + symbols + self.extra_bits
    }
}

/// What is written, ready: bits in the upper part, their number in the lowest byte.
struct Words {
    literals: [u32; 256],
    end: u32,
    /// With the extra bits.
    lengths: [u32; LENGTH_MAX + 1],
    /// Without the extra bits, whose number is in the second byte.
    distances: [u32; DISTANCES],
}

impl Words {
    fn new(literals: &Code<LITERALS>, distances: &Code<DISTANCES>) -> Self {
        let literal = |symbol: usize| {
            u32::from(literals.codes[symbol]) << 8 | u32::from(literals.lengths[symbol])
        };
        let length = |length: usize| {
            if length < 3 {
                return 0;
            }
            let (symbol, extra, extra_bits) = symbols::length(length);
            let bits = u32::from(literals.lengths[symbol]);
            (u32::from(literals.codes[symbol]) | extra << bits) << 8 | (bits + extra_bits)
        };
        let distance = |symbol: usize| {
            let code = u32::from(distances.codes[symbol]) << 16;
            code | symbols::distance_extra(symbol) << 8 | u32::from(distances.lengths[symbol])
        };
        Self {
            literals: std::array::from_fn(literal),
            end: literal(END),
            lengths: std::array::from_fn(length),
            distances: std::array::from_fn(distance),
        }
    }
}

/// Writes the sequences of a part and the end of the block.
fn write_sequences(part: &Part, words: &Words, bits: &mut Bits<'_>) {
    bits.flush();
    let mut literals = part.literals();
    for sequence in part.sequences() {
        let (run, rest) = literals.split_at(usize::from(sequence.literals));
        literals = rest;
        write_literals(run, words, bits);
        if sequence.length != 0 {
            write_match(*sequence, words, bits);
        }
    }
    put_word(words.end, bits);
    bits.flush();
}

#[inline(always)]
fn write_literals(run: &[u8], words: &Words, bits: &mut Bits<'_>) {
    let (fours, rest) = run.as_chunks::<4>();
    for four in fours {
        for byte in four {
            put_word(words.literals[usize::from(*byte)], bits);
        }
        bits.flush();
    }
    for byte in rest {
        put_word(words.literals[usize::from(*byte)], bits);
    }
    bits.flush();
}

#[inline(always)]
fn write_match(sequence: Sequence, words: &Words, bits: &mut Bits<'_>) {
    put_word(words.lengths[usize::from(sequence.length)], bits);
    let word = words.distances[symbols::distance(sequence.distance)];
    let (code, extra_bits, code_bits) = (word >> 16, word >> 8 & 0xFF, word & 0xFF);
    let extra = u32::from(sequence.distance) & ((1 << extra_bits) - 1);
    bits.put(code | extra << code_bits, code_bits + extra_bits);
    bits.flush();
}

#[inline(always)]
fn put_word(word: u32, bits: &mut Bits<'_>) {
    bits.put(word >> 8, word & 0xFF);
}

/// Most bits of a stored block of so many bytes, those to the border of a byte included.
fn stored_bits(bytes: usize) -> u64 {
    8 * (1 + 2 + 2 + bytes as u64)
}

/// Writes a stored block, which ends on the border of a byte. An empty one is what zlib calls a
/// sync flush.
fn write_stored(raw: &[u8], into: &mut Buf, rest: Rest) -> Rest {
    debug_assert!(raw.len() <= PART_BYTES_MAX);
    let len = raw.len() as u16;
    Bits::write(into, rest, stored_bits(raw.len()), |bits| {
        bits.put(STORED, KIND_BITS);
        bits.align();
        bits.bytes(&len.to_le_bytes());
        bits.bytes(&(!len).to_le_bytes());
        bits.bytes(raw);
    })
}
