//! Answers to downloads: the whole file or one range of it, with everything a client needs to go
//! on after a break and to prove that it has the right bytes.
//!
//! Decisions:
//! * One range is served. Several in one request, several `Range` headers, a range in an unknown
//!   unit and one in no valid form are passed over, as RFC 9110, 14.2 allows: the whole file comes.
//! * `Range` counts for GET only. HEAD answers what GET would without it, and no length where GET
//!   would send none because the file is compressed on its way.
//! * The entity tag is strong and is the SHA-256 of the bytes, so `If-Range` is safe across
//!   restarts and machines. There is no `Last-Modified`: an `If-Range` with a date never matches,
//!   and the whole file comes.
//! * A stream that breaks, ends early or runs over breaks the connection: a client never sees a
//!   short answer that looks whole.

mod body;
mod conditions;
mod name;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use outhaul_exports::service::Download;
use outhaul_exports::{Error, Exports};

use super::gzip;
use conditions::Wanted;
pub use name::disposition;

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const DIGEST: HeaderName = HeaderName::from_static("digest");

/// Whether a file may be compressed on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Its own bytes, always.
    Identity,
    /// gzip for a client that takes it and asks for no range, if the file is over
    /// [`gzip::PLAIN_BYTES_MAX`] and is text that is not packed already. Such an answer has no
    /// length, no digest and an entity tag of its own.
    GzipIfAccepted,
}

/// Why a file is not sent; the dialect puts it into its own shape.
#[derive(Debug)]
pub enum FileError {
    /// The range holds no byte of the file (416).
    RangeNotSatisfiable {
        /// Length of the file in bytes.
        length: u64,
    },
    /// An `If-Match` named other bytes (412).
    PreconditionFailed,
    /// The bytes cannot be read.
    Store(Error),
}

impl FileError {
    /// The header that a 416 carries, `Content-Range: bytes */LENGTH`.
    pub fn content_range(length: u64) -> HeaderValue {
        header_value(&format!("bytes */{length}"))
    }
}

/// Answers a GET or HEAD for a file that was found for this client.
///
/// # Errors
/// See [`FileError`].
pub async fn answer(
    exports: &Exports,
    file: &Download,
    method: &Method,
    request: &HeaderMap,
    coding: Coding,
) -> Result<Response, FileError> {
    let artifact = &file.artifact;
    let pack = coding == Coding::GzipIfAccepted && artifact.text;
    let packed = pack
        && artifact.bytes > gzip::PLAIN_BYTES_MAX
        && !request.contains_key(header::RANGE)
        && gzip::accepts_gzip(request);
    let etag = match packed {
        false => format!("\"{}\"", artifact.sha256),
        true => format!("\"{}-gzip\"", artifact.sha256),
    };
    let mut headers = described(file, &etag);
    if pack {
        gzip::add_vary(&mut headers);
    }
    let wanted = conditions::wanted(method, request, &etag, artifact.bytes)?;
    let (status, range) = match wanted {
        Wanted::NotModified => {
            for name in [header::CONTENT_TYPE, header::CONTENT_DISPOSITION, REPR_DIGEST, DIGEST] {
                headers.remove(name);
            }
            return Ok(with(StatusCode::NOT_MODIFIED, headers, Body::empty()));
        }
        Wanted::Whole => (StatusCode::OK, 0..artifact.bytes),
        Wanted::Part(range) => {
            let text = format!("bytes {}-{}/{}", range.start, range.end - 1, artifact.bytes);
            headers.insert(header::CONTENT_RANGE, header_value(&text));
            (StatusCode::PARTIAL_CONTENT, range)
        }
    };
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.remove(header::ACCEPT_RANGES);
        headers.remove(REPR_DIGEST);
        headers.remove(DIGEST);
    } else {
        headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    }
    if *method == Method::HEAD {
        let body = if packed { without_length() } else { Body::empty() };
        return Ok(with(status, headers, body));
    }
    let length = range.end - range.start;
    let bytes = exports.read_file(file, range).await.map_err(FileError::Store)?;
    let exact = body::exact(bytes, length, artifact.id);
    let body =
        if packed { Body::from_stream(body::packed(exact)) } else { Body::from_stream(exact) };
    Ok(with(status, headers, body))
}

/// The headers that every answer about the file has.
fn described(file: &Download, etag: &str) -> HeaderMap {
    let artifact = &file.artifact;
    let media = match artifact.text {
        true => format!("{}; charset=utf-8", artifact.media_type),
        false => artifact.media_type.clone(),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, header_value(&media));
    headers.insert(header::CONTENT_DISPOSITION, header_value(&disposition(&artifact.file_name)));
    headers.insert(header::ETAG, header_value(etag));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if artifact.media_type.eq_ignore_ascii_case("text/html") {
        let policy = HeaderValue::from_static("sandbox; default-src 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Ok(digest) = hex::decode(&artifact.sha256) {
        let digest = STANDARD.encode(digest);
        // RFC 9530, and the older form of RFC 3230 for clients that know only that.
        headers.insert(REPR_DIGEST, header_value(&format!("sha-256=:{digest}:")));
        headers.insert(DIGEST, header_value(&format!("sha-256={digest}")));
    }
    headers
}

/// No bytes, of a length that is not told: the length of a gzip stream is known when it was made,
/// and a HEAD must not state another one (RFC 9110, 8.6). An empty body would be announced as 0.
fn without_length() -> Body {
    Body::from_stream(futures::stream::empty::<std::io::Result<bytes::Bytes>>())
}

fn with(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A value that we made. What no header can hold (it comes from no client) becomes empty.
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
