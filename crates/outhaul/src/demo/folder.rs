//! The demo's folder: what is in it, and how it comes there.
//!
//! ```text
//! demo.json       where the server is and how to be let in; written last, for its owner alone
//! outhaul.toml    the configuration      catalog.toml    what may be exported
//! data/           the tables             data.json       how large they are
//! demo.lock       held while it runs
//! secrets.json    the credentials        outhaul.db, artifacts/, spill/, mail/
//! ```

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::data::{self, Owner, SOURCE, World};
use super::secrets::Secrets;
use crate::catalog_file::{Draft, render};
use crate::output::errln;
use crate::progress;

/// Changes when the same number of rows makes other data.
const DATA_VERSION: u32 = 2;

/// Rows of a new data set, when nobody says how many.
pub const ROWS: u64 = 100_000;

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
    /// any number when none is wanted. Answers its rows.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn make(&self, rows: Option<u64>) -> anyhow::Result<u64> {
        // What a former start said is not true until this one is ready.
        remove(&self.0.join("demo.json"))?;
        let (rows, made) = self.make_data(rows)?;
        let catalog = self.0.join("catalog.toml");
        if made || !catalog.exists() {
            let drafts: Vec<_> = data::objects().into_iter().map(Draft::sure).collect();
            write_whole(&catalog, &render(&drafts), 0o644)?;
        }
        if !self.config().exists() {
            write_whole(&self.config(), &configuration(), 0o644)?;
        }
        self.make_secrets()?;
        Ok(rows)
    }

    /// Writes the credentials that are not there yet; those that are there stay as they are.
    fn make_secrets(&self) -> anyhow::Result<()> {
        let path = self.0.join("secrets.json");
        let found = if path.exists() { Some(fs::read_to_string(&path)?) } else { None };
        let secrets = if found.is_some() { self.secrets()? } else { Secrets::random() };
        let text = serde_json::to_string_pretty(&secrets)?;
        if found.as_ref() != Some(&text) {
            write_whole(&path, &text, 0o600)?;
        }
        Ok(())
    }

    /// How many rows there are, and whether they had to be made.
    fn make_data(&self, rows: Option<u64>) -> anyhow::Result<(u64, bool)> {
        let (stamp, folder) = (self.0.join("data.json"), self.0.join("data"));
        let found = fs::read_to_string(&stamp).ok();
        let found = found.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let there = found.as_ref().and_then(|found| found["rows"].as_u64());
        let rows = rows.or(there).unwrap_or(ROWS);
        let wanted = json!({ "version": DATA_VERSION, "rows": rows });
        if found.as_ref() == Some(&wanted) && folder.is_dir() {
            return Ok((rows, false));
        }
        if folder.exists() && found.is_none() && fs::read_dir(&folder)?.next().is_some() {
            bail!(
                "{} holds files that the demo did not make; give another --data",
                folder.display()
            );
        }
        errln!("making the data: {rows} invoice items in {}", folder.display());
        remove(&stamp)?;
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
        write_whole(&stamp, &wanted.to_string(), 0o644)?;
        Ok((rows, true))
    }

    /// The credentials.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn secrets(&self) -> anyhow::Result<Secrets> {
        let path = self.0.join("secrets.json");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| {
            format!("{} is not what the demo wrote; delete it for new ones", path.display())
        })
    }

    /// Writes `demo.json`: the server is ready.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn announce(&self, base_url: &str, rows: u64, secrets: &Secrets) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(&json!({
            "base_url": base_url,
            "pid": std::process::id(),
            "rows": rows,
            "config": self.config(),
            "source": self.0.join("data"),
            "tenants": secrets.tenants,
        }))?;
        write_whole(&self.0.join("demo.json"), &text, 0o600)
    }

    /// What a person is told when the server is ready.
    pub fn invitation(&self, base_url: &str, rows: u64, secrets: &Secrets) -> String {
        let acme = &secrets.tenants[Owner::Acme.id()];
        let (key, vendor) = (&acme.native.api_key, &acme.zuora);
        let world = World::of(rows);
        let items = world.rows_of(Owner::Acme);
        let events = world.own_rows(data::Kind::Event, Owner::Acme);
        let (folder, demo) = (self.0.display(), self.0.join("demo.json"));
        let demo = demo.display();
        let program = std::env::current_exe();
        let program = program.map_or("outhaul".to_owned(), |path| path.display().to_string());
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            r#"
Outhaul is ready at {base_url}
  data, configuration, store and files are in {folder}
  credentials of both tenants, acme and globex, are in {demo}
  acme has about {items} invoice items of {rows}, and {events} events of its users

Export acme's accounts through our own API:

  curl -sS {base_url}/api/v1/exports -H 'Authorization: Bearer {key}' \
    -H 'Content-Type: application/json' \
    -d '{{"queries":[{{"object":"Account","fields":["Id","Name","Balance","BillToContact.City"]}}],"format":"csv"}}'
  curl -sS {base_url}/api/v1/exports -H 'Authorization: Bearer {key}'

The same with this program, with a progress bar, saved and checked:

  {program} exports create --demo {demo} --object InvoiceItem --pack gzip --output items.csv.gz

As a client of Zuora's Object Export would:

  TOKEN=$(curl -sS {base_url}/oauth/token -d grant_type=client_credentials \
    -d client_id={id} -d client_secret={secret} | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -sS {base_url}/v1/object/export -H "Authorization: Bearer $TOKEN" \
    -H 'Content-Type: application/json' \
    -d '{{"Format":"csv","Query":"select AccountNumber, Name, Balance from Account where Balance > 0"}}'
  curl -sS {base_url}/v1/object/export/ID -H "Authorization: Bearer $TOKEN"
  curl -sS {base_url}/v1/files/FILEID -H "Authorization: Bearer $TOKEN" -o accounts.csv

Ctrl-C stops it.

"#,
            id = vendor.client_id,
            secret = vendor.client_secret,
        );
        text
    }
}

