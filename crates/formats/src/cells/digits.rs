//! Numbers to decimal digits. Eight digits at a time are made inside one 64-bit word (the
//! well-known lane trick: divide by 10,000, then by 100, then by 10, in parallel lanes) and stored
//! at once; leading zeros are shifted away. Numbers of one or two digits, which are most of many
//! tables, come from a table of pairs. No loop, no allocation.

use super::buf::Buf;

/// Powers of ten that fit 64 bits.
pub(crate) const POW10: [u64; 20] = {
    let mut table = [1u64; 20];
    let mut at = 1;
    while at < 20 {
        table[at] = table[at - 1] * 10;
        at += 1;
    }
    table
};

/// The two digits of 0 to 99. It is as long as a byte can count, so that an index of one byte needs
/// no check.
const PAIRS: [[u8; 2]; 256] = {
    let mut table = [[b'0'; 2]; 256];
    let mut at = 0;
    while at < 100 {
        table[at] = [b'0' + at as u8 / 10, b'0' + at as u8 % 10];
        at += 1;
    }
    table
};

const ASCII_ZEROS: u64 = 0x3030_3030_3030_3030;
const E8: u64 = 100_000_000;
const E16: u64 = E8 * E8;

/// The eight digits of `n` (below 10^8) as values 0..=9, the first in the lowest byte.
#[inline(always)]
fn lanes(n: u64) -> u64 {
    debug_assert!(n < E8);
    let four = (n / 10_000) | ((n % 10_000) << 32);
    let top = ((four * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let two = top + ((four - 100 * top) << 16);
    let tens = ((two * 103) >> 10) & 0x000F_000F_000F_000F;
    tens + ((two - 10 * tens) << 8)
}

/// Exactly eight digits as ASCII, the first in the lowest byte.
#[inline(always)]
pub(crate) fn eight(n: u64) -> u64 {
    lanes(n) | ASCII_ZEROS
}

/// Writes `n` without leading zeros.
#[inline(always)]
pub(crate) fn unsigned(out: &mut Buf, n: u64) {
    if n < 10 {
        return out.byte(b'0' + n as u8);
    }
    if n < 100 {
        return out.fixed(&PAIRS[usize::from(n as u8)]);
    }
    let room = out.room(24);
    let len = if n < E8 {
        head(room, n)
    } else if n < E16 {
        let len = head(room, n / E8);
        store(room, len, eight(n % E8));
        len + 8
    } else {
        let len = head(room, n / E16);
        store(room, len, eight(n / E8 % E8));
        store(room, len + 8, eight(n % E8));
        len + 16
    };
    out.advance(len);
}

#[inline(always)]
fn head(room: &mut [u8], n: u64) -> usize {
    let digits = lanes(n);
    // At least one digit stays, also of zero (whose word has 64 trailing zeros).
    let skip = (digits.trailing_zeros() / 8).min(7);
    store(room, 0, (digits | ASCII_ZEROS) >> (skip * 8));
    8 - skip as usize
}

#[inline(always)]
fn store(room: &mut [u8], at: usize, word: u64) {
    room[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

/// Writes a signed number.
#[inline(always)]
pub(crate) fn signed(out: &mut Buf, n: i64) {
    if n < 0 {
        out.byte(b'-');
    }
    unsigned(out, n.unsigned_abs());
}

/// Writes `n` with leading zeros, `width` digits wide (at most 19; `n` must fit).
#[inline(always)]
pub(crate) fn padded(out: &mut Buf, n: u64, width: usize) {
    let room = out.room(32);
    if width <= 8 {
        // A width of 0 shifts by 64, which is not defined, and writes nothing anyway.
        if width > 0 {
            store(room, 0, eight(n) >> (8 * (8 - width)));
        }
    } else if width <= 16 {
        let first = width - 8;
        store(room, 0, eight(n / E8) >> (8 * (8 - first)));
        store(room, first, eight(n % E8));
    } else {
        let first = width - 16;
        store(room, 0, eight(n / E16) >> (8 * (8 - first)));
        store(room, first, eight(n / E8 % E8));
        store(room, first + 8, eight(n % E8));
    }
    out.advance(width);
}

/// Writes an unscaled decimal whose absolute value fits 64 bits. `trim` drops trailing zeros of
/// the fraction, and the point when nothing is left behind it.
#[inline(always)]
pub(crate) fn decimal_u64(out: &mut Buf, negative: bool, n: u64, scale: usize, trim: bool) {
    if negative {
        out.byte(b'-');
    }
    if scale == 2 {
        // Money: the commonest scale, a division by a constant, and digits from the table.
        unsigned(out, n / 100);
        cents(out, (n % 100) as u8, trim);
    } else if scale == 0 {
        unsigned(out, n);
    } else if scale < 20 {
        unsigned(out, n / POW10[scale]);
        fraction(out, n % POW10[scale], scale, trim);
    } else {
        decimal_text(out, &mut n.to_string(), scale, trim);
    }
}

#[inline(always)]
fn cents(out: &mut Buf, n: u8, trim: bool) {
    let [tenths, hundredths] = PAIRS[usize::from(n)];
    out.room(4)[..4].copy_from_slice(&[b'.', tenths, hundredths, 0]);
    out.advance(match (trim, n) {
        (true, 0) => 0,
        (true, n) if n.is_multiple_of(10) => 2,
        _ => 3,
    });
}

#[inline(always)]
fn fraction(out: &mut Buf, n: u64, width: usize, trim: bool) {
    if trim && n == 0 {
        return;
    }
    out.byte(b'.');
    padded(out, n, width);
    if trim {
        trim_zeros(out);
    }
}

pub(crate) fn trim_zeros(out: &mut Buf) {
    let zeros = out.as_slice().iter().rev().take_while(|byte| **byte == b'0').count();
    out.truncate(out.len() - zeros);
}

/// Writes a decimal of any size from the digits of its unscaled absolute value. `scale` may be
/// larger than the number of digits.
pub(crate) fn decimal_text(out: &mut Buf, digits: &mut String, scale: usize, trim: bool) {
    if digits.len() <= scale {
        digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
    }
    let (whole, fraction) = digits.as_bytes().split_at(digits.len() - scale);
    out.slice(whole);
    if scale == 0 || (trim && fraction.iter().all(|byte| *byte == b'0')) {
        return;
    }
    out.byte(b'.');
    out.slice(fraction);
    if trim {
        trim_zeros(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(&mut Buf)) -> String {
        let mut out = Buf::default();
        write(&mut out);
        String::from_utf8(out.as_slice().to_vec()).unwrap()
    }

    #[test]
    fn every_length_of_integer() {
        let mut numbers = vec![0, 1, 9, 10, u64::MAX, E8 - 1, E8, E16 - 1, E16];
        for power in POW10 {
            numbers.extend([power - 1, power, power.saturating_add(1), power.wrapping_mul(7) / 3]);
        }
        numbers.extend((0..=20_000).chain((0..100_000).map(|n| n * 997)));
        let mut out = Buf::default();
        for n in numbers {
            out.clear();
            unsigned(&mut out, n);
            assert_eq!(out.as_slice(), n.to_string().as_bytes());
        }
        assert_eq!(text(|out| signed(out, i64::MIN)), i64::MIN.to_string());
        assert_eq!(text(|out| signed(out, -7)), "-7");
    }

    #[test]
    fn every_pair_of_four_digit_lanes() {
        let mut out = Buf::default();
        for n in 0..10_000u64 {
            out.clear();
            padded(&mut out, n * 10_000 + (9_999 - n), 8);
            assert_eq!(out.as_slice(), format!("{n:04}{:04}", 9_999 - n).as_bytes());
        }
    }

    #[test]
    fn padding_at_every_width() {
        for width in 1..=19usize {
            for n in [0, 1, POW10[width] - 1, POW10[width - 1]] {
                assert_eq!(text(|out| padded(out, n, width)), format!("{n:0width$}"));
            }
        }
        assert_eq!(text(|out| padded(out, 0, 0)), "");
    }

    #[test]
    fn decimals_keep_or_trim_their_scale() {
        let cases: [(bool, u64, usize, &str, &str); 8] = [
            (false, 1050, 2, "10.50", "10.5"),
            (false, 0, 2, "0.00", "0"),
            (true, 1109500, 2, "-11095.00", "-11095"),
            (true, 5, 2, "-0.05", "-0.05"),
            (false, 123, 0, "123", "123"),
            (false, 1, 10, "0.0000000001", "0.0000000001"),
            (false, u64::MAX, 19, "1.8446744073709551615", "1.8446744073709551615"),
            (false, 120, 25, "0.0000000000000000000000120", "0.000000000000000000000012"),
        ];
        for (negative, n, scale, scaled, trimmed) in cases {
            assert_eq!(text(|out| decimal_u64(out, negative, n, scale, false)), scaled);
            assert_eq!(text(|out| decimal_u64(out, negative, n, scale, true)), trimmed);
        }
    }
}
