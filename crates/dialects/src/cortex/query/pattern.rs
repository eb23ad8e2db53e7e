//! `$regex` as far as the neutral query goes: plain text, anywhere or anchored at either end.
//!
//! No pattern is ever run as a regular expression, so that none can be slow. What is not plain text
//! is refused by name; a pattern never matches more or less than it says.

/// The pattern of a `Condition::Like` that matches what a regular expression matches.
///
/// # Errors
/// The reason, for an expression that is more than plain text with anchors.
pub(super) fn like(regex: &str) -> Result<String, String> {
    if is_slashed(regex) {
        return Err("write the pattern without slashes around it, and flags in $options; a slash \
                    that is meant is written \\/"
            .to_owned());
    }
    let (start, rest) = match regex.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, regex),
    };
    let mut out = String::with_capacity(rest.len() + 2);
    // Any text before or after what may stand anywhere says nothing.
    let rest = if start { rest } else { rest.strip_prefix(".*").unwrap_or(rest) };
    let mut end = false;
    if !start {
        out.push('%');
    }
    let mut letters = rest.char_indices();
    while let Some((at, c)) = letters.next() {
        match c {
            '\\' => match letters.next() {
                Some((_, c)) if c.is_ascii_punctuation() => push(&mut out, c),
                Some((_, c)) => return Err(refused(&format!("\\{}", c.escape_default()))),
                None => return Err("the pattern ends in a backslash".to_owned()),
            },
            '$' if at + 1 == rest.len() => end = true,
            '.' if &rest[at..] == ".*" => break,
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => {
                return Err(refused(&c.to_string()));
            }
            '\0' => return Err("a NUL character stands in the pattern".to_owned()),
            c => push(&mut out, c),
        }
    }
    if !end {
        out.push('%');
    }
    Ok(out)
}

fn push(out: &mut String, c: char) {
    if matches!(c, '%' | '_' | '\\') {
        out.push('\\');
    }
    out.push(c);
}

fn refused(what: &str) -> String {
    format!(
        "{what} is not offered in a pattern: plain text is, with ^ at its beginning and $ at its \
         end; a sign that is meant itself is written with a backslash before it"
    )
}

/// Whether it looks like a literal of JavaScript, such as `/x/i`.
fn is_slashed(regex: &str) -> bool {
    let Some((body, flags)) = regex.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) else {
        return false;
    };
    !body.ends_with('\\') && flags.bytes().all(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_patterns_become_likes() {
        for (regex, becomes) in [
            ("abc", "%abc%"),
            ("^abc", "abc%"),
            ("abc$", "%abc"),
            ("^abc$", "abc"),
            ("^$", ""),
            ("", "%%"),
            (".*abc.*", "%abc%"),
            ("^abc.*", "abc%"),
            ("a\\.b", "%a.b%"),
            ("50%_\\\\", "%50\\%\\_\\\\%"),
            ("a\\$", "%a$%"),
            ("/a", "%/a%"),
            ("é\\/", "%é/%"),
        ] {
            assert_eq!(like(regex).as_deref(), Ok(becomes), "{regex}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (regex, says) in [
            ("(a+)+$", "( is not offered"),
            ("a.c", ". is not offered"),
            ("a.*c", ". is not offered"),
            ("^a.*$", ". is not offered"),
            ("a|b", "| is not offered"),
            ("\\d", "\\d is not offered"),
            ("a^", "^ is not offered"),
            ("a$b", "$ is not offered"),
            ("a\\", "ends in a backslash"),
            ("/a/i", "without slashes"),
            ("\0", "NUL"),
        ] {
            let error = like(regex).expect_err(regex);
            assert!(error.contains(says), "{regex}: {error}");
        }
    }
}
