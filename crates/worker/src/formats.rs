//! The formats that are built in, as the core sees them: their sheets, and the check of a choice.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use chrono::{DateTime, Utc};
use outhaul_exports::format::FormatSheet;
use outhaul_exports::ports::Formats;
use outhaul_exports::spec::{
    DecimalStyle, ExportSpec, FormatChoice, FractionStyle, OffsetStyle, Packing, ValueOptions,
};
use outhaul_exports::{Error, Result};
use outhaul_formats as formats;
use outhaul_formats::openpgp::{self, PublicKey};
use outhaul_formats::options::{Decimals, Fraction, OffsetStyle as Offset, Timestamps};
use outhaul_formats::{Format, FormatOptions};

/// All formats of the room that makes files.
#[derive(Debug, Clone, Copy, Default)]
pub struct InstalledFormats;

impl Formats for InstalledFormats {
    fn sheets(&self) -> Vec<FormatSheet> {
        formats::ALL.iter().map(|format| sheet(*format)).collect()
    }

    fn check(&self, choice: &FormatChoice) -> Result<()> {
        let (format, options) = chosen(choice)?;
        // The start of a file with one column of text tells which options cannot be honoured.
        let schema = Schema::new(vec![Field::new("text", DataType::Utf8, true)]);
        format.encoder(&Arc::new(schema), &options).map_err(refused).map(drop)
    }

    fn check_encryption_key(&self, key: &str, now: DateTime<Utc>) -> Result<()> {
        let checked = PublicKey::parse(key, now).map(drop);
        checked.map_err(|error| Error::invalid("encryption", error.to_string()))
    }
}

/// The core's words for what a format does not accept.
fn refused(error: formats::Error) -> Error {
    let field = match &error {
        formats::Error::Option { option, .. } => match option.split_once('.') {
            Some(("values", name)) => format!("format.values.{name}"),
            Some((_, name)) => format!("format.options.{name}"),
            None => "format.options".to_owned(),
        },
        formats::Error::Zone { .. } => "format.values.zone".to_owned(),
        _ => "format".to_owned(),
    };
    Error::invalid(field, error.to_string())
}

fn sheet(format: &dyn Format) -> FormatSheet {
    // Its page of documentation begins with its name.
    let heading = format.docs().lines().next().unwrap_or_default();
    let label = heading.trim_start_matches('#').trim();
    FormatSheet {
        id: format.id().to_owned(),
        label: if label.is_empty() { format.id().to_owned() } else { label.to_owned() },
        media_type: format.media_type().to_owned(),
        extension: format.extension().to_owned(),
        text: is_text(format),
        takes_password: format.takes_password(),
    }
}

/// Whether a format's files are text.
pub fn is_text(format: &dyn Format) -> bool {
    let others = ["application/x-ndjson", "application/json", "application/xml"];
    format.media_type().starts_with("text/") || others.contains(&format.media_type())
}

/// The format of a choice, and everything that is set for it.
///
/// # Errors
/// `Invalid`, naming the option.
pub fn chosen(choice: &FormatChoice) -> Result<(&'static dyn Format, FormatOptions)> {
    let format = formats::format(&choice.id).map_err(refused)?;
    let mut all = serde_json::Map::new();
    if !choice.options.is_empty() {
        all.insert(format.id().to_owned(), choice.options.clone().into());
    }
    let mut options: FormatOptions = serde_json::from_value(all.into()).map_err(|error| {
        let problem = clipped(&error.to_string());
        Error::invalid("format.options", format!("the options of {}: {problem}", format.id()))
    })?;
    options.values = values(&choice.values);
    Ok((format, options))
}

/// A parser's message, which may repeat what a client wrote: short, and on one line.
fn clipped(message: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 300;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = message.chars().take(SHOWN_CHARS_MAX).map(plain).collect();
    if message.chars().nth(SHOWN_CHARS_MAX).is_some() {
        out.push_str("...");
    }
    out
}

