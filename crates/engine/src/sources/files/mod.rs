//! Source `files`: Parquet, CSV, NDJSON and Avro files, on local disk or in any object store.
//!
//! A table is one file, or a folder of files of one format and one schema, read in the order of
//! their names. Folders that are named `column=value` give columns. It does not write, and does not
//! look into compressed text files.

mod avro;
mod config;
mod content;
mod guess;
mod lines;
mod listing;
mod ndjson;
mod parquet;
mod partitions;
mod parts;
mod pinned;
mod provider;
mod remote;
mod table;
mod text;

pub use config::{Config, Delimiter, FileFormat};
pub(crate) use provider::FileSource;

/// The line in [`super::ALL`].
pub(crate) const KIND: super::Kind = super::Kind { id: "files", docs: include_str!("docs.md") };
