//! The export object itself as an object that can be searched, sorted and selected from: what the
//! arguments of a list are read against.
//!
//! Where a list of exports is small and in memory, the conditions of the neutral query are tried here
//! on the documents themselves.

use std::cmp::Ordering;

use chrono::DateTime;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::catalog::{Catalog, Object};
use outhaul_exports::query::{Compare, Condition, Expr, Literal, Path};
use outhaul_exports::{Error, Result};
use serde_json::{Map, Value};

use super::names::{ID, WireNames};
use super::query::Base;
use super::query::selection::{Content, Property};

/// The objects of this API's own.
const OBJECTS: &str = include_str!("own.json");

/// The catalog of this API's own objects.
pub struct Own {
    catalog: Catalog,
    names: WireNames,
}

impl Own {
    /// Reads it.
    ///
    /// # Errors
    /// `Internal` when it is not sound, which a test rules out.
    pub fn new() -> Result<Self> {
        let objects: Vec<RawObject> = serde_json::from_str(OBJECTS)
            .map_err(|error| Error::internal(format!("own objects: {error}")))?;
        let catalog = Catalog::check(objects)?;
        let names = WireNames::plain(&catalog);
        Ok(Self { catalog, names })
    }

    /// What arguments about exports are read against.
    ///
    /// # Errors
    /// None, in a catalog that was read.
    pub fn base(&self) -> Result<Base<'_>> {
        let object: &Object = self.catalog.require("export")?;
        Ok(Base { object, catalog: &self.catalog, names: &self.names })
    }
}

/// Whether a document satisfies a condition. What is not known is not satisfied.
pub fn holds(condition: &Condition, document: &Value) -> bool {
    match condition {
        Condition::And(terms) => terms.iter().all(|term| holds(term, document)),
        Condition::Or(terms) => terms.iter().any(|term| holds(term, document)),
        Condition::Not(inner) => !holds(inner, document),
        Condition::Compare { left, op, right } => {
            let (Some(found), Expr::Literal(literal)) = (value(left, document), right) else {
                return false;
            };
            let order = compare(found, literal);
            order.is_some_and(|order| satisfies(*op, order))
        }
        Condition::In { expr, list, negated } => match value(expr, document) {
            None => false,
            Some(found) => {
                let is = |literal| compare(found, literal) == Some(Ordering::Equal);
                list.iter().any(is) != *negated
            }
        },
        Condition::IsNull { expr, negated } => value(expr, document).is_none() != *negated,
        Condition::Like { expr, pattern, negated, ignore_case } => {
            let Some(text) = value(expr, document).and_then(Value::as_str) else { return false };
            like(text, pattern, *ignore_case) != *negated
        }
        // There are no lists of instances here.
        Condition::Exists { .. } => false,
    }
}

fn satisfies(op: Compare, order: Ordering) -> bool {
    match op {
        Compare::Eq => order == Ordering::Equal,
        Compare::Ne => order != Ordering::Equal,
        Compare::Lt => order == Ordering::Less,
        Compare::Le => order != Ordering::Greater,
        Compare::Gt => order == Ordering::Greater,
        Compare::Ge => order != Ordering::Less,
    }
}

/// What stands at the end of a path; nothing for null.
pub fn at<'v>(path: &Path, document: &'v Value) -> Option<&'v Value> {
    let mut found = document;
    for step in path.relations.iter().chain([&path.field]) {
        found = found.get(step.as_str())?;
    }
    Some(found).filter(|value| !value.is_null())
}

fn value<'v>(expr: &Expr, document: &'v Value) -> Option<&'v Value> {
    match expr {
        Expr::Field(path) => at(path, document),
        _ => None,
    }
}

fn compare(found: &Value, literal: &Literal) -> Option<Ordering> {
    match literal {
        Literal::Text(text) => Some(found.as_str()?.cmp(text.as_str())),
        Literal::Boolean(flag) => Some(found.as_bool()?.cmp(flag)),
        Literal::Integer(number) => match found.as_i64() {
            Some(found) => Some(found.cmp(number)),
            None => found.as_f64()?.partial_cmp(&(*number as f64)),
        },
        Literal::Decimal(number) => found.as_f64()?.partial_cmp(&number.parse().ok()?),
        Literal::Timestamp(moment) => {
            let found = DateTime::parse_from_rfc3339(found.as_str()?).ok()?;
            Some(found.to_utc().cmp(moment))
        }
        Literal::Null | Literal::Date(_) => None,
    }
}

/// The order of two values of one property: what is missing comes last.
pub fn order(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    let (left, right) = match (left, right) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Greater,
        (Some(_), None) => return Ordering::Less,
        (Some(left), Some(right)) => (left, right),
    };
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (left, right) => {
            let numbers = left.as_f64().zip(right.as_f64());
            numbers.map_or(Ordering::Equal, |(left, right)| left.total_cmp(&right))
        }
    }
}

