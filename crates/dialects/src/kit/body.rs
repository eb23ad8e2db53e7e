//! Request bodies: read to a cap, and inflated to the same cap while they come in.
//!
//! A compressed body is inflated piece by piece as it arrives and refused at the byte that passes
//! the cap, so a small body that would become a large one costs one buffer of the cap's size at
//! most. One layer of gzip is understood, of any number of members; other codings, and codings of
//! codings, are not. Call this after authentication only.

use std::io::Write;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use outhaul_exports::limits::BODY_BYTES_MAX;

/// How long the rest of a refused body is waited for.
const DRAIN_TIME: Duration = Duration::from_millis(300);

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is over the cap, as it is or inflated (HTTP's 413).
    #[error("the body has more than {BODY_BYTES_MAX} bytes")]
    TooLarge,
    /// Its coding is not known (HTTP's 415).
    #[error("the body's Content-Encoding is not supported: send it plain or as gzip, once")]
    UnsupportedCoding,
    /// It says gzip and is not: wrong bytes, a wrong checksum, an early end, bytes after it (400).
    #[error("the body is not valid gzip")]
    BadGzip,
    /// The client stopped sending, or too slowly; whoever still listens reads a 400.
    #[error("the body ended early")]
    Broken,
}

/// How a body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
}

/// Reads a whole body, inflated.
///
/// # Errors
/// See [`BodyError`].
pub async fn read(headers: &HeaderMap, mut body: Body) -> Result<Bytes, BodyError> {
    let whole = read_checked(headers, &mut body).await;
    if whole.is_err() {
        drain(&mut body).await;
    }
    whole
}

async fn read_checked(headers: &HeaderMap, body: &mut Body) -> Result<Bytes, BodyError> {
    let coding = coding(headers)?;
    if announced(headers).is_some_and(|length| length > BODY_BYTES_MAX as u64) {
        return Err(BodyError::TooLarge);
    }
    match coding {
        Coding::Identity => read_plain(body).await,
        Coding::Gzip => read_gzip(body).await,
    }
}

/// Takes in what is left of a refused body, up to the cap and for a moment: a client that is still
/// sending when the connection closes may never read why it was refused.
async fn drain(body: &mut Body) {
    let mut left = BODY_BYTES_MAX;
    let draining = async {
        while let Ok(Some(piece)) = next(body).await {
            if piece.len() > left {
                return;
            }
            left -= piece.len();
        }
    };
    // Whether it came to the end or not, the answer goes out now.
    let _ = tokio::time::timeout(DRAIN_TIME, draining).await;
}

