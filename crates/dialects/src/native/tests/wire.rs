//! Runs `wire/*.http`: requests with their recorded answers, one after another against one server.
//!
//! A part begins with `### `. A part whose title is `do: ...` moves the server on; every other one
//! is a request, a line `HTTP STATUS`, and the answer. Ids that the server made stand as `{{id1}}`,
//! `{{id2}}` in the order in which they came, also in later requests. With `UPDATE=1` the answers
//! are written anew.

use std::fmt::Write as _;
use std::path::Path;

use outhaul_exports::export::{Export, Progress};

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
    "referrer-policy",
    "retry-after",
    "www-authenticate",
];

#[tokio::test]
async fn requests_are_answered_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/native/wire");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "http"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "the recorded requests are missing");
    for file in files {
        let recorded = std::fs::read_to_string(&file).expect("it can be read");
        let found = Run::new().await.play(&recorded).await;
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
    ids: Vec<String>,
}

impl Run {
    async fn new() -> Self {
        let policy = Policy { active_max: Some(3), ..Native.policy() };
        let server = Server::with(policy, NativeConfig::default(), Duration::from_secs(15)).await;
        Self { server, running: None, ids: Vec::new() }
    }

    async fn play(mut self, recorded: &str) -> String {
        let mut out = String::new();
        let mut parts = recorded.split("\n### ");
        out.push_str(parts.next().unwrap_or_default().trim_end());
        out.push('\n');
        for part in parts {
            let request = part.split("\nHTTP ").next().unwrap_or_default();
            let (title, request) = request.split_once('\n').unwrap_or((request, ""));
            let request = request.trim();
            let _ = write!(out, "\n### {}\n", title.trim());
            if let Some(step) = title.trim().strip_prefix("do: ") {
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
            "advance" => {
                world.clock.advance(TimeDelta::seconds(rest.parse().expect("a number of seconds")));
            }
            "start" => self.running = Some(world.start_next().await.expect("an export is due")),
            "progress" => {
                let figures: Vec<u64> =
                    rest.split(' ').map(|n| n.parse().expect("a number")).collect();
                let progress = Progress {
                    rows_read: figures[0],
                    rows_encoded: figures[0],
                    bytes_written: figures[1],
                    rows_estimated: Some(figures[2]),
                    ..Progress::default()
                };
                world.report(&running(), progress).await;
            }
            "complete" => {
                let files: Vec<(String, String, String)> =
                    serde_json::from_str(rest).expect("a list of name, media type and content");
                let files: Vec<_> = files
                    .iter()
                    .map(|(name, media, bytes)| (&**name, &**media, bytes.as_bytes()))
                    .collect();
                world.complete(&running(), &files).await;
            }
            "take" => self.server.settle(rest).await,
            "fail" => {
                let (code, message) = rest.split_once(' ').expect("a code and a message");
                world.fail(&running(), code, message).await;
            }
            other => panic!("there is no step {other}"),
        }
    }

    async fn ask(&mut self, request: &str) -> String {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let mut lines = head.lines().filter(|line| !line.starts_with('#'));
        let first = lines.next().unwrap_or_default();
        let (method, path) = first.split_once(' ').expect("a method and a path");
        let mut builder = Request::builder().method(method).uri(self.real(path));
        for line in lines {
            let (name, value) = line.split_once(':').expect("a header");
            builder = builder.header(name, self.real(value.trim()));
        }
        let request = builder.body(Body::from(self.real(body))).expect("a request");
        let response = self.server.router.clone().oneshot(request).await.expect("an answer");
        self.shown(response).await
    }

    async fn shown(&mut self, response: Response) -> String {
        let mut out = format!("HTTP {}\n", response.status().as_u16());
        let headers = response.headers().clone();
        assert!(headers.contains_key("x-request-id"), "every answer has its id");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers["cache-control"].to_str().is_ok_and(|v| v.contains("no-store")));
        let is_problem =
            headers.get("content-type").is_some_and(|v| v == "application/problem+json");
        let is_error = response.status().is_client_error() || response.status().is_server_error();
        let bytes = bytes(response).await;
        assert!(is_problem == is_error || bytes.is_empty(), "errors are problems");
        let json = headers.get("content-type").is_some_and(|v| v.as_bytes().ends_with(b"json"));
        for name in SHOWN {
            // The length of a document says nothing that the document does not.
            if json && *name == "content-length" {
                continue;
            }
            if let Some(value) = headers.get(*name) {
                let _ = writeln!(out, "{name}: {}", value.to_str().unwrap_or("?"));
            }
        }
        if !bytes.is_empty() {
            let text = String::from_utf8_lossy(&bytes);
            let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some(id) = value.get_mut("request_id") {
                assert_eq!(headers["x-request-id"], id.as_str().unwrap_or_default());
                *id = "{{request}}".into();
            }
            let text = match value {
                Value::Null => text.into_owned(),
                value => serde_json::to_string_pretty(&value).expect("it is JSON"),
            };
            let _ = write!(out, "\n{}\n", text.trim_end());
        }
        self.named(&out)
    }

    /// The text with the server's ids in place of their names.
    fn real(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (at, id) in self.ids.iter().enumerate() {
            text = text.replace(&format!("{{{{id{}}}}}", at + 1), id);
        }
        text
    }

    /// The text with names in place of the server's ids: every run of 32 or 64 hexadecimal digits.
    fn named(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
            let run = &rest[start..];
            let length = run.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(run.len());
            out.push_str(&rest[..start]);
            let (run, tail) = run.split_at(length);
            match length {
                32 | 64 => {
                    let known = self.ids.iter().position(|id| id == run);
                    let at = known.unwrap_or_else(|| {
                        self.ids.push(run.to_owned());
                        self.ids.len() - 1
                    });
                    let _ = write!(out, "{{{{id{}}}}}", at + 1);
                }
                _ => out.push_str(run),
            }
            rest = tail;
        }
        out.push_str(rest);
        out
    }
}
