//! Strict JSON (RFC 8259), read so that nothing is lost or guessed: no duplicate keys, no number
//! that would be rounded, no text that a database could not hold, no depth that a stack could not.
//!
//! A parser of our own, because the common ones keep the last of two equal keys, round
//! `9007199254740993.5` without a word and even misread `123456789012345.000` by a hair, and a
//! customer's filter must mean what it says.

use outhaul_exports::limits::{JSON_DEPTH_MAX, JSON_KEYS_MAX};
use serde_json::{Map, Number, Value};

/// Significant digits that every binary floating point number carries back and forth unchanged.
const DIGITS_MAX: usize = 15;

/// What is wrong with a JSON text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column}{})", at_path(.path))]
pub struct JsonError {
    /// The reason, in a sentence without the place.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// Pointer (RFC 6901) to the value that is wrong; empty for the whole.
    pub path: String,
}

fn at_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", at {}", on_one_line(path)) }
}

/// Keys may hold line ends and other control characters; a sentence must not.
pub(super) fn on_one_line(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escaped).collect()
}

/// Parses one JSON text, whole.
///
/// # Errors
/// `JsonError` for anything else than one JSON value in UTF-8 without a byte order mark, for
/// nesting deeper than [`JSON_DEPTH_MAX`], more keys than [`JSON_KEYS_MAX`], a key that stands twice
/// in one object, a NUL or half a surrogate pair in a text, and a number that cannot be kept
/// exactly: a whole number beyond 64 bits, or more than 15 significant digits otherwise.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(bytes, error.valid_up_to())),
    };
    let mut parser = Parser { text, at: 0, depth: 0, keys: 0, path: Vec::new() };
    if text.starts_with('\u{feff}') {
        return Err(parser.error("the body begins with a byte order mark: send it without one"));
    }
    parser.skip_blanks();
    if parser.peek().is_none() {
        return Err(parser.error("the body is empty: send a JSON value"));
    }
    let value = parser.value()?;
    parser.skip_blanks();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.error("something follows the JSON value")),
    }
}

/// Parses a JSON text that must be an object.
///
/// # Errors
/// As [`parse`], and for any other value than an object.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match parse(bytes)? {
        Value::Object(map) => Ok(map),
        other => Err(JsonError {
            message: format!("the body must be a JSON object, not {}", kind_of(&other)),
            line: 1,
            column: 1,
            path: String::new(),
        }),
    }
}

/// What a value is, with its article, for messages.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn not_utf8(bytes: &[u8], valid: usize) -> JsonError {
    // The part before the bad byte is good, so the place can be told as for any other error.
    let text = std::str::from_utf8(&bytes[..valid]).unwrap_or_default();
    let parser = Parser { text, at: text.len(), depth: 0, keys: 0, path: Vec::new() };
    let utf16 = bytes.starts_with(&[0xfe, 0xff]) || bytes.starts_with(&[0xff, 0xfe]);
    parser.error(if utf16 { "the body is UTF-16: send UTF-8" } else { "the body is not UTF-8" })
}

/// One step from the top to a value.
enum Step {
    Key(String),
    Item(usize),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    keys: usize,
    path: Vec<Step>,
}

type Result<T, E = JsonError> = std::result::Result<T, E>;

