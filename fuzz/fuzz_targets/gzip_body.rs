//! Compressed request bodies: inflated in pieces of any size they are what another reader makes of
//! them, and never more than the cap.
//!
//! The first byte says how large the pieces are, and whether the rest is a compressed body as it
//! is or lines that are compressed here, each as a member of its own.
#![no_main]

use std::convert::Infallible;
use std::io::{Read, Write};

use axum::body::Body;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures::stream;
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use outhaul_dialects::kit::body::{BodyError, read};
use outhaul_exports::limits::BODY_BYTES_MAX;
use outhaul_fuzz::run;

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let piece_bytes = usize::from(first >> 1) + 1;
    if first & 1 == 0 {
        assert_eq!(inflate(rest, piece_bytes), expected(rest));
    } else {
        let lines: Vec<&[u8]> = rest.split_inclusive(|byte| *byte == b'\n').collect();
        let packed: Vec<u8> = lines.iter().flat_map(|line| gzip(line)).collect();
        let found = inflate(&packed, piece_bytes);
        let whole = if lines.is_empty() { Err(BodyError::BadGzip) } else { Ok(rest.to_vec()) };
        assert_eq!(found, whole);
    }
});

fn inflate(packed: &[u8], piece_bytes: usize) -> Result<Vec<u8>, BodyError> {
    let pieces: Vec<_> =
        packed.chunks(piece_bytes).map(|piece| Ok::<_, Infallible>(piece.to_vec())).collect();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let body = run(read(&headers, Body::from_stream(stream::iter(pieces))))?;
    assert!(body.len() <= BODY_BYTES_MAX, "{} bytes", body.len());
    Ok(body.to_vec())
}

/// What a reader that pulls, rather than being pushed, makes of it.
fn expected(packed: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(packed).take(BODY_BYTES_MAX as u64 + 1).read_to_end(&mut plain);
    if plain.len() > BODY_BYTES_MAX {
        return Err(BodyError::TooLarge);
    }
    read.map(|_| plain).map_err(|_| BodyError::BadGzip)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}
