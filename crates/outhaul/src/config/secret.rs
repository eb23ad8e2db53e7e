//! Secrets stand in the configuration as references, never as values:
//! `{ env = "NAME" }` names an environment variable, `{ file = "PATH" }` a file.
//!
//! They are read once, when the configuration is loaded, and are never printed.

use std::path::Path;

use serde_json::Value;

use super::problem::Problem;
use super::tree::{Place, Tree};

/// What stands for a secret wherever the configuration is printed.
pub const DOTS: &str = "••••••••";

/// What becomes of references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// The secret is read and stands in the reference's place.
    Read,
    /// Dots stand in its place.
    Hide,
}

/// Sections in which values may be references.
const SECTIONS: [&str; 6] = ["sources", "artifacts", "store", "mail", "tenants", "dialects"];

/// Words in a key that say that its value is a secret.
const TELLING: [&str; 10] = [
    "secret",
    "password",
    "passwd",
    "token",
    "private_key",
    "account_key",
    "service_account_key",
    "sas_key",
    "master_key",
    "customer_key",
];

/// Replaces every reference in the sections that may hold some, and refuses secrets that are
/// written out. `env` looks up an environment variable.
pub fn resolve(
    tree: &mut Tree,
    folder: &Path,
    mode: Secrets,
    env: &dyn Fn(&str) -> Option<String>,
) -> Vec<Problem> {
    let mut found = Resolver { folder, mode, env, complaints: Vec::new() };
    let mut value = std::mem::take(&mut tree.value);
    for section in SECTIONS {
        if let Some(section_value) = value.get_mut(section) {
            found.visit(&Place::of(section), section_value);
        }
    }
    tree.value = value;
    found.complaints.into_iter().map(|(place, text)| tree.problem(&place, text)).collect()
}

struct Resolver<'a> {
    folder: &'a Path,
    mode: Secrets,
    env: &'a dyn Fn(&str) -> Option<String>,
    complaints: Vec<(Place, String)>,
}

impl Resolver<'_> {
    fn visit(&mut self, place: &Place, value: &mut Value) {
        if let Some(reference) = Reference::of(value) {
            match self.read(&reference) {
                Ok(secret) => *value = Value::String(secret),
                Err(text) => self.complaints.push((place.clone(), text)),
            }
            return;
        }
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let place = place.key(key);
                    if tells_secret(key) && value.is_string() {
                        let text = format!(
                            "a secret is not written here: put it into an environment variable and write {key} = {{ env = \"NAME\" }}, or into a file and write {key} = {{ file = \"PATH\" }}"
                        );
                        self.complaints.push((place, text));
                        continue;
                    }
                    self.visit(&place, value);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.visit(&place.item(index), item);
                }
            }
            Value::String(text) if has_password(text) => {
                let text = "the address holds a password; give the whole address as a reference: { env = \"NAME\" }";
                self.complaints.push((place.clone(), text.to_owned()));
            }
            _ => {}
        }
    }

    fn read(&self, reference: &Reference) -> Result<String, String> {
        if self.mode == Secrets::Hide {
            return Ok(DOTS.to_owned());
        }
        match reference {
            Reference::Env(name) => {
                (self.env)(name).filter(|text| !text.is_empty()).ok_or_else(|| {
                    format!("the environment variable {name} is not set; set it before the start")
                })
            }
            Reference::File(path) => {
                let path = self.folder.join(path);
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }
}

enum Reference {
    Env(String),
    File(String),
}

impl Reference {
    fn of(value: &Value) -> Option<Self> {
        let map = value.as_object().filter(|map| map.len() == 1)?;
        let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        text("env").map(Self::Env).or_else(|| text("file").map(Self::File))
    }
}

fn tells_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    // The id of an access key is none, and neither is the path of a file, nor what some API calls
    // the token of an app and shows with every event.
    let tells = TELLING.iter().any(|word| key.contains(word)) || key.ends_with("access_key");
    tells && !key.ends_with("_file") && key != "app_token"
}

/// Whether the text is an address with a password in it.
fn has_password(text: &str) -> bool {
    text.contains("://") && url::Url::parse(text).is_ok_and(|url| url.password().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[[sources]]
name = "main"
options = { region = "eu", aws_secret_access_key = { env = "KEY" } }
"#;

    fn resolve_with(text: &str, mode: Secrets) -> (Tree, Vec<Problem>) {
        let mut tree = Tree::read(text, "t.toml").expect("good TOML");
        let env = |name: &str| (name == "KEY").then(|| "s3cret".to_owned());
        let problems = resolve(&mut tree, Path::new("."), mode, &env);
        (tree, problems)
    }

    #[test]
    fn references_are_read_or_hidden() {
        for (mode, expected) in [(Secrets::Read, "s3cret"), (Secrets::Hide, DOTS)] {
            let (tree, problems) = resolve_with(TEXT, mode);
            assert_eq!(problems, []);
            let options = &tree.value["sources"][0]["options"];
            assert_eq!(options["aws_secret_access_key"], expected);
            assert_eq!(options["region"], "eu");
        }
    }

    #[test]
    fn a_secret_that_is_written_out_or_not_set_is_refused() {
        for (from, to, expected) in [
            ("{ env = \"KEY\" }", "\"abc\"", "a secret is not written here"),
            ("\"KEY\"", "\"NOPE\"", "the environment variable NOPE is not set"),
            ("\"eu\"", "\"https://u:p@host/\"", "the address holds a password"),
        ] {
            let (_, problems) = resolve_with(&TEXT.replace(from, to), Secrets::Read);
            let [problem] = &problems[..] else { panic!("one problem, not {problems:?}") };
            assert!(problem.to_string().contains(expected), "{problem}");
            assert!(problem.to_string().starts_with("t.toml:4: sources[0].options"), "{problem}");
        }
    }
}
