//! A client of the Zuora Object Export API, as small as a user's script.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::Server;

/// Somebody of a tenant, with an access token.
#[derive(Clone)]
pub struct Zuora {
    client: Client,
    base_url: String,
    token: String,
}

impl Zuora {
    /// Signs in as that tenant of the demo.
    ///
    /// # Errors
    /// When the token is refused.
    pub async fn sign_in(server: &Server, tenant: &str) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(Duration::from_secs(600)).build()?;
        let secret = |name: &str| server.secret(&format!("tenants.{tenant}.zuora.{name}"));
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", secret("client_id")),
            ("client_secret", secret("client_secret")),
        ];
        let url = format!("{}/oauth/token", server.base_url);
        let answer = client.post(url).form(&form).send().await?;
        anyhow::ensure!(answer.status() == StatusCode::OK, "token: {}", answer.status());
        let token: Value = answer.json().await?;
        let token = token["access_token"].as_str().context("no access_token")?.to_owned();
        Ok(Self { client, base_url: server.base_url.clone(), token })
    }

    /// Goes on with the same token at a server that was started again.
    pub fn follow(&mut self, server: &Server) {
        self.base_url.clone_from(&server.base_url);
    }

    /// The access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// POST /v1/object/export.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn create(&self, body: &Value) -> anyhow::Result<Response> {
        let url = format!("{}/v1/object/export", self.base_url);
        Ok(self.client.post(url).bearer_auth(&self.token).json(body).send().await?)
    }

    /// Creates an export and answers its id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn submit(&self, query: &str, format: &str, zip: bool) -> anyhow::Result<String> {
        let answer = self.create(&json!({"Query": query, "Format": format, "Zip": zip})).await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        anyhow::ensure!(status == StatusCode::OK, "{status}: {body}");
        Ok(body["Id"].as_str().context("no Id")?.to_owned())
    }

    /// GET /v1/object/export/{id}.
    ///
    /// # Errors
    /// When it is not found.
    pub async fn read(&self, id: &str) -> anyhow::Result<Value> {
        let answer = self.get(&format!("/v1/object/export/{id}")).await?;
        anyhow::ensure!(answer.status() == StatusCode::OK, "{id}: {}", answer.status());
        Ok(answer.json().await?)
    }

    /// GET with the token.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> anyhow::Result<Response> {
        let url = format!("{}{path}", self.base_url);
        Ok(self.client.get(url).bearer_auth(&self.token).send().await?)
    }

    /// POST of JSON with the token.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        let url = format!("{}{path}", self.base_url);
        Ok(self.client.post(url).bearer_auth(&self.token).json(body).send().await?)
    }

    /// DELETE with the token.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Response> {
        let url = format!("{}{path}", self.base_url);
        Ok(self.client.delete(url).bearer_auth(&self.token).send().await?)
    }

    /// Polls until the export is final.
    ///
    /// # Errors
    /// When it does not complete within `patience`.
    pub async fn wait(&self, id: &str, patience: Duration) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let export = self.read(id).await?;
            match export["Status"].as_str() {
                Some("Completed") => return Ok(export),
                Some("Pending" | "Processing") if begun.elapsed() < patience => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => bail!("export {id} after {:?}: {export}", begun.elapsed()),
            }
        }
    }

    /// Downloads a file whole.
    ///
    /// # Errors
    /// When it is refused or breaks off.
    pub async fn download(&self, file: &str) -> anyhow::Result<Vec<u8>> {
        let answer = self.get(&format!("/v1/files/{file}")).await?;
        anyhow::ensure!(answer.status() == StatusCode::OK, "file {file}: {}", answer.status());
        Ok(answer.bytes().await?.to_vec())
    }

    /// Creates, waits and downloads.
    ///
    /// # Errors
    /// When any of it fails.
    pub async fn export(&self, query: &str, format: &str, zip: bool) -> anyhow::Result<Vec<u8>> {
        let id = self.submit(query, format, zip).await?;
        let export = self.wait(&id, Duration::from_secs(600)).await?;
        self.download(export["FileId"].as_str().context("no FileId")?).await
    }
}
