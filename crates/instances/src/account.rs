//! Which account of the system a server runs as: PostgreSQL refuses to run as root, and MariaDB
//! ought to, so that root starts them as the account of their package, or as `nobody`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// An account of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    name: String,
    uid: u32,
    gid: u32,
    /// Whether it is the one that this process runs as.
    own: bool,
}

impl Account {
    /// Our own account, or, for root, the first of these names that the machine has.
    ///
    /// # Errors
    /// When we are root and the machine has none of them.
    pub fn for_server(names: &[&str]) -> anyhow::Result<Self> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if !uid.is_root() {
            let (uid, gid) = (uid.as_raw(), gid.as_raw());
            return Ok(Self { name: format!("number {uid}"), uid, gid, own: true });
        }
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        match names.iter().find_map(|name| Self::find(&accounts, name)) {
            Some(account) => Ok(account),
            None => bail!(
                "a database server must not run as root, and this machine has no account of these \
                 names to run it as: {}; add one with `useradd --system {}`, or run this as \
                 another user than root",
                names.join(", "),
                names.first().copied().unwrap_or("postgres"),
            ),
        }
    }

    fn find(accounts: &str, name: &str) -> Option<Self> {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next()? == name;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            found.then(|| Self { name: name.to_owned(), uid, gid, own: false })
        })
    }

    /// A command that runs as this account, and reads none of the caller's settings of clients.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C").current_dir("/");
        if !self.own {
            command.uid(self.uid).gid(self.gid).env("HOME", "/");
        }
        command
    }

    /// Refuses a folder that somebody else put there: as root we would give away what a link leads to,
    /// and trust what is in it.
    pub fn may_take(&self, folder: &Path) -> anyhow::Result<()> {
        if self.own {
            return Ok(());
        }
        let about = fs::symlink_metadata(folder)
            .with_context(|| format!("cannot look at {}", folder.display()))?;
        if about.is_dir() && [0, self.uid].contains(&about.uid()) {
            return Ok(());
        }
        bail!(
            "{} is a link or belongs to another user than root and {}; choose another folder, or \
             take it away",
            folder.display(),
            self.name,
        )
    }

    /// Makes a folder or a file its own.
    pub fn own(&self, path: &Path) -> anyhow::Result<()> {
        if self.own {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("cannot give {} to the user {}", path.display(), self.name))
    }

    /// Refuses a folder that the account cannot come to.
    pub fn must_enter(&self, folder: &Path) -> anyhow::Result<()> {
        match self.barred(folder) {
            None => Ok(()),
            Some(barred) => bail!(
                "the database server runs as the user {}, who may not enter {}; choose a folder \
                 elsewhere, or allow it with `chmod o+x {}`",
                self.name,
                barred.display(),
                barred.display(),
            ),
        }
    }

    /// The uppermost folder on the way that the account may not enter.
    fn barred(&self, folder: &Path) -> Option<PathBuf> {
        let mut way: Vec<_> = folder.ancestors().collect();
        way.reverse();
        let closed = way.into_iter().find(|step| {
            fs::metadata(step).is_ok_and(|about| {
                let bits = about.permissions().mode();
                let bit = match () {
                    () if about.uid() == self.uid => 0o100,
                    () if about.gid() == self.gid => 0o010,
                    () => 0o001,
                };
                bits & bit == 0
            })
        });
        closed.map(Path::to_path_buf)
    }
}

/// Whether a server could keep its data in this folder (which need not exist yet). Root's home, for
/// one, is closed to the account that PostgreSQL has to run as when root starts it.
#[must_use]
pub fn can_enter(folder: &Path) -> bool {
    Account::for_server(crate::postgres::ACCOUNTS)
        .is_ok_and(|account| account.own || account.barred(folder).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:8::/:/bin/sh\n\
                        postgres:x:101:104::/var/lib/postgresql:/bin/bash\n";
        let found = Account::find(accounts, "postgres").map(|found| (found.uid, found.gid));
        assert_eq!(found, Some((101, 104)));
        assert_eq!(Account::find(accounts, "nobody"), None);
    }

    #[test]
    fn what_others_put_there_is_not_taken() {
        let top = tempfile::tempdir().unwrap();
        let link = top.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        let account = Account { name: "x".into(), uid: 4_000_001, gid: 4_000_001, own: false };
        let said = account.may_take(&link).unwrap_err().to_string();
        assert!(said.contains("is a link"), "{said}");
        if rustix::process::geteuid().is_root() {
            account.may_take(top.path()).unwrap();
            chown(top.path(), Some(4_000_002), None).unwrap();
            account.may_take(top.path()).unwrap_err();
        }
    }

    #[test]
    fn a_closed_folder_on_the_way_is_named() {
        let top = tempfile::tempdir().unwrap();
        let closed = top.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        // Nobody has these numbers.
        let account = Account { name: "x".into(), uid: 4_000_001, gid: 4_000_001, own: false };
        assert_eq!(account.barred(&closed.join("within")), Some(closed.clone()));
        let said = account.must_enter(&closed).unwrap_err().to_string();
        assert!(said.contains(closed.to_str().unwrap()), "{said}");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o701)).unwrap();
        assert_eq!(account.barred(&closed.join("within")), None);
    }
}
