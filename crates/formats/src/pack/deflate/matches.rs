//! Finds repetitions, quickly rather than all of them. A table remembers where six bytes with the
//! same hash stood last; two neighbouring positions are looked up at a time without a branch, and
//! of their candidates the longer wins. What a repetition covers is entered in part only.
//!
//! What comes out are sequences: a run of literals, then a match. Prefix codes are not here.

use super::symbols::{self, DISTANCES, LENGTH_MAX};

/// Farthest distance of a match, in bytes.
const WINDOW_BYTES: u16 = 1 << 15;
/// Shortest match. That six bytes are hashed leaves few shorter ones to be found, and among texts
/// of numbers those would take more bits than their literals.
const MATCH_BYTES_MIN: usize = 4;
const HASHED_BYTES: u32 = 6;
const TABLE_BITS: u32 = 15;
/// Positions that are looked up together.
const STEP: usize = 2;
/// After this many literals in a row each step becomes longer by one: bytes that do not repeat
/// are passed quickly.
const LITERALS_PER_SKIP: usize = 128;
/// The end of the input is not searched, so that words may be read anywhere before.
const TAIL_BYTES: usize = 32;
/// Literals of a part, and what may be copied or skipped past its end.
const LITERAL_BYTES: usize = PART_BYTES_MAX + COPIED_BYTES;
/// Literals are copied so many at a time.
const COPIED_BYTES: usize = 16;

/// Most sequences of a part: all matches as short as can be, and the last.
const SEQUENCES_MAX: usize = PART_BYTES_MAX / 3 + 1;

/// A part ends at the first match that reaches here.
const PART_BYTES: usize = PART_BYTES_MAX - LENGTH_MAX - STEP;
/// Longest part, so that one stored block can hold it.
pub const PART_BYTES_MAX: usize = 65_535;

/// A run of literals and the match that follows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Literals before the match.
    pub literals: u16,
    /// Length of the match; 0 in the last sequence of a part, which has none.
    pub length: u16,
    /// Distance of the match, less one.
    pub distance: u16,
}

/// What was found in a part, and how often what occurs.
#[derive(Debug)]
pub struct Part {
    sequences: Box<[Sequence; SEQUENCES_MAX]>,
    sequence_count: usize,
    literals: Box<[u8; LITERAL_BYTES]>,
    literal_bytes: usize,
    /// How often each length occurs.
    pub lengths: [u32; LENGTH_MAX + 1],
    /// How often each symbol of a distance occurs.
    pub distances: [u32; DISTANCES],
}

impl Default for Part {
    fn default() -> Self {
        Self {
            sequences: zeros(),
            sequence_count: 0,
            literals: zeros(),
            literal_bytes: 0,
            lengths: [0; LENGTH_MAX + 1],
            distances: [0; DISTANCES],
        }
    }
}

/// An array that never stands on the stack.
fn zeros<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    let zeros = vec![T::default(); N].into_boxed_slice();
    // Cannot fail because the slice has N elements.
    zeros.try_into().unwrap_or_else(|_| unreachable!("a slice of N elements is an array of N"))
}

impl Part {
    pub fn clear(&mut self) {
        self.sequence_count = 0;
        self.literal_bytes = 0;
        self.lengths.fill(0);
        self.distances.fill(0);
    }

    /// The sequences, of which the last has no match.
    pub fn sequences(&self) -> &[Sequence] {
        &self.sequences[..self.sequence_count]
    }

    /// The literals of all sequences.
    pub fn literals(&self) -> &[u8] {
        &self.literals[..self.literal_bytes]
    }

    /// How often each byte is a literal. Four counters take turns, because one would have to wait
    /// for itself where a byte repeats.
    pub fn literal_counts(&self) -> [u32; 256] {
        let mut counts = [[0u32; 256]; 4];
        let (fours, rest) = self.literals().as_chunks::<4>();
        for four in fours {
            for (count, byte) in counts.iter_mut().zip(four) {
                count[usize::from(*byte)] += 1;
            }
        }
        for byte in rest {
            counts[0][usize::from(*byte)] += 1;
        }
        std::array::from_fn(|byte| counts.iter().map(|count| count[byte]).sum())
    }

    /// Adds `raw[from..to]` as literals and then a match.
    #[inline(always)]
    pub fn push(&mut self, raw: &[u8], from: usize, to: usize, length: usize, distance: u16) {
        self.copy_literals(raw, from, to);
        let literals = (to - from) as u16;
        self.sequences[self.sequence_count] =
            Sequence { literals, length: length as u16, distance };
        self.sequence_count += 1;
        self.lengths[length] += 1;
        self.distances[symbols::distance(distance)] += 1;
    }

    /// Adds the literals that end a part.
    pub fn push_last(&mut self, raw: &[u8], from: usize, to: usize) {
        self.copy_literals(raw, from, to);
        let literals = (to - from) as u16;
        self.sequences[self.sequence_count] = Sequence { literals, length: 0, distance: 0 };
        self.sequence_count += 1;
    }

    #[inline(always)]
    fn copy_literals(&mut self, raw: &[u8], from: usize, to: usize) {
        let (at, bytes) = (self.literal_bytes, to - from);
        self.literal_bytes += bytes;
        if bytes <= COPIED_BYTES
            && let Some(into) = self.literals[at..].first_chunk_mut::<COPIED_BYTES>()
            && let Some(text) = raw[from..].first_chunk()
        {
            *into = *text;
        } else {
            self.literals[at..at + bytes].copy_from_slice(&raw[from..to]);
        }
    }
}

