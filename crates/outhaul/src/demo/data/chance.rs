//! Values that look random and are always the same: each is a hash of where it stands.

/// The seed of the demo's world; another one would make another world.
const SEED: u64 = 0x0427_1A07_5EA5_1DE5;

/// A number for a place: table, row, and what it is for.
pub fn number(table: u64, row: u64, salt: u64) -> u64 {
    mix(mix(SEED ^ table.wrapping_mul(0x9E37_79B9_7F4A_7C15)) ^ mix(row ^ salt.rotate_left(32)))
}

/// A permutation of the 64-bit numbers that leaves no pattern to see (`SplitMix64`'s last step).
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The 32 hexadecimal characters of an id: a prefix of 32 bits and 96 bits of chance.
pub fn id(prefix: u32, table: u64, row: u64) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let high = number(table, row, u64::MAX) >> 32;
    let bits = (u128::from(prefix) << 96)
        | (u128::from(high) << 64)
        | u128::from(number(table, row, u64::MAX - 1));
    let mut text = [0; 32];
    for (byte, pair) in bits.to_be_bytes().iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_has_the_same_value() {
        assert_eq!(number(1, 2, 3), number(1, 2, 3));
        assert_ne!(number(1, 2, 3), number(1, 3, 2));
        let text = id(0x2c92_a0c3, 1, 0);
        assert!(text.starts_with(b"2c92a0c3") && text.iter().all(u8::is_ascii_hexdigit));
    }

    #[test]
    fn ids_do_not_repeat() {
        let ids: std::collections::HashSet<_> = (0..100_000).map(|row| id(7, 1, row)).collect();
        assert_eq!(ids.len(), 100_000);
    }
}
