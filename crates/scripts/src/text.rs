//! Making a script's text harmless: cut to a number of bytes, nothing in it that moves a cursor.

/// Writes control characters, line ends and characters that turn the direction of writing as
/// escapes, and stops before `most` bytes are passed. Says whether all of it is there.
pub(crate) fn tame(text: &str, most: usize) -> (String, bool) {
    let mut tamed = String::with_capacity(text.len().min(most));
    for character in text.chars() {
        let before = tamed.len();
        match character {
            '\n' => tamed.push_str("\\n"),
            '\r' => tamed.push_str("\\r"),
            '\t' => tamed.push_str("\\t"),
            other if is_wild(other) => tamed.extend(other.escape_unicode()),
            other => tamed.push(other),
        }
        if tamed.len() > most {
            tamed.truncate(before);
            return (tamed, false);
        }
    }
    (tamed, true)
}

fn is_wild(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// How deep a JSON text nests, lists and objects alike. A reader that recurses has a limit.
pub(crate) fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::{nesting, tame};

    #[test]
    fn nothing_moves_the_cursor() {
        let (text, whole) = tame("a\u{1b}[2Jb\r\n\tc\u{202e}d\u{0}é", 100);
        assert_eq!(text, r"a\u{1b}[2Jb\r\n\tc\u{202e}d\u{0}é");
        assert!(whole);
    }

    #[test]
    fn it_is_cut_between_characters() {
        assert_eq!(tame("ééé", 5), ("éé".to_owned(), false));
        assert_eq!(tame("a\u{1b}", 5), ("a".to_owned(), false));
        assert_eq!(tame("ééé", 6), ("ééé".to_owned(), true));
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(nesting(r#"[{"a[":[1,"\"[{"]},[]]"#), 3);
        assert_eq!(nesting("1"), 0);
    }

    #[test]
    fn what_is_tame_stays_as_it_is() {
        let (once, _) = tame("x\u{7}\ny", 100);
        assert_eq!(tame(&once, 100), (once, true));
    }
}
