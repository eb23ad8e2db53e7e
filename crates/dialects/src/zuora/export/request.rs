//! The request to create an export: from JSON to a checked spec.
//!
//! Keys are matched exactly. `Query` and `Format` must be there; what Zuora generates (`Status`,
//! `Size`, `FileId` ...) is passed over; anything else is passed over too, or refused when the
//! client asks for that. (Zuora documentation, "CRUD: Create an export".)

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::limits::LABEL_CHARS_MAX;
use outhaul_exports::principal::Tenant;
use outhaul_exports::query::{Protection, Query};
use outhaul_exports::spec::{
    DecimalStyle, ExportSpec, FormatChoice, FractionStyle, OffsetStyle, Packing, QuerySpec,
    ValueOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::routes::parameter;
use crate::kit::json::{JsonError, kind_of, parse_object, shown};
use crate::zuora::errors::{Refusal, Trouble};
use crate::zuora::money::{RateTable, convert};
use crate::zuora::zoql::ZoqlError;
use crate::zuora::zoql::export::{Zones, compile};

/// Keys that the client sets.
const SETTABLE: [&str; 6] = ["Format", "Query", "Name", "Zip", "Encrypted", "ConvertToCurrencies"];
/// Keys that the server sets. Clients may send them back; they mean nothing then.
const GENERATED: [&str; 9] = [
    "Id",
    "FileId",
    "Size",
    "Status",
    "StatusReason",
    "CreatedById",
    "CreatedDate",
    "UpdatedById",
    "UpdatedDate",
];

/// What the parameters of the path ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// Unknown keys are an error.
    pub reject_unknown_fields: bool,
}

impl Flags {
    /// Reads the query of the path. Other parameters are passed over.
    ///
    /// # Errors
    /// `Invalid` unless `rejectUnknownFields` stands once at most and is true or false.
    pub fn read(query: Option<&str>) -> Result<Self, Refusal> {
        let values = parameter(query, "rejectUnknownFields")?;
        let reject = match values.as_slice() {
            [] => false,
            [value] if value.eq_ignore_ascii_case("true") => true,
            [value] if value.eq_ignore_ascii_case("false") => false,
            [_] => return Err(Refusal::invalid("rejectUnknownFields must be true or false")),
            _ => return Err(Refusal::invalid("rejectUnknownFields stands more than once")),
        };
        Ok(Self { reject_unknown_fields: reject })
    }
}

/// A format, in the documentation's spelling; those behind `Excel` are not Zuora's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Comma-separated values.
    #[serde(rename = "csv")]
    Csv,
    /// One page.
    #[serde(rename = "html")]
    Html,
    /// A workbook.
    Excel,
    /// One JSON document.
    #[serde(rename = "json")]
    Json,
    /// One JSON object a line.
    #[serde(rename = "ndjson")]
    Ndjson,
    /// One XML document.
    #[serde(rename = "xml")]
    Xml,
    /// Pages.
    #[serde(rename = "pdf")]
    Pdf,
    /// An Avro object container.
    #[serde(rename = "avro")]
    Avro,
    /// Parquet.
    #[serde(rename = "parquet")]
    Parquet,
}

impl Format {
    const ALL: [Self; 9] = [
        Self::Csv,
        Self::Html,
        Self::Excel,
        Self::Json,
        Self::Ndjson,
        Self::Xml,
        Self::Pdf,
        Self::Avro,
        Self::Parquet,
    ];

    /// The format of that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Html => "html",
            Self::Excel => "Excel",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Xml => "xml",
            Self::Pdf => "pdf",
            Self::Avro => "avro",
            Self::Parquet => "parquet",
        }
    }

    /// The id of the neutral format.
    fn id(self) -> &'static str {
        match self {
            Self::Excel => "xlsx",
            other => other.name(),
        }
    }
}

/// A request whose shape is right. It is also what an export carries to be answered later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The text of the query, as it was sent.
    pub query: String,
    /// The format.
    pub format: Format,
    /// The client's name for the export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the file is packed as a zip.
    #[serde(default)]
    pub zip: bool,
    /// Whether sensitive values are sealed rather than masked.
    #[serde(default)]
    pub encrypted: bool,
    /// The list of currencies, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert_to_currencies: Option<String>,
}

