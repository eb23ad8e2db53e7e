//! The keys of stored files: what is read as a key is written as the same text, and what we write
//! is read as the same key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outhaul_exports::lease::{LeaseKey, LeaseToken};
use outhaul_exports::ports::ObjectKey;

/// An id as it stands in every key.
const ID: &str = "019f5cd7b800b2a1c3d4e5f60718293a";

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Some(key) = ObjectKey::parse(&text) {
        assert_eq!(key.path(), text);
        assert_eq!(ObjectKey::parse(&key.path()), Some(key));
    }
    // Three parts, one a line: whatever they hold, a key of them is read back or is no key of
    // four parts.
    let mut parts = text.split('\n').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let export = ID.parse().expect("it is an id");
    let tenant = part().as_str().into();
    let lease = LeaseKey { export, token: LeaseToken(part()) };
    let key = ObjectKey { tenant, lease, file: part() };
    let whole = key.path().split('/').count() == 4;
    assert_eq!(ObjectKey::parse(&key.path()), whole.then_some(key));
});
