//! `outhaul exports`: what a person does with exports on a server, over its own API.

mod create;
mod pull;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use crate::cli::Output;
use crate::client::{Client, completed, text, wait};
use crate::config::size::human;
use crate::exit::{Code, Exit};
use crate::output::{count, outln};
use crate::progress;

/// Its options.
#[derive(Debug, Args)]
pub struct Options {
    /// Which server.
    #[command(flatten)]
    server: Server,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
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
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Which server, and who asks: before or behind the subcommand.
#[derive(Debug, Clone, Args)]
pub struct Server {
    /// The server's address.
    #[arg(long, global = true, env = "OUTHAUL_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// An API key of the native API.
    #[arg(long, global = true, env = "OUTHAUL_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Seconds that the server may be away, as while it starts again, when an export is waited for or
    /// downloaded.
    #[arg(long, global = true, value_name = "SECS", default_value_t = 30)]
    patience: u32,
    /// Take address and key from a running demo: the file demo.json that it wrote.
    #[arg(long, global = true, value_name = "FILE")]
    demo: Option<PathBuf>,
    /// The demo's tenant: acme when absent.
    #[arg(long, global = true, value_name = "TENANT")]
    demo_tenant: Option<String>,
}

impl Server {
    /// A client of it.
    ///
    /// # Errors
    /// When it does not say who asks, or says it twice.
    // What contradicts is found here, because clap looks at options before and behind the
    // subcommand apart.
    pub fn client(&self) -> anyhow::Result<Client> {
        let usage = |text: &str| Err(Exit::new(Code::Usage, text).into());
        match (&self.demo, &self.key) {
            (Some(_), Some(_)) => {
                usage("--demo brings its own key: leave out --key, and unset OUTHAUL_API_KEY")
            }
            (Some(file), None) => self.demo_client(file),
            (None, _) if self.demo_tenant.is_some() => {
                usage("--demo-tenant needs --demo, the file demo.json of a running demo")
            }
            (None, Some(key)) => Client::new(&self.server, key, self.patience()),
            (None, None) => usage(
                "who asks? give an API key with --key, or in the environment as OUTHAUL_API_KEY; `outhaul keys create` makes one",
            ),
        }
    }

    fn demo_client(&self, file: &Path) -> anyhow::Result<Client> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let demo: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", file.display()))?;
        let tenant = self.demo_tenant.as_deref().unwrap_or("acme");
        let key = &demo["tenants"][tenant]["native"]["api_key"];
        let key = key.as_str().context("the demo has no such tenant: acme or globex")?;
        Client::new(self::text(&demo, "base_url")?, key, self.patience())
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.patience.into())
    }
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached or refuses, or the export fails.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let client = options.server.client()?;
    match options.command {
        Command::List { state, label, limit, output } => {
            list(&client, &state, label.as_deref(), limit, output).await
        }
        Command::Create(options) => create::run(&client, *options).await,
        Command::Watch { id, output } => {
            let export = watch(&client, &id).await?;
            if output.json {
                outln!("{export:#}");
            } else {
                print_ended(&export);
            }
            completed(export).map(drop)
        }
        Command::Pull(options) => pull::run(&client, options).await,
        Command::Cancel { id, output } => {
            let path = format!("/exports/{id}/cancel");
            let export = client.json(client.request(Method::POST, &path)).await?;
            if output.json {
                outln!("{export:#}");
            } else if export["state"] == "cancelled" {
                outln!("export {id} is cancelled");
            } else {
                outln!("export {id} is being cancelled");
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
        outln!("{:#}", Value::Array(found));
        return Ok(());
    }
    outln!(
        "{:<32}  {:<9}  {:>12}  {:>10}  {:<20}  LABEL",
        "ID",
        "STATE",
        "ROWS",
        "SIZE",
        "CREATED"
    );
    for export in &found {
        let progress = &export["progress"];
        outln!(
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
    outln!(
        "export {} is {}: {}, {}",
        export["id"].as_str().unwrap_or_default(),
        export["state"].as_str().unwrap_or_default(),
        count(progress["rows"].as_u64().unwrap_or_default(), "row", "rows"),
        human(progress["bytes"].as_u64().unwrap_or_default()),
    );
    for warning in export["warnings"].as_array().into_iter().flatten() {
        outln!("warning: {}", warning["message"].as_str().unwrap_or_default());
    }
}
