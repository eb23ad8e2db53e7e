//! Downloads: whatever the conditions and ranges of a request say, the answer is the whole file or
//! a part of it, and says which.
//!
//! An input is a request head: `METHOD LENGTH`, the length being that of the file, and headers a
//! line each.
#![no_main]

use std::sync::LazyLock;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use outhaul_dialects::kit::file::{Coding, FileError, answer};
use outhaul_exports::ports::{JobStore, NewExport};
use outhaul_exports::service::Download;
use outhaul_exports::testing::{self, World};
use outhaul_fuzz::run;

/// The file's bytes, where its length is not made up.
const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// The headers that a download looks at.
const HEADERS: [HeaderName; 5] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::ACCEPT_ENCODING,
];

static PUBLISHED: LazyLock<(World, outhaul_exports::export::Export)> = LazyLock::new(|| {
    let world = World::new("native", testing::sample::policy(), vec![testing::tenant("acme")]);
    let export = testing::export("acme", testing::noon());
    run(async {
        let new = NewExport { export, idempotency: None };
        world.store.insert(new).await.expect("there is room");
        let running = world.start_next().await.expect("it is due");
        let done = world.complete(&running, &[("file.csv", "text/csv", CONTENT)]).await;
        (world, done)
    })
});

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (method, length) = first.split_once(' ').unwrap_or((first, ""));
    let method = if method == "HEAD" { Method::HEAD } else { Method::GET };
    let length = length.parse().unwrap_or(CONTENT.len() as u64);
    let request = headers(rest);

    let (world, export) = &*PUBLISHED;
    let manifest = export.manifest.as_ref().expect("it is complete");
    let mut artifact = manifest.artifacts[0].clone();
    artifact.bytes = length;
    let file = Download { export: export.clone(), artifact };
    for coding in [Coding::Identity, Coding::GzipIfAccepted] {
        match run(answer(&world.exports, &file, &method, &request, coding)) {
            Ok(response) => check_answer(response, &method, &request, length),
            Err(FileError::RangeNotSatisfiable { length: said }) => {
                assert_eq!(said, length);
                assert!(method == Method::GET && request.contains_key(header::RANGE));
                assert!(simple_range(&request).is_none_or(|range| first_of(range) >= length));
            }
            Err(FileError::PreconditionFailed) => assert!(request.contains_key(header::IF_MATCH)),
            Err(FileError::Store(error)) => panic!("the file is there: {error:?}"),
        }
    }
});

fn headers(text: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in text.split('\n') {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let known = HEADERS.iter().find(|known| known.as_str() == name);
        if let (Some(known), Ok(value)) = (known, HeaderValue::from_bytes(value.as_bytes())) {
            map.append(known, value);
        }
    }
    map
}

fn check_answer(response: Response, method: &Method, request: &HeaderMap, length: u64) {
    let said = |name: HeaderName| {
        response.headers().get(name).map(|value| value.to_str().expect("it is text").to_owned())
    };
    let content_length: Option<u64> =
        said(header::CONTENT_LENGTH).map(|text| text.parse().expect("it is a number"));
    let content_range = said(header::CONTENT_RANGE);
    let packed = said(header::CONTENT_ENCODING).is_some();
    let range = match response.status() {
        StatusCode::NOT_MODIFIED => {
            assert!(request.contains_key(header::IF_NONE_MATCH));
            0..0
        }
        StatusCode::OK => {
            assert_eq!(content_range, None);
            assert_eq!(content_length, (!packed).then_some(length));
            let plain = request.len() == 1 && *method == Method::GET;
            let wanted = simple_range(request).filter(|_| plain);
            assert_eq!(wanted, None, "a range that is there was passed over");
            0..length
        }
        StatusCode::PARTIAL_CONTENT => {
            assert!(*method == Method::GET && request.contains_key(header::RANGE) && !packed);
            let range = read_content_range(&content_range.expect("a part says which"), length);
            assert_eq!(content_length, Some(range.end - range.start));
            if let Some((first, last)) = simple_range(request) {
                let end = last.map_or(u128::from(length), |last| (last + 1).min(length.into()));
                assert_eq!((u128::from(range.start), u128::from(range.end)), (first, end));
            }
            range
        }
        other => panic!("{other}"),
    };
    if length == CONTENT.len() as u64 && !packed {
        let body = run(response.into_body().collect()).expect("the body is whole").to_bytes();
        let wanted = if *method == Method::HEAD { 0..0 } else { range };
        let wanted = usize::try_from(wanted.start).expect("it is small")
            ..usize::try_from(wanted.end).expect("it is small");
        assert_eq!(body, CONTENT[wanted]);
    }
}

/// `bytes FIRST-LAST/LENGTH`, as the first and one past the last.
fn read_content_range(text: &str, length: u64) -> std::ops::Range<u64> {
    let (range, whole) = text
        .strip_prefix("bytes ")
        .and_then(|text| text.split_once('/'))
        .expect("it has the form of a content range");
    let (first, last) = range.split_once('-').expect("it has a first and a last");
    let number = |text: &str| text.parse::<u64>().expect("it is a number");
    assert_eq!(number(whole), length);
    let (first, last) = (number(first), number(last));
    assert!(first <= last && last < length, "{text}");
    first..last + 1
}

/// The first byte and the last of a plain `bytes=FIRST-LAST` or `bytes=FIRST-` that is in order:
/// such a range must be served when it begins in the file.
fn simple_range(request: &HeaderMap) -> Option<(u128, Option<u128>)> {
    let mut values = request.get_all(header::RANGE).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (first, last) = value.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    // Up to 30 digits, so that numbers beyond 64 bits are among them.
    let number = |text: &str| {
        let good = (1..=30).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if good { text.parse::<u128>().ok() } else { None }
    };
    let first = number(first)?;
    match last {
        "" => Some((first, None)),
        last => number(last).filter(|last| first <= *last).map(|last| (first, Some(last))),
    }
}

fn first_of(range: (u128, Option<u128>)) -> u64 {
    u64::try_from(range.0).unwrap_or(u64::MAX)
}
