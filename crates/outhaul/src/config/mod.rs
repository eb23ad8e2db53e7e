//! The configuration: one TOML file, changed by environment variables, checked before anything
//! starts.
//!
//! A file is read into a [`tree`] that knows every key's line; unknown keys, overrides and secrets
//! are handled there; then the typed [`sections`] are made, and [`check`] turns them into the words
//! of the other rooms. All mistakes are reported at once, each with its line. Paths are relative
//! to the file's folder.

pub mod callbacks;
pub mod check;
pub mod overrides;
pub mod problem;
pub mod schema;
pub mod secret;
pub mod sections;
pub mod show;
pub mod size;
pub mod tree;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use check::Checked;
pub use problem::{Problem, Problems};
pub use secret::Secrets;
pub use sections::Config;
use sections::OneOrMany;
use tree::{Place, Tree};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "outhaul.toml";

/// A configuration that was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The sections.
    pub config: Config,
    /// The folder that its paths are relative to.
    pub folder: PathBuf,
    /// Where each key was written.
    pub tree: Tree,
}

impl Loaded {
    /// A path of the configuration, relative to its file.
    pub fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }
}

/// Reads a configuration file, the files it names, and the environment.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn load(file: &Path, secrets: Secrets) -> Result<Loaded, Problems> {
    let text = read_file(file)?;
    // `var` and not `vars`: a variable that is not UTF-8 is nobody's business unless it is named.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let folder = folder_of(file);
    let name = file.display().to_string();
    parse(&text, &name, &folder, secrets, variables, &|name| std::env::var(name).ok())
}

/// Makes a configuration from text. `variables` are the overrides, `env` looks up secrets.
///
/// # Errors
/// As [`load`].
pub fn parse(
    text: &str,
    name: &str,
    folder: &Path,
    secrets: Secrets,
    variables: impl Iterator<Item = (String, String)>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Problems> {
    let schema = schema::schema();
    let mut tree = Tree::read(text, name)?;
    let mut problems = overrides::apply(&mut tree, &schema, variables);
    problems.extend(include_catalogs(&mut tree, folder));
    problems.extend(schema::unknown_keys(&tree, &schema));
    problems.extend(secret::resolve(&mut tree, folder, secrets, env));
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let config = typed(&tree)?;
    Ok(Loaded { config, folder: folder.to_owned(), tree })
}

/// Reads the catalog files that `catalog.file` names into the tree.
fn include_catalogs(tree: &mut Tree, folder: &Path) -> Vec<Problem> {
    let place = Place::of("catalog.file");
    let Some(value) = tree.value.pointer("/catalog/file") else { return Vec::new() };
    let Ok(files) = serde_json::from_value::<OneOrMany>(value.clone()) else {
        return vec![tree.problem(&place, "expected a path or a list of paths")];
    };
    let files = match files {
        OneOrMany::One(file) => vec![file],
        OneOrMany::Many(files) => files,
    };
    let mut problems = Vec::new();
    for file in files {
        let path = folder.join(file);
        if !path.exists() {
            let text = format!(
                "there is no file {}; `outhaul catalog init SOURCE --output FILE` writes one",
                path.display()
            );
            problems.push(tree.problem(&place, text));
            continue;
        }
        match read_catalog(&path) {
            Ok(other) => tree.append_list("catalog", "objects", &other),
            Err(wrong) => problems.extend(wrong.0),
        }
    }
    problems
}

/// Reads a catalog file as a tree.
///
/// # Errors
/// A file that cannot be read, or that has unknown keys.
pub fn read_catalog(file: &Path) -> Result<Tree, Problems> {
    let tree = Tree::read(&read_file(file)?, &file.display().to_string())?;
    let problems = schema::unknown_keys(&tree, &schema::catalog_schema());
    if problems.is_empty() { Ok(tree) } else { Err(Problems(problems)) }
}

/// The typed form of a tree.
///
/// # Errors
/// The first value of a wrong type.
pub fn typed<T: DeserializeOwned>(tree: &Tree) -> Result<T, Problems> {
    serde_path_to_error::deserialize(&tree.value).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { Place::root() } else { Place::of(path) };
        tree.problem(&place, plain(error.into_inner().to_string())).into()
    })
}

/// What a parser says, without the names of its types.
fn plain(mut message: String) -> String {
    for (name, words) in [
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number that is not negative"),
        ("usize", "a whole number that is not negative"),
    ] {
        if let Some(before) = message.strip_suffix(name)
            && before.ends_with("expected ")
        {
            message.replace_range(before.len().., words);
            break;
        }
    }
    message
}

fn read_file(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| {
        let text = match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!(
                    "there is no file {}; name one with --config, or begin with `outhaul demo`",
                    file.display()
                )
            }
            _ => format!("cannot read {}: {error}", file.display()),
        };
        Problem::at(Place::root(), None, text)
    })
}

/// The folder of a file, absolute where that can be told.
pub fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

#[cfg(test)]
mod tests;
