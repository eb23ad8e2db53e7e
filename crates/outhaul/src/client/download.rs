//! Downloads that go on where they broke off. The bytes go into a file of their own beside the target,
//! named after it and after the SHA-256 of what is downloaded, so that the beginning of another
//! file is never continued; it is locked, and gets its name only when it is whole, which its
//! SHA-256 proves. Standard output, pipes and devices are written as the bytes come.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use reqwest::header::{IF_RANGE, RANGE};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Client, Silence, text};
use crate::commands::verify::digest;
use crate::exit::{Code, Exit};
use crate::output;

/// Characters of the SHA-256 in a part's name.
const DIGEST_SHOWN: usize = 12;

/// What is downloaded, and where to.
pub struct Target {
    href: String,
    bytes: u64,
    sha256: String,
    place: output::Target,
}

impl Target {
    /// A file of an export, to be saved as `path`; `-` is standard output.
    ///
    /// # Errors
    /// When the answer lacks something, or the path is that of a folder.
    pub fn new(artifact: &Value, path: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            href: text(artifact, "href")?.to_owned(),
            bytes: artifact["bytes"].as_u64().context("the server's answer has no bytes")?,
            sha256: text(artifact, "sha256")?.to_owned(),
            place: output::Target::of(path)?,
        })
    }

    /// The file beside `path` that the bytes go into until they are whole.
    fn part(&self, path: &Path) -> PathBuf {
        let digest: String =
            self.sha256.chars().filter(char::is_ascii_hexdigit).take(DIGEST_SHOWN).collect();
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{digest}.part"));
        PathBuf::from(name)
    }
}

/// Downloads a file, or the rest of it. `progress` is told how many bytes there are.
///
/// # Errors
/// When the server refuses, keeps breaking off, or what came is not what it listed.
pub async fn download(
    client: &Client,
    target: &Target,
    progress: &dyn Fn(u64),
) -> anyhow::Result<()> {
    let cannot = |path: &Path| format!("cannot write {}", path.display());
    match &target.place {
        output::Target::Stdout => {
            stream(client, target, Box::new(output::Stdout::new()), progress).await
        }
        output::Target::Direct(path) => {
            let path = path.clone();
            let context = cannot(&path);
            let opened = tokio::task::spawn_blocking(move || output::open_direct(&path)).await?;
            stream(client, target, Box::new(opened.context(context)?), progress).await
        }
        output::Target::Whole(path) => {
            let part = target.part(path);
            let file = claim(&part)?;
            if is_there(target, path)? {
                std::fs::remove_file(&part).ok();
                progress(target.bytes);
                return Ok(());
            }
            let at = match file.metadata()?.len() {
                length if length > target.bytes => 0,
                length => length,
            };
            let mut sink = Sink::Part(file);
            fill(client, target, &mut sink, at, progress).await?;
            finish(target, &sink, &part, path)
        }
    }
}

