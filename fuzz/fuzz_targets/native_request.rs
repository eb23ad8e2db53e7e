//! The bodies of the native API's "create an export" and "preview", through its router: every one
//! is accepted, or refused as the client's mistake with a problem document.
#![no_main]

use std::cell::RefCell;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use outhaul_dialects::native::Native;
use outhaul_dialects::native::auth::AUDIENCE;
use outhaul_dialects::{Dialect, Setting};
use outhaul_exports::access::CredentialKind;
use outhaul_exports::ports::JobStore;
use outhaul_exports::principal::Role;
use outhaul_exports::testing::{self, World};
use outhaul_fuzz::{check_place, check_sentence, check_spec, run};
use serde_json::Value;
use tower::ServiceExt;

/// The key of somebody who may create exports.
const KEY: &str = "acme-exporter";
/// Requests that one server answers before another takes its place, which bounds what its store
/// remembers.
const REQUESTS_MAX: u32 = 1_000;

struct Server {
    world: World,
    router: Router,
    requests: u32,
}

thread_local! {
    static SERVER: RefCell<Server> = RefCell::new(Server::new());
}

fuzz_target!(|bytes: &[u8]| {
    SERVER.with_borrow_mut(|server| {
        if server.requests >= REQUESTS_MAX {
            *server = Server::new();
        }
        server.preview(bytes);
        server.create(bytes);
    });
});

impl Server {
    fn new() -> Self {
        let mut tenant = testing::tenant("acme");
        tenant.public_key = Some("a public key".to_owned());
        let policy = Native.policy();
        let world = World::new(Native.id(), policy, vec![tenant]);
        let kind = CredentialKind::ApiKey;
        run(world.add_credential(AUDIENCE, "acme", Role::Exporter, kind, "", KEY));
        let setting = Setting {
            exports: world.exports.clone(),
            base_url: "http://localhost".to_owned(),
            config: Value::Object(serde_json::Map::new()),
        };
        let router = Native.router(setting).expect("an empty section is good");
        Self { world, router, requests: 0 }
    }

    fn preview(&mut self, body: &[u8]) {
        let (status, answer) = self.post("/api/v1/preview", body);
        if status == StatusCode::OK {
            let rows = answer["rows"].as_array().map_or(0, Vec::len);
            assert!(rows <= 100, "a preview is short, not {rows} rows");
        } else {
            check_problem(body, status, &answer);
        }
    }

    fn create(&mut self, body: &[u8]) {
        let (status, answer) = self.post("/api/v1/exports", body);
        if status != StatusCode::ACCEPTED {
            return check_problem(body, status, &answer);
        }
        let id = answer["id"].as_str().expect("the answer names it").parse().expect("by its id");
        let tenant = "acme".into();
        let store = &self.world.store;
        let export = run(store.get(&tenant, id)).expect("memory is never away");
        check_spec(&export.expect("what was accepted is stored").spec);
        // Its place is free again, so that the limit of active exports hides nothing.
        run(store.remove(&tenant, id, testing::noon())).expect("it does not run");
    }

    fn post(&mut self, path: &str, body: &[u8]) -> (StatusCode, Value) {
        self.requests += 1;
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_vec()))
            .expect("it is a request");
        run(async {
            let Ok(answer) = self.router.clone().oneshot(request).await;
            let status = answer.status();
            let bytes = answer.into_body().collect().await.expect("the answer is whole").to_bytes();
            (status, serde_json::from_slice(&bytes).expect("the answer is JSON"))
        })
    }
}

fn check_problem(body: &[u8], status: StatusCode, problem: &Value) {
    assert!(status.is_client_error(), "{status}: {problem}");
    assert_ne!(status, StatusCode::UNAUTHORIZED, "{problem}");
    assert_eq!(problem["status"], status.as_u16(), "{problem}");
    check_sentence(problem["detail"].as_str().expect("a problem has a detail"));
    if let (Some(line), Some(column)) = (problem["line"].as_u64(), problem["column"].as_u64()) {
        let readable = match std::str::from_utf8(body) {
            Ok(text) => text,
            Err(error) => {
                std::str::from_utf8(&body[..error.valid_up_to()]).expect("so far it is UTF-8")
            }
        };
        check_place(readable, line as usize, column as usize);
    }
}
