//! The catalogue of bad input, replayed byte for byte over a socket.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::server::{SAMPLE, Server, request_of};

const CATALOGUE: &str = include_str!("../../../../cases/bad_input/zuora_export.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    dialect: String,
    #[serde(default)]
    head: Vec<Piece>,
    #[serde(default)]
    body: Vec<Piece>,
    status: Vec<u16>,
    #[serde(default)]
    expect: BTreeMap<String, toml::Value>,
    #[serde(default)]
    contains: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Piece {
    Text(String),
    Hex { hex: String },
    Repeat { repeat: String, times: usize },
    Gzip { gzip: Vec<Piece> },
    Cut { cut: Vec<Piece>, at: usize },
}

impl Piece {
    fn write(&self, words: &[(&str, String)], out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend(filled(text, words).into_bytes()),
            Self::Hex { hex } => out.extend(hex::decode(hex).expect("hexadecimal")),
            Self::Repeat { repeat, times } => out.extend(repeat.repeat(*times).into_bytes()),
            Self::Gzip { gzip } => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&join(gzip, words)).expect("memory takes everything");
                out.extend(encoder.finish().expect("memory takes everything"));
            }
            Self::Cut { cut, at } => out.extend(join(cut, words).into_iter().take(*at)),
        }
    }
}

fn join(pieces: &[Piece], words: &[(&str, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    pieces.iter().for_each(|piece| piece.write(words, &mut out));
    out
}

fn filled(text: &str, words: &[(&str, String)]) -> String {
    words
        .iter()
        .fold(text.to_owned(), |text, (name, word)| text.replace(&format!("${{{name}}}"), word))
}

#[tokio::test]
async fn every_bad_input_gets_its_answer() {
    let catalogue: Catalogue = toml::from_str(CATALOGUE).expect("the catalogue is sound");
    assert!(catalogue.case.len() > 100, "{}", catalogue.case.len());
    let server = Server::new().await;
    let words = words(&server).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let router = server.router.clone();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut wrong = Vec::new();
    for case in &catalogue.case {
        assert_eq!(case.dialect, super::super::ID);
        let bytes = raw(case, &words);
        let found = tokio::time::timeout(Duration::from_secs(20), exchange(address, &bytes)).await;
        let found = found.unwrap_or_else(|_| panic!("{}: no answer in time", case.name));
        if let Err(what) = compare(case, &found, &words) {
            let shown = String::from_utf8_lossy(&found[..found.len().min(2_000)]).into_owned();
            wrong.push(format!("{}: {what}\n{shown}\n", case.name));
        }
    }
    serving.abort();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// What a case may name.
async fn words(server: &Server) -> Vec<(&'static str, String)> {
    let foreign = request_of("globex", Method::POST, "/v1/object/export").body(SAMPLE.into());
    let foreign = server.send(foreign.expect("a request")).await.json();
    let foreign_file = server.complete("x.csv", "text/csv", b"a\n").await;
    server.create().await;
    let own_file = server.complete("x.csv", "text/csv", b"Account.Id\n1\n2\n").await;
    let pending = server.create().await;
    let [token, _] = server.tokens.clone();
    vec![
        ("token", token),
        ("export", pending),
        ("file", own_file),
        ("foreign_export", foreign["Id"].as_str().expect("an id").to_owned()),
        ("foreign_file", foreign_file),
        ("client_id", super::server::CLIENTS[0].1.to_owned()),
    ]
}

/// The bytes of a request: lines of the head end with CRLF, and a body brings its length, unless
/// the head says otherwise.
fn raw(case: &Case, words: &[(&str, String)]) -> Vec<u8> {
    let head = join(&case.head, words);
    let body = join(&case.body, words);
    let lower = head.to_ascii_lowercase();
    let says = |name: &str| lower.windows(name.len()).any(|window| window == name.as_bytes());
    let mut out = Vec::new();
    for line in head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        out.extend(line);
        out.extend(b"\r\n");
    }
    if !says("\nhost:") {
        out.extend(b"Host: exports.example\r\n");
    }
    if !says("\nconnection:") {
        out.extend(b"Connection: close\r\n");
    }
    if !case.body.is_empty() && !says("content-length") && !says("transfer-encoding") {
        out.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    out.extend(b"\r\n");
    out.extend(body);
    out
}

async fn exchange(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    // The server may answer and close before it has read everything; that is no failure.
    let (_written, _read) = tokio::join!(writer.write_all(bytes), reader.read_to_end(&mut answer));
    answer
}

fn compare(case: &Case, found: &[u8], words: &[(&str, String)]) -> Result<(), String> {
    let end = found.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(found.len());
    let head = String::from_utf8_lossy(&found[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    if !case.status.contains(&status) {
        return Err(format!("status {status}, expected {:?}", case.status));
    }
    for (name, value) in &case.headers {
        let prefix = format!("{}:", name.to_ascii_lowercase());
        let there = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&prefix));
        let there = there.map(|line| line[prefix.len()..].trim());
        if (value == "-") != there.is_none() || there.is_some_and(|there| there != value) {
            return Err(format!("header {name} is {there:?}, expected {value:?}"));
        }
    }
    let body = found.get(end + 4..).unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    if let Some(missing) = case.contains.iter().find(|part| !text.contains(&filled(part, words))) {
        return Err(format!("{missing:?} is missing"));
    }
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    for (pointer, expected) in &case.expect {
        let there = json.pointer(pointer);
        let expected = serde_json::to_value(expected).map_err(|e| e.to_string())?;
        let fits = match expected.as_str().and_then(|text| text.strip_prefix('~')) {
            Some(part) => there.and_then(Value::as_str).is_some_and(|text| text.contains(part)),
            None => there == Some(&expected),
        };
        if !fits {
            return Err(format!("{pointer} is {there:?}, expected {expected}"));
        }
    }
    Ok(())
}
