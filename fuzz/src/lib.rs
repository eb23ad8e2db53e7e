//! What the fuzz targets share: the sample world they ask, and what must hold of every answer.
//!
//! A target feeds one door of Outhaul with bytes and panics when a promise of that door is broken.
//! Nothing here knows how a door works inside; every check could be made by a client, or is a rule
//! of the core that stands behind all dialects.

use std::fmt::Debug;
use std::future::Future;
use std::sync::LazyLock;

use chrono_tz::Tz;
use outhaul_dialects::zuora::zoql::ZoqlError;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::limits::COLUMNS_MAX;
use outhaul_exports::query::Select;
use outhaul_exports::spec::ExportSpec;
use outhaul_exports::testing;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

/// The sample catalog: Account, Contact, Invoice and `PaymentMethod`.
pub static CATALOG: LazyLock<Catalog> = LazyLock::new(testing::catalog);

/// The longest sentence that a refusal may say, in characters. Names are cut before they are
/// repeated to the client; what is left is the pointer to a value at the greatest depth.
const SENTENCE_CHARS_MAX: usize = 10_000;

/// Zones whose clocks differ in what is hard about clocks: none, an hour back and forth, half an
/// hour, a day left out.
const ZONES: [Tz; 4] =
    [Tz::UTC, Tz::America__Los_Angeles, Tz::Australia__Lord_Howe, Tz::Pacific__Apia];

/// The zone in which an input is read: all get their share, and an input always the same.
pub fn zone_of(text: &str) -> Tz {
    ZONES[text.len() % ZONES.len()]
}

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().build().expect("a thread is enough");
}

/// Runs a future that waits for nothing but itself and the clock.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// A sentence for the client is one line of bounded length: it goes into logs and headers.
///
/// # Panics
/// When it is not.
pub fn check_sentence(sentence: &str) {
    assert!(!sentence.is_empty(), "a refusal says nothing");
    assert!(sentence.chars().count() <= SENTENCE_CHARS_MAX, "{} bytes", sentence.len());
    assert!(!sentence.contains(char::is_control), "control characters in {sentence:?}");
}

/// A place that an error names lies in the text, or just behind its end.
///
/// # Panics
/// When it does not.
pub fn check_place(text: &str, line: usize, column: usize) {
    let found = line.checked_sub(1).and_then(|line| text.split('\n').nth(line));
    let Some(found) = found else { panic!("there is no line {line}") };
    let columns = found.chars().count() + 1;
    assert!((1..=columns).contains(&column), "line {line} has no column {column}");
}

/// What is stored as JSON is read back as the same value.
///
/// # Panics
/// When it is not.
pub fn check_stored<T>(value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let text = serde_json::to_string(value).expect("it can be stored");
    let back: T = serde_json::from_str(&text).expect("what was stored can be read");
    assert_eq!(*value, back);
}

/// A ZOQL text is a query that the core accepts and the store gives back, or it is refused with a
/// sentence and a place in the text.
///
/// # Panics
/// When it is neither.
pub fn check_answer(text: &str, answer: &Result<Select, ZoqlError>) {
    match answer {
        Ok(select) => {
            assert!((1..=COLUMNS_MAX).contains(&select.columns.len()), "columns are bounded");
            if let Err(error) = select.check(&CATALOG) {
                panic!("the core refuses what the dialect made: {error:?}");
            }
            check_stored(select);
        }
        Err(error) => {
            check_sentence(&error.message);
            check_place(text, error.line, error.column);
        }
    }
}

/// A spec that a dialect made passes the check that stands behind all dialects, and survives its
/// way through the store.
///
/// # Panics
/// When it does not.
pub fn check_spec(spec: &ExportSpec) {
    use outhaul_exports::query::Query;
    for query in &spec.queries {
        if let Query::Select(select) = &query.query
            && let Err(error) = select.check(&CATALOG)
        {
            panic!("the core refuses what the dialect made: {error:?}");
        }
    }
    check_stored(spec);
}
