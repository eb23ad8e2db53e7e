//! The dialect through its door: the real router over a store in memory, and a clock that stands
//! still until a test moves it.

mod access;
mod at_once;
mod bad_input;
mod callbacks;
mod jobs;
mod limits;
mod malformed;
mod secrets;
mod wire;

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use outhaul_exports::access::CredentialKind;
use outhaul_exports::export::Export;
use outhaul_exports::ports::{JobStore, ListFilter};
use outhaul_exports::principal::{Role, TenantId};
use outhaul_exports::testing::{self, World};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::ids::{JobNumber, named};
use super::*;

const BASE_URL: &str = "https://exports.example.com";
/// Who asks: a name, a tenant, a role, and a client id. All of them have [`SECRET`].
const CLIENTS: [(&str, &str, Role, &str); 4] = [
    ("acme", "acme", Role::Exporter, "1000.ACME"),
    ("acme_admin", "acme", Role::Admin, "1000.ACMEADMIN"),
    ("acme_reader", "acme", Role::Reader, "1000.ACMEREADER"),
    ("globex", "globex", Role::Exporter, "1000.GLOBEX"),
];
const SECRET: &str = "s3cret/with+special=characters";
/// Refresh tokens by tenant.
const REFRESH: [(&str, &str); 2] =
    [("acme", "1000.acme.refresh"), ("globex", "1000.globex.refresh")];
/// The ids of acme's org and workspace.
const ORG: &str = "77";
const WORKSPACE: &str = "5001";

/// A server with two tenants, of which acme has ids and saved queries of its own.
struct Server {
    world: World,
    router: Router,
    /// What stands for tokens and ids, by name.
    words: BTreeMap<String, String>,
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

    /// The data of a success.
    fn data(&self) -> Value {
        let json = self.json();
        assert_eq!((self.status, &json["status"]), (200, &json!("success")), "{}", self.text());
        assert!(json["summary"].is_string(), "{json}");
        json["data"].clone()
    }

    /// The status and the code of a refusal, whose envelope is whole.
    fn trouble(&self) -> (u16, u64) {
        let json = self.json();
        let data = &json["data"];
        let plain = |text: &str| {
            text.bytes().all(|b| b.is_ascii_uppercase() || b"_0123456789".contains(&b))
        };
        assert_eq!(json["status"], "failure", "{} {}", self.status, self.text());
        assert!(
            json["summary"].as_str().is_some_and(|name| !name.is_empty() && plain(name)),
            "{json}"
        );
        let message = data["errorMessage"].as_str().unwrap_or_default();
        assert!(!message.is_empty() && !message.contains(char::is_control), "{json}");
        assert_eq!(self.header("content-type"), "application/json;charset=utf-8");
        assert_eq!(self.header("cache-control"), "no-store");
        (self.status, data["errorCode"].as_u64().expect("the code is a number"))
    }
}

impl Server {
    async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// With further settings of the dialect.
    async fn with(settings: Value) -> Self {
        let tenants = vec![testing::tenant("acme"), testing::tenant("globex")];
        let world = World::new(ID, Zoho.policy(), tenants);
        let mut words = BTreeMap::new();
        for (name, tenant, role, client) in CLIENTS {
            let kind = CredentialKind::ClientSecret;
            world.add_credential(AUDIENCE, tenant, role, kind, client, SECRET).await;
            words.insert(name.to_owned(), token(&world, client).await);
        }
        for (tenant, token) in REFRESH {
            let kind = CredentialKind::ApiKey;
            world.add_credential(REFRESH_AUDIENCE, tenant, Role::Reader, kind, "", token).await;
        }
        for name in ["Account", "Contact", "Invoice", "PaymentMethod", "Totals", "Broken"] {
            words.insert(name.to_owned(), view_id(WORKSPACE, name));
        }
        let theirs = named("workspace", "globex").to_string();
        words.insert("globex_Account".to_owned(), view_id(&theirs, "Account"));
        words.insert("globex_org".to_owned(), named("org", "globex").to_string());
        words.insert("globex_workspace".to_owned(), theirs);
        let mut config = section();
        for (key, value) in settings.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        // A slash at the end of the base URL makes no two of links.
        let setting = Setting::alone(world.exports.clone(), &format!("{BASE_URL}/"), config);
        let router = Zoho.router(setting).expect("the section is right");
        Self { world, router, words }
    }

    /// With tokens that are valid for a month.
    async fn with_long_tokens(mut self) -> Self {
        for (name, _, _, client) in CLIENTS {
            let ttl = std::time::Duration::from_secs(30 * 24 * 3_600);
            let grant = self.world.exports.grant_token(AUDIENCE, client, SECRET, ttl).await;
            self.words.insert(name.to_owned(), grant.expect("the pair is right").token);
        }
        self
    }

    fn word(&self, name: &str) -> &str {
        self.words.get(name).unwrap_or_else(|| panic!("nothing is called {name}"))
    }

