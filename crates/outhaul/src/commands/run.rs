//! `outhaul run`.

use clap::Args;

/// Its options.
#[derive(Debug, Args)]
pub struct Options {}

/// Runs it.
///
/// # Errors
/// When the export fails.
pub async fn run(_options: Options) -> anyhow::Result<()> {
    Ok(())
}
