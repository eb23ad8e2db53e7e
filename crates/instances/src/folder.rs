//! The folder of one server: its data, its log, its sockets, its port.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

use crate::account::Account;

/// How many bytes of the log an error shows.
const SHOWN_LOG_BYTES: usize = 2_000;
/// What the system allows for the path of a socket, less the name of the file in the folder.
const SOCKET_FOLDER_BYTES: usize = 80;

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    sockets: PathBuf,
    is_temporary: bool,
    /// They are removed with this value.
    temporary: Vec<TempDir>,
}

impl Folder {
    /// Opens or makes the folder, for the account.
    ///
    /// # Errors
    /// When the account cannot come to it or the disk refuses.
    pub fn open(given: Option<&Path>, prefix: &str, account: &Account) -> anyhow::Result<Self> {
        let mut temporary = Vec::new();
        let path = match given {
            Some(path) => {
                fs::create_dir_all(path)
                    .with_context(|| format!("cannot make the folder {}", path.display()))?;
                account.may_take(path)?;
                path.canonicalize()?
            }
            None => {
                let made = temporary_folder(prefix)?;
                let path = made.path().canonicalize()?;
                temporary.push(made);
                path
            }
        };
        account.own(&path)?;
        account.must_enter(&path)?;
        let mut sockets = path.join("run");
        if sockets.as_os_str().len() > SOCKET_FOLDER_BYTES {
            let made = temporary_folder(prefix)?;
            sockets = made.path().to_path_buf();
            temporary.push(made);
        }
        fs::create_dir_all(&sockets)?;
        // Anybody may knock; the server asks who it is.
        fs::set_permissions(&sockets, fs::Permissions::from_mode(0o755))?;
        account.own(&sockets)?;
        Ok(Self { path, sockets, is_temporary: given.is_none(), temporary })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn data(&self) -> PathBuf {
        data(&self.path)
    }

    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// Where the data are made, before they take their place: half of them is never taken for all.
    pub fn making(&self) -> anyhow::Result<PathBuf> {
        let making = self.path.join("data.new");
        if making.exists() {
            fs::remove_dir_all(&making)
                .with_context(|| format!("cannot empty {}", making.display()))?;
        }
        Ok(making)
    }

    pub fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// Whether it goes when the server does.
    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// Leaves everything where it is.
    pub fn keep(&mut self) {
        for made in self.temporary.drain(..) {
            let _ = made.keep();
        }
    }

    /// The port that the folder's server had before, or a free one.
    pub fn port(&self) -> anyhow::Result<Port> {
        Ok(match remembered_port(&self.path)? {
            Some(number) => Port { number, remembered: true },
            None => Port { number: free_port()?, remembered: false },
        })
    }

    pub fn remember_port(&self, port: u16) -> anyhow::Result<()> {
        Ok(fs::write(self.path.join("port"), format!("{port}\n"))?)
    }

    /// The end of the server's log, for an error.
    pub fn log_tail(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let from = log.len().saturating_sub(SHOWN_LOG_BYTES);
        String::from_utf8_lossy(&log[from..]).trim().to_owned()
    }
}

/// A port, and whether clients know it from an earlier run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    pub number: u16,
    pub remembered: bool,
}

/// The data of the server of a folder.
pub(crate) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// The port that the server of a folder had before.
pub(crate) fn remembered_port(folder: &Path) -> anyhow::Result<Option<u16>> {
    let file = folder.join("port");
    let Ok(text) = fs::read_to_string(&file) else { return Ok(None) };
    let port = text.trim().parse();
    port.map(Some).with_context(|| format!("{} holds no port", file.display()))
}

/// A port that nobody listens on now. Somebody else may take it before the server does; whoever
/// starts the server tries another one then.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

fn temporary_folder(prefix: &str) -> anyhow::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir()
        .context("cannot make a temporary folder for a database server")
}
