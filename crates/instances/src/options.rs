//! What a private server is started with.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;

/// How a private server is to be. The default is for tests: a temporary folder, nothing flushed to
/// the disk, no password, no TLS, stopped when it is dropped.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything of the server is kept. `None`: a temporary folder that goes with it. A
    /// folder that holds a server of an earlier run is taken over with its data.
    pub folder: Option<PathBuf>,
    /// Whether what was committed outlives a loss of power. Tests do without, and are faster.
    pub durable: bool,
    /// Who may come in.
    pub access: Access,
    /// Whether connections are encrypted.
    pub tls: Tls,
    /// The user that clients come as; the server's superuser.
    pub user: String,
    /// The database that is made for them.
    pub database: String,
    /// Settings of the server beyond ours, by its own names (`("work_mem", "8MB")`); the last one of
    /// a name counts.
    pub settings: Vec<(String, String)>,
    /// Arguments of `initdb` or `mariadb-install-db` beyond ours, such as another locale.
    pub init: Vec<String>,
    /// Whether the server stays when the value is dropped and when this process ends. It is stopped
    /// by [`Postgres::stop_in`](crate::Postgres::stop_in) then.
    pub stay: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folder: None,
            durable: false,
            access: Access::Trust,
            tls: Tls::Off,
            user: "outhaul".to_owned(),
            database: "outhaul".to_owned(),
            settings: Vec::new(),
            init: Vec::new(),
            stay: false,
        }
    }
}

/// Who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody on this machine, without a password.
    Trust,
    /// Who has this password. PostgreSQL checks it by SCRAM-SHA-256.
    Password(String),
}

impl Access {
    pub(crate) fn password(&self) -> Option<&str> {
        match self {
            Self::Trust => None,
            Self::Password(password) => Some(password),
        }
    }
}

/// Whether connections are encrypted. The certificate is made by `openssl`, for `localhost` and
/// `127.0.0.1`, by an authority of its own whose certificate the server's `ca()` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Off,
    /// When the client asks for it.
    Offered,
    /// Always, over TCP; a client without it is refused.
    Required,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, and what was committed is written out.
    Fast,
    /// At once, as in a crash; the next start recovers.
    Immediate,
}

/// A password that nobody can guess: 128 random bits as 32 hexadecimal digits.
///
/// # Errors
/// When the system has no random numbers.
pub fn random_password() -> anyhow::Result<String> {
    let mut bytes = [0u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read random numbers from /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
