//! Sessions as a client sees them: whatever happens to an export, no change is lost.

use outhaul_exports::query::Query;
use outhaul_exports::session::Mark;

use super::*;

/// A client that wants every row of a table that grows, and the table.
///
/// The table is the clock: row `n` is there from second `n` on. An export in the session has the
/// rows since its lower bound, up to the moment at which it ran.
struct Consumer {
    server: Server,
    start: chrono::DateTime<chrono::Utc>,
    /// How often each row has arrived.
    arrived: Vec<u32>,
}

const CREATE: &str = r#"{"queries": [{"name": "invoices", "object": "Invoice", "fields": ["Id"]}],
    "format": "csv", "session": "nightly"}"#;

impl Consumer {
    async fn new() -> Self {
        let server = Server::new().await;
        Self { start: server.world.clock.now(), server, arrived: Vec::new() }
    }

    fn second(&self, at: chrono::DateTime<chrono::Utc>) -> usize {
        usize::try_from((at - self.start).num_seconds()).expect("the clock goes on")
    }

    /// Creates an export in the session, after some rows were added; answers it.
    async fn create(&self, body: &str) -> Value {
        self.server.world.clock.advance(TimeDelta::seconds(3));
        self.server.json("POST", "/api/v1/exports", "acme-exporter", body, 202).await
    }

    /// Runs the next export; answers it and the rows that it has.
    async fn run(&self) -> (Export, Vec<usize>) {
        let running = self.server.world.start_next().await.expect("one is due");
        let now = self.second(self.server.world.clock.now());
        let rows = (self.from(&running)..now).collect();
        let done = self.server.world.complete(&running, &[("i.csv", "text/csv", b"Id\n")]).await;
        (done, rows)
    }

    /// The row from which an export reads.
    fn from(&self, export: &Export) -> usize {
        let Query::Select(select) = &export.spec.queries[0].query else { panic!("not SQL") };
        let mark: Option<&Mark> = select.since.as_ref();
        mark.map_or(0, |mark| self.second(mark.taken_at))
    }

    /// The client has got the file.
    fn fetch(&mut self, rows: &[usize]) {
        for row in rows {
            self.arrived.resize(self.arrived.len().max(row + 1), 0);
            self.arrived[*row] += 1;
        }
    }

    async fn acknowledge(&self, export: &str, status: u16) -> Value {
        let body = format!("{{\"export\": \"{export}\"}}");
        let path = "/api/v1/sessions/nightly/acknowledge";
        self.server.json("POST", path, "acme-exporter", &body, status).await
    }

    /// An export that goes as it should: fetched, then acknowledged.
    async fn round(&mut self) {
        self.create(CREATE).await;
        let (done, rows) = self.run().await;
        self.fetch(&rows);
        self.acknowledge(&done.id.to_string(), 200).await;
    }

    /// Whether every row that there was when the session moved last has arrived.
    async fn misses_nothing(&self) {
        let session =
            self.server.json("GET", "/api/v1/sessions/nightly", "acme-reader", "", 200).await;
        let moved = session["queries"][0]["watermark"].as_str().expect("it has moved");
        let moved = self.second(moved.parse().expect("a moment"));
        assert!(self.arrived.len() >= moved, "{} of {moved} rows", self.arrived.len());
        let missed: Vec<_> = (0..moved).filter(|&row| self.arrived[row] == 0).collect();
        assert!(missed.is_empty(), "rows {missed:?} of {moved} never came");
    }
}

/// What may become of an export before the next goes as it should.
const FATES: &[&str] = &[
    "failed",
    "cancelled while it waited",
    "cancelled while it ran",
    "crashed and run again",
    "failed and retried",
    "completed and never fetched",
    "fetched and never acknowledged",
    "deleted unfetched",
    "expired unfetched",
    "replayed",
    "overtaken by another",
];

