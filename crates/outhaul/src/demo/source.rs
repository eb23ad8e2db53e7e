//! Where the demo's rows are, as its folder remembers it.

use std::path::Path;

use anyhow::bail;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::database::Database;

/// A kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Parquet files in the folder.
    Files,
    /// A PostgreSQL database.
    Postgres,
}

/// What was asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The kind; what the folder has, or files, when absent.
    pub kind: Option<Kind>,
    /// The database; a private one when absent.
    pub url: Option<String>,
}

/// Where the rows are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In the folder `data`.
    #[default]
    Files,
    /// In a database.
    Postgres(Database),
}

impl Source {
    /// What is wanted, where the folder has nothing yet or the same already.
    ///
    /// # Errors
    /// When the folder has another one.
    pub fn choose(found: Option<Self>, wanted: &Wanted, folder: &Path) -> anyhow::Result<Self> {
        let kind = match (wanted.kind, &wanted.url) {
            (Some(Kind::Files), Some(_)) => bail!("--url is for --source postgres"),
            (None, Some(_)) => Some(Kind::Postgres),
            (kind, _) => kind,
        };
        let other = |what: &str| {
            format!(
                "the demo in {} has its rows in {what}; give another --data for another source",
                folder.display()
            )
        };
        match (found, kind) {
            (Some(Self::Files) | None, None | Some(Kind::Files)) => Ok(Self::Files),
            (Some(Self::Files), Some(Kind::Postgres)) => bail!(other("files")),
            (Some(Self::Postgres(_)), Some(Kind::Files)) => bail!(other("a database")),
            (Some(Self::Postgres(found)), _) => match &wanted.url {
                Some(url) if !found.is_at(url)? => bail!(other("another database")),
                _ => Ok(Self::Postgres(found)),
            },
            (None, Some(Kind::Postgres)) => match &wanted.url {
                Some(url) => Database::named(url).map(Self::Postgres),
                None => Ok(Self::Postgres(Database::private(folder))),
            },
        }
    }

    /// Whether the rows are in files.
    pub fn is_files(&self) -> bool {
        *self == Self::Files
    }
}