/// The table of a thread, kept between inputs for its memory only.
#[derive(Debug)]
pub struct Finder {
    /// The low halves of positions. What they leave open does not matter: a candidate is compared
    /// before it is believed, and one that was never entered is the first byte or out of reach.
    table: Box<[u16; 1 << TABLE_BITS]>,
}

impl Default for Finder {
    fn default() -> Self {
        Self { table: zeros() }
    }
}

impl Finder {
    /// Forgets the input before, so that the same input gives the same sequences.
    pub fn clear(&mut self) {
        self.table.fill(0);
    }

    /// Finds the sequences of the part that starts at `start`. Returns where it ends.
    #[inline(never)]
    pub fn part(&mut self, raw: &[u8], start: usize, part: &mut Part) -> usize {
        part.clear();
        let soft_end = raw.len().min(start + PART_BYTES);
        let last = soft_end.min(raw.len().saturating_sub(TAIL_BYTES));
        let (mut at, mut literals) = (start, start);
        while at < last {
            let Some(found) = self.look(raw, at) else {
                at += STEP + (at - literals) / LITERALS_PER_SKIP;
                continue;
            };
            let begin = at + found.offset;
            let length = length(raw, begin - 1 - usize::from(found.distance), begin);
            part.push(raw, literals, begin, length, found.distance);
            at = begin + length;
            literals = at;
            // What follows the looked-up positions, and the last two before what follows.
            self.enter(raw, begin + STEP - found.offset);
            self.enter(raw, at - 1);
            self.enter(raw, at - 2);
        }
        let end = literals.max(soft_end);
        part.push_last(raw, literals, end);
        end
    }

    /// Looks up and enters the positions from `at`. Answers the best of their candidates, if any.
    #[inline(always)]
    fn look(&mut self, raw: &[u8], at: usize) -> Option<Candidate> {
        let near = raw[at..].first_chunk::<{ STEP + 7 }>()?;
        let mut best = 0;
        for offset in 0..STEP {
            let at = at + offset;
            let word = load(near, offset)?;
            let slot = &mut self.table[hash(word)];
            let distance = (at as u16).wrapping_sub(*slot);
            *slot = at as u16;
            // There always is a word: no entry is younger than the position, nor before the input.
            let there = load(raw, at.wrapping_sub(usize::from(distance))).unwrap_or(0);
            best = best.max(Candidate::key(word ^ there, distance, offset));
        }
        (best != 0).then(|| Candidate::of(best))
    }

    #[inline(always)]
    fn enter(&mut self, raw: &[u8], at: usize) {
        if let Some(word) = load(raw, at) {
            self.table[hash(word)] = at as u16;
        }
    }
}

/// A match at one of the positions that were looked up together.
struct Candidate {
    offset: usize,
    /// Less one.
    distance: u16,
}

impl Candidate {
    /// A number that is the larger the better the candidate is: by up to seven bytes of length,
    /// then the earlier; 0 is no match. Computed without a branch, because none could be foreseen.
    #[inline(always)]
    fn key(difference: u64, distance: u16, offset: usize) -> u32 {
        let length = (difference | 1 << 63).trailing_zeros() / 8;
        let equal = u32::from(difference as u32 == 0);
        let near = u32::from(distance.wrapping_sub(1) < WINDOW_BYTES);
        let rank = (length * 8 + (STEP - 1 - offset) as u32) << 2 | offset as u32;
        (rank << 16 | u32::from(distance)) & (equal & near).wrapping_neg()
    }

    #[inline(always)]
    fn of(key: u32) -> Self {
        Self { offset: (key >> 16 & 3) as usize, distance: (key as u16).wrapping_sub(1) }
    }
}

#[inline(always)]
fn load(raw: &[u8], at: usize) -> Option<u64> {
    raw.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Multiplies by 2^64 divided by the golden ratio, as Knuth proposes, made odd and prime.
#[inline(always)]
fn hash(word: u64) -> usize {
    let hashed = word << (u64::BITS - 8 * HASHED_BYTES);
    (hashed.wrapping_mul(0x9E37_79B1_85EB_CA87) >> (u64::BITS - TABLE_BITS)) as usize
}

/// How long the match is of which the first bytes are known to be equal. Sixteen bytes are
/// compared at once, which decides most.
#[inline(always)]
fn length(raw: &[u8], earlier: usize, at: usize) -> usize {
    let first = |from: usize| raw[from..].first_chunk().map(|bytes| u128::from_le_bytes(*bytes));
    let (Some(there), Some(here)) = (first(earlier), first(at)) else { return MATCH_BYTES_MIN };
    match there ^ here {
        0 => long(raw, earlier, at),
        difference => difference.trailing_zeros() as usize / 8,
    }
}

/// The same, eight bytes at a time to the longest.
#[inline(never)]
fn long(raw: &[u8], earlier: usize, at: usize) -> usize {
    let here = &raw[at..];
    let here = &here[..here.len().min(LENGTH_MAX)];
    let there = &raw[earlier..][..here.len()];
    let ((heres, here_end), (theres, there_end)) = (here.as_chunks(), there.as_chunks());
    for (number, (here, there)) in heres.iter().zip(theres).enumerate() {
        let difference = u64::from_le_bytes(*here) ^ u64::from_le_bytes(*there);
        if difference != 0 {
            return number * 8 + difference.trailing_zeros() as usize / 8;
        }
    }
    let end = here_end.iter().zip(there_end).take_while(|(here, there)| here == there).count();
    heres.len() * 8 + end
}
