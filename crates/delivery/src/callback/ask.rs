//! Requests that a customer's program has sent, and whose answer it reads: on the same way as
//! callbacks, with the same refusals, and with bounds for everything that comes back.

use std::time::Duration;

use outhaul_exports::limits;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};
use tokio::time::timeout;

use super::http::{HttpCaller, chain};
use super::{Answer, Ask, AskMethod, Refusal};

/// Headers that are the connection's, or say what the request itself says.
const OWN_HEADERS: [&str; 12] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

impl HttpCaller {
    /// See [`Caller::ask`](super::Caller::ask).
    pub(super) async fn answered(&self, ask: &Ask) -> Result<Answer, Refusal> {
        let url = self.rules().check("url", &ask.url);
        let url = url.map_err(|error| Refusal::lasting(error.public()))?;
        let method = match ask.method {
            AskMethod::Get => Method::GET,
            AskMethod::Post => Method::POST,
            AskMethod::Put => Method::PUT,
            AskMethod::Patch => Method::PATCH,
            AskMethod::Delete => Method::DELETE,
        };
        let mut request = self.client().request(method, url).headers(headers(&ask.headers)?);
        if let Some(body) = &ask.body {
            let most = limits::SCRIPT_REQUEST_BYTES_MAX;
            if body.len() > most {
                let text = format!("the body has {} bytes; it may have {most}", body.len());
                return Err(Refusal::lasting(text));
            }
            request = request.body(body.clone());
        }
        let whole = async {
            let answer = request.send().await;
            read(answer.map_err(|error| Refusal::unreachable(chain(error)))?).await
        };
        timeout(ask.timeout, whole).await.unwrap_or_else(|_| Err(too_slow(ask.timeout)))
    }
}

/// Its host may be called, so that nothing is given away by saying that it is slow.
fn too_slow(patience: Duration) -> Refusal {
    Refusal::lasting(format!("there was no whole answer within {} s", patience.as_secs_f32()))
}

/// The headers of a request, as the customer's program names them.
fn headers(given: &[(String, String)]) -> Result<HeaderMap, Refusal> {
    let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    let (most, most_bytes) = (limits::SCRIPT_HEADERS_MAX, limits::SCRIPT_HEADER_BYTES_MAX);
    if given.len() > most || bytes > most_bytes {
        let text = format!("a request has at most {most} headers, and {most_bytes} bytes of them");
        return Err(Refusal::lasting(text));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let (Ok(key), Ok(text)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            let text = format!("the header {name:?} has a name or a value that cannot be sent");
            return Err(Refusal::lasting(text));
        };
        if OWN_HEADERS.contains(&key.as_str()) {
            return Err(Refusal::lasting(format!("the header {name:?} cannot be set")));
        }
        headers.append(key, text);
    }
    Ok(headers)
}

async fn read(mut answer: Response) -> Result<Answer, Refusal> {
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers: Vec<(String, String)> = headers.collect();
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let most = limits::SCRIPT_HEADER_BYTES_MAX;
    if headers.len() > limits::SCRIPT_HEADERS_MAX || bytes > most {
        return Err(Refusal::lasting(format!("the answer's headers are longer than {most} bytes")));
    }
    let most = limits::SCRIPT_REQUEST_BYTES_MAX;
    let too_long = || Refusal::lasting(format!("the answer's body is longer than {most} bytes"));
    if answer.content_length().is_some_and(|length| length > most as u64) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(part) =
        answer.chunk().await.map_err(|error| Refusal::unreachable(chain(error)))?
    {
        if body.len() + part.len() > most {
            return Err(too_long());
        }
        body.extend_from_slice(&part);
    }
    Ok(Answer { status, headers, body })
}
