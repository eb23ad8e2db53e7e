//! A small client of Cortex's exports, with a session.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use outhaul_e2e::server::Server;
use reqwest::header::HeaderValue;
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// An administrator of an org.
pub struct Cortex {
    client: Client,
    base_url: String,
    key: String,
    cookies: String,
}

impl Cortex {
    pub async fn sign_in(server: &Server, tenant: &str) -> anyhow::Result<Self> {
        let secret = |name: &str| server.secret(&format!("tenants.{tenant}.cortex.{name}"));
        let client = Client::builder().timeout(Duration::from_secs(600)).build()?;
        let base_url = format!("{}/{}/v2", server.base_url, secret("org"));
        let key = secret("api_key");
        let login = json!({ "email": secret("email"), "password": secret("password") });
        let request = client.post(format!("{base_url}/accounts/login")).json(&login);
        let answer = request.header("Medable-Client-Key", &key).send().await?.error_for_status()?;
        let lines = answer.headers().get_all("set-cookie").iter();
        let cookie = |line: &HeaderValue| -> anyhow::Result<String> {
            Ok(line.to_str()?.split(';').next().unwrap_or_default().to_owned())
        };
        let cookies = lines.map(cookie).collect::<anyhow::Result<Vec<_>>>()?.join("; ");
        Ok(Self { client, base_url, key, cookies })
    }

    /// The answer as JSON; a fault is an error.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let request = self.client.request(method, format!("{}{path}", self.base_url));
        let request = request.header("Medable-Client-Key", &self.key);
        let request = request.header("Accept", "application/json");
        let mut request = request.header("Cookie", &self.cookies);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer: Value = request.send().await?.json().await?;
        if answer["object"] == "fault" {
            bail!("{path}: {answer}");
        }
        Ok(answer)
    }

    /// Creates an export; answers its id.
    pub async fn create(&self, body: &Value) -> anyhow::Result<String> {
        let export = self.call(Method::POST, "/exports", Some(body)).await?;
        Ok(export["_id"].as_str().unwrap_or_default().to_owned())
    }

    /// Asks until `done` says so of the export.
    pub async fn until(&self, id: &str, done: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        const PATIENCE: Duration = Duration::from_secs(300);
        let begun = Instant::now();
        loop {
            let export = self.call(Method::GET, &format!("/exports/{id}"), None).await?;
            if done(&export) {
                return Ok(export);
            }
            if begun.elapsed() > PATIENCE {
                bail!("export {id} after {PATIENCE:?}: {export}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the export is ready or failed.
    pub async fn ended(&self, id: &str) -> anyhow::Result<Value> {
        self.until(id, |export| export["state"] == "ready" || export["state"] == "error").await
    }

    /// Downloads an archive by its link, as whoever has that may.
    pub async fn download(&self, id: &str, to: &Path) -> anyhow::Result<()> {
        let facet =
            self.call(Method::GET, &format!("/exports/{id}/dataFile/content"), None).await?;
        let link = facet["url"].as_str().unwrap_or_default();
        let answer = reqwest::get(link).await?.error_for_status()?;
        std::fs::write(to, answer.bytes().await?)?;
        Ok(())
    }
}
