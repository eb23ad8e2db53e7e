//! The `postgres` source: tables of a PostgreSQL database, read by binary COPY over several
//! connections that share one snapshot.
//!
//! Where to look: `config` and `connect` make connections, `session` holds the moment, `describe`
//! asks the system's tables, `types` says how each type is read, `decode` reads rows, `read` puts
//! ranges in order, `mark` finds what changed, `pushdown` makes a statement of a whole query.

mod config;
mod connect;
mod decode;
mod describe;
mod mark;
mod number;
mod provider;
mod pushdown;
mod read;
mod session;
mod sql;
mod table;
mod types;

pub use config::Config;
pub(crate) use provider::PostgresSource;

use super::Kind;

/// See [`super::ALL`].
pub const KIND: Kind = Kind { id: "postgres", docs: include_str!("docs.md") };
