//! Which bytes a request asks for, after its conditions: `If-Match`, `If-None-Match`, `If-Range`
//! and `Range`, in the order of RFC 9110, 13.2.2. Pure.

use std::ops::Range;

use http::{HeaderMap, HeaderName, Method, header};
use outhaul_exports::service::ByteRange;

use super::FileError;

/// Bytes of a `Range` header; a longer one asks for more ranges than we would serve.
const RANGE_BYTES_MAX: usize = 256;

/// What to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing: the client has it.
    NotModified,
    /// Everything.
    Whole,
    /// One range.
    Part(Range<u64>),
}

/// What the request asks for.
///
/// # Errors
/// `PreconditionFailed`, `RangeNotSatisfiable`.
pub(super) fn wanted(
    method: &Method,
    request: &HeaderMap,
    etag: &str,
    length: u64,
) -> Result<Wanted, FileError> {
    if request.contains_key(header::IF_MATCH) && !lists(request, &header::IF_MATCH, etag, false) {
        return Err(FileError::PreconditionFailed);
    }
    if lists(request, &header::IF_NONE_MATCH, etag, true) {
        return Ok(Wanted::NotModified);
    }
    if *method != Method::GET || !request.contains_key(header::RANGE) {
        return Ok(Wanted::Whole);
    }
    // A strong comparison: a weak tag or a date never matches.
    let mut validators = request.get_all(header::IF_RANGE).iter();
    if let Some(validator) = validators.next()
        && (validators.next().is_some() || validator.as_bytes() != etag.as_bytes())
    {
        return Ok(Wanted::Whole);
    }
    match asked(request) {
        Asked::Nothing => Ok(Wanted::Whole),
        // RFC 9110, 14.2 lets a server pass over a Range that asks for more than it serves.
        Asked::Several => Ok(Wanted::Whole),
        Asked::One(range) => match range.within(length) {
            Some(range) => Ok(Wanted::Part(range)),
            None => Err(FileError::RangeNotSatisfiable { length }),
        },
    }
}

/// What `Range` says.
enum Asked {
    /// Nothing that is understood.
    Nothing,
    One(ByteRange),
    Several,
}

fn asked(request: &HeaderMap) -> Asked {
    let mut values = request.get_all(header::RANGE).iter();
    let Some(value) = values.next() else { return Asked::Nothing };
    if values.next().is_some() {
        return Asked::Several;
    }
    let text = value.to_str().unwrap_or_default();
    let Some((unit, set)) = text.split_once('=') else { return Asked::Nothing };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Nothing;
    }
    if text.len() > RANGE_BYTES_MAX {
        return Asked::Several;
    }
    let specs: Vec<&str> = set.split(',').map(str::trim).filter(|s| !s.is_empty()).collect();
    match specs.as_slice() {
        [] => Asked::Nothing,
        [one] => one_range(one).map_or(Asked::Nothing, Asked::One),
        _ => Asked::Several,
    }
}

fn one_range(spec: &str) -> Option<ByteRange> {
    let (first, last) = spec.split_once('-')?;
    match (first, last) {
        ("", last) => number(last).map(ByteRange::Last),
        (first, "") => number(first).map(|first| ByteRange::From(first, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::From(first, Some(last)))
        }
    }
}

