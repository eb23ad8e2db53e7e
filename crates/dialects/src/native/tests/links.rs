//! A link opens its file until its second and not after, and nothing else ever.

use std::sync::{Arc, Mutex};

use outhaul_exports::testing::Cut;

use super::*;
use crate::kit::request_id::LoggedPath;

async fn link(server: &Server, export: &str, file: &str, ttl: i64) -> (String, String) {
    let path = format!("/api/v1/exports/{export}/files/{file}/links");
    let body = format!("{{\"ttl_secs\": {ttl}}}");
    let link = server.json("POST", &path, "acme-reader", &body, 201).await;
    let url = link["url"].as_str().expect("it has an address");
    let path = url.strip_prefix("https://exports.example.com").expect("the configured address");
    (path.to_owned(), link["id"].as_str().expect("it has an id").to_owned())
}

async fn follow(server: &Server, path: &str) -> u16 {
    server.send("GET", path, "", "").await.status().as_u16()
}

#[tokio::test]
async fn six_hundred_links_end_on_their_second() {
    let server = Server::new().await;
    let mut early = 0;
    let mut late = 0;
    for file in 0..6 {
        let (export, id) = server.publish("acme-exporter", b"Id\n1\n").await;
        let start = server.world.clock.now();
        let mut links = Vec::new();
        for n in 0..100_i64 {
            let ttl = 1 + n * 37 + file;
            links.push((link(&server, &export, &id, ttl).await.0, ttl));
        }
        for (path, ttl) in &links {
            server.world.clock.set(start + TimeDelta::seconds(*ttl) - TimeDelta::milliseconds(1));
            early += u32::from(follow(&server, path).await != 200);
            server.world.clock.set(start + TimeDelta::seconds(*ttl));
            late += u32::from(follow(&server, path).await != 404);
        }
    }
    assert_eq!((early, late), (0, 0));
}

#[tokio::test]
async fn a_link_never_outlives_its_file() {
    let server = Server::new().await;
    let (export, file) = server.publish("acme-exporter", b"Id\n1\n").await;
    let week = TimeDelta::days(7);
    let done = server.world.clock.now();
    server.world.clock.set(done + week - TimeDelta::seconds(10));
    let (path, _) = link(&server, &export, &file, 3_600).await;
    server.world.clock.set(done + week - TimeDelta::seconds(1));
    let download = format!("/api/v1/exports/{export}/files/{file}");
    assert_eq!(follow(&server, &path).await, 200);
    assert_eq!(server.send("GET", &download, "acme-reader", "").await.status(), 200);
    server.world.clock.set(done + week);
    assert_eq!(follow(&server, &path).await, 404);
    assert_eq!(server.send("GET", &download, "acme-reader", "").await.status(), 410);
}

#[tokio::test]
async fn a_link_that_is_altered_or_revoked_is_unknown() {
    let server = Server::new().await;
    let (export, file) = server.publish("acme-exporter", b"Id\n1\n").await;
    let problem = |value: Value| {
        let mut value = value;
        value["request_id"] = Value::Null;
        value
    };
    let unknown = format!("/api/v1/links/{}", "0".repeat(64));
    let unknown = problem(server.json("GET", &unknown, "", "", 404).await);
    for n in 0..20 {
        let (path, id) = link(&server, &export, &file, 60).await;
        assert_eq!(follow(&server, &path).await, 200);
        let token = path.strip_prefix("/api/v1/links/").expect("a link").to_owned();
        let mut altered: Vec<String> = (0..token.len())
            .map(|at| {
                let mut bytes = token.clone().into_bytes();
                bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
                String::from_utf8(bytes).expect("it is ASCII")
            })
            .collect();
        altered.extend([
            token.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A"),
            token[1..].to_owned(),
            format!("{token}0"),
            format!("{token}%00"),
            id.clone(),
        ]);
        for token in altered {
            let path = format!("/api/v1/links/{token}");
            let found = problem(server.json("GET", &path, "", "", 404).await);
            assert_eq!(found, unknown, "{n}: {token}");
        }
        let revoke = format!("/api/v1/exports/{export}/files/{file}/links/{id}");
        server.json("DELETE", &revoke, "acme-exporter", "", 204).await;
        assert_eq!(problem(server.json("GET", &path, "", "", 404).await), unknown);
    }
}

#[tokio::test]
async fn a_file_has_a_limited_number_of_links() {
    let server = Server::new().await;
    let (export, file) = server.publish("acme-exporter", b"Id\n1\n").await;
    for _ in 0..100 {
        link(&server, &export, &file, 60).await;
    }
    let path = format!("/api/v1/exports/{export}/files/{file}/links");
    let refused = server.json("POST", &path, "acme-reader", "", 429).await;
    assert_eq!((&refused["code"], &refused["limit"]), (&"limit_exceeded".into(), &100.into()));
    server.world.clock.advance(TimeDelta::seconds(60));
    link(&server, &export, &file, 60).await;
}

/// Gathers everything that is logged in this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Fields(self));
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Fields(self));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Fields(self));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

struct Fields<'a>(&'a Log);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let mut log = self.0.0.lock().expect("nobody panics with it");
        log.push_str(&format!("{field}={value:?}\n"));
    }
}

#[tokio::test]
async fn the_token_is_never_logged() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let server = Server::new().await;
    let (export, file) = server.publish("acme-exporter", b"Id\n1\n").await;
    let (path, _) = link(&server, &export, &file, 60).await;
    let response = server.send("GET", &path, "", "").await;
    let shown = response.extensions().get::<LoggedPath>().copied();
    assert_eq!(shown, Some(LoggedPath("/api/v1/links/{token}")));
    // A download that breaks is logged, with the file's id and without the token.
    server.world.artifacts.cut(Some(Cut::Error(2)));
    let broken = server.send("GET", &path, "", "").await.into_body().collect().await;
    assert!(broken.is_err());
    server.world.clock.advance(TimeDelta::seconds(60));
    let late = server.send("GET", &path, "", "").await;
    assert!(late.extensions().get::<LoggedPath>().is_some());
    let text = log.0.lock().expect("nobody panics with it").clone();
    assert!(text.contains(&file), "the broken download is in the log: {text}");
    let token = path.rsplit('/').next().expect("it has a token");
    assert!(!text.contains(token) && !text.contains("acme-exporter"), "{text}");
}
