//! `outhaul verify`: is a downloaded file the one that the export made?

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cli::Output;
use crate::exit::{Code, Exit};
use crate::output::{count, outln};

/// Its options.
#[derive(Debug, Args)]
#[command(
    after_help = "The manifest is what GET /api/v1/exports/ID/manifest answers, or `outhaul exports pull` saves with --manifest.\n\nExamples:\n  outhaul verify items.csv.gz manifest.json\n  outhaul verify renamed.csv manifest.json --name Account.csv"
)]
pub struct Options {
    /// The file.
    file: PathBuf,
    /// The manifest, as JSON.
    manifest: PathBuf,
    /// The file's name in the manifest, if it was renamed.
    #[arg(long)]
    name: Option<String>,
    /// How to print.
    #[command(flatten)]
    output: Output,
}

/// What a manifest says of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: String,
    /// Its rows.
    pub rows: u64,
}

/// Runs it.
///
/// # Errors
/// When the file differs from what is listed, or either cannot be read.
pub fn run(options: Options) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&options.manifest)
        .with_context(|| format!("cannot read {}", options.manifest.display()))?;
    let manifest: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is not JSON", options.manifest.display()))?;
    let listed = listed(&manifest)?;
    let own = options.file.file_name().map(|name| name.to_string_lossy().into_owned());
    let found = match &options.name {
        Some(name) => named(&listed, name)?,
        None => choose(&listed, &own.unwrap_or_default())?,
    };
    let (bytes, sha256) = digest(&options.file)?;
    let whole = bytes == found.bytes && sha256 == found.sha256;
    if options.output.json {
        outln!(
            "{:#}",
            serde_json::json!({
                "file": found.name, "whole": whole, "rows": found.rows, "bytes": bytes,
                "sha256": sha256, "expected_bytes": found.bytes, "expected_sha256": found.sha256,
            })
        );
    }
    if !whole {
        let text = match bytes.cmp(&found.bytes) {
            std::cmp::Ordering::Less => format!(
                "{} has {bytes} of {} bytes: the download broke off; `outhaul exports pull` resumes it",
                options.file.display(),
                found.bytes
            ),
            _ => format!(
                "{} is not the file that the manifest lists: its SHA-256 is {sha256}, listed is {}",
                options.file.display(),
                found.sha256
            ),
        };
        return Err(Exit::new(Code::Digest, text).into());
    }
    if !options.output.json {
        let (name, rows) = (&found.name, count(found.rows, "row", "rows"));
        outln!("{name} is whole: {rows}, {bytes} bytes, SHA-256 {sha256}");
    }
    Ok(())
}

/// The files of a manifest, or of an export's record with its files.
///
/// # Errors
/// When it lists none.
pub fn listed(manifest: &Value) -> anyhow::Result<Vec<Listed>> {
    let lists = ["/artifacts", "/files", "/manifest/artifacts", "/manifest/files"];
    let list = lists.iter().find_map(|place| manifest.pointer(place)?.as_array());
    let list = list.context("the manifest lists no files")?;
    let read = |file: &Value| {
        let text = |key: &str| file.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| file.get(key).and_then(Value::as_u64);
        Some(Listed {
            name: text("file_name").or_else(|| text("name"))?,
            bytes: number("bytes")?,
            sha256: text("sha256")?,
            rows: number("rows").unwrap_or_default(),
        })
    };
    let files: Option<Vec<_>> = list.iter().map(read).collect();
    files.filter(|files| !files.is_empty()).context("the manifest lists no files as ours do")
}

/// The file of that name.
fn named<'a>(listed: &'a [Listed], name: &str) -> anyhow::Result<&'a Listed> {
    listed.iter().find(|file| file.name == name).ok_or_else(|| {
        let names: Vec<_> = listed.iter().map(|file| file.name.as_str()).collect();
        anyhow!("the manifest lists {}, not {name}: say which with --name", names.join(", "))
    })
}

/// The file of that name; of one file, the name does not matter.
fn choose<'a>(listed: &'a [Listed], name: &str) -> anyhow::Result<&'a Listed> {
    match listed {
        [only] => Ok(only),
        _ => named(listed, name),
    }
}

/// Length and SHA-256 of a file.
///
/// # Errors
/// When it cannot be read.
pub fn digest(path: &Path) -> anyhow::Result<(u64, String)> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))? {
            0 => return Ok((bytes, hex::encode(hash.finalize()))),
            count => {
                hash.update(&buffer[..count]);
                bytes += count as u64;
            }
        }
    }
}