/// Whether a text matches a pattern in which `%` is any text and `_` any character. The time that
/// it takes is bounded by the product of their lengths.
fn like(text: &str, pattern: &str, ignore_case: bool) -> bool {
    enum Sign {
        Any,
        One,
        Is(char),
    }
    let folded = |text: &str| if ignore_case { text.to_lowercase() } else { text.to_owned() };
    let text: Vec<char> = folded(text).chars().collect();
    let pattern = folded(pattern);
    let mut signs = Vec::new();
    let mut letters = pattern.chars();
    while let Some(c) = letters.next() {
        signs.push(match c {
            '%' => Sign::Any,
            '_' => Sign::One,
            '\\' => Sign::Is(letters.next().unwrap_or('\\')),
            c => Sign::Is(c),
        });
    }
    let (mut at, mut sign) = (0, 0);
    // Where to go on after the last `%`: with one more character of the text under it.
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        let fits = match signs.get(sign) {
            Some(Sign::Any) => {
                back = Some((at, sign + 1));
                sign += 1;
                continue;
            }
            Some(Sign::One) => true,
            Some(Sign::Is(c)) => *c == text[at],
            None => false,
        };
        match (fits, back) {
            (true, _) => (at, sign) = (at + 1, sign + 1),
            (false, Some((from, next))) => {
                back = Some((from + 1, next));
                (at, sign) = (from + 1, next);
            }
            (false, None) => return false,
        }
    }
    signs[sign..].iter().all(|sign| matches!(sign, Sign::Any))
}

/// The properties of a tree out of a whole document. `target` answers the document that a reference
/// leads to; the id and the object's name come in any case.
pub fn project(
    document: &Value,
    properties: &[Property],
    target: &dyn Fn(&str) -> Option<Value>,
) -> Value {
    let mut out = Map::new();
    for key in [ID, "object"] {
        if let Some(value) = document.get(key) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    for Property { name, content } in properties {
        let value = match content {
            Content::Reference { expanded: true, properties, .. } => {
                let whole = target(name).or_else(|| document.get(name).cloned());
                whole.map(|whole| project(&whole, properties, &|_| None))
            }
            _ => document.get(name).cloned(),
        };
        if let Some(value) = value {
            out.insert(name.clone(), value);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cortex::query::filter::filter;

    #[test]
    fn conditions_are_tried_on_documents() {
        let own = Own::new().expect("it is sound");
        let base = own.base().expect("it has exports");
        let document = json!({
            "_id": "5f0000000000000000000001", "label": "50% of_all", "state": "ready",
            "created": "2026-06-23T12:00:00.000Z", "exportFiles": false, "x_rows": 17,
            "creator": { "_id": "5f00000000000000000000aa" },
            "dataFile": { "state": 2, "size": 100 },
        });
        for (wanted, text) in [
            (true, r#"{"state":"ready"}"#),
            (false, r#"{"state":{"$ne":"ready"}}"#),
            (true, r#"{"state":{"$in":["ready","error"]}}"#),
            (false, r#"{"state":{"$nin":["ready","error"]}}"#),
            (true, r#"{"created":{"$gte":"2026-06-23T14:00:00+02:00"}}"#),
            (false, r#"{"created":{"$lt":"2026-06-23"}}"#),
            (true, r#"{"description":{"$exists":false}}"#),
            (true, r#"{"description":null}"#),
            (true, r#"{"description":{"$ne":"x"}}"#),
            (false, r#"{"description":{"$gt":"a"}}"#),
            (true, r#"{"label":{"$regex":"^50%"}}"#),
            (true, r#"{"label":{"$regex":"OF_A","$options":"i"}}"#),
            (false, r#"{"label":{"$regex":"ofxall$"}}"#),
            (true, r#"{"exportFiles":false,"x_rows":{"$gt":16,"$lte":17.5}}"#),
            (true, r#"{"$or":[{"state":"error"},{"x_rows":17}]}"#),
            (false, r#"{"$nor":[{"state":"error"},{"x_rows":17}]}"#),
            (true, r#"{"creator":"5f00000000000000000000aa"}"#),
            (true, r#"{"creator._id":{"$ne":"5f00000000000000000000ab"}}"#),
            (true, r#"{"dataFile.size":{"$gte":100}}"#),
            (true, r#"{"_id":{"$gt":"5f"}}"#),
        ] {
            let condition = filter(base, Some(&Value::from(text))).expect(text);
            let condition = condition.expect("it is one");
            assert_eq!(holds(&condition, &document), wanted, "{text}");
        }
        for text in [r#"{"stat":"ready"}"#, r#"{"x_rows":"many"}"#, r#"{"$where":"1"}"#] {
            assert!(filter(base, Some(&Value::from(text))).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_with_many_wild_cards_end() {
        let text = "a".repeat(5_000);
        assert!(!like(&text, &format!("{}b", "a%".repeat(500)), false));
        assert!(like(&text, "%a%", false));
    }
}
