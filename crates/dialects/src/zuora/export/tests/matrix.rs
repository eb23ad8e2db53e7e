//! Naming somebody else's ids tells nothing: every operation on an id answers another tenant's
//! exactly as an unknown one, whatever the role.

use axum::body::Body;
use http::{Method, Request, StatusCode};

use crate::zuora::tests::server::{Answer, ROLES, SAMPLE, SECRET, Server, request_of};

/// Operations on the id of an export, and of a file; `{}` is the id.
const OPERATIONS: &[(Method, &str, bool)] = &[
    (Method::GET, "/v1/object/export/{}", false),
    (Method::GET, "/v1/object/export/{}?fields=Status", false),
    (Method::DELETE, "/v1/object/export/{}", false),
    (Method::GET, "/v1/files/{}", true),
    (Method::HEAD, "/v1/files/{}", true),
    (Method::GET, "/v1/file/{}", true),
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

/// Status and body, without the id of the process, which is new each time.
fn said(answer: &Answer) -> (StatusCode, serde_json::Value) {
    let mut body = answer.json();
    if let Some(id) = body.get_mut("processId") {
        *id = "".into();
    }
    (answer.status, body)
}

#[tokio::test]
async fn foreign_deleted_and_malformed_ids_answer_as_unknown_ones() {
    let server = Server::new().await;
    let request = request_of("globex", Method::POST, "/v1/object/export").body(SAMPLE.into());
    let answer = server.send(request.expect("a request")).await;
    let foreign_export = answer.json()["Id"].as_str().expect("an id").to_owned();
    let foreign_file = server.complete("x.csv", "text/csv", b"a\nglobex\n").await;
    let deleted_export = server.create().await;
    let deleted_file = server.complete("x.csv", "text/csv", b"a\n").await;
    let path = format!("/v1/object/export/{deleted_export}");
    assert_eq!(server.ask(Method::DELETE, &path, "").await.status, StatusCode::OK);

    for (role, _) in ROLES {
        for (method, path, of_file) in OPERATIONS {
            let unknown = ask(&server, role, method, &path.replace("{}", UNKNOWN)).await;
            assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{role} {method} {path}");
            let own = if *of_file { &deleted_file } else { &deleted_export };
            let foreign = if *of_file { &foreign_file } else { &foreign_export };
            let others = [own.as_str(), foreign].into_iter().chain(MALFORMED.iter().copied());
            for id in others {
                let answer = ask(&server, role, method, &path.replace("{}", id)).await;
                assert_eq!(said(&answer), said(&unknown), "{role} {method} {path} {id}");
                let names = |a: &Answer| {
                    let mut names: Vec<_> = a.headers.keys().map(ToString::to_string).collect();
                    names.sort();
                    names
                };
                assert_eq!(names(&answer), names(&unknown), "{role} {method} {path} {id}");
            }
        }
    }
}

#[tokio::test]
async fn own_ids_answer_by_role_and_a_revoked_key_opens_nothing() {
    let server = Server::new().await;
    let access: &dyn outhaul_exports::ports::AccessStore = server.world.store.as_ref();
    for (method, path, of_file) in OPERATIONS {
        for (role, _) in ROLES {
            let export = server.create().await;
            let file = server.complete("x.csv", "text/csv", b"a\n").await;
            let path = path.replace("{}", if *of_file { &file } else { &export });
            let answer = ask(&server, role, method, &path).await;
            let expected = match (role, method == Method::DELETE) {
                ("reader", true) => StatusCode::FORBIDDEN,
                _ => StatusCode::OK,
            };
            assert_eq!(answer.status, expected, "{role} {method} {path}");
        }
    }
    let export = server.create().await;
    let now = server.world.exports.now();
    for (role, _) in ROLES {
        let revoked = access.revoke_credential(&format!("acme-{role}"), now).await;
        assert_eq!(revoked.ok(), Some(1));
    }
    for (role, _) in ROLES {
        for (method, path, _) in OPERATIONS {
            let answer = ask(&server, role, method, &path.replace("{}", &export)).await;
            let unknown =
                ask(&server, &format!("no-{role}"), method, &path.replace("{}", &export)).await;
            assert_eq!(said(&answer), said(&unknown), "{role} {method} {path}");
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
    }
}
