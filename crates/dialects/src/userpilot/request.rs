//! The body of POST exports: read strictly, then turned into one query over the events.
//!
//! Conditions on different members are joined by AND, the values of one list by OR. A member that
//! is not understood is refused, because it may have been meant as a filter; so is a `null`, and a
//! list without values, which would select everything in one reading and nothing in another.

use outhaul_exports::catalog::{Field, FieldType, hint};
use outhaul_exports::limits;
use outhaul_exports::notice::check_address;
use outhaul_exports::query::{
    Column, Compare, Condition, Expr, KeyPattern, Literal, OrderBy, Path, Protection, Query, Select,
};
use outhaul_exports::spec::{
    ExportSpec, FormatChoice, FractionStyle, Notice, Packing, QuerySpec, Split, ValueOptions,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::config::{Settings, Unknown};
use super::error::Trouble;
use super::model::{ATTRIBUTES, EVENT_TYPE, INSERTED_AT, Model};
use super::range::Range;
use crate::kit::json::{kind_of, shown};

/// Bytes of one value of a list.
const VALUE_BYTES_MAX: usize = 1_024;
/// Bytes of `exclusions`.
const EXCLUSIONS_BYTES_MAX: usize = 4_096;

/// The members of a request that Userpilot documents.
const MEMBERS: [&str; 9] = [
    "from",
    "to",
    "emails",
    "event_type",
    "user_id",
    "company_id",
    "segment_id",
    "format",
    "exclusions",
];

/// Other names of members that public scripts send, often beside the right ones.
const ALIASES: [(&str, &str); 3] =
    [("start_date", "from"), ("end_date", "to"), ("event_types", "event_type")];

/// What to export. Every member may be left out.
#[derive(Debug, Default, PartialEq, Eq, ToSchema)]
pub struct ExportRequest {
    /// The first day or moment: `2026-01-31`, or `2026-01-31T12:00:00Z`. Default: 30 days before
    /// the end.
    #[schema(value_type = String, required = false, example = "2026-01-01")]
    pub from: Option<String>,
    /// The last day, which is included, or the first moment that is not. Default: now.
    #[schema(value_type = String, required = false, example = "2026-01-31")]
    pub to: Option<String>,
    /// Who gets a mail with the links when the job has ended.
    #[schema(max_items = 100, required = false)]
    pub emails: Vec<String>,
    /// Only events of these types.
    #[schema(value_type = Vec<String>, required = false, min_items = 1, max_items = 10_000)]
    pub event_type: Option<Vec<String>>,
    /// Only events of these users.
    #[schema(value_type = Vec<String>, required = false, min_items = 1, max_items = 10_000)]
    pub user_id: Option<Vec<String>>,
    /// Only events of these companies.
    #[schema(value_type = Vec<String>, required = false, min_items = 1, max_items = 10_000)]
    pub company_id: Option<Vec<String>>,
    /// Only events of users who are in this segment.
    #[schema(value_type = String, required = false)]
    pub segment_id: Option<String>,
    /// The format of the files. Default: `ndjson`.
    #[schema(value_type = FormatWord, required = false)]
    pub format: Option<Form>,
    /// Attributes to leave out, and members of `metadata`, separated by commas; one that ends in `*`
    /// is every one that begins so.
    #[schema(value_type = String, required = false, example = "user_agent,screen_*,metadata.email")]
    pub exclusions: Option<String>,
}

/// The formats, as a request names them, in any case.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "names the words for the OpenAPI document only")]
pub enum FormatWord {
    /// An Avro object container.
    Avro,
    /// Comma-separated values.
    Csv,
    /// One JSON object a line, compressed by gzip.
    Ndjson,
    /// The same as `ndjson`.
    Json,
    /// Parquet.
    Parquet,
}

/// A format of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Form {
    /// One JSON object a line.
    #[default]
    Ndjson,
    /// Comma-separated values.
    Csv,
    /// An Avro object container.
    Avro,
    /// Parquet.
    Parquet,
}

impl Form {
    fn id(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Avro => "avro",
            Self::Parquet => "parquet",
        }
    }
}

/// A request that was checked against the model.
#[derive(Debug)]
pub struct Checked {
    /// What is asked of the core.
    pub spec: ExportSpec,
    /// The days it spans.
    pub range: Range,
    /// The segment that must be there.
    pub segment: Option<Literal>,
}

