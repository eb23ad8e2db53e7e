//! The sections of `outhaul.toml`, with their defaults. The catalog's objects, the sources and the
//! dialects have section types of their own rooms.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use outhaul_engine::sources::SourceConfig;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::limits;
use outhaul_exports::policy::PolicyChange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::callbacks::Callbacks;
use super::size::Size;

/// The whole file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "outhaul.toml")]
pub struct Config {
    /// The HTTP server.
    pub server: Server,
    /// Where exports, credentials and links are remembered.
    pub store: Store,
    /// Where finished files are kept.
    pub artifacts: Artifacts,
    /// What runs exports.
    pub worker: Worker,
    /// Mails that tell of exports' ends.
    pub mail: Mail,
    /// HTTP requests that tell of exports' ends.
    pub callbacks: Callbacks,
    /// Customers' scripts that are run when exports have ended.
    pub scripts: Scripts,
    /// Logs.
    pub log: Log,
    /// Where rows are.
    pub sources: Vec<SourceConfig>,
    /// What may be exported.
    pub catalog: CatalogSection,
    /// The customers.
    pub tenants: Vec<TenantSection>,
    /// The APIs on the wire, by id.
    pub dialects: BTreeMap<String, DialectSection>,
}

/// `[server]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on; port 0 picks a free one.
    pub listen: String,
    /// Where clients reach this server, such as `https://exports.example.com`; links are built
    /// from it. Made from `listen` when absent.
    pub base_url: Option<String>,
    /// Address and port for /metrics alone; on the main port when absent.
    pub metrics_listen: Option<String>,
    /// Connections at once; further ones wait.
    pub connections_max: u32,
    /// Bytes of a request's head (request line and headers).
    pub header_bytes_max: Size,
    /// Headers of a request.
    pub headers_max: u32,
    /// Seconds in which a request's head must arrive.
    pub header_secs: u64,
    /// Seconds that a request's body may pause.
    pub body_idle_secs: u64,
    /// Seconds that a request's whole body may take.
    pub body_secs: u64,
    /// Seconds that a client may pause while it reads an answer.
    pub write_idle_secs: u64,
    /// Seconds that open downloads and running exports get when the server stops.
    pub shutdown_secs: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            base_url: None,
            metrics_listen: None,
            connections_max: 4096,
            header_bytes_max: Size(128 << 10),
            headers_max: 100,
            header_secs: 10,
            body_idle_secs: 10,
            body_secs: 60,
            write_idle_secs: 60,
            shutdown_secs: 30,
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sqlite:PATH`.
    pub url: String,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite:outhaul.db".into() }
    }
}

/// `[artifacts]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Artifacts {
    /// A folder, or the address of an object store (`s3://bucket/prefix`, `gs://`, `az://`).
    pub url: String,
    /// Settings of the object store; secrets as references.
    pub options: BTreeMap<String, String>,
}

impl Default for Artifacts {
    fn default() -> Self {
        Self { url: "artifacts".into(), options: BTreeMap::new() }
    }
}

/// `[worker]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Whether `outhaul serve` runs exports itself.
    pub enabled: bool,
    /// Address and port on which `outhaul worker` answers `/healthz`, `/readyz` and `/metrics`, and
    /// nothing else; none when absent.
    pub listen: Option<String>,
    /// Exports run at once, each in a process of its own.
    pub slots: u32,
    /// Processes that check and preview queries for the API; no tenant has all of them at work
    /// when there is more than one.
    pub planners: u32,
    /// Memory of one slot's query operators; past it they spill to disk.
    pub memory: Size,
    /// Memory of one slot in all; past it the slot is killed.
    pub memory_hard: Size,
    /// Threads of one slot; the machine's processors when absent.
    pub threads: Option<u32>,
    /// Folder for spill files.
    pub spill_dir: String,
    /// Bytes of one slot's spill files.
    pub spill_bytes: Size,
    /// Seconds between a running export's signs of life.
    pub heartbeat_secs: u64,
    /// Seconds after which an export whose worker gave no sign of life is run by another.
    pub lease_secs: u64,
    /// Seconds between two looks for exports whose worker fell silent.
    pub sweep_secs: u64,
    /// Seconds that running exports get to end when the server stops; then they are handed back
    /// and run again later.
    pub drain_secs: u64,
    /// Seconds after which files that belong to no export, such as the remains of killed attempts,
    /// are deleted; looked for every five minutes, or as often as this when it is shorter.
    pub orphan_secs: u64,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: None,
            slots: 2,
            planners: 2,
            memory: Size::mib(256),
            memory_hard: Size::gib(1),
            threads: None,
            spill_dir: "spill".into(),
            spill_bytes: Size::gib(10),
            heartbeat_secs: 5,
            lease_secs: 15,
            sweep_secs: 2,
            drain_secs: 5,
            orphan_secs: 3600,
        }
    }
}

