//! Names of archive entries. They are made by us, from labels that customers wrote; a name that
//! reaches an archive is a plain relative path on every system that may unpack it.

use crate::error::{Error, Result};

/// Longest name, in bytes: what common file systems take for one file.
const NAME_BYTES_MAX: usize = 240;

/// Bytes of the longest ending that a cut part of a path keeps.
const ENDING_BYTES_MAX: usize = 12;

/// Names that mean a device on Windows, whatever their extension.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "COM", "LPT"];

/// A checked entry name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryName(String);

impl EntryName {
    /// Longest part of a label that is kept in a name, in characters.
    pub const LABEL_CHARS_MAX: usize = 60;

    /// Checks a name: relative, no `..`, no backslash, no character that a common system refuses.
    ///
    /// # Errors
    /// `EntryName` says what is wrong with it.
    pub fn new(name: &str) -> Result<Self> {
        let refuse = |problem: &str| Err(Error::EntryName(problem.to_owned()));
        if name.is_empty() {
            return refuse("it is empty");
        }
        if name.len() > NAME_BYTES_MAX {
            return refuse(&format!("it is longer than {NAME_BYTES_MAX} bytes"));
        }
        if name.starts_with('/') {
            return refuse("it is an absolute path");
        }
        if name.chars().any(|letter| letter.is_control() || is_reserved(letter)) {
            return refuse("it has a control character or one of \\ : * ? \" < > |");
        }
        for part in name.split('/') {
            if part.is_empty() || part == "." || part == ".." {
                return refuse("a part of its path is empty, . or ..");
            }
            if part.ends_with(['.', ' ']) || part.starts_with(' ') {
                return refuse("a part of its path ends with a dot or has a blank at an end");
            }
            if is_device(part) {
                return refuse("a part of its path is the name of a Windows device");
            }
        }
        Ok(Self(name.to_owned()))
    }

    /// Makes a name from a customer's label: what is not a letter, a digit, `-`, `_` or a dot
    /// between them becomes `_`. Always gives a valid name.
    pub fn from_label(label: &str, extension: &str) -> Self {
        let mut stem: String = label
            .chars()
            .take(Self::LABEL_CHARS_MAX)
            .map(|letter| {
                if letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.') {
                    letter
                } else {
                    '_'
                }
            })
            .collect();
        // Four bytes per character is the longest UTF-8 gets, so the name stays inside its limit.
        stem = stem.trim_matches('.').to_owned();
        if stem.is_empty() {
            stem.push_str("export");
        }
        if is_device(&stem) {
            stem.insert(0, '_');
        }
        // A label of only the longest characters still has to leave room for the extension.
        while stem.len() + extension.len() + 1 > NAME_BYTES_MAX {
            stem.pop();
        }
        Self(format!("{stem}.{extension}"))
    }

    /// Makes one part of a path of a customer's text, of at most so many bytes: letters, digits, `-`,
    /// `_` and dots between them stay, all else becomes `_`. A long text keeps a short ending, such
    /// as `.jpg`. Always gives a part that a name may have.
    pub fn part(label: &str, bytes_max: usize) -> String {
        let plain = |letter: char| match letter {
            '-' | '_' | '.' => letter,
            _ if letter.is_alphanumeric() => letter,
            _ => '_',
        };
        // What is behind the longest that can stay is not looked at, but for the ending.
        let whole = label.char_indices().nth(bytes_max).map_or(label, |(at, _)| &label[..at]);
        let text: String = whole.chars().map(plain).collect();
        let text = text.trim_matches('.');
        let mut part = match text.len() <= bytes_max && whole.len() == label.len() {
            true => text.to_owned(),
            false => {
                let ending = label.rsplit_once('.').map(|(_, ending)| ending);
                let ending = ending.filter(|ending| {
                    ending.len() < ENDING_BYTES_MAX
                        && ending.len() + 2 < bytes_max
                        && !ending.is_empty()
                        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
                });
                let room = bytes_max - ending.map_or(0, |ending| ending.len() + 1);
                let stem = cut(text, room).trim_end_matches('.');
                ending.map_or_else(|| stem.to_owned(), |ending| format!("{stem}.{ending}"))
            }
        };
        if part.is_empty() {
            part.push('_');
        }
        if is_device(&part) {
            // A longer one is no device, so there is room.
            part.insert(0, '_');
        }
        part
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest beginning of a text in so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let ends = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    &text[..ends.take_while(|end| *end <= bytes_max).last().unwrap_or_default()]
}

