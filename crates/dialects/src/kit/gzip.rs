//! Compressed answers: JSON and XML over a thousand bytes, to clients that say they take gzip.
//!
//! A middleware for the routes that answer documents. Files are not touched here (their bytes,
//! lengths and digests are promises), and neither is anything that is already coded, or streamed.

use std::io::Write;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;

/// Bytes up to which an answer is sent as it is.
pub const PLAIN_BYTES_MAX: u64 = 1_000;
/// Bytes past which an answer is sent as it is: compressing it would hold up other requests.
const PACKED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Entries of `Accept-Encoding` that are read; whoever sends more is answered uncompressed.
const ENTRIES_MAX: usize = 64;

/// Middleware: compresses the answer if that is allowed and worth it.
pub async fn compress(request: Request, next: Next) -> Response {
    let wanted = accepts_gzip(request.headers());
    let response = next.run(request).await;
    if !is_document(&response) {
        return response;
    }
    let length = response.body().size_hint().exact();
    let worth_it = length.is_some_and(|n| n > PLAIN_BYTES_MAX && n <= PACKED_BYTES_MAX);
    let (mut parts, body) = response.into_parts();
    add_vary(&mut parts.headers);
    if !wanted || !worth_it {
        return Response::from_parts(parts, body);
    }
    let Ok(plain) = body.collect().await else {
        // Cannot happen to a body that lies in memory; if it does, the client must not take the
        // answer for a whole one.
        let broken = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("broken body"))]);
        return Response::from_parts(parts, Body::from_stream(broken));
    };
    let plain = plain.to_bytes();
    match pack(&plain) {
        Ok(packed) => {
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            parts.headers.insert(header::CONTENT_LENGTH, (packed.len() as u64).into());
            Response::from_parts(parts, packed.into())
        }
        Err(_) => Response::from_parts(parts, plain.into()),
    }
}

/// Whether the client takes gzip (RFC 9110, 12.5.3). Anything that is not understood counts for
/// nothing, so the worst that rubbish does is an uncompressed answer.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut named = None;
    let mut any = None;
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    let mut count = 0;
    for entry in values.flat_map(|value| value.split(',')) {
        count += 1;
        if count > ENTRIES_MAX {
            return false;
        }
        let mut parts = entry.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| {
            part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")).map(weight)
        });
        let accepted = weight.unwrap_or(true);
        match coding.as_str() {
            "gzip" | "x-gzip" => named = Some(accepted),
            "*" => any = Some(accepted),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

/// Whether a weight is above zero.
fn weight(text: &str) -> bool {
    text.trim().parse::<f32>().is_ok_and(|q| q > 0.0 && q <= 1.0)
}

fn is_document(response: &Response) -> bool {
    let headers = response.headers();
    if headers.contains_key(header::CONTENT_ENCODING)
        || headers.contains_key(header::CONTENT_RANGE)
        || headers.contains_key(header::CONTENT_DISPOSITION)
    {
        return false;
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return false };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/json" | "application/xml" | "text/xml")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
}

/// Says that the answer depends on `Accept-Encoding`, once.
pub fn add_vary(headers: &mut HeaderMap) {
    let said = headers.get_all(header::VARY).iter().any(|value| {
        value.to_str().is_ok_and(|v| v.to_ascii_lowercase().contains("accept-encoding"))
    });
    if !said {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn pack(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::Router;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn weights_are_respected() {
        let many = format!("{}gzip", "br, ".repeat(10_000));
        let cases = [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=1.0, *;q=0", true),
            ("*", true),
            ("*;q=0.1", true),
            ("identity", false),
            ("", false),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("gzip;Q=0", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("gzip;q=rubbish", false),
            ("gzip;q=NaN", false),
            ("gzip;q=-1", false),
            ("br;q=1.0, deflate", false),
            (";;;,,,q=", false),
            (many.as_str(), false),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().expect("a header value"));
            assert_eq!(accepts_gzip(&headers), expected, "{}", &value[..value.len().min(40)]);
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn only_long_documents_are_packed() {
        let answer = |media: &'static str, length: usize| {
            move || async move { ([(header::CONTENT_TYPE, media)], "a".repeat(length)) }
        };
        let streamed = || async {
            let body = Body::from_stream(futures::stream::iter([Ok::<_, std::io::Error>(
                Bytes::from("a".repeat(5000)),
            )]));
            ([(header::CONTENT_TYPE, "application/json")], body)
        };
        let coded = || async {
            let headers =
                [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")];
            (headers, "a".repeat(5000))
        };
        let router = Router::new()
            .route("/short", get(answer("application/json", 1000)))
            .route("/long", get(answer("application/json", 1001)))
            .route("/problem", get(answer("application/problem+json; charset=utf-8", 5000)))
            .route("/xml", get(answer("text/xml", 5000)))
            .route("/csv", get(answer("text/csv", 5000)))
            .route("/streamed", get(streamed))
            .route("/coded", get(coded))
            .layer(axum::middleware::from_fn(compress));
        // Path, Accept-Encoding, whether the middleware packs it, whether the answer varies.
        let cases = [
            ("/short", "gzip", false, true),
            ("/long", "gzip", true, true),
            ("/long", "identity", false, true),
            ("/long", "gzip;q=0", false, true),
            ("/problem", "gzip", true, true),
            ("/xml", "gzip", true, true),
            ("/csv", "gzip", false, false),
            ("/streamed", "gzip", false, true),
            ("/coded", "gzip", false, false),
        ];
        for (path, accept, packed, varies) in cases {
            let request = Request::get(path)
                .header(header::ACCEPT_ENCODING, accept)
                .body(Body::empty())
                .expect("a request");
            let response = router.clone().oneshot(request).await.expect("an answer");
            let headers = response.headers().clone();
            let bytes = response.into_body().collect().await.expect("a body").to_bytes();
            let name = format!("{path} {accept}");
            assert_eq!(headers.contains_key(header::VARY), varies, "{name}");
            let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
            assert_eq!(is_packed, packed, "{name}");
            if packed {
                assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
                assert_eq!(headers[header::CONTENT_LENGTH], bytes.len().to_string());
                let mut text = String::new();
                flate2::read::GzDecoder::new(&bytes[..])
                    .read_to_string(&mut text)
                    .expect("it is gzip");
                assert!(text.len() > 1000 && text.bytes().all(|b| b == b'a'), "{name}");
            }
        }
    }
}