fn coding(headers: &HeaderMap) -> Result<Coding, BodyError> {
    let mut coding = Coding::Identity;
    let mut seen = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let text = value.to_str().map_err(|_| BodyError::UnsupportedCoding)?;
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if seen {
                return Err(BodyError::UnsupportedCoding);
            }
            seen = true;
            coding = match item.to_ascii_lowercase().as_str() {
                "identity" => Coding::Identity,
                "gzip" | "x-gzip" => Coding::Gzip,
                _ => return Err(BodyError::UnsupportedCoding),
            };
        }
    }
    Ok(coding)
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read_plain(body: &mut Body) -> Result<Bytes, BodyError> {
    let mut whole = Vec::new();
    while let Some(piece) = next(body).await? {
        if whole.len() + piece.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

async fn read_gzip(body: &mut Body) -> Result<Bytes, BodyError> {
    let mut inflater = MultiGzDecoder::new(Capped::default());
    let mut received = 0;
    while let Some(piece) = next(body).await? {
        received += piece.len();
        if received > BODY_BYTES_MAX {
            return Err(BodyError::TooLarge);
        }
        let written = inflater.write_all(&piece);
        if inflater.get_ref().full {
            return Err(BodyError::TooLarge);
        }
        written.map_err(|_| BodyError::BadGzip)?;
    }
    let finished = inflater.try_finish();
    if inflater.get_ref().full {
        return Err(BodyError::TooLarge);
    }
    finished.map_err(|_| BodyError::BadGzip)?;
    Ok(std::mem::take(&mut inflater.get_mut().bytes).into())
}

/// The next bytes of a body; trailers are passed over.
async fn next(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// A buffer that takes no byte past the cap.
#[derive(Default)]
struct Capped {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Capped {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + buf.len() > BODY_BYTES_MAX {
            self.full = true;
            return Err(std::io::Error::other("the body is over the cap"));
        }
        self.bytes.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures::stream;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory takes everything");
        encoder.finish().expect("memory takes everything")
    }

    fn headers(codings: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for coding in codings {
            headers.append(header::CONTENT_ENCODING, coding.parse().expect("a header value"));
        }
        headers
    }

    /// Reads the body whole, and in pieces of one byte and of 1000, which must make no difference.
    async fn read_all_ways(codings: &[&str], bytes: &[u8]) -> Result<Bytes, BodyError> {
        let whole = read(&headers(codings), Body::from(bytes.to_vec())).await;
        let sizes: &[usize] = if bytes.len() < 10_000 { &[1, 1000] } else { &[1000] };
        for &size in sizes {
            let pieces: Vec<Result<Bytes, std::io::Error>> =
                bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let split = read(&headers(codings), Body::from_stream(stream::iter(pieces))).await;
            assert_eq!(whole, split, "in pieces of {size}");
        }
        whole
    }

    #[tokio::test]
    async fn bodies_are_read_or_refused() {
        let text = b"{\"a\": 1}".as_slice();
        let packed = gzip(text);
        let mut flipped = packed.clone();
        let crc_at = flipped.len() - 8;
        flipped[crc_at] ^= 1;
        let mut wrong_length = packed.clone();
        *wrong_length.last_mut().expect("it is not empty") ^= 1;
        let members = [gzip(b"{\"a\""), gzip(b""), gzip(b": 1}")].concat();
        let trailing = [packed.as_slice(), b"x"].concat();
        let zeros = [packed.as_slice(), &[0; 16]].concat();
        let cap = vec![b'a'; BODY_BYTES_MAX];
        let over = vec![b'a'; BODY_BYTES_MAX + 1];
        let empties = gzip(b"").repeat(10_000);
        let bomb = gzip(&vec![0; 128 * BODY_BYTES_MAX]);
        let two_halves = [gzip(&cap), gzip(b"a")].concat();
        // Incompressible bytes over the cap.
        let noise: Vec<u8> = (0..BODY_BYTES_MAX as u64 * 5 / 4)
            .map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
            .collect();

        let good: &[(&[&str], &[u8], &[u8])] = &[
            (&[], text, text),
            (&[], b"", b""),
            (&["identity"], text, text),
            (&[""], text, text),
            (&["gzip"], &packed, text),
            (&["X-GZIP"], &packed, text),
            (&["gzip"], &members, text),
            (&["gzip"], &empties, b""),
            (&[], &cap, &cap),
            (&["gzip"], &gzip(&cap), &cap),
        ];
        for (at, (codings, bytes, expected)) in good.iter().enumerate() {
            let found = read_all_ways(codings, bytes).await;
            assert!(found.as_deref() == Ok(*expected), "good case {at}");
        }

        let bad: &[(&[&str], &[u8], BodyError)] = &[
            (&["gzip"], text, BodyError::BadGzip),
            (&["gzip"], b"", BodyError::BadGzip),
            (&["gzip"], &packed[..packed.len() - 1], BodyError::BadGzip),
            (&["gzip"], &packed[..packed.len() - 9], BodyError::BadGzip),
            (&["gzip"], &packed[..5], BodyError::BadGzip),
            (&["gzip"], &flipped, BodyError::BadGzip),
            (&["gzip"], &wrong_length, BodyError::BadGzip),
            (&["gzip"], &trailing, BodyError::BadGzip),
            (&["gzip"], &zeros, BodyError::BadGzip),
            (&["gzip, gzip"], &gzip(&packed), BodyError::UnsupportedCoding),
            (&["gzip", "gzip"], &gzip(&packed), BodyError::UnsupportedCoding),
            (&["gzip, identity"], &packed, BodyError::UnsupportedCoding),
            (&["br"], text, BodyError::UnsupportedCoding),
            (&["deflate"], text, BodyError::UnsupportedCoding),
            (&["zstd"], text, BodyError::UnsupportedCoding),
            (&[], &over, BodyError::TooLarge),
            (&["gzip"], &gzip(&over), BodyError::TooLarge),
            (&["gzip"], &bomb, BodyError::TooLarge),
            (&["gzip"], &two_halves, BodyError::TooLarge),
            (&["gzip"], &gzip(&noise), BodyError::TooLarge),
        ];
        for (at, (codings, bytes, expected)) in bad.iter().enumerate() {
            let found = read_all_ways(codings, bytes).await;
            assert_eq!(found.err(), Some(*expected), "bad case {at}");
        }
    }

    #[tokio::test]
    async fn an_announced_length_over_the_cap_is_refused_unread() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, (BODY_BYTES_MAX as u64 + 1).into());
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(&headers, never).await, Err(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_breaks_is_no_body() {
        let pieces = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("the client left"))];
        let body = Body::from_stream(stream::iter(pieces));
        assert_eq!(read(&HeaderMap::new(), body).await, Err(BodyError::Broken));
    }
}
