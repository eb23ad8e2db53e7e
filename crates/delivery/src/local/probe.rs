//! Whether a folder does what artifacts need of it, found out by doing it to a file of its own:
//! making, writing, syncing, naming, syncing the folder, deleting. The file's name is no key, so
//! that nobody takes it for an artifact.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use outhaul_exports::id;

use super::upload::name;

/// Tries the folder out.
///
/// # Errors
/// What the first step that fails says.
pub(super) fn write(root: &Path) -> io::Result<()> {
    // Several processes may try at once.
    let this = id::secret(8);
    let (part, whole) = (root.join(format!(".probe-{this}")), root.join(format!(".probed-{this}")));
    let tried = attempt(root, &part, &whole);
    if tried.is_err() {
        let _ = fs::remove_file(&part);
        let _ = fs::remove_file(&whole);
    }
    tried
}

/// Whether the folder is the one that was opened. One that was taken away leaves its mount point,
/// or whatever somebody made in its place: files are not gone because they are not in that.
///
/// # Errors
/// When it is away, or another.
pub(super) fn same(root: &Path, opened: &File) -> io::Result<()> {
    let (now, then) = (fs::metadata(root)?, opened.metadata()?);
    if (now.dev(), now.ino()) == (then.dev(), then.ino()) {
        return Ok(());
    }
    let text = "another folder is in the place of the one that was opened: bring that back, or \
                restart to go on with this one";
    Err(io::Error::other(text))
}

fn attempt(root: &Path, part: &Path, whole: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part)?;
    file.write_all(b"probe")?;
    file.sync_all()?;
    drop(file);
    name(part, whole)?;
    File::open(root)?.sync_all()?;
    fs::remove_file(whole)
}
