//! `outhaul sessions`: series of exports on a server, over its own API.

use anyhow::Context;
use clap::{Args, Subcommand};
use outhaul_exports::session::check_name;
use reqwest::Method;
use serde_json::{Value, json};

use super::exports::Server;
use crate::cli::Output;
use crate::client::{Client, text};
use crate::exit::{Code, Exit};
use crate::output::{count, outln};

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
    /// List sessions, by their names.
    List {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Show a session, and up to where the rows of its queries have arrived.
    Show {
        /// Its name.
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Say that an export's rows have arrived: the session goes on after them.
    #[command(
        after_help = "Example:\n  outhaul exports create --object Invoice --session nightly --output invoices.csv\n  outhaul sessions acknowledge nightly ID"
    )]
    Acknowledge {
        /// The session's name.
        name: String,
        /// The export's id.
        export: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Forget a session: the next export in one of its name begins in full. Its exports stay.
    Remove {
        /// Its name.
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let client = options.server.client()?;
    match options.command {
        Command::List { output } => list(&client, output).await,
        Command::Show { name, output } => {
            let session = client.get(&path(&name)?).await?;
            print(&session, output);
            Ok(())
        }
        Command::Acknowledge { name, export, output } => {
            let path = format!("{}/acknowledge", path(&name)?);
            let request = client.request(Method::POST, &path).json(&json!({ "export": export }));
            let session = client.json(request).await?;
            if output.json {
                outln!("{session:#}");
            } else {
                outln!("session {name} goes on after export {export}");
            }
            Ok(())
        }
        Command::Remove { name, output } => {
            client.send(client.request(Method::DELETE, &path(&name)?)).await?;
            if output.json {
                outln!("{:#}", json!({ "removed": name }));
            } else {
                outln!("session {name} is forgotten; its exports stay");
            }
            Ok(())
        }
    }
}

/// The path of a session. A name that no session can have is not sent: it might lead elsewhere.
fn path(name: &str) -> anyhow::Result<String> {
    check_name(name).map_err(|error| Exit::new(Code::Usage, error.public().to_owned()))?;
    Ok(format!("/sessions/{name}"))
}

async fn list(client: &Client, output: Output) -> anyhow::Result<()> {
    let answer = client.get("/sessions").await?;
    let sessions = answer["sessions"].as_array().context("the server's answer has no sessions")?;
    if output.json {
        outln!("{:#}", Value::Array(sessions.clone()));
        return Ok(());
    }
    outln!("{:<30}  {:>6}  {:>7}  {:<20}  MOVED BY", "NAME", "MOVED", "QUERIES", "LAST MOVED");
    for session in sessions {
        outln!(
            "{:<30}  {:>6}  {:>7}  {:<20}  {}",
            text(session, "name")?,
            session["generation"].as_u64().unwrap_or_default(),
            session["queries"].as_array().map_or(0, Vec::len),
            second(&session["moved_at"]),
            session["moved_by"].as_str().unwrap_or_default(),
        );
    }
    Ok(())
}

fn print(session: &Value, output: Output) {
    if output.json {
        outln!("{session:#}");
        return;
    }
    let name = session["name"].as_str().unwrap_or_default();
    let moved = count(session["generation"].as_u64().unwrap_or_default(), "time", "times");
    outln!("session {name}, made {}, moved {moved}", second(&session["created_at"]));
    if let Some(export) = session["moved_by"].as_str() {
        outln!("last moved {} by export {export}", second(&session["moved_at"]));
    }
    for query in session["queries"].as_array().into_iter().flatten() {
        let name = query["name"].as_str().unwrap_or_default();
        outln!("{name}: rows have arrived up to {}", second(&query["watermark"]));
    }
}

/// A moment to the second.
fn second(moment: &Value) -> &str {
    moment.as_str().unwrap_or_default().get(..19).unwrap_or_default()
}
