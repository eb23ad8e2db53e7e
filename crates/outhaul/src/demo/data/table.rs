//! What a table of the demo is: its columns, each with the function that makes its values. The
//! Parquet schema, the SQL, the rows and the catalog all come from this one description.

mod sql;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Decimal128Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use outhaul_exports::catalog::raw::{RawField, RawObject, RawRelation};
use outhaul_exports::catalog::{Cardinality, FieldType, FileFolder};

use super::world::{Kind, Row, World};

pub use sql::{quoted, text as quoted_text};

/// Name of the source of the demo's rows.
pub const SOURCE: &str = "billing";
/// Name of the source of the files that rows refer to, each tenant's in a folder of its own.
pub const ATTACHMENTS: &str = "attachments";
/// The column that says whose a row is.
pub const TENANT_COLUMN: &str = "tenant";
/// The column that marks a deleted row.
pub const DELETED_COLUMN: &str = "Deleted";
/// Digits of a decimal.
const PRECISION: u8 = 18;
/// Rows of a file at most, of a table in parts.
const PART_ROWS: u64 = 500_000;

/// A table.
pub struct Table {
    /// Which one.
    pub kind: Kind,
    /// Its API name, which is also the name of its file.
    pub name: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
    relations: Vec<Relation>,
    members: Vec<MemberField>,
    /// The fields that identify a row.
    key: Vec<&'static str>,
    /// The fields with the time of creation and with that of the last change.
    created: Option<&'static str>,
    updated: Option<&'static str>,
    /// Whether it has the column that marks deleted rows.
    marks_deleted: bool,
    /// Whether its rows are in several files of one folder.
    in_parts: bool,
}

struct Relation {
    name: &'static str,
    target: &'static str,
    column: String,
    target_column: &'static str,
    cardinality: Cardinality,
    /// Whether every value is in the target: a database may hold the rows to it.
    sound: bool,
}

/// A field that is a member of a column's JSON values.
struct MemberField {
    name: &'static str,
    column: &'static str,
    path: &'static [&'static str],
    field_type: FieldType,
    document: Option<&'static str>,
}

/// A column.
pub struct Column {
    name: String,
    make: Make,
    nullable: bool,
    /// Whether the catalog offers it.
    offered: bool,
    label: Option<&'static str>,
    optional: bool,
    sensitive: bool,
    values: &'static [&'static str],
    money: bool,
    /// Whether its values hardly repeat.
    random: bool,
    /// Whether its values are paths of the tenant's own files.
    file: bool,
}

/// How a column's values are made. Text is written into a buffer; `false` means no value.
#[derive(Clone, Copy)]
enum Make {
    Text(fn(&Row, &mut String) -> bool),
    /// A text that holds a JSON value.
    Json(fn(&Row, &mut String) -> bool),
    Id(fn(&Row) -> Option<[u8; 32]>),
    Integer(fn(&Row) -> Option<i64>),
    /// Units of the last digit; digits after the point.
    Decimal(fn(&Row) -> Option<i64>, i8),
    Boolean(fn(&Row) -> Option<bool>),
    /// Days since 1970.
    Date(fn(&Row) -> Option<i32>),
    /// Seconds since 1970.
    Moment(fn(&Row) -> Option<i64>),
    /// Microseconds since 1970.
    Instant(fn(&Row) -> Option<i64>),
}

impl Column {
    fn new(name: &str, make: Make) -> Self {
        Self {
            name: name.to_owned(),
            make,
            nullable: true,
            offered: true,
            label: None,
            optional: false,
            sensitive: false,
            values: &[],
            money: false,
            random: matches!(make, Make::Id(_)),
            file: false,
        }
    }

