//! Signed requests.

use http::{HeaderName, HeaderValue};

use super::*;

/// A request whose headers are changed before it is sent.
async fn changed(server: &Server, changes: &[(&str, Option<&str>)]) -> Answer {
    let request = server.signed(APP, "acme", "GET", "/exports").body(Body::empty());
    let mut request = request.expect("a request");
    for (name, value) in changes {
        let name: HeaderName = name.parse().expect("a name");
        match value {
            Some(value) => drop(
                request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value")),
            ),
            None => drop(request.headers_mut().remove(name)),
        }
    }
    server.send(request).await
}

#[tokio::test]
async fn only_the_right_signature_counts() {
    let server = Server::new().await;
    assert_eq!(changed(&server, &[]).await.status, 200);
    let now = server.world.exports.now().timestamp_millis();
    let right = signature(APP, "/exports", "GET", &now.to_string());
    assert_eq!(
        changed(&server, &[("medable-client-signature", Some(&right.to_uppercase()))]).await.status,
        200,
        "hexadecimal digits have no case"
    );
    for (name, value) in [
        ("medable-client-signature", Some("00".repeat(32))),
        ("medable-client-signature", Some(right[..62].to_owned())),
        ("medable-client-signature", Some("not hex".to_owned())),
        ("medable-client-signature", Some(signature(APP, "/exports", "POST", &now.to_string()))),
        ("medable-client-signature", Some(signature(APP, "/export", "GET", &now.to_string()))),
        ("medable-client-timestamp", Some((now + 1).to_string())),
        ("medable-client-timestamp", Some("soon".to_owned())),
        ("medable-client-timestamp", Some("9".repeat(30))),
        ("medable-client-timestamp", None),
        ("medable-client-nonce", None),
        ("medable-client-nonce", Some("short".to_owned())),
        ("medable-client-nonce", Some("0123456789abcde!".to_owned())),
    ] {
        let answer = changed(&server, &[(name, value.as_deref())]).await;
        let code = ("kInvalidRequestSignature".to_owned(), 403);
        assert_eq!(answer.fault(), code, "{name}: {value:?}");
    }
    // Without one nobody is there; with one of another app it is another app's secret.
    let nobody = changed(&server, &[("medable-client-signature", None)]).await;
    assert_eq!(nobody.fault(), ("kNotLoggedIn".to_owned(), 403));
    for key in [THEIR_APP, "unknown", ""] {
        let answer = changed(&server, &[("medable-client-key", Some(key))]).await;
        assert_eq!(answer.fault(), ("kAccessDenied".to_owned(), 403), "{key}");
    }
    let unsigned = changed(&server, &[("medable-client-key", Some(CSRF_APP))]).await;
    assert_eq!(unsigned.fault().0, "kInvalidRequestSignature", "this app has no secret");
}

#[tokio::test]
async fn a_signature_is_used_once_and_for_a_quarter_of_an_hour() {
    let server = Server::new().await;
    let now = server.world.exports.now().timestamp_millis();
    let at = |millis: i64| {
        let millis = millis.to_string();
        let signature = signature(APP, "/exports", "GET", &millis);
        (millis, signature)
    };
    for (off, fine) in [
        (0, true),
        (900_000, true),
        (-900_000, true),
        (900_001, false),
        (-900_001, false),
        (-i64::from(u32::MAX), false),
    ] {
        let (millis, signature) = at(now + off);
        let changes = [
            ("medable-client-timestamp", Some(millis.as_str())),
            ("medable-client-signature", Some(signature.as_str())),
        ];
        let answer = changed(&server, &changes).await;
        match fine {
            true => assert_eq!(answer.status, 200, "{off}: {}", answer.text()),
            false => {
                assert_eq!(answer.fault(), ("kStaleRequestSignature".to_owned(), 400), "{off}");
            }
        }
    }
    let nonce = [("medable-client-nonce", Some("AAAABBBBCCCCDDDD"))];
    assert_eq!(changed(&server, &nonce).await.status, 200);
    let again = changed(&server, &nonce).await;
    assert_eq!(again.fault(), ("kInvalidRequestSignature".to_owned(), 403));
    assert!(again.text().contains("was used already"));
    // Another nonce makes it another request: clients send several in one millisecond.
    assert_eq!(changed(&server, &[]).await.status, 200);
}

#[tokio::test]
async fn slashes_that_say_nothing_are_not_signed() {
    let server = Server::new().await;
    let id = server.create("one").await;
    for path in [format!("/exports/{id}/state/"), format!("//exports//{id}///state")] {
        let plain = format!("/exports/{id}/state");
        let millis = server.world.exports.now().timestamp_millis().to_string();
        let request = Request::builder()
            .uri(format!("/acme//v2{path}"))
            .header("Medable-Client-Key", APP)
            .header("Medable-Client-Signature", signature(APP, &plain, "GET", &millis))
            .header("Medable-Client-Timestamp", millis)
            .header("Medable-Client-Nonce", server.nonce())
            .body(Body::empty());
        let answer = server.send(request.expect("a request")).await;
        assert_eq!(answer.ok()["data"], "pending", "{path}");
    }
}

#[tokio::test]
async fn only_some_apps_act_as_others_and_no_app_as_another_orgs() {
    let server = Server::new().await;
    let me = |answer: &Answer| answer.ok()["email"].as_str().unwrap_or_default().to_owned();
    let reader = server.ask_of("reader@acme.example", "GET", "/accounts/me", "").await;
    assert_eq!(me(&reader), "reader@acme.example");
    for email in ["admin@globex.example", "nobody@acme.example"] {
        let answer = server.ask_of(email, "GET", "/accounts/me", "").await;
        assert_eq!(answer.fault(), ("kAccessDenied".to_owned(), 403), "{email}");
    }
    let own = server.get("/accounts/me").await.ok();
    let named = |account: String| {
        let request = server.signed(APP, "acme", "GET", "/accounts/me");
        request.header("Medable-Client-Account", account).body(Body::empty()).expect("a request")
    };
    let by_id = server.send(named(own["_id"].as_str().unwrap_or_default().to_owned())).await;
    assert_eq!(me(&by_id), "admin@acme.example");
    let other = server.send(named("reader@acme.example".to_owned())).await;
    assert_eq!(other.fault(), ("kAccessDenied".to_owned(), 403), "this app is its account's");
}

#[tokio::test]
async fn a_revoked_account_signs_no_more() {
    use outhaul_exports::ports::AccessStore as _;
    let server = Server::new().await;
    assert_eq!(server.get("/accounts/me").await.status, 200);
    let now = server.world.exports.now();
    server.world.store.revoke_credential("admin@acme.example", now).await.expect("it is there");
    assert_eq!(server.get("/accounts/me").await.fault().0, "kAccessDenied");
}
