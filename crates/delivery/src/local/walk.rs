//! Lists the folder in the order of the names on each level, a page at a time.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use outhaul_exports::ports::StoredObject;

use crate::key;

/// Folders above an object: tenant, export, lease.
const DEPTH: usize = 3;

pub(super) fn list(
    root: &Path,
    after: Option<&str>,
    before: DateTime<Utc>,
    most: usize,
) -> io::Result<Vec<StoredObject>> {
    let after: Option<Vec<&str>> = after.map(|key| key.split('/').collect());
    let mut page = Page { before, most, found: Vec::new() };
    page.walk(root, "", DEPTH, after.as_deref())?;
    Ok(page.found)
}

struct Page {
    before: DateTime<Utc>,
    most: usize,
    found: Vec<StoredObject>,
}

impl Page {
    /// `after` holds the parts of the last key of the page before, from this level down, while all
    /// levels above are the same.
    fn walk(
        &mut self,
        folder: &Path,
        prefix: &str,
        depth: usize,
        after: Option<&[&str]>,
    ) -> io::Result<()> {
        for name in names(folder, depth > 0)? {
            if self.found.len() >= self.most {
                break;
            }
            let rest = match after.and_then(|parts| parts.split_first()) {
                Some((first, _)) if name.as_str() < *first => continue,
                Some((first, rest)) if name == *first => Some(rest),
                _ => None,
            };
            let key = format!("{prefix}{name}");
            if depth > 0 {
                self.walk(&folder.join(&name), &format!("{key}/"), depth - 1, rest)?;
            } else if rest.is_none() && key::parse(&key).is_some() {
                self.look(&folder.join(&name), key);
            }
        }
        Ok(())
    }

    fn look(&mut self, path: &Path, key: String) {
        // What vanished meanwhile was deleted by somebody who knew why.
        let Ok(meta) = fs::metadata(path) else { return };
        let Ok(modified) = meta.modified() else { return };
        let modified_at = DateTime::<Utc>::from(modified);
        if modified_at < self.before {
            self.found.push(StoredObject { key, bytes: meta.len(), modified_at });
        }
    }
}

/// The sorted names of the folders, or of the files, in a folder. Links are not followed; a folder
/// that vanished is empty, and one that is not ours to read (a volume's `lost+found`) is too.
fn names(folder: &Path, folders: bool) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(cause) => return Err(cause),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if (folders && kind.is_dir()) || (!folders && kind.is_file()) {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort_unstable();
    Ok(names)
}
