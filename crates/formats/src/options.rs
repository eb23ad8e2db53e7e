//! Choices that hold for every format: how values become text. Each format's own choices are in
//! its folder; `FormatOptions` carries them all, so that an export can store one value and change
//! its format without losing a setting. `docs/values.md` shows each rule with an example.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::avro::AvroOptions;
use crate::csv::CsvOptions;
use crate::html::HtmlOptions;
use crate::json::JsonOptions;
use crate::ndjson::NdjsonOptions;
use crate::pack::Password;
use crate::parquet::ParquetOptions;
use crate::pdf::PdfOptions;
use crate::xlsx::XlsxOptions;
use crate::xml::XmlOptions;

/// All options of an output file. Serialised form: unknown keys are refused, missing ones take
/// their default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FormatOptions {
    /// How values become text, in every format.
    pub values: ValueOptions,
    /// Only read by csv.
    pub csv: CsvOptions,
    /// Only read by html.
    pub html: HtmlOptions,
    /// Only read by xlsx.
    pub xlsx: XlsxOptions,
    /// Only read by parquet.
    pub parquet: ParquetOptions,
    /// Only read by pdf.
    pub pdf: PdfOptions,
    /// Only read by ndjson.
    pub ndjson: NdjsonOptions,
    /// Only read by json.
    pub json: JsonOptions,
    /// Only read by xml.
    pub xml: XmlOptions,
    /// Only read by avro.
    pub avro: AvroOptions,
    /// What opens the file; only read by formats that take a password, and never read from a
    /// serialised form or written into one.
    #[serde(skip)]
    pub password: Option<Password>,
    /// Folder for encrypted bytes that must wait until the file is whole; the system's own for
    /// temporary files when there is none.
    #[serde(skip)]
    pub spill_dir: Option<PathBuf>,
}

/// The rules by which a value becomes text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValueOptions {
    /// Text of a null; empty by default.
    pub null: String,
    /// Whether decimals keep the zeros of their scale.
    pub decimals: Decimals,
    /// Text of binary values.
    pub binary: Binary,
    /// Zone, offset and precision of timestamps.
    pub timestamps: Timestamps,
}

/// Whether a decimal shows its column's scale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decimals {
    /// As many digits behind the point as the column has: `10.50`.
    #[default]
    Scaled,
    /// No zeros at the end: `10.5`, `0`.
    Trimmed,
}

/// How bytes that are not text are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binary {
    /// Standard base64 with padding.
    #[default]
    Base64,
    /// Lower-case hexadecimal digits.
    Hex,
}

/// How timestamps are written. The default is RFC 3339 with the precision each value has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timestamps {
    /// IANA zone or offset in which moments are shown; default: the zone of the column's type.
    pub zone: Option<String>,
    /// Columns without a zone hold UTC, and are shown with an offset. Off by default: they are
    /// wall clocks, written as they are, without one.
    pub naive_is_utc: bool,
    /// How the offset is written.
    pub offset: OffsetStyle,
    /// Digits behind the second.
    pub fraction: Fraction,
    /// A blank in place of the `T` between date and time.
    pub space: bool,
}

/// How the offset from UTC is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetStyle {
    /// `Z` for UTC, else `+02:00`.
    #[default]
    Colon,
    /// `+00:00`, `+02:00`.
    ColonAlways,
    /// `+0000`, `+0200`.
    Plain,
}

/// Digits behind the second. Digits that do not fit are cut, never rounded up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fraction {
    /// None, three, six or nine: the fewest that lose nothing.
    #[default]
    AsNeeded,
    /// No fraction.
    Seconds,
    /// Three digits.
    Millis,
    /// Six digits.
    Micros,
    /// Nine digits.
    Nanos,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_json_and_unknown_keys_are_refused() {
        let options: FormatOptions = serde_json::from_str(
            r#"{"values": {"null": "NULL", "decimals": "trimmed",
                "timestamps": {"zone": "Europe/Berlin", "offset": "plain", "fraction": "seconds"}},
                "csv": {"delimiter": ";"}}"#,
        )
        .unwrap();
        assert_eq!(options.values.null, "NULL");
        assert_eq!(options.values.timestamps.offset, OffsetStyle::Plain);
        assert_eq!(options.csv.delimiter, ';');
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<FormatOptions>(&text).unwrap(), options);
        assert!(serde_json::from_str::<FormatOptions>(r#"{"csv": {"delimeter": ";"}}"#).is_err());
    }
}
