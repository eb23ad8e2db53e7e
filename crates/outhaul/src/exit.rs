//! How a command ends: its exit code, which scripts may rely on, and its last words.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::Problems;
use crate::output::{self, errln};

/// What a command's end means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Something failed; the text says what.
    Failed = 1,
    /// The command line is wrong (clap uses it too).
    Usage = 2,
    /// The configuration or the catalog is wrong.
    Config = 3,
    /// The server cannot be reached, or cannot answer now.
    Unreachable = 4,
    /// The server refused the request.
    Refused = 5,
    /// The export did not complete: it failed, was cancelled, or its files are gone.
    Export = 6,
    /// A file is not what its manifest says.
    Digest = 7,
    /// Interrupted (128 + SIGINT).
    Interrupted = 130,
    /// The reader of standard output has left (128 + SIGPIPE).
    Unread = 141,
    /// Told to end (128 + SIGTERM).
    Terminated = 143,
}

/// What `--help` says about it.
pub const HELP: &str = "\
Exit codes:
  0    done
  1    failed; the text says what and what to do
  2    the command line is wrong
  3    the configuration or the catalog is wrong
  4    the server cannot be reached, or cannot answer now
  5    the server refused the request
  6    the export failed, was cancelled, or its files are gone
  7    a file is not what its manifest says
  130  interrupted
  141  whoever read standard output has left
  143  told to end

`outhaul help COMMAND` explains a command. The documentation is in docs/.";

/// An error that knows its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Exit {
    code: Code,
    text: String,
}

impl Exit {
    /// An end with that code and text.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// The exit code of an error.
pub fn code_of(error: &anyhow::Error) -> Code {
    let known = error.chain().find_map(|cause| cause.downcast_ref::<Exit>().map(|exit| exit.code));
    let config = error.chain().any(|cause| cause.is::<Problems>());
    known.unwrap_or(if config { Code::Config } else { Code::Failed })
}

/// Prints what went wrong and answers the exit code. A reader of standard output that has left
/// (`| head`) is not worth a word.
pub fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if output::is_unread(&error) {
        return ExitCode::from(Code::Unread as u8);
    }
    errln!("outhaul: {}", text_of(&error));
    ExitCode::from(code_of(&error) as u8)
}

/// A mistake in a request that came from the command line itself.
pub fn usage(error: outhaul_exports::Error) -> anyhow::Error {
    Exit::new(Code::Usage, text_of(&error.into())).into()
}

/// Waits until the process is asked to end, by Ctrl-C or SIGTERM.
pub async fn asked_to_end() -> Exit {
    let code = tokio::select! {
        () = signalled(SignalKind::interrupt()) => Code::Interrupted,
        () = signalled(SignalKind::terminate()) => Code::Terminated,
    };
    Exit::new(code, "interrupted")
}

async fn signalled(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        // The system ends the process by itself then.
        Err(_) => std::future::pending().await,
    }
}

/// All causes, each once: a cause is left out whose text its effect quotes already, and an effect
/// that only repeats its cause behind a name is said as that.
pub fn text_of(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !text.is_empty() && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    };
    for cause in error.chain() {
        match cause.downcast_ref::<outhaul_exports::Error>() {
            Some(ours) => {
                add(ours.public().to_owned());
                add(internal_of(ours));
            }
            None => add(cause.to_string()),
        }
    }
    parts.join(": ")
}

/// What our own error says to the log alone: its chain without what it says to everybody and
/// without its causes.
fn internal_of(error: &outhaul_exports::Error) -> String {
    let mut causes = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        causes.push_str(": ");
        causes.push_str(&error.to_string());
        cause = error.source();
    }
    let chain = error.chain();
    let own = chain.strip_suffix(&causes).unwrap_or(&chain);
    let own = own.strip_prefix(error.public()).unwrap_or(own);
    own.strip_prefix(": ").unwrap_or(own).to_owned()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn causes_that_repeat_are_said_once() {
        let inner = outhaul_exports::Error::internal("bad row")
            .with_source(Exit::new(Code::Failed, "row 7"));
        let error = anyhow::Error::new(inner).context("Csv error: row 7");
        assert_eq!(text_of(&error), "Csv error: row 7: an internal error occurred: bad row");
    }

    #[test]
    fn codes_survive_context_and_causes_are_said_once() {
        let result: Result<(), Exit> = Err(Exit::new(Code::Digest, "it differs"));
        let error = result.context("cannot verify").expect_err("it failed");
        assert_eq!(code_of(&error), Code::Digest);
        assert_eq!(text_of(&error), "cannot verify: it differs");
        let ours = outhaul_exports::Error::internal("disk 7");
        let error = anyhow::Error::new(ours).context("an internal error occurred: disk 7");
        assert_eq!(text_of(&error), "an internal error occurred: disk 7");
    }
}
