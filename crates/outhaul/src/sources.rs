//! The configured sources, with their paths made absolute.

use std::path::Path;

use outhaul_engine::sources::{LeftOut, SourceConfig};
use serde_json::{Map, Value};

use crate::config::Loaded;
use crate::exit;
use crate::output::{count, errln};

/// Tables that are warned of, each in a line.
const WARNINGS_MAX: usize = 20;

/// The sources of a configuration. Slots may run in another folder, so that paths are absolute.
pub fn of(loaded: &Loaded) -> Vec<SourceConfig> {
    loaded.config.sources.iter().map(|source| below(source.clone(), &loaded.folder)).collect()
}

fn below(source: SourceConfig, folder: &Path) -> SourceConfig {
    match source {
        SourceConfig::Files(mut config) => {
            if !config.url.contains("://") {
                config.url = folder.join(&config.url).display().to_string();
            }
            SourceConfig::Files(config)
        }
        SourceConfig::Postgres(mut config) => {
            config.ca_file = config.ca_file.map(|path| folder.join(path));
            SourceConfig::Postgres(config)
        }
        SourceConfig::MySql(mut config) => {
            config.ca_file = config.ca_file.map(|path| folder.join(path));
            SourceConfig::MySql(config)
        }
        SourceConfig::Sqlite(mut config) => {
            config.url = folder.join(config.path()).display().to_string();
            SourceConfig::Sqlite(config)
        }
    }
}

/// A source at a path or address that stands on the command line.
///
/// # Errors
/// When it cannot be one.
pub fn at(name: &str, url: &str) -> anyhow::Result<SourceConfig> {
    at_with(name, url, Map::new())
}

/// The same, with further keys of its kind.
///
/// # Errors
/// When it cannot be one, or a key is not known.
pub fn at_with(
    name: &str,
    url: &str,
    mut more: Map<String, Value>,
) -> anyhow::Result<SourceConfig> {
    let kind = Kind::of(url);
    for (key, value) in [("kind", kind.name), ("name", name), ("url", url)] {
        more.insert(key.to_owned(), value.into());
    }
    if let Some(variable) = kind.password
        && let Ok(password) = std::env::var(variable)
    {
        more.entry("password").or_insert_with(|| password.into());
    }
    let config = match serde_json::from_value(Value::Object(more))? {
        SourceConfig::Files(config) => {
            SourceConfig::Files(config.with_environment(std::env::vars()))
        }
        other => other,
    };
    Ok(below(config, &std::env::current_dir()?))
}

/// What the beginning of an address tells.
struct Kind {
    name: &'static str,
    /// The variable in which this kind's own programs look for a password.
    password: Option<&'static str>,
}

impl Kind {
    fn of(url: &str) -> Self {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => {
                Self { name: "postgres", password: Some("PGPASSWORD") }
            }
            Some("mysql" | "mariadb") => Self { name: "mysql", password: Some("MYSQL_PWD") },
            Some("sqlite") => Self { name: "sqlite", password: None },
            None if is_sqlite(url) => Self { name: "sqlite", password: None },
            _ => Self { name: "files", password: None },
        }
    }
}

/// Warns of the tables that cannot be read: what, why, and what to do.
pub fn warn(left_out: Vec<LeftOut>) {
    let more = left_out.len().saturating_sub(WARNINGS_MAX);
    for LeftOut { table, why } in left_out.into_iter().take(WARNINGS_MAX) {
        let why = exit::text_of(&why.into()).replace('\n', " ");
        errln!(
            "warning: {table} is left out: {why}; mend it, say how it is read (its format, its \
             delimiter), or take it away"
        );
    }
    if more > 0 {
        errln!("warning: {} left out, too", count(more, "more table is", "more tables are"));
    }
}

/// Whether a path has an ending that SQLite's files have.
fn is_sqlite(path: &str) -> bool {
    let ending = Path::new(path).extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["sqlite", "sqlite3", "db"].contains(&ending))
}
