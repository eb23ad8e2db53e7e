//! From the sections to the words of the other rooms, with everything that is wrong as sentences.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use outhaul_delivery::callback::SigningSecret;
use outhaul_delivery::mail::Sender;
use outhaul_exports::catalog::{Catalog, hint};
use outhaul_exports::policy::{Policy, PolicyChange};
use outhaul_exports::principal::{Tenant, TenantId};
use outhaul_exports::service::{Policies, Tenants};
use outhaul_exports::{ErrorKind, limits};

use super::problem::{Problem, Problems};
use super::sections::{Config, MailTls, MailTransport, TenantSection};
use super::size::Size;
use super::tree::Place;
use super::{Loaded, Secrets};
use crate::assemble;

/// What the configuration says, checked.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What may be exported.
    pub catalog: Arc<Catalog>,
    /// The customers.
    pub tenants: Arc<Tenants>,
    /// What exports are held to.
    pub policies: Arc<Policies>,
}

/// Checks everything that can be known without opening anything.
///
/// # Errors
/// Everything that is wrong.
pub fn check(loaded: &Loaded, now: DateTime<Utc>) -> Result<Checked, Problems> {
    let mut checker = Checker { loaded, now, problems: Vec::new() };
    checker.server();
    checker.worker();
    checker.mail();
    checker.callbacks();
    checker.scripts();
    checker.log();
    checker.dialects();
    checker.sources();
    let catalog = checker.catalog();
    let tenants = checker.tenants();
    let policies = checker.policies();
    if !checker.problems.is_empty() {
        return Err(Problems(checker.problems));
    }
    Ok(Checked {
        catalog: Arc::new(catalog),
        tenants: Arc::new(Tenants::new(tenants)),
        policies: Arc::new(policies),
    })
}

