//! Plays conversations: requests and answers as they stand on the wire.
//!
//! A file is a conversation. `> ` lines are a request (request line, headers, an empty line, the
//! body), `< ` lines its answer (status, the headers that matter, an empty line, the body), `@ `
//! lines say what happens on the server meanwhile, `#` lines are comments. In an answer,
//! `{{name}}` stands for a word that is remembered under that name, or for the one remembered
//! before; `{{*}}` stands for anything. A header whose expected value is `-` must not be there.
//!
//! On the server, `start` begins the next export, `step N` says that N of its queries are done,
//! `crash` ends its attempt and `finish FILE | FILE` completes it; `complete FILE | FILE` and `fail
//! WHY` do so with the next one that waits. `expire` removes files whose time is over.

use std::collections::HashMap;

use axum::body::Body;
use http::Request;
use outhaul_exports::Clock;
use outhaul_exports::export::{Export, Failure, Outcome, Progress};
use outhaul_exports::ports::JobStore;

use super::server::{Answer, Server};

/// Plays conversations, each to a server of its own.
///
/// # Panics
/// With the first answer of each that is not as it is written.
pub async fn play(files: &[(&str, &str)], server: impl AsyncFn() -> Server) {
    let mut wrong = Vec::new();
    for (name, text) in files {
        let server = server().await;
        let mut talk = Talk::new(&server);
        for (number, block) in (1..).zip(blocks(text)) {
            if let Err(error) = talk.step(&block).await {
                wrong.push(format!("{name}.http, step {number}: {error}\n{block:#?}"));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[derive(Debug)]
enum Block {
    Exchange { request: Vec<String>, answer: Vec<String> },
    Server(String),
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines() {
        let rest = line.get(1..).map(|rest| rest.strip_prefix(' ').unwrap_or(rest).to_owned());
        match (line.chars().next(), blocks.last_mut()) {
            (None | Some('#'), _) => {}
            (Some('@'), _) => blocks.push(Block::Server(rest.unwrap_or_default())),
            (Some('>'), Some(Block::Exchange { request, answer })) if answer.is_empty() => {
                request.extend(rest);
            }
            (Some('>'), _) => {
                let request = rest.into_iter().collect();
                blocks.push(Block::Exchange { request, answer: Vec::new() });
            }
            (Some('<'), Some(Block::Exchange { answer, .. })) => answer.extend(rest),
            _ => panic!("a line that says nothing: {line}"),
        }
    }
    blocks
}

/// The files of a line, in which `\n` ends a line of theirs.
fn files(line: &str) -> Vec<String> {
    line.split(" | ").map(|file| file.replace("\\n", "\n")).collect()
}

struct Talk<'a> {
    server: &'a Server,
    running: Option<Export>,
    words: HashMap<String, String>,
}

impl<'a> Talk<'a> {
    fn new(server: &'a Server) -> Self {
        let [acme, globex] = server.tokens.clone();
        let words = HashMap::from([("acme".into(), acme), ("globex".into(), globex)]);
        Self { server, running: None, words }
    }

    async fn step(&mut self, block: &Block) -> Result<(), String> {
        match block {
            Block::Server(what) => self.on_server(what).await,
            Block::Exchange { request, answer } => {
                let request = self.request(request);
                let found = self.server.send(request).await;
                self.server.settle().await;
                self.compare(answer, &found)
            }
        }
    }

    async fn on_server(&mut self, what: &str) -> Result<(), String> {
        let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
        let world = &self.server.world;
        match verb {
            "start" => {
                let export = world.start_next().await.ok_or("nothing is queued")?;
                self.words.insert("running".into(), export.id.to_string());
                self.running = Some(export);
            }
            "step" => {
                let export = self.running.as_ref().ok_or("nothing runs")?;
                let queries_done = rest.parse().map_err(|_| format!("no number: {rest}"))?;
                world.report(export, Progress { queries_done, ..Progress::default() }).await;
            }
            "crash" => {
                let export = self.running.take().ok_or("nothing runs")?;
                let failure = Failure::new("worker_crashed", "it died");
                world.finish(&export, Outcome::Crashed(failure)).await;
            }
            "finish" => {
                let export = self.running.take().ok_or("nothing runs")?;
                let files = files(rest);
                let files: Vec<_> =
                    files.iter().map(|file| ("x.csv", "text/csv", file.as_bytes())).collect();
                world.complete(&export, &files).await;
            }
            "expire" => {
                let gone = world.store.expire(world.clock.now(), 100).await;
                gone.map_err(|error| error.to_string())?;
            }
            "fail" => {
                let export = world.start_next().await.ok_or("nothing is queued")?;
                world.fail(&export, "query_failed", rest).await;
            }
            "complete" => {
                self.server.complete_all(&files(rest)).await;
            }
            "complete-zip" => {
                self.server.complete("x.zip", "application/zip", rest.as_bytes()).await;
            }
            "advance" => {
                let seconds = rest.parse().map_err(|_| format!("no seconds: {rest}"))?;
                self.server.advance(seconds);
            }
            other => return Err(format!("the server cannot {other}")),
        }
        Ok(())
    }

    fn request(&self, lines: &[String]) -> Request<Body> {
        let lines: Vec<String> = lines.iter().map(|line| self.filled(line)).collect();
        let (method, path) = lines[0].split_once(' ').expect("a method and a path");
        let mut request = Request::builder().method(method).uri(path);
        let head = lines[1..].iter().take_while(|line| !line.is_empty());
        for line in head.clone() {
            let (name, value) = line.split_once(": ").expect("a header");
            request = request.header(name, value);
        }
        let body = lines[1..].iter().skip(head.count() + 1).cloned().collect::<Vec<_>>().join("\n");
        request.body(Body::from(body)).expect("a request")
    }

    fn filled(&self, line: &str) -> String {
        self.words.iter().fold(line.to_owned(), |line, (name, word)| {
            line.replace(&format!("{{{{{name}}}}}"), word)
        })
    }

    fn compare(&mut self, expected: &[String], found: &Answer) -> Result<(), String> {
        let shown = format!("{} {:#?}\n{}", found.status, found.headers, found.text());
        let said = |what: String| format!("{what}\n{shown}");
        let (status, rest) = expected.split_first().ok_or("no answer is written")?;
        if *status != found.status.as_u16().to_string() {
            return Err(said(format!("status {status} expected")));
        }
        let head: Vec<&String> = rest.iter().take_while(|line| !line.is_empty()).collect();
        for line in &head {
            let (name, value) = line.split_once(": ").ok_or("a header has a name and a value")?;
            let there = found.headers.get(name.to_ascii_lowercase());
            let text = there.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            match text {
                None if value == "-" => {}
                None => return Err(said(format!("{name} is missing"))),
                Some(text) => {
                    self.fit(value, &text).map_err(|what| said(format!("{name}: {what}")))?;
                }
            }
        }
        let body: Vec<&str> = rest[head.len()..].iter().skip(1).map(String::as_str).collect();
        self.fit(&body.join("\n"), found.text().trim_end())
            .map_err(|what| said(format!("body: {what}")))
    }

    /// Whether the text is as the template says; remembers the words it names.
    fn fit(&mut self, template: &str, text: &str) -> Result<(), String> {
        let (mut template, mut text) = (template, text);
        loop {
            let literal = template.split("{{").next().unwrap_or_default();
            let Some(rest) = text.strip_prefix(literal) else {
                return Err(format!("{literal:?} expected where {text:?} stands"));
            };
            text = rest;
            template = &template[literal.len()..];
            let Some(named) = template.strip_prefix("{{") else {
                return if text.is_empty() { Ok(()) } else { Err(format!("{text:?} is too much")) };
            };
            let (name, after) = named.split_once("}}").ok_or("a name does not end")?;
            let next = after.split("{{").next().unwrap_or_default();
            let known = self.words.get(name).map(String::as_str);
            let end = match (name, next) {
                _ if known.is_some_and(|known| text.starts_with(known)) => {
                    known.unwrap_or_default().len()
                }
                ("*", "") => text.len(),
                ("*", next) => text.find(next).ok_or_else(|| format!("{next:?} is missing"))?,
                _ => text
                    .find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c))
                    .unwrap_or(text.len()),
            };
            let word = &text[..end];
            if name != "*" {
                let known = self.words.entry(name.to_owned()).or_insert_with(|| word.to_owned());
                if known != word || word.is_empty() {
                    return Err(format!("{name} is {word:?}, not {known:?}"));
                }
            }
            (template, text) = (after, &text[end..]);
        }
    }
}
