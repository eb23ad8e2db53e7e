//! Texts that are JSON, put into JSON as they stand: checked after RFC 8259, without the blanks and
//! line ends between their tokens, and nothing else changed. What is no JSON becomes a JSON string, so
//! that one bad value does not make the file unreadable.
//!
//! Stricter than the grammar in two places, because readers are: a `\u` escape of half a surrogate
//! pair, and values nested deeper than `DEPTH_MAX`, are not embedded.

use arrow_schema::{DataType, Field};

use super::{Buf, Escape, quote};

/// Objects and arrays inside one another. Several common readers stop at 512 or 1,000, the line's own
/// object included.
const DEPTH_MAX: usize = 500;

/// How Arrow marks a column of texts that are JSON (Arrow, "Canonical Extension Types", JSON).
const EXTENSION_KEY: &str = "ARROW:extension:name";
const JSON_EXTENSION: &str = "arrow.json";

/// True for a column whose texts are JSON. A nested column of that mark is JSON anyway.
pub(crate) fn is_json(field: &Field) -> bool {
    let mut values = field.data_type();
    while let DataType::Dictionary(_, of) = values {
        values = of;
    }
    field.metadata().get(EXTENSION_KEY).is_some_and(|name| name == JSON_EXTENSION)
        && matches!(values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Writes the texts of one column.
#[derive(Debug, Default)]
pub(crate) struct Embedder {
    /// What is open: true for an object, false for an array.
    open: Vec<bool>,
    refused: bool,
}

impl Embedder {
    /// True when the last text was no JSON.
    pub(crate) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }
}

impl Escape for Embedder {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        let start = out.len();
        self.open.clear();
        let scan = Scan { text, at: 0, copied: 0, out: &mut *out };
        if scan.value(&mut self.open).is_none() {
            out.truncate(start);
            quote::quoted(out, text);
            self.refused = true;
        }
    }

    fn null(&mut self, out: &mut Buf) {
        out.fixed(b"null");
    }
}

/// A walk through one text. `None` from any step means that it is no JSON.
struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    /// Up to here the text is in `out`.
    copied: usize,
    out: &'t mut Buf,
}