impl ExportRequest {
    /// Reads the members of a body.
    ///
    /// # Errors
    /// 422 naming the first member that is wrong.
    pub fn read(mut body: Map<String, Value>, unknown: Unknown) -> Result<Self, Trouble> {
        resolve_aliases(&mut body)?;
        let request = Self {
            from: text(&mut body, "from")?,
            to: text(&mut body, "to")?,
            emails: addresses(&mut body)?,
            event_type: list(&mut body, "event_type", limits::IN_LIST_MAX)?,
            user_id: list(&mut body, "user_id", limits::IN_LIST_MAX)?,
            company_id: list(&mut body, "company_id", limits::IN_LIST_MAX)?,
            segment_id: segment(&mut body)?,
            format: text(&mut body, "format")?.map(|text| format(&text)).transpose()?,
            exclusions: text(&mut body, "exclusions")?,
        };
        match body.keys().next() {
            Some(key) if unknown == Unknown::Refuse => {
                let near = hint(key, MEMBERS.into_iter());
                let text = format!("there is no member named {}{near}", shown(key));
                Err(Trouble::wrong(&key.chars().take(64).collect::<String>(), text))
            }
            _ => Ok(request),
        }
    }

    /// What it means at this moment. `file_url` is where links to files lead.
    ///
    /// # Errors
    /// 422 naming the member.
    pub fn check(
        self,
        model: &Model,
        settings: &Settings,
        now: chrono::DateTime<chrono::Utc>,
        file_url: String,
    ) -> Result<Checked, Trouble> {
        let (days, most) = (settings.default_days, settings.range_days_max);
        let range = Range::read(self.from.as_deref(), self.to.as_deref(), days, most, now)?;
        let excluded = self.exclusions.as_deref().map(Excluded::read).transpose()?;
        let excluded = excluded.unwrap_or_default();
        let columns = model.attributes().filter(|(name, _)| !excluded.attributes.contains(name));
        let columns = columns.map(|(name, field)| excluded.column(name, field));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let day = columns.iter().position(|column| column.label == INSERTED_AT);
        let day = day.ok_or_else(|| internal("events have no inserted_at"))?;
        if let Some(types) = &self.event_type {
            known_types(types, &model.event_types())?;
        }
        let moment = columns[day].expr.clone();
        let mut filter = Condition::And(vec![
            compare(&moment, Compare::Ge, Literal::Timestamp(range.from)),
            compare(&moment, Compare::Lt, Literal::Timestamp(range.to)),
        ]);
        let lists = [
            (EVENT_TYPE, self.event_type),
            ("user_id", self.user_id),
            ("company_id", self.company_id),
        ];
        for (attribute, list) in lists {
            if let Some(list) = list {
                filter = filter.and(one_of(model, attribute, list)?);
            }
        }
        let mut segment = None;
        if let Some(id) = self.segment_id {
            let (condition, literal) = in_segment(model, &id)?;
            filter = filter.and(condition);
            segment = Some(literal);
        }
        let select = Select {
            columns,
            filter: Some(filter),
            order_by: vec![OrderBy { expr: moment, descending: false }],
            ..Select::of(&model.events.name)
        };
        let format = self.format.unwrap_or_default();
        let spec = ExportSpec {
            label: None,
            description: None,
            queries: vec![QuerySpec {
                name: Some("events".to_owned()),
                query: Query::Select(Box::new(select)),
            }],
            format: FormatChoice { values: values(), ..FormatChoice::plain(format.id()) },
            packing: match format {
                Form::Ndjson => Packing::Gzip,
                Form::Csv if settings.csv_gzip => Packing::Gzip,
                _ => Packing::None,
            },
            row_numbers: None,
            documents: None,
            archive: None,
            split: Some(Split::Day(day)),
            sealing_key: None,
            encryption_key: None,
            password: None,
            session: None,
            notices: match self.emails.is_empty() {
                true => Vec::new(),
                false => vec![Notice::Mail { to: self.emails, file_url }],
            },
        };
        Ok(Checked { spec, range, segment })
    }
}

/// How values are written: moments in UTC with six digits (Userpilot's documentation, "Event
/// schema": `2025-05-11T07:45:30.123456Z`).
fn values() -> ValueOptions {
    ValueOptions { fraction: FractionStyle::Micros, ..ValueOptions::default() }
}

