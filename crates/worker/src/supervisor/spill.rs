//! The spill folders of this process's slots, and what dead processes left of theirs.
//!
//! Each server process has a folder of its own, under a lock that the system releases with the
//! process. Whatever has no lock is nobody's and goes.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outhaul_exports::lease::Incarnation;
use outhaul_exports::{Error, Result};

const LOCK: &str = "lock";
const PREFIX: &str = "slots-";
const STARTING: &str = "starting-";

/// No start takes so long.
const OLD: Duration = Duration::from_secs(3_600);

/// The folder of this process. It goes when this is dropped.
pub(super) struct SpillRoot {
    folder: PathBuf,
    dead: Vec<Incarnation>,
    _lock: File,
}

impl SpillRoot {
    /// Makes this process's folder below `root` and removes those of the dead.
    pub(super) fn claim(root: &Path, incarnation: &Incarnation) -> Result<Self> {
        let claimed = Self::try_claim(root, incarnation);
        claimed.map_err(|cause| {
            let at = root.display().to_string();
            let text = "the spill folder cannot be used: check that it can be written";
            Error::unavailable(text).with_internal(at).with_source(cause)
        })
    }

    fn try_claim(root: &Path, incarnation: &Incarnation) -> io::Result<Self> {
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        private(root)?;
        let mut dead = Vec::new();
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(owner) = name.strip_prefix(PREFIX) {
                if remove_if_dead(&entry.path()) {
                    dead.push(Incarnation(owner.to_owned()));
                }
            } else if name.starts_with(STARTING) && is_old(&entry.path()) {
                remove(&entry.path());
            }
        }
        // It gets its name with the lock held: a folder of that name whose lock is free is always
        // that of a dead process, never of one that just starts.
        let starting = root.join(format!("{STARTING}{}", incarnation.0));
        private(&starting)?;
        let lock = File::create(starting.join(LOCK))?;
        lock.try_lock().map_err(io::Error::from)?;
        let folder = root.join(format!("{PREFIX}{}", incarnation.0));
        fs::rename(&starting, &folder)?;
        Ok(Self { folder, dead, _lock: lock })
    }

    /// Processes that were found dead: they held no lock on their folders any more.
    pub(super) fn dead(&self) -> &[Incarnation] {
        &self.dead
    }

    /// The folder of one slot.
    pub(super) fn of(&self, bench: &str, seat: usize) -> PathBuf {
        self.folder.join(format!("{bench}-{seat}"))
    }
}

impl Drop for SpillRoot {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes the folder of a process that is dead. Whether it certainly is.
fn remove_if_dead(folder: &Path) -> bool {
    let Ok(lock) = File::open(folder.join(LOCK)) else {
        // Whoever removed it did not come to the end.
        if is_old(folder) {
            remove(folder);
        }
        return false;
    };
    match lock.try_lock() {
        Ok(()) => {
            remove(folder);
            true
        }
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(error)) => {
            tracing::warn!(error = %error, "a spill folder's lock could not be tried");
            false
        }
    }
}

fn is_old(folder: &Path) -> bool {
    let age = fs::metadata(folder).and_then(|meta| meta.modified()).map(|at| at.elapsed());
    age.is_ok_and(|age| age.is_ok_and(|age| age > OLD))
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(error = %error, "old spill files could not be removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_removed_and_the_living_left() {
        let root = tempfile::tempdir().expect("a folder");
        let names = [Incarnation::random(), Incarnation::random(), Incarnation::random()];
        let alive = SpillRoot::claim(root.path(), &names[0]).expect("it is claimed");
        let dead = root.path().join(format!("{PREFIX}{}", names[1].0));
        fs::create_dir_all(dead.join("run-0")).expect("a folder");
        fs::write(dead.join("run-0/spilled"), b"rows").expect("a file");
        File::create(dead.join(LOCK)).expect("a lock without a holder");
        let third = SpillRoot::claim(root.path(), &names[2]).expect("it is claimed");
        assert!(!dead.exists() && alive.folder.exists() && third.folder.exists());
        assert_eq!(third.dead(), &names[1..2], "and nobody else is called dead");
        drop(third);
        drop(alive);
        assert_eq!(fs::read_dir(root.path()).expect("a folder").count(), 0);
    }
}