impl Scan<'_> {
    fn value(mut self, open: &mut Vec<bool>) -> Option<()> {
        loop {
            match self.token()? {
                b'{' => {
                    self.enter(open, true)?;
                    if self.peek_token() != Some(b'}') {
                        self.key()?;
                        continue;
                    }
                }
                b'[' => {
                    self.enter(open, false)?;
                    if self.peek_token() != Some(b']') {
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                first => self.number(first)?,
            }
            // A value is complete: close what ends behind it, up to the next comma.
            loop {
                let Some(object) = open.last().copied() else {
                    self.skip_blanks();
                    self.copy();
                    return (self.at == self.text.len()).then_some(());
                };
                match (self.token()?, object) {
                    (b',', true) => {
                        self.key()?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => drop(open.pop()),
                    _ => return None,
                }
            }
        }
    }

    fn enter(&mut self, open: &mut Vec<bool>, object: bool) -> Option<()> {
        open.push(object);
        (open.len() <= DEPTH_MAX).then_some(())
    }

    /// The next byte that is no blank.
    #[inline]
    fn peek_token(&mut self) -> Option<u8> {
        if self.text.get(self.at).is_some_and(|byte| *byte <= b' ') {
            self.skip_blanks();
        }
        self.text.get(self.at).copied()
    }

    #[inline]
    fn token(&mut self) -> Option<u8> {
        let byte = self.peek_token();
        self.at += 1;
        byte
    }

    /// Copies what was seen, and goes on behind the blanks.
    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let blanks = rest.iter().position(|byte| !blank(byte)).unwrap_or(rest.len());
        if blanks > 0 {
            self.copy();
            self.at += blanks;
            self.copied = self.at;
        }
    }

    fn copy(&mut self) {
        self.out.slice(&self.text[self.copied..self.at]);
        self.copied = self.at;
    }

    /// A key and its colon.
    fn key(&mut self) -> Option<()> {
        (self.token()? == b'"').then_some(())?;
        self.string()?;
        (self.token()? == b':').then_some(())
    }

    /// The rest of a string, behind its first quotation mark.
    fn string(&mut self) -> Option<()> {
        loop {
            self.at += quote::plain_len(&self.text[self.at..]);
            match self.byte()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                // Control characters stand in JSON as escapes only.
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.unit()? {
                0xD800..0xDC00 => {
                    self.word(b"\\u")?;
                    matches!(self.unit()?, 0xDC00..0xE000).then_some(())
                }
                0xDC00..0xE000 => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + char::from(self.byte()?).to_digit(16)?;
        }
        Some(unit)
    }

    fn number(&mut self, first: u8) -> Option<()> {
        let first = if first == b'-' { self.byte()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => {
                self.digits();
            }
            _ => return None,
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            (self.digits() > 0).then_some(())?;
        }
        Some(())
    }

    /// Goes behind the digits. Answers how many there are.
    fn digits(&mut self) -> usize {
        let rest = &self.text[self.at..];
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        count
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(rest).then(|| self.at += rest.len())
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += 1;
        byte
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The text in the line, and whether it was embedded.
    fn embedded(text: &str) -> (String, bool) {
        let (mut embedder, mut out) = (Embedder::default(), Buf::default());
        embedder.text(&mut out, text.as_bytes());
        let line = String::from_utf8(out.as_slice().to_vec()).unwrap();
        (line, !embedder.take_refused())
    }

    #[test]
    fn json_loses_its_blanks_and_nothing_else() {
        for (text, wanted) in [
            ("{}", "{}"),
            (" \t\r\n[ ]\n", "[]"),
            (
                "{\n  \"a\" : [1, 2.50,\r\n-0.0e+10 ] ,\n\"b c\":null }",
                "{\"a\":[1,2.50,-0.0e+10],\"b c\":null}",
            ),
            ("\"a  b\\n\\u0000\\ud83d\\ude00\"", "\"a  b\\n\\u0000\\ud83d\\ude00\""),
            ("123456789012345678901234567890.10", "123456789012345678901234567890.10"),
            ("1e999", "1e999"),
            ("{\"a\":1,\"a\":1}", "{\"a\":1,\"a\":1}"),
            ("[[],{},[{}],\"]}\"]", "[[],{},[{}],\"]}\"]"),
            ("true", "true"),
            ("\"😀\u{2028}\"", "\"😀\u{2028}\""),
        ] {
            assert_eq!(embedded(text), (wanted.to_owned(), true), "{text}");
        }
    }

    #[test]
    fn everything_else_becomes_a_string_that_reads_back() {
        let deep = "[".repeat(501) + &"]".repeat(501);
        for text in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:2}",
            "01",
            "-",
            "1.",
            ".5",
            "+1",
            "1e",
            "NaN",
            "Infinity",
            "tru",
            "nulll",
            "null null",
            "'a'",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\\ud800\\ud800\"",
            "[\"a\":1]",
            "[}",
            "{]",
            "\u{feff}{}",
            "{}\u{b}",
            "\u{a0}1",
            "//x\n1",
            "plain text",
            "\"\\",
            "[1]]",
            "{\"a\":1]",
            &deep,
        ] {
            let (line, kept) = embedded(text);
            assert!(!kept, "{text}");
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
        assert!(embedded(&deep[1..1_001]).1);
    }

    /// The second opinion: whatever is embedded is JSON of the same value, and what our grammar
    /// refuses is no JSON to `serde_json` either.
    #[test]
    fn any_damage_is_judged_like_another_parser_does() {
        let seed =
            "{\"a\": [1, -2.5e3, true, null, \"x\\u00e9\\\\\"], \"b\": {\"c\": [], \"d\": {}}}";
        let damage = [
            b' ', b'"', b'\\', b',', b':', b'{', b'}', b'[', b']', b'0', b'e', b'.', b'-', b'\n',
            b'u',
        ];
        let mut kept_some = 0;
        for at in 0..seed.len() {
            for byte in damage {
                let mut changed = seed.as_bytes().to_vec();
                changed[at] = byte;
                let mut longer = seed.as_bytes().to_vec();
                longer.insert(at, byte);
                let mut shorter = seed.as_bytes().to_vec();
                shorter.remove(at);
                for text in [changed, longer, shorter] {
                    let text = String::from_utf8(text).unwrap();
                    let other = serde_json::from_str::<Value>(&text).ok();
                    let (line, kept) = embedded(&text);
                    assert_eq!(kept, other.is_some(), "{text}");
                    assert!(!line.contains('\n'));
                    if kept {
                        assert_eq!(serde_json::from_str::<Value>(&line).ok(), other, "{text}");
                        kept_some += 1;
                    }
                }
            }
        }
        assert!(kept_some > 100);
    }
}
