//! `outhaul exports`: what a person does with exports on a server, over its own API.

mod create;
mod pull;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use crate::cli::Output;
use crate::client::{Client, completed, text, wait};
use crate::config::size::human;
use crate::exit::{Code, Exit};
use crate::progress;

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List exports, the newest first.
    #[command(
        after_help = "Examples:\n  outhaul exports list\n  outhaul exports list --state failed,cancelled --json"
    )]
    List {
        /// Only in these states: queued, running, completed, failed, cancelled, expired.
        #[arg(long, value_delimiter = ',')]
        state: Vec<String>,
        /// Only those whose label contains this.
        #[arg(long)]
        label: Option<String>,
        /// The most exports.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Which server.
        #[command(flatten)]
        server: Server,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Create an export; with --output, wait for it and download its file.
    Create(Box<create::Options>),
    /// Watch an export until it ends.
    Watch {
        /// Its id.
        id: String,
        /// Which server.
        #[command(flatten)]
        server: Server,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Download an export's files. A broken download goes on where it broke off; what arrived is
    /// checked against the manifest's SHA-256.
    Pull(pull::Options),
    /// Cancel an export.
    Cancel {
        /// Its id.
        id: String,
        /// Which server.
        #[command(flatten)]
        server: Server,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Which server, and who asks.
#[derive(Debug, Clone, Args)]
pub struct Server {
    /// The server's address.
    #[arg(long, env = "OUTHAUL_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// An API key of the native API.
    #[arg(long, env = "OUTHAUL_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Take address and key from a running demo: the file demo.json that it wrote.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    demo: Option<PathBuf>,
    /// The demo's tenant.
    #[arg(long, value_name = "TENANT", default_value = "acme", requires = "demo")]
    demo_tenant: String,
}

impl Server {
    fn client(&self) -> anyhow::Result<Client> {
        if let Some(file) = &self.demo {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let demo: Value = serde_json::from_str(&text)
                .with_context(|| format!("{} is not JSON", file.display()))?;
            let key = &demo["tenants"][&self.demo_tenant]["native"]["api_key"];
            let key = key.as_str().context("the demo has no such tenant: acme or globex")?;
            return Client::new(self::text(&demo, "base_url")?, key);
        }
        let missing = || {
            let text = "who asks? give an API key with --key, or in the environment as OUTHAUL_API_KEY; `outhaul keys create` makes one";
            Exit::new(Code::Usage, text)
        };
        Client::new(&self.server, self.key.as_deref().ok_or_else(missing)?)
    }
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached or refuses, or the export fails.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { state, label, limit, server, output } => {
            list(&server.client()?, &state, label.as_deref(), limit, output).await
        }
        Command::Create(options) => create::run(*options).await,
        Command::Watch { id, server, output } => {
            let export = watch(&server.client()?, &id).await?;
            if output.json {
                println!("{export:#}");
            } else {
                print_ended(&export);
            }
            completed(export).map(drop)
        }
        Command::Pull(options) => pull::run(options).await,
        Command::Cancel { id, server, output } => {
            let client = server.client()?;
            let path = format!("/exports/{id}/cancel");
            let export = client.json(client.request(Method::POST, &path)).await?;
            if output.json {
                println!("{export:#}");
            } else if export["state"] == "cancelled" {
                println!("export {id} is cancelled");
            } else {
                println!("export {id} is being cancelled");
            }
            Ok(())
        }
    }
}

async fn list(
    client: &Client,
    states: &[String],
    label: Option<&str>,
    limit: usize,
    output: Output,
) -> anyhow::Result<()> {
    let mut found: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    while found.len() < limit {
        let page = (limit - found.len()).min(100).to_string();
        let mut query = vec![("limit", page)];
        if !states.is_empty() {
            query.push(("state", states.join(",")));
        }
        query.extend(label.map(|label| ("label", label.to_owned())));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page = client.json(client.request(Method::GET, "/exports").query(&query)).await?;
        found.extend(page["exports"].as_array().cloned().unwrap_or_default());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if output.json {
        println!("{:#}", Value::Array(found));
        return Ok(());
    }
    println!(
        "{:<32}  {:<9}  {:>12}  {:>10}  {:<20}  LABEL",
        "ID", "STATE", "ROWS", "SIZE", "CREATED"
    );
    for export in &found {
        let progress = &export["progress"];
        println!(
            "{:<32}  {:<9}  {:>12}  {:>10}  {:<20}  {}",
            export["id"].as_str().unwrap_or_default(),
            export["state"].as_str().unwrap_or_default(),
            progress["rows"].as_u64().unwrap_or_default(),
            human(progress["bytes"].as_u64().unwrap_or_default()),
            export["created_at"].as_str().unwrap_or_default().get(..19).unwrap_or_default(),
            export["label"].as_str().unwrap_or_default(),
        );
    }
    Ok(())
}

/// Waits for an export's end behind a progress bar.
async fn watch(client: &Client, id: &str) -> anyhow::Result<Value> {
    let bar = progress::rows(None);
    let mut total = None;
    let export = wait(client, id, |export| {
        let progress = &export["progress"];
        let estimated = progress["rows_estimated"].as_u64();
        if estimated.is_some() && total != estimated {
            total = estimated;
            bar.set_style(progress::rows(estimated).style());
            bar.set_length(estimated.unwrap_or_default());
        }
        bar.set_position(progress["rows"].as_u64().unwrap_or_default());
        bar.set_message(export["state"].as_str().unwrap_or_default().to_owned());
    })
    .await;
    bar.finish_and_clear();
    export
}

fn print_ended(export: &Value) {
    let progress = &export["progress"];
    println!(
        "export {} is {}: {} rows, {}",
        export["id"].as_str().unwrap_or_default(),
        export["state"].as_str().unwrap_or_default(),
        progress["rows"].as_u64().unwrap_or_default(),
        human(progress["bytes"].as_u64().unwrap_or_default()),
    );
    for warning in export["warnings"].as_array().into_iter().flatten() {
        println!("warning: {}", warning["message"].as_str().unwrap_or_default());
    }
}
