//! Prefix codes: lengths of the best code for given frequencies, no longer than a limit, and the
//! canonical code of given lengths (RFC 1951, section 3.2.2).

use super::symbols::LITERALS;

/// Longest code that the format can describe.
const BITS_MAX: usize = 15;

/// A prefix code over `N` symbols.
#[derive(Debug, Clone)]
pub struct Code<const N: usize> {
    /// Bits of each symbol's code; 0 where the symbol has none.
    pub lengths: [u8; N],
    /// The codes, their first bit lowest, as they are written.
    pub codes: [u16; N],
}

impl<const N: usize> Code<N> {
    /// The best code of at most `bits_max` bits, or one nearly as good where the limit bites.
    /// At least two symbols get one, so that no reader meets an incomplete code.
    pub fn best(frequencies: &[u32; N], bits_max: usize) -> Self {
        Self::of(lengths(frequencies, bits_max))
    }

    /// The canonical code: in order of length, then of symbol.
    pub fn of(lengths: [u8; N]) -> Self {
        let mut of_length = [0u16; BITS_MAX + 1];
        for length in lengths {
            of_length[usize::from(length)] += 1;
        }
        of_length[0] = 0;
        let mut next = [0u16; BITS_MAX + 1];
        for bits in 1..=BITS_MAX {
            next[bits] = (next[bits - 1] + of_length[bits - 1]) << 1;
        }
        let mut codes = [0; N];
        for (code, length) in codes.iter_mut().zip(lengths) {
            if length > 0 {
                let next = &mut next[usize::from(length)];
                *code = next.reverse_bits() >> (u16::BITS - u32::from(length));
                // The last code of fifteen bits is all ones: its successor still fits.
                *next += 1;
            }
        }
        Self { lengths, codes }
    }

    /// Bits that so many of each symbol take, without extra bits.
    pub fn cost(&self, frequencies: &[u32; N]) -> u64 {
        let bits = |(frequency, length): (&u32, &u8)| u64::from(*frequency) * u64::from(*length);
        frequencies.iter().zip(&self.lengths).map(bits).sum()
    }
}

fn lengths<const N: usize>(frequencies: &[u32; N], bits_max: usize) -> [u8; N] {
    let mut lengths = [0; N];
    // The symbol in the low half: one sort orders by frequency and, where equal, by symbol.
    let mut keys = [0u64; LITERALS];
    let mut used = 0;
    for (symbol, frequency) in frequencies.iter().enumerate() {
        if *frequency > 0 {
            keys[used] = u64::from(*frequency) << 32 | symbol as u64;
            used += 1;
        }
    }
    if used < 2 {
        let only = keys[0] as u32 as usize;
        lengths[only] = 1;
        lengths[usize::from(only == 0)] = 1;
        return lengths;
    }
    let keys = &mut keys[..used];
    keys.sort_unstable();
    let mut of_length = depths(keys);
    limit(&mut of_length, bits_max);
    let mut rarest_first = keys.iter();
    for bits in (1..=bits_max).rev() {
        for key in rarest_first.by_ref().take(of_length[bits] as usize) {
            lengths[*key as u32 as usize] = bits as u8;
        }
    }
    lengths
}

/// Deepest leaf that any block's frequencies can make; see the test with Fibonacci's numbers.
const DEPTH_MAX: usize = 47;

/// How many symbols the best code puts at each length. The frequencies, rarest first, are turned
/// in place into parents and then into depths, as Moffat and Katajainen showed in "In-place
/// calculation of minimum-redundancy codes" (1995).
fn depths(keys: &[u64]) -> [u32; DEPTH_MAX + 1] {
    let count = keys.len();
    let mut nodes = [0u64; LITERALS];
    for (node, key) in nodes.iter_mut().zip(keys) {
        *node = key >> 32;
    }
    // Joins the two rarest of the leaves that are left and the nodes without a parent.
    let (mut root, mut leaf) = (0, 0);
    for next in 0..count - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            if leaf < count && (root == next || nodes[leaf] <= nodes[root]) {
                weight += nodes[leaf];
                leaf += 1;
            } else {
                weight += nodes[root];
                nodes[root] = next as u64;
                root += 1;
            }
        }
        nodes[next] = weight;
    }
    // Depths of the inner nodes, from the root down.
    nodes[count - 2] = 0;
    for node in (0..count - 2).rev() {
        nodes[node] = nodes[nodes[node] as usize] + 1;
    }
    // What is not an inner node at a depth is a leaf.
    let mut of_length = [0; DEPTH_MAX + 1];
    let mut inner = nodes[..count - 1].iter().rev().peekable();
    let mut places = 1u32;
    let mut depth = 0;
    while places > 0 {
        let mut parents = 0;
        while inner.next_if(|node| **node == depth as u64).is_some() {
            parents += 1;
        }
        of_length[depth.min(DEPTH_MAX)] += places - parents;
        places = 2 * parents;
        depth += 1;
    }
    of_length
}