fn is_reserved(letter: char) -> bool {
    matches!(letter, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\u{feff}')
        // Marks that turn the direction of writing make a name look like another.
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_ascii_uppercase();
    DEVICES.iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|rest| match *device {
            "COM" | "LPT" => {
                rest.chars().count() == 1
                    && rest.chars().all(|digit| matches!(digit, '0'..='9' | '¹' | '²' | '³'))
            }
            _ => rest.is_empty(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_escape_or_confuse_are_refused() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for name in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "./a",
            "a//b",
            "a/",
            "C:\\x",
            "C:x",
            "a\\b",
            "..\\a",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "a\u{85}",
            "CON",
            "con.csv",
            "a/NUL.txt",
            "aux",
            "COM1.csv",
            "lpt9",
            "LPT¹",
            "prn.",
            "a.",
            "a ",
            " a",
            "a?",
            "a*",
            "a\"",
            "<a>",
            "a|b",
            "gpj\u{202e}exe.csv",
            "\u{feff}a",
            &long,
            "...",
            "a/ /b",
        ] {
            assert!(EntryName::new(name).is_err(), "{name:?} was let in");
        }
    }

    #[test]
    fn plain_names_pass() {
        for name in [
            "Invoices.csv",
            "xl/worksheets/sheet1.xml",
            "[Content_Types].xml",
            "_rels/.rels",
            "Rechnungen_März.csv",
            "請求書.csv",
            "COM.csv",
            "CONSOLE.csv",
            "communication",
            "a..b",
        ] {
            assert_eq!(EntryName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn every_label_makes_a_name() {
        let wide = "𠜎".repeat(100);
        for label in [
            "",
            "..",
            "../../etc/passwd",
            "CON",
            "nul.txt",
            "a/b\\c",
            "Q3: 100% <final>?",
            "\0\n",
            "Umsätze März",
            &wide,
            ".hidden",
            "a.",
            " ",
        ] {
            let name = EntryName::from_label(label, "csv");
            EntryName::new(name.as_str()).unwrap();
            assert!(!name.as_str().contains('/'));
        }
        assert_eq!(EntryName::from_label("Q3: 100%", "csv").as_str(), "Q3__100_.csv");
        assert_eq!(EntryName::from_label("../x", "csv").as_str(), "_x.csv");
    }

    #[test]
    fn every_text_makes_a_part_of_a_path() {
        let long = "x".repeat(300);
        let wide = "𠜎".repeat(100);
        let cases = [
            ("photo.JPG", "photo.JPG"),
            ("", "_"),
            ("..", "_"),
            ("a/b\\c:d", "a_b_c_d"),
            (".hidden.", "hidden"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            (" a\u{202e}\0", "_a__"),
            ("März 1.pdf", "März_1.pdf"),
        ];
        for (text, expected) in cases {
            assert_eq!(EntryName::part(text, 40), expected);
        }
        let jpg = format!("{long}.jpg");
        assert_eq!(EntryName::part(&jpg, 10), "xxxxxx.jpg");
        assert_eq!(EntryName::part(&format!("{long}.{long}"), 10), "xxxxxxxxxx");
        for text in [&*long, &wide, &jpg, "con", "a.b.c.d.e.f.g.h.i", "....................a"] {
            for most in [8, 9, 11, 60] {
                let part = EntryName::part(text, most);
                assert!(part.len() <= most, "{part}");
                EntryName::new(&part).unwrap();
            }
        }
    }
}
