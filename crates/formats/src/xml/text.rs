//! Texts between tags and inside attributes. What XML would read as markup, or would read back as
//! another character, is written as a reference; what XML 1.0 has no place for becomes U+FFFD
//! (its section 2.2, "Characters").

use crate::cells::{Buf, Escape};

/// Bytes of a text between tags that need a closer look: markup, control characters, and the first
/// byte of U+FFFE and U+FFFF.
const LOOK: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte < 0x20 && byte != 0x09 && byte != 0x0A)
            || matches!(byte as u8, b'&' | b'<' | b'>' | 0xEF);
        byte += 1;
    }
    table
};

/// Escaping of texts between tags.
pub(super) struct Escaper {
    null: Vec<u8>,
    /// True when the last text had a character that was replaced.
    pub(super) replaced: bool,
}

impl Escaper {
    pub(super) fn new(null: &str) -> Self {
        let mut escaper = Self { null: Vec::new(), replaced: false };
        let mut text = Buf::default();
        escaper.text(&mut text, null.as_bytes());
        Self { null: text.as_slice().to_vec(), replaced: false }
    }

    #[inline(never)]
    fn text_rare(&mut self, out: &mut Buf, text: &[u8]) {
        for letter in String::from_utf8_lossy(text).chars() {
            match letter {
                '&' => out.fixed(b"&amp;"),
                '<' => out.fixed(b"&lt;"),
                // `]]>` is not allowed between tags.
                '>' => out.fixed(b"&gt;"),
                // A bare carriage return is read as a line feed; only the reference keeps it.
                '\r' => out.fixed(b"&#13;"),
                letter if is_char(letter) => out.slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => {
                    self.replaced = true;
                    out.slice("\u{fffd}".as_bytes());
                }
            }
        }
    }
}

impl Escape for Escaper {
    #[inline(always)]
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        if text.iter().any(|byte| LOOK[usize::from(*byte)]) {
            self.text_rare(out, text);
        } else {
            out.slice(text);
        }
    }

    fn null(&mut self, out: &mut Buf) {
        out.slice(&self.null);
    }
}

/// A text as it stands inside of an attribute's quotation marks, or `None` when XML has no place for
/// one of its characters. Blanks other than the common one would all be read as that.
pub(super) fn attribute(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            letter if is_char(letter) => out.push(letter),
            _ => return None,
        }
    }
    Some(out)
}

/// Whether XML 1.0 has the character. Surrogates are no characters of a Rust text.
fn is_char(letter: char) -> bool {
    let refused = letter < ' ' || matches!(letter, '\u{FFFE}' | '\u{FFFF}');
    !refused || matches!(letter, '\t' | '\n' | '\r')
}
