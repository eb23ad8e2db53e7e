//! The real router over a store in memory and a clock that stands still.

mod bad_input;
mod events;
mod idempotency;
mod links;
mod matrix;
mod notices;
mod sessions;
mod wire;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use chrono::TimeDelta;
use http::Request;
use http_body_util::BodyExt;
use outhaul_exports::access::{CredentialKind, sha256_hex};
use outhaul_exports::notice::{MessageKind, Retries};
use outhaul_exports::ports::{AccessStore, Outbox, TakeMessages};
use outhaul_exports::principal::Role;
use outhaul_exports::testing::{self, World};
use outhaul_exports::{Clock, export::Export};
use serde_json::Value;
use tower::ServiceExt;

use super::*;

/// A server with three tenants: `acme` has no public key, `globex` one of age, `initech` one of
/// OpenPGP. API keys are named `TENANT-ROLE`; `acme-revoked` was revoked, and
/// `acme-foreign` is for another API.
pub struct Server {
    pub world: World,
    pub router: Router,
}

impl Server {
    pub async fn new() -> Self {
        Self::with(Native.policy(), NativeConfig::default(), Duration::from_secs(15)).await
    }

    pub async fn with(policy: Policy, config: NativeConfig, heartbeat: Duration) -> Self {
        let mut globex = testing::tenant("globex");
        globex.public_key = Some("age1examplekey".to_owned());
        let mut initech = testing::tenant("initech");
        initech.public_key = Some("-----BEGIN PGP PUBLIC KEY BLOCK-----".to_owned());
        let world = World::new("native", policy, vec![testing::tenant("acme"), globex, initech]);
        for tenant in ["acme", "globex", "initech"] {
            for (name, role) in
                [("admin", Role::Admin), ("exporter", Role::Exporter), ("reader", Role::Reader)]
            {
                let key = format!("{tenant}-{name}");
                add_key(&world, "native", tenant, role, &key).await;
            }
        }
        add_key(&world, "native", "acme", Role::Admin, "acme-revoked").await;
        let now = world.clock.now();
        let hash = sha256_hex("acme-revoked");
        world.store.revoke_credential(&hash, now).await.expect("memory is never away");
        add_key(&world, "zuora", "acme", Role::Admin, "acme-foreign").await;
        let pace = Pace { heartbeat, pause: Duration::ZERO };
        let base = "https://exports.example.com/".to_owned();
        let router = routes::router(App::new(world.exports.clone(), base, config, pace));
        Self { world, router }
    }

    /// Sends a request with a key and a JSON body (none when empty).
    pub async fn send(&self, method: &str, path: &str, key: &str, body: &str) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        self.router.clone().oneshot(request).await.expect("an answer")
    }

    /// Sends a request that must be answered with `status`, and reads the JSON of the answer.
    pub async fn json(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
        status: u16,
    ) -> Value {
        let response = self.send(method, path, key, body).await;
        let found = response.status();
        let bytes = bytes(response).await;
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(found, status, "{method} {path}: {text}");
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// Sends the messages that are due, as far as the address is concerned: `ADDRESS` takes it,
    /// `ADDRESS busy WHY` and `ADDRESS never WHY` refuse it.
    pub async fn settle(&self, what: &str) {
        let mut words = what.splitn(3, ' ');
        let (address, how) = (words.next().unwrap_or_default(), words.next());
        let why = words.next().unwrap_or_default();
        let now = self.world.clock.now();
        let ttl = TimeDelta::seconds(0);
        let ask = TakeMessages { kind: MessageKind::MAIL, most: 1, ttl, now };
        let store = &self.world.store;
        let taken = store.take(&ask).await.expect("memory is never away").remove(0);
        assert_eq!(taken.kind.to(), address);
        let next = Retries::default().next_due(&taken, now);
        let settled = match how {
            None => store.sent(&taken, now).await,
            Some("busy") => store.failed(&taken, why, next, now).await,
            Some(_) => store.failed(&taken, why, None, now).await,
        };
        assert!(settled.expect("memory is never away"), "it waits");
    }

    /// Creates an export of acme's and lets the clock move on, so that ids sort as they were made.
    pub async fn create(&self, key: &str) -> String {
        self.create_as(key, PLAIN).await
    }

    /// The same, with a body of its own.
    pub async fn create_as(&self, key: &str, body: &str) -> String {
        let export = self.json("POST", "/api/v1/exports", key, body, 202).await;
        self.world.clock.advance(TimeDelta::seconds(1));
        export["id"].as_str().expect("it has an id").to_owned()
    }

    /// Creates an export and ends it with one csv file; answers its id and the file's.
    pub async fn publish(&self, key: &str, bytes: &[u8]) -> (String, String) {
        self.publish_as(key, PLAIN, bytes).await
    }

    /// The same, with a body of its own.
    pub async fn publish_as(&self, key: &str, body: &str, bytes: &[u8]) -> (String, String) {
        let id = self.create_as(key, body).await;
        let running = self.world.start_next().await.expect("it is due");
        assert_eq!(running.id.to_string(), id);
        let done: Export =
            self.world.complete(&running, &[("Invoice.csv", "text/csv", bytes)]).await;
        let manifest = done.manifest.expect("it is complete");
        (id, manifest.artifacts[0].id.to_string())
    }
}

/// An export as good as any.
const PLAIN: &str = r#"{"queries": [{"object": "Invoice", "fields": ["Id"]}], "format": "csv"}"#;

async fn add_key(world: &World, audience: &str, tenant: &str, role: Role, key: &str) {
    world.add_credential(audience, tenant, role, CredentialKind::ApiKey, "", key).await;
}

pub async fn bytes(response: Response) -> Bytes {
    response.into_body().collect().await.expect("the body is whole").to_bytes()
}
