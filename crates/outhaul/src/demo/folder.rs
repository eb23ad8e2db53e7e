//! The demo's folder: what is in it, and how it comes there.
//!
//! ```text
//! demo.json       where the server is and how to be let in; written last, for its owner alone
//! outhaul.toml    the configuration      catalog.toml    what may be exported
//! data/           the tables, or in a database (postgres/: one of the demo's own)
//! data.json       how large they are     demo.lock       held while it runs
//! secrets.json    the credentials        outhaul.db, artifacts/, spill/, mail/
//! app-*.secret    what apps sign with, for the configuration
//! ```

mod configuration;
mod invitation;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use outhaul_dialects::zoho::Directory;
use outhaul_exports::id;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::data::{self, ATTACHMENTS};
use super::database::{self, Database, SCHEMA};
use super::secrets::Secrets;
use super::source::{Source, Wanted};
use crate::catalog_file::{Draft, render};
use crate::output::errln;
use crate::progress;

/// Changes when the same number of rows makes other data.
const DATA_VERSION: u32 = 3;

/// Rows of a new data set, when nobody says how many.
pub const ROWS: u64 = 100_000;

/// The file with the password of the database.
const PASSWORD: &str = "database.password";

/// The file with what a tenant's app signs with.
fn app_secret(tenant: &str) -> String {
    format!("app-{tenant}.secret")
}

/// What `data.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    version: u32,
    /// `None` while they are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(default, skip_serializing_if = "Source::is_files")]
    source: Source,
}

/// What there is after [`Folder::make`].
pub struct Made {
    /// Invoice items.
    pub rows: u64,
    /// Where the rows are.
    pub source: Source,
}

