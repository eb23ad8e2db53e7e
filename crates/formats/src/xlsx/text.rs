//! Text inside a cell: XML escaping, and ECMA-376's own escape `_xHHHH_` (ST_Xstring) for the
//! characters that XML cannot hold. A text that happens to look like such an escape gets its
//! underscore escaped, so that readers give back what was there.

use super::TEXT_UNITS_MAX;
use crate::cells::{Buf, Escape};

/// Escapes texts into whole cells: everything behind the cell's reference.
#[derive(Debug, Default)]
pub(super) struct CellText {
    /// Text of nulls, when the options name one.
    pub(super) null: Vec<u8>,
    /// Set when a text was longer than a cell can hold.
    pub(super) too_long: bool,
}

impl Escape for CellText {
    #[inline(always)]
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        let mut text = text;
        // A UTF-8 text never has more UTF-16 units than bytes.
        if text.len() > TEXT_UNITS_MAX {
            let cut = cut_at(text, TEXT_UNITS_MAX);
            self.too_long |= cut < text.len();
            text = &text[..cut];
        }
        // Readers drop blanks at both ends unless told to keep them.
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
        if edge(text.first()) || edge(text.last()) {
            out.fixed(b" t=\"inlineStr\"><is><t xml:space=\"preserve\">");
        } else {
            out.fixed(b" t=\"inlineStr\"><is><t>");
        }
        escape(out, text);
        out.fixed(b"</t></is></c>");
    }

    fn null(&mut self, out: &mut Buf) {
        let null = std::mem::take(&mut self.null);
        self.text(out, &null);
        self.null = null;
    }
}

/// Byte at which a text has `units` UTF-16 units, or its end.
fn cut_at(text: &[u8], units: usize) -> usize {
    let mut seen = 0;
    for (at, byte) in text.iter().enumerate() {
        // Lead bytes only: one unit, or two for characters of four bytes.
        let more = match byte {
            0x80..=0xBF => 0,
            0xF0..=0xFF => 2,
            _ => 1,
        };
        if seen + more > units {
            return at;
        }
        seen += more;
    }
    text.len()
}

const LOOK: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte < 0x20 && byte != 0x09 && byte != 0x0A)
            || matches!(byte as u8, b'&' | b'<' | b'>' | b'"' | b'_' | 0xEF);
        byte += 1;
    }
    table
};

/// Writes text as XML content (also fit for an attribute in double quotation marks).
#[inline(always)]
pub(super) fn escape(out: &mut Buf, text: &[u8]) {
    if text.iter().any(|byte| LOOK[usize::from(*byte)]) {
        escape_rare(out, text);
    } else {
        out.slice(text);
    }
}

#[inline(never)]
fn escape_rare(out: &mut Buf, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| LOOK[usize::from(*byte)]) {
        out.slice(&rest[..at]);
        rest = &rest[at..];
        let taken = match rest {
            [b'&', ..] => replace(out, b"&amp;", 1),
            [b'<', ..] => replace(out, b"&lt;", 1),
            [b'>', ..] => replace(out, b"&gt;", 1),
            [b'"', ..] => replace(out, b"&quot;", 1),
            // XML readers turn a bare carriage return into a line feed.
            [b'\r', ..] => replace(out, b"&#13;", 1),
            [b'_', more @ ..] if looks_escaped(more) => replace(out, b"_x005F_", 1),
            [0xEF, 0xBF, 0xBE, ..] => replace(out, b"_xFFFE_", 3),
            [0xEF, 0xBF, 0xBF, ..] => replace(out, b"_xFFFF_", 3),
            [control @ 0..0x20, ..] => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                out.fixed(b"_x00");
                out.fixed(&[
                    DIGITS[usize::from(control >> 4)],
                    DIGITS[usize::from(control & 15)],
                    b'_',
                ]);
                1
            }
            [plain, ..] => {
                out.byte(*plain);
                1
            }
            [] => return,
        };
        rest = &rest[taken..];
    }
    out.slice(rest);
}

fn replace(out: &mut Buf, by: &[u8], taken: usize) -> usize {
    out.slice(by);
    taken
}

/// True when what follows an underscore makes it look like `_xHHHH_`.
fn looks_escaped(more: &[u8]) -> bool {
    match more {
        [b'x' | b'X', digits @ ..] if digits.len() >= 5 => {
            digits[..4].iter().all(u8::is_ascii_hexdigit) && digits[4] == b'_'
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Buf::default();
        escape(&mut out, text.as_bytes());
        String::from_utf8(out.as_slice().to_vec()).unwrap()
    }

    #[test]
    fn what_xml_cannot_hold_is_escaped() {
        for (text, expected) in [
            ("a & b < c > d \"e\"", "a &amp; b &lt; c &gt; d &quot;e&quot;"),
            ("tab\tline\nreturn\r", "tab\tline\nreturn&#13;"),
            ("nul\0 bell\u{7} esc\u{1b}", "nul_x0000_ bell_x0007_ esc_x001B_"),
            ("\u{fffe}\u{ffff}\u{fffd}", "_xFFFE__xFFFF_\u{fffd}"),
            ("_x0041_ _x41_ __x000d_", "_x005F_x0041_ _x41_ __x005F_x000d_"),
            ("grün 請求 😀 ＝1", "grün 請求 😀 ＝1"),
            ("_", "_"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn texts_are_cut_between_characters_at_utf16_units() {
        assert_eq!(cut_at("aé😀x".as_bytes(), 10), 8);
        assert_eq!(cut_at("aé😀x".as_bytes(), 4), 7);
        assert_eq!(cut_at("aé😀x".as_bytes(), 3), 3);
        assert_eq!(cut_at("aé😀x".as_bytes(), 2), 3);
        assert_eq!(cut_at("aé😀x".as_bytes(), 1), 1);
    }
}
