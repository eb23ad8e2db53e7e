//! The body of Zuora's "Create an export": every one becomes a spec that the core accepts, or a
//! refusal that is the client's.
#![no_main]

use std::sync::LazyLock;

use chrono_tz::Tz;
use libfuzzer_sys::fuzz_target;
use outhaul_dialects::zuora::config::Shared;
use outhaul_dialects::zuora::errors::{Family, Refusal, Trouble};
use outhaul_dialects::zuora::export::request::{Context, Flags, Wanted};
use outhaul_dialects::zuora::money::RateTable;
use outhaul_exports::principal::Tenant;
use outhaul_exports::testing;
use outhaul_fuzz::{CATALOG, check_sentence, check_spec, check_stored, zone_of};

static RATES: LazyLock<RateTable> = LazyLock::new(|| {
    let section = serde_json::json!({
        "rates": {"base": "USD", "table": {"EUR": "0.92", "GBP": "0.79", "JPY": "157.3"}},
    });
    let config = Shared::read(&section, "dialects.zuora_export").expect("the section is good");
    config.rate_table().expect("the rates are good").expect("there are rates")
});

/// A tenant that can get sensitive values sealed, and one that cannot.
static TENANTS: LazyLock<[Tenant; 2]> = LazyLock::new(|| {
    let mut sealing = testing::tenant("acme");
    sealing.public_key = Some("a public key".to_owned());
    sealing.zone = Tz::Europe__Berlin;
    [sealing, testing::tenant("plain")]
});

fuzz_target!(|bytes: &[u8]| {
    let lax = Wanted::read(bytes, Flags { reject_unknown_fields: false });
    let strict = Wanted::read(bytes, Flags { reject_unknown_fields: true });
    let wanted = match (lax, strict) {
        (Ok(lax), Ok(strict)) => {
            assert_eq!(lax, strict, "a flag that refuses changes nothing else");
            lax
        }
        (Ok(lax), Err(strict)) => {
            assert_eq!(strict.trouble, Trouble::UnrecognisedFields);
            lax
        }
        (Err(refusal), strict) => {
            assert!(strict.is_err(), "the strict reading refuses what the lax one does");
            return check_refusal(&refusal);
        }
    };
    for tenant in TENANTS.iter() {
        for rates in [None, Some(&*RATES)] {
            let context = Context {
                catalog: &CATALOG,
                tenant,
                literal_zone: zone_of(&wanted.query),
                now: testing::noon(),
                rates,
            };
            match wanted.clone().into_spec(&context) {
                Ok((spec, echo)) => {
                    check_spec(&spec);
                    check_stored(&echo);
                    let found: Wanted = serde_json::from_value(echo).expect("the echo is read");
                    assert_eq!(found, wanted);
                }
                Err(refusal) => check_refusal(&refusal),
            }
        }
    }
});

fn check_refusal(refusal: &Refusal) {
    check_sentence(&refusal.message);
    let status = refusal.write(Family::Object).status();
    assert!(status.is_client_error(), "{status}: {}", refusal.message);
}