/// The demo's configuration.
fn configuration() -> String {
    let tenants = Owner::ALL.map(|owner| {
        let zone = match owner {
            Owner::Acme => "UTC",
            Owner::Globex => "Europe/Berlin",
        };
        format!(
            "\n[[tenants]]\nid = \"{}\"\nlabel = \"{}\"\nzone = \"{zone}\"\n",
            owner.id(),
            owner.name()
        )
    });
    let environments = Owner::ALL.map(|owner| {
        let (id, token) = (owner.id(), owner.app_token());
        format!("\n[dialects.userpilot.environments.{id}]\napp_token = \"{token}\"\n")
    });
    format!(
        r#"# The demo's configuration. Every key is explained in docs/configuration.md;
# `outhaul config show` prints all of them.

[server]
listen = "127.0.0.1:8080"

[store]
url = "sqlite:outhaul.db"

[artifacts]
url = "artifacts"

[worker]
slots = 2
spill_dir = "spill"

[mail]
transport = "file"
from = "Outhaul <exports@localhost>"
folder = "mail"

[log]
level = "info"

[[sources]]
kind = "files"
name = "{SOURCE}"
url = "data"

[catalog]
file = "catalog.toml"

[dialects.zuora_export.rates]
base = "USD"
table = {{ EUR = "0.92", GBP = "0.79" }}
{}{}"#,
        environments.concat(),
        tenants.concat()
    )
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

    use super::*;
    use crate::config::check::load_checked;

    #[test]
    fn a_second_start_keeps_what_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(&folder.path().join("new")).expect("it is made");
        assert_eq!(folder.make(Some(500)).expect("it is made"), 500);
        let (loaded, checked) =
            load_checked(&folder.config(), DateTime::UNIX_EPOCH).expect("it is sound");
        assert_eq!(checked.catalog.objects().count(), 19);
        assert_eq!(checked.tenants.iter().count(), 2);
        assert!(loaded.path("data").join("InvoiceItem.parquet").exists());
        let first = folder.secrets().expect("they are there");
        let made = || fs::metadata(folder.0.join("data")).expect("it is there").ino();
        let before = made();
        assert_eq!(folder.make(None).expect("nothing is to be done"), 500);
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
        folder.announce("http://x", 500, &first).expect("it is written");
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
        }
        fs::write(&path, older.to_string()).expect("it is written");
        folder.make(Some(50)).expect("it is made");
        let first = fs::read_to_string(&path).expect("it is there");
        let mut now: Value = serde_json::from_str(&first).expect("it is JSON");
        for tenant in ["acme", "globex"] {
            let own = now["tenants"][tenant].as_object_mut().expect("it is an object");
            let added = own.remove("userpilot").expect("it is added");
            assert!(added["app_token"].as_str().is_some_and(|token| token.len() >= 20), "{added}");
        }
        assert_eq!(now, older, "nothing else changed");
        folder.make(None).expect("nothing is to be done");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), first);
    }

    #[test]
    fn a_folder_of_somebody_elses_files_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("data")).expect("it is made");
        fs::write(folder.path().join("data/precious.txt"), "x").expect("it is written");
        let made = Folder::open(folder.path()).expect("it is there").make(Some(10));
        assert!(made.expect_err("it is refused").to_string().contains("did not make"));
        assert!(folder.path().join("data/precious.txt").exists());
    }
}