/// `[mail]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// How mails are sent. While it is `off`, an export that asks for some is refused.
    pub transport: MailTransport,
    /// Who they are from, such as `Exports <exports@example.com>`.
    pub from: Option<String>,
    /// With `file`: the folder into which each mail is written as a file.
    pub folder: String,
    /// With `smtp`: the mail server.
    pub host: Option<String>,
    /// Its port; 25, 587 or 465 by `tls` when absent.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// A file with further certificate authorities, as PEM, beside those of the system.
    pub ca_file: Option<String>,
    /// Who signs in; nobody when absent.
    pub username: Option<String>,
    /// The password, as a reference.
    #[schemars(schema_with = "secret")]
    pub password: Option<String>,
    /// Seconds that sending one mail may take.
    pub timeout_secs: u64,
    /// Seconds before a mail that was not taken is sent again; they double each time, up to an
    /// hour, and after a day it is given up.
    pub retry_secs: u64,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            transport: MailTransport::Off,
            from: None,
            folder: "mail".into(),
            host: None,
            port: None,
            tls: MailTls::Starttls,
            ca_file: None,
            username: None,
            password: None,
            timeout_secs: 30,
            retry_secs: limits::NOTICE_PAUSE.as_secs(),
        }
    }
}

/// How mails are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailTransport {
    /// Not at all.
    Off,
    /// Each is a file in a folder.
    File,
    /// Through a mail server.
    Smtp,
}

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// Not at all.
    None,
    /// It begins plain and must then be encrypted.
    Starttls,
    /// From its first byte.
    Tls,
}

impl MailTls {
    /// The usual port (RFC 5321, RFC 6409, RFC 8314).
    pub fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::Starttls => 587,
            Self::Tls => 465,
        }
    }
}

/// A text that stands in the file as a reference.
fn secret(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let reference = |key: &str| {
        serde_json::json!({
            "type": "object", "properties": { key: { "type": "string" } }, "required": [key],
            "additionalProperties": false,
        })
    };
    schemars::json_schema!({
        "anyOf": [reference("env"), reference("file"), { "type": "null" }],
        "default": null,
    })
}

/// `[scripts]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scripts {
    /// Whether any are run. While it is `false`, an export that asks for one is refused.
    pub enabled: bool,
    /// Scripts run at once, each in a process of its own that may keep a processor busy.
    pub at_once: u32,
    /// Seconds that a script may work, without the time in which it waits for what it calls.
    pub time_secs: u64,
    /// Memory for what a script makes; its process has up to 48 MiB besides.
    pub memory: Size,
    /// Whether scripts may send mails, to whomever their customers choose, from this server's sender.
    pub mails: bool,
    /// Seconds before a script that could not be started is tried again; they double each time, up
    /// to an hour, and after a day it is given up. A script that fails by itself is not run again.
    pub retry_secs: u64,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            enabled: true,
            at_once: 2,
            time_secs: limits::SCRIPT_TIME.as_secs(),
            memory: Size::mib(64),
            mails: true,
            retry_secs: limits::NOTICE_PAUSE.as_secs(),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least level (`error`, `warn`, `info`, `debug`, `trace`), or directives such as
    /// `info,outhaul_worker=debug`.
    pub level: String,
    /// How lines are written.
    pub format: LogFormat,
    /// Whether every answered request is a line.
    pub access: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text, access: true }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[catalog]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogSection {
    /// Further files with `[[objects]]`, as `outhaul catalog init` writes them.
    pub file: OneOrMany,
    /// The objects.
    pub objects: Vec<RawObject>,
}

/// A text or a list of texts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a path or a list of paths")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Any number.
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// A catalog file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogFile {
    /// The objects.
    pub objects: Vec<RawObject>,
}

/// `[[tenants]]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantSection {
    /// Its id: lower-case letters, digits, `-` and `_`, at most 64.
    pub id: String,
    /// Name for people; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What the tenant column of its rows holds; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its zone, such as `Europe/Berlin`, for calendar dates that name none.
    #[serde(default = "utc")]
    #[schemars(with = "String")]
    pub zone: Tz,
    /// Its entities (values of the entity column), where it has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<String>,
    /// Its organisations (values of the org column), where it has several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orgs: Vec<String>,
    /// Its public key for sealed values: an age recipient or an OpenPGP public key block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// A file with that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_file: Option<String>,
    /// What its callbacks are signed with, as a reference: 24 to 64 random bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "secret")]
    pub callback_secret: Option<String>,
    /// Changes to the policies, by dialect.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, PolicyChange>,
}

fn utc() -> Tz {
    Tz::UTC
}

/// `[dialects.<id>]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DialectSection {
    /// Whether it is served.
    pub enabled: bool,
    /// Changes to its policy, for all tenants.
    pub policy: PolicyChange,
    /// Its own settings.
    #[serde(flatten)]
    pub own: Map<String, Value>,
}

impl Default for DialectSection {
    fn default() -> Self {
        Self { enabled: true, policy: PolicyChange::default(), own: Map::new() }
    }
}
