//! The catalogue of bad input, replayed byte for byte over a socket.

use outhaul_exports::policy::Policy;
use serde_json::json;

use super::super::{ID, ZuoraAqua};
use super::jobs::{Client, acme, id, stateful, with};
use crate::Dialect;
use crate::kit::bad_input::{Word, replay};
use crate::zuora::tests::server::Server;

const CATALOGUE: &str = include_str!("../../../../cases/bad_input/zuora_aqua.toml");

#[tokio::test]
async fn every_bad_input_gets_its_answer() {
    let unlimited = Policy { active_max: None, session_active_max: None, ..ZuoraAqua.policy() };
    let server = Server::of(&ZuoraAqua, json!({}), unlimited).await;
    let words = words(&server).await;
    let cases = replay(server.router.clone(), CATALOGUE, ID, &words).await;
    assert!(cases > 500, "{cases}");
}

/// What a case may name.
async fn words(server: &Server) -> Vec<Word> {
    let globex = Client { server, tenant: "globex" };
    let theirs = stateful(&["select Id from Account"]);
    let theirs = with(theirs, json!({ "partner": "theirs", "project": "theirs" }));
    let foreign = globex.submit(&theirs).await;
    let foreign_file = server.complete("x.csv", "text/csv", b"a\n").await;
    let client = acme(server);
    let body = json!({ "queries": [{ "query": "select Id from Account" }] });
    client.submit(&body).await;
    let file = server.complete("x.csv", "text/csv", b"Account.Id\n1\n2\n").await;
    let waiting = client.submit(&body).await;
    let [token, _] = server.tokens.clone();
    vec![
        ("token", token),
        ("job", id(&waiting)),
        ("file", file),
        ("foreign_job", id(&foreign)),
        ("foreign_file", foreign_file),
    ]
}
