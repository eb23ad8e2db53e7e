//! Every fault there is, as a table, and those of them that HTTP itself gives cause for.

use super::*;
use crate::cortex::error::{Fault, Kind};

/// Code, finer code and status of each situation (Medable documentation, "Faults").
const TABLE: &str = "\
InvalidObject: kInvalidObject cortex.invalidArgument.object 400
Validation: kValidationError cortex.invalidArgument.validation 400
Required: kRequired cortex.validation.required 400
EnumValue: kEnumValue cortex.validation.enumValue 400
InvalidString: kInvalidString cortex.error.unspecified 500
InvalidProperty: kInvalidArgument cortex.invalidArgument.unspecified 400
InvalidArgument: kInvalidArgument cortex.invalidArgument.unspecified 400
Query: kInvalidArgument cortex.invalidArgument.query 400
NotLoggedIn: kNotLoggedIn cortex.accessDenied.notLoggedIn 403
SessionExpired: kSessionExpired cortex.accessDenied.sessionExpired 403
LoggedInElsewhere: kLoggedInElsewhere cortex.accessDenied.loggedInElsewhere 403
CsrfMismatch: kCSRFTokenMismatch cortex.accessDenied.csrfTokenMismatch 403
InvalidCredentials: kInvalidCredentials cortex.accessDenied.invalidCredentials 403
AccountLocked: kAccountLocked cortex.accessDenied.accountLocked 403
InvalidSignature: kInvalidRequestSignature cortex.accessDenied.invalidRequestSignature 403
StaleSignature: kStaleRequestSignature cortex.invalidArgument.staleRequestSignature 400
AccessDenied: kAccessDenied cortex.accessDenied.unspecified 403
NotFoundInstance: kNotFound cortex.notFound.instance 404
NotFound: kNotFound cortex.notFound.unspecified 404
MediaNotReady: kMediaNotReady cortex.accepted.mediaNotReady 202
TooLarge: kRequestTooLarge cortex.tooLarge.unspecified 413
StorageFull: kRequestTooLarge cortex.tooLarge.storage 413
Throttled: kThrottled cortex.throttled.unspecified 429
TooBusy: kTooBusy cortex.tooBusy.unspecified 503
Exists: kExists cortex.exists.unspecified 409
Expired: kExpired cortex.expired.unspecified 410
Unsupported: kUnsupportedOperation cortex.unsupportedOperation.unspecified 400
Timeout: kTimeout cortex.timeout.unspecified 408
Internal: kError cortex.error.unspecified 500
";

#[test]
fn every_fault_has_its_codes() {
    let mut table = String::new();
    for kind in Kind::ALL {
        let fault = Fault::new(kind, "why").at("a.b").json();
        check_fault(&fault);
        assert_eq!((&fault["reason"], &fault["path"]), (&json!("why"), &json!("a.b")));
        let text = |key: &str| fault[key].as_str().unwrap_or_default().to_owned();
        let line = format!("{kind:?}: {} {} {}\n", text("code"), text("errCode"), fault["status"]);
        table.push_str(&line);
    }
    assert_eq!(table, TABLE);
}

