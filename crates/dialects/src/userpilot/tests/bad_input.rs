//! The catalogue of bad input, replayed byte for byte over a socket.

use super::*;
use crate::kit::bad_input::replay;

const CATALOGUE: &str = include_str!("../../../cases/bad_input/userpilot.toml");

#[tokio::test]
async fn every_bad_input_gets_its_answer() {
    let server = Server::new().await;
    let body = r#"{"from": "2026-01-01", "to": "2026-01-01"}"#;
    let foreign = server.send("POST", PREFIX, "globex-exporter", body).await;
    let foreign = foreign.json()["job_id"].as_str().expect("it has an id").to_owned();
    let words = [("key", "acme-exporter".to_owned()), ("foreign_job", foreign)];
    let count = replay(server.router.clone(), CATALOGUE, "userpilot", &words).await;
    assert!(count > 70, "only {count} cases were sent");
}
