//! The configuration of a `files` source, and how it becomes an object store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use outhaul_exports::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::remote::{self, Refused};

/// A `[[sources]]` section with `kind = "files"`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name by which the catalog's objects refer to it.
    pub name: String,
    /// A local folder or file, or a URL: `file://`, `s3://`, `gs://`, `az://`, `http(s)://`.
    pub url: String,
    /// Format of the files; by their extension when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// What separates the values of a line of csv files: one ASCII character, such as `;`, `|` or a
    /// tab; a comma when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<Delimiter>,
    /// Digits after the point of decimals that are read from text files (csv, ndjson); a value
    /// with more of them is an error. At most 18.
    #[serde(default = "default_scale")]
    pub decimal_digits: u8,
    /// How many seconds a row's time of its last change may lie before the row can be read, at most:
    /// sessions read again what changed within so many seconds before the last export. At most a
    /// year.
    #[serde(default = "default_overlap")]
    pub overlap_secs: u32,
    /// Settings of the object store, such as `aws_region` or `aws_secret_access_key`. Secrets
    /// stand here only after they were fetched from where the configuration file refers to. Texts,
    /// also for numbers and `true`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// Seconds.
fn default_overlap() -> u32 {
    300
}

/// Seconds: 366 days.
const OVERLAP_MAX: u32 = 366 * 24 * 3600;

fn default_scale() -> u8 {
    6
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("format", &self.format)
            .field("delimiter", &self.delimiter)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What separates the values of a line of CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "char")]
pub struct Delimiter(u8);

impl Delimiter {
    /// What it is when nothing is said.
    pub(super) const COMMA: Self = Self(b',');

    /// Its byte.
    pub(super) fn byte(self) -> u8 {
        self.0
    }
}

impl TryFrom<String> for Delimiter {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        // What values are made of, or a file's own structure, separates nothing.
        let separates = |byte: u8| {
            byte.is_ascii()
                && !byte.is_ascii_alphanumeric()
                && !matches!(byte, b'"' | b'\n' | b'\r' | 0)
        };
        match *text.as_bytes() {
            [byte] if separates(byte) => Ok(Self(byte)),
            _ => Err(format!(
                "{text:?} is no delimiter: write one ASCII character that is no letter, digit, \
                 quotation mark or line end, such as \";\", \"|\" or \"\\t\" for a tab"
            )),
        }
    }
}

impl From<Delimiter> for char {
    fn from(delimiter: Delimiter) -> Self {
        delimiter.0.into()
    }
}

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Text with separated values and a line of headings.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Avro's object container files.
    Avro,
}

impl FileFormat {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Parquet, Self::Csv, Self::Ndjson, Self::Avro];

    /// The endings of its files, the usual one first.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Parquet => &["parquet", "pq"],
            Self::Csv => &["csv"],
            Self::Ndjson => &["ndjson", "jsonl", "json"],
            Self::Avro => &["avro"],
        }
    }

    /// The format that a file's ending tells.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| format.extensions().contains(&ending.as_str()))
    }
}

/// Where a source's tables are.
#[derive(Debug)]
pub(super) struct Root {
    /// The store.
    pub(super) store: Arc<dyn ObjectStore>,
    /// The folder in it, without a slash at its end.
    pub(super) folder: Path,
    /// The one file, where the URL names a file and not a folder.
    pub(super) only: Option<String>,
    /// Whether the store is another machine's.
    pub(super) far: bool,
    /// The store's own folder on this machine's disk, its links followed; none for others' stores.
    pub(super) disk: Option<std::path::PathBuf>,
}

impl Config {
    /// Takes over what environment variables say of the object store that the address names, such as
    /// `AWS_ACCESS_KEY_ID`, where no option says it. For addresses that stand on a command line,
    /// where secrets must not; a configuration refers to each of them.
    #[must_use]
    pub fn with_environment(mut self, variables: impl Iterator<Item = (String, String)>) -> Self {
        if let Some(url) = Url::parse(&self.url).ok().filter(|_| self.url.contains("://")) {
            let said = |name: &str| {
                self.options.keys().any(|key| {
                    let key = key.to_ascii_lowercase();
                    name.strip_suffix(key.as_str())
                        .is_some_and(|b| b.is_empty() || b.ends_with('_'))
                })
            };
            let mut more = remote::from_environment(&url, variables);
            more.retain(|name, _| !said(name));
            self.options.append(&mut more);
        }
        self
    }