impl Consumer {
    async fn suffer(&mut self, fate: &str) {
        use outhaul_exports::export::{Failure, Outcome};
        let created = self.create(CREATE).await;
        let id = created["id"].as_str().expect("it has an id").to_owned();
        let path = format!("/api/v1/exports/{id}");
        let steer = async |what: &str| {
            let path = format!("{path}/{what}");
            self.server.json("POST", &path, "acme-exporter", "", 202).await
        };
        let world = &self.server.world;
        match fate {
            "failed" => {
                let running = world.start_next().await.expect("it is due");
                world.fail(&running, "source_missing", "it is gone").await;
                self.acknowledge(&id, 409).await;
            }
            "cancelled while it waited" => {
                steer("cancel").await;
                self.acknowledge(&id, 409).await;
            }
            "cancelled while it ran" => {
                let running = world.start_next().await.expect("it is due");
                steer("cancel").await;
                world.finish(&running, Outcome::Cancelled).await;
                self.acknowledge(&id, 409).await;
            }
            "crashed and run again" => {
                let running = world.start_next().await.expect("it is due");
                let from = self.from(&running);
                let crash = Failure::new("worker_crashed", "it died");
                world.finish(&running, Outcome::Crashed(crash)).await;
                world.clock.advance(TimeDelta::seconds(2));
                let (done, rows) = self.run().await;
                assert_eq!(self.from(&done), from, "each attempt reads from the same place");
                self.fetch(&rows);
                self.acknowledge(&id, 200).await;
            }
            "failed and retried" => {
                let running = world.start_next().await.expect("it is due");
                world.fail(&running, "unavailable", "it is away").await;
                steer("retry").await;
                let (_, rows) = self.run().await;
                self.fetch(&rows);
                self.acknowledge(&id, 200).await;
            }
            "completed and never fetched" => drop(self.run().await),
            "fetched and never acknowledged" => {
                let (_, rows) = self.run().await;
                self.fetch(&rows);
            }
            "deleted unfetched" => {
                self.run().await;
                self.server.json("DELETE", &path, "acme-exporter", "", 204).await;
                self.acknowledge(&id, 404).await;
            }
            "expired unfetched" => {
                self.run().await;
                world.clock.advance(TimeDelta::days(8));
                let now = world.clock.now();
                let store = &world.store;
                outhaul_exports::ports::JobStore::expire(&**store, now, 10).await.expect("it can");
            }
            "replayed" => {
                let (first, rows) = self.run().await;
                self.fetch(&rows);
                self.acknowledge(&id, 200).await;
                let body = CREATE.replace(
                    r#""nightly""#,
                    &format!(r#"{{"name": "nightly", "replay": "{id}"}}"#),
                );
                let again = self.create(&body).await;
                assert_eq!(again["session"]["replay"], id.as_str());
                let (done, more) = self.run().await;
                assert_eq!(self.from(&done), self.from(&first), "it begins where that one began");
                assert!(more.len() > rows.len() && more.starts_with(&rows));
                self.fetch(&more);
                self.acknowledge(&done.id.to_string(), 200).await;
            }
            "overtaken by another" => {
                let slow = id;
                self.round_of_another(&slow).await;
            }
            other => panic!("there is no fate {other}"),
        }
    }

    /// Two exports from one place: the second is acknowledged first, and the first too late.
    async fn round_of_another(&mut self, slow: &str) {
        self.create(CREATE).await;
        let (first, _) = self.run().await;
        assert_eq!(first.id.to_string(), slow);
        let (second, rows) = self.run().await;
        self.fetch(&rows);
        self.acknowledge(&second.id.to_string(), 200).await;
        let refused = self.acknowledge(slow, 409).await;
        assert!(refused["detail"].as_str().is_some_and(|text| text.contains("has moved")));
    }
}

#[tokio::test]
async fn no_fate_of_an_export_loses_a_row() {
    for first in FATES {
        for second in FATES {
            let mut consumer = Consumer::new().await;
            consumer.round().await;
            for fate in [first, second] {
                consumer.suffer(fate).await;
            }
            consumer.round().await;
            consumer.misses_nothing().await;
        }
    }
}

/// The judge itself: a client that acknowledges what it did not fetch does lose rows.
#[tokio::test]
async fn who_acknowledges_unseen_is_caught() {
    let mut consumer = Consumer::new().await;
    consumer.round().await;
    consumer.create(CREATE).await;
    let (done, _) = consumer.run().await;
    consumer.acknowledge(&done.id.to_string(), 200).await;
    consumer.round().await;
    let caught = tokio::spawn(async move { consumer.misses_nothing().await }).await;
    assert!(caught.is_err_and(|error| error.is_panic()));
}

/// What an export asks decides whether it goes on where the last one ended.
#[tokio::test]
async fn another_query_begins_in_full() {
    let mut consumer = Consumer::new().await;
    consumer.round().await;
    let since = |export: &Value| export["session"]["queries"][0]["since"].clone();
    for (find, instead, goes_on) in [
        ("csv", "parquet", true),
        (r#""csv","#, r#""csv", "packing": "gzip","#, true),
        (r#"["Id"]"#, r#"["id"]"#, true),
        (r#"["Id"]"#, r#"["Id", "Amount"]"#, false),
        (r#""Invoice","#, r#""Invoice", "where": "Amount > 0","#, false),
        (r#""name": "invoices", "#, "", false),
        ("invoices", "others", false),
        (r#""Invoice", "fields""#, r#""Contact", "fields""#, false),
    ] {
        let changed = CREATE.replace(find, instead);
        assert_ne!(changed, CREATE, "{find}");
        let export = consumer.create(&changed).await;
        assert_eq!(since(&export).is_string(), goes_on, "{find} -> {instead}: {export}");
    }
    // Nor does another session know anything, nor another tenant's.
    let export = consumer.create(&CREATE.replace("nightly", "weekly")).await;
    assert!(since(&export).is_null());
    let export =
        consumer.server.json("POST", "/api/v1/exports", "globex-exporter", CREATE, 202).await;
    assert!(since(&export).is_null());
}
