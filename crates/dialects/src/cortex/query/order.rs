//! `sort`: the order of an export's rows.
//!
//! It is JSON with 1 or -1 for each property, or a bare property (Medable documentation,
//! "Querying"). The id comes last where it is not named, and alone without any: two exports of the
//! same rows are alike. Rows without a value come last, and first when descending.

use outhaul_exports::catalog::FieldType;
use outhaul_exports::limits;
use outhaul_exports::query::{Expr, OrderBy};
use serde_json::{Map, Value};

use super::error::{QueryError, Result, shown};
use super::{Base, parsed};
use crate::kit::json::kind_of;

const ARGUMENT: &str = "sort";

/// Reads `sort`; `None` where the client gave none.
///
/// # Errors
/// For JSON that is not sound, a direction that is none, too many keys, and a property that is
/// unknown, a list, protected, or of a type without an order.
pub fn order(base: Base<'_>, sort: Option<&Value>) -> Result<Vec<OrderBy>> {
    let mut order = match sort {
        None => Vec::new(),
        Some(Value::Object(keys)) => keyed(base, keys)?,
        Some(Value::String(text)) if text.trim_start().starts_with(['{', '[', '"']) => {
            match parsed(ARGUMENT, text)? {
                Value::Object(keys) => keyed(base, &keys)?,
                Value::String(name) => vec![key(base, &name, false)?],
                other => return Err(not_an_order(&other)),
            }
        }
        Some(Value::String(name)) => vec![key(base, name.trim(), false)?],
        Some(other) => return Err(not_an_order(other)),
    };
    for name in &base.object.key {
        let id = Expr::own(name.clone());
        if order.iter().all(|key| key.expr != id) && order.len() < limits::ORDER_BY_MAX {
            order.push(OrderBy { expr: id, descending: false });
        }
    }
    Ok(order)
}

fn not_an_order(value: &Value) -> QueryError {
    let reason = format!(
        "a property or an object such as {{\"c_name\":1}} is expected, not {}",
        kind_of(value)
    );
    QueryError::argument(ARGUMENT, reason)
}

fn keyed(base: Base<'_>, keys: &Map<String, Value>) -> Result<Vec<OrderBy>> {
    if keys.len() > limits::ORDER_BY_MAX {
        let most = limits::ORDER_BY_MAX;
        let reason = format!("{} properties given, at most {most} allowed", keys.len());
        return Err(QueryError::argument(ARGUMENT, reason));
    }
    let mut order: Vec<OrderBy> = Vec::with_capacity(keys.len());
    for (name, direction) in keys {
        let descending = match direction.as_i64() {
            Some(1) => false,
            Some(-1) => true,
            _ => {
                let place = format!("{ARGUMENT}.{}", shown(name));
                let reason = "the direction is 1 (ascending) or -1 (descending), as a number";
                return Err(QueryError::argument(place, reason));
            }
        };
        let key = key(base, name, descending)?;
        // Sorted by twice is sorted by once, the first time.
        if order.iter().all(|other| other.expr != key.expr) {
            order.push(key);
        }
    }
    Ok(order)
}

fn key(base: Base<'_>, name: &str, descending: bool) -> Result<OrderBy> {
    let reached = base.follow(name)?;
    let refused = |reason: String| Err(QueryError::argument(place(name), reason));
    let (None, Some(end)) = (reached.list, reached.end) else {
        return refused("rows cannot be sorted by a list".to_owned());
    };
    if end.field.sensitive {
        return refused("it is protected, and cannot be sorted by".to_owned());
    }
    if let FieldType::Json | FieldType::Binary = end.field.field_type {
        return refused(format!("a {} has no order", end.field.field_type.name()));
    }
    Ok(OrderBy { expr: Expr::Field(end.path), descending })
}

fn place(name: &str) -> String {
    format!("{ARGUMENT}.{}", shown(name))
}
