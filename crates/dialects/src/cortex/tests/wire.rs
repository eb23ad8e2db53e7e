//! Runs `wire/*.http`: requests with their recorded answers, one after another against one server.
//!
//! A part begins with `### `. A part whose title is `do: ...` moves the server on; every other one is
//! a request, a line `HTTP STATUS`, and the answer. `As: NAME` signs the request: by acme's app, by
//! globex's, or for an account of acme's. Exports, links and cookies that the server makes are called
//! `{{export1}}`, `{{link1}}`, `{{cookie1}}` in the order in which they come. With `UPDATE=1` the
//! answers are written anew.
//!
//! On the server, `start` begins the next export, `progress ROWS BYTES ALL` reports on it, `complete
//! TEXT` and `fail WHY` end it; `advance SECONDS` moves the clock.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use outhaul_exports::export::Progress;

use super::*;

/// Headers that matter; the others are in the tests of the kit.
const SHOWN: &[&str] = &[
    "allow",
    "content-disposition",
    "content-range",
    "content-type",
    "location",
    "medable-csrf-token",
    "medable-server-time",
    "retry-after",
    "set-cookie",
];

#[tokio::test]
async fn requests_are_answered_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cortex/wire");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "http"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "the recorded requests are missing");
    for file in files {
        let recorded = std::fs::read_to_string(&file).expect("it can be read");
        let server = Server::new().await;
        let run = Run { server, running: None, words: BTreeMap::new() };
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

struct Run {
    server: Server,
    running: Option<Export>,
    /// What the server made, by name.
    words: BTreeMap<String, String>,
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
        let running = || self.running.clone().expect("an export runs");
        match verb {
            "start" => self.running = Some(world.start_next().await.expect("an export is due")),
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
            "complete" => {
                let name = format!("export-{}.zip", running().echo["id"].as_str().expect("an id"));
                let files = [(name.as_str(), "application/zip", rest.as_bytes())];
                world.complete(&running(), &files).await;
            }
            "fail" => drop(world.fail(&running(), "query_failed", rest).await),
            "advance" => self.server.advance(rest.parse().expect("a number of seconds")),
            other => panic!("there is no step {other}"),
        }
    }

    async fn ask(&mut self, request: &str) -> String {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let mut lines = head.lines();
        let first = self.filled(lines.next().unwrap_or_default());
        let (method, path) = first.split_once(' ').expect("a method and a path");
        let mut headers: Vec<(&str, String)> = Vec::new();
        let mut signer = None;
        for line in lines {
            let (name, value) = line.split_once(':').expect("a header");
            match name {
                "As" => signer = Some(value.trim().to_owned()),
                name => headers.push((name, self.filled(value.trim()))),
            }
        }
        let mut builder = match signer.as_deref() {
            None => Request::builder().method(method).uri(path),
            Some(name) => {
                let (app, org) = match name {
                    "acme" => (APP, "acme"),
                    "globex" => (THEIR_APP, THEIR_ORG),
                    _ => (ANY_APP, "acme"),
                };
                let below = path.strip_prefix(&format!("/{org}/v2")).unwrap_or_default();
                let builder = self.server.signed(app, org, method, below).uri(path);
                match app {
                    ANY_APP => builder.header("Medable-Client-Account", name),
                    _ => builder,
                }
            }
        };
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let request = builder.body(Body::from(self.filled(body))).expect("a request");
        let answer = self.server.send(request).await;
        self.shown(&answer)
    }

    fn shown(&mut self, answer: &Answer) -> String {
        let mut out = format!("HTTP {}\n", answer.status);
        assert!(!answer.header("x-request-id").is_empty(), "every answer has its id");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("cache-control").contains("no-store"));
        for name in SHOWN {
            for value in answer.headers.get_all(*name) {
                let _ = writeln!(out, "{name}: {}", value.to_str().unwrap_or("?"));
            }
        }
        let value = answer.json();
        self.learn("export", value["_id"].as_str().filter(|_| value["object"] == "export"));
        let url = value["url"].as_str().or_else(|| value["data"].as_str());
        self.learn("link", url.and_then(|url| url.split("/x_files/").nth(1)));
        for line in answer.headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap_or_default().split([';', '=']).nth(1);
            self.learn("cookie", pair.filter(|value| !value.is_empty()));
        }
        let csrf = answer.header("medable-csrf-token").to_owned();
        self.learn("csrf", Some(csrf.as_str()).filter(|text| !text.is_empty()));
        let json = answer.header("content-type").starts_with("application/json");
        let text = match value {
            value if json && !answer.bytes.is_empty() => {
                serde_json::to_string_pretty(&value).expect("it is JSON")
            }
            _ => answer.text(),
        };
        if !text.is_empty() {
            let _ = write!(out, "\n{}\n", text.trim_end());
        }
        self.words
            .iter()
            .fold(out, |text, (name, word)| text.replace(word, &format!("{{{{{name}}}}}")))
    }

    /// Names what the server made.
    fn learn(&mut self, kind: &str, made: Option<&str>) {
        let Some(made) = made else { return };
        if !self.words.values().any(|word| word == made) {
            let count = self.words.keys().filter(|name| name.starts_with(kind)).count();
            self.words.insert(format!("{kind}{}", count + 1), made.to_owned());
        }
    }

    fn filled(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (name, word)| {
            text.replace(&format!("{{{{{name}}}}}"), word)
        })
    }
}
