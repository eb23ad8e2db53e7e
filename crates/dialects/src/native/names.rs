//! The names in a path and in a query string. A path whose name is malformed leads nowhere, as an
//! unknown one does.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use outhaul_exports::catalog::hint;
use outhaul_exports::{ArtifactId, ExportId};

use super::App;
use super::error::Problem;
use crate::kit::json::shown;
use crate::kit::query;

/// The names in a path, decoded once.
pub struct Names(HashMap<String, String>);

impl FromRequestParts<App> for Names {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let names = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
        // Names that are not UTF-8 are malformed as any others, and found nowhere.
        Ok(Self(names.map(|Path(names)| names).unwrap_or_default()))
    }
}

impl Names {
    /// The export's id.
    pub fn export(&self) -> Result<ExportId, Problem> {
        self.parsed("export").ok_or_else(|| Problem::not_found("export"))
    }

    /// The ids of an export and of a file. Whichever of them is wrong, it is the file that cannot
    /// be found.
    pub fn file(&self) -> Result<(ExportId, ArtifactId), Problem> {
        let ids = self.parsed("export").zip(self.parsed("file"));
        ids.ok_or_else(|| Problem::not_found("file"))
    }

    /// A name as it stands.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).parse().ok()
    }
}

/// The parameters of a query string: each known, each once.
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads the query string of a request that knows these parameters.
    pub fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let pairs = query::pairs(query.unwrap_or_default())
            .map_err(|error| Problem::invalid("query", error.to_string()))?;
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                let near = hint(&name, known.iter().copied());
                let text = format!("there is no parameter named {}{near}", shown(&name));
                return Err(Problem::invalid(name.chars().take(64).collect::<String>(), text));
            }
            if values.insert(name.clone(), value).is_some() {
                return Err(Problem::invalid(&*name, format!("{name} stands more than once")));
            }
        }
        Ok(Self(values))
    }

    /// A parameter as text; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A parameter as a whole number in a range.
    pub fn count(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(count) if digits && range.contains(&count) => Ok(Some(count)),
            _ => {
                let (first, last) = range.into_inner();
                let text = format!("{name} must be a whole number from {first} to {last}");
                Err(Problem::invalid(name, text))
            }
        }
    }
}
