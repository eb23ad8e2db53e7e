//! What a client wants of a new export, checked property by property (Medable documentation, "Export
//! Object"), and the changes that may be made to one.
//!
//! All that is wrong is told at once: each wrong property is a child of one fault. A member that is
//! not known is passed over, unless the operator wants it refused or it is likely to be a slip for
//! one that narrows what is exported.

use serde_json::{Map, Value};

use super::error::{Fault, Kind};
use super::query::error::shown;
use crate::kit::json::kind_of;
use outhaul_exports::limits::{DESCRIPTION_CHARS_MAX, LABEL_CHARS_MAX};

/// Characters of a script (Medable documentation, "Script limits").
pub const SCRIPT_CHARS_MAX: usize = 50_000;

/// The formats: media type on the wire, and id.
pub const FORMATS: [(&str, &str); 3] =
    [("application/x-ndjson", "ndjson"), ("application/json", "json"), ("text/csv", "csv")];

/// Members that a client may give.
const KNOWN: &[&str] = &[
    "label",
    "description",
    "exportFiles",
    "zipFiles",
    "format",
    "objects",
    "paths",
    "include",
    "expand",
    "where",
    "afterScript",
];

/// What a client wants.
#[derive(Debug)]
pub struct Wanted {
    /// Its name.
    pub label: String,
    /// More about it.
    pub description: Option<String>,
    /// One of [`FORMATS`].
    pub format: (&'static str, &'static str),
    /// The plural name of an object, as it was written.
    pub objects: String,
    /// Whether contents of files come too.
    pub export_files: bool,
    /// Whether they come in an archive of their own.
    pub zip_files: bool,
    /// Which properties, as they were written.
    pub paths: Option<Value>,
    /// See `paths`.
    pub include: Option<Value>,
    /// See `paths`.
    pub expand: Option<Value>,
    /// Which rows, as it was written.
    pub filter: Option<Value>,
    /// What is run when it has ended.
    pub after_script: Option<String>,
}

impl Wanted {
    /// Reads the members of a new export.
    ///
    /// # Errors
    /// One fault with a child for each wrong property; `InvalidObject` for what is no object's name.
    pub fn read(mut given: Map<String, Value>, strict: bool) -> Result<Self, Fault> {
        let mut wrong = Vec::new();
        for key in given.keys() {
            wrong.extend(check_key(key, strict));
        }
        let mut reader = Reader { given: &given, wrong };
        let label = reader.text("label", 1, LABEL_CHARS_MAX);
        if label.is_none() && !is_given(&given, "label") {
            reader.wrong.push(Fault::bare(Kind::Required).at("export.label"));
        }
        let description = reader.text("description", 0, DESCRIPTION_CHARS_MAX);
        let format = reader.format();
        let export_files = reader.flag("exportFiles");
        let zip_files = reader.flag("zipFiles");
        let after_script = reader.text("afterScript", 0, SCRIPT_CHARS_MAX);
        if !is_given(&given, "objects") {
            reader.wrong.push(Fault::bare(Kind::Required).at("export.objects"));
        }
        if !reader.wrong.is_empty() {
            return Err(Fault::validation("export", reader.wrong));
        }
        let objects = match given.remove("objects") {
            Some(Value::String(name)) => name,
            other => {
                let kind = other.as_ref().map_or("nothing", kind_of);
                let reason = format!("The plural name of one object is expected, not {kind}");
                return Err(Fault::new(Kind::InvalidObject, reason).at("objects"));
            }
        };
        let mut value = |key: &str| given.remove(key).filter(|value| !value.is_null());
        Ok(Self {
            label: label.unwrap_or_default(),
            description: description.filter(|text| !text.is_empty()),
            format,
            objects,
            export_files,
            zip_files,
            paths: value("paths"),
            include: value("include"),
            expand: value("expand"),
            filter: value("where"),
            after_script: after_script.filter(|text| !text.trim().is_empty()),
        })
    }
}

