//! A client of the Zoho dialect, as small as a user's script.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use outhaul_e2e::Server;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an export may take here.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Somebody of a tenant, with an access token.
#[derive(Clone)]
pub struct Zoho {
    client: Client,
    base_url: String,
    /// What `demo.json` says of the tenant's org.
    pub account: Value,
    pub token: String,
}

impl Zoho {
    /// Signs in as that tenant of the demo.
    pub async fn sign_in(server: &Server, tenant: &str) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(Duration::from_secs(600)).build()?;
        let account = server.demo["tenants"][tenant]["zoho"].clone();
        let mut form = vec![("grant_type", "refresh_token")];
        for key in ["client_id", "client_secret", "refresh_token"] {
            form.push((key, account[key].as_str().context("demo.json is without it")?));
        }
        let url = format!("{}/oauth/v2/token", server.base_url);
        let answer: Value = client.post(url).form(&form).send().await?.json().await?;
        let token = answer["access_token"].as_str().with_context(|| answer.to_string())?.to_owned();
        Ok(Self { client, base_url: server.base_url.clone(), account, token })
    }

    /// Goes on with the same token at a server that was started again.
    pub fn follow(&mut self, server: &Server) {
        self.base_url.clone_from(&server.base_url);
    }

    /// What the account is called, such as `workspace_id`.
    pub fn id(&self, key: &str) -> &str {
        self.account[key].as_str().unwrap_or_default()
    }

    /// The path of the asynchronous calls.
    pub fn bulk(&self) -> String {
        format!("/restapi/v2/bulk/workspaces/{}", self.id("workspace_id"))
    }

    /// The path of a view, behind that of its workspace.
    pub fn view(&self, name: &str) -> String {
        format!("views/{}", self.account["views"][name].as_str().unwrap_or_default())
    }

    /// A request with everything that an SDK sends along.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base_url));
        let request = request.header("ZANALYTICS-ORGID", self.id("org_id"));
        request.header("Authorization", format!("Zoho-oauthtoken {}", self.token))
    }

    /// GET with CONFIG.
    pub async fn get(&self, path: &str, config: &Value) -> anyhow::Result<Response> {
        let request = self.request(Method::GET, path).query(&[("CONFIG", config.to_string())]);
        Ok(request.send().await?)
    }

    /// Begins to export a view.
    pub async fn create(&self, view: &str, config: &Value) -> anyhow::Result<Response> {
        self.get(&format!("{}/{}/data", self.bulk(), self.view(view)), config).await
    }

    /// Begins to export a statement.
    pub async fn create_by_sql(&self, sql: &str, config: &Value) -> anyhow::Result<Response> {
        let mut config = config.clone();
        config["sqlQuery"] = json!(sql);
        self.get(&format!("{}/data", self.bulk()), &config).await
    }

    /// What is said of a job.
    pub async fn job(&self, id: &str) -> anyhow::Result<Value> {
        let path = format!("{}/exportjobs/{id}", self.bulk());
        let answer = self.request(Method::GET, &path).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        ensure!(status == StatusCode::OK && body["status"] == "success", "{status}: {body}");
        Ok(body["data"].clone())
    }

    /// The same, once its code is one of those.
    pub async fn until(&self, id: &str, codes: &[&str]) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let job = self.job(id).await?;
            if job["jobCode"].as_str().is_some_and(|code| codes.contains(&code)) {
                return Ok(job);
            }
            ensure!(begun.elapsed() < PATIENCE, "it never is one of {codes:?}: {job}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The file of a job, once it is there.
    pub async fn download(&self, id: &str) -> anyhow::Result<Vec<u8>> {
        let job = self.until(id, &["1003", "1004", "1005"]).await?;
        ensure!(job["jobCode"] == "1004", "{job}");
        let path = format!("{}/exportjobs/{id}/data", self.bulk());
        let answer = self.request(Method::GET, &path).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }
}

/// The id of a job that was accepted.
pub async fn accepted(answer: Response) -> anyhow::Result<String> {
    let status = answer.status();
    let body: Value = answer.json().await?;
    ensure!(status == StatusCode::OK, "{status}: {body}");
    let id = body["data"]["jobId"].as_str().with_context(|| body.to_string())?;
    Ok(id.to_owned())
}

/// The status, the code and the name of a refusal.
pub async fn refused(answer: Response) -> anyhow::Result<(u16, u64, String)> {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await?;
    ensure!(body["status"] == "failure" && body["data"]["errorMessage"].is_string(), "{body}");
    let code = body["data"]["errorCode"].as_u64().with_context(|| body.to_string())?;
    Ok((status, code, body["summary"].as_str().unwrap_or_default().to_owned()))
}

/// The status and the whole answer to a request that is sent as it is, on a connection of its own.
pub async fn answered(address: SocketAddr, request: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await??;
    let status = answer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    Ok((status.context("no answer at all")?, answer))
}
