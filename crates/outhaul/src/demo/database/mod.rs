//! The demo's rows in PostgreSQL: in a private server that the demo starts in its folder, or in a
//! database that somebody named.
//!
//! A private server stays when the demo ends, so that `outhaul serve` finds it: `outhaul demo
//! --stop` stops it, and the next `outhaul demo` starts it again, on the same port.

mod connect;
mod copy;
mod load;

pub use load::{load, loaded};

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use outhaul_instances::{Access, Options, Postgres, can_enter};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use url::Url;

/// The schema that all of the demo's tables are in.
pub const SCHEMA: &str = "outhaul_demo";
/// User and database of a private server.
const OWN: &str = "outhaul";

/// Which database it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Database {
    /// One of a private server, in this folder.
    Private(PathBuf),
    /// The one at this address, which holds no password.
    Named(String),
}

impl Database {
    /// A private one for the demo in `folder`: below it, or in the folder of temporary files that
    /// last, when the account that PostgreSQL runs as may not enter `folder`.
    pub fn private(folder: &Path) -> Self {
        let below = folder.join("postgres");
        if can_enter(&below) {
            return Self::Private(below);
        }
        let digest = hex::encode(sha2::Sha256::digest(folder.as_os_str().as_encoded_bytes()));
        Self::Private(Path::new("/var/tmp").join(format!("outhaul-demo-{}", &digest[..16])))
    }

    /// The one at an address.
    ///
    /// # Errors
    /// When that is no address of PostgreSQL.
    pub fn named(url: &str) -> anyhow::Result<Self> {
        Ok(Self::Named(parsed(url)?.0))
    }

    /// Whether it is the one at that address.
    ///
    /// # Errors
    /// When that is no address of PostgreSQL.
    pub fn is_at(&self, url: &str) -> anyhow::Result<bool> {
        let (url, _) = parsed(url)?;
        Ok(self.url().is_ok_and(|own| own == url))
    }

    /// Its address, without a password.
    ///
    /// # Errors
    /// When it is private and was never started.
    pub fn url(&self) -> anyhow::Result<String> {
        match self {
            Self::Named(url) => Ok(url.clone()),
            Self::Private(folder) => {
                let port = Postgres::port_in(folder).with_context(|| {
                    format!("the database in {} was never started", folder.display())
                })?;
                Ok(format!("postgres://{OWN}@127.0.0.1:{port}/{OWN}"))
            }
        }
    }

    /// Starts a private server that does not run. Answers whether it did.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start(&self, password: Option<&str>) -> anyhow::Result<bool> {
        let Self::Private(folder) = self else { return Ok(false) };
        if Postgres::running_in(folder).is_some() {
            return Ok(false);
        }
        let access = match password {
            Some(password) => Access::Password(password.to_owned()),
            None => bail!("the private database in {} has lost its password", folder.display()),
        };
        let server = Postgres::start(Options {
            folder: Some(folder.clone()),
            durable: true,
            access,
            user: OWN.to_owned(),
            database: OWN.to_owned(),
            stay: true,
            ..Options::default()
        })
        .context("the demo's own database cannot be started; --url names another one")?;
        drop(server);
        Ok(true)
    }

    /// Stops a private server. Answers whether it ran.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&self) -> anyhow::Result<bool> {
        match self {
            Self::Private(folder) => Postgres::stop_in(folder),
            Self::Named(url) => bail!("the rows are at {url}, which the demo did not start"),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(folder) => write!(f, "the demo's own database in {}", folder.display()),
            Self::Named(url) => write!(f, "the database at {url}"),
        }
    }
}

/// An address without its password, and the password.
pub fn parsed(address: &str) -> anyhow::Result<(String, Option<String>)> {
    let url = Url::parse(address).ok();
    let url = url
        .filter(|url| matches!(url.scheme(), "postgres" | "postgresql") && !url.cannot_be_a_base());
    // The address may hold a password.
    let Some(mut url) = url else {
        bail!("--url is no address such as postgres://user:password@host:5432/database");
    };
    let password = url
        .password()
        .map(|text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned());
    if password.is_some() && url.set_password(None).is_err() {
        bail!("--url names no host");
    }
    Ok((url.to_string(), password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_an_address() {
        let (url, password) = parsed("postgres://me:p%40ss@db.test:5433/app").expect("an address");
        assert_eq!(url, "postgres://me@db.test:5433/app");
        assert_eq!(password.as_deref(), Some("p@ss"));
        let (url, password) = parsed("postgres://me@db.test/app").expect("an address");
        assert_eq!((url.as_str(), password), ("postgres://me@db.test/app", None));
        for wrong in ["mysql://me:secret@db.test/app", "db.test secret", "postgres:secret"] {
            let error = parsed(wrong).expect_err("it is refused").to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
