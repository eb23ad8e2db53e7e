//! The request for a job: from JSON to a form whose shape is right.
//!
//! Keys are matched exactly, and unknown ones are passed over. Booleans and numbers may stand as
//! texts, as most clients send them; null and an empty text mean that a key is absent. Whether the
//! queries make sense is decided in [`super::queries`], what a session makes of them in
//! [`super::modes`]. (Zuora documentation, "Submit an aggregate query job".)

use outhaul_exports::id;
use outhaul_exports::limits::{LABEL_CHARS_MAX, NULL_TEXT_CHARS_MAX, QUERIES_MAX};
use outhaul_exports::spec::Packing;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config::OFFSET_SECS_MAX;
use super::error::{Code, JobError, Refused};
use crate::kit::json::{kind_of, parse_object, shown};

/// Characters that a `notifyUrl` stays under.
const NOTIFY_URL_CHARS: usize = 5_000;
/// The WSDL version that stands for the latest (the seed of Zuora's documentation).
const API_VERSION: &str = "145.0";
/// The WSDL version from which dates are dates and datetimes without a zone lie in the tenant's.
const STRICT_SINCE: u32 = 69;

/// A job as it was asked for. It is also what an export carries to be answered later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The client's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the files are packed.
    pub format: Format,
    /// The version of the API.
    pub version: Version,
    /// One half of a session's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// The other half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Whether each file is encrypted whole to the tenant's key.
    #[serde(default)]
    pub pgp: bool,
    /// Whether columns are headed by API names. (The flag's own name says the opposite.)
    #[serde(default)]
    pub use_query_labels: bool,
    /// Whether datetimes are written in UTC.
    #[serde(default)]
    pub date_time_utc: bool,
    /// What stands for a missing value.
    #[serde(default)]
    pub null_replacement: String,
    /// From when on rows are wanted, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental_time: Option<String>,
    /// Seconds to stay behind the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// Where the end is told, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_url: Option<String>,
    /// Whether `sourceData` was sent.
    #[serde(default)]
    pub live: bool,
    /// Whether the last job's queries are asked as well.
    #[serde(default)]
    pub use_last: bool,
    /// The queries.
    pub batches: Vec<Batch>,
}

/// One query of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id, made here.
    pub id: String,
    /// The client's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its text.
    pub query: String,
    /// Its language.
    pub language: Language,
    /// The WSDL version, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Currencies that amounts are converted to, as they were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert_to_currencies: Option<String>,
    /// Whether, and how, deleted rows come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Deleted>,
}

/// How deleted rows come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The name of the column that tells them.
    pub column: String,
    /// How it tells them.
    pub format: DeletedFormat,
    /// Whether they come with all rows, too.
    #[serde(default)]
    pub force_export: bool,
}

/// How a deleted row is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletedFormat {
    /// `true` and `false`.
    Boolean,
    /// `1` and `0`.
    Numeric,
}

impl DeletedFormat {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "Boolean",
            Self::Numeric => "Numeric",
        }
    }
}

/// The language of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// ZOQL.
    Zoql,
    /// Export ZOQL.
    ZoqlExport,
}

impl Language {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zoql => "zoql",
            Self::ZoqlExport => "zoqlexport",
        }
    }
}

/// How files are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Not at all.
    Csv,
    /// As a zip archive.
    Zip,
    /// As a gzip stream.
    Gzip,
}

impl Format {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Zip => "ZIP",
            Self::Gzip => "GZIP",
        }
    }

    /// In neutral words.
    pub fn packing(self) -> Packing {
        match self {
            Self::Csv => Packing::None,
            Self::Zip => Packing::Zip,
            Self::Gzip => Packing::Gzip,
        }
    }
}

/// The version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    /// Stateless only.
    #[serde(rename = "1.0")]
    V1_0,
    /// Both modes.
    #[serde(rename = "1.1")]
    V1_1,
    /// Both modes.
    #[serde(rename = "1.2")]
    V1_2,
}

impl Version {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }
}

