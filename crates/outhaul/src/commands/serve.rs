//! `outhaul serve`.

use clap::Args;
use outhaul_exports::{Clock as _, SystemClock};

use crate::cli::ConfigFile;
use crate::config::check::load_checked;
use crate::logging;
use crate::server::Server;

/// Its options.
#[derive(Debug, Args)]
#[command(
    after_help = "Every setting can come from the environment: OUTHAUL__SERVER__LISTEN=0.0.0.0:8080.\nSIGTERM stops it without losing anything; a second one ends it at once.\n\nExamples:\n  outhaul serve\n  outhaul serve --config /etc/outhaul/outhaul.toml --listen 0.0.0.0:8080"
)]
pub struct Options {
    /// Which configuration.
    #[command(flatten)]
    file: ConfigFile,
    /// Listen here instead of on server.listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// Runs it until it is told to stop.
///
/// # Errors
/// When the configuration is wrong or a part cannot start.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let (mut loaded, checked) = load_checked(&options.file.config, SystemClock.now())?;
    if let Some(listen) = options.listen {
        loaded.config.server.listen = listen;
    }
    logging::for_server(&loaded.config.log)?;
    Server::open(loaded, checked).await?.run(|_| Ok(())).await
}
