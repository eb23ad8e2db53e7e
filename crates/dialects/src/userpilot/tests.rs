//! The real router over a store in memory and a clock that stands still.

mod bad_input;
mod jobs;
mod lookups;
mod openapi;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use outhaul_exports::access::CredentialKind;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::principal::Role;
use outhaul_exports::testing::{self, World};
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::Dialect;

/// A catalog with the objects that analytics need, under their default names.
const CATALOG: &str = include_str!("tests/catalog.toml");

/// A server with two tenants. Keys are named `TENANT-ROLE`.
struct Server {
    world: World,
    router: Router,
}

/// An answer that was read whole.
struct Answer {
    status: u16,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The only error of the body: its code and the member it names.
    fn error(&self) -> (String, String) {
        let json = self.json();
        let [error] = json["errors"].as_array().map(Vec::as_slice).unwrap_or_default() else {
            panic!("no error: {json}");
        };
        for name in ["details", "error", "error_code", "message"] {
            assert!(error[name].is_string(), "{name} is missing: {error}");
        }
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("error_code"), text("field"))
    }
}

impl Server {
    async fn new() -> Self {
        Self::with(serde_json::json!({}), catalog()).await
    }

    async fn with(config: Value, catalog: Catalog) -> Self {
        let tenants = vec![testing::tenant("acme"), testing::tenant("globex")];
        let world = World::of(ID, Userpilot.policy(), tenants, catalog);
        for tenant in ["acme", "globex"] {
            for (name, role) in [("exporter", Role::Exporter), ("reader", Role::Reader)] {
                let key = format!("{tenant}-{name}");
                let kind = CredentialKind::ApiKey;
                world.add_credential(AUDIENCE, tenant, role, kind, "", &key).await;
            }
        }
        let kind = CredentialKind::ApiKey;
        world.add_credential("native", "acme", Role::Admin, kind, "", "acme-foreign").await;
        let base_url = "https://exports.example.com/";
        let router = Userpilot.router(Setting::alone(world.exports.clone(), base_url, config));
        Self { router: router.expect("the settings are sound"), world }
    }

    async fn send(&self, method: &str, path: &str, key: &str, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header("Authorization", format!("Token {key}"));
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let response: Response =
            self.router.clone().oneshot(request).await.expect("it always answers");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("the body is whole").to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    /// Starts a job of acme's; answers its id.
    async fn start(&self, body: &str) -> String {
        let answer = self.send("POST", PREFIX, "acme-exporter", body).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()["job_id"].as_str().expect("it has an id").to_owned()
    }

    /// The job as its owner sees it.
    async fn job(&self, id: &str) -> Value {
        let answer = self.send("GET", &format!("{PREFIX}/jobs/{id}"), "acme-reader", "").await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    }
}

fn catalog() -> Catalog {
    #[derive(serde::Deserialize)]
    struct Objects {
        objects: Vec<RawObject>,
    }
    let objects: Objects = toml::from_str(CATALOG).expect("the catalog can be read");
    Catalog::check(objects.objects).expect("the catalog is sound")
}
