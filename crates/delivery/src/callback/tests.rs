//! Requests to receivers on this machine that behave badly, and to names that lead astray.

mod ask;
mod network;
mod receiver;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::DateTime;
use outhaul_exports::callback::{Allowed, Rules};
use outhaul_exports::notice::RequestBody;
use outhaul_exports::spec::CallbackMethod;
use outhaul_exports::{MessageId, limits};

use super::names::Lookup;
use super::*;
use receiver::Receiver;

/// Long enough for a busy machine, short enough for those who wait for it.
const PATIENCE: Duration = Duration::from_millis(1_500);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn rules(allow: &[&str]) -> Rules {
    let allow = allow.iter().map(|text| Allowed::parse(text).expect(text)).collect();
    Rules { allow, ports: vec![1..=u16::MAX], plain_http: true }
}

fn settings(rules: Rules) -> CallSettings {
    let secret = SigningSecret::parse(SECRET).expect("a secret");
    CallSettings {
        rules: Arc::new(rules),
        secrets: HashMap::from([("acme".into(), secret)]),
        ca: None,
        timeout: PATIENCE,
    }
}

fn local() -> HttpCaller {
    HttpCaller::new(settings(rules(&["127.0.0.1"]))).expect("good settings")
}

fn call(url: &str) -> Call {
    let sent_at = DateTime::parse_from_rfc3339("2026-05-01T12:00:00Z").expect("a moment").to_utc();
    Call {
        id: MessageId::random(),
        tenant: "acme".into(),
        sent_at,
        method: CallbackMethod::Get,
        url: url.to_owned(),
        body: None,
    }
}

#[tokio::test]
async fn a_request_says_what_it_is_and_is_signed() {
    let receiver = Receiver::start(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    let caller = local();
    let get = call(&receiver.url("/done?id=1&s=a%20b"));
    caller.call(&get).await.expect("it is taken");
    let post = Call {
        method: CallbackMethod::Post,
        body: Some(RequestBody {
            media_type: "application/json".into(),
            text: "{\"a\": 1}".into(),
        }),
        ..call(&receiver.url("/done"))
    };
    caller.call(&post).await.expect("it is taken");
    let foreign = Call { tenant: "globex".into(), ..get.clone() };
    caller.call(&foreign).await.expect("it is taken");
    let [first, second, third] = <[String; 3]>::try_from(receiver.heard()).expect("three");

    let secret = SigningSecret::parse(SECRET).expect("a secret");
    let signature = |call: &Call, body: &str| {
        format!("webhook-signature: {}\r\n", secret.sign(&call.id.to_string(), 1_777_636_800, body))
    };
    assert!(first.starts_with("GET /done?id=1&s=a%20b HTTP/1.1\r\n"), "{first}");
    for line in [
        format!("webhook-id: {}\r\n", get.id),
        "webhook-timestamp: 1777636800\r\n".to_owned(),
        format!("user-agent: Outhaul/{}\r\n", env!("CARGO_PKG_VERSION")),
        format!("host: 127.0.0.1:{}\r\n", receiver.port()),
        signature(&get, ""),
    ] {
        assert!(first.contains(&line), "{line} in {first}");
    }
    for name in ["cookie", "authorization", "referer", "accept-encoding"] {
        assert!(!first.contains(name), "{first}");
    }
    assert!(second.starts_with("POST /done HTTP/1.1\r\n"), "{second}");
    assert!(second.contains("content-type: application/json\r\n"), "{second}");
    assert!(second.contains(&signature(&post, "{\"a\": 1}")), "{second}");
    assert!(second.ends_with("\r\n\r\n{\"a\": 1}"), "{second}");
    assert!(third.contains("webhook-id") && !third.contains("webhook-signature"), "{third}");
}

/// Answers, and what becomes of the call: `Ok`, or what the customer reads.
#[tokio::test]
async fn answers_mean_what_they_say() {
    let other = Receiver::start(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let moved = |status: u16| {
        let url = other.url("/stolen");
        format!("HTTP/1.1 {status} Moved\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n")
    };
    let mut answers: Vec<(Vec<u8>, Result<(), String>)> = vec![
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), Ok(())),
        (b"HTTP/1.1 202 Accepted\r\n\r\n".to_vec(), Ok(())),
        (b"HTTP/1.0 200 OK\r\n\r\nold".to_vec(), Ok(())),
        // Promised, and not kept: it was taken all the same.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nok".to_vec(), Ok(())),
    ];
    for status in [300, 301, 302, 303, 307, 308] {
        let text = format!("the receiver answered {status}");
        answers.push((moved(status).into_bytes(), Err(text)));
    }
    for status in [400, 401, 404, 410, 429, 500, 503, 999] {
        let head = format!("HTTP/1.1 {status} No\r\nContent-Length: 6\r\n\r\nsecret");
        answers.push((head.into_bytes(), Err(format!("the receiver answered {status}"))));
    }
    let unreachable: [&[u8]; 8] = [
        b"",
        b"hello\r\n",
        b"<html>an answer of old</html>\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for answer in unreachable {
        answers.push((answer.to_vec(), Err(UNREACHABLE.to_owned())));
    }
    let caller = local();
    for (answer, expected) in answers {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let receiver = Receiver::start(answer).await;
        let called = caller.call(&call(&receiver.url("/?token=hunter2"))).await;
        let said = called.clone().map_err(|refusal| refusal.public);
        assert_eq!(said, expected, "{shown:?}: {called:?}");
        if let Err(refusal) = called {
            assert_eq!(refusal.is_final, refusal.public.ends_with(" 410"), "{refusal:?}");
            assert!(!refusal.internal.contains("hunter2"), "{refusal:?}");
        }
    }
    assert!(other.heard().is_empty(), "a redirect was followed");
}

