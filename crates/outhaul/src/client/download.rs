//! Downloads that go on where they broke off. The bytes go into a file named `NAME.part`; it gets
//! its name only when it is whole, which its SHA-256 proves.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use reqwest::header::{IF_RANGE, RANGE};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{Client, PAUSE, TRIES, text};
use crate::commands::verify::digest;
use crate::exit::{Code, Exit};

/// What is downloaded, and where to.
pub struct Target {
    href: String,
    bytes: u64,
    sha256: String,
    path: PathBuf,
}

impl Target {
    /// A file of an export, to be saved as `path`.
    ///
    /// # Errors
    /// When the answer lacks something.
    pub fn new(artifact: &Value, path: PathBuf) -> anyhow::Result<Self> {
        Ok(Self {
            href: text(artifact, "href")?.to_owned(),
            bytes: artifact["bytes"].as_u64().context("the server's answer has no bytes")?,
            sha256: text(artifact, "sha256")?.to_owned(),
            path,
        })
    }

    /// The file that the bytes go into until they are whole.
    fn part(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".part");
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
    if is_there(target)? {
        progress(target.bytes);
        return Ok(());
    }
    let part = target.part();
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&part)
        .with_context(|| format!("cannot write {}", part.display()))?;
    let mut at = file.metadata()?.len();
    if at > target.bytes {
        at = restart(&mut file)?;
    }
    let mut tries = 0;
    while at < target.bytes {
        let before = at;
        match rest(client, target, &mut file, at, progress).await {
            Ok(reached) => at = reached,
            Err(Broken::Refused(error)) => return Err(error),
            Err(Broken::Off(reached, error)) => {
                at = reached;
                tries = if at > before { 0 } else { tries + 1 };
                if tries >= TRIES {
                    return Err(error.context(format!(
                        "the download broke off at {at} of {} bytes; repeat the command to go on",
                        target.bytes
                    )));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    file.sync_all()?;
    drop(file);
    finish(target, &part)
}

/// Whether the whole file is there already.
fn is_there(target: &Target) -> anyhow::Result<bool> {
    let same_length =
        std::fs::metadata(&target.path).is_ok_and(|found| found.len() == target.bytes);
    Ok(same_length && digest(&target.path)?.1 == target.sha256)
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
    file: &mut File,
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
        at = restart(file).map_err(refused)?;
    }
    file.seek(SeekFrom::Start(at)).map_err(refused)?;
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => {
                file.write_all(&bytes).map_err(refused)?;
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

fn restart(file: &mut File) -> std::io::Result<u64> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))
}

fn finish(target: &Target, part: &Path) -> anyhow::Result<()> {
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
    std::fs::rename(part, &target.path)
        .with_context(|| format!("cannot write {}", target.path.display()))
}