#[test]
fn children_stand_in_their_parent() {
    let child = Fault::new(Kind::EnumValue, "One of: a, b").at("export.format");
    let fault = Fault::validation("export", vec![child]).json();
    assert_eq!(fault["resource"], "export");
    assert_eq!(fault["faults"][0]["code"], "kEnumValue");
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_faults() {
    let server = Server::new().await;
    let id = server.create("one").await;
    let methods = "GET, HEAD, PUT, PATCH, DELETE";
    for (method, path, code, status, allow) in [
        ("GET", "/", "kNotFound", 404, ""),
        ("GET", "/acme", "kNotFound", 404, ""),
        ("GET", "/acme/v2", "kNotFound", 404, ""),
        ("GET", "/acme/V2/exports", "kNotFound", 404, ""),
        ("GET", "/acme/v3/exports", "kNotFound", 404, ""),
        ("GET", "/acme/v2/nope", "kInvalidObject", 400, ""),
        ("GET", "/acme/v2/export", "kInvalidObject", 400, ""),
        ("GET", "/acme/v2/c_accounts", "kUnsupportedOperation", 400, ""),
        ("GET", "/acme/v2/accounts", "kUnsupportedOperation", 400, ""),
        ("GET", "/acme/v2/%2e%2e/exports", "kInvalidObject", 400, ""),
        ("GET", "/acme/v2/exports/%ff", "kInvalidArgument", 400, ""),
        ("GET", "/acme/v2/exports/0123", "kNotFound", 404, ""),
        ("GET", "/acme/v2/exports?x=%zz", "kInvalidArgument", 400, ""),
        ("DELETE", "/acme/v2/exports", "kUnsupportedOperation", 405, "GET, HEAD, POST"),
        ("POST", "/acme/v2/exports/ID", "kUnsupportedOperation", 405, methods),
        ("OPTIONS", "/acme/v2/exports/ID", "kUnsupportedOperation", 405, methods),
        ("FOO", "/acme/v2/exports/ID", "kUnsupportedOperation", 405, methods),
        ("PUT", "/acme/v2/exports/ID/label", "kUnsupportedOperation", 405, "GET, HEAD"),
        ("GET", "/acme/v2/accounts/login", "kUnsupportedOperation", 405, "POST"),
        ("POST", "/acme/v2/accounts/status", "kUnsupportedOperation", 405, "GET, HEAD"),
        ("GET", "/acme/v2/accounts/me/logout", "kUnsupportedOperation", 405, "POST"),
    ] {
        let path = path.replace("ID", &id);
        let below = path.strip_prefix("/acme/v2").unwrap_or_default();
        let mut request = server.signed(APP, "acme", method, below);
        request = request.uri(path.as_str());
        let answer = server.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.fault(), (code.to_owned(), status), "{method} {path}");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    let unsigned = Request::get("/acme/v2/nope").body(Body::empty()).expect("a request");
    assert_eq!(server.send(unsigned).await.fault().0, "kNotLoggedIn", "strangers learn nothing");
}

#[tokio::test]
async fn bodies_and_headers_that_are_not_taken_are_faults() {
    let server = Server::new().await;
    let long = "x".repeat(70_000);
    let body = json!({ "label": "x", "objects": "c_accounts" }).to_string();
    let huge = format!("{{\"label\":\"{}\"}}", "x".repeat(1_100_000));
    for (what, name, value, body, code, status) in [
        (
            "a form",
            "Content-Type",
            "application/x-www-form-urlencoded",
            &body,
            "kInvalidArgument",
            415,
        ),
        (
            "latin",
            "Content-Type",
            "application/json; charset=latin1",
            &body,
            "kInvalidArgument",
            415,
        ),
        ("br", "Content-Encoding", "br", &body, "kInvalidArgument", 415),
        ("no gzip", "Content-Encoding", "gzip", &body, "kInvalidArgument", 400),
        ("a large body", "X", "y", &huge, "kRequestTooLarge", 413),
        ("large headers", "X", &long, &body, "kRequestTooLarge", 431),
        ("two keys", "Medable-Client-Key", APP, &body, "kAccessDenied", 403),
        ("a bad key", "Idempotency-Key", "é", &body, "kInvalidArgument", 400),
    ] {
        let request = server.signed(APP, "acme", "POST", "/exports").header(name, value);
        let answer = server.send(request.body(Body::from(body.clone())).expect("a request")).await;
        assert_eq!(answer.fault(), (code.to_owned(), status), "{what}");
    }
    let request = server.signed(APP, "acme", "GET", "/exports");
    let long = format!("/acme/v2/exports?x={}", "y".repeat(65_100));
    let answer = server.send(request.uri(long).body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.fault(), ("kRequestTooLarge".to_owned(), 414));
    assert_eq!(server.get("/exports").await.ok()["data"], json!([]), "nothing was made");
}

#[tokio::test]
async fn a_store_that_is_away_is_a_fault_to_try_again_after() {
    let server = Server::new().await;
    let id = server.create("one").await;
    server.world.store.set_exports_away(true);
    for path in ["/exports".to_owned(), format!("/exports/{id}"), format!("/exports/{id}/state")] {
        let answer = server.get(&path).await;
        assert_eq!(answer.fault(), ("kTooBusy".to_owned(), 503), "{path}");
        assert!(!answer.header("retry-after").is_empty());
    }
}

#[tokio::test]
async fn a_head_is_answered_as_a_get_without_its_body() {
    let server = Server::new().await;
    let id = server.create("one").await;
    for path in [format!("/exports/{id}"), "/exports".to_owned(), "/exports/nope".to_owned()] {
        let get = server.get(&path).await;
        let head = server.ask("HEAD", &path, "").await;
        assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-length"), get.bytes.len().to_string());
    }
}
