//! Has a customer's script run, and reads scripts when they are submitted.
//!
//! A script that fails by itself has been run: that is the end of it. One that could not be started
//! is tried again. What it is given is its dialect's to say; what it may call is answered by `host`.

mod host;
mod http;
mod notifications;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use outhaul_exports::notice::{Message, ScriptLine, ScriptReport, ScriptView};
use outhaul_exports::ports::ScriptCheck;
use outhaul_exports::{Error, limits};
use outhaul_scripts::{Check, End, Failure, Level, Limits, LogLine, Outcome, Sandbox};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use super::{Failed, Notifier};
use host::Calls;

/// The views of scripts, by the id of the dialect.
pub type ScriptViews = HashMap<String, Arc<dyn ScriptView>>;

/// Characters kept of what a script threw, so that its line is kept too.
const THROWN_CHARS_MAX: usize = limits::NOTICE_ERROR_CHARS_MAX - 50;
/// What one call may take longer than what it waits for, which tells more of why.
const CALL_SLACK: std::time::Duration = std::time::Duration::from_secs(5);

/// What runs and reads scripts.
pub struct Scripts {
    sandbox: Sandbox,
    limits: Limits,
    at_once: usize,
    /// Where this server itself is reached: no script calls it.
    own: Option<Url>,
    mails: bool,
    /// One for each that is read now.
    reading: Semaphore,
    /// One for each that is read now or waits for that.
    waiting: Semaphore,
}

impl Scripts {
    /// In this sandbox, within `time` and `memory_bytes`, so many at once. `own` is the address of
    /// this server, which scripts may not call.
    pub fn new(
        sandbox: Sandbox,
        time: std::time::Duration,
        memory_bytes: usize,
        at_once: usize,
        own: Option<Url>,
    ) -> Self {
        let call_time = limits::SCRIPT_REQUEST_TIME + CALL_SLACK;
        let limits = Limits {
            source_chars: limits::SCRIPT_CHARS_MAX,
            input_bytes: limits::SCRIPT_GLOBALS_BYTES_MAX,
            time,
            call_time,
            memory_bytes,
            log_lines: limits::SCRIPT_LOG_LINES_MAX,
            log_bytes: limits::SCRIPT_LOG_BYTES_MAX,
            result_bytes: limits::SCRIPT_RESULT_BYTES_MAX,
            ..Limits::default()
        };
        let most = limits::SCRIPT_CHECKS_AT_ONCE;
        Self {
            sandbox,
            limits,
            at_once: at_once.max(1),
            own,
            mails: true,
            reading: Semaphore::new(most),
            waiting: Semaphore::new(most + limits::SCRIPT_CHECKS_WAITING_MAX),
        }
    }

    /// The same, whose scripts send no mails.
    #[must_use]
    pub fn without_mails(self) -> Self {
        Self { mails: false, ..self }
    }

    /// How many are run at once.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }
}

#[async_trait]
impl ScriptCheck for Scripts {
    async fn check(&self, source: &str) -> outhaul_exports::Result<()> {
        let busy = || Error::unavailable("too many scripts are being read just now; try again");
        let _place = self.waiting.try_acquire().map_err(|_| busy())?;
        let _turn = self.reading.acquire().await.map_err(|_| busy())?;
        let limits = Limits { time: limits::SCRIPT_CHECK_TIME, ..self.limits.clone() };
        let checked = self.sandbox.check(source, &host::modules(), &limits).await;
        let text = match checked {
            Ok(Check::Good) => return Ok(()),
            Ok(Check::Bad(Failure::Refused(refusal))) => refusal.to_string(),
            Ok(Check::Bad(failure)) => format!("the script cannot be read: {failure}"),
            Err(error) => {
                let text = "scripts cannot be read just now; try again";
                return Err(Error::unavailable(text).with_source(error));
            }
        };
        Err(Error::invalid("notices.script", text))
    }
}

