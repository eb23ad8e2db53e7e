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

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgres://me:secret@db.test/app";

    fn choose(
        found: Option<&Source>,
        kind: Option<Kind>,
        url: Option<&str>,
    ) -> Result<Source, String> {
        let wanted = Wanted { kind, url: url.map(str::to_owned) };
        let chosen = Source::choose(found.cloned(), &wanted, Path::new("/tmp"));
        chosen.map_err(|error| error.to_string())
    }

    #[test]
    fn a_folder_keeps_its_source() {
        let named = choose(None, Some(Kind::Postgres), Some(URL)).expect("it is free");
        let private = choose(None, Some(Kind::Postgres), None).expect("it is free");
        assert_eq!(choose(None, None, Some(URL)), Ok(named.clone()));
        assert_eq!(choose(None, None, None), Ok(Source::Files));
        assert_ne!(named, private);
        for found in [&Source::Files, &named, &private] {
            assert_eq!(choose(Some(found), None, None).as_ref(), Ok(found));
        }
        assert_eq!(choose(Some(&named), None, Some(URL)).as_ref(), Ok(&named));
        assert_eq!(choose(Some(&private), Some(Kind::Postgres), None).as_ref(), Ok(&private));
    }

    #[test]
    fn another_source_is_refused_without_its_password() {
        let named = choose(None, None, Some(URL)).expect("it is free");
        for (found, kind, url, expected) in [
            (None, Some(Kind::Files), Some(URL), "--url is for --source postgres"),
            (Some(&Source::Files), Some(Kind::Postgres), None, "has its rows in files"),
            (Some(&Source::Files), None, Some(URL), "has its rows in files"),
            (Some(&named), Some(Kind::Files), None, "has its rows in a database"),
            (Some(&named), None, Some("postgres://me:secret@other.test/app"), "another database"),
            (None, None, Some("mysql://me:secret@db.test/app"), "--url is no address"),
        ] {
            let error = choose(found, kind, url).expect_err(expected);
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn it_is_remembered_as_it_is() {
        for source in [choose(None, None, None), choose(None, None, Some(URL))] {
            let source = source.expect("it is free");
            let text = serde_json::to_string(&source).expect("JSON");
            assert!(!text.contains("secret"), "{text}");
            assert_eq!(serde_json::from_str::<Source>(&text).expect("it reads back"), source);
        }
    }
}
