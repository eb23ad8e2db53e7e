//! Why a store could not be opened. What goes wrong later crosses the ports as
//! `outhaul_exports::Error`.

use std::path::PathBuf;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not one of a store.
    #[error("{address:?} is not the address of a store: {reason}; write sqlite:PATH")]
    Address {
        /// The address, without its secrets.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another process serves it.
    #[error(
        "the store {} is in use by another server; stop that one, or give this one a store of its \
         own", path.display()
    )]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a store of Outhaul; give the path of another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error(
        "the store {} has form {found}, and this version knows forms up to {known}; use the \
         version that wrote it, or a newer one", path.display()
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The newest form known here.
        known: i64,
    },
    /// An older version serves it.
    #[error(
        "the store {} has form {found} and this version needs {known}, but an older server uses \
         it; stop it and start this version's server", path.display()
    )]
    Older {
        /// The store.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The form that is needed.
        known: i64,
    },
    /// It is on a network file system.
    #[error(
        "the store {} is on a network file system ({kind}), whose locks do not hold; put it on a \
         local disk", path.display()
    )]
    Network {
        /// The store.
        path: PathBuf,
        /// Which file system.
        kind: &'static str,
    },
    /// The operating system refused.
    #[error("failed to {doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("failed to open the store {}", path.display())]
    Database {
        /// The store.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
}