impl Notifier {
    pub(super) async fn script(
        &self,
        message: &Message,
        source: &str,
    ) -> Result<ScriptReport, Failed> {
        let Some(scripts) = &self.scripts else {
            let internal = "scripts.enabled is false";
            return Err(Failed::passing("this server runs no scripts at present", internal));
        };
        let export = self.told(message).await?;
        let Some(view) = self.views.get(&export.dialect) else {
            let internal = format!("nobody says what scripts of {} are given", export.dialect);
            let text = "the API that the export was created with is switched off at present";
            return Err(Failed::passing(text, &internal));
        };
        let globals = view.globals(&export, message).await?.to_string();
        let host = Calls::new(self, scripts.own.as_ref(), scripts.mails, message);
        let modules = host::modules();
        let run = scripts.sandbox.run(source, &globals, &modules, &scripts.limits, &host);
        let Ok(ran) = timeout(self.timings.script, run).await else {
            let text = "the script waited too long for what it called";
            return Err(Failed::lasting(text));
        };
        let outcome = ran.map_err(not_run)?;
        tracing::info!(
            message_id = %message.id,
            export_id = %message.export,
            calls = outcome.calls,
            seconds = outcome.took.as_secs_f64(),
            peak_memory_bytes = outcome.peak_memory_bytes,
            "a script was run"
        );
        ended(outcome)
    }
}

/// What became of a script that was run.
fn ended(outcome: Outcome) -> Result<ScriptReport, Failed> {
    let line = |line: LogLine| ScriptLine { level: word(line.level).to_owned(), text: line.text };
    let mut report = ScriptReport {
        result: None,
        logs: outcome.logs.lines.into_iter().map(line).collect(),
        logs_cut: outcome.logs.cut,
        calls: outcome.calls,
        took_ms: u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
    };
    match outcome.end {
        End::Finished { result } => {
            report.result = result;
            Ok(report)
        }
        End::Failed(failure) => {
            // What it threw is the customer's; the log has the kind alone.
            let internal = match &failure {
                Failure::Crashed { detail } => format!("crashed: {detail}"),
                other => other.word().to_owned(),
            };
            let public = sentence(&failure);
            let report = Some(Box::new(report));
            Err(Failed { is_final: true, report, ..Failed::passing(&public, &internal) })
        }
    }
}

/// Why a script failed, for who wrote it.
fn sentence(failure: &Failure) -> String {
    match failure {
        Failure::Exception { message, line } => {
            let thrown: String = message.chars().take(THROWN_CHARS_MAX).collect();
            let place = line.map(|line| format!(" (line {line})")).unwrap_or_default();
            format!("the script threw: {thrown}{place}")
        }
        Failure::Refused(refusal) => format!("the script was not run: {refusal}"),
        other => other.to_string(),
    }
}

/// Why a script could not be run.
fn not_run(error: outhaul_scripts::Error) -> Failed {
    use outhaul_scripts::Error as Why;
    let mut internal = error.to_string();
    if let Some(cause) = std::error::Error::source(&error) {
        internal = format!("{internal}: {cause}");
    }
    match error {
        Why::Start(_) | Why::NotReady { .. } => {
            Failed::passing("the script could not be started", &internal)
        }
        Why::Globals { .. } | Why::GlobalsTooLong { .. } => {
            let public = "the script could not be given its export, which is too long to be shown";
            Failed { is_final: true, ..Failed::passing(public, &internal) }
        }
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_thrown_is_cut_and_its_line_is_kept() {
        let thrown = |message: &str, line| {
            sentence(&Failure::Exception { message: message.to_owned(), line })
        };
        assert_eq!(thrown("Error: no", Some(3)), "the script threw: Error: no (line 3)");
        assert_eq!(thrown("Error: no", None), "the script threw: Error: no");
        let long = thrown(&"\u{e4}".repeat(1_000), Some(u32::MAX));
        assert!(long.ends_with("\u{e4} (line 4294967295)"), "{long}");
        assert!(long.chars().count() <= limits::NOTICE_ERROR_CHARS_MAX);
    }
}
