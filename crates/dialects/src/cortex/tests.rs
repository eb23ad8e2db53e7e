//! The dialect through its door: the real router over a store in memory, and a clock that stands
//! still until a test moves it.

mod bad_input;
mod bearer;
mod documents;
mod faults;
mod files;
mod jobs;
mod lists;
mod mutations;
mod orgs;
mod sessions;
mod signatures;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::request::Builder;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use outhaul_exports::access::CredentialKind;
use outhaul_exports::export::Export;
use outhaul_exports::principal::Role;
use outhaul_exports::testing::{self, World};
use serde_json::{Value, json};
use sha2::Sha256;
use tower::ServiceExt;

use super::*;
use crate::cortex::ids::ObjectId;

const BASE_URL: &str = "https://exports.example.com";
/// Accounts: tenant, e-mail address, role. All of them have [`PASSWORD`].
const ACCOUNTS: [(&str, &str, Role); 4] = [
    ("acme", "admin@acme.example", Role::Admin),
    ("acme", "exporter@acme.example", Role::Exporter),
    ("acme", "reader@acme.example", Role::Reader),
    ("globex", "admin@globex.example", Role::Admin),
];
const PASSWORD: &str = "correct horse";
/// Apps of acme: one that signs, one that signs as anybody of acme, one that wants CSRF tokens.
const APP: &str = "AcmeApp0000000000000AA";
const ANY_APP: &str = "AcmeApp0000000000000BB";
const CSRF_APP: &str = "c_acme_web";
/// Globex's app.
const THEIR_APP: &str = "GlobexApp0000000000000";
const SECRET: &str = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCD";
/// The code of globex's org, which is not its tenant's id.
const THEIR_ORG: &str = "gbx";

/// A server with two orgs.
struct Server {
    world: World,
    router: Router,
    nonces: AtomicU64,
}

/// An answer that was read whole.
struct Answer {
    status: u16,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The document of a success.
    fn ok(&self) -> Value {
        let json = self.json();
        assert_eq!(self.status, 200, "{}", self.text());
        assert_ne!(json["object"], "fault", "{json}");
        json
    }

    /// The code and the status of a fault, which is whole.
    fn fault(&self) -> (String, u16) {
        let json = self.json();
        assert_eq!(json["object"], "fault", "{} {}", self.status, self.text());
        check_fault(&json);
        assert_eq!(json["status"], self.status, "{json}");
        assert!(self.header("content-type").starts_with("application/json"));
        (json["code"].as_str().unwrap_or_default().to_owned(), self.status)
    }
}

/// Whether a fault has all that a client reads.
fn check_fault(json: &Value) {
    let text = |key: &str| json[key].as_str().unwrap_or_default();
    assert!(text("code").starts_with('k') && text("errCode").starts_with("cortex."), "{json}");
    assert!(["error", "validation", "fault"].contains(&text("name")), "{json}");
    assert!(!text("message").is_empty() && json["status"].is_u64(), "{json}");
    assert!(!text("reason").contains(char::is_control), "{json}");
    // What the vendor's own client would ask a person about.
    for asks in ["kNewLocation", "kUnverifiedLocation", "kCallbackFormat", "kCallbackNotFound"] {
        assert_ne!(text("code"), asks);
    }
    json["faults"].as_array().into_iter().flatten().for_each(check_fault);
}

impl Server {
    async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// With further settings of the dialect.
    async fn with(settings: Value) -> Self {
        let tenants = vec![testing::tenant("acme"), testing::tenant("globex")];
        let world = World::new(ID, Cortex.policy(), tenants);
        for (tenant, email, role) in ACCOUNTS {
            let kind = CredentialKind::Password;
            world.add_credential(AUDIENCE, tenant, role, kind, email, PASSWORD).await;
        }
        let mut config = section();
        for (key, value) in settings.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        // A slash at the end of the base URL makes no two of links.
        let setting = Setting::alone(world.exports.clone(), &format!("{BASE_URL}/"), config);
        let router = Cortex.router(setting).expect("the section is right");
        Self { world, router, nonces: AtomicU64::new(0) }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router does not fail");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("the body is whole").to_bytes();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, bytes };
        assert!(!answer.header("content-type").is_empty(), "clients read it of every answer");
        let time: i64 = answer.header("medable-server-time").parse().expect("it is a number");
        assert_eq!(time, self.world.exports.now().timestamp_millis());
        answer
    }

    fn nonce(&self) -> String {
        format!("{:016x}", self.nonces.fetch_add(1, Ordering::Relaxed))
    }

    /// A request of somebody: `app` signs it.
    fn signed(&self, app: &str, org: &str, method: &str, path: &str) -> Builder {
        let millis = self.world.exports.now().timestamp_millis().to_string();
        let command = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        Request::builder()
            .method(method)
            .uri(format!("/{org}/v2{path}"))
            .header("Medable-Client-Key", app)
            .header("Medable-Client-Signature", signature(app, command, method, &millis))
            .header("Medable-Client-Timestamp", millis)
            .header("Medable-Client-Nonce", self.nonce())
    }

