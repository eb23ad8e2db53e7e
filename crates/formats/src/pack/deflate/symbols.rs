//! The alphabet of compressed blocks (RFC 1951, sections 3.2.5 and 3.2.6): a length or a distance
//! is a symbol and some extra bits. Distances stand here less one, as they are kept in 16 bits.

/// Symbols of literals, the end of a block, and lengths; the last two stand for nothing, but have
/// places in the fixed code.
pub const LITERALS: usize = 288;
/// Symbols of distances, of which the last two stand for nothing either.
pub const DISTANCES: usize = 32;
/// The symbol that ends a block.
pub const END: usize = 256;
/// The symbol of the first length.
pub const FIRST_LENGTH: usize = 257;
/// The longest match.
pub const LENGTH_MAX: usize = 258;

const LENGTH_SLOTS: usize = 29;
const LENGTH_EXTRA: [u8; LENGTH_SLOTS] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const LENGTH_BASE: [u16; LENGTH_SLOTS] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
static LENGTH_SLOT: [u8; LENGTH_MAX + 1] = length_slots();

const fn length_slots() -> [u8; LENGTH_MAX + 1] {
    let mut slots = [0; LENGTH_MAX + 1];
    let mut slot = 0;
    while slot < LENGTH_SLOTS {
        let mut length = LENGTH_BASE[slot] as usize;
        // Later slots overwrite what an earlier one claimed too much.
        while length <= LENGTH_MAX {
            slots[length] = slot as u8;
            length += 1;
        }
        slot += 1;
    }
    slots
}

/// The symbol of a length from 3 to 258, the value of its extra bits, and how many they are.
#[inline(always)]
pub fn length(length: usize) -> (usize, u32, u32) {
    let slot = usize::from(LENGTH_SLOT[length]);
    let extra = length as u32 - u32::from(LENGTH_BASE[slot]);
    (FIRST_LENGTH + slot, extra, u32::from(LENGTH_EXTRA[slot]))
}

/// The symbol of a distance less one. Each power of two has two symbols, told apart by the bit
/// below its highest.
#[inline(always)]
pub fn distance(less_one: u16) -> usize {
    let value = u32::from(less_one);
    if value < 2 {
        return value as usize;
    }
    let high = value.ilog2();
    // The mask changes nothing, and shows that a table of all symbols has the place.
    (2 * high + (value >> (high - 1) & 1)) as usize & (DISTANCES - 1)
}

/// How many extra bits follow the symbol of a distance: the low bits of the distance less one.
#[inline(always)]
pub fn distance_extra(symbol: usize) -> u32 {
    (symbol as u32 / 2).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_its_base_and_its_extra_bits() {
        for value in 3..=LENGTH_MAX {
            let (symbol, extra, bits) = length(value);
            assert_eq!(u32::from(LENGTH_BASE[symbol - FIRST_LENGTH]) + extra, value as u32);
            assert!(extra < 1 << bits || bits == 0 && extra == 0, "length {value}");
        }
        assert_eq!(length(257), (284, 30, 5));
        assert_eq!(length(258), (285, 0, 0));
    }

    #[test]
    fn every_distance_has_the_symbol_of_the_table_in_the_rfc() {
        let bases = [
            1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1_025,
            1_537, 2_049, 3_073, 4_097, 6_145, 8_193, 12_289, 16_385, 24_577,
        ];
        for value in 1..=32_768u32 {
            let symbol = distance((value - 1) as u16);
            assert_eq!(symbol, bases.iter().rposition(|base| *base <= value).unwrap());
            let extra = distance_extra(symbol);
            assert_eq!(value - bases[symbol], (value - 1) & ((1 << extra) - 1), "distance {value}");
        }
    }
}
