//! The catalog, formats and previews on the wire.

use outhaul_exports::catalog::{Cardinality, Field, FieldType, Object, Relation};
use outhaul_exports::format::FormatSheet;
use outhaul_exports::manifest::ColumnNote;
use serde::Serialize;
use utoipa::ToSchema;

use crate::native::PREFIX;

/// A column of a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Column)]
pub struct ColumnView {
    /// Its heading.
    pub name: String,
    /// What its values are: as a field's type in the catalog.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub column_type: FieldType,
    /// Whether values may be missing.
    pub nullable: bool,
}

/// The first rows of a query.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Preview)]
pub struct PreviewView {
    /// The columns.
    pub columns: Vec<ColumnView>,
    /// The rows, each a list of values in the order of the columns.
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// The objects that may be exported.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Catalog)]
pub struct CatalogView {
    /// In the operator's order.
    pub objects: Vec<ObjectSummary>,
}

/// An object in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectSummary {
    /// API name.
    pub name: String,
    /// API name, plural.
    pub plural: String,
    /// Name for people.
    pub label: String,
    /// Where its fields are listed, as a path.
    pub href: String,
}

/// An object, whole.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogObject)]
pub struct ObjectView {
    /// API name.
    pub name: String,
    /// API name, plural.
    pub plural: String,
    /// Name for people.
    pub label: String,
    /// Fields that identify a row.
    pub key: Vec<String>,
    /// The field with the time of creation.
    pub created: Option<String>,
    /// The field with the time of the last change.
    pub updated: Option<String>,
    /// Whether its rows can be marked as deleted.
    pub marks_deleted: bool,
    /// Whether it is remembered elsewhere which rows were deleted, so that a session can tell of them.
    pub remembers_deleted: bool,
    /// Its fields, in the order of a default export.
    pub fields: Vec<FieldView>,
    /// Its relations.
    pub relations: Vec<RelationView>,
}

/// A field of an object.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Field)]
pub struct FieldView {
    /// API name.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// `text`, `integer`, `decimal`, `float`, `boolean`, `date`, `timestamp`, `time`, `binary` or
    /// `json`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub field_type: FieldType,
    /// Whether a value may be missing.
    pub nullable: bool,
    /// Exported only when named.
    pub optional: bool,
    /// Masked unless the export is encrypted; never filtered or sorted by.
    pub sensitive: bool,
    /// For an amount of money: the field with its currency.
    pub currency_field: Option<String>,
    /// The values it may have, where they are a closed list.
    pub values: Vec<String>,
}

/// A relation of an object.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Relation)]
pub struct RelationView {
    /// API name, used in paths such as `Account.Name`.
    pub name: String,
    /// Name for people.
    pub label: String,
    /// The object it leads to.
    pub target: String,
    /// `to_one` or `to_many`; only the first can stand in a path.
    #[schema(value_type = String)]
    pub cardinality: Cardinality,
}

/// The formats that files may have.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Formats)]
pub struct FormatsView {
    /// The formats.
    pub formats: Vec<FormatView>,
    /// The packings.
    pub packings: Vec<&'static str>,
}

/// A format.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Format)]
pub struct FormatView {
    /// Its id, for `format` in a request.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// Media type of an unpacked file.
    pub media_type: String,
    /// File name extension, without a dot.
    pub extension: String,
}

impl ColumnView {
    /// A column.
    pub fn of(column: &ColumnNote) -> Self {
        Self {
            name: column.name.clone(),
            column_type: column.field_type,
            nullable: column.nullable,
        }
    }
}

impl ObjectSummary {
    /// An object in a list.
    pub fn of(object: &Object) -> Self {
        Self {
            name: object.name.clone(),
            plural: object.plural.clone(),
            label: object.label.clone(),
            href: format!("{PREFIX}/catalog/{}", object.name),
        }
    }
}

impl ObjectView {
    /// An object, whole.
    pub fn of(object: &Object) -> Self {
        let field = |field: &Field| FieldView {
            name: field.name.clone(),
            label: field.label.clone(),
            field_type: field.field_type,
            nullable: field.nullable,
            optional: field.optional,
            sensitive: field.sensitive,
            currency_field: field.currency_field.clone(),
            values: field.values.clone(),
        };
        let relation = |relation: &Relation| RelationView {
            name: relation.name.clone(),
            label: relation.label.clone(),
            target: relation.target.clone(),
            cardinality: relation.cardinality,
        };
        Self {
            name: object.name.clone(),
            plural: object.plural.clone(),
            label: object.label.clone(),
            key: object.key.clone(),
            created: object.created.clone(),
            updated: object.updated.clone(),
            marks_deleted: object.deleted_column.is_some(),
            remembers_deleted: object.tombstones.is_some(),
            fields: object.fields.iter().map(field).collect(),
            relations: object.relations.iter().map(relation).collect(),
        }
    }
}

impl FormatView {
    /// A format.
    pub fn of(sheet: FormatSheet) -> Self {
        let FormatSheet { id, label, media_type, extension, .. } = sheet;
        Self { id, label, media_type, extension }
    }
}
