//! Event streams: every event once, in order, with resumption, and an end.

use outhaul_exports::export::Progress;

use super::*;
use crate::kit::stopping::Stopping;

struct Stream(Body);

impl Stream {
    async fn open(server: &Server, path: &str, key: &str, last: Option<&str>) -> Self {
        Self::open_until(server, path, key, last, Stopping::default()).await
    }

    /// A stream of a server that may be told to stop.
    async fn open_until(
        server: &Server,
        path: &str,
        key: &str,
        last: Option<&str>,
        stopping: Stopping,
    ) -> Self {
        let mut request =
            Request::get(path).extension(stopping).header("Authorization", format!("Bearer {key}"));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = server.router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(!response.headers().contains_key("content-encoding"));
        let mut stream = Self(response.into_body());
        assert_eq!(stream.next().await.as_deref(), Some("retry: 2000\n\n"));
        stream
    }

    async fn next(&mut self) -> Option<String> {
        let frame = self.0.frame().await?.expect("the stream does not break");
        let bytes = frame.into_data().expect("it has no trailers");
        Some(String::from_utf8(bytes.to_vec()).expect("it is text"))
    }

    /// The next event: its id, kind and data.
    async fn event(&mut self) -> (Option<u64>, String, Value) {
        let text = self.next().await.expect("the stream goes on");
        assert!(text.ends_with("\n\n") && text.trim_end().lines().count() <= 3, "{text}");
        let part = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.strip_prefix(": "))
        };
        let data = serde_json::from_str(part("data").expect("it has data")).expect("it is JSON");
        let id = part("id").map(|id| id.parse().expect("a number"));
        (id, part("event").expect("it has a kind").to_owned(), data)
    }
}

