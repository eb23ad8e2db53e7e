//! Zoho's criteria and SQL: every text is understood or is refused with a place in it, what is
//! understood can be read again by those who run it, and it names nothing but what the catalog has.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use outhaul_dialects::zoho::names::DisplayNames;
use outhaul_dialects::zoho::sql::{Saved, SqlError, criteria, statement};
use outhaul_exports::limits::QUERY_CHARS_MAX;
use outhaul_exports::query::Query;
use outhaul_fuzz::{CATALOG, check_place, check_sentence};

static NAMES: LazyLock<DisplayNames> = LazyLock::new(|| DisplayNames::of(&CATALOG));

const SAVED: &[Saved<'_>] =
    &[("Totals", "select Status, count(*) as n, sum(Amount) as Total from Invoice group by Status")];

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let invoice = CATALOG.require("Invoice").expect("it is in the sample");
    match criteria(&text, invoice, &CATALOG, &NAMES) {
        Ok(condition) => check_names(&condition, &[]),
        Err(error) => check_refusal(&text, &error),
    }
    match statement(&text, &CATALOG, &NAMES, SAVED) {
        Ok(read) => {
            let Query::Sql { text } = &read.query else { panic!("a statement stays SQL") };
            assert!(!read.tables.is_empty() && !read.columns.is_empty());
            check_names(text, &read.columns);
        }
        Err(error) => check_refusal(&text, &error),
    }
});

fn check_refusal(text: &str, error: &SqlError) {
    check_sentence(&error.message);
    check_place(text, error.line, error.column);
}

/// Every name in quotes is the catalog's, one that was made here, or a heading.
fn check_names(sql: &str, headings: &[String]) {
    assert!(sql.chars().count() <= QUERY_CHARS_MAX);
    let mut rest = sql;
    while let Some(at) = rest.find(['"', '\'']) {
        let quote = &rest[at..=at];
        let mut name = String::new();
        rest = &rest[at + 1..];
        loop {
            let end = rest.find(quote).expect("a quotation ends");
            name.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix(quote) {
                Some(after) => {
                    name.push_str(quote);
                    rest = after;
                }
                None => break,
            }
        }
        let made = name.trim_start_matches(['t', 'c', 'w', ' ']).bytes().all(|b| b.is_ascii_digit());
        let known = CATALOG.objects().any(|object| {
            object.name == name || object.fields.iter().any(|field| field.name == name)
        });
        assert!(quote == "'" || made || known || headings.contains(&name), "{name:?} in {sql}");
    }
}
