//! Naming somebody else's jobs, series and files tells nothing, whatever the role; and what a role
//! may not do, it may not do to its own.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::jobs::{Client, JOBS, acme, id, stateful};
use crate::zuora::tests::server::{Answer, ROLES, SECRET, Server};

/// Every path with an id, and whether the id is a file's.
const OPERATIONS: &[(Method, &str, bool)] = &[
    (Method::GET, "/v1/batch-query/jobs/{}", false),
    (Method::HEAD, "/v1/batch-query/jobs/{}", false),
    (Method::DELETE, "/v1/batch-query/jobs/{}", false),
    (Method::GET, "/apps/api/batch-query/jobs/{}", false),
    (Method::DELETE, "/apps/api/batch-query/jobs/{}", false),
    (Method::GET, "/v1/file/{}", true),
    (Method::HEAD, "/v1/file/{}", true),
    (Method::GET, "/v1/files/{}", true),
    (Method::GET, "/apps/api/file/{}", true),
];

const UNKNOWN: &str = "0123456789abcdef0123456789abcdef";
const MALFORMED: &[&str] = &[
    "0123456789abcdef0123456789abcde",
    "0123456789abcdef0123456789abcdef0",
    "0123456789ABCDEF0123456789ABCDEF",
    "..",
    "..%2f..%2fx",
    "%00",
    "%c0%af",
    "1'%20or%20'1'='1",
    "null",
];

async fn ask(server: &Server, role: &str, method: &Method, path: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("apiAccessKeyId", format!("acme-{role}"))
        .header("apiSecretAccessKey", SECRET);
    server.send(request.body(Body::empty()).expect("a request")).await
}

/// Status, headers' names, and body without the id of the process, which is new each time.
fn said(answer: &Answer) -> (StatusCode, Vec<String>, Value) {
    let mut body = answer.json();
    if let Some(id) = body.get_mut("processId") {
        *id = "".into();
    }
    let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    (answer.status, names, body)
}

#[tokio::test]
async fn foreign_and_malformed_ids_answer_as_unknown_ones() {
    let server = Server::aqua(json!({})).await;
    let globex = Client { server: &server, tenant: "globex" };
    let body = stateful(&["select Id from Account"]);
    let done = globex.submit(&body).await;
    let export = globex.run(&[1]).await;
    let file = export.manifest.expect("it is completed").artifacts[0].id.to_string();
    let waiting = globex.submit(&body).await;

    for (role, _) in ROLES {
        for (method, path, of_file) in OPERATIONS {
            let unknown = ask(&server, role, method, &path.replace("{}", UNKNOWN)).await;
            let expected = match of_file {
                true => (StatusCode::NOT_FOUND, Value::Null),
                false if method == Method::DELETE => (StatusCode::OK, "90003".into()),
                false if method == Method::HEAD => (StatusCode::OK, Value::Null),
                false => (StatusCode::OK, "90002".into()),
            };
            let found = (unknown.status, unknown.json()["errorCode"].clone());
            assert_eq!(found, expected, "{role} {method} {path}");
            let foreign = match of_file {
                true => vec![file.clone()],
                false => vec![id(&done), id(&waiting), file.clone()],
            };
            let foreign = foreign.iter().map(String::as_str);
            for id in foreign.chain(MALFORMED.iter().copied()) {
                let answer = ask(&server, role, method, &path.replace("{}", id)).await;
                assert_eq!(said(&answer), said(&unknown), "{role} {method} {path} {id}");
            }
        }
        // A series of that name, and one of a name that nobody uses.
        let path = |names: &str| format!("{JOBS}/jobs/partner/{names}");
        let known = ask(&server, role, &Method::GET, &path("salesforce/project/p")).await;
        let unknown = ask(&server, role, &Method::GET, &path("nobody/project/p")).await;
        assert_eq!(said(&known), said(&unknown));
        assert_eq!(unknown.json()["errorCode"], "90002");
    }
    assert_eq!(globex.job(&waiting).await["status"], "submitted", "nobody else cancelled it");
}

#[tokio::test]
async fn own_jobs_answer_by_role_and_a_revoked_key_opens_nothing() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let body = stateful(&["select Id from Account"]);
    for (role, _) in ROLES {
        for (method, path, of_file) in OPERATIONS {
            let job = client.submit(&body).await;
            let file = match of_file {
                true => client.run(&[1]).await.manifest.expect("it is completed").artifacts[0]
                    .id
                    .to_string(),
                false => String::new(),
            };
            let path = path
                .replace("{}", if *of_file { &file } else { job["id"].as_str().expect("an id") });
            let answer = ask(&server, role, method, &path).await;
            let expected = match (role, method == Method::DELETE) {
                ("reader", true) => StatusCode::FORBIDDEN,
                _ => StatusCode::OK,
            };
            assert_eq!(answer.status, expected, "{role} {method} {path}");
            assert_eq!(answer.json().get("errorCode"), None, "{role} {method} {path}");
            client.cancel(&job).await;
        }
    }
    for (role, expected) in [("reader", 403), ("exporter", 200), ("admin", 200)] {
        let request = Request::builder()
            .method(Method::POST)
            .uri(JOBS)
            .header("apiAccessKeyId", format!("acme-{role}"))
            .header("apiSecretAccessKey", SECRET)
            .body(Body::from(body.to_string()));
        let answer = server.send(request.expect("a request")).await;
        assert_eq!(answer.status.as_u16(), expected, "{role}");
    }
    let job = client.submit(&body).await;
    let access: &dyn outhaul_exports::ports::AccessStore = server.world.store.as_ref();
    let now = server.world.exports.now();
    for (role, _) in ROLES {
        let revoked = access.revoke_credential(&format!("acme-{role}"), now).await;
        assert_eq!(revoked.ok(), Some(1));
    }
    for (role, _) in ROLES {
        for (method, path, _) in OPERATIONS {
            let path = path.replace("{}", &id(&job));
            let answer = ask(&server, role, method, &path).await;
            let unknown = ask(&server, &format!("no-{role}"), method, &path).await;
            assert_eq!(said(&answer), said(&unknown), "{role} {method} {path}");
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
    }
}
