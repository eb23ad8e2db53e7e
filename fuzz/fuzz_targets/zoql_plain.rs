//! ZOQL: every text is a query or is refused with a place in it; a query that is printed and read
//! again is the same query, with the same meaning; and what the strict reading of dates accepts, the
//! lenient one understands the same way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outhaul_dialects::zuora::zoql::CHARACTERS_MAX;
use outhaul_dialects::zuora::zoql::plain::{CONDITIONS_MAX, compile, parser::parse};
use outhaul_exports::testing::noon;
use outhaul_fuzz::{CATALOG, check_answer, zone_of};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let zone = zone_of(&text);
    let meaning = |text: &str, strict: bool| compile(text, &CATALOG, noon(), zone, strict);

    let compiled = meaning(&text, true);
    let lenient = meaning(&text, false);
    for answer in [&compiled, &lenient] {
        check_answer(&text, answer);
    }
    if compiled.is_ok() {
        assert_eq!(compiled, lenient, "leniency changes no meaning");
    }
    let Ok(query) = parse(&text) else {
        assert!(lenient.is_err(), "what cannot be read has no meaning");
        return;
    };
    let conditions = query.filter.iter().flat_map(|filter| filter.conditions()).count();
    assert!(conditions <= CONDITIONS_MAX, "conditions are bounded");
    let printed = query.to_string();
    // The canonical text has blanks and escapes that the user may have left out.
    if printed.chars().count() > CHARACTERS_MAX {
        return;
    }
    let again = parse(&printed).expect("what is printed can be read");
    assert_eq!(again, query, "{printed}");
    assert_eq!(again.to_string(), printed, "the printed text is canonical");
    for (strict, before) in [(true, compiled), (false, lenient)] {
        if let Ok(select) = before {
            assert_eq!(meaning(&printed, strict), Ok(select), "{printed}");
        }
    }
});
