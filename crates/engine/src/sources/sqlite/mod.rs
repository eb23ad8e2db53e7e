//! The `sqlite` source: tables of an SQLite file, read in one read transaction.
//!
//! Where to look: `config` finds the file, `session` holds the moment, `describe` asks what there is,
//! `types` says how each declared type is read and compared, `decode` reads values, `read` reads a
//! statement during its turn.

mod config;
mod decode;
mod describe;
mod failure;
mod provider;
mod read;
mod session;
mod sql;
mod table;
mod types;

pub use config::Config;
pub(crate) use provider::SqliteSource;

use super::Kind;

/// See [`super::ALL`].
pub const KIND: Kind = Kind { id: "sqlite", docs: include_str!("docs.md") };
