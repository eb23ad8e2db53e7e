//! `outhaul worker`.

use clap::Args;
use outhaul_exports::{Clock as _, SystemClock};

use crate::cli::ConfigFile;
use crate::config::check::load_checked;
use crate::{logging, server};

/// Its options.
#[derive(Debug, Args)]
#[command(
    after_help = "It works on the store and the artifacts of a server that was started with worker.enabled = false.\n\nExample:\n  outhaul worker --config /etc/outhaul/outhaul.toml"
)]
pub struct Options {
    /// Which configuration.
    #[command(flatten)]
    file: ConfigFile,
}

/// Runs it until it is told to stop.
///
/// # Errors
/// When the configuration is wrong or a part cannot start.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let (loaded, _) = load_checked(&options.file.config, SystemClock.now())?;
    logging::for_server(&loaded.config.log)?;
    server::work(loaded).await
}
