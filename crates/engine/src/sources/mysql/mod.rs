//! The `mysql` source: tables of a MySQL or MariaDB database, read over one connection that holds a
//! consistent snapshot.
//!
//! Where to look: `config` and `connect` make connections, `session` holds the moment, `describe`
//! asks the system's tables, `types` says how each type is read, `decode` reads values, `read` reads
//! a statement during its turn and stops it on the server when nobody wants its rows.

mod config;
mod connect;
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
pub(crate) use provider::MySqlSource;

use super::Kind;

/// See [`super::ALL`].
pub const KIND: Kind = Kind { id: "mysql", docs: include_str!("docs.md") };