/// What a request is understood against.
pub struct Context<'a> {
    /// What may be exported.
    pub catalog: &'a Catalog,
    /// Whose request it is.
    pub tenant: &'a Tenant,
    /// The zone of dates that name none.
    pub literal_zone: Tz,
    /// The present moment, from which relative dates are counted.
    pub now: DateTime<Utc>,
    /// Rates of exchange.
    pub rates: Option<&'a RateTable>,
}

impl Wanted {
    /// Reads a body.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(body: &[u8], flags: Flags) -> Result<Self, Refusal> {
        let map = parse_object(body)?;
        let known = |key: &str| SETTABLE.contains(&key) || GENERATED.contains(&key);
        if flags.reject_unknown_fields && !map.keys().all(|key| known(key)) {
            // Byte for byte the text of Zuora's documentation.
            let text = "Error - unrecognised fields";
            return Err(Refusal::new(Trouble::UnrecognisedFields, text));
        }
        let format = text(&map, "Format")?.ok_or_else(|| missing(&map, "Format"))?;
        let format = Format::named(format).ok_or_else(|| {
            let shown = shown(format);
            Refusal::invalid(format!(
                "Format must be csv, html or Excel, or one of json, ndjson, xml, pdf, avro and \
                 parquet, not {shown}"
            ))
        })?;
        let query = text(&map, "Query")?.filter(|query| !query.trim().is_empty());
        let query = query.ok_or_else(|| missing(&map, "Query"))?;
        let name = text(&map, "Name")?;
        if let Some(count) = name.map(|name| name.chars().count())
            && count > LABEL_CHARS_MAX
        {
            return Err(Refusal::invalid(format!(
                "Name has {count} characters, at most {LABEL_CHARS_MAX} are allowed"
            )));
        }
        Ok(Self {
            query: query.to_owned(),
            format,
            name: name.map(str::to_owned),
            zip: flag(&map, "Zip")?,
            encrypted: flag(&map, "Encrypted")?,
            convert_to_currencies: text(&map, "ConvertToCurrencies")?.map(str::to_owned),
        })
    }

    /// The neutral form, and what the dialect wants to find again on the export.
    ///
    /// # Errors
    /// `Invalid` for a query that cannot be run, a currency without a rate, and encryption
    /// without a key.
    pub fn into_spec(self, context: &Context<'_>) -> Result<(ExportSpec, Value), Refusal> {
        let zones = Zones { literals: context.literal_zone, calendar: context.tenant.zone };
        let mut select = compile(&self.query, context.catalog, context.now, zones)?;
        if let Some(list) = &self.convert_to_currencies {
            let rates = context.rates.ok_or_else(|| {
                Refusal::invalid(
                    "ConvertToCurrencies: currency conversion is not enabled, because this server \
                     has no rates of exchange; leave the field out",
                )
            })?;
            convert(&mut select, context.catalog, rates, &rates.codes(list)?)?;
        }
        let sealing_key = match (self.encrypted, &context.tenant.public_key) {
            (false, _) => None,
            (true, Some(key)) => Some(key.clone()),
            (true, None) => {
                return Err(Refusal::invalid(
                    "Encrypted: this tenant has no public key to encrypt to; register one, or \
                     leave the field out to get sensitive values masked",
                ));
            }
        };
        if sealing_key.is_some() {
            for column in select.columns.iter_mut().filter(|c| c.protection == Protection::Masked) {
                column.protection = Protection::Sealed;
            }
        }
        let echo = serde_json::to_value(&self).map_err(|error| {
            outhaul_exports::Error::internal("an export's echo was not written").with_source(error)
        })?;
        let spec = ExportSpec {
            label: self.name,
            description: None,
            queries: vec![QuerySpec { name: None, query: Query::Select(Box::new(select)) }],
            format: FormatChoice {
                values: values(context.tenant.zone),
                ..FormatChoice::plain(self.format.id())
            },
            packing: if self.zip { Packing::Zip } else { Packing::None },
            row_numbers: None,
            documents: None,
            archive: None,
            split: None,
            sealing_key,
            encryption_key: None,
            password: None,
            notices: Vec::new(),
            session: None,
        };
        Ok((spec, echo))
    }
}