    async fn ask_as(&self, app: &str, method: &str, path: &str, body: &str) -> Answer {
        let org = if app == THEIR_APP { THEIR_ORG } else { "acme" };
        let request = self.signed(app, org, method, path).body(Body::from(body.to_owned()));
        self.send(request.expect("a request")).await
    }

    /// Acme's administrator asks.
    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_as(APP, method, path, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// Somebody of acme, by name, asks.
    async fn ask_of(&self, email: &str, method: &str, path: &str, body: &str) -> Answer {
        let request = self.signed(ANY_APP, "acme", method, path);
        let request = request.header("Medable-Client-Account", email);
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    async fn try_create(&self, body: &Value) -> Answer {
        self.ask("POST", "/exports", &body.to_string()).await
    }

    /// Creates an export; answers its id.
    async fn create(&self, label: &str) -> String {
        id_of(&self.try_create(&json!({ "label": label, "objects": "c_accounts" })).await.ok())
    }

    async fn create_as(&self, app: &str, label: &str) -> String {
        let body = json!({ "label": label, "objects": "c_accounts" }).to_string();
        id_of(&self.ask_as(app, "POST", "/exports", &body).await.ok())
    }

    async fn state(&self, id: &str) -> Value {
        self.get(&format!("/exports/{id}/state")).await.ok()["data"].clone()
    }

    /// Runs the export that is next to its end, with bytes that stand for an archive.
    async fn complete(&self, bytes: &[u8]) -> Export {
        let export = self.world.start_next().await.expect("an export is due");
        self.world.complete(&export, &[("export.zip", "application/zip", bytes)]).await
    }

    fn advance(&self, seconds: i64) {
        self.world.clock.advance(chrono::TimeDelta::seconds(seconds));
    }
}

/// The signature of a request, as the vendor's client makes it.
fn signature(app: &str, command: &str, method: &str, millis: &str) -> String {
    let key = format!("{app}{SECRET}");
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key is one");
    mac.update(format!("{command};{method};{millis}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn id_of(document: &Value) -> String {
    let id = document["_id"].as_str().unwrap_or_default().to_owned();
    assert!(ObjectId::parse(&id).is_some(), "{document}");
    id
}

/// The dialect's section of the configuration.
fn section() -> Value {
    let key = include_str!("tests/bearer.pub");
    json!({
        "orgs": { "globex": { "code": THEIR_ORG } },
        "apps": [
            { "tenant": "acme", "key": APP, "secret": SECRET, "account": "admin@acme.example",
              "bearer_key": key, "revoked": ["gone"] },
            { "tenant": "acme", "key": ANY_APP, "secret": SECRET, "account": "admin@acme.example",
              "account_override": true },
            { "tenant": "acme", "key": CSRF_APP, "csrf": true },
            { "tenant": "globex", "key": THEIR_APP, "secret": SECRET,
              "account": "admin@globex.example", "bearer_key": key },
        ],
    })
}

#[test]
fn a_section_that_no_client_could_use_is_refused() {
    for (change, says) in [
        (json!({ "apps": [{ "tenant": "acme", "key": "short" }] }), "key has 22"),
        (json!({ "apps": [{ "tenant": "a", "key": APP, "secret": "x" }] }), "secret has 64"),
        (json!({ "apps": [{ "tenant": "a", "key": APP, "secret": SECRET }] }), "set account"),
        (json!({ "apps": [{ "tenant": "a", "key": APP, "bearer_key": "x" }] }), "RSA public key"),
        (json!({ "apps": [{ "tenant": "a", "key": APP }, { "tenant": "b", "key": APP }] }), "two"),
        (json!({ "orgs": { "acme": { "code": "a/b" } } }), "a code has"),
        (json!({ "orgs": { "acme": { "code": "RestApi" } } }), "where another API begins"),
        (json!({ "orgs": { "a": { "code": "x" }, "b": { "code": "x" } } }), "two orgs"),
        (json!({ "link_secs": 0 }), "link_secs"),
        (json!({ "session_secs": 99_999_999 }), "session_secs"),
        (json!({ "skew_secs": 4_000 }), "skew_secs"),
        (json!({ "unknown": 1 }), "unknown"),
    ] {
        let world = World::new(ID, Cortex.policy(), vec![testing::tenant("acme")]);
        let setting = Setting::alone(world.exports.clone(), BASE_URL, change.clone());
        let error = Cortex.router(setting).map(drop).expect_err("it is refused");
        assert!(error.public().contains(says), "{change}: {}", error.public());
        assert!(!error.public().contains(SECRET), "{}", error.public());
    }
}