struct Checker<'a> {
    loaded: &'a Loaded,
    now: DateTime<Utc>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn wrong(&mut self, place: &Place, text: impl Into<String>) {
        self.problems.push(self.loaded.tree.problem(place, text));
    }

    fn server(&mut self) {
        self.addresses();
        let server = &self.loaded.config.server;
        let place = Place::of("server");
        if let Some(url) = &server.base_url {
            let good = url::Url::parse(url)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
            if !good || url.ends_with('/') {
                let text = format!(
                    "{url:?} is not an address such as https://exports.example.com (without a slash at the end)"
                );
                self.wrong(&place.key("base_url"), text);
            }
        }
        for (key, value) in [
            ("connections_max", u64::from(server.connections_max)),
            ("headers_max", u64::from(server.headers_max)),
            ("header_secs", server.header_secs),
            ("body_idle_secs", server.body_idle_secs),
            ("body_secs", server.body_secs),
            ("write_idle_secs", server.write_idle_secs),
        ] {
            if value == 0 {
                self.wrong(&place.key(key), "must be at least 1");
            }
        }
        if server.header_bytes_max.0 < 8192 {
            self.wrong(&place.key("header_bytes_max"), "must be at least 8 KiB");
        }
        if !self.loaded.config.store.url.starts_with("sqlite:") {
            self.wrong(
                &Place::of("store.url"),
                "must begin with sqlite: and a path, such as sqlite:outhaul.db",
            );
        }
    }

    /// The addresses that are listened on, each with a port of its own.
    fn addresses(&mut self) {
        let (server, worker) = (&self.loaded.config.server, &self.loaded.config.worker);
        let listened = [
            ("server.listen", Some(&server.listen)),
            ("server.metrics_listen", server.metrics_listen.as_ref()),
            ("worker.listen", worker.listen.as_ref()),
        ];
        let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
        for (key, value) in listened {
            let Some(value) = value else { continue };
            let Ok(address) = value.parse::<SocketAddr>() else {
                let text = format!(
                    "{value:?} is not an address with a port, such as 127.0.0.1:8080 or [::]:8080"
                );
                self.wrong(&Place::of(key), text);
                continue;
            };
            if let Some((other, _)) = taken.iter().find(|(_, other)| collide(*other, address)) {
                let text = format!(
                    "{value} is taken by {other}: a port is listened on once; give another"
                );
                self.wrong(&Place::of(key), text);
            }
            taken.push((key, address));
        }
    }

    fn worker(&mut self) {
        let worker = &self.loaded.config.worker;
        let place = Place::of("worker");
        if worker.slots == 0 {
            self.wrong(
                &place.key("slots"),
                "must be at least 1; to run exports elsewhere, say enabled = false",
            );
        }
        if worker.planners == 0 {
            self.wrong(&place.key("planners"), "must be at least 1");
        }
        if worker.threads == Some(0) {
            self.wrong(&place.key("threads"), "must be at least 1");
        }
        if worker.heartbeat_secs == 0 || worker.lease_secs < 3 * worker.heartbeat_secs {
            let text = format!(
                "must be at least three heartbeats ({} s), so that one lost heartbeat costs nothing",
                3 * worker.heartbeat_secs.max(1)
            );
            self.wrong(&place.key("lease_secs"), text);
        }
        let longest = limits::LEASE_MAX.as_secs();
        if worker.lease_secs > longest {
            self.wrong(
                &place.key("lease_secs"),
                format!("must be at most {longest} (ten minutes)"),
            );
        }
        if worker.sweep_secs == 0 {
            self.wrong(&place.key("sweep_secs"), "must be at least 1");
        }
        if worker.orphan_secs == 0 {
            self.wrong(&place.key("orphan_secs"), "must be at least 1");
        }
        if worker.memory_hard.0 < worker.memory.0 * 2 {
            let text = format!(
                "must be at least twice worker.memory ({}), because encoders and buffers need room too",
                worker.memory
            );
            self.wrong(&place.key("memory_hard"), text);
        }
    }

    fn mail(&mut self) {
        let mail = &self.loaded.config.mail;
        let place = Place::of("mail");
        for (key, value) in [("timeout_secs", mail.timeout_secs), ("retry_secs", mail.retry_secs)] {
            if value == 0 {
                self.wrong(&place.key(key), "must be at least 1");
            }
        }
        if mail.transport == MailTransport::Off {
            return;
        }
        match &mail.from {
            None => {
                let text =
                    "must say who mails are from, such as from = \"Exports <exports@example.com>\"";
                self.wrong(&place.key("from"), text);
            }
            Some(from) => {
                if let Err(error) = Sender::parse(from) {
                    self.wrong(&place.key("from"), error.public());
                }
            }
        }
        if mail.transport == MailTransport::Smtp {
            self.smtp(&place);
        }
    }

    fn smtp(&mut self, place: &Place) {
        let mail = &self.loaded.config.mail;
        let host = mail.host.as_deref().unwrap_or_default();
        if host.is_empty() || host.contains([':', '/', '@', ' ']) && host.parse::<IpAddr>().is_err()
        {
            let text = "must be the name or address of the mail server, such as smtp.example.com";
            self.wrong(&place.key("host"), text);
        }
        match (&mail.username, &mail.password) {
            (Some(_), None) => self.wrong(&place.key("password"), "username needs a password"),
            (None, Some(_)) => self.wrong(&place.key("username"), "password needs a username"),
            (Some(_), Some(_)) if mail.tls == MailTls::None && !is_this_machine(host) => {
                let text = "a password would be sent in the clear: use starttls or tls";
                self.wrong(&place.key("tls"), text);
            }
            _ => {}
        }
        if let Err(error) = assemble::mailer(self.loaded)
            && let ErrorKind::Invalid { field } = error.kind()
            && field == "mail.ca_file"
        {
            self.wrong(&place.key("ca_file"), error.public());
        }
    }

    fn callbacks(&mut self) {
        let callbacks = &self.loaded.config.callbacks;
        let place = Place::of("callbacks");
        for (key, value) in
            [("timeout_secs", callbacks.timeout_secs), ("retry_secs", callbacks.retry_secs)]
        {
            if value == 0 {
                self.wrong(&place.key(key), "must be at least 1");
            }
        }
        let longest = 300;
        if callbacks.timeout_secs > longest {
            self.wrong(&place.key("timeout_secs"), format!("must be at most {longest}"));
        }
        for (key, at, text) in callbacks.rules().err().unwrap_or_default() {
            self.wrong(&place.key(key).item(at), text);
        }
        if let Err(error) = assemble::caller(self.loaded)
            && let ErrorKind::Invalid { field } = error.kind()
            && field == "callbacks.ca_file"
        {
            self.wrong(&place.key("ca_file"), error.public());
        }
    }

    fn scripts(&mut self) {
        let scripts = &self.loaded.config.scripts;
        let place = Place::of("scripts");
        for (key, value, most) in [
            ("at_once", u64::from(scripts.at_once), 64),
            ("time_secs", scripts.time_secs, 300),
            ("retry_secs", scripts.retry_secs, 86_400),
        ] {
            if !(1..=most).contains(&value) {
                self.wrong(&place.key(key), format!("must be from 1 to {most}"));
            }
        }
        if !(Size::mib(8).0..=Size::gib(1).0).contains(&scripts.memory.0) {
            self.wrong(&place.key("memory"), "must be from 8 MiB to 1 GiB");
        }
    }

    fn log(&mut self) {
        if let Err(text) = crate::logging::filter(&self.loaded.config.log.level) {
            self.wrong(&Place::of("log.level"), text);
        }
    }

    fn dialects(&mut self) {
        let place = Place::of("dialects");
        for id in self.loaded.config.dialects.keys() {
            self.known_dialect(&place.key(id), id);
        }
    }

    fn known_dialect(&mut self, place: &Place, id: &str) {
        if outhaul_dialects::ALL.iter().any(|dialect| dialect.id() == id) {
            return;
        }
        let hint = hint(id, outhaul_dialects::ALL.iter().map(|dialect| dialect.id()));
        self.wrong(place, format!("there is no dialect {id}{hint}"));
    }

    fn sources(&mut self) {
        let mut seen = HashSet::new();
        for (index, source) in self.loaded.config.sources.iter().enumerate() {
            let place = Place::of("sources").item(index);
            if !seen.insert(source.name()) {
                let text = format!("there are two sources named {}", source.name());
                self.wrong(&place.key("name"), text);
            }
        }
    }

    fn catalog(&mut self) -> Catalog {
        let objects = &self.loaded.config.catalog.objects;
        let place = Place::of("catalog.objects");
        let sources: Vec<&str> =
            self.loaded.config.sources.iter().map(|source| source.name()).collect();
        for (index, object) in objects.iter().enumerate() {
            if !sources.contains(&object.source.as_str()) {
                let hint = hint(&object.source, sources.iter().copied());
                let text = format!("there is no source named {}{hint}", object.source);
                self.wrong(&place.item(index).key("source"), text);
            }
        }
        match Catalog::check(objects.clone()) {
            Ok(catalog) => catalog,
            Err(error) => {
                // The error names its object; the object knows its line.
                let index = objects.iter().position(|object| {
                    error.public().starts_with(&format!("object {}: ", object.name))
                });
                let place = index.map_or_else(|| place.clone(), |index| place.item(index));
                self.wrong(&place, error.public());
                Catalog::default()
            }
        }
    }

    fn tenants(&mut self) -> Vec<Tenant> {
        let mut ids = HashSet::new();
        let mut values = HashMap::new();
        let mut tenants = Vec::new();
        for (index, section) in self.loaded.config.tenants.iter().enumerate() {
            let place = Place::of("tenants").item(index);
            if !is_tenant_id(&section.id) {
                let text = format!(
                    "{:?} is no tenant id: use lower-case letters, digits, - and _, at most 64, beginning with a letter or digit",
                    section.id
                );
                self.wrong(&place.key("id"), text);
            } else if !ids.insert(&section.id) {
                self.wrong(&place.key("id"), format!("there are two tenants {}", section.id));
            }
            let value = section.value.as_ref().unwrap_or(&section.id);
            if let Some(other) = values.insert(value, &section.id) {
                let text = format!(
                    "tenant {other} has the same value {value:?}: each of the two would see the other's rows"
                );
                self.wrong(&place, text);
            }
            for id in section.policies.keys() {
                self.known_dialect(&place.key("policies").key(id), id);
            }
            let secret = section.callback_secret.as_deref().map(SigningSecret::parse);
            if let Some(Err(text)) = secret {
                self.wrong(&place.key("callback_secret"), text);
            }
            let public_key = self.public_key(&place, section);
            tenants.push(Tenant {
                id: TenantId(section.id.clone()),
                label: section.label.clone().unwrap_or_else(|| section.id.clone()),
                value: value.clone(),
                zone: section.zone,
                entities: section.entities.clone(),
                orgs: section.orgs.clone(),
                public_key,
            });
        }
        tenants
    }

    /// The policies, which must keep a record for as long as its files.
    fn policies(&mut self) -> Policies {
        let policies = policies(&self.loaded.config);
        for (id, policy) in &policies.dialects {
            let place = Place::of("dialects").key(id).key("policy");
            if let Some(section) = self.loaded.config.dialects.get(id) {
                self.kept(&place, policy, &section.policy);
            }
        }
        for (index, tenant) in self.loaded.config.tenants.iter().enumerate() {
            for (id, change) in &tenant.policies {
                // An unknown dialect has been reported.
                let Some(policy) = policies.dialects.get(id) else { continue };
                let place = Place::of("tenants").item(index).key("policies").key(id);
                self.kept(&place, &policy.clone().with(change), change);
            }
        }
        policies
    }

    fn kept(&mut self, place: &Place, policy: &Policy, change: &PolicyChange) {
        let (file, record) = (policy.file_kept_secs, policy.record_kept_secs);
        if record >= file {
            return;
        }
        let place = match (change.record_kept_secs, change.file_kept_secs) {
            (Some(_), _) => place.key("record_kept_secs"),
            (None, Some(_)) => place.key("file_kept_secs"),
            // The change around this one is wrong and was reported.
            (None, None) => return,
        };
        let text = format!(
            "a record is kept for {record} s and its files for {file} s: files are found by their \
             record, so record_kept_secs must be at least file_kept_secs"
        );
        self.wrong(&place, text);
    }

    fn public_key(&mut self, place: &Place, section: &TenantSection) -> Option<String> {
        let (key, place) = match (&section.public_key, &section.public_key_file) {
            (Some(_), Some(_)) => {
                self.wrong(place, "say public_key or public_key_file, not both");
                return None;
            }
            (Some(key), None) => (key.clone(), place.key("public_key")),
            (None, Some(file)) => {
                let place = place.key("public_key_file");
                let path = self.loaded.path(file);
                match std::fs::read_to_string(&path) {
                    Ok(key) => (key, place),
                    Err(error) => {
                        self.wrong(&place, format!("cannot read {}: {error}", path.display()));
                        return None;
                    }
                }
            }
            (None, None) => return None,
        };
        if let Err(error) = outhaul_formats::seal::Recipient::parse(&key, self.now) {
            self.wrong(&place, error.to_string());
            return None;
        }
        Some(key)
    }
}

