//! Numbers and identifiers as PostgreSQL sends them.

use datafusion::arrow::datatypes::i256;

/// A `numeric`: digits in base 10,000, the weight of the first of them, and a sign. No digit before
/// the first or after the last is left out that is not zero.
pub(super) struct Numeric<'a> {
    digits: &'a [[u8; 2]],
    weight: i16,
    sign: u16,
}

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

const TOO_LONG: &str = "a number with more digits after the point than `decimal_digits`";
const TOO_LARGE: &str = "a number of more than 38 digits";
const TOO_LARGE_WIDE: &str = "a number of more than 76 digits";

impl<'a> Numeric<'a> {
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let (head, digits) = value.split_first_chunk::<8>()?;
        let word = |at: usize| [head[at], head[at + 1]];
        let (digits, odd) = digits.as_chunks::<2>();
        let count = usize::from(u16::from_be_bytes(word(0)));
        let sign = u16::from_be_bytes(word(4));
        let whole = odd.is_empty() && digits.len() == count;
        whole.then_some(Self { digits, weight: i16::from_be_bytes(word(2)), sign })
    }

    /// As a whole number of units of 10^-`scale`.
    pub(super) fn decimal(&self, precision: u8, scale: i8) -> Result<i128, &'static str> {
        self.finite()?;
        if let Some(number) = self.small(precision, scale) {
            return Ok(number);
        }
        let mut number = 0_i128;
        for step in self.steps(scale) {
            let (factor, digit) = step?;
            number = number
                .checked_mul(factor.into())
                .and_then(|number| number.checked_add(digit.into()))
                .ok_or(TOO_LARGE)?;
        }
        let shift = power(self.exponent(scale).max(0));
        let number = if number == 0 { Some(0) } else { shift.and_then(|p| number.checked_mul(p)) };
        // Cannot fail because precisions are at most 38.
        let most = power(i32::from(precision)).unwrap_or(i128::MAX);
        let number = number.filter(|number| *number < most).ok_or(TOO_LARGE)?;
        Ok(if self.sign == NEGATIVE { -number } else { number })
    }

    /// The usual case, in the arithmetic of the machine: at most sixteen digits, of which all are
    /// kept, and a result that surely fits. `None` for every other.
    fn small(&self, precision: u8, scale: i8) -> Option<i128> {
        if self.digits.len() > 4 {
            return None;
        }
        let mut number = 0_i64;
        for digit in self.values() {
            number = number * 10_000 + i64::from(digit);
        }
        let number = match self.exponent(scale) {
            0 => number,
            shift @ 1..=18 => number.checked_mul(POWERS[usize::try_from(shift).ok()?])?,
            shift @ -18..=-1 => {
                let power = POWERS[usize::try_from(-shift).ok()?];
                (number % power == 0).then_some(number / power)?
            }
            _ => return None,
        };
        let fits = precision > 18 || number < POWERS[usize::from(precision)];
        fits.then(|| i128::from(if self.sign == NEGATIVE { -number } else { number }))
    }

    /// The same in 256 bits.
    pub(super) fn wide(&self, precision: u8, scale: i8) -> Result<i256, &'static str> {
        self.finite()?;
        let ten = i256::from_i128(10);
        let power = |exponent: i32| ten.checked_pow(exponent.cast_unsigned());
        let mut number = i256::ZERO;
        for step in self.steps(scale) {
            let (factor, digit) = step?;
            number = number
                .checked_mul(i256::from_i128(factor.into()))
                .and_then(|number| number.checked_add(i256::from_i128(digit.into())))
                .ok_or(TOO_LARGE_WIDE)?;
        }
        let number = power(self.exponent(scale).max(0)).and_then(|p| number.checked_mul(p));
        let most = power(i32::from(precision)).unwrap_or(i256::MAX);
        let number = number.filter(|number| *number < most).ok_or(TOO_LARGE_WIDE)?;
        Ok(if self.sign == NEGATIVE { number.wrapping_neg() } else { number })
    }

    fn finite(&self) -> Result<(), &'static str> {
        match self.sign {
            NAN => Err("NaN"),
            INFINITY | MINUS_INFINITY => Err("infinity"),
            _ => Ok(()),
        }
    }

    fn values(&self) -> impl Iterator<Item = i16> {
        self.digits.iter().map(|digit| i16::from_be_bytes(*digit))
    }

    /// For each digit, by what the number so far is to be multiplied and what is to be added then. Of a
    /// digit that reaches behind the scale only the part before it is taken: with all of it a number
    /// of as many digits as fit would not fit.
    fn steps(&self, scale: i8) -> impl Iterator<Item = Result<(i64, i64), &'static str>> {
        let first = 4 * i32::from(self.weight) + i32::from(scale);
        (0_i32..).zip(self.values()).map(move |(at, digit)| {
            let behind = (4 * at - first).clamp(0, 4);
            // Cannot fail because it is between 0 and 4.
            let unit = POWERS[usize::try_from(behind).unwrap_or_default()];
            let digit = i64::from(digit);
            if digit % unit == 0 { Ok((10_000 / unit, digit / unit)) } else { Err(TOO_LONG) }
        })
    }

    /// The power of ten by which all digits, read as one whole number, are to be multiplied.
    fn exponent(&self, scale: i8) -> i32 {
        let last =
            i32::from(self.weight) + 1 - i32::try_from(self.digits.len()).unwrap_or(i32::MAX);
        4 * last + i32::from(scale)
    }
}

