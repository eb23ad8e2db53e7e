//! Where results go: standard output, whose reader may leave early, and files, which appear whole
//! or not at all. What stands in the place of a file and is none (a device, a pipe) is written to,
//! never replaced.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::exit::{Code, Exit};

/// Symbolic links in a row that are followed; as many as Linux follows.
const LINKS_MAX: usize = 40;

/// A line on standard output. When its reader has left (`| head`), the process ends quietly.
macro_rules! outln {
    ($($part:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($($part)*)))
    };
}
pub(crate) use outln;

/// A line on standard error, if anybody reads it.
macro_rules! errln {
    ($($part:tt)*) => {
        $crate::output::say(format_args!("{}\n", format_args!($($part)*)))
    };
}
pub(crate) use errln;

/// A number of things in words.
pub fn count<N: fmt::Display + PartialEq + From<u8>>(number: N, one: &str, many: &str) -> String {
    let word = if number == N::from(1) { one } else { many };
    format!("{number} {word}")
}

/// Writes to standard output. It is for commands: a server must not end with its reader.
pub fn print(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(Code::Unread as i32);
    }
    errln!("outhaul: cannot write to standard output: {error}");
    std::process::exit(Code::Failed as i32);
}

/// Writes to standard error.
pub fn say(text: fmt::Arguments<'_>) {
    io::stderr().lock().write_fmt(text).ok();
}

/// The reader of standard output has left. No failure worth a word.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
pub struct Unread;

/// Standard output for the bytes of a file.
pub struct Stdout(io::Stdout);

impl Stdout {
    /// It.
    pub fn new() -> Self {
        Self(io::stdout())
    }
}

fn named(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, Unread),
        _ => error,
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

/// Whether an error is that the reader of standard output has left.
pub fn is_unread(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<Unread>() || inner.is_some_and(|inner| inner.is::<Unread>())
    })
}

/// Where the bytes of a file go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Something that is there and is no regular file, such as a pipe or a device: it is opened
    /// and written.
    Direct(PathBuf),
    /// A regular file, there or not: a new one takes its name when it is whole.
    Whole(PathBuf),
}

impl Target {
    /// What a path on the command line means; `-` is standard output. Links are followed.
    ///
    /// # Errors
    /// A folder, or a path that cannot be followed.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        if path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/") {
            let text = format!("{} is a folder: name a file in it", path.display());
            return Err(Exit::new(Code::Usage, text).into());
        }
        Self::followed(path.to_owned()).with_context(|| format!("cannot write {}", path.display()))
    }

    fn followed(mut path: PathBuf) -> io::Result<Self> {
        for _ in 0..LINKS_MAX {
            if let Some(target) = Self::descriptor(&path) {
                return Ok(target);
            }
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    let to = fs::read_link(&path)?;
                    path = path.parent().map_or_else(|| to.clone(), |folder| folder.join(&to));
                }
                Ok(found) if found.is_file() => return Ok(Self::Whole(path)),
                Ok(_) => return Ok(Self::Direct(path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Self::Whole(path));
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("it is a link that leads to itself"))
    }

    /// An open file by its number, such as `/dev/stdout` or `/dev/fd/3`, belongs to whoever opened
    /// it: it is not replaced.
    fn descriptor(path: &Path) -> Option<Self> {
        let folder = path.parent()?.canonicalize().ok()?;
        if !folder.starts_with("/proc") {
            return None;
        }
        let own = Path::new("/proc/self/fd").canonicalize().ok();
        let is_stdout = own.as_ref() == Some(&folder) && path.file_name()? == "1";
        Some(if is_stdout { Self::Stdout } else { Self::Direct(path.to_owned()) })
    }
}

/// Opens what is written to directly. Opening a pipe waits for its reader.
///
/// # Errors
/// When it cannot be written.
pub fn open_direct(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// Gives a new file, which is going to take the place of the one at `path`, that one's mode and,
/// where the system lets us, its owner.
///
/// # Errors
/// When the mode cannot be set.
pub fn take_after(new: &File, path: &Path) -> io::Result<()> {
    let Ok(old) = fs::metadata(path) else { return Ok(()) };
    let own = new.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        // Only root may give files away.
        fchown(new, Some(old.uid()), Some(old.gid())).ok();
    }
    new.set_permissions(old.permissions())
}

/// Creates the file that is going to take the place of the one at `path`; until it has its mode,
/// nobody else can read it.
///
/// # Errors
/// When it is there already or cannot be written.
pub fn create_after(new: &Path, path: &Path) -> io::Result<File> {
    if !path.exists() {
        return File::create_new(new);
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    take_after(&file, path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_are_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "x").expect("it is written");
        symlink("file", at("link")).expect("it is made");
        symlink("new", at("dangling")).expect("it is made");
        symlink("round", at("round")).expect("it is made");
        std::os::unix::net::UnixListener::bind(at("socket")).expect("it is made");
        let target = |name: &str| Target::of(&at(name));
        assert_eq!(target("file").expect("it is"), Target::Whole(at("file")));
        assert_eq!(target("link").expect("it is"), Target::Whole(at("file")));
        assert_eq!(target("dangling").expect("it is"), Target::Whole(at("new")));
        assert_eq!(target("socket").expect("it is"), Target::Direct(at("socket")));
        assert!(target("round").is_err() && target("nothing/").is_err());
        for (path, expected) in [
            ("-", Target::Stdout),
            ("/dev/stdout", Target::Stdout),
            ("/dev/null", Target::Direct("/dev/null".into())),
        ] {
            assert_eq!(Target::of(Path::new(path)).expect("it is"), expected, "{path}");
        }
    }
}
