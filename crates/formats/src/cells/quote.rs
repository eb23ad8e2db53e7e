//! Texts as JSON strings (RFC 8259). Most texts need no escape, so they are looked through in words
//! or vectors at once and copied whole; only the others are taken apart.

use super::Buf;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Writes a JSON string.
#[inline(always)]
pub(crate) fn quoted(out: &mut Buf, text: &[u8]) {
    out.byte(b'"');
    body(out, text);
    out.byte(b'"');
}

/// Writes what stands between the quotation marks.
#[inline(always)]
pub(crate) fn body(out: &mut Buf, text: &[u8]) {
    if is_plain(text) {
        out.slice(text);
    } else {
        escaped(out, text);
    }
}

#[inline(never)]
fn escaped(out: &mut Buf, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        out.slice(&rest[..at]);
        escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.slice(rest);
}

fn escape(out: &mut Buf, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.fixed(b"\\\""),
        b'\\' => out.fixed(b"\\\\"),
        b'\n' => out.fixed(b"\\n"),
        b'\r' => out.fixed(b"\\r"),
        b'\t' => out.fixed(b"\\t"),
        _ => {
            out.fixed(b"\\u00");
            out.fixed(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// True for the bytes that a JSON string does not hold as they are.
#[inline(always)]
pub(crate) fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Length of the text before the first byte that a JSON string does not hold as it is.
#[inline(always)]
pub(crate) fn plain_len(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let hits = hits(u64::from_le_bytes(*word));
        if hits != 0 {
            // The lowest hit is exact: only bytes above one can be marked by its borrow.
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = &text[at..];
    at + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

/// True when the text is the same in a JSON string.
#[inline(always)]
fn is_plain(text: &[u8]) -> bool {
    let len = text.len();
    let word =
        |at: usize| text[at..].first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    if len >= 16 {
        let mut at = 0;
        while at + 16 <= len {
            if lanes_16(&text[at..at + 16]) {
                return false;
            }
            at += 16;
        }
        // The last, overlapping, sixteen.
        !lanes_16(&text[len - 16..])
    } else if len >= 8 {
        hits(word(0)) | hits(word(len - 8)) == 0
    } else if len >= 4 {
        let half =
            |at: usize| text[at..].first_chunk::<4>().map_or(0, |it| u32::from_le_bytes(*it));
        hits(u64::from(half(0)) | (u64::from(half(len - 4)) << 32)) == 0
    } else {
        !text.iter().any(|byte| is_special(*byte))
    }
}

/// Sixteen comparisons without a branch, which compilers turn into vector instructions.
#[inline(always)]
fn lanes_16(text: &[u8]) -> bool {
    text.iter().fold(false, |hit, &byte| hit | is_special(byte))
}

/// Not zero when one of eight bytes is special; the high bit of the first such byte is set.
#[inline(always)]
fn hits(word: u64) -> u64 {
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &[u8]) -> Vec<u8> {
        let mut out = Buf::default();
        quoted(&mut out, text);
        out.as_slice().to_vec()
    }

    #[test]
    fn the_scans_find_each_special_byte_at_each_place() {
        for len in 0..40 {
            for at in 0..len {
                for byte in 0..=255 {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    assert_eq!(is_plain(&text), !is_special(byte), "{byte} at {at} of {len}");
                    let plain = if is_special(byte) { at } else { len };
                    assert_eq!(plain_len(&text), plain, "{byte} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn every_character_reads_back() {
        let all: String = (0..0x300).chain(0x2020..0x2030).filter_map(char::from_u32).collect();
        for size in [1, 3, 7, 8, 20, 1_000] {
            for from in 0..all.chars().count() {
                let part: String = all.chars().skip(from).take(size).collect();
                let json = String::from_utf8(text(part.as_bytes())).unwrap();
                assert!(!json.contains(|c| c < ' '));
                assert_eq!(serde_json::from_str::<String>(&json).unwrap(), part);
            }
        }
        assert_eq!(
            text("a\"b\\\u{0}\u{1f}\u{7f}😀".as_bytes()),
            "\"a\\\"b\\\\\\u0000\\u001f\u{7f}😀\"".as_bytes()
        );
    }
}
