//! `callbackUrl`: what is sent, and where nothing is.

use outhaul_exports::callback::EXPIRY_PLACE;
use outhaul_exports::spec::{CallbackBody, CallbackMethod, Notice};

use super::*;

#[tokio::test]
async fn the_end_is_told_in_the_words_of_the_job_without_its_envelope() {
    let server = Server::new().await;
    let url = "https://hooks.example.com/done?a={b}&c=%7D";
    let number = server.create(&json!({ "callbackUrl": url })).await;
    let export = server.stored("acme", &number).await;
    let [Notice::Callback { method, url, body, .. }] = &export.spec.notices[..] else {
        panic!("one callback: {:?}", export.spec.notices);
    };
    assert_eq!(*method, CallbackMethod::Post);
    assert_eq!(url, "https://hooks.example.com/done?a=%7Bb%7D&c=%7D");
    let CallbackBody::Own { completed, failed } = body else { panic!("a body of its own") };
    server.complete("Id\n").await;
    let job = server.job(&number).await;
    let expiry = job["expiryTime"].as_str().expect("a text");
    let told: Value = serde_json::from_str(&completed.replace(EXPIRY_PLACE, expiry)).expect("JSON");
    assert_eq!(told.as_object().map(|told| told.len()), Some(5));
    for (key, value) in told.as_object().expect("an object") {
        assert_eq!(&job[key], value, "{key}");
    }
    let told: Value = serde_json::from_str(failed).expect("JSON");
    assert_eq!(told, json!({ "jobId": number, "jobCode": "1003", "jobStatus": "ERROR OCCURRED" }));
}

#[tokio::test]
async fn no_job_calls_where_nothing_is_sent() {
    let server = Server::new().await;
    let mut codes = std::collections::BTreeMap::new();
    for url in testing::FORBIDDEN_URLS.iter().filter(|url| !url.is_empty()) {
        let answer = server
            .ask("POST", &view_form("Account"), &parameter(&json!({ "callbackUrl": url })))
            .await;
        let (status, code) = answer.trouble();
        assert_eq!(status, 400, "{url:?}");
        // No text of CONFIG holds a NUL.
        let expected: &[u64] = if url.contains('\0') { &[8080] } else { &[8125, 8127] };
        assert!(expected.contains(&code), "{url:?} {code}");
        codes.insert(*url, code);
        let statement = json!({ "sqlQuery": "select Id from Account", "callbackUrl": url });
        let again = server.ask("POST", SQL_FORM, &parameter(&statement)).await;
        assert_eq!(again.trouble().0, 400, "{url:?}");
    }
    assert!(server.all_jobs("acme").await.is_empty());
    for (url, code) in [
        (" ", 8125),
        ("example.com", 8125),
        ("//example.com/x", 8125),
        ("http:example.com", 8125),
        ("file:///etc/passwd", 8125),
        ("javascript:alert(1)", 8125),
        ("ws://example.com/", 8125),
        ("https://example.com/a b", 8125),
        ("https://127.0.0.1/", 8127),
        ("https://localhost/", 8127),
        ("https://10.0.0.1/", 8127),
        ("https://169.254.169.254/latest/meta-data/", 8127),
        ("https://[::1]/", 8127),
        ("https://2130706433/", 8127),
        ("https://example.com:22/", 8127),
    ] {
        assert_eq!(codes.get(url), Some(&code), "{url}");
    }
    // Plain http is for the operator to allow.
    let plain = server.try_create(&json!({ "callbackUrl": "http://example.com/" })).await;
    assert_eq!(plain.trouble(), (400, 8127));
    let long = format!("https://example.com/{}", "x".repeat(10_000));
    assert_eq!(server.try_create(&json!({ "callbackUrl": long })).await.trouble(), (400, 8507));
    // None at all is as good as an empty one.
    for none in [json!(null), json!("")] {
        let number = server.create(&json!({ "callbackUrl": none })).await;
        assert!(server.stored("acme", &number).await.spec.notices.is_empty());
    }
}
