//! The committed document is what the handlers say.

use super::*;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi/userpilot.json");

#[test]
fn the_committed_document_is_current() {
    let current = document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(COMMITTED, &current).expect("the document can be written");
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == current,
        "docs/openapi/userpilot.json is old: run this test again with UPDATE=1"
    );
}
