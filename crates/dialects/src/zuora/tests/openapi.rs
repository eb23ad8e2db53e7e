//! Whether a committed OpenAPI document and the routes say the same.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use super::server::{SECRET, Server};

const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// What stands for a parameter of a path.
const PARAMETERS: [(&str, &str); 5] = [
    ("{id}", "0123456789abcdef0123456789abcdef"),
    ("{file}", "0123456789abcdef0123456789abcdef"),
    ("{object}", "Account"),
    ("{partner}", "p"),
    ("{project}", "j"),
];

/// Every operation is served, and no other, and what it answers to an empty request is written.
///
/// # Panics
/// When it is not so.
pub async fn check_operations(document: &str, server: &Server) {
    let document: Value = serde_json::from_str(document).expect("the document is JSON");
    let paths = document["paths"].as_object().expect("it has paths");
    for (template, operations) in paths {
        let path = PARAMETERS
            .iter()
            .fold(template.clone(), |path, (name, value)| path.replace(name, value));
        for method in METHODS {
            let request = Request::builder()
                .method(method.clone())
                .uri(&path)
                .header("apiAccessKeyId", "acme-reader")
                .header("apiSecretAccessKey", SECRET)
                .body(Body::empty());
            let answer = server.send(request.expect("a request")).await;
            let written = operations.get(method.as_str().to_ascii_lowercase());
            // axum answers HEAD wherever it answers GET.
            let implied = method == Method::HEAD && operations.get("get").is_some();
            let served = answer.status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(served, written.is_some() || implied, "{method} {template}");
            assert!(!answer.text().contains("no such path"), "{method} {template}");
            if let Some(operation) = written {
                let status = answer.status.as_u16().to_string();
                let listed = operation["responses"].get(&status).is_some();
                assert!(listed, "{method} {template} answers {status}, which is not written");
            }
        }
    }
}

/// Follows every `$ref` of a document; answers how many there are.
///
/// # Panics
/// When one leads nowhere.
pub fn check_references(document: &str) -> usize {
    let document: Value = serde_json::from_str(document).expect("the document is JSON");
    let mut open = vec![&document];
    let mut count = 0;
    while let Some(value) = open.pop() {
        if let Some(Value::String(target)) = value.get("$ref") {
            count += 1;
            let pointer = target.strip_prefix('#').unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
        }
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(members) => open.extend(members.values()),
            _ => {}
        }
    }
    count
}
