//! The listener over raw sockets: what an HTTP client library would repair, these tests send.

use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use futures::StreamExt as _;
use outhaul_dialects::kit::stopping::Stopping;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::app::Route;
use super::*;

struct Nothing;

#[async_trait]
impl Probe for Nothing {
    async fn readiness(&self) -> Readiness {
        Readiness::ReadyBut("storage_full: nearly".into())
    }

    async fn metrics(&self) -> String {
        "outhaul_up 1\n".into()
    }
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

/// An answer that ends only when the server stops.
async fn feed(Stopping(stopping): Stopping) -> axum::body::Body {
    let begun = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"begun"))]);
    let end = futures::stream::once(async move {
        stopping.cancelled().await;
        Ok(Bytes::from_static(b"ended"))
    });
    axum::body::Body::from_stream(begun.chain(end))
}

struct Running {
    address: SocketAddr,
    stop: Stop,
    flights: Flights,
    server: tokio::task::JoinHandle<()>,
}

async fn start(change: impl FnOnce(&mut Server)) -> Running {
    let echo = Router::new()
        .route("/v1/echo", post(|body: Bytes| async move { body }))
        .route("/v1/panic", get(panics))
        .route("/v1/feed", get(feed))
        .fallback(|| async { (http::StatusCode::NOT_FOUND, "of the dialect") });
    let inner = Router::new().fallback(|| async { "inner" });
    let routes = vec![
        Route { prefix: "/v1", dialect: "outer", router: echo },
        Route { prefix: "/v1/inner", dialect: "inner", router: inner },
    ];
    let flights = Flights::default();
    let app = App::new(routes, Arc::new(Nothing), flights.clone(), true, false);
    let mut limits =
        Server { header_secs: 1, body_idle_secs: 1, body_secs: 2, ..Server::default() };
    change(&mut limits);
    let listener = Listener::bind("127.0.0.1:0", "the test").await.expect("a free port");
    let (address, stop) = (listener.address, Stop::default());
    let server = tokio::spawn(listener.run(Arc::new(app), limits, stop.clone()));
    Running { address, stop, flights, server }
}

