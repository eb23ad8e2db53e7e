//! The committed OpenAPI document and the routes say the same.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::zuora::tests::server::{SECRET, Server};

const DOCUMENT: &str = include_str!("../../../../../../docs/openapi/zuora_export.json");
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

#[tokio::test]
async fn every_operation_is_served_and_no_other() {
    let document: Value = serde_json::from_str(DOCUMENT).expect("the document is JSON");
    let server = Server::new().await;
    let paths = document["paths"].as_object().expect("it has paths");
    for (template, operations) in paths {
        let path = template.replace("{id}", "0123456789abcdef0123456789abcdef");
        let path = path.replace("{object}", "Account");
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

/// Follows every `$ref` of the document.
#[test]
fn every_reference_leads_somewhere() {
    let document: Value = serde_json::from_str(DOCUMENT).expect("the document is JSON");
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
    assert!(count > 100, "{count}");
}
