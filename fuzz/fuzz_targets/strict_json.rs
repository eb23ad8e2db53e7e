//! Strict JSON: what is accepted, another parser reads as the same value; what only the other
//! accepts is refused for one of the reasons that are promised.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outhaul_dialects::kit::json::{JsonError, parse, parse_object};
use outhaul_fuzz::check_place;
use serde_json::Value;

/// Reasons to refuse what is JSON: each loses something, or costs too much.
const STRICTER: [&str; 7] = [
    "stands twice",
    "nested deeper than",
    "keys",
    "NUL character",
    "more digits than can be kept exactly",
    "too large to be kept exactly",
    "too small to be kept exactly",
];

fuzz_target!(|bytes: &[u8]| {
    let other: Result<Value, _> = serde_json::from_slice(bytes);
    match parse(bytes) {
        Ok(value) => {
            let other = other.expect("another parser reads it too");
            assert_eq!(value, other);
            let written = serde_json::to_vec(&value).expect("a value can be written");
            assert_eq!(parse(&written), Ok(value.clone()), "what is written is read again");
            let object = parse_object(bytes);
            assert_eq!(object.is_ok(), value.is_object());
        }
        Err(error) => {
            check_error(bytes, &error);
            assert_eq!(parse_object(bytes), Err(error.clone()));
            let stricter = STRICTER.iter().any(|reason| error.message.contains(reason));
            assert!(other.is_err() || stricter, "refused without need: {error}");
        }
    }
});

fn check_error(bytes: &[u8], error: &JsonError) {
    let readable = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("so far it is UTF-8")
        }
    };
    check_place(readable, error.line, error.column);
    assert!(!error.message.is_empty() && error.message.len() <= 1_000, "{error}");
}