fn values(values: &ValueOptions) -> formats::options::ValueOptions {
    formats::options::ValueOptions {
        null: values.null.clone(),
        decimals: match values.decimals {
            DecimalStyle::Scaled => Decimals::Scaled,
            DecimalStyle::Trimmed => Decimals::Trimmed,
        },
        timestamps: Timestamps {
            zone: Some(values.zone.name().to_owned()),
            offset: match values.offset {
                OffsetStyle::Colon => Offset::Colon,
                OffsetStyle::ColonAlways => Offset::ColonAlways,
                OffsetStyle::Plain => Offset::Plain,
            },
            fraction: match values.fraction {
                FractionStyle::AsNeeded => Fraction::AsNeeded,
                FractionStyle::Seconds => Fraction::Seconds,
                FractionStyle::Millis => Fraction::Millis,
                FractionStyle::Micros => Fraction::Micros,
            },
            ..Timestamps::default()
        },
        ..formats::options::ValueOptions::default()
    }
}

/// What a finished file is, to whoever downloads it.
pub(crate) struct FileKind {
    pub(crate) packing: formats::Packing,
    pub(crate) encrypted: bool,
    pub(crate) media_type: &'static str,
    /// Whether it is text in UTF-8.
    pub(crate) text: bool,
}

/// What the files of a spec are: the outermost of encryption, packing and format decides.
///
/// # Errors
/// `UnknownFormat` when there is no such format.
pub(crate) fn kind(spec: &ExportSpec) -> formats::Result<FileKind> {
    let format = formats::format(&spec.format.id)?;
    let packing = packing_of(spec);
    let encrypted = spec.encryption_key.is_some();
    let around = match encrypted {
        true => Some(openpgp::MEDIA_TYPE),
        false => packing.media_type(),
    };
    Ok(FileKind {
        packing,
        encrypted,
        media_type: around.unwrap_or(format.media_type()),
        text: around.is_none() && is_text(format),
    })
}

/// What is put around the files of a spec.
pub(crate) fn packing_of(spec: &ExportSpec) -> formats::Packing {
    match spec.archive {
        Some(_) => formats::Packing::Zip,
        None => packing(spec.packing),
    }
}

/// The packing of a spec.
pub fn packing(packing: Packing) -> formats::Packing {
    match packing {
        Packing::None => formats::Packing::None,
        Packing::Gzip => formats::Packing::Gzip,
        Packing::Zip => formats::Packing::Zip,
    }
}

#[cfg(test)]
mod tests {
    use outhaul_exports::ErrorKind;

    use super::*;

    #[test]
    fn every_format_has_a_sheet_and_is_found_by_it() {
        let sheets = InstalledFormats.sheets();
        assert_eq!(sheets.len(), formats::ALL.len());
        for sheet in sheets {
            assert!(InstalledFormats.check(&FormatChoice::plain(sheet.id.to_uppercase())).is_ok());
            assert!(!sheet.label.is_empty() && !sheet.extension.is_empty());
        }
        let text = |id: &str| InstalledFormats.sheet(id).expect("it is there").text;
        assert!(text("csv") && text("html") && text("ndjson"));
        assert!(!text("xlsx") && !text("avro"));
    }

    #[test]
    fn options_are_checked_by_name() {
        let with = |json: serde_json::Value| FormatChoice {
            options: json.as_object().cloned().unwrap_or_default(),
            ..FormatChoice::plain("csv")
        };
        assert!(InstalledFormats.check(&with(serde_json::json!({"delimiter": ";"}))).is_ok());
        let refused = |json| InstalledFormats.check(&with(json)).expect_err("it is refused");
        let error = refused(serde_json::json!({"delimeter": ";"}));
        assert!(error.public().contains("delimeter"), "{error}");
        let error = refused(serde_json::json!({"delimiter": "."}));
        let field = |error: &Error| match error.kind() {
            ErrorKind::Invalid { field } => field.clone(),
            kind => panic!("{kind:?}"),
        };
        assert_eq!(field(&error), "format.options.delimiter", "{error}");
        let error = refused(serde_json::json!({"x".repeat(10_000): "\n"}));
        assert!(error.public().len() < 500, "{error}");
        let error = InstalledFormats.check(&FormatChoice::plain("doc")).expect_err("unknown");
        assert!(error.public().contains("csv"), "{error}");
    }
}