/// The powers of ten that 64 bits hold.
const POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

fn power(exponent: i32) -> Option<i128> {
    10_i128.checked_pow(exponent.cast_unsigned())
}

/// A UUID in its usual form.
pub(super) fn uuid<'t>(bytes: &[u8; 16], text: &'t mut [u8; 36]) -> &'t str {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut at = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text[at] = b'-';
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    // Cannot fail because all of it is ASCII.
    std::str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(digits: &[i16], weight: i16, sign: u16) -> Vec<u8> {
        let count = u16::try_from(digits.len()).expect("few");
        let mut sent = count.to_be_bytes().to_vec();
        sent.extend(weight.to_be_bytes());
        sent.extend(sign.to_be_bytes());
        sent.extend([0, 0]);
        sent.extend(digits.iter().flat_map(|digit| digit.to_be_bytes()));
        sent
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        for (digits, weight, sign, scale, number) in [
            (&[][..], 0, 0, 2, Ok(0)),
            (&[1], 0, 0, 2, Ok(100)),
            (&[1], 0, NEGATIVE, 0, Ok(-1)),
            (&[12, 3400], 0, 0, 2, Ok(1_234)),
            (&[12, 3456], 0, 0, 2, Err(TOO_LONG)),
            (&[5], -1, 0, 4, Ok(5)),
            (&[5], -1, 0, 3, Err(TOO_LONG)),
            (&[1], 2, 0, 0, Ok(100_000_000)),
            (&[1], 9, 0, 2, Err(TOO_LARGE)),
            (
                &[9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999],
                8,
                0,
                2,
                Ok(99_999_999_999_999_999_999_999_999_999_999_999_900),
            ),
            (&[100, 0, 0, 0, 0, 0, 0, 0, 0, 0], 9, 0, 0, Err(TOO_LARGE)),
            // As many digits as there may be, of which the last ones stand for four each.
            (
                &[9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9900],
                6,
                0,
                10,
                Ok(99_999_999_999_999_999_999_999_999_999_999_999_999),
            ),
            (
                &[9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9900],
                -1,
                NEGATIVE,
                38,
                Ok(-99_999_999_999_999_999_999_999_999_999_999_999_999),
            ),
            (
                &[9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9990],
                6,
                0,
                10,
                Err(TOO_LONG),
            ),
            (&[], 0, NAN, 2, Err("NaN")),
            (&[], 0, MINUS_INFINITY, 2, Err("infinity")),
        ] {
            let sent = sent(digits, weight, sign);
            let numeric = Numeric::read(&sent).expect("well formed");
            assert_eq!(numeric.decimal(38, scale), number, "{digits:?} {weight}");
            if number != Err(TOO_LARGE) {
                let wide = numeric.wide(76, scale);
                assert_eq!(wide, number.map(i256::from_i128), "{digits:?} {weight}, wide");
            }
        }
        let nines = sent(&[&[99_i16][..], &[9999; 18], &[9900]].concat(), 16, 0);
        let numeric = Numeric::read(&nines).expect("well formed");
        assert_eq!(numeric.wide(76, 10).map(|number| number.to_string()), Ok("9".repeat(76)));
        assert!(Numeric::read(&[0; 7]).is_none());
        assert!(Numeric::read(&sent(&[1], 0, 0)[..9]).is_none());
    }

    #[test]
    fn an_identifier_is_written_in_lower_case() {
        let bytes = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x11\x22\x33\x44\x55\x66\x77";
        assert_eq!(uuid(&bytes, &mut [0; 36]), "01234567-89ab-cdef-0011-223344556677");
    }
}
