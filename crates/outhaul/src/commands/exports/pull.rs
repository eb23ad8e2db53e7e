//! `outhaul exports pull`.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::watch;
use crate::cli::Output;
use crate::client::{Client, Target, completed, download, text};
use crate::config::size::human;
use crate::exit::{Code, Exit};
use crate::output::{count, errln, outln};
use crate::progress;

/// Its options.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  outhaul exports pull 019a... \n  outhaul exports pull 019a... --output items.csv.gz --manifest manifest.json"
)]
pub struct Options {
    /// The export's id.
    id: String,
    /// Where to: a file, or a folder (one that is there, or that ends with `/`); `-` is standard
    /// output; the current folder when absent.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Save the manifest here too, for `outhaul verify`.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    print: Output,
}

/// Runs it. An export that has not ended yet is waited for.
///
/// # Errors
/// When the server cannot be reached or refuses, the export failed, or a file is not whole.
pub async fn run(client: &Client, options: Options) -> anyhow::Result<()> {
    one_result(options.output.as_deref(), options.print)?;
    let export = completed(watch(client, &options.id).await?)?;
    let manifest = options.manifest.as_deref();
    fetch(client, &export, options.output.as_deref(), manifest, options.print).await
}

/// Downloads all files of a completed export.
///
/// # Errors
/// As [`run`].
pub async fn fetch(
    client: &Client,
    export: &Value,
    output: Option<&Path>,
    manifest: Option<&Path>,
    print: Output,
) -> anyhow::Result<()> {
    let id = text(export, "id")?;
    if let Some(path) = manifest {
        let manifest = client.get(&format!("/exports/{id}/manifest")).await?;
        std::fs::write(path, format!("{manifest:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let artifacts = export["artifacts"].as_array().context("the export lists no files")?;
    let paths = paths(artifacts, output)?;
    let mut saved = Vec::new();
    for (artifact, path) in artifacts.iter().zip(paths) {
        let target = Target::new(artifact, &path)?;
        let bytes = artifact["bytes"].as_u64().unwrap_or_default();
        let bar = progress::bytes(bytes).with_message(path.display().to_string());
        let fetched = download(client, &target, &|at| bar.set_position(at)).await;
        bar.finish_and_clear();
        fetched?;
        if !print.json {
            errln!(
                "{}: {}, {}, whole",
                path.display(),
                count(artifact["rows"].as_u64().unwrap_or_default(), "row", "rows"),
                human(bytes)
            );
        }
        saved.push(json!({ "file": path, "bytes": bytes, "sha256": artifact["sha256"] }));
    }
    if print.json {
        outln!("{:#}", json!({ "export": id, "files": saved }));
    }
    Ok(())
}

/// Refuses two results on standard output.
///
/// # Errors
/// When the file would be mixed with JSON.
pub fn one_result(output: Option<&Path>, print: Output) -> anyhow::Result<()> {
    if print.json && output == Some(Path::new("-")) {
        let text = "--output - and --json both go to standard output: choose one";
        return Err(Exit::new(Code::Usage, text).into());
    }
    Ok(())
}

/// Where each file goes.
fn paths(artifacts: &[Value], output: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    let is_folder = |path: &Path| path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/");
    let folder = match output {
        Some(path) if artifacts.len() == 1 && !is_folder(path) => {
            return Ok(vec![path.to_owned()]);
        }
        Some(path) if path == Path::new("-") => {
            let text = format!(
                "the export has {} files, and standard output takes one: give a folder",
                artifacts.len()
            );
            return Err(Exit::new(Code::Usage, text).into());
        }
        Some(path) => {
            std::fs::create_dir_all(path)
                .with_context(|| format!("cannot make the folder {}", path.display()))?;
            path
        }
        None => Path::new("."),
    };
    artifacts.iter().map(|artifact| Ok(folder.join(plain(text(artifact, "file_name")?)?))).collect()
}

/// A file name that the server gave, if it is nothing but a name.
fn plain(name: &str) -> anyhow::Result<&str> {
    let is_name = !name.is_empty() && Path::new(name).file_name().is_some_and(|own| own == name);
    if !is_name || name.contains(['/', '\\', '\0']) {
        bail!("the server names a file {name:?}, which is no file name");
    }
    Ok(name)
}
