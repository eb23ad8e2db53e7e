//! The configuration of a `mysql` source.

use std::fmt;
use std::path::PathBuf;

use outhaul_exports::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use url::{Host, Url};

use crate::sources::Tls;

/// A `[[sources]]` section with `kind = "mysql"`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name by which the catalog's objects refer to it.
    pub name: String,
    /// Where the database is: `mysql://USER@HOST:PORT/DATABASE`, for MariaDB too. A Unix socket is
    /// written as `?socket=/run/mysqld/mysqld.sock`.
    pub url: String,
    /// The user's password, as a reference: `{ env = "NAME" }` or `{ file = "PATH" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// How the connection is encrypted; `verified` when absent. For a Unix socket and a loopback
    /// address, when absent, as the server offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Certificates of authorities that are trusted, in PEM; those of the system when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The most seconds that one statement may take in the database, with the time in which its rows
    /// wait to be taken; 0 for no end.
    #[serde(default)]
    pub statement_secs: u32,
    /// The most seconds to wait for a lock that somebody else holds on a table's definition.
    #[serde(default = "default_lock_secs")]
    pub lock_secs: u32,
    /// Digits after the point of decimals that are read from text; a value with more of them is an
    /// error. At most 18.
    #[serde(default = "default_scale")]
    pub decimal_digits: u8,
    /// Seconds by which an export in a session reaches back before the one before it, for
    /// transactions that take so long between the time that they write in the `updated` column and
    /// their end, and for clocks that differ.
    #[serde(default = "default_overlap")]
    pub overlap_secs: u32,
}

fn default_lock_secs() -> u32 {
    30
}

fn default_scale() -> u8 {
    6
}

fn default_overlap() -> u32 {
    300
}

/// The most seconds to reach back: a week.
const OVERLAP_MAX: u32 = 7 * 24 * 60 * 60;

/// Prepared statements that a connection keeps.
const STATEMENTS_KEPT: usize = 16;

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("tls", &self.tls)
            .field("overlap_secs", &self.overlap_secs)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// What to connect to, and the name of the database.
    ///
    /// # Errors
    /// `Invalid` for what cannot be used.
    pub(super) fn target(&self) -> Result<(MySqlConnectOptions, String)> {
        for (key, value, most) in [
            ("decimal_digits", self.decimal_digits.into(), 18),
            ("overlap_secs", self.overlap_secs, OVERLAP_MAX),
        ] {
            if value > most {
                return Err(self.wrong(key, &format!("is at most {most}")));
            }
        }
        let url = Url::parse(&self.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "mysql" | "mariadb"))
            .ok_or_else(|| self.wrong("url", "is no address such as mysql://user@host/database"))?;
        if let Some((key, _)) = url.query_pairs().find(|(key, _)| key != "socket") {
            let text = match key.starts_with("ssl") {
                true => "says how to encrypt; say it by the keys tls and ca_file".to_owned(),
                false => "has more behind its question mark than socket".to_owned(),
            };
            return Err(self.wrong("url", &text));
        }
        if url.username().is_empty() {
            return Err(self.wrong("url", "names no user: write mysql://USER@HOST/DATABASE"));
        }
        let unreadable = |cause| {
            // The cause may quote the address.
            self.wrong("url", "cannot be read as an address of MySQL").with_source(cause)
        };
        let target = MySqlConnectOptions::from_url(&url).map_err(unreadable)?;
        let database = target.get_database().unwrap_or_default().to_owned();
        if database.is_empty() {
            return Err(self.wrong("url", "names no database: write mysql://USER@HOST/DATABASE"));
        }
        let mut target = target
            .ssl_mode(match self.tls {
                Some(Tls::Off) => MySqlSslMode::Disabled,
                Some(Tls::Unverified) => MySqlSslMode::Required,
                // Some ways to show a password ask for it, even where nobody can listen.
                None if is_local(&url) => MySqlSslMode::Preferred,
                Some(Tls::Verified) | None => MySqlSslMode::VerifyIdentity,
            })
            // All that a session is set to is set in one place, see `session`.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false)
            // To close one after each use would cost a delayed acknowledgement each time.
            .statement_cache_capacity(STATEMENTS_KEPT)
            .disable_statement_logging();
        if let Some(Host::Ipv6(ip)) = host(&url) {
            // An address has it in brackets, a socket has not.
            target = target.host(&ip.to_string());
        }
        if let Some(password) = &self.password {
            target = target.password(password);
        }
        if let Some(path) = &self.ca_file {
            target = target.ssl_ca(path);
        }
        Ok((target, database))
    }

    pub(super) fn wrong(&self, key: &str, text: &str) -> Error {
        let place = format!("sources.{}.{key}", self.name);
        Error::invalid(place, format!("source {}: {key} {text}", self.name))
    }
}

/// The host of an address; one that is no web address has an address of numbers as text.
fn host(url: &Url) -> Option<Host<String>> {
    url.host_str().and_then(|host| Host::parse(host).ok())
}

/// Whether everything that is sent stays on this machine.
fn is_local(url: &Url) -> bool {
    url.query_pairs().any(|(key, _)| key == "socket")
        || match host(url) {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &serde_json::Value) -> Config {
        let mut config = serde_json::json!({ "name": "main", "url": "mysql://app@db.test/app" });
        for (key, value) in more.as_object().expect("an object") {
            config[key] = value.clone();
        }
        serde_json::from_value(config).expect("a configuration")
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted() {
        for (url, tls) in [
            ("mysql://app@db.test/app", MySqlSslMode::VerifyIdentity),
            ("mariadb://app@10.0.0.7/app", MySqlSslMode::VerifyIdentity),
            ("mysql://app@127.0.0.1:3307/app", MySqlSslMode::Preferred),
            ("mysql://app@localhost/app", MySqlSslMode::Preferred),
            ("mysql://app@[::1]/app", MySqlSslMode::Preferred),
            ("mysql://app@db.test/app?socket=/run/mysqld.sock", MySqlSslMode::Preferred),
        ] {
            let (target, database) =
                config(&serde_json::json!({ "url": url })).target().expect("a target");
            assert_eq!(format!("{:?}", target.get_ssl_mode()), format!("{tls:?}"), "{url}");
            assert!(!target.get_host().contains('['), "{url}");
            assert_eq!(database, "app");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_address() {
        for (more, told) in [
            (
                serde_json::json!({ "url": "postgres://app@db.test/app" }),
                "source main: url is no address",
            ),
            (serde_json::json!({ "url": "mysql://db.test/app" }), "names no user"),
            (serde_json::json!({ "url": "mysql://app@db.test" }), "names no database"),
            (
                serde_json::json!({ "url": "mysql://app@db.test/app?ssl-mode=disabled" }),
                "by the keys tls",
            ),
            (serde_json::json!({ "url": "mysql://app@db.test/app?charset=latin1" }), "than socket"),
            (serde_json::json!({ "decimal_digits": 19 }), "decimal_digits is at most 18"),
            (serde_json::json!({ "overlap_secs": 1_000_000 }), "overlap_secs is at most 604800"),
        ] {
            let error = config(&more).target().expect_err("it is refused");
            assert!(error.public().contains(told), "{}", error.public());
            assert!(!error.public().contains("db.test"), "{}", error.public());
        }
    }
}