/// How Zuora writes values: numbers bare, moments in the tenant's zone to the second with an
/// offset in hours and minutes (its documentation, "Export ZOQL"; the offset's colon is what the
/// Export API's samples show).
fn values(zone: Tz) -> ValueOptions {
    ValueOptions {
        null: String::new(),
        zone,
        offset: OffsetStyle::ColonAlways,
        fraction: FractionStyle::Seconds,
        decimals: DecimalStyle::Trimmed,
    }
}

/// A text; absent when it is null or empty.
fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Refusal> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(other) => {
            Err(Refusal::invalid(format!("{key} must be a text, not {}", kind_of(other))))
        }
    }
}

/// A flag: true or false, also as a text, as older clients send it; false when absent or null.
fn flag(map: &Map<String, Value>, key: &str) -> Result<bool, Refusal> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(other) => {
            let found = match other {
                Value::String(text) => shown(text),
                other => kind_of(other).to_owned(),
            };
            Err(Refusal::invalid(format!("{key} must be true or false, not {found}")))
        }
    }
}

/// A required key is not there; perhaps it is, in another case.
fn missing(map: &Map<String, Value>, key: &str) -> Refusal {
    let twin = map.keys().find(|other| *other != key && other.eq_ignore_ascii_case(key));
    match twin {
        Some(twin) => {
            let text = format!("{key} is missing: the key {} is not it, write {key}", shown(twin));
            Refusal::missing(text)
        }
        None => Refusal::missing(format!("{key} is missing")),
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        Self::new(Trouble::Malformed, format!("The body is not acceptable JSON: {error}"))
    }
}

impl From<ZoqlError> for Refusal {
    fn from(error: ZoqlError) -> Self {
        Self::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use outhaul_exports::testing;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ANY: Flags = Flags { reject_unknown_fields: false };

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[^\0]{0,20}".prop_map(Value::from),
            prop::sample::select(vec![
                "csv",
                "HTML",
                "Excel",
                "true",
                "False",
                "EUR,USD",
                "select * from Account",
                "select Id, AchAccountNumber from PaymentMethod",
                "select sum(Amount) from Invoice",
            ])
            .prop_map(Value::from),
            Just(json!([])),
            Just(json!({ "a": 1 })),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Wanted::read(&bytes, ANY);
        }

        /// Whatever is accepted is whole: the echo reads back, and nothing sensitive is plain.
        #[test]
        fn what_is_accepted_is_sound(
            values in prop::collection::vec(any_value(), SETTABLE.len()),
            sealed in any::<bool>(),
        ) {
            let members = SETTABLE.iter().map(|key| (*key).to_owned()).zip(values);
            let body = Value::Object(members.collect()).to_string();
            let catalog = testing::catalog();
            let mut tenant = testing::tenant("acme");
            tenant.public_key = sealed.then(|| "age1key".to_owned());
            let context = Context {
                catalog: &catalog,
                tenant: &tenant,
                literal_zone: Tz::UTC,
                now: testing::noon(),
                rates: None,
            };
            let read = Wanted::read(body.as_bytes(), ANY);
            let Ok(wanted) = read else { return Ok(()) };
            let Ok((spec, echo)) = wanted.clone().into_spec(&context) else { return Ok(()) };
            prop_assert_eq!(Wanted::deserialize(&echo).ok(), Some(wanted.clone()));
            prop_assert_eq!(spec.sealing_key.is_some(), wanted.encrypted);
            let Query::Select(select) = &spec.queries[0].query else {
                return Err(TestCaseError::fail("Export ZOQL becomes a neutral query"));
            };
            prop_assert!(select.check(&catalog).is_ok());
            let unsealed = if wanted.encrypted { Protection::Masked } else { Protection::Sealed };
            prop_assert!(select.columns.iter().all(|column| column.protection != unsealed));
        }
    }
}