/// The label and the description that a change gives; `None` for what it leaves.
///
/// # Errors
/// One fault with a child for each wrong property, and for each that cannot be changed.
pub fn change(given: &Map<String, Value>) -> Result<(Option<String>, Option<String>), Fault> {
    let mut reader = Reader { given, wrong: Vec::new() };
    for key in given.keys().filter(|key| !["label", "description"].contains(&key.as_str())) {
        let reason = "Only label and description can be changed";
        reader.wrong.push(Fault::new(Kind::InvalidProperty, reason).at(path(key)));
    }
    let label = reader.text("label", 1, LABEL_CHARS_MAX);
    if label.is_none() && given.get("label").is_some_and(Value::is_null) {
        reader.wrong.push(Fault::bare(Kind::Required).at("export.label"));
    }
    let description = match given.get("description") {
        Some(Value::Null) => Some(String::new()),
        _ => reader.text("description", 0, DESCRIPTION_CHARS_MAX),
    };
    match reader.wrong.is_empty() {
        true => Ok((label, description)),
        false => Err(Fault::validation("export", reader.wrong)),
    }
}

fn is_given(given: &Map<String, Value>, key: &str) -> bool {
    given.get(key).is_some_and(|value| !value.is_null())
}

fn path(key: &str) -> String {
    format!("export.{}", shown(key))
}

fn check_key(key: &str, strict: bool) -> Option<Fault> {
    const WEIGHTY: [&str; 4] = ["where", "paths", "include", "expand"];
    const NEAR: f64 = 0.9;
    if KNOWN.contains(&key) {
        return None;
    }
    let near =
        |known: &&str| key.len() <= 40 && strsim::jaro_winkler(&key.to_lowercase(), known) >= NEAR;
    let reason = match WEIGHTY.iter().find(|known| near(known)) {
        Some(meant) => format!("An export has no such property: did you mean {meant}?"),
        None if strict => "An export has no such property that can be given".to_owned(),
        None => return None,
    };
    Some(Fault::new(Kind::InvalidProperty, reason).at(path(key)))
}

struct Reader<'v> {
    given: &'v Map<String, Value>,
    wrong: Vec<Fault>,
}

impl Reader<'_> {
    /// A text of so many characters.
    fn text(&mut self, key: &str, least: usize, most: usize) -> Option<String> {
        let text = match self.given.get(key)? {
            Value::Null => return None,
            Value::String(text) => text,
            other => {
                self.mistyped(key, "a text", other);
                return None;
            }
        };
        let count = text.trim().chars().count().max(usize::from(least == 0));
        if count < least || text.chars().count() > most {
            let count = text.chars().count();
            let reason = format!("{count} characters given, {least} to {most} are allowed");
            self.wrong.push(Fault::new(Kind::InvalidString, reason).at(path(key)));
            return None;
        }
        if text.contains('\0') {
            let reason = "A NUL character stands in the text";
            self.wrong.push(Fault::new(Kind::InvalidString, reason).at(path(key)));
            return None;
        }
        Some(text.clone())
    }

    fn flag(&mut self, key: &str) -> bool {
        match self.given.get(key) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.mistyped(key, "true or false", other);
                false
            }
        }
    }

    /// A media type, in any case, whose parameters say nothing.
    fn format(&mut self) -> (&'static str, &'static str) {
        let written = match self.given.get("format") {
            None => return FORMATS[0],
            Some(Value::String(text)) => text.split(';').next().unwrap_or_default().trim(),
            Some(_) => "",
        };
        let found = FORMATS.iter().find(|(media, _)| media.eq_ignore_ascii_case(written));
        if let Some(format) = found {
            return *format;
        }
        let known: Vec<_> = FORMATS.iter().map(|(media, _)| *media).collect();
        let reason = format!("One of: {}", known.join(", "));
        self.wrong.push(Fault::new(Kind::EnumValue, reason).at("export.format"));
        FORMATS[0]
    }

    fn mistyped(&mut self, key: &str, wanted: &str, found: &Value) {
        let reason = format!("{wanted} is expected, not {}", kind_of(found));
        self.wrong.push(Fault::new(Kind::InvalidProperty, reason).at(path(key)));
    }
}