/// Opens a part for this process alone.
fn claim(part: &Path) -> anyhow::Result<File> {
    let cannot = || format!("cannot write {}", part.display());
    loop {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(part);
        let file = file.with_context(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another download writes {}: let it end first", part.display())
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
        // Whoever had the lock may have given the file its name since it was opened.
        let own = file.metadata()?.ino();
        if std::fs::metadata(part).is_ok_and(|found| found.ino() == own) {
            return Ok(file);
        }
    }
}

/// Passes the bytes on as they come, and says at the end whether they were the right ones.
async fn stream(
    client: &Client,
    target: &Target,
    out: Box<dyn Write + Send>,
    progress: &dyn Fn(u64),
) -> anyhow::Result<()> {
    let mut sink = Sink::Passing { out, hash: Sha256::new() };
    fill(client, target, &mut sink, 0, progress).await?;
    let Sink::Passing { mut out, hash } = sink else { return Ok(()) };
    out.flush()?;
    let sha256 = hex::encode(hash.finalize());
    if sha256 == target.sha256 {
        return Ok(());
    }
    let text = format!(
        "what came is not the file that the server lists (SHA-256 {sha256}, listed {}): do not use it, repeat the command",
        target.sha256
    );
    Err(Exit::new(Code::Digest, text).into())
}

/// What bytes are written to.
enum Sink {
    /// A file, which can begin again.
    Part(File),
    /// Something that takes bytes only once.
    Passing { out: Box<dyn Write + Send>, hash: Sha256 },
}

impl Sink {
    /// Goes to a place.
    fn go_to(&mut self, at: u64) -> io::Result<()> {
        match self {
            Self::Part(file) => {
                file.set_len(at)?;
                file.seek(SeekFrom::Start(at)).map(drop)
            }
            Self::Passing { .. } => Ok(()),
        }
    }

    /// Begins again, after `at` bytes.
    fn restart(&mut self, at: u64) -> io::Result<()> {
        match self {
            Self::Passing { .. } if at > 0 => Err(io::Error::other(
                "the download broke off, and the server does not go on where it did; repeat the command",
            )),
            _ => self.go_to(0),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Part(file) => file.write_all(bytes),
            Self::Passing { out, hash } => {
                hash.update(bytes);
                out.write_all(bytes)
            }
        }
    }
}

/// Asks for the rest until it is there.
async fn fill(
    client: &Client,
    target: &Target,
    sink: &mut Sink,
    mut at: u64,
    progress: &dyn Fn(u64),
) -> anyhow::Result<()> {
    sink.go_to(at)?;
    let mut silence = Silence::default();
    while at < target.bytes {
        let before = at;
        match rest(client, target, sink, at, progress).await {
            Ok(reached) => at = reached,
            Err(Broken::Refused(error)) => return Err(error),
            Err(Broken::Off(reached, error)) => {
                at = reached;
                if at > before {
                    silence.end();
                }
                let text = format!(
                    "the download broke off at {at} of {} bytes; repeat the command to go on",
                    target.bytes
                );
                silence.endure(client, error.context(text)).await?;
            }
        }
    }
    Ok(())
}

/// Whether the whole file is there already.
fn is_there(target: &Target, path: &Path) -> anyhow::Result<bool> {
    let same_length = std::fs::metadata(path).is_ok_and(|found| found.len() == target.bytes);
    Ok(same_length && digest(path)?.1 == target.sha256)
}

/// Why a request did not bring the rest.
enum Broken {
    /// It makes no sense to ask again.
    Refused(anyhow::Error),
    /// The connection broke; so many bytes are there.
    Off(u64, anyhow::Error),
}

async fn rest(
    client: &Client,
    target: &Target,
    sink: &mut Sink,
    mut at: u64,
    progress: &dyn Fn(u64),
) -> Result<u64, Broken> {
    let mut request = client.request(Method::GET, &target.href);
    if at > 0 {
        // The entity tag is the digest: a range of another file would be refused.
        let tag = format!("\"{}\"", target.sha256);
        request = request.header(RANGE, format!("bytes={at}-")).header(IF_RANGE, tag);
    }
    let mut response = match client.send(request).await {
        Ok(response) => response,
        Err(error) if crate::exit::code_of(&error) == Code::Unreachable => {
            return Err(Broken::Off(at, error));
        }
        Err(error) => return Err(Broken::Refused(error)),
    };
    let refused = |error: std::io::Error| Broken::Refused(error.into());
    if response.status() != StatusCode::PARTIAL_CONTENT {
        sink.restart(at).map_err(refused)?;
        at = 0;
    }
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => {
                sink.write(&bytes).map_err(refused)?;
                at += bytes.len() as u64;
                progress(at);
            }
            Ok(None) if at >= target.bytes => return Ok(at),
            Ok(None) => {
                return Err(Broken::Off(at, anyhow::anyhow!("the server sent less than it said")));
            }
            Err(error) => return Err(Broken::Off(at, error.into())),
        }
    }
}

fn finish(target: &Target, sink: &Sink, part: &Path, path: &Path) -> anyhow::Result<()> {
    let Sink::Part(file) = sink else { return Ok(()) };
    file.sync_all()?;
    let (bytes, sha256) = digest(part)?;
    if bytes != target.bytes || sha256 != target.sha256 {
        // What is wrong cannot be continued.
        std::fs::remove_file(part).ok();
        let text = format!(
            "what came is not the file that the server lists (SHA-256 {sha256}, listed {}); it was removed, repeat the command",
            target.sha256
        );
        return Err(Exit::new(Code::Digest, text).into());
    }
    output::take_after(file, path)
        .and_then(|()| std::fs::rename(part, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
