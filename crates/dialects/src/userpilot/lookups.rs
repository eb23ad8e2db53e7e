//! The look-ups: twelve short lists of what there is to ask for (Userpilot's OpenAPI document).
//! Properties of users and companies are the fields of the catalog; the rest are rows of the
//! tenant's own data.
//!
//! Most lists are bare; segments and properties of events come in pages of 50.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use outhaul_exports::catalog::{Field, FieldType, Object};
use outhaul_exports::limits::READ_ROWS_MAX;
use outhaul_exports::principal::Principal;
use outhaul_exports::query::{
    Aggregate, Column, Compare, Condition, Expr, Literal, OrderBy, Protection, Query, Select,
};
use serde_json::{Map, Value, json};

use super::App;
use super::auth::Caller;
use super::error::{Errors, Trouble};
use super::request::{compare, id_literal};
use crate::kit::query;

/// Rows of a page.
const PAGE: usize = 50;
/// Rows of a bare list.
const ROWS_MAX: usize = 10_000;

/// A look-up.
struct Lookup {
    name: &'static str,
    from: From,
}

/// Where a look-up's items come from.
enum From {
    /// The fields of the users' or the companies' object.
    Fields(Owner),
    /// The rows of the contents' object of that kind.
    Contents(&'static str, &'static [Member]),
    /// The rows of an object, in pages.
    Pages(Owner, &'static [Member]),
}

/// Whose object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Users,
    Companies,
    Segments,
    EventProperties,
}

/// A member of an item: its name, the field that it is, and what stands for it where there is no
/// such field or no value.
struct Member {
    name: &'static str,
    field: &'static str,
    otherwise: Otherwise,
}

enum Otherwise {
    Null,
    Text(&'static str),
    Flag(bool),
    List,
}

const fn member(name: &'static str, otherwise: Otherwise) -> Member {
    Member { name, field: name, otherwise }
}

const TITLED: &[Member] = &[member("id", Otherwise::Null), member("title", Otherwise::Text(""))];

const NAMED: &[Member] = &[
    Member { name: "display_name", field: "title", otherwise: Otherwise::Text("") },
    member("key", Otherwise::Text("")),
    member("data_type", Otherwise::Text("String")),
];

const EMBEDS: &[Member] = &[
    member("id", Otherwise::Null),
    member("title", Otherwise::Text("")),
    Member { name: "type", field: "card_type", otherwise: Otherwise::Text("card") },
];

const SURVEYS: &[Member] = &[
    member("id", Otherwise::Null),
    member("title", Otherwise::Text("")),
    member("platform", Otherwise::Text("web")),
    member("modules", Otherwise::List),
];

const SEGMENTS: &[Member] = &[
    member("id", Otherwise::Null),
    member("title", Otherwise::Text("")),
    member("usage", Otherwise::Text("all")),
    member("category", Otherwise::Text("user_id")),
    member("is_hidden", Otherwise::Flag(false)),
    member("is_protected", Otherwise::Flag(false)),
    member("status", Otherwise::Text("published")),
];

const EVENT_PROPERTIES: &[Member] = &[
    member("id", Otherwise::Null),
    member("key", Otherwise::Text("")),
    member("display_name", Otherwise::Text("")),
    member("is_auto_property", Otherwise::Flag(false)),
    member("is_mobile_auto_property", Otherwise::Flag(false)),
    member("data_type", Otherwise::Text("String")),
    member("category", Otherwise::Text("")),
    member("description", Otherwise::Text("")),
    member("is_archived", Otherwise::Flag(false)),
    Member { name: "event.id", field: "event_id", otherwise: Otherwise::Null },
    Member {
        name: "event.display_name",
        field: "event_display_name",
        otherwise: Otherwise::Text(""),
    },
    member("inserted_at", Otherwise::Null),
    member("last_seen", Otherwise::Null),
];

const LOOKUPS: &[Lookup] = &[
    Lookup { name: "user_properties", from: From::Fields(Owner::Users) },
    Lookup { name: "company_properties", from: From::Fields(Owner::Companies) },
    Lookup { name: "segments", from: From::Pages(Owner::Segments, SEGMENTS) },
    Lookup { name: "features_events", from: From::Contents("feature", NAMED) },
    Lookup {
        name: "events_properties",
        from: From::Pages(Owner::EventProperties, EVENT_PROPERTIES),
    },
    Lookup { name: "flows", from: From::Contents("flow", TITLED) },
    Lookup { name: "banners", from: From::Contents("banner", TITLED) },
    Lookup { name: "embeds", from: From::Contents("embed", EMBEDS) },
    Lookup { name: "spotlights", from: From::Contents("spotlight", TITLED) },
    Lookup { name: "surveys", from: From::Contents("survey", SURVEYS) },
    Lookup {
        name: "resource_center_modules",
        from: From::Contents("resource_center_module", NAMED),
    },
    Lookup { name: "checklists", from: From::Contents("checklist", NAMED) },
];

/// Look something up: `user_properties`, `company_properties`, `segments`, `features_events`,
/// `events_properties`, `flows`, `banners`, `embeds`, `spotlights`, `surveys`,
/// `resource_center_modules` or `checklists`.
#[utoipa::path(get, path = "/api/v1/analytics/exports/lookups/{name}", tag = "lookups",
    operation_id = "lookUp",
    params(
        ("name" = String, Path, description = "Which list"),
        ("after_cursor" = Option<String>, Query,
            description = "For the lists with pages: where the page before ended")),
    responses(
        (status = 200, description = "The items; `segments` and `events_properties` as \
            `{data, metadata}`", body = Value),
        (status = 422, description = "The cursor is none of ours", body = Errors)))]