/// The folder, taken for this process.
pub struct Taken {
    _lock: File,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`; it is made where there is none.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .and_then(|()| path.canonicalize())
            .map(Self)
            .with_context(|| format!("cannot make the folder {}", path.display()))
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.0.join("outhaul.toml")
    }

    /// Takes the folder for this process, until the answer is dropped.
    ///
    /// # Errors
    /// When another demo has it.
    pub fn take(&self) -> anyhow::Result<Taken> {
        let path = self.0.join("demo.lock");
        let cannot = || format!("cannot write {}", path.display());
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(cannot)?;
        match file.try_lock() {
            Ok(()) => Ok(Taken { _lock: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "a demo runs in {} already ({} says where): stop it, or give another --data",
                self.0.display(),
                self.0.join("demo.json").display()
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
        }
    }

    /// Makes what is not there yet. A data set that is there is used when it has so many rows, or
    /// any number when none is wanted. A database is talked to by the runtime that this thread is of.
    ///
    /// # Errors
    /// When something cannot be written, the folder has its rows in another source than the one that
    /// is wanted, or the database cannot be had.
    pub fn make(&self, rows: Option<u64>, wanted: &Wanted) -> anyhow::Result<Made> {
        // What a former start said is not true until this one is ready.
        remove(&self.0.join("demo.json"))?;
        let found = self.stamp();
        let source = Source::choose(found.clone().map(|found| found.source), wanted, &self.0)?;
        let rows = rows.or(found.as_ref().and_then(|found| found.rows)).unwrap_or(ROWS);
        let stamp = Stamp { version: DATA_VERSION, rows: Some(rows), source };
        let made = match &stamp.source {
            Source::Files => self.make_files(&stamp, found.as_ref())?,
            Source::Postgres(database) => {
                self.make_tables(&stamp, database, wanted.url.as_deref())?
            }
        };
        let catalog = self.0.join("catalog.toml");
        if made || !catalog.exists() {
            let objects = data::objects(stamp.source.is_files());
            let drafts: Vec<_> = objects.into_iter().map(Draft::sure).collect();
            write_whole(&catalog, &render(&drafts), 0o644)?;
        }
        data::write_scans(&self.0.join(ATTACHMENTS))?;
        let secrets = self.make_secrets()?;
        if !self.config().exists() {
            write_whole(&self.config(), &self.configuration(&stamp.source, &secrets)?, 0o644)?;
        }
        Ok(Made { rows, source: stamp.source })
    }

    /// What is there, as far as the file that says so can be read.
    fn stamp(&self) -> Option<Stamp> {
        let text = fs::read_to_string(self.0.join("data.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn write_stamp(&self, stamp: &Stamp) -> anyhow::Result<()> {
        write_whole(&self.0.join("data.json"), &serde_json::to_string(stamp)?, 0o644)
    }

    /// Stops the private database, if there is one. Answers whether it ran.
    ///
    /// # Errors
    /// When the folder's rows are elsewhere, or it does not stop.
    pub fn stop_database(&self) -> anyhow::Result<bool> {
        match self.stamp().map(|stamp| stamp.source) {
            Some(Source::Postgres(database)) => database.stop(),
            _ => bail!("the demo in {} has no database of its own", self.0.display()),
        }
    }

    /// Writes the credentials that are not there yet; those that are there stay as they are.
    /// What the configuration refers to comes into files of its own.
    fn make_secrets(&self) -> anyhow::Result<Secrets> {
        let path = self.0.join("secrets.json");
        let found = if path.exists() { Some(fs::read_to_string(&path)?) } else { None };
        let secrets = if found.is_some() { self.secrets()? } else { Secrets::random() };
        let text = serde_json::to_string_pretty(&secrets)?;
        if found.as_ref() != Some(&text) {
            write_whole(&path, &text, 0o600)?;
        }
        for (tenant, own) in &secrets.tenants {
            let file = self.0.join(app_secret(tenant));
            if fs::read_to_string(&file).ok().as_ref() != Some(&own.cortex.api_secret) {
                write_whole(&file, &own.cortex.api_secret, 0o600)?;
            }
        }
        Ok(secrets)
    }

    /// The rows in files. Answers whether they had to be made.
    fn make_files(&self, wanted: &Stamp, found: Option<&Stamp>) -> anyhow::Result<bool> {
        let folder = self.0.join("data");
        let rows = wanted.rows.unwrap_or(ROWS);
        if found == Some(wanted) && folder.is_dir() {
            return Ok(false);
        }
        if folder.exists() && found.is_none() && fs::read_dir(&folder)?.next().is_some() {
            bail!(
                "{} holds files that the demo did not make; give another --data",
                folder.display()
            );
        }
        errln!("making the data: {rows} invoice items in {}", folder.display());
        remove(&self.0.join("data.json"))?;
        let making = self.0.join("data.part");
        for old in [&folder, &making] {
            if old.exists() {
                fs::remove_dir_all(old)
                    .with_context(|| format!("cannot empty {}", old.display()))?;
            }
        }
        fs::create_dir_all(&making)?;
        let bar = progress::rows(Some(0));
        data::write_all(&making, rows, &|done, total| {
            bar.set_length(total);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();
        fs::rename(&making, &folder)
            .with_context(|| format!("cannot write {}", folder.display()))?;
        self.write_stamp(wanted)?;
        Ok(true)
    }

    /// The rows in a database, which is started where it is ours. Answers whether they had to be made.
    fn make_tables(
        &self,
        wanted: &Stamp,
        database: &Database,
        address: Option<&str>,
    ) -> anyhow::Result<bool> {
        // A private server is found by it, too, should this start not come to its end.
        self.write_stamp(&Stamp { rows: None, ..wanted.clone() })?;
        let password = self.password(database, address)?;
        if database.start(password.as_deref())? {
            errln!("started {database}; it stays until `outhaul demo --stop`");
        }
        let (url, password) = (database.url()?, password.as_deref());
        let rows = wanted.rows.unwrap_or(ROWS);
        let version = json!({ "version": DATA_VERSION, "rows": rows }).to_string();
        let runtime = tokio::runtime::Handle::current();
        let there = runtime.block_on(database::loaded(&url, password))?;
        let make = there.as_ref() != Some(&version);
        if make {
            errln!("making the data: {rows} invoice items in schema {SCHEMA} at {url}");
            let bar = progress::rows(Some(0));
            let tell = |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            };
            runtime.block_on(database::load(&url, password, rows, &version, &tell))?;
            bar.finish_and_clear();
        }
        self.write_stamp(wanted)?;
        Ok(make)
    }

    /// The password of the database: the one that the address has, the one of an earlier start, or,
    /// for a private database, a new one. It is kept in a file of its own.
    fn password(
        &self,
        database: &Database,
        address: Option<&str>,
    ) -> anyhow::Result<Option<String>> {
        let file = self.0.join(PASSWORD);
        let given = address.map(database::parsed).transpose()?.and_then(|(_, password)| password);
        let new = match (given, database) {
            (Some(given), _) => given,
            (None, _) if file.exists() => {
                let text = fs::read_to_string(&file);
                let text = text.with_context(|| format!("cannot read {}", file.display()))?;
                return Ok(Some(text.trim_end().to_owned()));
            }
            (None, Database::Private(_)) => id::secret(20),
            (None, Database::Named(_)) => return Ok(None),
        };
        write_whole(&file, &new, 0o600)?;
        Ok(Some(new))
    }

    /// The credentials.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn secrets(&self) -> anyhow::Result<Secrets> {
        let path = self.0.join("secrets.json");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let secrets: Secrets = serde_json::from_str(&text).with_context(|| {
            format!("{} is not what the demo wrote; delete it for new ones", path.display())
        })?;
        Ok(secrets.completed())
    }

    /// Writes `demo.json`: the server is ready.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn announce(
        &self,
        base_url: &str,
        made: &Made,
        secrets: &Secrets,
        orgs: &Orgs,
    ) -> anyhow::Result<()> {
        let source = match &made.source {
            Source::Files => json!({ "kind": "files", "folder": self.0.join("data") }),
            Source::Postgres(database) => {
                let file = self.0.join(PASSWORD);
                json!({
                    "kind": "postgres",
                    "url": database.url()?,
                    "schema": SCHEMA,
                    "password_file": file.exists().then_some(file),
                })
            }
        };
        let text = serde_json::to_string_pretty(&json!({
            "base_url": base_url,
            "pid": std::process::id(),
            "rows": made.rows,
            "config": self.config(),
            "source": source,
            "tenants": with_orgs(serde_json::to_value(&secrets.tenants)?, orgs),
        }))?;
        write_whole(&self.0.join("demo.json"), &text, 0o600)
    }
}

/// Where each tenant's views are in Zoho Analytics' API.
pub type Orgs = BTreeMap<String, Directory>;

fn with_orgs(mut tenants: Value, orgs: &Orgs) -> Value {
    for (tenant, org) in orgs {
        let own = tenants[tenant]["zoho"].as_object_mut();
        if let (Some(own), Ok(Value::Object(org))) = (own, serde_json::to_value(org)) {
            own.extend(org);
        }
    }
    tenants
}

/// Writes a file that appears whole or not at all.
fn write_whole(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let write = || {
        remove_if_there(&part)?;
        let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    remove_if_there(path).with_context(|| format!("cannot delete {}", path.display()))
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use chrono::DateTime;
    use serde_json::Value;

    use super::*;
    use crate::config::check::load_checked;

    fn make(folder: &Folder, rows: Option<u64>) -> u64 {
        folder.make(rows, &Wanted::default()).expect("it is made").rows
    }

    fn files(rows: u64) -> Made {
        Made { rows, source: Source::Files }
    }

    #[test]
    fn a_second_start_keeps_what_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(&folder.path().join("new")).expect("it is made");
        assert_eq!(make(&folder, Some(500)), 500);
        let (loaded, checked) =
            load_checked(&folder.config(), DateTime::UNIX_EPOCH).expect("it is sound");
        assert_eq!(checked.catalog.objects().count(), 21);
        assert_eq!(checked.tenants.iter().count(), 2);
        assert!(loaded.path("data").join("InvoiceItem.parquet").exists());
        let first = folder.secrets().expect("they are there");
        let made = || fs::metadata(folder.0.join("data")).expect("it is there").ino();
        let before = made();
        assert_eq!(make(&folder, None), 500);
        assert_eq!(made(), before, "what is there is used");
        let taken = folder.take().expect("it is free");
        assert!(folder.take().is_err_and(|error| error.to_string().contains("runs in")));
        drop(taken);
        folder.take().expect("it is free again");
        let second = folder.secrets().expect("they are there");
        assert_eq!(first.tenants["acme"].native.api_key, second.tenants["acme"].native.api_key);
        let key = &first.tenants["acme"].zuora;
        assert_eq!(key.client_id.len(), 36);
        assert!(key.client_secret.len() <= 42);
        folder.announce("http://x", &files(500), &first, &Orgs::new()).expect("it is written");
        let mode = fs::metadata(folder.0.join("demo.json")).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn secrets_of_an_older_demo_stay_and_are_completed() {
        let made = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(made.path()).expect("it is there");
        let path = made.path().join("secrets.json");
        let mut older = serde_json::to_value(Secrets::random()).expect("it is JSON");
        for tenant in ["acme", "globex"] {
            let own = older["tenants"][tenant].as_object_mut().expect("it is an object");
            own.remove("userpilot").expect("a new one has it");
            own.remove("zoho").expect("a new one has it");
            own.remove("cortex").expect("a new one has it");
        }
        fs::write(&path, older.to_string()).expect("it is written");
        make(&folder, Some(50));
        let first = fs::read_to_string(&path).expect("it is there");
        let mut now: Value = serde_json::from_str(&first).expect("it is JSON");
        for tenant in ["acme", "globex"] {
            let own = now["tenants"][tenant].as_object_mut().expect("it is an object");
            let added = own.remove("userpilot").expect("it is added");
            assert!(added["app_token"].as_str().is_some_and(|token| token.len() >= 20), "{added}");
            assert!(own.remove("zoho").is_some_and(|added| added["refresh_token"].is_string()));
            let added = own.remove("cortex").expect("it is added");
            assert_eq!(added["org"], tenant);
            let length = |key: &str| added[key].as_str().map_or(0, str::len);
            assert_eq!((length("api_key"), length("api_secret")), (22, 64), "{added}");
            let file = made.path().join(app_secret(tenant));
            let mode = fs::metadata(&file).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert_eq!(added["api_secret"], fs::read_to_string(&file).expect("it is there"));
        }
        assert_eq!(now, older, "nothing else changed");
        make(&folder, None);
        assert_eq!(fs::read_to_string(&path).expect("it is there"), first);
    }

    #[test]
    fn a_folder_of_somebody_elses_files_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("data")).expect("it is made");
        fs::write(folder.path().join("data/precious.txt"), "x").expect("it is written");
        let made =
            Folder::open(folder.path()).expect("it is there").make(Some(10), &Wanted::default());
        assert!(made.err().expect("it is refused").to_string().contains("did not make"));
        assert!(folder.path().join("data/precious.txt").exists());
    }
}
