//! The one binary: configuration, assembly, listener, commands. Business rules are elsewhere.

// A print that panics when its reader has left: `output` has others.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod allocator;
mod assemble;
mod catalog_file;
mod cli;
mod client;
mod commands;
mod config;
mod credentials;
mod demo;
mod exit;
mod listener;
mod logging;
mod output;
mod password_file;
mod progress;
mod server;
mod slot;
mod sources;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    match &command {
        // A slot limits itself before it has a second thread.
        Command::Slot(options) => {
            logging::for_command();
            return slot::run(options);
        }
        // A script's process says nothing but to who started it, and takes its limits first.
        Command::Script => return outhaul_scripts::child_main(),
        Command::Run(_) => allocator::run_once(),
        _ => {}
    }
    let is_server = matches!(command, Command::Serve(_) | Command::Worker(_) | Command::Demo(_));
    if !is_server {
        logging::for_command();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.context("cannot start the threads").and_then(|runtime| {
        let result = runtime.block_on(run(command));
        // Whatever blocks still has nobody to answer.
        runtime.shutdown_background();
        result
    });
    exit::report(done)
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(options) => commands::demo::run(options).await,
        Command::Serve(options) => commands::serve::run(options).await,
        Command::Worker(options) => commands::worker::run(options).await,
        Command::Run(options) => commands::run::run(options).await,
        Command::Exports(options) => commands::exports::run(options).await,
        Command::Sessions(options) => commands::sessions::run(options).await,
        Command::Verify(options) => commands::verify::run(options),
        Command::Keys(command) => commands::keys::run(command).await,
        Command::Catalog(command) => commands::catalog::run(command).await,
        Command::Config(command) => commands::config::run(command),
        Command::Doctor(options) => commands::doctor::run(options).await,
        Command::Slot(options) => {
            slot::run(&options);
            Ok(())
        }
        Command::Script => {
            outhaul_scripts::child_main();
            Ok(())
        }
    }
}