pub async fn show(
    Caller(who): Caller,
    State(app): State<App>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let lookup = LOOKUPS.iter().find(|lookup| lookup.name == name);
    let lookup = lookup.ok_or_else(|| Trouble::not_found("there is no such look-up"))?;
    let model = app.model()?;
    let object = |owner: Owner| match owner {
        Owner::Users => model.users.as_ref(),
        Owner::Companies => model.companies.as_ref(),
        Owner::Segments => model.segments.as_ref(),
        Owner::EventProperties => model.event_properties.as_ref(),
    };
    let items = match &lookup.from {
        From::Fields(owner) => {
            let kind = if *owner == Owner::Users { "user_property" } else { "company_property" };
            object(*owner).map(|object| properties(object, kind)).unwrap_or_default().into()
        }
        From::Contents(kind, members) => match &model.contents {
            Some(contents) => {
                let rows = Rows { app: &app, who: &who, object: contents, members };
                Value::from(rows.of_kind(kind).await?)
            }
            None => json!([]),
        },
        From::Pages(owner, members) => {
            let after = cursor(query.as_deref())?;
            match object(*owner) {
                Some(object) => {
                    let rows = Rows { app: &app, who: &who, object, members };
                    rows.page(after).await?
                }
                None => page(Vec::new(), None, 0),
            }
        }
    };
    Ok(Json(items).into_response())
}

/// The fields of an object as properties.
fn properties(object: &Object, kind: &str) -> Vec<Value> {
    let auto = |field: &Field| {
        let name = Some(&field.name);
        object.key.contains(&field.name)
            || name == object.created.as_ref()
            || name == object.updated.as_ref()
    };
    let item = |field: &Field| {
        json!({
            "id": field.name,
            "type": kind,
            "key": field.name,
            "display_name": field.label,
            "data_type": data_type(field.field_type),
            "is_auto_property": auto(field),
        })
    };
    object.fields.iter().filter(|field| !field.sensitive).map(item).collect()
}

/// Userpilot's word for a type of values (its documentation, "Event schema" of the import API:
/// String, Numeric and Date).
fn data_type(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Integer | FieldType::Decimal | FieldType::Float => "Numeric",
        FieldType::Date | FieldType::Timestamp => "Date",
        _ => "String",
    }
}

/// The rows of an object as items.
struct Rows<'a> {
    app: &'a App,
    who: &'a Principal,
    object: &'a Arc<Object>,
    members: &'a [Member],
}

