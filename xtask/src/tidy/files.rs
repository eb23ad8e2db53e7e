//! Rules about files: how they begin, how long they are, what they may not say, and what a plug-in
//! folder holds.

use std::fs;
use std::path::{Path, PathBuf};

use super::Breach;
use crate::run;

/// Lines after which a file surely has a second topic.
const LINES_MAX: usize = 700;

/// Words of vendors; they stay in their dialect's folder. (The demo's data and the command that
/// prints its credentials name them for the person who tries it.)
const VENDOR_WORDS: &[&str] = &["zuora", "aqua", "zoho", "medable", "cortex", "userpilot"];

/// Rooms in which no vendor is named.
const NEUTRAL_ROOMS: &[&str] = &["exports", "store", "engine", "formats", "delivery", "worker"];

/// Plug-in folders: where they are, what each holds, and the file whose list must name it.
const PLUGINS: &[Plugin] = &[
    Plugin {
        folder: "crates/formats/src",
        marker: "docs.md",
        files: &["mod.rs", "encoder.rs", "docs.md"],
        list: "crates/formats/src/lib.rs",
    },
    Plugin {
        folder: "crates/engine/src/sources",
        marker: "config.rs",
        files: &["mod.rs", "config.rs", "docs.md"],
        list: "crates/engine/src/sources/mod.rs",
    },
    Plugin {
        folder: "crates/dialects/src",
        marker: "docs.md",
        files: &[
            "mod.rs",
            "docs.md",
            "config.rs",
            "routes.rs",
            "request.rs",
            "response.rs",
            "error.rs",
        ],
        list: "crates/dialects/src/lib.rs",
    },
    Plugin {
        folder: "crates/dialects/src/zuora",
        marker: "docs.md",
        files: &["mod.rs", "docs.md", "routes.rs", "request.rs", "response.rs"],
        list: "crates/dialects/src/lib.rs",
    },
];

struct Plugin {
    folder: &'static str,
    marker: &'static str,
    files: &'static [&'static str],
    list: &'static str,
}

/// Checks them all.
pub fn check() -> anyhow::Result<Vec<Breach>> {
    let mut sources = Vec::new();
    for folder in ["crates", "xtask/src"] {
        collect(&run::root().join(folder), &mut sources)?;
    }
    let mut breaches = Vec::new();
    for path in &sources {
        let text = fs::read_to_string(path)?;
        breaches.extend(check_source(path, &text));
    }
    for plugin in PLUGINS {
        breaches.extend(check_plugins(plugin)?);
    }
    Ok(breaches)
}

fn check_source(path: &Path, text: &str) -> Vec<Breach> {
    let shown = path.strip_prefix(run::root()).unwrap_or(path).display().to_string();
    let mut breaches = Vec::new();
    let generated = shown.contains("workspace-hack");
    let begins_well = ["//!", "#![doc = include_str!(\"docs.md\")]"];
    if !generated && !begins_well.iter().any(|start| text.trim_start().starts_with(start)) {
        breaches.push(format!("{shown} does not begin by saying why it exists (//!)"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        breaches
            .push(format!("{shown} has {lines} lines; split it by topic (at most {LINES_MAX})"));
    }
    let neutral = NEUTRAL_ROOMS.iter().any(|room| shown.starts_with(&format!("crates/{room}/")));
    if neutral {
        let lower = text.to_lowercase();
        let named = VENDOR_WORDS.iter().filter(|word| lower.contains(*word));
        breaches.extend(named.map(|word| format!("{shown} names a vendor: {word}")));
    }
    breaches
}

fn check_plugins(plugin: &Plugin) -> anyhow::Result<Vec<Breach>> {
    let root = run::root();
    let list = fs::read_to_string(root.join(plugin.list))?;
    let mut breaches = Vec::new();
    for entry in fs::read_dir(root.join(plugin.folder))? {
        let folder = entry?.path();
        if !folder.join(plugin.marker).is_file() {
            continue;
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for file in plugin.files {
            if !folder.join(file).is_file() {
                breaches.push(format!(
                    "{}/{name} has no {file}, which its siblings have",
                    plugin.folder
                ));
            }
        }
        if !list.contains(&format!("{name}::")) {
            breaches.push(format!("{name} is missing in the list of {}", plugin.list));
        }
    }
    Ok(breaches)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}
