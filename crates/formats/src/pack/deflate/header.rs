//! The description of a block's two codes that stands before its bytes (RFC 1951, section 3.2.7):
//! their lengths, with runs shortened, in a code of their own.

use super::bits::Bits;
use super::codes::Code;
use super::symbols::{DISTANCES, FIRST_LENGTH, LITERALS};

/// Symbols of the code for lengths of codes.
const SYMBOLS: usize = 19;
/// Repeats the length before 3 to 6 times.
const REPEAT: u8 = 16;
/// 3 to 10 symbols without a code.
const ZEROS: u8 = 17;
/// 11 to 138 symbols without a code.
const MANY_ZEROS: u8 = 18;
/// Longest code that three bits can describe.
const BITS_MAX: usize = 7;
/// In which order the lengths of the code for lengths are written: what is rare, last.
const ORDER: [usize; SYMBOLS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const ORDER_MIN: usize = 4;

/// The description of two codes.
#[derive(Debug)]
pub struct Header {
    literals: usize,
    distances: usize,
    ordered: usize,
    /// Symbols with the value of their extra bits.
    symbols: Vec<(u8, u8)>,
    code: Code<SYMBOLS>,
}

impl Header {
    pub fn new(literals: &Code<LITERALS>, distances: &Code<DISTANCES>) -> Self {
        let literals = &literals.lengths[..used(&literals.lengths).max(FIRST_LENGTH)];
        let distances = &distances.lengths[..used(&distances.lengths).max(1)];
        let symbols = shortened(&[literals, distances].concat());
        let mut counts = [0; SYMBOLS];
        for (symbol, _) in &symbols {
            counts[usize::from(*symbol)] += 1;
        }
        let code = Code::best(&counts, BITS_MAX);
        let rare = ORDER.iter().rev().take_while(|symbol| code.lengths[**symbol] == 0).count();
        Self {
            literals: literals.len(),
            distances: distances.len(),
            ordered: (SYMBOLS - rare).max(ORDER_MIN),
            symbols,
            code,
        }
    }

    /// Bits that `write` writes.
    pub fn bits(&self) -> u64 {
        let symbol = |(symbol, _): &(u8, u8)| {
            u64::from(self.code.lengths[usize::from(*symbol)]) + u64::from(extra_bits(*symbol))
        };
        14 + 3 * self.ordered as u64 + self.symbols.iter().map(symbol).sum::<u64>()
    }

    pub fn write(&self, bits: &mut Bits<'_>) {
        bits.put((self.literals - FIRST_LENGTH) as u32, 5);
        bits.put((self.distances - 1) as u32, 5);
        bits.put((self.ordered - ORDER_MIN) as u32, 4);
        bits.flush();
        for symbol in &ORDER[..self.ordered] {
            bits.put(u32::from(self.code.lengths[*symbol]), 3);
            bits.flush();
        }
        for (symbol, extra) in &self.symbols {
            let at = usize::from(*symbol);
            bits.put(u32::from(self.code.codes[at]), u32::from(self.code.lengths[at]));
            bits.put(u32::from(*extra), extra_bits(*symbol));
            bits.flush();
        }
    }
}

fn used(lengths: &[u8]) -> usize {
    lengths.iter().rposition(|length| *length > 0).map_or(0, |last| last + 1)
}

fn extra_bits(symbol: u8) -> u32 {
    match symbol {
        REPEAT => 2,
        ZEROS => 3,
        MANY_ZEROS => 7,
        _ => 0,
    }
}

/// The lengths with their runs shortened, across the border of the two codes too.
fn shortened(lengths: &[u8]) -> Vec<(u8, u8)> {
    let mut symbols = Vec::with_capacity(lengths.len());
    for run in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (run[0], run.len());
        if length > 0 {
            symbols.push((length, 0));
            left -= 1;
        }
        while left >= 3 {
            let (symbol, most, least) = match (length, left) {
                (0, 11..) => (MANY_ZEROS, 138, 11),
                (0, _) => (ZEROS, 10, 3),
                _ => (REPEAT, 6, 3),
            };
            let repeated = left.min(most);
            symbols.push((symbol, (repeated - least) as u8));
            left -= repeated;
        }
        symbols.extend(std::iter::repeat_n((length, 0), left));
    }
    symbols
}