impl<'a> Parser<'a> {
    fn value(&mut self) -> Result<Value> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.error("this is not the beginning of a JSON value")),
            None => Err(self.error("the text ends where a value is expected")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value>) -> Result<Value> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {JSON_DEPTH_MAX} levels")));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// What follows `{`.
    fn object(&mut self) -> Result<Value> {
        let mut map = Map::new();
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(Value::Object(map));
        }
        loop {
            self.skip_blanks();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.error("a key in quotation marks is expected"));
            }
            let key = self.string()?;
            self.keys += 1;
            if self.keys > JSON_KEYS_MAX {
                return Err(self.error(format!("more than {JSON_KEYS_MAX} keys")));
            }
            if map.contains_key(&key) {
                self.at = start;
                return Err(self.error(format!("the key {} stands twice", shown(&key))));
            }
            self.skip_blanks();
            if !self.take(b':') {
                return Err(self.error("a colon is expected after a key"));
            }
            self.skip_blanks();
            self.path.push(Step::Key(key));
            let value = self.value()?;
            if let Some(Step::Key(key)) = self.path.pop() {
                map.insert(key, value);
            }
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Value::Object(map));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or } is expected"));
            }
        }
    }

    /// What follows `[`.
    fn array(&mut self) -> Result<Value> {
        let mut list = Vec::new();
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Value::Array(list));
        }
        loop {
            self.skip_blanks();
            self.path.push(Step::Item(list.len()));
            list.push(self.value()?);
            self.path.pop();
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Value::Array(list));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or ] is expected"));
            }
        }
    }

    /// A text, from its opening quotation mark.
    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c| matches!(c, '"' | '\\' | '\0'..='\x1f'));
            let Some(plain) = plain else {
                self.at = self.text.len();
                return Err(self.error("the text ends inside quotation marks"));
            };
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => {
                    let text = "a control character stands in a text: escape it";
                    return Err(self.error(text));
                }
            }
        }
    }

    /// An escape, from its backslash.
    fn escape(&mut self) -> Result<char> {
        let start = self.at;
        self.at += 1;
        let plain = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape().map_err(|message| {
                    self.at = start;
                    self.error(message)
                });
            }
            _ => {
                self.at = start;
                return Err(self.error("an unknown escape stands in a text"));
            }
        };
        self.at += 1;
        Ok(plain)
    }

    /// What follows `\u`: one character, of one escape or a pair of them.
    fn unicode_escape(&mut self) -> Result<char, &'static str> {
        const LONE: &str = "half a surrogate pair stands in a text";
        let first = self.four_digits()?;
        let code = match first {
            0 => return Err("a NUL character stands in a text: no field can hold it"),
            0xD800..=0xDBFF => {
                if !self.text[self.at..].starts_with("\\u") {
                    return Err(LONE);
                }
                self.at += 2;
                let second = self.four_digits()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(LONE);
                }
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            code => code,
        };
        char::from_u32(code).ok_or(LONE)
    }

    fn four_digits(&mut self) -> Result<u32, &'static str> {
        const BAD: &str = "\\u must be followed by four hexadecimal digits";
        let digits = self.text.get(self.at..self.at + 4).ok_or(BAD)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BAD);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| BAD)
    }

    fn number(&mut self) -> Result<Number> {
        let start = self.at;
        self.take(b'-');
        let first = self.at;
        self.digits()?;
        if self.at - first > 1 && self.text.as_bytes()[first] == b'0' {
            self.at = start;
            return Err(self.error("a number does not begin with a zero"));
        }
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            whole = false;
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let exact = if whole { exact_integer(text) } else { exact_decimal(text) };
        exact.map_err(|message| {
            self.at = start;
            self.error(message)
        })
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("a digit is expected")) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("this is not the beginning of a JSON value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, message: impl Into<String>) -> JsonError {
        let before = &self.text[..self.at];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        JsonError {
            message: message.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            path: self.path.iter().map(pointer_part).collect(),
        }
    }
}

fn pointer_part(step: &Step) -> String {
    match step {
        Step::Item(at) => format!("/{at}"),
        Step::Key(key) => format!("/{}", escape_pointer(&clipped(key))),
    }
}

/// A key as it stands in a pointer (RFC 6901).
pub(crate) fn escape_pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn exact_integer(text: &str) -> Result<Number, &'static str> {
    const BAD: &str = "the number is too large to be kept exactly: send it as a text";
    if text == "-0" {
        return Number::from_f64(-0.0).ok_or(BAD);
    }
    let unsigned = text.parse::<u64>().map(Number::from);
    unsigned.or_else(|_| text.parse::<i64>().map(Number::from)).map_err(|_| BAD)
}

