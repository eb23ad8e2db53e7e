//! Where log lines go: standard error, as text or as JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::sections::{Log, LogFormat};

/// The level of commands that are not servers.
const COMMAND_LEVEL: &str = "warn";

/// For a server, by its configuration.
///
/// # Errors
/// When the level is not one.
pub fn for_server(log: &Log) -> anyhow::Result<()> {
    let filter = filter(&log.level).map_err(|text| anyhow::anyhow!("log.level: {text}"))?;
    init(filter, log.format);
    Ok(())
}

/// The filter of a level or of directives.
///
/// # Errors
/// What is wrong, as a sentence.
pub fn filter(level: &str) -> Result<EnvFilter, String> {
    let advice = "write error, warn, info, debug, trace or off, or directives such as info,outhaul_worker=debug";
    // A word alone that is no level would be taken for a part of the program whose lines are shown,
    // and nothing else would be.
    let is_wrong = |word: &&str| {
        let is_directive = word.contains(['=', '[', ']', '{', '}', '"']);
        word.is_empty() || (!is_directive && word.parse::<LevelFilter>().is_err())
    };
    let word = level.split(',').map(str::trim).find(is_wrong);
    if let Some(word) = word {
        return Err(format!("{word:?} is no level: {advice}"));
    }
    EnvFilter::try_new(level)
        .map_err(|error| format!("{level:?} cannot be read ({error}): {advice}"))
}

/// For any other command; `OUTHAUL_LOG` may ask for more.
pub fn for_command() {
    let asked = std::env::var("OUTHAUL_LOG").ok().and_then(|text| filter(&text).ok());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_read() {
        for good in ["info", "WARN", "off", "info,outhaul_worker=debug", "outhaul=trace, warn"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["loud", "", "info,loud", "info=loud", "info,,warn"] {
            assert!(filter(bad).is_err_and(|text| text.contains("error, warn, info")), "{bad}");
        }
    }
}