    /// Opens the store.
    pub(super) fn root(&self, given: Option<Arc<dyn ObjectStore>>) -> Result<Root> {
        if self.decimal_digits > 18 {
            let text = format!("source {}: decimal_digits is at most 18", self.name);
            return Err(self.wrong("decimal_digits", text));
        }
        if self.overlap_secs > OVERLAP_MAX {
            let text = format!("source {}: overlap_secs is at most {OVERLAP_MAX}", self.name);
            return Err(self.wrong("overlap_secs", text));
        }
        match given {
            Some(store) => {
                let folder = self.path_in_store()?;
                Ok(Root { store, folder, only: None, far: true, disk: None })
            }
            None if self.url.contains("://") && !self.url.starts_with("file://") => self.remote(),
            None => self.local(),
        }
    }

    fn path_in_store(&self) -> Result<Path> {
        let path = self
            .url
            .split_once("://")
            .map_or("", |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        Path::parse(path.trim_matches('/')).map_err(|cause| {
            self.wrong("url", format!("source {}: its url is not a path", self.name))
                .with_source(cause)
        })
    }

    fn remote(&self) -> Result<Root> {
        // Nothing is quoted: what was written in the wrong place may be a secret.
        let refused =
            |key: &str, why: &str| self.wrong(key, format!("source {}: {why}", self.name));
        let url = Url::parse(&self.url).map_err(|_| refused("url", "its url is not one"))?;
        if url.password().is_some() {
            return Err(refused("url", "its url holds a password; put secrets into its options"));
        }
        let (store, path) = remote::connect(&url, &self.options).map_err(|why| match &why {
            Refused::Scheme(_) => refused("url", &why.to_string()),
            _ => refused("options", &why.to_string()),
        })?;
        Ok(split_file(store, path, self.url.ends_with('/')))
    }

    fn local(&self) -> Result<Root> {
        let missing = |cause: std::io::Error| {
            let text = "source_missing: there is no such folder or file";
            Error::unavailable(text)
                .with_internal(format!("source {}: {}", self.name, self.url))
                .with_source(cause)
        };
        let path = match Url::parse(&self.url) {
            Ok(url) if url.scheme() == "file" => url.to_file_path().map_err(|()| {
                self.wrong("url", format!("source {}: its url is not a local path", self.name))
            })?,
            _ => std::path::PathBuf::from(&self.url),
        };
        let path = path.canonicalize().map_err(missing)?;
        let (folder, only) = match (path.is_dir(), path.parent(), path.file_name()) {
            (false, Some(parent), Some(file)) => {
                (parent.to_path_buf(), Some(file.to_string_lossy().into_owned()))
            }
            _ => (path, None),
        };
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|cause| {
            Error::unavailable(format!("source {}: its folder cannot be opened", self.name))
                .with_source(cause)
        })?;
        let store = Arc::new(store);
        Ok(Root { store, folder: Path::default(), only, far: false, disk: Some(folder) })
    }

    fn wrong(&self, key: &str, text: String) -> Error {
        Error::invalid(format!("sources.{}.{key}", self.name), text)
    }
}

/// Takes a file's name off a remote path, where the path ends like a file.
fn split_file(store: Arc<dyn ObjectStore>, path: Path, is_folder: bool) -> Root {
    if is_folder || FileFormat::of(&path).is_none() {
        return Root { store, folder: path, only: None, far: true, disk: None };
    }
    let only = path.filename().map(ToOwned::to_owned);
    let parts: Vec<_> = path.parts().collect();
    let folder = Path::from_iter(parts.iter().take(parts.len() - 1).cloned());
    Root { store, folder, only, far: true, disk: None }
}
