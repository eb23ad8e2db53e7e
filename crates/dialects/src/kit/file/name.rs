//! The name under which a browser saves a file (RFC 6266, with RFC 8187 for what is not ASCII).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the `attr-char` of RFC 8187, 3.2.1.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');
/// Characters of a name; file systems stop at 255 bytes.
const NAME_CHARS_MAX: usize = 200;

/// The value of `Content-Disposition` for a file to be saved under `name`. Whatever the name
/// holds, the value is one line of ASCII, and no part of it leads to another folder.
pub fn disposition(name: &str) -> String {
    let name = safe(name);
    let ascii: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    if ascii == name {
        return format!("attachment; filename=\"{ascii}\"");
    }
    let encoded = utf8_percent_encode(&name, NOT_ATTR_CHAR);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

fn safe(name: &str) -> String {
    let swap = |c: char| {
        // The marks that reverse the direction of writing can make `txt.exe` look like `exe.txt`.
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let special = matches!(c, '/' | '\\' | '"' | '<' | '>' | ':' | '|' | '?' | '*' | '%');
        if c.is_control() || turns || special { '_' } else { c }
    };
    let name: String = name.chars().take(NAME_CHARS_MAX).map(swap).collect();
    let name = name.trim_matches([' ', '.']);
    if name.is_empty() { "export".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_a_header_and_on_a_disk() {
        let cases = [
            ("Invoice.csv", "attachment; filename=\"Invoice.csv\""),
            ("two words.csv", "attachment; filename=\"two words.csv\""),
            ("a\"b.csv", "attachment; filename=\"a_b.csv\""),
            ("a\r\nSet-Cookie: x=1", "attachment; filename=\"a__Set-Cookie_ x=1\""),
            ("../../etc/passwd", "attachment; filename=\"_.._etc_passwd\""),
            ("..", "attachment; filename=\"export\""),
            ("", "attachment; filename=\"export\""),
            ("Märkte.csv", "attachment; filename=\"M_rkte.csv\"; filename*=UTF-8''M%C3%A4rkte.csv"),
            (
                "x\u{202e}vsc.exe é",
                "attachment; filename=\"x_vsc.exe _\"; filename*=UTF-8''x_vsc.exe%20%C3%A9",
            ),
            ("50%.csv", "attachment; filename=\"50_.csv\""),
        ];
        for (name, expected) in cases {
            assert_eq!(disposition(name), expected);
        }
        assert!(disposition(&"x".repeat(10_000)).len() < 260);
    }
}
