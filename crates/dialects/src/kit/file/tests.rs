//! Downloads: ranges, conditions, headers, and bytes that break off.

use std::io::Read;

use bytes::Bytes;
use http_body_util::BodyExt;
use outhaul_exports::testing::{self, Cut, World};
use proptest::prelude::*;

use super::*;

/// A world with one finished export whose only file has this name, type and content.
async fn published(name: &str, media_type: &str, bytes: &[u8]) -> (World, Download) {
    let world = World::new("native", testing::sample::policy(), vec![testing::tenant("acme")]);
    let export = testing::export("acme", testing::noon());
    let new = outhaul_exports::ports::NewExport { export, idempotency: None };
    outhaul_exports::ports::JobStore::insert(&*world.store, new).await.expect("there is room");
    let running = world.start_next().await.expect("it is due");
    let done = world.complete(&running, &[(name, media_type, bytes)]).await;
    let artifact = done.manifest.expect("it is complete").artifacts.remove(0);
    let who = testing::principal("acme");
    let file = world.exports.find_file(&who, artifact.id).await.expect("it is published");
    (world, file)
}

fn request(headers: &[(HeaderName, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value.parse().expect("a header value"));
    }
    map
}

async fn get(world: &World, file: &Download, headers: &[(HeaderName, &str)]) -> Response {
    answer(&world.exports, file, &Method::GET, &request(headers), Coding::Identity)
        .await
        .expect("it is answered")
}

async fn bytes_of(response: Response) -> Bytes {
    response.into_body().collect().await.expect("the body is whole").to_bytes()
}

fn text(headers: &HeaderMap) -> String {
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")))
        .collect();
    lines.sort();
    lines.join("\n")
}

#[tokio::test]
async fn headers_prove_and_protect() {
    let (world, file) = published("Rechnungen für März.html", "text/html", b"<p>x</p>").await;
    let whole = get(&world, &file, &[]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    let expected = "\
accept-ranges: bytes
cache-control: private, no-store
content-disposition: attachment; filename=\"Rechnungen f_r M_rz.html\"; \
filename*=UTF-8''Rechnungen%20f%C3%BCr%20M%C3%A4rz.html
content-length: 8
content-security-policy: sandbox; default-src 'none'
content-type: text/html; charset=utf-8
digest: sha-256=MdjgfsMFrE4lFdHwscjGA7OFgETrfZeAfW0JcIOMsL4=
etag: \"31d8e07ec305ac4e2515d1f0b1c8c603b3858044eb7d97807d6d0970838cb0be\"
repr-digest: sha-256=:MdjgfsMFrE4lFdHwscjGA7OFgETrfZeAfW0JcIOMsL4=:
x-content-type-options: nosniff";
    assert_eq!(text(whole.headers()), expected);
    let head = answer(&world.exports, &file, &Method::HEAD, &HeaderMap::new(), Coding::Identity)
        .await
        .expect("it is answered");
    assert_eq!(text(head.headers()), text(whole.headers()));
    assert!(bytes_of(head).await.is_empty());
    assert_eq!(bytes_of(whole).await, "<p>x</p>");

    let part = get(&world, &file, &[(header::RANGE, "bytes=1-3")]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()[header::CONTENT_RANGE], "bytes 1-3/8");
    assert_eq!(part.headers()[header::CONTENT_LENGTH], "3");
    assert_eq!(bytes_of(part).await, "p>x");

    let etag = format!("\"{}\"", file.artifact.sha256);
    let same = get(&world, &file, &[(header::IF_NONE_MATCH, etag.as_str())]).await;
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    let expected = "\
accept-ranges: bytes
cache-control: private, no-store
content-security-policy: sandbox; default-src 'none'
etag: \"31d8e07ec305ac4e2515d1f0b1c8c603b3858044eb7d97807d6d0970838cb0be\"
x-content-type-options: nosniff";
    assert_eq!(text(same.headers()), expected);
    assert!(bytes_of(same).await.is_empty());
}

#[tokio::test]
async fn a_broken_store_breaks_the_connection() {
    let bytes = vec![b'x'; 5_000];
    let (world, file) = published("a.csv", "text/csv", &bytes).await;
    let takes_gzip = request(&[(header::ACCEPT_ENCODING, "gzip")]);
    for cut in
        [Cut::Error(2_500), Cut::Short(4_999), Cut::Short(0), Cut::Long(1), Cut::Error(5_000)]
    {
        world.artifacts.cut(Some(cut));
        let response = get(&world, &file, &[]).await;
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "5000");
        let body = response.into_body().collect().await;
        assert!(body.is_err(), "{cut:?}");
        let packed =
            answer(&world.exports, &file, &Method::GET, &takes_gzip, Coding::GzipIfAccepted);
        let body = packed.await.expect("it is answered").into_body().collect().await;
        assert!(body.is_err(), "packed, {cut:?}");
    }
    world.artifacts.cut(None);
    assert_eq!(bytes_of(get(&world, &file, &[]).await).await, bytes);
    for key in world.artifacts.keys() {
        outhaul_exports::ports::ArtifactStore::delete(&*world.artifacts, &key)
            .await
            .expect("memory is never away");
    }
    let plain = HeaderMap::new();
    let gone = answer(&world.exports, &file, &Method::GET, &plain, Coding::Identity).await;
    assert!(matches!(gone, Err(FileError::Store(_))));
}

