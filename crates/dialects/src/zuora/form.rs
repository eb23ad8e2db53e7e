//! `name=value&name=value`: the text of a query and of a form.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The pairs, decoded once, in order; `None` when a name or value is not UTF-8.
pub fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn pairs_are_decoded_once() {
        let read = |text| {
            pairs(text).map(|pairs| {
                pairs.into_iter().map(|(n, v)| format!("{n}:{v}")).collect::<Vec<_>>().join("|")
            })
        };
        let cases = [
            ("", Some("")),
            ("a=b&c=d", Some("a:b|c:d")),
            ("a=1&a=2&&b", Some("a:1|a:2|b:")),
            ("a=%2541+x%26y", Some("a:%41 x&y")),
            ("a=%zz", Some("a:%zz")),
            ("a=%c0%af", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }
}
