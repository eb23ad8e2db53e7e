//! Cases as data: a script, and what is to become of it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use outhaul_scripts::{Check, End, Failure, Limits, Outcome, Sandbox};
use serde::Deserialize;

use crate::host;

/// More than its time that a script's end may take on a machine that is held up by others; an
/// unbounded one takes for ever.
pub const LATE_MAX: Duration = Duration::from_secs(3);
/// More than its time that it takes as a rule.
pub const LATE: Duration = Duration::from_millis(500);

/// One script.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub script: Text,
    /// A JSON object.
    #[serde(default)]
    pub globals: Option<serde_json::Value>,
    /// Milliseconds; a second when it is not there.
    #[serde(default)]
    pub time: Option<u64>,
    pub expect: Expect,
}

/// A text, or parts of one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Text {
    Whole(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Part {
    Text(String),
    Repeated { repeat: String, times: usize },
}

impl Text {
    pub fn text(&self) -> String {
        match self {
            Self::Whole(text) => text.clone(),
            Self::Parts(parts) => parts.iter().map(Part::text).collect(),
        }
    }
}

impl Part {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Repeated { repeat, times } => repeat.repeat(*times),
        }
    }
}

/// What is to become of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// `finished`, or the word of a failure; several where the machine's speed decides.
    pub end: Ends,
    /// The result, as JSON.
    #[serde(default)]
    pub result: Option<serde_json::Value>,
    /// A part of the message.
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub line: Option<u32>,
    #[serde(default)]
    pub column: Option<u32>,
    /// All lines of the log.
    #[serde(default)]
    pub logs: Option<Vec<String>>,
    #[serde(default)]
    pub log_lines: Option<usize>,
    #[serde(default)]
    pub logs_cut: Option<bool>,
    #[serde(default)]
    pub calls: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Ends {
    One(String),
    OneOf(Vec<String>),
}

impl Default for Ends {
    fn default() -> Self {
        Self::OneOf(Vec::new())
    }
}

