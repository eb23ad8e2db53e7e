//! The configuration of an `sqlite` source.

use std::path::PathBuf;
use std::time::Duration;

use outhaul_exports::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

/// A `[[sources]]` section with `kind = "sqlite"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name by which the catalog's objects refer to it.
    pub name: String,
    /// The path of the database file, relative to the folder of the configuration; it may begin with
    /// `sqlite:`.
    pub url: String,
    /// The most seconds to wait while another process has the file locked.
    #[serde(default = "default_lock_secs")]
    pub lock_secs: u32,
    /// The most seconds that one statement may take, with the time in which its rows wait to be
    /// taken; 0 for no end.
    #[serde(default)]
    pub statement_secs: u32,
    /// Digits after the point of decimals whose column does not say how many they have; a value with
    /// more of them is an error. At most 18.
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
/// Rows that the thread of the database may be ahead.
const ROWS_AHEAD: usize = 1024;

impl Config {
    /// The path of the file, as the configuration says it.
    pub fn path(&self) -> &str {
        let path = self.url.strip_prefix("sqlite:").unwrap_or(&self.url);
        path.strip_prefix("//").unwrap_or(path)
    }

    /// How to open the file.
    ///
    /// # Errors
    /// `Invalid` for what cannot be used.
    pub(super) fn target(&self) -> Result<SqliteConnectOptions> {
        for (key, value, most) in [
            ("decimal_digits", self.decimal_digits.into(), 18),
            ("overlap_secs", self.overlap_secs, OVERLAP_MAX),
        ] {
            if value > most {
                return Err(self.wrong(key, &format!("is at most {most}")));
            }
        }
        let path = self.path();
        if path.is_empty() || path.contains(['\0', '?']) || path.starts_with("file:") {
            return Err(self.wrong("url", "is no path of a file"));
        }
        let name = self.name.clone();
        Ok(SqliteConnectOptions::new()
            .filename(PathBuf::from(path))
            .read_only(true)
            .create_if_missing(false)
            .foreign_keys(false)
            // What a stored view calls may be no more than what SQL itself has.
            .pragma("trusted_schema", "OFF")
            .pragma("query_only", "ON")
            .busy_timeout(Duration::from_secs(self.lock_secs.into()))
            // A statement is asked once.
            .statement_cache_capacity(1)
            .row_buffer_size(ROWS_AHEAD)
            .thread_name(move |_| format!("sqlite-{name}"))
            .disable_statement_logging())
    }

    pub(super) fn wrong(&self, key: &str, text: &str) -> Error {
        let place = format!("sources.{}.{key}", self.name);
        Error::invalid(place, format!("source {}: {key} {text}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        serde_json::from_value(serde_json::json!({ "name": "main", "url": url })).expect("a source")
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        for (url, path) in [
            ("data/app.db", "data/app.db"),
            ("/data/app.db", "/data/app.db"),
            ("sqlite:data/app.db", "data/app.db"),
            ("sqlite:///data/app.db", "/data/app.db"),
            ("/data/100%.db", "/data/100%.db"),
        ] {
            assert_eq!(config(url).path(), path);
            assert!(config(url).target().is_ok());
        }
        for url in ["", "sqlite:", "file:app.db", "app.db?mode=rw"] {
            let error = config(url).target().expect_err("refused");
            assert!(error.public().contains("source main: url is no path"), "{url}");
        }
    }
}
