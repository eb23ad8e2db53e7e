//! `outhaul config`: check and show the configuration.

use clap::Subcommand;
use outhaul_exports::{Clock as _, SystemClock};

use crate::cli::{ConfigFile, Output};
use crate::config::check::load_checked;
use crate::config::{self, Secrets, schema, show};
use crate::output::{count, outln};

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say everything that is wrong with the configuration and its catalog.
    #[command(
        after_help = "Examples:\n  outhaul config check\n  outhaul config check --config /etc/outhaul/outhaul.toml"
    )]
    Check {
        /// Which file.
        #[command(flatten)]
        file: ConfigFile,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Print the configuration as it takes effect: the file, the environment and every default.
    /// Secrets are dots.
    Show {
        /// Which file.
        #[command(flatten)]
        file: ConfigFile,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Print the JSON schema of the configuration file, for editors.
    Schema,
}

/// Runs it.
///
/// # Errors
/// When the configuration is wrong.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check { file, output } => return check(&file, output),
        Command::Show { file, output } => {
            let loaded = config::load(&file.config, Secrets::Hide)?;
            let config = show::effective(loaded.config);
            if output.json {
                outln!("{:#}", serde_json::to_value(&config)?);
            } else {
                outln!("{}", show::show(&config)?.trim_end());
            }
        }
        Command::Schema => outln!("{:#}", schema::schema()),
    }
    Ok(())
}

fn check(file: &ConfigFile, output: Output) -> anyhow::Result<()> {
    let result = load_checked(&file.config, SystemClock.now());
    if output.json {
        let problems = result.as_ref().err().map(|problems| problems.0.as_slice());
        let list = problems.unwrap_or_default().iter().map(|problem| {
            let origin = problem.origin.as_ref();
            serde_json::json!({
                "key": problem.place.as_str(),
                "file": origin.map(|origin| &origin.name),
                "line": origin.and_then(|origin| origin.line),
                "text": problem.text,
            })
        });
        outln!("{:#}", serde_json::json!({ "problems": list.collect::<Vec<_>>() }));
    }
    let (loaded, checked) = result?;
    if !output.json {
        outln!(
            "{} is sound: {}, {}, {}, store {}, artifacts {}",
            file.config.display(),
            count(loaded.config.sources.len(), "source", "sources"),
            count(checked.catalog.objects().count(), "object", "objects"),
            count(checked.tenants.iter().count(), "tenant", "tenants"),
            loaded.config.store.url,
            loaded.config.artifacts.url,
        );
        for hint in hints(&loaded) {
            outln!("note: {hint}");
        }
    }
    Ok(())
}

/// What is allowed but hardly meant.
fn hints(loaded: &config::Loaded) -> Vec<String> {
    let mut hints = Vec::new();
    let config = &loaded.config;
    if config.tenants.is_empty() {
        hints.push("there are no tenants, so nobody can export anything: add [[tenants]]".into());
    }
    if config.catalog.objects.is_empty() {
        hints.push(
            "the catalog is empty: write one with `outhaul catalog init` and name it in catalog.file"
                .into(),
        );
    }
    let local =
        config.server.listen.starts_with("127.") || config.server.listen.starts_with("[::1]");
    if !local && config.server.base_url.is_none() {
        hints.push(
            "server.base_url is not set, so links point to the address that is listened on".into(),
        );
    }
    hints
}