/// Puts the right names in place of others. Where both stand, they must say the same.
fn resolve_aliases(body: &mut Map<String, Value>) -> Result<(), Trouble> {
    for (alias, name) in ALIASES {
        let Some(value) = body.shift_remove(alias) else { continue };
        match body.get(name) {
            Some(other) if *other != value => {
                let text = format!("{alias} and {name} say different things: send {name} alone");
                return Err(Trouble::wrong(alias, text));
            }
            Some(_) => {}
            None => {
                body.insert(name.to_owned(), value);
            }
        }
    }
    Ok(())
}

fn text(body: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Trouble> {
    match body.shift_remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(not_a(name, "a text", &other)),
    }
}

/// Addresses for mail; here an empty list means what it says.
fn addresses(body: &mut Map<String, Value>) -> Result<Vec<String>, Trouble> {
    const FIELD: &str = "emails";
    if body.get(FIELD).and_then(Value::as_array).is_some_and(Vec::is_empty) {
        body.shift_remove(FIELD);
    }
    let addresses = list(body, FIELD, limits::NOTICE_ADDRESSES_MAX)?.unwrap_or_default();
    addresses.iter().try_for_each(|address| check_address(FIELD, address))?;
    Ok(addresses)
}

fn list(
    body: &mut Map<String, Value>,
    name: &str,
    most: usize,
) -> Result<Option<Vec<String>>, Trouble> {
    let items = match body.shift_remove(name) {
        None => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(other) => return Err(not_a(name, "a list of texts", &other)),
    };
    if items.is_empty() {
        let text = format!("{name} is an empty list, which nothing is in: leave it out for all");
        return Err(Trouble::wrong(name, text));
    }
    if items.len() > most {
        let text = format!("{name} has {} values, and at most {most} may be", items.len());
        return Err(Trouble::wrong(name, text));
    }
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        let Value::String(text) = item else { return Err(not_a(name, "a list of texts", &item)) };
        if text.len() > VALUE_BYTES_MAX {
            let text = format!("a value of {name} has more than {VALUE_BYTES_MAX} bytes");
            return Err(Trouble::wrong(name, text));
        }
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    Ok(Some(texts))
}

/// The id of a segment: a text in the document, a number in the list of segments.
fn segment(body: &mut Map<String, Value>) -> Result<Option<String>, Trouble> {
    let id = match body.shift_remove("segment_id") {
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) if number.is_u64() => number.to_string(),
        Some(other) => return Err(not_a("segment_id", "a text", &other)),
    };
    if id.is_empty() || id.len() > VALUE_BYTES_MAX {
        let text = format!("segment_id has 1 to {VALUE_BYTES_MAX} bytes");
        return Err(Trouble::wrong("segment_id", text));
    }
    Ok(Some(id))
}

fn format(text: &str) -> Result<Form, Trouble> {
    const FORMS: [(&str, Form); 5] = [
        ("avro", Form::Avro),
        ("csv", Form::Csv),
        ("ndjson", Form::Ndjson),
        ("json", Form::Ndjson),
        ("parquet", Form::Parquet),
    ];
    let known = FORMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, form)| *form).ok_or_else(|| {
        let near = hint(text, FORMS.iter().map(|(name, _)| *name));
        let text = format!("format is avro, csv, ndjson or parquet, not {}{near}", shown(text));
        Trouble::wrong("format", text)
    })
}

/// What `exclusions` names. A name that leads nowhere is refused: it may be a mistake in the name
/// of something that must not be exported.
#[derive(Debug, Default)]
struct Excluded {
    /// Whole attributes.
    attributes: Vec<&'static str>,
    /// Members of attributes that are JSON objects.
    members: Vec<(&'static str, KeyPattern)>,
}

impl Excluded {
    const FIELD: &str = "exclusions";

    fn read(text: &str) -> Result<Self, Trouble> {
        if text.len() > EXCLUSIONS_BYTES_MAX {
            let text = format!("exclusions has more than {EXCLUSIONS_BYTES_MAX} bytes");
            return Err(Trouble::wrong(Self::FIELD, text));
        }
        let mut excluded = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            excluded.add(name)?;
        }
        if excluded.attributes.contains(&INSERTED_AT) {
            let text = "inserted_at cannot be left out: the files are cut into days by it";
            return Err(Trouble::wrong(Self::FIELD, text));
        }
        Ok(excluded)
    }