    /// A text with words in place of their names.
    fn filled(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (name, word)| {
            text.replace(&format!("{{{{{name}}}}}"), word)
        })
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router does not fail");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("the body is whole").to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    /// A request of somebody of [`CLIENTS`] that names the org; names of words may stand in the path.
    fn request_of(&self, who: &str, method: &str, path: &str) -> http::request::Builder {
        let org = if who == "globex" { self.word("globex_org") } else { ORG };
        Request::builder()
            .method(method)
            .uri(self.filled(path))
            .header("Authorization", format!("Zoho-oauthtoken {}", self.word(who)))
            .header("ZANALYTICS-ORGID", org)
    }

    async fn ask_as(&self, who: &str, method: &str, path: &str, body: &str) -> Answer {
        let request = self.request_of(who, method, path).body(Body::from(body.to_owned()));
        self.send(request.expect("a request")).await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_as("acme", method, path, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// What the creation of a job of the view Account is answered.
    async fn try_create(&self, config: &Value) -> Answer {
        self.get(&format!("{}?{}", view_path("Account"), parameter(config))).await
    }

    /// Creates a job of a view; answers its number.
    async fn create_of(&self, view: &str, config: &Value) -> String {
        let answer = self.get(&format!("{}?{}", view_path(view), parameter(config))).await;
        number_of(&answer)
    }

    async fn create(&self, config: &Value) -> String {
        self.create_of("Account", config).await
    }

    /// What the creation of a job of a statement is answered.
    async fn try_statement(&self, config: &Value) -> Answer {
        self.get(&format!("{SQL_PATH}?{}", parameter(config))).await
    }

    /// A job as its owner sees it.
    async fn job(&self, number: &str) -> Value {
        self.get(&job_path(number)).await.data()
    }

    /// What is stored of a job.
    async fn stored(&self, tenant: &str, number: &str) -> Export {
        let number = JobNumber::parse(number).expect("it is a number");
        let tenant = TenantId::from(tenant);
        let found = self.world.store.get(&tenant, number.export(&tenant)).await;
        found.expect("memory is never away").expect("the job is there")
    }

    /// All jobs that are stored, cancelled ones too.
    async fn all_jobs(&self, tenant: &str) -> Vec<Export> {
        let filter = ListFilter {
            tenant: tenant.into(),
            dialect: None,
            states: vec![],
            session: None,
            label: None,
            before: None,
            kept_at: None,
            most: u32::MAX,
        };
        self.world.store.list(&filter).await.expect("memory is never away")
    }

    /// Runs the job that is next to its end, with a file of text.
    async fn complete(&self, text: &str) -> Export {
        let export = self.world.start_next().await.expect("a job is due");
        self.world.complete(&export, &[("Account.csv", "text/csv", text.as_bytes())]).await
    }

    async fn cancel(&self, number: &str) {
        let answer = self.ask("DELETE", &job_path(number), "").await;
        assert_eq!(answer.data()["jobCode"], "1003");
    }

    fn advance(&self, seconds: i64) {
        self.world.clock.advance(chrono::TimeDelta::seconds(seconds));
    }
}

const SQL_PATH: &str = "/restapi/v2/bulk/workspaces/5001/data";
const SQL_FORM: &str = "/restapi/v2/bulk/workspaces/5001/exportjobs";

/// Where a job of a view is created.
fn view_path(view: &str) -> String {
    format!("/restapi/v2/bulk/workspaces/{WORKSPACE}/views/{{{{{view}}}}}/data")
}

/// Where it is created by a form.
fn view_form(view: &str) -> String {
    format!("/restapi/v2/bulk/workspaces/{WORKSPACE}/views/{{{{{view}}}}}/exportjobs")
}

fn job_path(number: &str) -> String {
    format!("/restapi/v2/bulk/workspaces/{WORKSPACE}/exportjobs/{number}")
}

/// CONFIG as a client sends it.
fn parameter(config: &Value) -> String {
    format!("CONFIG={}", encoded(&config.to_string()))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn number_of(answer: &Answer) -> String {
    let data = answer.data();
    let number = data["jobId"].as_str().expect("it is a text").to_owned();
    assert!(JobNumber::parse(&number).is_some(), "{number}");
    number
}

fn view_id(workspace: &str, name: &str) -> String {
    named("view", &format!("{workspace}\n{name}")).to_string()
}

async fn token(world: &World, client: &str) -> String {
    let ttl = std::time::Duration::from_secs(3_600);
    world.exports.grant_token(AUDIENCE, client, SECRET, ttl).await.expect("the pair is right").token
}

/// The dialect's section of the configuration.
fn section() -> Value {
    let totals = "select Status, count(*) as n, sum(Amount) as \"Total Amount\" from Invoice group by Status";
    json!({ "orgs": { "acme": {
        "org_id": 77, "org_name": "Acme Inc", "workspace_id": 5001, "workspace_name": "Sales",
        "query_tables": [
            { "name": "Totals", "sql": totals, "description": "Invoices by status" },
            { "name": "Broken", "sql": "select Nothing from Invoice" },
        ],
    }}})
}
