//! Mails as files: one `.eml` file each, in a folder.
//!
//! A file appears under its name whole, durable and for its owner alone. The name is the message's,
//! so that a mail that is sent twice is one file.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Mail, Mailer, Refusal, Sender, mime};

/// Writes mails into a folder, which it makes when it is missing.
#[derive(Debug, Clone)]
pub struct FileMailer {
    folder: PathBuf,
    from: Sender,
}

impl FileMailer {
    /// For that folder.
    pub fn new(folder: PathBuf, from: Sender) -> Self {
        Self { folder, from }
    }

    async fn blocking(
        &self,
        work: impl FnOnce(&Path) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Refusal> {
        let folder = self.folder.clone();
        let shown = folder.display().to_string();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        let refuse = |cause: String| {
            Refusal::passing("the mail could not be written", format!("{shown}: {cause}"))
        };
        match done {
            Ok(done) => done.map_err(|error| refuse(error.to_string())),
            Err(error) => Err(refuse(error.to_string())),
        }
    }
}

#[async_trait]
impl Mailer for FileMailer {
    async fn send(&self, mail: &Mail) -> Result<(), Refusal> {
        let bytes = mime::message(mail, &self.from)?.formatted();
        let name = format!("{}.eml", mail.id);
        self.blocking(move |folder| write(folder, &name, &bytes)).await
    }

    async fn check(&self) -> Result<(), Refusal> {
        self.blocking(|folder| {
            // What a first mail would make is not made here.
            let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
            rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?;
            if !there.is_dir() {
                return Err(io::Error::other(format!("{} is no folder", there.display())));
            }
            Ok(())
        })
        .await
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let part = folder.join(format!(".{name}.part"));
    // One that was left behind by a process that died, or one that another is at: it holds a lock.
    let mut file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&part)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::Error::other("it is being written")),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, folder.join(name))?;
    File::open(folder)?.sync_all()
}
