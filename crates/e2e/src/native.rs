//! A client of Outhaul's own API.

use std::time::{Duration, Instant};

use anyhow::bail;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

use crate::Server;

/// Somebody of a tenant, with an API key.
#[derive(Clone)]
pub struct Native {
    client: Client,
    base_url: String,
    key: String,
}

impl Native {
    /// That tenant of the demo.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn of(server: &Server, tenant: &str) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(Duration::from_secs(600)).build()?;
        let key = server.secret(&format!("tenants.{tenant}.native.api_key"));
        Ok(Self { client, base_url: server.base_url.clone(), key })
    }

    /// Goes on at a server that was started again.
    pub fn follow(&mut self, server: &Server) {
        self.base_url.clone_from(&server.base_url);
    }

    /// Goes on at a server that knows the key, too.
    pub fn at(&mut self, base_url: &str) {
        base_url.clone_into(&mut self.base_url);
    }

    /// A request to a path below `/api/v1`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/api/v1{path}", self.base_url);
        self.client.request(method, url).bearer_auth(&self.key)
    }

    /// GET, as JSON.
    ///
    /// # Errors
    /// When it is refused or no JSON.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.request(Method::GET, path).send().await?.error_for_status()?.json().await?)
    }

    /// Polls until the export is final.
    ///
    /// # Errors
    /// When it does not complete within `patience`.
    pub async fn finished(&self, id: &str, patience: Duration) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let export = self.get(&format!("/exports/{id}")).await?;
            match export["state"].as_str() {
                Some("completed") => return Ok(export),
                Some("queued" | "running") if begun.elapsed() < patience => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => bail!("export {id} after {:?}: {export}", begun.elapsed()),
            }
        }
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        Ok(self.request(Method::POST, path).json(body).send().await?)
    }
}
