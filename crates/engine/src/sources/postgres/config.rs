//! The configuration of a `postgres` source.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use outhaul_exports::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sources::Tls;

/// A `[[sources]]` section with `kind = "postgres"`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name by which the catalog's objects refer to it.
    pub name: String,
    /// Where the database is: `postgres://USER@HOST:PORT/DATABASE`. A folder with a Unix socket is
    /// written as `?host=/var/run/postgresql`.
    pub url: String,
    /// The user's password, as a reference: `{ env = "NAME" }` or `{ file = "PATH" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Schema of tables that are named without one.
    #[serde(default = "default_schema")]
    pub schema: String,
    /// How the connection is encrypted; `verified` when absent, and `off` for a Unix socket and a
    /// loopback address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Certificates of authorities that are trusted, in PEM; those of the system when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The most connections on which one export reads ranges of a table at once. An export has one
    /// more that holds its snapshot, and one more for each table that is joined here.
    #[serde(default = "default_connections")]
    pub connections: u8,
    /// The most seconds that one statement may take in the database; 0 for no end.
    #[serde(default)]
    pub statement_secs: u32,
    /// The most seconds to wait for a lock that somebody else holds on a table.
    #[serde(default = "default_lock_secs")]
    pub lock_secs: u32,
    /// Digits after the point of columns of type `numeric` that do not say how many they have; a
    /// value with more of them is an error. At most 18.
    #[serde(default = "default_scale")]
    pub decimal_digits: u8,
}

fn default_schema() -> String {
    "public".to_owned()
}

fn default_connections() -> u8 {
    4
}

fn default_lock_secs() -> u32 {
    30
}

fn default_scale() -> u8 {
    6
}

/// The most connections that can be asked for.
const CONNECTIONS_MAX: u8 = 32;

/// How long to try to connect.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Silence after which a connection is asked whether it is alive.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("schema", &self.schema)
            .field("tls", &self.tls)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// What to connect to, and how it is encrypted.
    ///
    /// # Errors
    /// `Invalid` for what cannot be used.
    pub(super) fn target(&self) -> Result<(tokio_postgres::Config, Tls)> {
        if self.decimal_digits > 18 {
            return Err(self.wrong("decimal_digits", "is at most 18"));
        }
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            return Err(self.wrong("connections", &format!("is 1 to {CONNECTIONS_MAX}")));
        }
        let of_postgres = ["postgres://", "postgresql://"].iter().any(|s| self.url.starts_with(s));
        if !of_postgres {
            return Err(self.wrong("url", "is no address such as postgres://user@host/database"));
        }
        let settings = self.url.split_once('?').map_or("", |(_, settings)| settings);
        if settings.split('&').any(|setting| setting.starts_with("ssl")) {
            return Err(
                self.wrong("url", "says how to encrypt; say it by the keys tls and ca_file")
            );
        }
        let mut target: tokio_postgres::Config = self.url.parse().map_err(|cause| {
            // The cause may quote the address.
            self.wrong("url", "cannot be read as an address of PostgreSQL").with_source(cause)
        })?;
        if target.get_user().is_none() {
            return Err(self.wrong("url", "names no user: write postgres://USER@HOST/DATABASE"));
        }
        if let Some(password) = &self.password {
            target.password(password);
        }
        let tls =
            self.tls.unwrap_or_else(|| if is_local(&target) { Tls::Off } else { Tls::Verified });
        target
            .application_name("outhaul")
            .connect_timeout(CONNECT_TIME)
            .keepalives_idle(KEEPALIVE_TIME)
            .ssl_mode(match tls {
                Tls::Off => tokio_postgres::config::SslMode::Disable,
                Tls::Unverified | Tls::Verified => tokio_postgres::config::SslMode::Require,
            });
        Ok((target, tls))
    }

    pub(super) fn wrong(&self, key: &str, text: &str) -> Error {
        let place = format!("sources.{}.{key}", self.name);
        Error::invalid(place, format!("source {}: {key} {text}", self.name))
    }
}

/// Whether everything that is sent stays on this machine.
fn is_local(target: &tokio_postgres::Config) -> bool {
    use tokio_postgres::config::Host;

    let hosts = target.get_hosts();
    target.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
        && hosts.iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost"
                    || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &serde_json::Value) -> Config {
        let mut config = serde_json::json!({ "name": "main", "url": "postgres://app@db.test/app" });
        for (key, value) in more.as_object().expect("an object") {
            config[key] = value.clone();
        }
        serde_json::from_value(config).expect("a configuration")
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted() {
        for (url, tls) in [
            ("postgres://app@db.test/app", Tls::Verified),
            ("postgres://app@127.0.0.1:5433/app", Tls::Off),
            ("postgres://app@localhost/app", Tls::Off),
            ("postgres://app@[::1]/app", Tls::Off),
            ("postgres://app@/app?host=/run/postgresql", Tls::Off),
            ("postgres://app@localhost,db.test/app", Tls::Verified),
        ] {
            let target = config(&serde_json::json!({ "url": url })).target();
            assert_eq!(target.expect("a target").1, tls, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_address() {
        for (more, told) in [
            (
                serde_json::json!({ "url": "mysql://app@db.test/app" }),
                "source main: url is no address",
            ),
            (serde_json::json!({ "url": "postgres://db.test/app" }), "names no user"),
            (
                serde_json::json!({ "url": "postgres://app@h/app?sslmode=require" }),
                "by the keys tls",
            ),
            (serde_json::json!({ "connections": 0 }), "connections is 1 to 32"),
            (serde_json::json!({ "decimal_digits": 19 }), "decimal_digits is at most 18"),
        ] {
            let error = config(&more).target().expect_err("it is refused");
            assert!(error.public().contains(told), "{}", error.public());
            assert!(!error.public().contains("db.test"), "{}", error.public());
        }
    }
}