    /// Always has a value.
    pub fn required(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// Not offered by the catalog.
    pub fn hidden(mut self) -> Self {
        self.offered = false;
        self
    }

    /// Called so by people.
    pub fn label(mut self, label: &'static str) -> Self {
        self.label = Some(label);
        self
    }

    /// Exported only when named.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Masked unless sealed.
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// Has values that hardly repeat.
    pub fn random(mut self) -> Self {
        self.random = true;
        self
    }

    /// Has paths of the tenant's own files as values.
    pub fn file(mut self) -> Self {
        self.file = true;
        self
    }

    /// One of a closed list.
    pub fn of(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }
}

/// Text.
pub fn text(name: &str, make: fn(&Row, &mut String) -> bool) -> Column {
    Column::new(name, Make::Text(make))
}

/// A JSON value, written as text.
pub fn json(name: &str, make: fn(&Row, &mut String) -> bool) -> Column {
    Column::new(name, Make::Json(make))
}

/// The id of a row.
pub fn id(name: &str, make: fn(&Row) -> Option<[u8; 32]>) -> Column {
    Column::new(name, Make::Id(make))
}

/// A whole number.
pub fn integer(name: &str, make: fn(&Row) -> Option<i64>) -> Column {
    Column::new(name, Make::Integer(make))
}

/// An amount of money, made in hundredths, in the row's `Currency`.
pub fn money(name: &str, make: fn(&Row) -> Option<i64>) -> Column {
    Column { money: true, ..Column::new(name, Make::Decimal(make, 2)) }
}

/// A number with `scale` digits after the point, made in units of the last one.
pub fn decimal(name: &str, scale: i8, make: fn(&Row) -> Option<i64>) -> Column {
    Column::new(name, Make::Decimal(make, scale))
}

/// True or false.
pub fn boolean(name: &str, make: fn(&Row) -> Option<bool>) -> Column {
    Column::new(name, Make::Boolean(make))
}

/// A calendar date, made as days since 1970.
pub fn date(name: &str, make: fn(&Row) -> Option<i32>) -> Column {
    Column::new(name, Make::Date(make))
}

/// A moment, made as seconds since 1970.
pub fn moment(name: &str, make: fn(&Row) -> Option<i64>) -> Column {
    Column::new(name, Make::Moment(make))
}

/// A moment, made as microseconds since 1970.
pub fn instant(name: &str, make: fn(&Row) -> Option<i64>) -> Column {
    Column::new(name, Make::Instant(make))
}

impl Table {
    /// A table with its tenant column, its id and what is common to all.
    pub fn new(kind: Kind, name: &'static str, own: Vec<Column>) -> Self {
        let mut columns = vec![id("Id", |row| Some(row.id())).required()];
        columns.extend(own);
        columns.push(boolean(DELETED_COLUMN, |row| Some(row.chance(99, 1))).required().hidden());
        Self {
            created: Some("CreatedDate"),
            updated: Some("UpdatedDate"),
            marks_deleted: true,
            ..Self::plain(kind, name, &["Id"], columns)
        }
    }

    /// A table with its tenant column and nothing else that it does not say itself.
    pub fn plain(kind: Kind, name: &'static str, key: &[&'static str], own: Vec<Column>) -> Self {
        let tenant = text(TENANT_COLUMN, |row, out| put(out, row.owner.id())).required().hidden();
        let mut columns = vec![tenant];
        columns.extend(own);
        Self {
            kind,
            name,
            columns,
            relations: Vec::new(),
            members: Vec::new(),
            key: key.to_vec(),
            created: None,
            updated: None,
            marks_deleted: false,
            in_parts: false,
        }
    }

    /// Says which fields hold the time of creation and of the last change.
    pub fn dated(mut self, created: &'static str, updated: Option<&'static str>) -> Self {
        self.created = Some(created);
        self.updated = updated;
        self
    }

    /// Stored in as many files as its rows ask for.
    pub fn in_parts(mut self) -> Self {
        self.in_parts = true;
        self
    }

    /// A relation with its column.
    pub fn to(
        mut self,
        name: &'static str,
        target: &'static str,
        make: fn(&Row) -> Option<[u8; 32]>,
    ) -> Self {
        let column = format!("{name}Id");
        self.columns.push(id(&column, make).hidden());
        let (target_column, cardinality) = ("Id", Cardinality::ToOne);
        self.relations.push(Relation {
            name,
            target,
            column,
            target_column,
            cardinality,
            sound: true,
        });
        self
    }

