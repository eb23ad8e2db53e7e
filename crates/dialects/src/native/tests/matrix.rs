//! Nobody learns anything from naming another's ids: every operation of the OpenAPI document, for
//! every kind of id, with every kind of credential.

use super::*;

/// One operation of the document.
struct Operation {
    method: String,
    path: String,
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&document()).expect("it is JSON");
    let paths = document["paths"].as_object().expect("it has paths");
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for method in methods.as_object().expect("a path has methods").keys() {
            operations.push(Operation { method: method.to_uppercase(), path: path.clone() });
        }
    }
    operations
}

/// Each tenant has a session.
const IN_SESSION: &str = r#"{"queries": [{"object": "Invoice", "fields": ["Id"]}],
    "format": "csv", "session": "nightly"}"#;

/// Ids for a path: export, file, link.
type Ids = [String; 3];

/// A server with a finished export of each tenant, and one of acme's that was deleted. Answers the
/// ids of acme's, of globex's, and of the deleted one.
async fn populated() -> (Server, Ids, Ids, Ids) {
    let server = Server::new().await;
    let mut all = Vec::new();
    for key in ["acme-exporter", "globex-exporter", "acme-exporter"] {
        let (export, file) = server.publish_as(key, IN_SESSION, b"Id\n1\n").await;
        let path = format!("/api/v1/exports/{export}/files/{file}/links");
        let link = server.json("POST", &path, key, "", 201).await;
        all.push([export, file, link["id"].as_str().expect("it has an id").to_owned()]);
    }
    let deleted = all.pop().expect("three were made");
    let path = format!("/api/v1/exports/{}", deleted[0]);
    server.json("DELETE", &path, "acme-exporter", "", 204).await;
    let theirs = all.pop().expect("three were made");
    let own = all.pop().expect("three were made");
    (server, own, theirs, deleted)
}

fn filled(path: &str, ids: &Ids) -> String {
    path.replace("{export}", &ids[0])
        .replace("{file}", &ids[1])
        .replace("{link}", &ids[2])
        .replace("{object}", "Invoice")
        .replace("{session}", "nightly")
        .replace("{token}", &"f".repeat(64))
}

/// Status and body without the request's own id.
async fn answer(server: &Server, operation: &Operation, ids: &Ids, key: &str) -> (u16, String) {
    let path = filled(&operation.path, ids);
    let response = server.send(&operation.method, &path, key, "").await;
    let status = response.status().as_u16();
    if path.ends_with("/events") && status == 200 {
        // It does not end while the client listens.
        return (status, String::new());
    }
    let bytes = bytes(response).await;
    let mut body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    (status, body.to_string())
}

#[tokio::test]
async fn foreign_deleted_and_malformed_ids_are_unknown_ids() {
    let unknown: Ids = ["0".repeat(32), "1".repeat(32), "2".repeat(64)];
    let own_and = |own: &Ids, ids: &Ids| [own[0].clone(), ids[1].clone(), ids[2].clone()];
    let mut cells = 0;
    for operation in operations() {
        if !operation.path.contains("{export}") {
            continue;
        }
        let (server, own, theirs, deleted) = populated().await;
        let mut others = vec![theirs.clone(), deleted.clone()];
        for bad in ["x", "%2e%2e", "%00", "%ff", "%zz", &own[0].to_uppercase(), &"0".repeat(33)] {
            others.push([bad.to_owned(), own[1].clone(), own[2].clone()]);
        }
        if operation.path.contains("{file}") {
            others.push(own_and(&own, &theirs));
            others.push(own_and(&own, &deleted));
            others.push([own[0].clone(), "x".to_owned(), own[2].clone()]);
            others.push([theirs[0].clone(), own[1].clone(), own[2].clone()]);
        }
        if operation.path.contains("{link}") {
            others.push([own[0].clone(), own[1].clone(), theirs[2].clone()]);
            others.push([own[0].clone(), own[1].clone(), "x".to_owned()]);
        }
        for key in ["acme-admin", "acme-exporter", "acme-reader"] {
            for ids in &others {
                let name = format!("{} {} {ids:?} {key}", operation.method, operation.path);
                let (status, body) = answer(&server, &operation, ids, key).await;
                // What of the path is unknown decides only which noun the sentence has: a
                // malformed export is answered as an unknown export.
                let mut plain = unknown.clone();
                for at in 0..3 {
                    if ids[at] == own[at] {
                        plain[at].clone_from(&own[at]);
                    }
                }
                let expected = answer(&server, &operation, &plain, key).await;
                assert_eq!((status, &body), (expected.0, &expected.1), "{name}");
                let reader_revokes = status == 403 && key == "acme-reader";
                assert!(status == 404 || reader_revokes, "{name}: {status}");
                cells += 1;
            }
        }
    }
    assert!(cells > 300, "only {cells} cells were tried");
}

#[tokio::test]
async fn strangers_are_all_answered_alike() {
    let (server, own, theirs, deleted) = populated().await;
    let malformed = ["x".to_owned(), "y".to_owned(), "z".to_owned()];
    for operation in operations() {
        if operation.path == "/api/v1/links/{token}" {
            continue;
        }
        let expected = answer(&server, &operation, &own, "").await;
        assert_eq!(expected.0, 401, "{} {}", operation.method, operation.path);
        for key in ["", "nobody", "acme-revoked", "acme-foreign", &"k".repeat(9_000)] {
            for ids in [&own, &theirs, &deleted, &malformed] {
                let found = answer(&server, &operation, ids, key).await;
                assert_eq!(found, expected, "{} {}", operation.method, operation.path);
            }
        }
    }
}

#[tokio::test]
async fn roles_decide_what_may_be_done_to_ones_own() {
    // Everything that a reader may not do; the others may do everything.
    let writes = [
        ("POST", "/api/v1/exports"),
        ("DELETE", "/api/v1/exports/{export}"),
        ("POST", "/api/v1/exports/{export}/cancel"),
        ("POST", "/api/v1/exports/{export}/retry"),
        ("DELETE", "/api/v1/exports/{export}/files/{file}/links/{link}"),
        ("POST", "/api/v1/sessions/{session}/acknowledge"),
        ("DELETE", "/api/v1/sessions/{session}"),
    ];
    for operation in operations() {
        let write = writes.contains(&(operation.method.as_str(), operation.path.as_str()));
        for key in ["acme-admin", "acme-exporter", "acme-reader"] {
            let (server, own, ..) = populated().await;
            let body = r#"{"queries": [{"object": "Invoice"}], "format": "csv"}"#;
            let acknowledge = format!("{{\"export\": \"{}\"}}", own[0]);
            let body = match operation.path.as_str() {
                "/api/v1/exports" => body,
                "/api/v1/sessions/{session}/acknowledge" => &acknowledge,
                _ => "",
            };
            let path = filled(&operation.path, &own);
            let status = server.send(&operation.method, &path, key, body).await.status().as_u16();
            let name = format!("{} {} {key}: {status}", operation.method, operation.path);
            if write && key == "acme-reader" {
                assert_eq!(status, 403, "{name}");
            } else {
                // A finished export is neither cancelled nor retried, a preview needs a body, and
                // the token was made up.
                let refused: u16 = match operation.path.as_str() {
                    "/api/v1/exports/{export}/cancel" | "/api/v1/exports/{export}/retry" => 409,
                    "/api/v1/preview" => 400,
                    "/api/v1/links/{token}" => 404,
                    _ => 0,
                };
                assert!((200..300).contains(&status) || status == refused, "{name}");
            }
        }
    }
}