/// Digits only; what is over 64 bits is past the end of every file anyway.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Whether a list of entity tags names `etag`, or is `*`.
fn lists(request: &HeaderMap, name: &HeaderName, etag: &str, weak: bool) -> bool {
    let values = request.get_all(name).iter().filter_map(|value| value.to_str().ok());
    // Our tags hold no comma, so splitting at commas takes none of them apart.
    values.flat_map(|value| value.split(',')).map(str::trim).any(|item| {
        let tag = if weak { item.strip_prefix("W/").unwrap_or(item) } else { item };
        item == "*" || tag == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"abc\"";

    fn ask(method: &Method, headers: &[(HeaderName, &str)], length: u64) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().expect("a header value"));
        }
        match wanted(method, &map, ETAG, length) {
            Ok(Wanted::NotModified) => "304".into(),
            Ok(Wanted::Whole) => "200".into(),
            Ok(Wanted::Part(range)) => format!("206 {}..{}", range.start, range.end),
            Err(FileError::RangeNotSatisfiable { .. }) => "416".into(),
            Err(FileError::PreconditionFailed) => "412".into(),
            Err(FileError::Store(_)) => "store".into(),
        }
    }

    #[test]
    fn ranges_of_ten_bytes() {
        let many = format!(
            "bytes={}",
            (0..1000).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",")
        );
        let cases = [
            ("bytes=0-", "206 0..10"),
            ("bytes=0-0", "206 0..1"),
            ("bytes=3-5", "206 3..6"),
            ("BYTES=3-5", "206 3..6"),
            ("bytes= 3-5 ,", "206 3..6"),
            ("bytes=3-99", "206 3..10"),
            ("bytes=9-", "206 9..10"),
            ("bytes=-3", "206 7..10"),
            ("bytes=-1", "206 9..10"),
            ("bytes=-99", "206 0..10"),
            ("bytes=00003-5", "206 3..6"),
            ("bytes=0-99999999999999999999", "206 0..10"),
            ("bytes=-0", "416"),
            ("bytes=10-", "416"),
            ("bytes=10-20", "416"),
            ("bytes=9999999999999999999-", "416"),
            ("bytes=99999999999999999999999-", "416"),
            ("bytes=0-0,1-1", "200"),
            ("bytes=0-0,-1", "200"),
            (many.as_str(), "200"),
            ("bytes=5-2", "200"),
            ("items=0-1", "200"),
            ("bytes=", "200"),
            ("bytes=-", "200"),
            ("bytes=a-b", "200"),
            ("bytes=+1-2", "200"),
            ("bytes=1-2-3", "200"),
            ("bytes 0-1", "200"),
            ("", "200"),
        ];
        for (value, expected) in cases {
            let found = ask(&Method::GET, &[(header::RANGE, value)], 10);
            assert_eq!(found, expected, "{}", &value[..value.len().min(40)]);
        }
        assert_eq!(ask(&Method::HEAD, &[(header::RANGE, "bytes=0-1")], 10), "200");
        assert_eq!(ask(&Method::GET, &[(header::RANGE, "bytes=0-")], 0), "416");
        let two = [(header::RANGE, "bytes=0-1"), (header::RANGE, "bytes=0-1")];
        assert_eq!(ask(&Method::GET, &two, 10), "200");
    }

    #[test]
    fn conditions_come_first() {
        let range = (header::RANGE, "bytes=0-1");
        let cases: &[(&[(HeaderName, &str)], &str)] = &[
            (&[(header::IF_NONE_MATCH, "\"abc\"")], "304"),
            (&[(header::IF_NONE_MATCH, "W/\"abc\"")], "304"),
            (&[(header::IF_NONE_MATCH, "\"x\", \"abc\"")], "304"),
            (&[(header::IF_NONE_MATCH, "*")], "304"),
            (&[(header::IF_NONE_MATCH, "\"x\"")], "200"),
            (&[(header::IF_NONE_MATCH, "\"abc\""), range.clone()], "304"),
            (&[(header::IF_MATCH, "\"abc\"")], "200"),
            (&[(header::IF_MATCH, "*")], "200"),
            (&[(header::IF_MATCH, "\"x\"")], "412"),
            (&[(header::IF_MATCH, "W/\"abc\"")], "412"),
            (&[(header::IF_RANGE, "\"abc\""), range.clone()], "206 0..2"),
            (&[(header::IF_RANGE, "\"old\""), range.clone()], "200"),
            (&[(header::IF_RANGE, "W/\"abc\""), range.clone()], "200"),
            (&[(header::IF_RANGE, "Wed, 21 Oct 2015 07:28:00 GMT"), range.clone()], "200"),
            (&[(header::IF_RANGE, "\"old\""), (header::RANGE, "bytes=99-")], "200"),
            (&[(header::IF_RANGE, "\"abc\"")], "200"),
        ];
        for (headers, expected) in cases {
            assert_eq!(ask(&Method::GET, headers, 10), *expected, "{headers:?}");
        }
    }
}
