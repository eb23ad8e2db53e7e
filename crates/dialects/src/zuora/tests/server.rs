//! A server without wires, with two tenants that share every table.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use chrono::TimeDelta;
use chrono_tz::Tz;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use outhaul_exports::access::CredentialKind;
use outhaul_exports::export::Export;
use outhaul_exports::policy::Policy;
use outhaul_exports::principal::{Role, Tenant};
use outhaul_exports::testing::{self, World};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::zuora::AUDIENCE;
use crate::zuora::aqua::ZuoraAqua;
use crate::zuora::export::{self, ZuoraExport};
use crate::{Commons, Dialect, Setting};

pub const BASE_URL: &str = "https://exports.example";
/// The client ids of the two tenants; their secret is [`SECRET`].
pub const CLIENTS: [(&str, &str); 2] = [
    ("acme", "0c5b7e0e-77a5-4f0e-9c38-0a4d2f6f5a01"),
    ("globex", "0c5b7e0e-77a5-4f0e-9c38-0a4d2f6f5a02"),
];
pub const SECRET: &str = "s3cret/with+special=characters";
pub const ROLES: [(&str, Role); 3] =
    [("admin", Role::Admin), ("exporter", Role::Exporter), ("reader", Role::Reader)];

pub struct Server {
    pub world: World,
    pub router: Router,
    pub tokens: [String; 2],
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// acme: in Los Angeles, without a public key. globex: two entities, two orgs, and a key of age.
/// initech: an OpenPGP key.
fn tenants() -> Vec<Tenant> {
    let mut acme = testing::tenant("acme");
    acme.zone = Tz::America__Los_Angeles;
    let mut globex = testing::tenant("globex");
    globex.entities = vec!["e-1".into(), "e-2".into()];
    globex.orgs = vec!["o-1".into(), "O2-ab".into()];
    globex.public_key = Some("age1tenantkey".into());
    let mut initech = testing::tenant("initech");
    initech.public_key = Some("-----BEGIN PGP PUBLIC KEY BLOCK-----".into());
    vec![acme, globex, initech]
}

impl Server {
    /// The Object Export API.
    pub async fn new() -> Self {
        Self::with(shared()).await
    }

    /// The Object Export API with this configuration section.
    pub async fn with(config: Value) -> Self {
        Self::of(&ZuoraExport, config, ZuoraExport.policy()).await
    }

    /// AQuA with this configuration section, and the same of the Object Export API as [`Self::new`].
    pub async fn aqua(config: Value) -> Self {
        Self::of(&ZuoraAqua, config, ZuoraAqua.policy()).await
    }

    /// One API alone, under a policy.
    pub async fn of(dialect: &dyn Dialect, config: Value, policy: Policy) -> Self {
        let world = World::new(dialect.id(), policy, tenants());
        let mut tokens = Vec::new();
        for (tenant, client) in CLIENTS {
            add_credentials(&world, tenant, client).await;
            let ttl = outhaul_exports::limits::TOKEN_TTL;
            let grant = world.exports.grant_token(AUDIENCE, client, SECRET, ttl).await;
            tokens.push(grant.expect("the pair is right").token);
        }
        add_key_pairs(&world, "initech").await;
        let sections = BTreeMap::from([(export::ID.to_owned(), shared())]);
        let setting = Setting {
            commons: Arc::new(Commons::new(sections)),
            ..Setting::alone(world.exports.clone(), BASE_URL, config)
        };
        let router = dialect.router(setting).expect("the section is right");
        Self { world, router, tokens: tokens.try_into().expect("two tenants") }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router does not fail");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body is whole").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Lets what answers have set going come to its end.
    pub async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// A request of acme with its access-key pair, which outlives every token.
    pub async fn ask(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        self.send(self.request(method, path).body(body.into()).expect("a request")).await
    }

    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        request_of("acme", method, path)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    /// Creates an export of acme and answers its id.
    pub async fn create(&self) -> String {
        let answer = self.ask(Method::POST, "/v1/object/export", SAMPLE).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()["Id"].as_str().expect("an id").to_owned()
    }

    /// Runs the oldest queued export to its end and answers the id of its file.
    pub async fn complete(&self, name: &str, media_type: &str, bytes: &[u8]) -> String {
        let export = self.world.start_next().await.expect("one is queued");
        let export = self.world.complete(&export, &[(name, media_type, bytes)]).await;
        let manifest = export.manifest.expect("it is completed");
        manifest.artifacts[0].id.to_string()
    }

    /// Runs the oldest queued export to its end, with a file of text for each of its queries.
    pub async fn complete_all(&self, files: &[String]) -> Export {
        let export = self.world.start_next().await.expect("one is queued");
        let files: Vec<_> =
            files.iter().map(|text| ("x.csv", "text/csv", text.as_bytes())).collect();
        self.world.complete(&export, &files).await
    }

    pub fn advance(&self, seconds: i64) {
        self.world.clock.advance(TimeDelta::seconds(seconds));
    }
}

/// The section of the Object Export API, in which also AQuA finds rates of exchange.
fn shared() -> Value {
    json!({ "rates": { "base": "USD", "table": { "EUR": "0.92" } } })
}

/// A request of a tenant's exporter.
pub fn request_of(tenant: &str, method: Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("apiAccessKeyId", format!("{tenant}-exporter"))
        .header("apiSecretAccessKey", SECRET)
}

/// The payload of Zuora's documentation.
pub const SAMPLE: &str =
    r#"{"Query": "select AccountNumber, BillCycleDay from Account", "Format": "csv"}"#;

async fn add_credentials(world: &World, tenant: &str, client: &str) {
    let add = async |role, kind, public: &str| {
        world.add_credential(AUDIENCE, tenant, role, kind, public, SECRET).await;
    };
    add(Role::Exporter, CredentialKind::ClientSecret, client).await;
    add(Role::Exporter, CredentialKind::Password, &format!("{tenant}@example.com")).await;
    add_key_pairs(world, tenant).await;
    // A credential of another API opens nothing here.
    world
        .add_credential(
            "native",
            tenant,
            Role::Admin,
            CredentialKind::KeyPair,
            &format!("{tenant}-native"),
            SECRET,
        )
        .await;
}

async fn add_key_pairs(world: &World, tenant: &str) {
    for (name, role) in ROLES {
        let public = format!("{tenant}-{name}");
        let kind = CredentialKind::KeyPair;
        world.add_credential(AUDIENCE, tenant, role, kind, &public, SECRET).await;
    }
}
