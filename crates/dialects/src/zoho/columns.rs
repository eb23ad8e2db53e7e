//! The columns of views, as the metadata calls describe them.
//!
//! Every key is always there: the vendor's own MCP server deletes some of them unchecked (Zoho
//! Analytics API v2, "Get view details").

use outhaul_exports::catalog::{Field, FieldType, Object};
use outhaul_exports::manifest::ColumnNote;
use serde_json::{Map, Value};

use super::auth::Caller;
use super::error::Trouble;
use super::ids::named;
use super::subject::saved;
use super::views::{Shown, View};
use super::{App, sql};

/// All columns of a view, in its order.
///
/// # Errors
/// Those of a saved query that is wrong.
pub async fn of_view(app: &App, caller: &Caller, view: &View<'_>) -> Result<Vec<Value>, Trouble> {
    match view.of {
        Shown::Table(object) => {
            let fields = object.fields.iter().enumerate();
            Ok(fields.map(|(at, field)| column(app, view, at, field, object)).collect())
        }
        Shown::Query(table) => {
            let catalog = app.exports.catalog(&caller.who)?;
            let found = sql::statement(&table.sql, catalog, &app.names, &saved(caller));
            let query = found.map_err(|error| Trouble::in_query(&error))?.query;
            let known = app.exports.columns(&caller.who, &query).await?;
            let one = |(at, note): (usize, &ColumnNote)| {
                let mut item = described(&note.name, (note.field_type, false), at, note.nullable);
                let id = named("column", &format!("{}\n{}", view.id, note.name));
                item.insert("columnId".into(), id.to_string().into());
                Value::Object(item)
            };
            Ok(known.iter().enumerate().map(one).collect())
        }
    }
}

fn column(app: &App, view: &View<'_>, at: usize, field: &Field, object: &Object) -> Value {
    let name = app.names.field(object, field);
    let kind = (field.field_type, field.currency_field.is_some());
    let mut item = described(name, kind, at, field.nullable);
    let id = named("column", &format!("{}\n{}", view.id, field.name));
    item.insert("columnId".into(), id.to_string().into());
    item.insert("isHidden".into(), field.optional.into());
    item.into()
}

fn described(
    name: &str,
    (field_type, is_money): (FieldType, bool),
    at: usize,
    nullable: bool,
) -> Map<String, Value> {
    let (kind, kind_id, kind_name, most) = data_type(field_type, is_money);
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
    set("columnName", name.into());
    set("dataType", kind.into());
    set("dataTypeId", kind_id.into());
    set("dataTypeName", kind_name.into());
    set("columnIndex", (at + 1).into());
    set("columnMaxSize", most.into());
    set("isNullable", nullable.into());
    for key in ["columnDesc", "defaultValue", "pkTableName", "pkColumnName", "formulaDisplayName"] {
        set(key, "".into());
    }
    set("isHidden", false.into());
    set("sortedOrder", 0.into());
    set("sortedIndex", (-1).into());
    match field_type {
        FieldType::Date => drop(set("dateFormat", "yyyy-MM-dd".into())),
        FieldType::Timestamp => drop(set("dateFormat", "yyyy-MM-dd'T'HH:mm:ssXXX".into())),
        FieldType::Integer | FieldType::Decimal | FieldType::Float => {
            set("thousandSeparator", "".into());
            set("decimalSeparator", ".".into());
            // How many a decimal has is its column's affair; amounts are said with two.
            let places = if field_type == FieldType::Integer { 0 } else { 2 };
            set("decimalPlaces", places.into());
        }
        _ => {}
    }
    if kind == "CURRENCY" {
        set("currencyFormat", "en;US;".into());
    }
    map
}

/// The words for the type of a column: `dataType`, `dataTypeId`, `dataTypeName`, and the most
/// characters. (The ids other than 1, 7 and 22 are not documented.)
fn data_type(of: FieldType, is_money: bool) -> (&'static str, u64, &'static str, u64) {
    match of {
        FieldType::Integer => ("NUMBER", 4, "Number", 19),
        FieldType::Decimal | FieldType::Float if is_money => ("CURRENCY", 7, "Currency", 22),
        FieldType::Decimal | FieldType::Float => ("DECIMAL_NUMBER", 6, "Decimal Number", 38),
        FieldType::Boolean => ("BOOLEAN", 10, "Yes/No Decision", 5),
        FieldType::Date | FieldType::Timestamp => ("DATE_AS_DATE", 22, "Date", 19),
        FieldType::Json => ("MULTI_LINE", 2, "Multi Line Text", 4_000),
        _ => ("PLAIN", 1, "Plain Text", 253),
    }
}