#[tokio::test]
async fn a_busy_receiver_says_how_long() {
    for (status, wait) in [(429, Some(7)), (503, Some(7)), (500, None), (200, None)] {
        let head = format!("HTTP/1.1 {status} X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
        let receiver = Receiver::start(head.into_bytes()).await;
        let called = local().call(&call(&receiver.url("/"))).await;
        let found = called.err().and_then(|refusal| refusal.wait).map(|wait| wait.as_secs());
        assert_eq!(found, wait, "{status}");
    }
}

#[tokio::test]
async fn endless_answers_are_cut_off() {
    let caller = local();
    let endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    let receiver = Receiver::repeat(endless, vec![b'x'; 16 << 10], Duration::ZERO).await;
    caller.call(&call(&receiver.url("/"))).await.expect("it was taken");
    // What the two systems' buffers took beyond that was never read.
    let most = 16 << 20;
    let sent = receiver.ended().await;
    assert!((limits::CALLBACK_ANSWER_BYTES_MAX..most).contains(&sent), "{sent} bytes");

    // A bomb: nobody unpacks it.
    let bomb = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\0".to_vec();
    let receiver = Receiver::repeat(bomb, vec![0; 16 << 10], Duration::ZERO).await;
    caller.call(&call(&receiver.url("/"))).await.expect("it was taken");
    assert!(receiver.ended().await < most);

    // Heads without an end.
    for part in [b"a: b\r\n".repeat(100), b"x".repeat(4_096)] {
        let head = b"HTTP/1.1 200 OK\r\nlong: ".to_vec();
        let receiver = Receiver::repeat(head, part, Duration::ZERO).await;
        let refusal = caller.call(&call(&receiver.url("/"))).await.expect_err("no head");
        assert_eq!(refusal.public, UNREACHABLE);
        assert!(receiver.ended().await < most);
    }
}

#[tokio::test]
async fn slow_receivers_are_given_up() {
    let caller = local();
    let silent = Receiver::silent().await;
    let drop = Duration::from_millis(20);
    let dripping = Receiver::repeat(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x".to_vec(), drop).await;
    for receiver in [silent, dripping] {
        let begun = Instant::now();
        let refusal = caller.call(&call(&receiver.url("/"))).await.expect_err("no answer");
        assert_eq!((refusal.public.as_str(), refusal.is_final), (UNREACHABLE, false));
        assert!((PATIENCE..PATIENCE * 4).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
    // A head in time is a yes, however slowly the rest comes.
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let receiver = Receiver::repeat(head, b"x".to_vec(), drop).await;
    let begun = Instant::now();
    caller.call(&call(&receiver.url("/"))).await.expect("it was taken");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nobody_there_nobody_allowed_and_too_slow_read_the_same() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    let closed = format!("http://127.0.0.1:{}/", port.expect("it is bound").port());
    let forbidden = "http://127.0.0.2:80/".to_owned();
    let unknown = "http://no-such-name.invalid/".to_owned();
    let tls = Receiver::start(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let not_tls = tls.url("/").replace("http:", "https:");
    for url in [closed, forbidden, unknown, not_tls, "http://10.1.2.3/".into(), "gopher".into()] {
        let refusal = local().call(&call(&url)).await.expect_err(&url);
        assert_eq!((refusal.public.as_str(), refusal.is_final), (UNREACHABLE, false), "{url}");
        assert!(!refusal.internal.contains("http://"), "{refusal:?}");
    }
}

/// Answers each look-up with the next of some lists, the last again and again.
struct Fickle {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Lookup for Fickle {
    async fn look_up(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        match self.answers.get(asked.min(self.answers.len().saturating_sub(1))) {
            Some(found) => Ok(found.clone()),
            None => std::future::pending().await,
        }
    }
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect(text)).collect()
}

fn by(answers: Vec<Vec<IpAddr>>, allow: &[&str]) -> (HttpCaller, Arc<Fickle>) {
    let lookup = Arc::new(Fickle { answers, asked: AtomicUsize::new(0) });
    let caller = HttpCaller::with_lookup(settings(rules(allow)), lookup.clone());
    (caller.expect("good settings"), lookup)
}

/// The receiver listens where the forbidden names lead; nothing may arrive.
#[tokio::test]
async fn names_that_lead_to_forbidden_addresses_are_not_followed() {
    let receiver = Receiver::start(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let url = format!("http://rebind.example.com:{}/", receiver.port());
    let many: Vec<String> = (0..10_000).map(|n| format!("1.1.{}.{}", n / 250, n % 250)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let forbidden = [
        addresses(&["127.0.0.1"]),
        addresses(&["1.1.1.1", "127.0.0.1"]),
        addresses(&["127.0.0.1", "1.1.1.1"]),
        addresses(&["::1"]),
        addresses(&["::ffff:127.0.0.1"]),
        addresses(&["1.1.1.1", "8.8.8.8", "9.9.9.9", "1.0.0.1", "8.8.4.4", "10.0.0.1"]),
        addresses(&["169.254.169.254"]),
        addresses(&["fd00:ec2::254"]),
        addresses(&["64:ff9b::7f00:1"]),
        addresses(&many),
        addresses(&[]),
    ];
    for found in forbidden {
        let (caller, lookup) = by(vec![found.clone()], &[]);
        for attempt in 1..=3 {
            let refusal = caller.call(&call(&url)).await.expect_err("forbidden");
            assert_eq!(refusal.public, UNREACHABLE, "{found:?}");
            assert_eq!(lookup.asked.load(Ordering::SeqCst), attempt, "once for each request");
        }
    }
    // A name that is never found.
    let (caller, _) = by(Vec::new(), &[]);
    let refusal = caller.call(&call(&url)).await.expect_err("silence");
    assert_eq!(refusal.public, UNREACHABLE);
    assert_eq!(receiver.connections(), 0);
}

/// One answer for whoever checks, another for whoever connects: there is one look-up only, and the
/// next request checks anew.
#[tokio::test]
async fn a_name_whose_address_changes_is_checked_each_time() {
    let receiver = Receiver::start(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let port = receiver.port();
    let url = format!("http://rebind.example.com:{port}/");
    // The allowed address is this machine's second; nobody listens there.
    let answers = vec![addresses(&["127.0.0.2"]), addresses(&["127.0.0.1"])];
    let (caller, lookup) = by(answers, &["127.0.0.2"]);
    for asked in 1..=4 {
        let refusal = caller.call(&call(&url)).await.expect_err("not there, then forbidden");
        assert_eq!(refusal.public, UNREACHABLE);
        let says_forbidden = refusal.internal.contains("127.0.0.1, which is");
        assert_eq!(says_forbidden, asked > 1, "{}", refusal.internal);
        assert_eq!(lookup.asked.load(Ordering::SeqCst), asked);
    }
    assert_eq!(receiver.connections(), 0);

    // The address that was checked is the one that is connected to, whatever the next answer is.
    let answers = vec![addresses(&["127.0.0.1"]), addresses(&["127.0.0.2"])];
    let (caller, lookup) = by(answers, &["127.0.0.1"]);
    caller.call(&call(&url)).await.expect("it is taken");
    assert_eq!((lookup.asked.load(Ordering::SeqCst), receiver.connections()), (1, 1));
    let head = receiver.heard().remove(0);
    assert!(head.contains(&format!("host: rebind.example.com:{port}\r\n")), "{head}");
    // An allowed name is allowed wherever it leads.
    let (caller, _) = by(vec![addresses(&["127.0.0.1"])], &["rebind.example.com"]);
    caller.call(&call(&url)).await.expect("it is taken");
}

#[tokio::test]
async fn no_proxy_of_the_environment_is_used() {
    let proxy = Receiver::start(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let receiver = Receiver::start(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    let program = std::env::current_exe().expect("a program");
    let run = tokio::process::Command::new(program)
        .args(["--exact", "callback::tests::calls_what_the_environment_names", "--ignored"])
        .env("CALLBACK_URL", receiver.url("/"))
        .envs(
            ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"].map(|key| (key, proxy.url(""))),
        )
        .output();
    let output = run.await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!((proxy.connections(), receiver.connections()), (0, 1));
}

#[tokio::test]
#[ignore = "run by another test, with an environment of its own"]
async fn calls_what_the_environment_names() {
    let url = std::env::var("CALLBACK_URL").expect("it is set");
    local().call(&call(&url)).await.expect("it is taken");
}

#[test]
fn a_file_without_certificates_is_refused() {
    for pem in
        ["", "no certificate", "-----BEGIN CERTIFICATE-----\nnope\n-----END CERTIFICATE-----\n"]
    {
        let settings = CallSettings { ca: Some(pem.into()), ..settings(rules(&[])) };
        let error = HttpCaller::new(settings).err().expect(pem);
        let field = outhaul_exports::ErrorKind::Invalid { field: "callbacks.ca_file".into() };
        assert_eq!(error.kind(), &field, "{pem}");
    }
}
