//! How a command ends: its exit code, which scripts may rely on, and its last words.

use std::process::ExitCode;

use crate::config::Problems;

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
    /// The server cannot be reached.
    Unreachable = 4,
    /// The server refused the request.
    Refused = 5,
    /// The export did not complete: it failed, was cancelled, or its files are gone.
    Export = 6,
    /// A file is not what its manifest says.
    Digest = 7,
    /// Interrupted (128 + SIGINT).
    Interrupted = 130,
}

/// What `--help` says about it.
pub const HELP: &str = "\
Exit codes:
  0    done
  1    failed; the text says what and what to do
  2    the command line is wrong
  3    the configuration or the catalog is wrong
  4    the server cannot be reached
  5    the server refused the request
  6    the export failed, was cancelled, or its files are gone
  7    a file is not what its manifest says
  130  interrupted

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

/// Prints what went wrong and answers the exit code. A reader of our output that closed its pipe
/// (`| head`) is no failure worth a word.
pub fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let is_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if !error.chain().any(is_pipe) {
        eprintln!("outhaul: {}", text_of(&error));
    }
    ExitCode::from(code_of(&error) as u8)
}

/// All causes, each once: a cause whose text its effect already quotes is not repeated.
fn text_of(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let own = match cause.downcast_ref::<outhaul_exports::Error>() {
            Some(ours) => ours.chain(),
            None => cause.to_string(),
        };
        if text.is_empty() {
            text = own;
        } else if !text.contains(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

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
