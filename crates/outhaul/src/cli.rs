//! The command line: every command with its options and examples. What a command does is in
//! `commands`, one file each.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    catalog, config, demo, doctor, exports, keys, run, serve, sessions, verify, worker,
};
use crate::exit;

/// A self-hosted export server: your customers create an export, watch it, and download it.
#[derive(Debug, Parser)]
#[command(name = "outhaul", version, after_help = exit::HELP, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make data, start everything, and print what to try.
    Demo(demo::Options),
    /// Serve the APIs, run exports, keep house.
    Serve(serve::Options),
    /// Run exports for a server whose worker is switched off.
    Worker(worker::Options),
    /// Export straight from files to a file or standard output, without a server.
    Run(run::Options),
    /// List, create, watch, fetch and cancel exports on a server.
    Exports(exports::Options),
    /// List, show, acknowledge and remove sessions: series of exports on a server, each of which has
    /// what changed since the one before.
    Sessions(sessions::Options),
    /// Check a downloaded file against its export's manifest.
    Verify(verify::Options),
    /// Create, list and revoke credentials.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Write, show and check the catalog of what may be exported.
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Check and show the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Check that everything a server needs works, and say what to do where it does not.
    Doctor(doctor::Options),
    /// What a server starts for each export it runs; not for people.
    #[command(hide = true)]
    Slot(crate::slot::Options),
    /// What a server starts for each script it runs; not for people.
    #[command(hide = true)]
    Script,
}

/// Which configuration file.
#[derive(Debug, Clone, Args)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "OUTHAUL_CONFIG", default_value = crate::config::DEFAULT_FILE, value_parser = config_file)]
    pub config: PathBuf,
}

/// A variable that is set to nothing counts as one that is not set.
fn config_file(given: &str) -> Result<PathBuf, Infallible> {
    Ok(PathBuf::from(if given.is_empty() { crate::config::DEFAULT_FILE } else { given }))
}

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, Args)]
pub struct Output {
    /// Print JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// How files are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pack {
    /// As they are.
    None,
    /// Compressed, one gzip stream.
    Gzip,
    /// An archive with one file in it.
    Zip,
}

impl Pack {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zip => "zip",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_empty_name_of_a_configuration_is_none() {
        assert_eq!(config_file(""), Ok(PathBuf::from("outhaul.toml")));
        assert_eq!(config_file("a.toml"), Ok(PathBuf::from("a.toml")));
    }

    #[test]
    fn every_option_explains_itself() {
        fn walk(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no text", command.get_name());
            for argument in command.get_arguments() {
                let has_text = argument.get_help().is_some() || argument.is_hide_set();
                assert!(has_text, "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }

    #[test]
    fn the_documentation_names_every_command_and_option() {
        let text = include_str!("../../../docs/cli.md");
        fn walk(command: &clap::Command, text: &str) {
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                let Some(long) = argument.get_long() else { continue };
                let known = matches!(long, "help" | "version");
                assert!(
                    known || text.contains(&format!("--{long}")),
                    "{} --{long}",
                    command.get_name()
                );
            }
            for command in command.get_subcommands().filter(|c| !c.is_hide_set()) {
                assert!(text.contains(command.get_name()), "{}", command.get_name());
                walk(command, text);
            }
        }
        walk(&Cli::command(), text);
    }
}