/// Shortens what is longer than the limit. Then too many codes are short; the longest of those
/// that can still grow do so until the code is complete again, which costs the fewest bits.
fn limit(of_length: &mut [u32; DEPTH_MAX + 1], bits_max: usize) {
    for bits in bits_max + 1..=DEPTH_MAX {
        of_length[bits_max] += std::mem::take(&mut of_length[bits]);
    }
    let mut taken: u32 = (1..=bits_max).map(|bits| of_length[bits] << (bits_max - bits)).sum();
    while taken > 1 << bits_max {
        // There is one: a code over at most 2^bits_max symbols is not too large at full length.
        let Some(bits) = (1..bits_max).rev().find(|bits| of_length[*bits] > 0) else { return };
        of_length[bits] -= 1;
        of_length[bits + 1] += 2;
        of_length[bits_max] -= 1;
        taken -= 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kraft<const N: usize>(code: &Code<N>) -> u32 {
        code.lengths.iter().filter(|length| **length > 0).map(|length| 1 << (15 - length)).sum()
    }

    /// Bits of the best code without a limit: what each join of the two rarest adds, summed.
    fn best(frequencies: &[u32]) -> u64 {
        let mut left: Vec<u64> =
            frequencies.iter().filter(|one| **one > 0).map(|one| u64::from(*one)).collect();
        let mut bits = 0;
        while left.len() > 1 {
            left.sort_unstable_by(|a, b| b.cmp(a));
            let joined = left.pop().unwrap() + left.pop().unwrap();
            bits += joined;
            left.push(joined);
        }
        bits
    }

    #[test]
    fn codes_are_canonical() {
        // The example of RFC 1951, section 3.2.2; the bits of a code are turned around.
        let code = Code::of([3, 3, 3, 3, 3, 2, 4, 4]);
        let read: Vec<u16> = (code.codes.iter().zip(code.lengths))
            .map(|(code, length)| code.reverse_bits() >> (16 - u32::from(length)))
            .collect();
        assert_eq!(read, [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111]);
    }

    #[test]
    fn fewer_than_two_symbols_still_make_a_complete_code() {
        for frequencies in [[0; 30], std::array::from_fn(|at| u32::from(at == 0))] {
            let code = Code::best(&frequencies, 15);
            assert_eq!((code.lengths[0], code.lengths[1], kraft(&code)), (1, 1, 1 << 15));
        }
        let code = Code::best(&std::array::from_fn::<u32, 30, _>(|at| u32::from(at == 29)), 15);
        assert_eq!((code.lengths[0], code.lengths[29], kraft(&code)), (1, 1, 1 << 15));
    }

    #[test]
    fn fibonaccis_numbers_are_cut_at_every_limit() {
        let mut frequencies = [0u32; 45];
        let mut pair = (1u32, 1u32);
        for frequency in &mut frequencies {
            *frequency = pair.0;
            pair = (pair.1, pair.0.saturating_add(pair.1));
        }
        for bits_max in 6..=15 {
            let code = Code::best(&frequencies, bits_max);
            assert_eq!(usize::from(*code.lengths.iter().max().unwrap()), bits_max);
            assert_eq!(kraft(&code), 1 << 15, "limit {bits_max}");
        }
        // Seven bits are enough for 19 symbols in every case, as the header needs them.
        let code = Code::best(&std::array::from_fn::<u32, 19, _>(|at| 1 << at), 7);
        assert_eq!((*code.lengths.iter().max().unwrap(), kraft(&code)), (7, 1 << 15));
    }

    proptest! {
        #[test]
        fn codes_are_complete_short_and_as_good_as_can_be(
            shifts in proptest::collection::vec((any::<u16>(), 0u32..17), LITERALS),
            bits_max in 9usize..=15,
        ) {
            let frequencies: [u32; LITERALS] =
                std::array::from_fn(|at| u32::from(shifts[at].0 >> shifts[at].1.min(15)));
            prop_assume!(frequencies.iter().filter(|one| **one > 0).count() > 1);
            let code = Code::best(&frequencies, bits_max);
            prop_assert_eq!(kraft(&code), 1 << 15);
            for (length, frequency) in code.lengths.iter().zip(frequencies) {
                prop_assert_eq!(*length > 0, frequency > 0);
                prop_assert!(usize::from(*length) <= bits_max);
            }
            let (bits, best) = (code.cost(&frequencies), best(&frequencies));
            prop_assert!(bits >= best);
            if usize::from(*code.lengths.iter().max().unwrap()) < bits_max {
                prop_assert_eq!(bits, best);
            } else {
                // What the limit costs: little, even at nine bits for 288 symbols.
                prop_assert!(bits <= best + best / 4, "{} for {}", bits, best);
            }
        }
    }
}