impl Rows<'_> {
    /// All rows of a kind, by their id.
    async fn of_kind(&self, kind: &str) -> Result<Vec<Value>, Trouble> {
        let Some(field) = self.object.field("kind") else { return Ok(Vec::new()) };
        let kind = compare(&Expr::own(&field.name), Compare::Eq, Literal::Text(kind.to_owned()));
        let mut items = Vec::new();
        while items.len() < ROWS_MAX {
            let select = self.select(Some(kind.clone()));
            let select = Select { offset: items.len() as u64, ..select };
            let page = self.read(select, READ_ROWS_MAX).await?;
            let count = page.len() as u64;
            items.extend(page);
            if count < READ_ROWS_MAX {
                break;
            }
        }
        Ok(items)
    }

    /// The page that follows an id.
    async fn page(&self, after: Option<String>) -> Result<Value, Trouble> {
        let filter = match (&after, self.object.field("id")) {
            (Some(after), Some(id)) => {
                let literal = id_literal(id.field_type, after).ok_or_else(wrong_cursor)?;
                Some(compare(&Expr::own(&id.name), Compare::Gt, literal))
            }
            _ => None,
        };
        // One more than the page tells whether there is another.
        let mut items = self.read(self.select(filter), PAGE as u64 + 1).await?;
        let more = items.len() > PAGE;
        items.truncate(PAGE);
        let last = items.last().filter(|_| more).and_then(|item| text_of(&item["id"]));
        Ok(page(items, last, self.count().await?))
    }

    /// How many rows there are in all.
    async fn count(&self) -> Result<u64, Trouble> {
        let expr = Expr::Aggregate { function: Aggregate::Count, distinct: false, of: None };
        let select =
            Select { columns: vec![plain("count", expr)], ..Select::of(&self.object.name) };
        let query = Query::Select(Box::new(select));
        let found = self.app.exports.read_rows(self.who, &query, 1).await?;
        let count = found.rows.first().and_then(|row| row.first());
        Ok(count.and_then(number_of).unwrap_or_default())
    }

    fn select(&self, filter: Option<Condition>) -> Select {
        let fields = self.members.iter().filter_map(|member| self.object.field(member.field));
        let columns = fields.map(|field| plain(&field.name, Expr::own(&field.name))).collect();
        let order_by = match self.object.field("id") {
            Some(id) => vec![OrderBy { expr: Expr::own(&id.name), descending: false }],
            None => Vec::new(),
        };
        Select { columns, filter, order_by, ..Select::of(&self.object.name) }
    }

    async fn read(&self, select: Select, most: u64) -> Result<Vec<Value>, Trouble> {
        if select.columns.is_empty() {
            return Ok(Vec::new());
        }
        let query = Query::Select(Box::new(select));
        let found = self.app.exports.read_rows(self.who, &query, most).await?;
        Ok(found.rows.into_iter().map(|row| self.item(row)).collect())
    }

    fn item(&self, row: Vec<Value>) -> Value {
        let mut values = row.into_iter();
        let mut item = Map::new();
        for member in self.members {
            let value = match self.object.field(member.field) {
                Some(field) => of_type(values.next().unwrap_or_default(), field.field_type),
                None => Value::Null,
            };
            let value = if value.is_null() { member.otherwise.value() } else { value };
            match member.name.split_once('.') {
                None => {
                    item.insert(member.name.to_owned(), value);
                }
                Some((outer, inner)) => {
                    let nested = item.entry(outer).or_insert_with(|| json!({}));
                    nested[inner] = value;
                }
            }
        }
        item.into()
    }
}

impl Otherwise {
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => (*text).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::List => json!([]),
        }
    }
}

/// Nested values come as text.
fn of_type(value: Value, field_type: FieldType) -> Value {
    match (&value, field_type) {
        (Value::String(text), FieldType::Json) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    }
}

fn plain(label: &str, expr: Expr) -> Column {
    Column { label: label.to_owned(), expr, protection: Protection::Plain }
}

fn page(items: Vec<Value>, last: Option<String>, count: u64) -> Value {
    let after = last.map(|id| URL_SAFE_NO_PAD.encode(id));
    json!({
        "data": items,
        "metadata": {
            "cursor": {"after": after, "before": null},
            "limit": PAGE,
            "total_count": count,
        },
    })
}

fn text_of(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number_of(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The id after which a page begins.
fn cursor(query: Option<&str>) -> Result<Option<String>, Trouble> {
    let pairs = query::pairs(query.unwrap_or_default())
        .map_err(|error| Trouble::wrong("query", error.to_string()))?;
    let found = pairs.into_iter().rev().find(|(name, _)| name == "after_cursor");
    match found {
        Some((_, cursor)) if !cursor.is_empty() => {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong_cursor())?;
            String::from_utf8(bytes).map(Some).map_err(|_| wrong_cursor())
        }
        _ => Ok(None),
    }
}

fn wrong_cursor() -> Trouble {
    Trouble::wrong("after_cursor", "after_cursor is none of ours: take it from metadata.cursor")
}
