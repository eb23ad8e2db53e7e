//! What CONFIG wants a file to be, checked key by key (Zoho Analytics API v2, "Export data").

use serde_json::{Map, Value};

use super::error::Trouble;
use super::pages;
use super::request::{Config, of_type};
use super::sql::CHARACTERS_MAX;
use crate::kit::json::shown;

/// Columns that may be selected.
const SELECTED_MAX: usize = 300;
/// Filters of tables.
const TABLE_FILTERS_MAX: usize = 25;
/// Characters of a callback's URL.
const CALLBACK_CHARS_MAX: usize = 10_000;
/// Characters of a password.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 6..=256;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// JSON.
    Json,
    /// XML.
    Xml,
    /// A workbook.
    Xls,
    /// Pages.
    Pdf,
    /// A table of a page.
    Html,
}

const FORMATS: [(&str, Format); 6] = [
    ("csv", Format::Csv),
    ("json", Format::Json),
    ("xml", Format::Xml),
    ("xls", Format::Xls),
    ("pdf", Format::Pdf),
    ("html", Format::Html),
];

/// What a file is to be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The format.
    pub format: Format,
    /// Which rows of a view.
    pub criteria: Option<String>,
    /// Which columns of a view, by their display names, in order.
    pub columns: Option<Vec<String>>,
    /// Whether columns that are hidden come; as the settings say when absent.
    pub hidden: Option<bool>,
    /// Whether columns with personal data come.
    pub personal: bool,
    /// Whether each row stands behind its number.
    pub row_numbers: bool,
    /// Whether the columns are named in the file.
    pub header: bool,
    /// Between two fields.
    pub delimiter: char,
    /// Behind a row: `crlf`, `lf` or `cr`.
    pub line_end: &'static str,
    /// Around all fields; around those that need it when absent.
    pub quote: Option<char>,
    /// Whether rows of json and xml name their columns.
    pub key_values: Option<bool>,
    /// Where the title stands over an html table: `top`, `bottom` or `none`.
    pub caption: &'static str,
    /// Where the end is told.
    pub callback: Option<String>,
    /// What opens the file.
    pub password: Option<String>,
    /// How pages are laid out, in the words of the format pdf.
    pub pages: Map<String, Value>,
}

/// Keys that an export knows.
const KNOWN: &[&str] = &[
    "responseFormat",
    "criteria",
    "sqlQuery",
    "tableCriteriaList",
    "selectedColumns",
    "showHiddenCols",
    "showPersonalCols",
    "includeHeader",
    "includeRowNums",
    "includeRowIds",
    "applyDefaultUF",
    "password",
    "callbackUrl",
    "validateSystemTags",
    "delimiter",
    "recordDelimiter",
    "quoted",
    "keyValueFormat",
    "paperSize",
    "paperStyle",
    "topMargin",
    "bottomMargin",
    "leftMargin",
    "rightMargin",
    "showTitle",
    "showDesc",
    "columnWidthRatio",
    "exportLanguage",
    "leftHeader",
    "centerHeader",
    "rightHeader",
    "leftFooter",
    "centerFooter",
    "rightFooter",
    "leftHeaderText",
    "centerHeaderText",
    "rightHeaderText",
    "leftFooterText",
    "centerFooterText",
    "rightFooterText",
    "includeTitle",
    "includeDesc",
    "imageFormat",
    "width",
    "height",
    "title",
    "description",
    "legend",
    "generateTOC",
    "dashboardLayout",
    "zoomFactor",
];

impl Wanted {
    /// Reads what both kinds of exports know.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(config: &Config, strict: bool) -> Result<Self, Trouble> {
        config.keys().try_for_each(|key| check_key(key, strict))?;
        // Two names of one switch.
        let numbers = [config.flag("includeRowNums")?, config.flag("includeRowIds")?];
        // Views here have no filters or tags of their own.
        config.flag("applyDefaultUF")?;
        config.flag("validateSystemTags")?;
        Ok(Self {
            format: format(config)?,
            criteria: config.text_within("criteria", CHARACTERS_MAX)?.map(str::to_owned),
            columns: columns(config)?,
            hidden: config.flag("showHiddenCols")?,
            personal: config.flag("showPersonalCols")?.unwrap_or(false),
            row_numbers: numbers.contains(&Some(true)),
            header: config.flag("includeHeader")?.unwrap_or(true),
            delimiter: match config.choice("delimiter", 0..=4)? {
                None | Some(0) => ',',
                Some(1) => '\t',
                Some(2) => ';',
                Some(3) => ' ',
                Some(_) => '|',
            },
            line_end: match config.choice("recordDelimiter", 0..=2)? {
                None | Some(0) => "crlf",
                Some(1) => "lf",
                Some(_) => "cr",
            },
            quote: config.choice("quoted", 0..=1)?.map(|n| if n == 0 { '\'' } else { '"' }),
            key_values: config.flag("keyValueFormat")?,
            caption: caption(config)?,
            callback: config.text_within("callbackUrl", CALLBACK_CHARS_MAX)?.map(str::to_owned),
            password: password(config)?,
            pages: pages::read(config)?,
        })
    }
}

