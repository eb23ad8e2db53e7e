//! Rules about dependencies: the import table of ARCHITECTURE.md, single versions, licences.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use super::Breach;
use crate::run;

/// What each room may import of ours. Tests may import more.
const IMPORTS: &[(&str, &[&str])] = &[
    ("outhaul-exports", &[]),
    ("outhaul-dialects", &["outhaul-exports"]),
    ("outhaul-store", &["outhaul-exports"]),
    ("outhaul-engine", &["outhaul-exports"]),
    ("outhaul-formats", &["outhaul-exports"]),
    ("outhaul-delivery", &["outhaul-exports"]),
    (
        "outhaul-worker",
        &["outhaul-exports", "outhaul-formats", "outhaul-delivery", "outhaul-scripts"],
    ),
    (
        "outhaul",
        &[
            "outhaul-exports",
            "outhaul-dialects",
            "outhaul-store",
            "outhaul-engine",
            "outhaul-formats",
            "outhaul-delivery",
            "outhaul-scripts",
            "outhaul-worker",
            "outhaul-instances",
        ],
    ),
    ("outhaul-scripts", &[]),
    ("outhaul-instances", &[]),
    ("outhaul-e2e", &["outhaul-instances"]),
    ("xtask", &["outhaul-instances"]),
    ("workspace-hack", &[]),
];

/// Crates that only these rooms may name: each is a door.
const DOORS: &[(&str, &[&str])] = &[
    ("datafusion", &["outhaul-engine"]),
    ("ballista", &["outhaul-engine"]),
    ("sqlx", &["outhaul-store", "outhaul-engine"]),
    ("tokio-postgres", &["outhaul-engine", "outhaul"]),
    ("axum", &["outhaul-dialects", "outhaul"]),
    ("object_store", &["outhaul-engine", "outhaul-delivery"]),
    ("rquickjs", &["outhaul-scripts"]),
    ("anyhow", &["outhaul", "outhaul-instances", "outhaul-e2e", "xtask"]),
];

/// Two versions of one of these would hand each other values of different types.
const SINGLE: &[&str] = &["arrow-array", "arrow-schema", "parquet", "object_store", "datafusion"];

/// Licences that may be built in (`deny.toml` has the same list).
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Checks them all.
pub fn check() -> anyhow::Result<Vec<Breach>> {
    let metadata = MetadataCommand::new().current_dir(run::root()).exec()?;
    let mut breaches = imports(&metadata);
    breaches.extend(versions(&metadata));
    breaches.extend(metadata.packages.iter().filter_map(licence));
    Ok(breaches)
}

fn imports(metadata: &Metadata) -> Vec<Breach> {
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut breaches = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some(allowed) = table.get(name) else {
            breaches.push(format!("{name}: this room is not in the import table"));
            continue;
        };
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Normal {
                continue;
            }
            let other = dependency.name.as_str();
            if table.contains_key(other) && other != "workspace-hack" && !allowed.contains(&other) {
                breaches.push(format!("{name} imports {other}, which the import table forbids"));
            }
            let door = DOORS.iter().find(|(guarded, _)| *guarded == other);
            if door.is_some_and(|(_, rooms)| !rooms.contains(&name)) && name != "workspace-hack" {
                breaches.push(format!("{name} names {other}; another room is its only door"));
            }
        }
    }
    breaches
}

fn versions(metadata: &Metadata) -> Vec<Breach> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in &metadata.packages {
        if SINGLE.contains(&package.name.as_str()) {
            found.entry(package.name.as_str()).or_default().insert(package.version.to_string());
        }
    }
    let double = found.into_iter().filter(|(_, versions)| versions.len() > 1);
    double
        .map(|(name, versions)| format!("{name} is built in {versions:?}: one version only"))
        .collect()
}

fn licence(package: &Package) -> Option<Breach> {
    // Ours have no source.
    package.source.as_ref()?;
    let Some(expression) = &package.license else {
        // Crates with a licence file and no expression are few; deny.toml clarifies them.
        return (package.license_file.is_none())
            .then(|| format!("{} has no licence", package.name));
    };
    let good = expression
        .split(" AND ")
        .all(|all| alternatives(all).any(|one| LICENCES.contains(&one.as_str())));
    (!good).then(|| format!("{} is under {expression}, which is not allowed", package.name))
}

fn alternatives(expression: &str) -> impl Iterator<Item = String> {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" OR ").map(|one| one.trim().to_owned()).collect::<Vec<_>>().into_iter()
}
