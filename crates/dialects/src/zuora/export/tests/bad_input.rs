//! The catalogue of bad input, replayed byte for byte over a socket.

use http::Method;

use super::super::ID;
use crate::kit::bad_input::{Word, replay};
use crate::zuora::tests::server::{CLIENTS, SAMPLE, Server, request_of};

const CATALOGUE: &str = include_str!("../../../../cases/bad_input/zuora_export.toml");

#[tokio::test]
async fn every_bad_input_gets_its_answer() {
    let server = Server::new().await;
    let words = words(&server).await;
    let cases = replay(server.router.clone(), CATALOGUE, ID, &words).await;
    assert!(cases > 250, "{cases}");
}

/// What a case may name.
async fn words(server: &Server) -> Vec<Word> {
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
        ("client_id", CLIENTS[0].1.to_owned()),
    ]
}
