//! What is asked for: the checked form of a request to create an export.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::document::{Archive, Documents};
use crate::password::Password;
use crate::query::Query;
use crate::session::SessionRef;

/// A checked request. Nothing downstream parses, trims or defaults anything in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportSpec {
    /// The client's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The client's longer text about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The queries, each of which makes one file, or several by `split`; all see one snapshot.
    pub queries: Vec<QuerySpec>,
    /// How rows become bytes.
    pub format: FormatChoice,
    /// How the bytes are packed.
    #[serde(default)]
    pub packing: Packing,
    /// The heading of a first column with each row's number in its query, from 1; no such column
    /// when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_numbers: Option<String>,
    /// How each row becomes a document; a row is its columns when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documents: Option<Documents>,
    /// The archive in which the data comes with the files that its rows refer to; the data comes
    /// alone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
    /// Where a query's rows are cut into several files; each query makes one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// The tenant's public key for columns that are sealed, as it was when the export was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing_key: Option<String>,
    /// The tenant's OpenPGP key to which each file is encrypted whole, after packing, as it was
    /// when the export was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<String>,
    /// The password that opens its files. Only formats that encrypt their files themselves, and the
    /// packing `zip`, take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Who is told when it has completed or failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// The session it belongs to. Where each query begins stands in [`crate::query::Select::since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRef>,
}

impl ExportSpec {
    /// Where the rows of one of its queries are cut: never [`Split::FullRows`].
    pub fn split_of(&self, query: &Query) -> Option<Split> {
        match (self.split, query) {
            (Some(Split::FullRows(_)), Query::Select(select)) if select.is_increment() => None,
            (Some(Split::FullRows(rows)), _) => Some(Split::Rows(rows)),
            (split, _) => split,
        }
    }
}

/// Who is told, and how, when an export has completed or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A mail of its own to each address.
    Mail {
        /// The addresses.
        to: Vec<String>,
        /// Where a file of the export is downloaded without a credential: an absolute URL in which
        /// `{link}` stands for a link's secret and `{file}` for the file's name.
        file_url: String,
    },
    /// An HTTP request.
    Callback {
        /// Its method.
        method: CallbackMethod,
        /// Where it goes: an absolute URL in which `{export}` stands for the export's id and
        /// `{state}` for the word for its state, both in the path and the query only.
        /// [`Rules::check_template`](crate::callback::Rules::check_template) says what else it must
        /// be.
        url: String,
        /// The words for its state.
        words: StateWords,
        /// What its body says.
        body: CallbackBody,
    },
    /// A script of the customer's is run. What it is given is for the dialect to say:
    /// [`ScriptView`](crate::notice::ScriptView).
    Script {
        /// The text of it.
        source: String,
    },
}

/// The method of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackMethod {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
}

/// What the body of a callback says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackBody {
    /// There is none.
    None,
    /// The event as JSON, in the shape that Standard Webhooks proposes.
    Json,
    /// JSON in a dialect's own shape. [`EXPIRY_PLACE`](crate::callback::EXPIRY_PLACE) stands for the
    /// moment when the files go, in milliseconds since the year 1970.
    Own {
        /// For a completed export.
        completed: String,
        /// For a failed one.
        failed: String,
    },
}

/// A dialect's words for the states that are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateWords {
    /// For a completed export.
    pub completed: String,
    /// For a failed one.
    pub failed: String,
}

impl StateWords {
    /// These words.
    pub fn new(completed: &str, failed: &str) -> Self {
        Self { completed: completed.to_owned(), failed: failed.to_owned() }
    }
}

/// One query of an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuerySpec {
    /// The client's name for it; the file's name is made from it where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it asks for.
    pub query: Query,
}

/// A format and how it is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FormatChoice {
    /// The format's id, such as `csv`.
    pub id: String,
    /// How values are written, in every format that writes text.
    #[serde(default)]
    pub values: ValueOptions,
    /// The format's own options, in its own terms.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub options: serde_json::Map<String, serde_json::Value>,
}

impl FormatChoice {
    /// A format with nothing set.
    pub fn plain(id: impl Into<String>) -> Self {
        Self { id: id.into(), values: ValueOptions::default(), options: serde_json::Map::new() }
    }
}

/// How values become text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValueOptions {
    /// What stands for a missing value (default: nothing).
    pub null: String,
    /// The zone in which moments are written (default: UTC).
    pub zone: Tz,
    /// How a moment's offset is written.
    pub offset: OffsetStyle,
    /// How a moment's fraction of a second is written.
    pub fraction: FractionStyle,
    /// Whether a decimal keeps its column's scale (`10.50`) or loses zeros at its end (`10.5`).
    pub decimals: DecimalStyle,
}

impl Default for ValueOptions {
    fn default() -> Self {
        Self {
            null: String::new(),
            zone: Tz::UTC,
            offset: OffsetStyle::Colon,
            fraction: FractionStyle::AsNeeded,
            decimals: DecimalStyle::Scaled,
        }
    }
}

/// How a moment's offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetStyle {
    /// `Z` for UTC, else `+02:00`.
    Colon,
    /// `+02:00`, also `+00:00`.
    ColonAlways,
    /// `+0200`, also `+0000`.
    Plain,
}

/// How a moment's fraction of a second is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FractionStyle {
    /// As many digits (3, 6 or 9) as the value needs, none for a whole second.
    AsNeeded,
    /// None; what is finer than a second is cut off.
    Seconds,
    /// Three digits; what is finer is cut off.
    Millis,
    /// Six digits; what is finer is cut off.
    Micros,
}

/// Whether a decimal keeps its column's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecimalStyle {
    /// `10.50` in a column of scale 2.
    Scaled,
    /// `10.5`.
    Trimmed,
}

/// Where a query's rows are cut into several files, its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// After so many rows. The parts are called 1, 2 and so on.
    Rows(u64),
    /// The same, but only the rows of a query for all rows; what changed since comes in one file.
    FullRows(u64),
    /// Between two calendar days, in UTC, of a column, which is given by its place in the result,
    /// counted from 0. The query is ordered by it, from the earliest. A part is called by its day,
    /// as in `2026-01-31`, or `undated`; a day without rows has none.
    Day(usize),
}

/// How a file is packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// As it is.
    #[default]
    None,
    /// Compressed: one gzip stream.
    Gzip,
    /// An archive with one file in it.
    Zip,
}
