//! Source `files`: Parquet, CSV and NDJSON files, on local disk or in any object store.
//!
//! A table is one file, or a folder of files of one format and one schema, read in the order of
//! their names. It does not write, does not look into compressed text files, and does not take
//! partition columns from folder names.

mod config;
mod guess;
mod lines;
mod listing;
mod ndjson;
mod parquet;
mod pinned;
mod provider;
mod table;
mod text;

pub use config::{Config, Delimiter, FileFormat};
pub(crate) use provider::FileSource;

/// The line in [`super::ALL`].
pub(crate) const KIND: super::Kind = super::Kind { id: "files", docs: include_str!("docs.md") };