/// Whether two addresses cannot be listened on at once. Port 0 is a free one each time.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (all || one.ip() == other.ip())
}

/// Ids stand in the paths of artifacts, so they are plain.
fn is_tenant_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let first = id.bytes().next().is_some_and(plain);
    first && id.len() <= 64 && id.bytes().all(|b| plain(b) || matches!(b, b'-' | b'_'))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A dialect's own policy, then the changes for the dialect, then those for each tenant.
pub(super) fn policies(config: &Config) -> Policies {
    let unchanged = Default::default();
    let dialects = outhaul_dialects::ALL.iter().map(|dialect| {
        let change =
            config.dialects.get(dialect.id()).map_or(&unchanged, |section| &section.policy);
        let policy: Policy = dialect.policy().with(change);
        (dialect.id().to_owned(), policy)
    });
    let tenants = config.tenants.iter().flat_map(|tenant| {
        let id = TenantId(tenant.id.clone());
        let changes: &BTreeMap<_, _> = &tenant.policies;
        changes.iter().map(move |(dialect, change)| ((id.clone(), dialect.clone()), change.clone()))
    });
    Policies { dialects: dialects.collect(), tenants: tenants.collect() }
}

/// Reads and checks in one go, for commands that need nothing else of it.
///
/// # Errors
/// Everything that is wrong.
pub fn load_checked(
    file: &std::path::Path,
    now: DateTime<Utc>,
) -> Result<(Loaded, Checked), Problems> {
    let loaded = super::load(file, Secrets::Read)?;
    let checked = check(&loaded, now)?;
    Ok((loaded, checked))
}
