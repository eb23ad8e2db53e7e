//! A client of our own API: what the command line needs of it, and a download that goes on where
//! it broke off.

mod download;

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

pub use download::{Target, download};

use crate::exit::{Code, Exit};

/// The API's first segments.
const PREFIX: &str = "/api/v1";
/// How long a connection may take to be made, and how long an answer's bytes may pause.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The pause before a server that gave no answer is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// A server and somebody who may ask it.
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    key: String,
    patience: Duration,
}

/// Since when a server gives no answer, or no byte of a file.
#[derive(Default)]
struct Silence(Option<Instant>);

impl Silence {
    /// It gave one.
    fn end(&mut self) {
        self.0 = None;
    }

    /// It gave none: waits a moment, or answers the error when that has been so for too long.
    async fn endure(&mut self, client: &Client, error: anyhow::Error) -> Result<(), anyhow::Error> {
        if self.0.get_or_insert_with(Instant::now).elapsed() >= client.patience {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

impl Client {
    /// A client of the server at `base_url`. While an export is waited for or downloaded, the server
    /// may be away for as long as `patience`.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn new(base_url: &str, key: &str, patience: Duration) -> anyhow::Result<Self> {
        let base_url = base_url.trim_end_matches('/').to_owned();
        let parsed = url::Url::parse(&base_url);
        if !parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            let text =
                format!("{base_url:?} is not an address such as https://exports.example.com");
            return Err(Exit::new(Code::Usage, text).into());
        }
        let http = reqwest::Client::builder()
            .connect_timeout(ANSWER_WITHIN)
            .read_timeout(ANSWER_WITHIN)
            .user_agent(concat!("outhaul/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, base_url, key: key.to_owned(), patience })
    }

    /// A request to a path below the API.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = path.strip_prefix(PREFIX).unwrap_or(path);
        let url = format!("{}{PREFIX}{path}", self.base_url);
        self.http.request(method, url).bearer_auth(&self.key)
    }

    /// Sends a request and answers what came back, if the server accepted it.
    ///
    /// # Errors
    /// `Unreachable`, or `Refused` with what the server said.
    pub async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await)
    }

    /// GET, as JSON.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.json(self.request(Method::GET, path)).await
    }

    /// Any request whose answer is JSON.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn json(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body)
            .context("the server's answer is not JSON; is it an Outhaul server?")
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let mut text = format!("cannot reach {}", self.base_url);
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Exit::new(Code::Unreachable, text).into()
    }
}

async fn refusal(response: Response) -> anyhow::Error {
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    let said = ["detail", "message", "title"].iter().find_map(|key| body[key].as_str());
    let said = said.unwrap_or("the server gave no reason");
    let advice = match status {
        StatusCode::UNAUTHORIZED => "; give a live API key with --key or OUTHAUL_API_KEY",
        _ => "",
    };
    let place = body["field"].as_str().map_or_else(String::new, |field| format!(" (at {field})"));
    let text = format!("{}: {said}{place}{advice}", status.as_u16());
    let code = match status {
        // A server that stops or starts, or the proxy before it.
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Code::Unreachable
        }
        _ => Code::Refused,
    };
    Exit::new(code, text).into()
}

/// The export `id`, once it is in a final state. `seen` is told of every look at it. A server that
/// starts again, or a connection that breaks, does not end the wait.
///
/// # Errors
/// As [`Client::send`]; `Unreachable` when nobody answers for longer than the client's patience.
pub async fn wait(
    client: &Client,
    id: &str,
    mut seen: impl FnMut(&Value),
) -> anyhow::Result<Value> {
    let mut pause = Duration::from_millis(100);
    let mut silence = Silence::default();
    loop {
        let export = match client.get(&format!("/exports/{id}")).await {
            Ok(export) => export,
            Err(error) if crate::exit::code_of(&error) == Code::Unreachable => {
                let text =
                    format!("nobody answers any more; `outhaul exports watch {id}` waits again");
                silence.endure(client, error.context(text)).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        silence.end();
        seen(&export);
        let state = export["state"].as_str().context("the export has no state")?;
        if !matches!(state, "queued" | "running") {
            return Ok(export);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_secs(1));
    }
}

/// The export, if it is completed.
///
/// # Errors
/// `Export`, with the reason.
pub fn completed(export: Value) -> anyhow::Result<Value> {
    let state = export["state"].as_str().unwrap_or("unknown");
    if state == "completed" {
        return Ok(export);
    }
    let reason = export["reason"]["message"].as_str();
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    let id = export["id"].as_str().unwrap_or("unknown");
    Err(Exit::new(Code::Export, format!("export {id} is {state}{reason}")).into())
}

/// A text of an answer.
///
/// # Errors
/// When it is not there.
pub fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value[key].as_str().ok_or_else(|| anyhow!("the server's answer has no {key}"))
}
