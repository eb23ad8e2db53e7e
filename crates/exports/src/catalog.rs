//! What may be exported: objects, their fields, and the relations between them.
//!
//! A catalog is written by the operator (see [`raw`]), checked once ([`Catalog::check`]) and read
//! by everybody: dialects describe it, queries are resolved against it, the engine scans what it
//! names. What it lists can be exported, and nothing else can.
//!
//! Names are matched without regard to case and come back in the catalog's own case.

pub mod raw;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::flow::is_json_text;
use crate::{Error, ErrorKind, Result};

/// A checked catalog.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    objects: Vec<Arc<Object>>,
    by_name: HashMap<String, usize>,
}

/// A thing that may be exported: a table with an API name.
#[derive(Debug, Clone)]
pub struct Object {
    /// API name, singular, such as `Invoice`.
    pub name: String,
    /// API name, plural, such as `Invoices`.
    pub plural: String,
    /// Name for people.
    pub label: String,
    /// Where its rows are.
    pub table: TableRef,
    /// The column of the table that holds lists, each of whose elements is a row of this object: in
    /// its place stands the element, and [`POSITION`] is one more column. The rows of the table are
    /// its rows when absent.
    pub elements: Option<String>,
    /// API names of the fields that identify a row, in order.
    pub key: Vec<String>,
    /// Physical column that says whose a row is.
    pub tenant_column: String,
    /// API name of the field with the time of creation.
    pub created: Option<String>,
    /// API name of the field with the time of the last change.
    pub updated: Option<String>,
    /// Physical column that marks a deleted row: a boolean that is true, or a time that is set.
    pub deleted_column: Option<String>,
    /// Physical column with the row's entity, for tenants that have several.
    pub entity_column: Option<String>,
    /// Physical column with the row's organisation, for tenants that have several.
    pub org_column: Option<String>,
    /// Where it is remembered which rows were deleted, as an object of its own: its fields are the key
    /// of the deleted row, under the names that they have here, and its `updated` is the time of the
    /// deletion, a field of a name that nobody can ask for.
    pub tombstones: Option<Arc<Object>>,
    /// Fields in the order in which `*` lists them.
    pub fields: Vec<Field>,
    /// Relations to other objects.
    pub relations: Vec<Relation>,
    field_index: HashMap<String, usize>,
    relation_index: HashMap<String, usize>,
}

/// Where an object's rows are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableRef {
    /// Name of a configured source.
    pub source: String,
    /// Name of the table in it: for files, a path relative to the source's root.
    pub table: String,
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// API name.
    pub name: String,
    /// Physical column.
    pub column: String,
    /// Names of members to follow inside the column's values, which are nested or JSON; the whole
    /// value when empty.
    pub member: Vec<String>,
    /// The nested document in which APIs whose objects nest show it; on its own when absent.
    pub document: Option<String>,
    /// Name for people.
    pub label: String,
    /// What its values are.
    pub field_type: FieldType,
    /// Whether a value may be missing.
    pub nullable: bool,
    /// Left out of `*`; exported only when named.
    pub optional: bool,
    /// Masked unless the export seals it to the tenant's key; never filtered, grouped or sorted by.
    pub sensitive: bool,
    /// Where the file is that it refers to, whose content may be exported too.
    pub file: Option<FileFolder>,
    /// An amount of money; holds the API name of the field with its currency.
    pub currency_field: Option<String>,
    /// The values it may have, where they are a closed list.
    pub values: Vec<String>,
}

/// Where files are that rows refer to by a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileFolder {
    /// Name of a source of files.
    pub source: String,
    /// The folder below the source's root below which the paths are; `{tenant}` stands for the
    /// tenant, so that no row can refer to another tenant's files.
    pub folder: String,
    /// Whether all tenants may refer to all files of the folder, which then names no tenant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// The column with an element's place in its list, from 0: see [`Object::elements`].
pub const POSITION: &str = "#position";

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text.
    Text,
    /// Whole numbers of at most 64 bits.
    Integer,
    /// Exact numbers.
    Decimal,
    /// Binary floating point numbers.
    Float,
    /// True or false.
    Boolean,
    /// A calendar date.
    Date,
    /// A moment.
    Timestamp,
    /// A time of day.
    Time,
    /// Bytes.
    Binary,
    /// A nested value.
    Json,
}