impl Job {
    /// Reads a body.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(body: &[u8]) -> Result<Self, Refused> {
        let map = parse_object(body).map_err(crate::zuora::errors::Refusal::from)?;
        let job = Self {
            name: limited(&map, "name", LABEL_CHARS_MAX)?,
            format: one_of(&map, "format", &FORMATS)?.unwrap_or(Format::Csv),
            version: version(&map)?,
            partner: limited(&map, "partner", LABEL_CHARS_MAX)?,
            project: limited(&map, "project", LABEL_CHARS_MAX)?,
            pgp: one_of(&map, "encrypted", &[("none", false), ("pgp", true)])?.unwrap_or(false),
            use_query_labels: flag(&map, "useQueryLabels")?,
            date_time_utc: flag(&map, "dateTimeUtc")?,
            null_replacement: null_replacement(&map)?,
            incremental_time: incremental_time(&map)?,
            offset: offset(&map)?,
            notify_url: notify_url(&map)?,
            live: one_of(&map, "sourceData", &[("LIVE", true)])?.unwrap_or(false),
            use_last: flag(&map, "useLastCompletedJobQueries")?,
            batches: batches(&map)?,
        };
        Ok(job)
    }
}

impl Batch {
    /// The WSDL version that is answered.
    pub fn shown_api_version(&self) -> &str {
        self.api_version.as_deref().unwrap_or(API_VERSION)
    }

    /// Whether dates must be dates, and datetimes without a zone lie in the tenant's zone.
    pub fn is_strict(&self) -> bool {
        let major = self.shown_api_version().split('.').next().unwrap_or_default();
        major.parse::<u32>().is_ok_and(|major| major >= STRICT_SINCE)
    }
}

const FORMATS: [(&str, Format); 3] =
    [("csv", Format::Csv), ("zip", Format::Zip), ("gzip", Format::Gzip)];
const LANGUAGES: [(&str, Language); 2] =
    [("zoql", Language::Zoql), ("zoqlexport", Language::ZoqlExport)];

fn wrong(key: &str, wanted: &str, found: &Value) -> Refused {
    let found = match found {
        Value::String(text) => shown(text),
        Value::Number(number) => number.to_string(),
        other => kind_of(other).to_owned(),
    };
    Refused::malformed(format!("{key} must be {wanted}, not {found}"))
}

/// The value of a key; null and an empty text are none.
fn given<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Refused> {
    match given(map, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(other) => Err(wrong(key, "a text", other)),
    }
}

fn limited(map: &Map<String, Value>, key: &str, most: usize) -> Result<Option<String>, Refused> {
    let Some(text) = text(map, key)? else { return Ok(None) };
    let count = text.chars().count();
    if count > most {
        return Err(Refused::malformed(format!("{key} has {count} characters, at most {most}")));
    }
    Ok(Some(text.to_owned()))
}

/// A text that can stand in a file without quotation marks, so that it is not taken for a value.
fn null_replacement(map: &Map<String, Value>) -> Result<String, Refused> {
    const KEY: &str = "nullReplacement";
    let text = limited(map, KEY, NULL_TEXT_CHARS_MAX)?.unwrap_or_default();
    if text.contains(['"', ',', '\n', '\r']) {
        let wanted = "a text without quotation marks, commas and line ends";
        return Err(wrong(KEY, wanted, &text.into()));
    }
    Ok(text)
}

/// One word of a list, in any case.
fn one_of<T: Copy>(
    map: &Map<String, Value>,
    key: &str,
    words: &[(&str, T)],
) -> Result<Option<T>, Refused> {
    let Some(value) = given(map, key) else { return Ok(None) };
    let word = value.as_str().and_then(|text| {
        words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
    });
    let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
    word.map(Some).ok_or_else(|| wrong(key, &known(), value))
}

fn flag(map: &Map<String, Value>, key: &str) -> Result<bool, Refused> {
    match given(map, key) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(other) => Err(wrong(key, "true or false", other)),
    }
}

/// A number that may stand as a text.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
            text.parse().ok()
        }
        _ => None,
    }
}

fn version(map: &Map<String, Value>) -> Result<Version, Refused> {
    let Some(value) = given(map, "version") else { return Ok(Version::V1_0) };
    // The three numbers as they are read from their own texts.
    let known = [(1.0, Version::V1_0), (1.1, Version::V1_1), (1.2, Version::V1_2)];
    let found = number(value);
    let found = known.into_iter().find(|(known, _)| Some(*known) == found);
    found.map(|(_, version)| version).ok_or_else(|| wrong("version", "1.0, 1.1 or 1.2", value))
}

