//! Sends callbacks over HTTP.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use outhaul_exports::callback::Rules;
use outhaul_exports::notice::short_error;
use outhaul_exports::principal::TenantId;
use outhaul_exports::spec::CallbackMethod;
use outhaul_exports::{Error, limits};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, Response, StatusCode, redirect, retry};
use tokio::time::timeout;

use super::names::{CheckedNames, Lookup, System};
use super::{Answer, Ask, Call, Caller, Refusal, SigningSecret};

/// How long what is left of a good answer is listened to.
const ANSWER_REST: Duration = Duration::from_secs(2);

/// How callbacks are sent.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// Where they may go.
    pub rules: Arc<Rules>,
    /// What they are signed with, for the tenants that have a secret.
    pub secrets: HashMap<TenantId, SigningSecret>,
    /// Further certificate authorities, as PEM.
    pub ca: Option<Vec<u8>>,
    /// How long a request may take, from the look-up of the name to the head of the answer.
    pub timeout: Duration,
}

/// Sends requests.
pub struct HttpCaller {
    client: Client,
    settings: CallSettings,
}

impl HttpCaller {
    /// With these settings. Nothing is connected to yet.
    ///
    /// # Errors
    /// `Invalid` for certificates that cannot be read.
    pub fn new(settings: CallSettings) -> outhaul_exports::Result<Self> {
        Self::with_lookup(settings, Arc::new(System))
    }

    pub(super) fn with_lookup(
        settings: CallSettings,
        lookup: Arc<dyn Lookup>,
    ) -> outhaul_exports::Result<Self> {
        let names =
            CheckedNames { rules: settings.rules.clone(), lookup, patience: settings.timeout };
        let mut builder = Client::builder()
            .dns_resolver(Arc::new(names))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            // Each request looks the name up, and checks what it finds.
            .pool_max_idle_per_host(0)
            .connect_timeout(settings.timeout)
            .user_agent(concat!("Outhaul/", env!("CARGO_PKG_VERSION")));
        for certificate in authorities(settings.ca.as_deref())? {
            builder = builder.add_root_certificate(certificate);
        }
        let client = builder.build().map_err(|error| {
            let text = "the certificate authorities cannot be used";
            Error::invalid("callbacks.ca_file", text).with_source(error)
        })?;
        Ok(Self { client, settings })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.settings.rules
    }

    async fn send(&self, call: &Call) -> Result<Response, Refusal> {
        // Literal addresses are never looked up, so that this is where they are checked.
        let url = self.settings.rules.check("url", &call.url);
        let url = url.map_err(|error| Refusal::unreachable(error.public()))?;
        let mut request = match call.method {
            CallbackMethod::Get => self.client.get(url),
            CallbackMethod::Post => self.client.post(url),
        };
        let (id, timestamp) = (call.id.to_string(), call.sent_at.timestamp());
        let body = call.body.as_ref().map_or("", |body| body.text.as_str());
        if let Some(secret) = self.settings.secrets.get(&call.tenant) {
            request = request.header("webhook-signature", secret.sign(&id, timestamp, body));
        }
        request = request.header("webhook-id", id).header("webhook-timestamp", timestamp);
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, &body.media_type).body(body.text.clone());
        }
        request.send().await.map_err(|error| Refusal::unreachable(chain(error)))
    }
}

#[async_trait]
impl Caller for HttpCaller {
    async fn call(&self, call: &Call) -> Result<(), Refusal> {
        let patience = self.settings.timeout;
        let answer = timeout(patience, self.send(call)).await.unwrap_or_else(|_| {
            Err(Refusal::unreachable(format!("no answer within {} s", patience.as_secs_f32())))
        })?;
        let status = answer.status();
        if !status.is_success() {
            return Err(refused(status, answer.headers(), call.sent_at));
        }
        // It was taken. The rest is listened to, so that the receiver is not cut off.
        let _ = timeout(ANSWER_REST, drain(answer)).await;
        Ok(())
    }

    async fn ask(&self, ask: &Ask) -> Result<Answer, Refusal> {
        self.answered(ask).await
    }
}

/// Reads as much of an answer as is read of any, and drops it.
async fn drain(mut answer: Response) {
    let mut read = 0;
    while let Ok(Some(part)) = answer.chunk().await {
        read += part.len();
        if read >= limits::CALLBACK_ANSWER_BYTES_MAX {
            return;
        }
    }
}

/// What an answer means that is not a yes. Only one says that there will never be one.
fn refused(status: StatusCode, headers: &HeaderMap, now: DateTime<Utc>) -> Refusal {
    let public = format!("the receiver answered {}", status.as_u16());
    let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    Refusal {
        is_final: status == StatusCode::GONE,
        internal: public.clone(),
        public,
        wait: if busy { retry_after(headers, now) } else { None },
    }
}

/// `Retry-After`: seconds, or a moment (RFC 9110, section 10.2.3). Whoever asks for longer than a
/// number can say gets the longest pause there is.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let moment = DateTime::parse_from_rfc2822(text).ok()?;
    (moment.with_timezone(&Utc) - now).to_std().ok()
}

fn authorities(pem: Option<&[u8]>) -> outhaul_exports::Result<Vec<Certificate>> {
    let Some(pem) = pem else { return Ok(Vec::new()) };
    // A file without any is read as an empty list.
    let certificates = Certificate::from_pem_bundle(pem).ok().filter(|found| !found.is_empty());
    certificates.ok_or_else(|| {
        let text = "the file holds no certificate as PEM (-----BEGIN CERTIFICATE-----)";
        Error::invalid("callbacks.ca_file", text)
    })
}

/// An error with its causes, on one line, without the URL.
pub(super) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    short_error(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_say_how_long_they_want_to_be_left_alone() {
        let now = DateTime::parse_from_rfc3339("2026-05-01T12:00:00Z").expect("a moment").to_utc();
        let cases = [
            ("30", Some(30)),
            ("0", Some(0)),
            ("99999999999", Some(99_999_999_999)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Fri, 01 May 2026 12:01:00 GMT", Some(60)),
            ("Fri, 01 May 2026 11:00:00 GMT", None),
            ("soon", None),
            ("-5", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a header"));
            let wait = retry_after(&headers, now).map(|wait| wait.as_secs());
            assert_eq!(wait, seconds, "{text}");
        }
        let busy = refused(StatusCode::OK, &HeaderMap::new(), now);
        assert_eq!(busy.wait, None);
    }
}
