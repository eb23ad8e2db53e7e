//! Replays a catalogue of bad input byte for byte over a socket, for the tests of the dialects. The
//! form of a catalogue is described at the top of `cases/bad_input/zuora_export.toml`.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest that an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A word that the cases may name, and what it stands for.
pub type Word = (&'static str, String);

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
    head: Vec<Piece>,
    #[serde(default)]
    body: Option<Vec<Piece>>,
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

/// Sends every case of the catalogue to the router; see [`replay_at`].
#[cfg(test)]
pub(crate) async fn replay(
    router: axum::Router,
    catalogue: &str,
    dialect: &str,
    words: &[Word],
) -> usize {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let count = replay_at(address, catalogue, dialect, words).await;
    serving.abort();
    count
}

/// Sends every case of the catalogue to a server, and answers how many there were.
///
/// # Panics
/// With a list of the cases that were answered otherwise.
pub async fn replay_at(
    address: SocketAddr,
    catalogue: &str,
    dialect: &str,
    words: &[Word],
) -> usize {
    let catalogue: Catalogue = toml::from_str(catalogue).expect("the catalogue is sound");
    let mut wrong = Vec::new();
    for case in &catalogue.case {
        assert_eq!(case.dialect, dialect, "{}", case.name);
        let answer = tokio::time::timeout(PATIENCE, exchange(address, &raw(case, words))).await;
        let answer = answer.unwrap_or_else(|_| panic!("{}: no answer in time", case.name));
        if let Err(what) = compare(case, &answer, words) {
            let shown = String::from_utf8_lossy(&answer[..answer.len().min(1_000)]).into_owned();
            wrong.push(format!("{}: {what}\n{shown}\n", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    catalogue.case.len()
}

fn filled(text: &str, words: &[Word]) -> String {
    let fill = |text: String, (name, word): &Word| text.replace(&format!("${{{name}}}"), word);
    words.iter().fold(text.to_owned(), fill)
}

fn bytes(pieces: &[Piece], words: &[Word]) -> Vec<u8> {
    let one = |piece: &Piece| match piece {
        Piece::Text(text) => filled(text, words).into_bytes(),
        Piece::Hex { hex } => hex::decode(hex).expect("it is hexadecimal"),
        Piece::Repeat { repeat, times } => repeat.repeat(*times).into_bytes(),
        Piece::Cut { cut, at } => bytes(cut, words).into_iter().take(*at).collect(),
        Piece::Gzip { gzip } => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&bytes(gzip, words)).expect("memory takes everything");
            encoder.finish().expect("memory takes everything")
        }
    };
    pieces.iter().flat_map(one).collect()
}

/// The bytes of a request, with what the head does not say itself.
fn raw(case: &Case, words: &[Word]) -> Vec<u8> {
    let head = bytes(&case.head, words);
    let body = case.body.as_ref().map(|pieces| bytes(pieces, words));
    let lower = head.to_ascii_lowercase();
    let says = |name: &str| lower.windows(name.len()).any(|window| window == name.as_bytes());
    let mut out = Vec::new();
    for line in head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    if !says("\nhost:") {
        out.extend_from_slice(b"Host: exports.example.com\r\n");
    }
    if !says("\nconnection:") {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    if let Some(body) = &body
        && !says("content-length")
        && !says("transfer-encoding")
    {
        out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend(body.unwrap_or_default());
    out
}

async fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    // The server may answer and close before it has read everything; that is no failure.
    let (_sent, _read) = tokio::join!(writer.write_all(request), reader.read_to_end(&mut answer));
    answer
}

fn compare(case: &Case, answer: &[u8], words: &[Word]) -> Result<(), String> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    if !case.status.contains(&status) {
        return Err(format!("status {status}, expected {:?}", case.status));
    }
    for (name, expected) in &case.headers {
        let found = head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let right = if expected == "-" { found.is_none() } else { found == Some(expected) };
        if !right {
            return Err(format!("header {name} is {found:?}, expected {expected:?}"));
        }
    }
    let body = answer.get(end + 4..).unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    if let Some(missing) = case.contains.iter().find(|part| !text.contains(&filled(part, words))) {
        return Err(format!("{missing:?} is missing"));
    }
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    for (pointer, expected) in &case.expect {
        let found = json.pointer(pointer);
        let expected = serde_json::to_value(expected).map_err(|error| error.to_string())?;
        let right = match expected.as_str().and_then(|text| text.strip_prefix('~')) {
            Some(part) => found.and_then(Value::as_str).is_some_and(|text| text.contains(part)),
            None => found == Some(&expected),
        };
        if !right {
            return Err(format!("{pointer} is {found:?}, expected {expected}"));
        }
    }
    Ok(())
}
