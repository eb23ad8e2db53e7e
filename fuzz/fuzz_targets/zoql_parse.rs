//! Export ZOQL: every text is a query or is refused with a place in it; a query that is printed and
//! read again is the same query, with the same meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outhaul_dialects::zuora::zoql::CHARACTERS_MAX;
use outhaul_dialects::zuora::zoql::export::{compile, parser::parse};
use outhaul_exports::testing::noon;
use outhaul_fuzz::{CATALOG, check_answer, zone_of};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let zone = zone_of(&text);
    let meaning = |text: &str| compile(text, &CATALOG, noon(), zone);

    let compiled = meaning(&text);
    check_answer(&text, &compiled);
    let Ok(query) = parse(&text) else {
        assert!(compiled.is_err(), "what cannot be read has no meaning");
        return;
    };
    let printed = query.to_string();
    // The canonical text has blanks that the user may have left out.
    if printed.chars().count() > CHARACTERS_MAX {
        return;
    }
    let again = parse(&printed).expect("what is printed can be read");
    assert_eq!(again, query, "{printed}");
    assert_eq!(again.to_string(), printed, "the printed text is canonical");
    if let Ok(select) = compiled {
        assert_eq!(meaning(&printed), Ok(select), "{printed}");
    }
});
