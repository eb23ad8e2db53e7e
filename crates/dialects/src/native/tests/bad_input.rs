//! The catalogue of bad input, replayed byte for byte over a socket.

use super::*;
use crate::kit::bad_input::replay;

const CATALOGUE: &str = include_str!("../../../cases/bad_input/native.toml");

#[tokio::test]
async fn every_bad_input_gets_its_answer() {
    let server = Server::new().await;
    let (foreign_export, foreign_file) = server.publish("globex-exporter", b"Id\n1\n").await;
    let (_, file) = server.publish("acme-exporter", b"Account.Id\n1\n2\n").await;
    let done = server.json("GET", "/api/v1/exports", "acme-reader", "", 200).await;
    let done = done["exports"][0]["id"].as_str().expect("it has an id").to_owned();
    let words = [
        ("key", "acme-exporter".to_owned()),
        ("export", done),
        ("file", file),
        ("foreign_export", foreign_export),
        ("foreign_file", foreign_file),
    ];
    let count = replay(server.router.clone(), CATALOGUE, "native", &words).await;
    assert!(count > 60, "only {count} cases were sent");
}