#[tokio::test]
async fn text_is_packed_on_the_way_where_that_is_allowed() {
    let lines = "Id,Name\n1,Acme\n".repeat(500);
    let (world, csv) = published("a.csv", "text/csv", lines.as_bytes()).await;
    let (zip_world, zip) = published("a.zip", "application/zip", lines.as_bytes()).await;
    let (short_world, short) = published("a.csv", "text/csv", b"Id\n1\n").await;
    let gzip = (header::ACCEPT_ENCODING, "gzip");
    let range = (header::RANGE, "bytes=0-9");
    type Headers<'a> = &'a [(HeaderName, &'a str)];
    let cases: &[(&World, &Download, Headers, bool)] = &[
        (&world, &csv, std::slice::from_ref(&gzip), true),
        (&world, &csv, &[], false),
        (&world, &csv, &[(header::ACCEPT_ENCODING, "gzip;q=0")], false),
        (&world, &csv, &[gzip.clone(), range], false),
        (&zip_world, &zip, std::slice::from_ref(&gzip), false),
        (&short_world, &short, std::slice::from_ref(&gzip), false),
    ];
    for (world, file, headers, packed) in cases {
        let map = request(headers);
        let response =
            answer(&world.exports, file, &Method::GET, &map, Coding::GzipIfAccepted).await;
        let response = response.expect("it is answered");
        let found = response.headers().clone();
        assert_eq!(found.contains_key(header::CONTENT_ENCODING), *packed, "{headers:?}");
        assert_eq!(found.contains_key(header::CONTENT_LENGTH), !packed, "{headers:?}");
        assert_eq!(found.contains_key(header::VARY), file.artifact.text, "{headers:?}");
        if *packed {
            assert_eq!(found[header::ETAG], format!("\"{}-gzip\"", file.artifact.sha256));
            assert!(!found.contains_key(REPR_DIGEST) && !found.contains_key(header::ACCEPT_RANGES));
            let mut plain = String::new();
            let body = bytes_of(response).await;
            let mut inflater = flate2::read::GzDecoder::new(&body[..]);
            inflater.read_to_string(&mut plain).expect("it is gzip");
            assert_eq!(plain, lines);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// A download that breaks anywhere, any number of times, and goes on with `Range` and
    /// `If-Range`, ends with the same bytes. 40 files of a dozen requests each: about 500 ranges.
    #[test]
    fn broken_downloads_go_on(
        bytes in prop::collection::vec(any::<u8>(), 1..6_000),
        steps in prop::collection::vec(1_u64..900, 1..12),
        tail in 1_u64..500,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (world, file) = published("a.bin", "application/octet-stream", &bytes).await;
            let length = bytes.len() as u64;
            let etag = format!("\"{}\"", file.artifact.sha256);
            let mut found = Vec::new();
            for step in steps {
                let at = found.len() as u64;
                if at >= length {
                    break;
                }
                let range = format!("bytes={at}-{}", at + step - 1);
                let headers = [(header::RANGE, range.as_str()), (header::IF_RANGE, etag.as_str())];
                let response = get(&world, &file, &headers).await;
                assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
                found.extend_from_slice(&bytes_of(response).await);
            }
            let range = format!("bytes={}-", found.len());
            if (found.len() as u64) < length {
                let headers = [(header::RANGE, range.as_str()), (header::IF_RANGE, etag.as_str())];
                found.extend_from_slice(&bytes_of(get(&world, &file, &headers).await).await);
            }
            assert_eq!(found, bytes);
            // The end of the file by a suffix, and everything when the file has changed since.
            let suffix = format!("bytes=-{tail}");
            let end = bytes_of(get(&world, &file, &[(header::RANGE, suffix.as_str())]).await).await;
            assert_eq!(end, bytes[bytes.len().saturating_sub(tail as usize)..]);
            let stale = [(header::RANGE, "bytes=0-0"), (header::IF_RANGE, "\"older\"")];
            assert_eq!(bytes_of(get(&world, &file, &stale).await).await, bytes);
        });
    }
}
