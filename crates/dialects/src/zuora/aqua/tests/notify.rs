//! `notifyUrl`: what becomes of a good one, and whether a wrong one is found when the job is
//! submitted.

use outhaul_exports::spec::{CallbackBody, CallbackMethod, Notice, StateWords};
use outhaul_exports::testing::FORBIDDEN_URLS;
use serde_json::{Value, json};

use super::jobs::{acme, with};
use crate::zuora::tests::server::Server;

fn body(url: &str) -> Value {
    json!({ "queries": [{ "query": "select Id from Account" }], "notifyUrl": url })
}

#[tokio::test]
async fn a_good_one_becomes_a_callback_and_is_answered_as_it_came() {
    for (url, callback) in [
        (
            "https://client.example/x?jobId=${JOBID}&status=${STATUS}",
            "https://client.example/x?jobId={export}&status={state}",
        ),
        ("https://client.example/${STATUS}/${JOBID}", "https://client.example/{state}/{export}"),
        (
            "https://client.example/${JOBID}${STATUS}?a=${JOBID}${",
            "https://client.example/{export}{state}?a={export}$%7B",
        ),
        (
            "https://client.example/{export}?j=${JOBID}&s=${STATUS}",
            "https://client.example/%7Bexport%7D?j={export}&s={state}",
        ),
    ] {
        let server = Server::aqua(json!({})).await;
        let client = acme(&server);
        let job = client.submit(&body(url)).await;
        assert_eq!(job["notifyUrl"], url);
        let expected = Notice::Callback {
            method: CallbackMethod::Get,
            url: callback.to_owned(),
            words: StateWords::new("Completed", "Aborted"),
            body: CallbackBody::None,
        };
        assert_eq!(client.export(&job).await.spec.notices, [expected]);
    }
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let job = client.submit(&body("")).await;
    assert!(client.export(&job).await.spec.notices.is_empty());
}

#[tokio::test]
async fn placeholders_need_not_be_there_where_the_setting_says_so() {
    let server = Server::aqua(json!({ "notify_url_needs_placeholders": false })).await;
    let client = acme(&server);
    for url in ["https://client.example/x", "https://client.example/x?s=${STATUS}"] {
        let job = client.submit(&body(url)).await;
        assert_eq!(client.export(&job).await.spec.notices.len(), 1, "{url}");
    }
}

#[tokio::test]
async fn no_forbidden_one_is_accepted() {
    // Whether the placeholders stand in it or not.
    let server = Server::aqua(json!({ "notify_url_needs_placeholders": false })).await;
    let client = acme(&server);
    assert!(FORBIDDEN_URLS.len() > 100);
    for url in FORBIDDEN_URLS.iter().filter(|url| !url.is_empty() && !url.contains('\0')) {
        for tail in ["", "?j=${JOBID}&s=${STATUS}", "${JOBID}"] {
            let message = client.refused(&body(&format!("{url}{tail}")), "90014").await;
            assert!(message.starts_with("The notifyUrl is invalid. ("), "{url}: {message}");
        }
    }
    // It is refused in a series as well, which is not begun by it.
    let series = json!({ "version": "1.1", "partner": "p", "project": "j" });
    client.refused(&with(body("https://127.0.0.1/"), series), "90014").await;
    let who = outhaul_exports::testing::principal("acme");
    let sessions = server.world.exports.sessions(&who, super::super::ID).await;
    assert_eq!(sessions.expect("memory is never away"), []);
}