    /// A relation over a column that is there and has the same name in the target.
    pub fn over(
        mut self,
        column: &'static str,
        name: &'static str,
        target: &'static str,
        cardinality: Cardinality,
    ) -> Self {
        let (column, target_column) = (column.to_owned(), column);
        let sound = false;
        self.relations.push(Relation { name, target, column, target_column, cardinality, sound });
        self
    }

    /// A field that is a member of a column's JSON values: of a nested document where one is named.
    pub fn member(
        mut self,
        name: &'static str,
        (column, path): (&'static str, &'static [&'static str]),
        field_type: FieldType,
        document: Option<&'static str>,
    ) -> Self {
        self.members.push(MemberField { name, column, path, field_type, document });
        self
    }

    /// Every value of the last relation is in its target.
    pub fn sound(mut self) -> Self {
        if let Some(relation) = self.relations.last_mut() {
            relation.sound = true;
        }
        self
    }

    /// Its schema.
    pub fn schema(&self) -> Schema {
        let fields = self
            .columns
            .iter()
            .map(|column| Field::new(&column.name, data_type(column.make), column.nullable));
        Schema::new(fields.collect::<Vec<_>>())
    }

    /// Columns whose values hardly repeat.
    pub fn random_columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(|column| column.random).map(|column| column.name.as_str())
    }

    /// Rows of the table.
    ///
    /// # Errors
    /// When a value is missing in a column that says it never is.
    pub fn batch(
        &self,
        world: &World,
        schema: &Arc<Schema>,
        rows: Range<u64>,
    ) -> Result<RecordBatch, ArrowError> {
        let rows: Vec<Row> = rows.map(|at| world.row(self.kind, at)).collect();
        let columns = self.columns.iter().map(|column| array(column.make, &rows));
        RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
    }

    /// What the catalog says of it, where its rows are in files or else in a database.
    pub fn object(&self, in_files: bool) -> RawObject {
        let file = in_files && !self.in_parts;
        let has_currency = self.columns.iter().any(|column| column.name == "Currency");
        let fields = self.columns.iter().filter(|column| column.offered).map(|column| RawField {
            name: column.name.clone(),
            column: None,
            label: column.label.map(str::to_owned),
            member: Vec::new(),
            document: None,
            field_type: field_type(column.make),
            nullable: column.nullable,
            optional: column.optional,
            sensitive: column.sensitive,
            file: column.file.then(|| FileFolder {
                source: ATTACHMENTS.to_owned(),
                folder: "{tenant}".to_owned(),
                shared: false,
            }),
            currency_field: (column.money && has_currency).then(|| "Currency".to_owned()),
            values: column.values.iter().map(|value| (*value).to_owned()).collect(),
        });
        let members = self.members.iter().map(|member| RawField {
            name: member.name.to_owned(),
            column: Some(member.column.to_owned()),
            label: None,
            member: member.path.iter().map(|name| (*name).to_owned()).collect(),
            document: member.document.map(str::to_owned),
            field_type: member.field_type,
            nullable: true,
            optional: false,
            sensitive: false,
            file: None,
            currency_field: None,
            values: Vec::new(),
        });
        let relations = self.relations.iter().map(|relation| RawRelation {
            name: relation.name.to_owned(),
            label: None,
            target: relation.target.to_owned(),
            columns: [(relation.column.clone(), relation.target_column.to_owned())].into(),
            cardinality: relation.cardinality,
            embedded: false,
        });
        RawObject {
            name: self.name.to_owned(),
            plural: None,
            label: None,
            source: SOURCE.to_owned(),
            table: Some(if file { self.file_name() } else { self.name.to_owned() }),
            elements: None,
            key: self.key.iter().map(|name| (*name).to_owned()).collect(),
            tenant_column: TENANT_COLUMN.to_owned(),
            created: self.created.map(str::to_owned),
            updated: self.updated.map(str::to_owned),
            deleted_column: self.marks_deleted.then(|| DELETED_COLUMN.to_owned()),
            entity_column: None,
            org_column: None,
            tombstones: None,
            fields: fields.chain(members).collect(),
            relations: relations.collect(),
        }
    }

    /// Its files, below the source's folder, and the rows of each. Their names stand in the order
    /// of the rows.
    pub fn files(&self, world: &World) -> Vec<(String, Range<u64>)> {
        if !self.in_parts {
            return vec![(self.file_name(), 0..world.rows(self.kind))];
        }
        let part = |(at, rows)| (format!("{}/part-{at:03}.parquet", self.name), rows);
        self.parts(world).into_iter().enumerate().map(part).collect()
    }

    /// Its rows in parts of a size that is made at one go.
    pub fn parts(&self, world: &World) -> Vec<Range<u64>> {
        let rows = world.rows(self.kind);
        let parts = rows.div_ceil(PART_ROWS).max(1);
        let each = rows.div_ceil(parts);
        (0..parts).map(|at| at * each..((at + 1) * each).min(rows)).collect()
    }

    fn file_name(&self) -> String {
        format!("{}.parquet", self.name)
    }
}

/// Writes a text as it is; a column function's last line.
pub fn put(out: &mut String, text: &str) -> bool {
    out.push_str(text);
    true
}

/// Writes a formatted text; a column function's last line.
pub fn write(out: &mut String, text: std::fmt::Arguments<'_>) -> bool {
    use std::fmt::Write as _;
    out.write_fmt(text).is_ok()
}

fn data_type(make: Make) -> DataType {
    match make {
        Make::Text(_) | Make::Json(_) | Make::Id(_) => DataType::Utf8,
        Make::Integer(_) => DataType::Int64,
        Make::Decimal(_, scale) => DataType::Decimal128(PRECISION, scale),
        Make::Boolean(_) => DataType::Boolean,
        Make::Date(_) => DataType::Date32,
        Make::Moment(_) | Make::Instant(_) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
    }
}

fn field_type(make: Make) -> FieldType {
    match make {
        Make::Text(_) | Make::Id(_) => FieldType::Text,
        Make::Json(_) => FieldType::Json,
        Make::Integer(_) => FieldType::Integer,
        Make::Decimal(..) => FieldType::Decimal,
        Make::Boolean(_) => FieldType::Boolean,
        Make::Date(_) => FieldType::Date,
        Make::Moment(_) | Make::Instant(_) => FieldType::Timestamp,
    }
}

fn array(make: Make, rows: &[Row]) -> Result<ArrayRef, ArrowError> {
    Ok(match make {
        Make::Text(make) | Make::Json(make) => {
            let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * 16);
            let mut buffer = String::new();
            for row in rows {
                buffer.clear();
                let present = make(row, &mut buffer);
                builder.append_option(present.then_some(buffer.as_str()));
            }
            Arc::new(builder.finish())
        }
        Make::Id(make) => {
            let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * 32);
            for row in rows {
                let id = make(row);
                builder.append_option(id.as_ref().and_then(|id| std::str::from_utf8(id).ok()));
            }
            Arc::new(builder.finish())
        }
        Make::Integer(make) => {
            let mut builder = Int64Builder::with_capacity(rows.len());
            rows.iter().for_each(|row| builder.append_option(make(row)));
            Arc::new(builder.finish())
        }
        Make::Decimal(make, scale) => {
            let builder = Decimal128Builder::with_capacity(rows.len());
            let mut builder = builder.with_precision_and_scale(PRECISION, scale)?;
            rows.iter().for_each(|row| builder.append_option(make(row).map(i128::from)));
            Arc::new(builder.finish())
        }
        Make::Boolean(make) => {
            let mut builder = BooleanBuilder::with_capacity(rows.len());
            rows.iter().for_each(|row| builder.append_option(make(row)));
            Arc::new(builder.finish())
        }
        Make::Date(make) => {
            let mut builder = Date32Builder::with_capacity(rows.len());
            rows.iter().for_each(|row| builder.append_option(make(row)));
            Arc::new(builder.finish())
        }
        Make::Moment(make) => moments(rows, |row| make(row).map(|second| second * 1_000_000)),
        Make::Instant(make) => moments(rows, make),
    })
}

fn moments(rows: &[Row], make: impl Fn(&Row) -> Option<i64>) -> ArrayRef {
    let builder = TimestampMicrosecondBuilder::with_capacity(rows.len());
    let mut builder = builder.with_timezone("UTC");
    rows.iter().for_each(|row| builder.append_option(make(row)));
    Arc::new(builder.finish())
}
