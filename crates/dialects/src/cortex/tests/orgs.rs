//! Orgs and roles: nobody sees, changes or downloads what is another org's, and only administrators
//! do more than look.

use super::*;

#[tokio::test]
async fn two_orgs_never_see_each_others_exports() {
    let server = Server::new().await;
    let (ours, theirs) = (server.create("ours").await, server.create_as(THEIR_APP, "theirs").await);
    for _ in 0..2 {
        server.complete(b"PK").await;
    }
    for (app, own, other) in [(APP, &ours, &theirs), (THEIR_APP, &theirs, &ours)] {
        let list = server.ask_as(app, "GET", "/exports", "").await.ok();
        let ids: Vec<_> = list["data"].as_array().into_iter().flatten().map(id_of).collect();
        assert_eq!(ids, std::slice::from_ref(own));
        for (method, path, body) in [
            ("GET", format!("/exports/{other}"), ""),
            ("GET", format!("/exports/{other}/state"), ""),
            ("GET", format!("/exports/{other}/dataFile"), ""),
            ("GET", format!("/exports/{other}/dataFile/content"), ""),
            ("PUT", format!("/exports/{other}"), r#"{"label":"mine"}"#),
            ("DELETE", format!("/exports/{other}"), ""),
        ] {
            let answer = server.ask_as(app, method, &path, body).await;
            assert_eq!(answer.fault(), ("kNotFound".to_owned(), 404), "{method} {path}");
            // As one that nobody has.
            let nobodys = path.replace(other.as_str(), "0123456789abcdef01234567");
            let unknown = server.ask_as(app, method, &nobodys, body).await;
            let text = answer.text().replace(other.as_str(), "0123456789abcdef01234567");
            assert_eq!(text, unknown.text());
        }
    }
    // A key of one org opens no path of the other's.
    for (app, org) in [(APP, THEIR_ORG), (THEIR_APP, "acme"), (THEIR_APP, "globex"), (APP, "x")] {
        let request = server.signed(app, org, "GET", "/exports").body(Body::empty());
        let (code, status) = server.send(request.expect("a request")).await.fault();
        let expected = if org == "globex" { ("kNotFound", 404) } else { ("kAccessDenied", 403) };
        assert_eq!((code.as_str(), status), expected, "{app} at {org}");
    }
}

#[tokio::test]
async fn only_administrators_create_change_delete_and_download() {
    let server = Server::new().await;
    let id = server.create("one").await;
    server.complete(b"PK").await;
    let create = json!({ "label": "x", "objects": "c_accounts" }).to_string();
    for email in ["reader@acme.example", "exporter@acme.example"] {
        for (method, path, body) in [
            ("POST", "/exports".to_owned(), create.as_str()),
            ("PUT", format!("/exports/{id}"), r#"{"label":"x"}"#),
            ("DELETE", format!("/exports/{id}"), ""),
            ("GET", format!("/exports/{id}/dataFile/content"), ""),
        ] {
            let answer = server.ask_of(email, method, &path, body).await;
            assert_eq!(answer.fault(), ("kAccessDenied".to_owned(), 403), "{email} {method}");
        }
        for path in ["/exports", &format!("/exports/{id}"), &format!("/exports/{id}/state")] {
            assert_eq!(server.ask_of(email, "GET", path, "").await.status, 200, "{path}");
        }
    }
    for method in ["GET", "POST", "DELETE"] {
        let request = Request::builder().method(method).uri(format!("/acme/v2/exports/{id}"));
        let request = if method == "POST" { Request::post("/acme/v2/exports") } else { request };
        let answer = server.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.fault(), ("kNotLoggedIn".to_owned(), 403), "{method}");
    }
}
