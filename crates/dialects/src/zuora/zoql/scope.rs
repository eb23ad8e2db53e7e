//! What a query of either language is resolved against: an object of the catalog and its fields.
//!
//! Names match in any case and come back in the catalog's. A name that is unknown is reported as
//! the user wrote it.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use outhaul_exports::catalog::{Catalog, Field, FieldType, Object, hint};
use outhaul_exports::query::{self, Protection};

use super::ast::Name;
use super::error::shown;
use super::{Language, Position, ZoqlError, ZoqlErrorKind};

type Result<T> = std::result::Result<T, ZoqlError>;

/// The zones that a query is read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zones {
    /// Of days and datetimes that are written without a zone.
    pub literals: Tz,
    /// Of the calendar by which a moment falls on a day: the tenant's.
    pub calendar: Tz,
}

impl From<Tz> for Zones {
    fn from(zone: Tz) -> Self {
        Self { literals: zone, calendar: zone }
    }
}

/// What a query is resolved against.
pub(super) struct Scope<'a> {
    pub catalog: &'a Catalog,
    pub base: &'a Object,
    /// What relative dates are counted from.
    pub now: DateTime<Utc>,
    pub zones: Zones,
    pub language: Language,
    /// Of ZOQL: whether a date is compared with days alone and a datetime with datetimes alone.
    pub strict_dates: bool,
}

/// An expression that is understood.
pub(super) struct Typed {
    pub expr: query::Expr,
    pub field_type: FieldType,
    /// Its heading: `Object.Field`, `Relation.Field`, or the text of the function.
    pub label: String,
    /// Whether it shows a sensitive field; only ever true of a field alone.
    pub sensitive: bool,
}

/// A field and the way to it.
pub(super) struct Found<'a> {
    pub field: &'a Field,
    pub path: query::Path,
    pub label: String,
}

impl<'a> Scope<'a> {
    /// The object that a query is about.
    pub fn base(catalog: &'a Catalog, source: &Name) -> Result<&'a Object> {
        catalog.object(&source.value).map(AsRef::as_ref).ok_or_else(|| {
            let near = hint(&source.value, catalog.objects().map(|object| object.name.as_str()));
            let message = format!(
                "noSuchDataSource: there is no object named {}{near}",
                shown(&source.value)
            );
            ZoqlError::new(ZoqlErrorKind::NoSuchDataSource, source.at, message)
        })
    }

    /// A field of that object.
    pub fn own(&self, field: &'a Field) -> Found<'a> {
        Found {
            field,
            path: query::Path::own(&field.name),
            label: format!("{}.{}", self.base.name, field.name),
        }
    }

    /// A foreign key is a field of the object that it leads to; people look for it here.
    pub fn own_hint(&self, name: &str) -> String {
        let stem_length = name.len().saturating_sub(2);
        if let Some((stem, tail)) = name.split_at_checked(stem_length)
            && tail.eq_ignore_ascii_case("id")
            && let Some(relation) = self.base.relation(stem)
        {
            let advice = match self.language {
                Language::Zoql => " A query of type zoqlexport can select it",
                Language::Export => "",
            };
            return format!(" (did you mean {}.Id?{advice})", relation.name);
        }
        hint(name, self.base.fields.iter().map(|field| field.name.as_str()))
    }
}

impl From<Found<'_>> for Typed {
    fn from(found: Found<'_>) -> Self {
        Self {
            expr: query::Expr::Field(found.path),
            field_type: found.field.field_type,
            label: found.label,
            sensitive: found.field.sensitive,
        }
    }
}

impl Typed {
    /// The column that shows it, masked where it is sensitive.
    pub fn column(self) -> query::Column {
        let protection = if self.sensitive { Protection::Masked } else { Protection::Plain };
        query::Column { label: self.label, expr: self.expr, protection }
    }
}

/// Whether values of the type are more or less than each other, for a person.
pub(super) fn has_order(field_type: FieldType) -> bool {
    match field_type {
        FieldType::Text | FieldType::Date | FieldType::Timestamp | FieldType::Time => true,
        FieldType::Integer | FieldType::Decimal | FieldType::Float => true,
        FieldType::Boolean | FieldType::Binary | FieldType::Json => false,
    }
}

/// A type in the words of Zuora's describe.
pub(super) fn type_name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "text",
        FieldType::Integer => "whole number",
        FieldType::Decimal | FieldType::Float => "number",
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::Timestamp => "datetime",
        FieldType::Time => "time of day",
        FieldType::Binary => "binary value",
        FieldType::Json => "nested value",
    }
}

/// Clients look for this text: it must begin so, with the name as it was written.
pub(super) fn no_such_field(at: Position, written: &str, advice: &str) -> ZoqlError {
    let message = format!("There is no field named {}{advice}", shown(written));
    ZoqlError::new(ZoqlErrorKind::NoSuchField, at, message)
}

pub(super) fn sensitive(at: Position, label: &str, place: &str) -> ZoqlError {
    let message = format!(
        "{label} is sensitive and cannot be used in {place}: it can only be selected, and is then \
         masked or encrypted"
    );
    ZoqlError::new(ZoqlErrorKind::Sensitive, at, message)
}