    fn add(&mut self, name: &str) -> Result<(), Trouble> {
        let attributes = ATTRIBUTES.into_iter();
        if let Some((attribute, member)) = name.split_once('.')
            && let Some(attribute) = attributes.clone().find(|known| *known == attribute)
            && !member.is_empty()
        {
            let pattern = match member.strip_suffix('*') {
                Some(prefix) => KeyPattern::Prefix(prefix.to_owned()),
                None => KeyPattern::Exact(member.to_owned()),
            };
            self.members.push((attribute, pattern));
            return Ok(());
        }
        let before = self.attributes.len();
        self.attributes.extend(attributes.filter(|attribute| match name.strip_suffix('*') {
            Some(start) => attribute.starts_with(start),
            None => *attribute == name,
        }));
        if self.attributes.len() > before {
            return Ok(());
        }
        let near = hint(name, ATTRIBUTES.into_iter());
        let text = format!("events have no attribute {}{near}", shown(name));
        Err(Trouble::wrong(Self::FIELD, text))
    }

    /// The column of an attribute that is not left out.
    fn column(&self, name: &'static str, field: &Field) -> Result<Column, Trouble> {
        let members = self.members.iter().filter(|(attribute, _)| *attribute == name);
        let keys: Vec<KeyPattern> = members.map(|(_, pattern)| pattern.clone()).collect();
        if !keys.is_empty() && (field.field_type != FieldType::Json || field.sensitive) {
            let text = format!("{name} has no members that could be left out");
            return Err(Trouble::wrong(Self::FIELD, text));
        }
        Ok(Column {
            label: name.to_owned(),
            expr: match keys.is_empty() {
                true => Expr::own(&field.name),
                false => Expr::JsonWithout { of: Path::own(&field.name), keys },
            },
            protection: match field.sensitive {
                true => Protection::Masked,
                false => Protection::Plain,
            },
        })
    }
}

fn known_types(asked: &[String], known: &[&str]) -> Result<(), Trouble> {
    let Some(unknown) = asked.iter().find(|asked| !known.contains(&asked.as_str())) else {
        return Ok(());
    };
    let near = hint(unknown, known.iter().copied());
    let near = if near.is_empty() { format!(" (known: {})", known.join(", ")) } else { near };
    let text = format!("there is no event type {}{near}", shown(unknown));
    Err(Trouble::wrong(EVENT_TYPE, text))
}

fn one_of(model: &Model, attribute: &str, list: Vec<String>) -> Result<Condition, Trouble> {
    let missing = || Trouble::wrong(attribute, format!("events have no {attribute} here"));
    let expr = model.attribute(attribute).ok_or_else(missing)?;
    let list = list.into_iter().map(Literal::Text).collect();
    Ok(Condition::In { expr, list, negated: false })
}

/// The condition that the event's user is in a segment, and the segment's id as its own field has
/// it.
fn in_segment(model: &Model, id: &str) -> Result<(Condition, Literal), Trouble> {
    const FIELD: &str = "segment_id";
    let missing = || Trouble::wrong(FIELD, "there are no segments here");
    let members = model.members.as_ref().ok_or_else(missing)?;
    let literal = id_literal(members.segment.field_type, id)
        .ok_or_else(|| Trouble::wrong(FIELD, "there is no such segment"))?;
    let filter = compare(&Expr::own(&members.segment.name), Compare::Eq, literal.clone());
    let condition = Condition::Exists {
        relation: members.relation.clone(),
        filter: Some(Box::new(filter)),
        negated: false,
    };
    Ok((condition, literal))
}

/// An id as a literal for a field of that type.
pub fn id_literal(field_type: FieldType, id: &str) -> Option<Literal> {
    match field_type {
        FieldType::Integer => id.parse().ok().map(Literal::Integer),
        _ => Some(Literal::Text(id.to_owned())),
    }
}

/// A comparison with a fixed value.
pub fn compare(left: &Expr, op: Compare, right: Literal) -> Condition {
    Condition::Compare { left: left.clone(), op, right: Expr::Literal(right) }
}

fn not_a(name: &str, wanted: &str, found: &Value) -> Trouble {
    Trouble::wrong(name, format!("{name} must be {wanted}, not {}", kind_of(found)))
}

fn internal(text: &str) -> Trouble {
    outhaul_exports::Error::internal(text).into()
}