fn offset(map: &Map<String, Value>) -> Result<Option<u32>, Refused> {
    let Some(value) = given(map, "offset") else { return Ok(None) };
    let seconds = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    let seconds = seconds.and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= OFFSET_SECS_MAX);
    let wanted = "a whole number of seconds from 0 to 3600";
    seconds.map(Some).ok_or_else(|| wrong("offset", wanted, value))
}

fn incremental_time(map: &Map<String, Value>) -> Result<Option<String>, Refused> {
    match given(map, "incrementalTime") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => {
            let why = format!("it must be a text, not {}", kind_of(other));
            Err(JobError::of(Code::IncrementalTime, why).into())
        }
    }
}

fn notify_url(map: &Map<String, Value>) -> Result<Option<String>, Refused> {
    let Some(url) = text(map, "notifyUrl")? else { return Ok(None) };
    if url.chars().count() >= NOTIFY_URL_CHARS {
        let why = format!("it must have fewer than {NOTIFY_URL_CHARS} characters");
        return Err(JobError::of(Code::NotifyUrl, why).into());
    }
    Ok(Some(url.to_owned()))
}

fn batches(map: &Map<String, Value>) -> Result<Vec<Batch>, Refused> {
    let list = match map.get("queries") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong("queries", "a list", other)),
    };
    too_many(list.len())?;
    list.iter().enumerate().map(|(at, item)| batch(at, item)).collect()
}

/// Refuses a number of queries.
///
/// # Errors
/// 90004 for more than 50.
pub fn too_many(count: usize) -> Result<(), JobError> {
    if count <= QUERIES_MAX {
        return Ok(());
    }
    let why = format!("{count} queries, at most {QUERIES_MAX} are allowed");
    Err(JobError::of(Code::TooManyQueries, why))
}

fn batch(at: usize, item: &Value) -> Result<Batch, Refused> {
    let place = format!("queries[{at}]");
    let Value::Object(map) = item else { return Err(wrong(&place, "an object", item)) };
    within(&place, || {
        let query = text(map, "query")?.filter(|query| !query.trim().is_empty());
        let query = query.ok_or_else(|| JobError::of(Code::Query, format!("{place} is empty")))?;
        Ok(Batch {
            id: id::secret(16),
            name: limited(map, "name", LABEL_CHARS_MAX)?,
            query: query.to_owned(),
            language: one_of(map, "type", &LANGUAGES)?.unwrap_or(Language::Zoql),
            api_version: api_version(map)?,
            convert_to_currencies: text(map, "convertToCurrencies")?.map(str::to_owned),
            deleted: deleted(map)?,
        })
    })
}

/// Says of what is malformed where it stands.
fn within<T>(place: &str, read: impl FnOnce() -> Result<T, Refused>) -> Result<T, Refused> {
    read().map_err(|refused| match refused {
        Refused::Plain(refusal) => Refused::malformed(format!("{place}: {}", refusal.message)),
        job => job,
    })
}

/// A number such as 96 or "96.0"; it is answered as it came.
fn api_version(map: &Map<String, Value>) -> Result<Option<String>, Refused> {
    let Some(value) = given(map, "apiVersion") else { return Ok(None) };
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let (major, minor) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |part: &str| {
        (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    match digits(major) && digits(minor) {
        true => Ok(Some(text)),
        false => Err(wrong("apiVersion", "a number such as 96.0", value)),
    }
}

fn deleted(map: &Map<String, Value>) -> Result<Option<Deleted>, Refused> {
    let map = match map.get("deleted") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(wrong("deleted", "an object", other)),
    };
    within("deleted", || {
        let column = limited(map, "column", LABEL_CHARS_MAX)?;
        let column = column.ok_or_else(|| Refused::malformed("column is missing"))?;
        // The words are case-sensitive, the documentation says.
        let format = match given(map, "format") {
            None => DeletedFormat::Boolean,
            Some(Value::String(word)) if word == "Boolean" => DeletedFormat::Boolean,
            Some(Value::String(word)) if word == "Numeric" => DeletedFormat::Numeric,
            Some(other) => return Err(wrong("format", "Boolean or Numeric", other)),
        };
        Ok(Some(Deleted { column, format, force_export: flag(map, "forceExport")? }))
    })
}