/// Sends bytes and reads until the server closes.
async fn exchange(server: &Running, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(server.address).await.expect("it listens");
    socket.write_all(request).await.expect("it reads");
    read_all(&mut socket).await
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = socket.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(10), reading).await;
    // A reset after the answer is as good as an end.
    read.expect("the server ends the connection").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(head: &str) -> Vec<u8> {
    format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn requests_go_to_the_longest_prefix() {
    let server = start(|_| ()).await;
    for (head, expected) in [
        ("GET /v1/inner/x", "inner"),
        ("GET //v1//inner", "inner"),
        ("GET /v1/nothing", "of the dialect"),
        ("GET /nothing", "{\"status\":404,\"message\":\"there is nothing at this path\"}"),
        ("GET /healthz", "{\"status\":\"ok\"}"),
        ("GET /readyz", "{\"status\":\"ready\",\"message\":\"storage_full: nearly\"}"),
        ("GET /metrics", "outhaul_up 1"),
        ("POST /healthz", "use GET here"),
    ] {
        let answer = exchange(&server, &ask(head)).await;
        assert!(answer.contains(expected), "{head}: {answer}");
        assert!(answer.contains("x-request-id: "), "{head}: {answer}");
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_server_goes_on() {
    let server = start(|_| ()).await;
    let answer = exchange(&server, &ask("GET /v1/panic")).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let answer = exchange(&server, &ask("GET /healthz")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let server =
        start(|limits| limits.header_bytes_max = crate::config::size::Size(16 << 10)).await;
    let long = "a".repeat(20 << 10);
    let many = "A: b\r\n".repeat(101);
    let too_much = "\r\n\r\nthe request has too many or too long headers: send less of them\n";
    let nonsense = "\r\n\r\nthe head of the request is not HTTP/1.1: ";
    for (request, expected, words) in [
        (format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n"), "HTTP/1.1 431 ", too_much),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), "HTTP/1.1 431 ", too_much),
        ("GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n".to_owned(), "HTTP/1.1 400 ", nonsense),
        ("NONSENSE\r\n\r\n".to_owned(), "HTTP/1.1 400 ", nonsense),
    ] {
        let answer = exchange(&server, request.as_bytes()).await;
        assert!(answer.starts_with(expected) && answer.contains(words), "{expected}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{answer}");
        assert!(head.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{answer}");
    }
    let server = start(|_| ()).await;
    let long = "a".repeat(66_000);
    let answer = exchange(&server, &ask(&format!("GET /{long}"))).await;
    assert!(answer.starts_with("HTTP/1.1 414 "), "{answer}");
    assert!(answer.ends_with("is too long: send what is long in its body\n"), "{answer}");
}

/// After a request was handed on, an answer like that may be a dialect's or a file's: it is left
/// as it is.
#[tokio::test]
async fn what_a_dialect_answers_is_not_changed() {
    let server = start(|_| ()).await;
    let text = "HTTP/1.1 431 x\r\ncontent-length: 0\r\n\r\n";
    let length = text.len();
    let request = format!(
        "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{text}NONSENSE\r\n\r\n"
    );
    let answer = exchange(&server, request.as_bytes()).await;
    let (first, second) = answer.split_once("HTTP/1.1 400 ").expect("two answers");
    assert!(first.starts_with("HTTP/1.1 200 ") && first.ends_with(text), "{answer}");
    assert!(second.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn slow_clients_are_left() {
    let server = start(|_| ()).await;
    let begun = std::time::Instant::now();
    // Nothing at all; half of the bytes that say HTTP/2; half a head.
    for request in ["", "PRI * HT", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        exchange(&server, request.as_bytes()).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(8));
    let head = "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
    let answer = exchange(&server, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn connections_past_the_limit_wait() {
    let server = start(|limits| limits.connections_max = 1).await;
    let mut first = TcpStream::connect(server.address).await.expect("it listens");
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
    let mut byte = [0];
    first.read_exact(&mut byte).await.expect("it answers");
    let mut second = TcpStream::connect(server.address).await.expect("it waits to be accepted");
    second.write_all(&ask("GET /healthz")).await.expect("it is sent");
    let mut answer = std::pin::pin!(read_all(&mut second));
    // Time enough for a server that took the second to answer it: twenty answers to the first.
    for _ in 0..20 {
        first.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
        let mut bytes = [0; 64];
        assert!(first.read(&mut bytes).await.is_ok_and(|count| count > 0), "it answers");
        assert!(futures::poll!(&mut answer).is_pending(), "the second has no place yet");
    }
    drop(first);
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn an_answer_without_end_is_told_that_the_server_stops() {
    let server = start(|_| ()).await;
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    stream.write_all(&ask("GET /v1/feed")).await.expect("it reads");
    let mut begun = Vec::new();
    while !begun.ends_with(b"begun\r\n") {
        begun.push(stream.read_u8().await.expect("it has begun"));
    }
    server.flights.drain();
    server.flights.landed().await;
    let answer = read_all(&mut stream).await;
    assert!(answer.contains("ended"), "{answer}");
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_ends_what_it_began() {
    let server = start(|_| ()).await;
    let mut slow = TcpStream::connect(server.address).await.expect("it listens");
    let head = "POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na";
    slow.write_all(head.as_bytes()).await.expect("it reads");
    // A second request proves that the first head was read: connections are accepted in order.
    exchange(&server, &ask("GET /healthz")).await;
    server.flights.drain();
    let answer = exchange(&server, &ask("GET /readyz")).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    server.stop.gently.cancel();
    slow.write_all(b"bc").await.expect("it reads");
    let answer = read_all(&mut slow).await;
    assert!(answer.ends_with("abc"), "{answer}");
    server.flights.landed().await;
    server.server.await.expect("it ends");
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}
