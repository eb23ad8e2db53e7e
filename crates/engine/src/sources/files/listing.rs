//! Which files a table is made of. It lists names and sizes and opens nothing.

use std::collections::BTreeSet;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use outhaul_exports::{Error, Result};

use super::config::FileFormat;
use super::partitions::{Partitions, is_partition};
use super::provider::FileSource;
use super::remote::Said;

/// Files of one table.
pub(super) const FILES_MAX: usize = 100_000;

/// Why a table has no files. Kept until somebody asks for the table.
#[derive(Debug, Clone)]
pub(super) enum Missing {
    Nothing,
    Mixed,
    TooMany,
    /// The names of its folders do not agree; the sentence says how.
    Folders(String),
    Unreadable(String),
}

/// The files of one table.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) format: FileFormat,
    pub(super) files: Vec<ObjectMeta>,
    /// What the names of the files' folders say.
    pub(super) partitions: Partitions,
}

/// What a store said when it was asked for a list.
fn unreadable(cause: object_store::Error) -> Missing {
    Missing::Unreadable(match Said::within(&cause) {
        Some(said) => said.to_string(),
        None => cause.to_string(),
    })
}

impl FileSource {
    /// The files of a table: the table's own path, a folder of that name, or the name with an
    /// ending added.
    pub(super) async fn find(&self, table: &str) -> Result<Found, Missing> {
        if let Some(only) = &self.root.only {
            let stem = only.rsplit_once('.').map_or(only.as_str(), |(stem, _)| stem);
            if table != only && table != stem {
                return Err(Missing::Nothing);
            }
            return self.single(&self.child(only)?).await?.ok_or(Missing::Nothing);
        }
        if table != "." {
            let path = self.child(table)?;
            if let Some(found) = self.single(&path).await? {
                return Ok(found);
            }
        }
        let folder = if table == "." { self.root.folder.clone() } else { self.child(table)? };
        let is_data = |file: &ObjectMeta| {
            !hidden(&folder, &file.location) && self.format(&file.location).is_some()
        };
        // What is not data must not count: a file beside each of the files would hide half of them.
        let listed = self.root.store.list(Some(&folder));
        let listed = listed.try_filter(|file| std::future::ready(is_data(file)));
        let mut files: Vec<ObjectMeta> =
            listed.take(FILES_MAX + 1).try_collect().await.map_err(unreadable)?;
        if files.len() > FILES_MAX {
            return Err(Missing::TooMany);
        }
        files.sort_by(|a, b| a.location.cmp(&b.location));
        if let Some(first) = files.first() {
            let format = self.format(&first.location).ok_or(Missing::Nothing)?;
            if files.iter().any(|file| self.format(&file.location) != Some(format)) {
                return Err(Missing::Mixed);
            }
            let partitions = Partitions::of(&folder, &files).map_err(Missing::Folders)?;
            return Ok(Found { format, files, partitions });
        }
        // All at once: each is a question to a store that may be far away.
        let endings = FileFormat::ALL.into_iter().flat_map(|format| format.extensions());
        let named = endings.map(|ending| async move {
            self.single(&self.child(&format!("{table}.{ending}"))?).await
        });
        for found in join_all(named.collect::<Vec<_>>()).await {
            if let Some(found) = found? {
                return Ok(found);
            }
        }
        Err(Missing::Nothing)
    }

    async fn single(&self, path: &Path) -> Result<Option<Found>, Missing> {
        let Some(format) = self.format(path) else { return Ok(None) };
        match self.root.store.head(path).await {
            Ok(file) => {
                let partitions = Partitions::default();
                Ok(Some(Found { format, files: vec![file], partitions }))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(unreadable(cause)),
        }
    }

    fn format(&self, path: &Path) -> Option<FileFormat> {
        let told = FileFormat::of(path);
        match self.config.format {
            Some(format) if told.is_none() || told == Some(format) => {
                // A folder of tables has no ending; only a name with one can be a file.
                path.extension().map(|_| format)
            }
            Some(_) => None,
            None => told,
        }
    }

    fn child(&self, table: &str) -> Result<Path, Missing> {
        let below = Path::parse(table).map_err(|c| Missing::Unreadable(c.to_string()))?;
        Ok(Path::from_iter(self.root.folder.parts().chain(below.parts())))
    }

    /// Names of the tables right below the root.
    pub(super) async fn names(&self) -> Result<BTreeSet<String>> {
        if let Some(only) = &self.root.only {
            return Ok(BTreeSet::from([only.clone()]));
        }
        let folder = &self.root.folder;
        let listed = self.root.store.list_with_delimiter(Some(folder)).await.map_err(|cause| {
            let name = &self.config.name;
            match Said::within(&cause) {
                Some(said) => Error::unavailable(format!("source {name} cannot be listed: {said}")),
                None => {
                    Error::unavailable(format!("source {name} cannot be listed")).with_source(cause)
                }
            }
        })?;
        let mut names = BTreeSet::new();
        for file in &listed.objects {
            if self.format(&file.location).is_some() {
                names.extend(name_below(folder, &file.location));
            }
        }
        let below = |path: &Path| path.filename().is_some_and(is_partition);
        if listed.common_prefixes.iter().any(below) {
            // The folder is one table, and its folders are values.
            return Ok(BTreeSet::from([".".to_owned()]));
        }
        for path in &listed.common_prefixes {
            names.extend(name_below(folder, path));
        }
        Ok(names)
    }
}

fn name_below(folder: &Path, path: &Path) -> Option<String> {
    (!hidden(folder, path)).then(|| path.filename().map(ToOwned::to_owned)).flatten()
}

/// Names that begin with a dot or an underscore mark what is not data.
fn hidden(folder: &Path, path: &Path) -> bool {
    let mut below = path.prefix_match(folder).into_iter().flatten();
    below.any(|part| part.as_ref().starts_with(['.', '_']))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::super::config::Config;
    use super::*;

    /// A folder with so many files that are data, each with one beside it that is not.
    async fn source(files: usize) -> FileSource {
        let store = InMemory::new();
        for at in 0..files {
            for name in [format!("t/.part-{at:06}.csv.crc"), format!("t/part-{at:06}.csv")] {
                store.put(&name.into(), "a".into()).await.expect("it is put");
            }
        }
        let config = Config {
            name: "main".into(),
            url: "memory://".into(),
            format: None,
            delimiter: None,
            decimal_digits: 6,
            overlap_secs: 300,
            options: BTreeMap::new(),
        };
        FileSource::open(&config, Some(Arc::new(store))).expect("a source")
    }

    #[tokio::test]
    async fn what_is_not_data_does_not_count() {
        let found = source(60_000).await.find("t").await.expect("a table");
        assert_eq!(found.files.len(), 60_000);
        let many = source(FILES_MAX + 1).await.find("t").await;
        assert!(matches!(many, Err(Missing::TooMany)));
    }
}