fn exact_decimal(text: &str) -> Result<Number, &'static str> {
    const BAD: &str = "the number has more digits than can be kept exactly: send it as a text";
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.len() > DIGITS_MAX {
        return Err(BAD);
    }
    let value: f64 = text.parse().map_err(|_| BAD)?;
    // Near zero the digits fade away one by one, and past the greatest number there are none.
    if (value.abs() < f64::MIN_POSITIVE) != significant.is_empty() {
        return Err("the number is too small to be kept exactly: send it as a text");
    }
    Number::from_f64(value).ok_or("the number is too large to be kept exactly: send it as a text")
}

/// A text of the client as it may stand in a message: short, and on one line.
pub fn shown(text: &str) -> String {
    format!("{:?}", clipped(text))
}

fn clipped(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let mut out: String = text.chars().take(SHOWN_MAX).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_json_is_read() {
        let cases = [
            "null",
            " true ",
            "[]",
            "{}",
            "\t{\"a\":[1,-2,{\"b\":\"c\"}]}\r\n",
            "18446744073709551615",
            "-9223372036854775808",
            "9007199254740993",
            "0.1",
            "-0.0",
            "1e2",
            "1E+2",
            "1.50e-3",
            "12345.000",
            "1e308",
            "0e999",
            r#""\" \\ \/ \b \f \n \r \t \u00e9 \ud83d\ude00 é""#,
            r#"{"__proto__":1,"constructor":2,"":3}"#,
        ];
        for text in cases {
            let ours = parse(text.as_bytes());
            let theirs: Value = serde_json::from_str(text).expect("it is JSON");
            assert_eq!(ours.as_ref(), Ok(&theirs), "{text}");
        }
        let long = parse(b"123456789012345.000").expect("fifteen digits are kept");
        assert_eq!(long.as_f64(), Some(123_456_789_012_345.0));
        assert!(parse(b"-0").is_ok_and(|v| v.as_f64().is_some_and(f64::is_sign_negative)));
    }

    #[test]
    fn what_is_not_kept_exactly_or_not_json_is_refused_with_its_place() {
        let deep = "[".repeat(100_000);
        let keys = format!(
            "{{{}}}",
            (0..=JSON_KEYS_MAX).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(",")
        );
        let digits = format!("1{}", "0".repeat(10_000));
        let many_ones = format!("0.{}", "1".repeat(10_000));
        let cases: &[(&[u8], &str)] = &[
            (b"", "the body is empty: send a JSON value (line 1, column 1)"),
            (b" \n ", "the body is empty: send a JSON value (line 2, column 2)"),
            (b"{} x", "something follows the JSON value (line 1, column 4)"),
            (b"{}{}", "something follows the JSON value (line 1, column 3)"),
            (b"{\"a\":", "the text ends where a value is expected (line 1, column 6, at /a)"),
            (
                br#"{"\n\u007f":"#,
                "the text ends where a value is expected (line 1, column 13, at /\\n\\u{7f})",
            ),
            (b"{\"a\"", "a colon is expected after a key (line 1, column 5)"),
            (b"{\"a\":1,}", "a key in quotation marks is expected (line 1, column 8)"),
            (b"{a:1}", "a key in quotation marks is expected (line 1, column 2)"),
            (b"[1,]", "this is not the beginning of a JSON value (line 1, column 4, at /1)"),
            (b"[1 2]", "a comma or ] is expected (line 1, column 4)"),
            (b"\"abc", "the text ends inside quotation marks (line 1, column 5)"),
            (b"'a'", "this is not the beginning of a JSON value (line 1, column 1)"),
            (b"nul", "this is not the beginning of a JSON value (line 1, column 1)"),
            (b"NaN", "this is not the beginning of a JSON value (line 1, column 1)"),
            (
                b"\xef\xbb\xbf{}",
                "the body begins with a byte order mark: send it without one (line 1, column 1)",
            ),
            (b"\xff\xfe{\0}\0", "the body is UTF-16: send UTF-8 (line 1, column 1)"),
            (b"{\0}\0", "a key in quotation marks is expected (line 1, column 2)"),
            (b"{\n\"\xc3\xa9\": \"\xff\"}", "the body is not UTF-8 (line 2, column 7)"),
            (
                br#"{"a": "x\u0000"}"#,
                "a NUL character stands in a text: no field can hold it (line 1, column 9, at /a)",
            ),
            (b"\"\0\"", "a control character stands in a text: escape it (line 1, column 2)"),
            (b"\"\n\"", "a control character stands in a text: escape it (line 1, column 2)"),
            (br#""\ud800""#, "half a surrogate pair stands in a text (line 1, column 2)"),
            (br#""\udc00""#, "half a surrogate pair stands in a text (line 1, column 2)"),
            (br#""\ud800\ud800""#, "half a surrogate pair stands in a text (line 1, column 2)"),
            (br#""\ud800x""#, "half a surrogate pair stands in a text (line 1, column 2)"),
            (br#""\u12G4""#, "\\u must be followed by four hexadecimal digits (line 1, column 2)"),
            (br#""\u12""#, "\\u must be followed by four hexadecimal digits (line 1, column 2)"),
            (
                "\"\\u12é4\"".as_bytes(),
                "\\u must be followed by four hexadecimal digits (line 1, column 2)",
            ),
            (br#""\x41""#, "an unknown escape stands in a text (line 1, column 2)"),
            (
                b"{\"a\":{\"b/c\":[0,{\"d\":1,\"d\":1}]}}",
                "the key \"d\" stands twice (line 1, column 23, at /a/b~1c/1)",
            ),
            (
                b"1e400",
                "the number is too large to be kept exactly: send it as a text (line 1, column 1)",
            ),
            (
                b"1e-400",
                "the number is too small to be kept exactly: send it as a text (line 1, column 1)",
            ),
            (
                b"[18446744073709551616]",
                "the number is too large to be kept exactly: send it as a text (line 1, column 2, at /0)",
            ),
            (
                b"-9223372036854775809",
                "the number is too large to be kept exactly: send it as a text (line 1, column 1)",
            ),
            (
                b"9007199254740993.5",
                "the number has more digits than can be kept exactly: send it as a text (line 1, column 1)",
            ),
            (
                digits.as_bytes(),
                "the number is too large to be kept exactly: send it as a text (line 1, column 1)",
            ),
            (
                many_ones.as_bytes(),
                "the number has more digits than can be kept exactly: send it as a text (line 1, column 1)",
            ),
            (b"01", "a number does not begin with a zero (line 1, column 1)"),
            (b"1.", "a digit is expected (line 1, column 3)"),
            (b"1e", "a digit is expected (line 1, column 3)"),
            (b"-", "a digit is expected (line 1, column 2)"),
            (b"+1", "this is not the beginning of a JSON value (line 1, column 1)"),
            (b".5", "this is not the beginning of a JSON value (line 1, column 1)"),
            (keys.as_bytes(), "more than 1000 keys (line 1, column 7898)"),
        ];
        for (bytes, expected) in cases {
            let error = parse(bytes).expect_err("it must be refused");
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
            assert_eq!(error.to_string(), *expected, "{shown}");
        }
        let error = parse(deep.as_bytes()).expect_err("it is too deep");
        assert_eq!((error.message.as_str(), error.column), ("nested deeper than 64 levels", 65));
    }

    #[test]
    fn a_body_is_an_object() {
        assert!(parse_object(b"{}").is_ok());
        for (text, kind) in
            [("null", "null"), ("[]", "a list"), ("\"x\"", "a text"), ("1", "a number")]
        {
            let error = parse_object(text.as_bytes()).expect_err("it is no object");
            assert_eq!(error.message, format!("the body must be a JSON object, not {kind}"));
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-999_999_999_i64..999_999_999).prop_map(|n| Value::from(n as f64 / 1000.0)),
            "[^\0]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("[^\0]{0,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(value in any_json()) {
            let text = serde_json::to_string(&value).expect("a value is written");
            prop_assert_eq!(parse(text.as_bytes()), Ok(value));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_we_accept_others_accept(text in r#"[\[\]{}:, "\\u0-9a-fde.E+-]{0,30}"#) {
            if parse(text.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            }
        }
    }
}
