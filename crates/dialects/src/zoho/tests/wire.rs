//! Runs `wire/*.http`: requests with their recorded answers, one after another against one server.
//!
//! A part begins with `### `. A part whose title is `do: ...` moves the server on; every other one is
//! a request, a line `HTTP STATUS`, and the answer. `{{words}}` stand for tokens and ids; jobs and
//! tokens that the server makes are called `{{job1}}`, `{{token1}}` in the order in which they come.
//! A CONFIG that begins with a brace is encoded on its way, any other is sent as it stands. With
//! `UPDATE=1` the answers are written anew.
//!
//! On the server, `start` begins the next job, `progress ROWS BYTES ALL` reports on it, `complete
//! TEXT` and `fail WHY` end it; `serve TEXT` and `serve-fail WHY` do all of it while the next request
//! is being answered. `advance SECONDS` moves the clock, `sweep` removes files whose time is over.

use std::fmt::Write as _;
use std::path::Path;

use outhaul_exports::export::Progress;

use super::*;

/// Headers that matter; the others are in the tests of the kit.
const SHOWN: &[&str] = &[
    "accept-ranges",
    "allow",
    "content-disposition",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "location",
    "retry-after",
    "www-authenticate",
];

#[tokio::test]
async fn requests_are_answered_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/zoho/wire");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "http"))
        .collect();
    files.sort();
    assert!(files.len() >= 8, "the recorded requests are missing");
    for file in files {
        let recorded = std::fs::read_to_string(&file).expect("it can be read");
        let run = Run { server: Server::new().await, running: None, serving: None };
        let found = run.play(&recorded).await;
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &found).expect("it can be written");
            continue;
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for (line, (found, recorded)) in found.lines().zip(recorded.lines()).enumerate() {
            assert_eq!(found, recorded, "{name}, line {}", line + 1);
        }
        assert_eq!(found.len(), recorded.len(), "{name} is longer or shorter than recorded");
    }
}

/// How the job of the next request ends.
enum Work {
    Complete(String),
    Fail(String),
}

struct Run {
    server: Server,
    running: Option<Export>,
    serving: Option<Work>,
}

impl Run {
    async fn play(mut self, recorded: &str) -> String {
        let mut out = String::new();
        let mut parts = recorded.split("\n### ");
        out.push_str(parts.next().unwrap_or_default().trim_end());
        out.push('\n');
        for part in parts {
            let request = part.split("\nHTTP ").next().unwrap_or_default();
            let (title, request) = request.split_once('\n').unwrap_or((request, ""));
            let (title, request) = (title.trim(), request.trim());
            let _ = write!(out, "\n### {title}\n");
            if let Some(step) = title.strip_prefix("do: ") {
                self.step(step).await;
                continue;
            }
            let answer = self.ask(request).await;
            let _ = write!(out, "{request}\n\n{answer}");
        }
        out
    }

    /// Moves the server on.
    async fn step(&mut self, step: &str) {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let world = &self.server.world;
        let running = || self.running.clone().expect("a job runs");
        match verb {
            "start" => self.running = Some(world.start_next().await.expect("a job is due")),
            "progress" => {
                let figures: Vec<u64> =
                    rest.split(' ').map(|n| n.parse().expect("a number")).collect();
                let progress = Progress {
                    rows_read: figures[0],
                    bytes_written: figures[1],
                    rows_estimated: Some(figures[2]),
                    ..Progress::default()
                };
                world.report(&running(), progress).await;
            }
            "complete" => drop(end(world, &running(), &Work::Complete(rest.to_owned())).await),
            "fail" => drop(end(world, &running(), &Work::Fail(rest.to_owned())).await),
            "serve" => self.serving = Some(Work::Complete(rest.to_owned())),
            "serve-fail" => self.serving = Some(Work::Fail(rest.to_owned())),
            "advance" => self.server.advance(rest.parse().expect("a number of seconds")),
            "sweep" => drop(world.store.expire(world.exports.now(), 100).await),
            other => panic!("there is no step {other}"),
        }
    }

    async fn ask(&mut self, request: &str) -> String {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let mut lines = head.lines().filter(|line| !line.starts_with('#'));
        let first = self.sent(lines.next().unwrap_or_default());
        let (method, path) = first.split_once(' ').expect("a method and a path");
        let mut builder = Request::builder().method(method).uri(path);
        for line in lines {
            let (name, value) = line.split_once(':').expect("a header");
            builder = builder.header(name, self.server.filled(value.trim()));
        }
        let request = builder.body(Body::from(self.sent(body))).expect("a request");
        let serving = self.serving.take();
        let world = &self.server.world;
        let served = std::cell::RefCell::new(Value::Null);
        let work = async {
            if let Some(work) = &serving {
                let export = loop {
                    match world.start_next().await {
                        Some(export) => break export,
                        None => tokio::task::yield_now().await,
                    }
                };
                served.replace(export.echo["number"].clone());
                end(world, &export, work).await;
            }
            std::future::pending::<()>().await;
        };
        let answer = tokio::select! {
            answer = self.server.send(request) => answer,
            () = work => unreachable!("it never ends"),
        };
        self.learn("job", &served.into_inner());
        self.shown(&answer)
    }

    /// A text as it is sent.
    fn sent(&self, text: &str) -> String {
        let text = self.server.filled(text);
        match text.split_once("CONFIG={") {
            Some((before, config)) => format!("{before}CONFIG={}", encoded(&format!("{{{config}"))),
            None => text,
        }
    }

    fn shown(&mut self, answer: &Answer) -> String {
        let mut out = format!("HTTP {}\n", answer.status);
        assert!(!answer.header("x-request-id").is_empty(), "every answer has its id");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("cache-control").contains("no-store"));
        let json = answer.header("content-type").starts_with("application/json;");
        for name in SHOWN {
            // The length of a document says nothing that the document does not.
            if json && *name == "content-length" {
                continue;
            }
            if let Some(value) = answer.headers.get(*name) {
                let _ = writeln!(out, "{name}: {}", value.to_str().unwrap_or("?"));
            }
        }
        let value = answer.json();
        self.learn("job", &value["data"]["jobId"]);
        self.learn("token", &value["access_token"]);
        let text = match value {
            value if json && !answer.bytes.is_empty() => {
                serde_json::to_string_pretty(&value).expect("it is JSON")
            }
            _ => answer.text(),
        };
        if !text.is_empty() {
            let _ = write!(out, "\n{}\n", text.trim_end());
        }
        self.named(&out)
    }

    /// Names what the server made.
    fn learn(&mut self, kind: &str, made: &Value) {
        let Some(made) = made.as_str() else { return };
        if made.len() >= 16 && !self.server.words.values().any(|word| word == made) {
            let count = self.server.words.keys().filter(|name| name.starts_with(kind)).count();
            self.server.words.insert(format!("{kind}{}", count + 1), made.to_owned());
        }
    }

    /// The text with names in place of words.
    fn named(&self, text: &str) -> String {
        self.server.words.iter().fold(text.to_owned(), |text, (name, word)| {
            text.replace(word, &format!("{{{{{name}}}}}"))
        })
    }
}

async fn end(world: &World, export: &Export, work: &Work) -> Export {
    match work {
        Work::Complete(text) => {
            let text = text.replace("\\r", "\r").replace("\\n", "\n");
            world.complete(export, &[("Account.csv", "text/csv", text.as_bytes())]).await
        }
        Work::Fail(why) => world.fail(export, "query_failed", why).await,
    }
}
