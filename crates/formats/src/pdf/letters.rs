//! What a character means to a page: which need a shaper, which break a line, which have no place.
//! The ranges are Unicode's.

/// True for characters that one glyph shows, side by side, from left to right.
pub(super) fn is_simple(letter: char) -> bool {
    match letter as u32 {
        0x0483..=0x0489 | 0x1AB0..=0x1CFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF => false,
        0x2DE0..=0x2DFF | 0x302A..=0x302F | 0xA66F..=0xA67F => false,
        0..=0x02FF | 0x0370..=0x058F | 0x10A0..=0x10FF | 0x1E00..=0xA66E => true,
        0xAC00..=0xD7A3 | 0xE000..=0xFB06 | 0xFE10..=0xFE1F | 0xFE30..=0xFE6F => true,
        0xFEFF..=0xFFFF => true,
        _ => false,
    }
}

/// True for characters of which nothing is seen: joiners, marks of direction, soft hyphens.
pub(super) fn is_invisible(letter: char) -> bool {
    matches!(letter as u32,
        0x00AD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF)
}

/// True for characters that a page has no place for: controls, noncharacters, private use.
pub(super) fn is_foreign(letter: char) -> bool {
    let code = letter as u32;
    letter.is_control()
        || (0xE000..=0xF8FF).contains(&code)
        || (0xFDD0..=0xFDEF).contains(&code)
        || code & 0xFFFE == 0xFFFE
        || code >= 0xF0000
}

/// True for characters behind which a line may end, unless a digit follows.
pub(super) fn breaks_softly(letter: char) -> bool {
    matches!(letter, '-' | '/' | ',' | ';' | '|' | '\\' | '_' | '&' | '?' | '=' | '+' | '@')
}

/// True for characters around which a line may end anywhere: ideographs, kana, hangul.
pub(super) fn is_ideographic(letter: char) -> bool {
    matches!(letter as u32, 0x2E80..=0x9FFF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFF01..=0xFFEF)
}

/// True for letters that join, and so are shaped apart from other scripts of their direction.
pub(super) fn is_arabic(letter: char) -> bool {
    matches!(letter as u32,
        0x0600..=0x06FF | 0x0750..=0x077F | 0x08A0..=0x08FF | 0xFB50..=0xFDFF | 0xFE70..=0xFEFC)
}

/// The lines that a text has by itself.
pub(super) fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match text.find(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            None => rest = None,
            Some(at) => {
                let behind = &text[at..];
                let width = if behind.starts_with("\r\n") {
                    2
                } else {
                    behind.chars().next().map_or(1, char::len_utf8)
                };
                rest = Some(&behind[width..]);
                return Some(&text[..at]);
            }
        }
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_lines_by_themselves() {
        for (text, expected) in [
            ("", vec![""]),
            ("a", vec!["a"]),
            ("a\nb\r\nc\rd\u{2028}e", vec!["a", "b", "c", "d", "e"]),
            ("a\n\nb\n", vec!["a", "", "b", ""]),
        ] {
            assert_eq!(paragraphs(text).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn letters_that_join_or_turn_need_a_shaper() {
        for letter in "aé€Ωжơ請か한…".chars() {
            assert!(is_simple(letter), "{letter}");
        }
        for letter in "אبक\u{301}😀ก".chars() {
            assert!(!is_simple(letter), "{letter}");
        }
        assert!(is_foreign('\u{7}') && is_foreign('\u{ffff}') && !is_foreign('\u{fffd}'));
    }
}
