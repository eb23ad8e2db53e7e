//! The configuration as it takes effect: the file, the environment and every default, as TOML.
//! Secrets are dots, because it is made from a configuration that was loaded with
//! [`super::Secrets::Hide`].

use std::net::SocketAddr;

use outhaul_exports::policy::{Policy, PolicyChange};

use super::check::policies;
use super::sections::{Config, Server};

/// The configuration with what is absent from it filled in, where it can be known without a start.
pub fn effective(mut config: Config) -> Config {
    let policies = policies(&config).dialects;
    for dialect in outhaul_dialects::ALL {
        let section = config.dialects.entry(dialect.id().to_owned()).or_default();
        if let Some(policy) = policies.get(dialect.id()) {
            section.policy = written(policy);
        }
        let schema = dialect.config_schema().to_value();
        let known = schema["properties"].as_object().into_iter().flatten();
        for (key, default) in known.filter_map(|(key, known)| Some((key, known.get("default")?))) {
            // TOML has no word for nothing.
            if !default.is_null() && !section.own.contains_key(key) {
                section.own.insert(key.clone(), default.clone());
            }
        }
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    config.worker.threads.get_or_insert(u32::try_from(processors).unwrap_or(u32::MAX));
    if config.server.base_url.is_none() {
        config.server.base_url = base_url(&config.server);
    }
    config
}

/// Where a server is reached that was told nothing else; unknown while its port is to be picked.
fn base_url(server: &Server) -> Option<String> {
    let address: SocketAddr = server.listen.parse().ok()?;
    let port = Some(address.port()).filter(|port| *port > 0)?;
    Some(match address.ip().is_unspecified() {
        true => format!("http://127.0.0.1:{port}"),
        false => format!("http://{address}"),
    })
}

/// A policy as it would be written; no limit is 0.
fn written(policy: &Policy) -> PolicyChange {
    PolicyChange {
        active_max: Some(policy.active_max.unwrap_or(0)),
        session_active_max: Some(policy.session_active_max.unwrap_or(0)),
        running_max: Some(policy.running_max.unwrap_or(0)),
        run_secs_max: Some(policy.run_secs_max.unwrap_or(0)),
        query_secs_max: Some(policy.query_secs_max.unwrap_or(0)),
        file_kept_secs: Some(policy.file_kept_secs),
        record_kept_secs: Some(policy.record_kept_secs),
        queries_max: Some(policy.queries_max),
        storage_bytes_max: Some(policy.storage_bytes_max.unwrap_or(0)),
    }
}

/// The configuration as TOML.
///
/// # Errors
/// When a value cannot be written as TOML.
pub fn show(config: &Config) -> Result<String, toml::ser::Error> {
    toml::to_string_pretty(config)
}
