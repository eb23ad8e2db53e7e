//! Values that are written as text: read with all that they say, or not at all.

/// A whole number of 64 bits, written in any way: `7`, `7.0`, `7e2`.
pub(super) fn whole(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| exact_decimal(text, 0)?.try_into().ok())
}

/// A number in decimal digits, perhaps with an exponent, times ten to the power of `scale`: if it
/// is a whole number of at most 38 digits then, and `None` if a digit would be lost.
pub(crate) fn exact_decimal(text: &str, scale: i8) -> Option<i128> {
    const MOST: i128 = 10_i128.pow(38) - 1;
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    let (before, after) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = before.bytes().chain(after.bytes()).all(|byte| byte.is_ascii_digit());
    if !is_number || before.len() + after.len() == 0 {
        return None;
    }
    let after = after.trim_end_matches('0');
    let mut value: i128 = 0;
    for digit in before.bytes().chain(after.bytes()) {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let shift = i64::from(exponent) + i64::from(scale) - i64::try_from(after.len()).ok()?;
    let value = if value == 0 {
        0
    } else if shift < 0 {
        let divisor = 10_i128.checked_pow(u32::try_from(-shift).ok()?)?;
        (value % divisor == 0).then_some(value / divisor)?
    } else {
        value.checked_mul(10_i128.checked_pow(u32::try_from(shift).ok()?)?)?
    };
    (value <= MOST).then_some(if digits.starts_with('-') { -value } else { value })
}

/// The binary number nearest to the text, which has no more digits than tell such numbers apart.
pub(super) fn float(text: &str) -> Option<f64> {
    /// Every double is told from every other by so many digits.
    const DIGITS_MAX: usize = 17;
    let value: f64 = text.parse().ok()?;
    let (digits, _) = text.split_once(['e', 'E']).unwrap_or((text, ""));
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_matches('0');
    let vanished = if digits.is_empty() { false } else { value == 0.0 || value.is_infinite() };
    (digits.len() <= DIGITS_MAX && !vanished).then_some(value)
}

/// The day of a date, or of the midnight with which it begins in UTC.
pub(super) fn day(text: &str) -> Option<&str> {
    let Some((day, time)) = text.split_once(['T', 't', ' ']) else { return Some(text) };
    let time = time.strip_suffix(['Z', 'z']).unwrap_or(time);
    let midnight = time.len() >= 5 && time.bytes().all(|byte| matches!(byte, b'0' | b':' | b'.'));
    midnight.then_some(day)
}

/// Whether a time has no more digits after its point than microseconds need.
pub(crate) fn is_micros(text: &str) -> bool {
    let (_, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().take_while(u8::is_ascii_digit);
    digits.skip(6).all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_in_text_keeps_every_digit_or_is_refused() {
        for (text, scale, exact) in [
            ("1", 0, Some(1)),
            ("-1.50", 1, Some(-15)),
            ("1.505", 2, None),
            ("", 2, None),
            (".", 2, None),
            (".5", 2, Some(50)),
            ("1e3", 2, Some(100_000)),
            ("1.5E-1", 2, Some(15)),
            ("1.5E-2", 2, None),
            ("1e999999999", 2, None),
            ("0e999999999", 2, Some(0)),
            ("1 0", 2, None),
            ("99999999999999999999999999999999999999", 0, Some(10_i128.pow(38) - 1)),
            ("99999999999999999999999999999999999999", 1, None),
            ("100000000000000000000000000000000000000", 0, None),
        ] {
            assert_eq!(exact_decimal(text, scale), exact, "{text}");
        }
    }

    #[test]
    fn a_float_in_text_has_no_more_digits_than_a_float() {
        for (text, value) in [
            ("0.1", Some(0.1)),
            ("-0", Some(-0.0)),
            ("0.30000000000000004", Some(0.300_000_000_000_000_04)),
            ("100000000000000000000000", Some(1e23)),
            ("1e999", None),
            ("1e-999", None),
            ("0.1234567890123456789", None),
            ("inf", Some(f64::INFINITY)),
            ("x", None),
        ] {
            assert_eq!(float(text), value, "{text}");
        }
    }
}