/// Reads a file of cases.
pub fn read(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(file);
    let text = std::fs::read_to_string(&path).expect("the cases are there");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The sandbox of this binary.
pub fn sandbox() -> Sandbox {
    let own = std::env::current_exe().expect("the test has a file");
    Sandbox::new(own, vec!["script".into()]).expect("a thread starts")
}

pub fn limits(case: &Case) -> Limits {
    Limits {
        time: Duration::from_millis(case.time.unwrap_or(1_000)),
        call_time: Duration::from_secs(2),
        ..Limits::default()
    }
}

/// Runs a case; answers what is wrong, and a line with its figures.
pub async fn try_case(sandbox: &Sandbox, case: &Case) -> (Vec<String>, Outcome) {
    let limits = limits(case);
    let globals = case.globals.as_ref().map_or_else(|| "{}".to_owned(), ToString::to_string);
    let source = case.script.text();
    let begun = Instant::now();
    let outcome = sandbox
        .run(&source, &globals, &host::modules(), &limits, &host::Answers)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let mut wrong = compare(&case.expect, &outcome.end);
    let lines: Vec<String> = outcome.logs.lines.iter().map(|line| line.text.clone()).collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    expect(&mut wrong, "logs", case.expect.logs.clone(), &lines);
    expect(&mut wrong, "lines of log", case.expect.log_lines, &lines.len());
    expect(&mut wrong, "logs cut", case.expect.logs_cut, &outcome.logs.cut);
    expect(&mut wrong, "calls", case.expect.calls, &outcome.calls);
    if bytes > limits.log_bytes || lines.len() > limits.log_lines {
        wrong.push(format!("{} lines of log, {bytes} bytes", lines.len()));
    }
    let figures = format!(
        "{:<34} {:>7.3} s {:>7.1} MiB  {}",
        case.name,
        begun.elapsed().as_secs_f64(),
        outcome.peak_memory_bytes.map_or(f64::NAN, |bytes| bytes as f64 / f64::from(1 << 20)),
        shown(&outcome.end),
    );
    println!("{figures}");
    // Waiting for the host is not the script's time; no case waits for more than two calls.
    let waits = if outcome.calls > 0 { limits.call_time * 2 } else { Duration::ZERO };
    if outcome.took > limits.time + LATE_MAX + waits {
        wrong.push(format!("it took {:?}", outcome.took));
    }
    if outcome.peak_memory_bytes.is_some_and(|bytes| bytes > 128 << 20) {
        wrong.push("it held more than 128 MiB".to_owned());
    }
    (wrong, outcome)
}

pub fn shown(end: &End) -> String {
    let mut text = match end {
        End::Finished { result } => format!("finished {}", result.as_deref().unwrap_or_default()),
        End::Failed(failure) => format!("{}: {failure}", failure.word()),
    };
    if let Some((at, _)) = text.char_indices().nth(110) {
        text.truncate(at);
    }
    text
}

fn expect<A: PartialEq + std::fmt::Debug>(
    wrong: &mut Vec<String>,
    what: &str,
    wanted: Option<A>,
    found: &A,
) {
    if let Some(wanted) = wanted.filter(|wanted| wanted != found) {
        wrong.push(format!("{what}: {found:?} instead of {wanted:?}"));
    }
}

/// What is wrong with an end.
pub fn compare(expected: &Expect, end: &End) -> Vec<String> {
    let mut wrong = Vec::new();
    let (word, message, place, result) = match end {
        End::Finished { result } => ("finished", String::new(), (None, None), result.clone()),
        End::Failed(failure) => {
            let (message, place) = match failure {
                Failure::Exception { message, line } => (message.clone(), (*line, None)),
                Failure::Refused(refusal) => {
                    (refusal.message.clone(), (refusal.line, refusal.column))
                }
                other => (other.to_string(), (None, None)),
            };
            (failure.word(), message, place, None)
        }
    };
    let fits = match &expected.end {
        Ends::One(one) => one == word,
        Ends::OneOf(all) => all.iter().any(|one| one == word),
    };
    if !fits {
        wrong.push(format!("{} instead of {:?}", shown(end), expected.end));
    }
    if message.len() > Limits::default().message_bytes + 200 || message.contains('\u{1b}') {
        wrong.push(format!("a message of {} bytes, or a wild one", message.len()));
    }
    if expected.message.as_ref().is_some_and(|part| !message.contains(part)) {
        wrong.push(format!("message {message:?} instead of {:?}", expected.message));
    }
    expect(&mut wrong, "line", expected.line.map(Some), &place.0);
    expect(&mut wrong, "column", expected.column.map(Some), &place.1);
    if let Some(wanted) = &expected.result {
        let found = result.as_deref().map(serde_json::from_str::<serde_json::Value>);
        if !matches!(&found, Some(Ok(found)) if found == wanted) {
            wrong.push(format!("result {result:?} instead of {wanted}"));
        }
    }
    wrong
}

/// Runs a file of cases, and fails with all that is wrong.
pub async fn all(file: &str) {
    let sandbox = sandbox();
    let mut report = String::new();
    for case in read(file) {
        let (wrong, _) = try_case(&sandbox, &case).await;
        for wrong in wrong {
            let _ = writeln!(report, "{file}, {}: {wrong}", case.name);
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

pub async fn behaviour() {
    all("behaviour.json").await;
}

pub async fn output() {
    all("output.json").await;
}

pub async fn calls() {
    all("calls.json").await;
}

/// What is refused when it is checked is refused when it is run, in the same words.
pub async fn refused() {
    let sandbox = sandbox();
    let mut report = String::new();
    for case in read("refused.json") {
        let source = case.script.text();
        let limits = limits(&case);
        let begun = Instant::now();
        let check = sandbox.check(&source, &host::modules(), &limits).await.expect("it starts");
        let took = begun.elapsed();
        let end = match check {
            Check::Good => End::Finished { result: None },
            Check::Bad(failure) => End::Failed(failure),
        };
        println!("{:<34} {:>7.3} s  {}", case.name, took.as_secs_f64(), shown(&end));
        for wrong in compare(&case.expect, &end) {
            let _ = writeln!(report, "refused.json, {}: {wrong}", case.name);
        }
        if took > limits.time + LATE_MAX {
            let _ = writeln!(report, "{}: it took {took:?}", case.name);
        }
    }
    assert!(report.is_empty(), "\n{report}");
}
