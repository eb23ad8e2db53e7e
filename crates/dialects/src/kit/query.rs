//! The query string of a request, decoded once, strictly: what cannot be decoded is refused, not
//! passed on half decoded.

/// Parameters of one query string.
pub const PARAMETERS_MAX: usize = 100;

/// Why a query string is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It has too many parameters.
    #[error("the query string has more than {PARAMETERS_MAX} parameters")]
    TooMany,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("the query string has a % without two hexadecimal digits after it")]
    BadPercent,
    /// A name or value is not UTF-8, or holds a NUL.
    #[error("the query string holds text that is not UTF-8, or a NUL character")]
    NotText,
}

/// The names and values in order, as `application/x-www-form-urlencoded` writes them.
///
/// # Errors
/// See [`QueryError`].
pub fn pairs(query: &str) -> Result<Vec<(String, String)>, QueryError> {
    let mut pairs = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        if pairs.len() == PARAMETERS_MAX {
            return Err(QueryError::TooMany);
        }
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        pairs.push((decoded(name)?, decoded(value)?));
    }
    Ok(pairs)
}

fn decoded(text: &str) -> Result<String, QueryError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2).ok_or(QueryError::BadPercent)?;
                rest = tail;
                let mut byte = [0];
                hex::decode_to_slice(digits, &mut byte).map_err(|_| QueryError::BadPercent)?;
                byte[0]
            }
            other => other,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| QueryError::NotText)?;
    if text.contains('\0') { Err(QueryError::NotText) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once_or_refused() {
        let many = "a&".repeat(PARAMETERS_MAX + 1);
        let cases = [
            ("", Ok("")),
            ("a=b&c=d", Ok("a:b|c:d")),
            ("a=1&a=2&&b", Ok("a:1|a:2|b:")),
            ("a=%2541+x%26y%C3%A9=z", Ok("a:%41 x&yé=z")),
            ("a=%zz", Err(QueryError::BadPercent)),
            ("a=%4", Err(QueryError::BadPercent)),
            ("%", Err(QueryError::BadPercent)),
            ("a=%c0%af", Err(QueryError::NotText)),
            ("a=%00", Err(QueryError::NotText)),
            (many.as_str(), Err(QueryError::TooMany)),
        ];
        for (query, expected) in cases {
            let found = pairs(query).map(|pairs| {
                pairs.into_iter().map(|(n, v)| format!("{n}:{v}")).collect::<Vec<_>>().join("|")
            });
            assert_eq!(found.as_deref().map_err(|e| *e), expected, "{query}");
        }
    }
}
