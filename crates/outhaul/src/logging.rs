//! Where log lines go: standard error, as text or as JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::sections::{Log, LogFormat};

/// The level of commands that are not servers.
const COMMAND_LEVEL: &str = "warn";

/// For a server, by its configuration.
///
/// # Errors
/// When the level is not one.
pub fn for_server(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|error| anyhow::anyhow!("log.level {:?}: {error}", log.level))?;
    init(filter, log.format);
    Ok(())
}

/// For any other command; `OUTHAUL_LOG` may ask for more.
pub fn for_command() {
    let asked = std::env::var("OUTHAUL_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    init(asked.unwrap_or_else(|| EnvFilter::new(COMMAND_LEVEL)), LogFormat::Text);
}

fn init(filter: EnvFilter, format: LogFormat) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    // A second call (a test) changes nothing.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            use std::io::IsTerminal as _;
            builder.with_ansi(std::io::stderr().is_terminal()).try_init()
        }
    };
}