/// Passes over a key that is not known, as scripts have some, unless it is likely to be a slip for
/// one that narrows or locks what is exported.
fn check_key(key: &str, strict: bool) -> Result<(), Trouble> {
    const WEIGHTY: [&str; 4] = ["criteria", "selectedColumns", "tableCriteriaList", "password"];
    const NEAR: f64 = 0.9;
    if KNOWN.contains(&key) {
        return Ok(());
    }
    let near = |known: &&str| {
        key.len() <= 40 && strsim::jaro_winkler(&key.to_lowercase(), &known.to_lowercase()) >= NEAR
    };
    match WEIGHTY.iter().find(|known| near(known)) {
        Some(meant) => Err(Trouble::bad_config(format!(
            "CONFIG has the unknown key {}: did you mean {meant}?",
            shown(key)
        ))),
        None if strict => {
            Err(Trouble::bad_config(format!("CONFIG has the unknown key {}", shown(key))))
        }
        None => Ok(()),
    }
}

impl Wanted {
    /// Reads CONFIG of a statement.
    ///
    /// # Errors
    /// As [`Wanted::read`], 8077 for a CONFIG without keys, and 8080 for criteria, which are a
    /// view's: to pass over them would be to export rows that were not asked for.
    pub fn read_of_statement(config: &Config, strict: bool) -> Result<Self, Trouble> {
        if config.is_empty() {
            return Err(Trouble::empty_config("CONFIG has no keys"));
        }
        if config.value("criteria").is_some() {
            return Err(Trouble::bad_config(
                "criteria belong to the export of a view: here the rows are chosen by the WHERE of \
                 sqlQuery, or by tableCriteriaList",
            ));
        }
        Self::read(config, strict)
    }
}

fn format(config: &Config) -> Result<Format, Trouble> {
    let word = match config.value("responseFormat") {
        None => return Ok(Format::Csv),
        Some(Value::String(word)) => word.as_str(),
        Some(other) => return Err(no_format(&other.to_string())),
    };
    if word.eq_ignore_ascii_case("image") {
        return Err(Trouble::no_image(
            "Only charts can be exported as an image; there are none here",
        ));
    }
    let found = FORMATS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    found.map(|(_, format)| *format).ok_or_else(|| no_format(word))
}

fn no_format(word: &str) -> Trouble {
    let known: Vec<_> = FORMATS.iter().map(|(name, _)| *name).collect();
    Trouble::no_format(format!(
        "There is no responseFormat {}; there are {}",
        shown(word),
        known.join(", ")
    ))
}

fn columns(config: &Config) -> Result<Option<Vec<String>>, Trouble> {
    const KEY: &str = "selectedColumns";
    let Some(list) = config.list(KEY)? else { return Ok(None) };
    if !(1..=SELECTED_MAX).contains(&list.len()) {
        let text = format!("{KEY} has {} items, 1 to {SELECTED_MAX} are allowed", list.len());
        return Err(Trouble::bad_count(text));
    }
    let name = |value: &Value| match value {
        Value::String(name) => Ok(name.clone()),
        other => Err(of_type(KEY, "a list of names", other)),
    };
    list.iter().map(name).collect::<Result<_, _>>().map(Some)
}

fn password(config: &Config) -> Result<Option<String>, Trouble> {
    let password = match config.value("password") {
        None => return Ok(None),
        Some(Value::String(password)) => password,
        // It is not shown.
        Some(_) => return Err(Trouble::bad_password("The password must be a text")),
    };
    match PASSWORD_CHARS.contains(&password.chars().count()) {
        true => Ok(Some(password.clone())),
        false => Err(Trouble::bad_password("The password must have 6 to 256 characters")),
    }
}

fn caption(config: &Config) -> Result<&'static str, Trouble> {
    // Checked; no view here has a description that is written into a file of html.
    config.choice("includeDesc", 0..=2)?;
    Ok(match config.choice("includeTitle", 0..=2)? {
        None | Some(0) => "top",
        Some(1) => "bottom",
        Some(_) => "none",
    })
}

/// The statement of CONFIG.
///
/// # Errors
/// 8079 when its key is not there, 8078 when it is blank, 8507 when it is too long.
pub fn statement(config: &Config) -> Result<&str, Trouble> {
    const KEY: &str = "sqlQuery";
    match config.value(KEY) {
        None => Err(Trouble::no_attribute(format!("The attribute {KEY} is not present in CONFIG"))),
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(Trouble::empty_attribute(format!("The attribute {KEY} is empty")))
        }
        Some(_) => Ok(config.text_within(KEY, CHARACTERS_MAX)?.unwrap_or_default()),
    }
}

/// The filters that a statement's tables are given: view ids and criteria.
///
/// # Errors
/// 8547, 8516, 8079.
pub fn table_filters(config: &Config) -> Result<Vec<(String, String)>, Trouble> {
    const KEY: &str = "tableCriteriaList";
    let list = config.list(KEY)?.unwrap_or_default();
    if list.len() > TABLE_FILTERS_MAX {
        let text = format!("{KEY} has {} items, at most {TABLE_FILTERS_MAX}", list.len());
        return Err(Trouble::bad_count(text));
    }
    let one = |item: &Value| {
        let Value::Object(map) = item else { return Err(of_type(KEY, "a list of objects", item)) };
        let missing = |key: &str| Trouble::no_attribute(format!("{KEY}: {key} is not present"));
        let id = match map.get("viewId") {
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            _ => return Err(missing("viewId")),
        };
        match map.get("criteria") {
            Some(Value::String(criteria)) if !criteria.trim().is_empty() => {
                Ok((id, criteria.clone()))
            }
            Some(Value::String(_)) | None => Err(missing("criteria")),
            Some(other) => Err(of_type("criteria", "a text", other)),
        }
    };
    list.iter().map(one).collect()
}