#[tokio::test]
async fn the_stream_of_an_export_ends_with_its_final_state() {
    let server = Server::new().await;
    let other = server.create("globex-exporter").await;
    let id = server.create("acme-exporter").await;
    let path = format!("/api/v1/exports/{id}/events");
    let mut stream = Stream::open(&server, &path, "acme-reader", None).await;
    let (first, kind, data) = stream.event().await;
    assert_eq!((kind.as_str(), &data["state"]), ("submitted", &"queued".into()));
    assert_eq!((data["export"].as_str(), data["sequence"].as_u64()), (Some(&*id), first));

    let running = loop {
        let running = server.world.start_next().await.expect("two are due");
        if running.id.to_string() == id {
            break running;
        }
        assert_eq!(running.id.to_string(), other);
    };
    let (started, kind, _) = stream.event().await;
    assert_eq!((kind.as_str(), started > first), ("started", true));
    assert_eq!(stream.event().await.1, "progress");
    let progress = Progress { rows_encoded: 5, rows_estimated: Some(10), ..Progress::default() };
    server.world.report(&running, progress).await;
    let (none, kind, data) = stream.event().await;
    assert_eq!((none, kind.as_str(), &data["percent"]), (None, "progress", &50.into()));
    server.world.complete(&running, &[("a.csv", "text/csv", b"Id\n1\n")]).await;
    assert_eq!(stream.event().await.1, "completed");
    let (_, kind, data) = stream.event().await;
    assert_eq!((kind.as_str(), &data["state"]), ("end", &"completed".into()));
    assert_eq!(data["artifacts"][0]["rows"], 1);
    assert_eq!(stream.next().await, None);

    // Whoever was cut off after the start gets the rest, by header or by parameter.
    let started = started.expect("a stored event has an id").to_string();
    let by_header = Stream::open(&server, &path, "acme-reader", Some(&started)).await;
    let by_parameter = format!("{path}?after={started}");
    let by_parameter = Stream::open(&server, &by_parameter, "acme-reader", None).await;
    for mut stream in [by_header, by_parameter] {
        assert_eq!(stream.event().await.1, "completed");
        assert_eq!(stream.event().await.1, "end");
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_events_only_each_once() {
    let server = Server::new().await;
    let mut stream = Stream::open(&server, "/api/v1/events", "acme-reader", None).await;
    let mut last = 0;
    for _ in 0..3 {
        server.create("globex-exporter").await;
        let id = server.create("acme-exporter").await;
        let (sequence, kind, data) = stream.event().await;
        assert_eq!((kind.as_str(), data["export"].as_str()), ("submitted", Some(&*id)));
        let sequence = sequence.expect("a stored event has an id");
        assert!(sequence > last);
        last = sequence;
    }
    let last = last.to_string();
    let mut again = Stream::open(&server, "/api/v1/events", "acme-reader", Some(&last)).await;
    let id = server.create("acme-exporter").await;
    for stream in [&mut stream, &mut again] {
        assert_eq!(stream.event().await.2["export"].as_str(), Some(&*id));
    }
}

#[tokio::test]
async fn a_deleted_export_ends_its_stream() {
    let server = Server::new().await;
    let id = server.create("acme-exporter").await;
    let path = format!("/api/v1/exports/{id}/events");
    let mut stream = Stream::open(&server, &path, "acme-reader", None).await;
    assert_eq!(stream.event().await.1, "submitted");
    let export = format!("/api/v1/exports/{id}");
    server.json("DELETE", &export, "acme-exporter", "", 204).await;
    let mut kinds = Vec::new();
    while let Some(text) = stream.next().await {
        kinds.push(text.lines().find_map(|line| line.strip_prefix("event: ")).map(str::to_owned));
    }
    assert_eq!(kinds.last(), Some(&Some("end".to_owned())));
}

#[tokio::test]
async fn a_quiet_stream_shows_signs_of_life_until_its_key_is_revoked() {
    let config = NativeConfig::default();
    let server = Server::with(Native.policy(), config, Duration::from_millis(1)).await;
    let mut stream = Stream::open(&server, "/api/v1/events", "acme-reader", None).await;
    for _ in 0..3 {
        assert_eq!(stream.next().await.as_deref(), Some(": still here\n\n"));
    }
    let hash = sha256_hex("acme-reader");
    let now = server.world.clock.now();
    let revoked = server.world.store.revoke_credential(&hash, now).await;
    assert_eq!(revoked.expect("memory is never away"), 1);
    // One that was made before may still come.
    while let Some(frame) = stream.next().await {
        assert_eq!(frame, ": still here\n\n");
    }
}

#[tokio::test]
async fn a_tenant_holds_a_limited_number_of_streams() {
    let config = NativeConfig { event_streams_max: 1, ..NativeConfig::default() };
    let server = Server::with(Native.policy(), config, Duration::from_secs(15)).await;
    let first = Stream::open(&server, "/api/v1/events", "acme-reader", None).await;
    let refused = server.json("GET", "/api/v1/events", "acme-admin", "", 429).await;
    assert_eq!(refused["code"], "limit_exceeded");
    let _other = Stream::open(&server, "/api/v1/events", "globex-reader", None).await;
    drop(first);
    Stream::open(&server, "/api/v1/events", "acme-reader", None).await;
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_and_clients_go_on() {
    let server = Server::new().await;
    let id = server.create("acme-exporter").await;
    for path in ["/api/v1/events".to_owned(), format!("/api/v1/exports/{id}/events")] {
        let stopping = Stopping::default();
        let mut stream =
            Stream::open_until(&server, &path, "acme-reader", None, stopping.clone()).await;
        let (last, kind, _) = stream.event().await;
        assert_eq!(kind, "submitted");
        {
            let mut next = std::pin::pin!(stream.next());
            assert!(futures::poll!(&mut next).is_pending(), "nothing else has happened: {path}");
            stopping.0.cancel();
            assert_eq!(next.await, None, "{path}");
        }
        let last = last.expect("a stored event has an id").to_string();
        let key = "acme-reader";
        // One that is opened then ends too.
        let late = Stream::open_until(&server, &path, key, Some(&last), stopping);
        assert_eq!(late.await.next().await, None, "{path}");
        let mut again = Stream::open(&server, &path, key, Some(&last)).await;
        let mut next = std::pin::pin!(again.next());
        assert!(futures::poll!(&mut next).is_pending(), "it misses and repeats nothing: {path}");
    }
}