impl FieldType {
    /// What a catalog calls values of an Arrow type.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            // Its greatest values are greater than those of any integer here.
            DataType::UInt64 => Self::Decimal,
            integer if integer.is_integer() => Self::Integer,
            DataType::Decimal32(_, _)
            | DataType::Decimal64(_, _)
            | DataType::Decimal128(_, _)
            | DataType::Decimal256(_, _) => Self::Decimal,
            float if float.is_floating() => Self::Float,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, _) => Self::Timestamp,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Binary,
            DataType::Dictionary(_, inner) => Self::of(inner),
            nested if nested.is_nested() => Self::Json,
            _ => Self::Text,
        }
    }

    /// What a catalog calls values of an Arrow column: text that is marked as JSON is JSON.
    pub fn of_column(column: &arrow_schema::Field) -> Self {
        if is_json_text(column) { Self::Json } else { Self::of(column.data_type()) }
    }

    /// Whether values can be added up.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Float)
    }
}

/// A named way from a row of one object to rows of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// API name, such as `BillToContact`.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// API name of the target object.
    pub target: String,
    /// Pairs of physical columns: here, there.
    pub columns: Vec<(String, String)>,
    /// How many rows there may be on the other side.
    pub cardinality: Cardinality,
    /// Whether the rows on the other side are part of this one, as elements of lists are: APIs whose
    /// objects nest show them in it, as a list of documents.
    pub embedded: bool,
}

/// How many rows a relation leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cardinality {
    /// At most one.
    ToOne,
    /// Any number.
    ToMany,
}

impl Catalog {
    /// All objects, in the operator's order.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.iter()
    }

    /// The object of that name (singular; any case).
    pub fn object(&self, name: &str) -> Option<&Arc<Object>> {
        self.by_name.get(&folded(name)).map(|&at| &self.objects[at])
    }

    /// The object of that plural name (any case).
    pub fn object_by_plural(&self, plural: &str) -> Option<&Arc<Object>> {
        self.objects.iter().find(|object| object.plural.eq_ignore_ascii_case(plural))
    }

    /// The object of that name.
    ///
    /// # Errors
    /// `UnknownObject`, with the nearest known name as a hint.
    pub fn require(&self, name: &str) -> Result<&Arc<Object>> {
        self.object(name).ok_or_else(|| {
            let hint = hint(name, self.objects.iter().map(|object| object.name.as_str()));
            Error::new(
                ErrorKind::UnknownObject { name: name.to_owned() },
                format!("there is no object named {}{hint}", shown(name)),
            )
        })
    }
}

impl Object {
    /// The field of that name (any case).
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.field_index.get(&folded(name)).map(|&at| &self.fields[at])
    }

    /// The relation of that name (any case).
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        self.relation_index.get(&folded(name)).map(|&at| &self.relations[at])
    }

    /// The relation of that name.
    ///
    /// # Errors
    /// `UnknownField`, with the nearest known name as a hint: relations share a field's name space.
    pub fn require_relation(&self, name: &str) -> Result<&Relation> {
        self.relation(name).ok_or_else(|| {
            let hint = hint(name, self.relations.iter().map(|relation| relation.name.as_str()));
            Error::new(
                ErrorKind::UnknownField { name: name.to_owned() },
                format!("there is no relation named {} in {}{hint}", shown(name), self.name),
            )
        })
    }

    /// The field of that name.
    ///
    /// # Errors
    /// `UnknownField`, with the nearest known name as a hint.
    pub fn require_field(&self, name: &str) -> Result<&Field> {
        self.field(name).ok_or_else(|| {
            let hint = hint(name, self.fields.iter().map(|field| field.name.as_str()));
            Error::new(
                ErrorKind::UnknownField { name: name.to_owned() },
                format!("there is no field named {} in {}{hint}", shown(name), self.name),
            )
        })
    }

    /// The fields that `*` stands for.
    pub fn default_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.optional)
    }
}

/// The longest name that is compared with the known ones, in bytes: nobody means a longer one, and
/// comparing costs its length times that of every known name.
const HINTED_BYTES_MAX: usize = 200;

/// ` (did you mean X?)` with the nearest of the known names, or nothing where none is near.
pub fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    if name.len() > HINTED_BYTES_MAX {
        return String::new();
    }
    let name = folded(name);
    let nearest = known.map(|known| (strsim::jaro_winkler(&name, &folded(known)), known));
    match nearest.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, known)) if score >= 0.8 => format!(" (did you mean {known}?)"),
        _ => String::new(),
    }
}

/// A name that a client gave, as it may stand in a sentence: short, and on one line.
fn shown(name: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    let mut out: String = name.chars().take(SHOWN_CHARS_MAX).map(escaped).collect();
    if name.chars().nth(SHOWN_CHARS_MAX).is_some() {
        out.push_str("...");
    }
    out
}

fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}
