//! `where`: which rows are exported, as a condition of the neutral query.
//!
//! The operators are those of the vendor (Medable documentation, "Query operators"); where it is
//! silent, their habit of MongoDB decides: keys of one object are joined by AND, an expression is
//! true or false and never unknown, so that `$ne`, `$nin` and what is negated hold where there is no
//! value, and a path through a list asks for any of its elements.
//!
//! Negation is therefore carried down to the single comparisons, and the condition that comes out
//! has no NOT in it. Lists inside a document come later; a list here is a to-many relation.

mod operators;

use outhaul_exports::catalog::Object;
use outhaul_exports::limits;
use outhaul_exports::query::Condition;
use serde_json::{Map, Value};

use super::error::{QueryError, Result, candidates, shown};
use super::{Base, DEPTH_MAX, parsed};
use crate::kit::json::kind_of;

use self::operators::OPERATORS;

const ARGUMENT: &str = "where";
const JOINERS: &[&str] = &["$and", "$or", "$nor", "$not"];

/// Reads `where`, a JSON text or an object; `None` where the client gave none. Without a condition
/// every row is meant.
///
/// # Errors
/// For JSON that is not sound or no object, an operator that is unknown or not offered, a value that
/// does not go with its property, a property that is unknown or protected, and what passes a limit:
/// of nesting, of terms, or of values.
pub fn filter(base: Base<'_>, value: Option<&Value>) -> Result<Option<Condition>> {
    let condition = match value {
        None => return Ok(None),
        Some(Value::String(text)) => Reader::new(base).whole(&parsed(ARGUMENT, text)?)?,
        Some(value) => Reader::new(base).whole(value)?,
    };
    match condition {
        Condition::And(terms) if terms.is_empty() => Ok(None),
        condition => Ok(Some(condition)),
    }
}

/// A condition that every row satisfies, or that none does.
fn constant(holds: bool) -> Condition {
    if holds { Condition::And(Vec::new()) } else { Condition::Or(Vec::new()) }
}

/// How terms are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    All,
    Any,
}

impl Join {
    /// What becomes of it under a negation (De Morgan).
    fn under(self, negated: bool) -> Self {
        match (self, negated) {
            (join, false) => join,
            (Self::All, true) => Self::Any,
            (Self::Any, true) => Self::All,
        }
    }

    /// One condition of several, as shallow as may be.
    fn of(self, terms: Vec<Condition>) -> Condition {
        let mut flat = Vec::with_capacity(terms.len());
        for term in terms {
            match (self, term) {
                (Self::All, Condition::And(terms)) | (Self::Any, Condition::Or(terms)) => {
                    flat.extend(terms);
                }
                // One that always holds, or never does, decides alone.
                (Self::All, Condition::Or(terms)) if terms.is_empty() => return constant(false),
                (Self::Any, Condition::And(terms)) if terms.is_empty() => return constant(true),
                (_, term) => flat.push(term),
            }
        }
        match (flat.len(), self) {
            (1, _) => flat.swap_remove(0),
            (_, Self::All) => Condition::And(flat),
            (_, Self::Any) => Condition::Or(flat),
        }
    }
}

/// What is counted, and where the reader is.
struct Reader<'a> {
    base: Base<'a>,
    /// Whether the base is the target of a list whose elements are searched.
    inside_list: bool,
    depth: usize,
    terms: usize,
    lists: usize,
    /// Keys and indexes from the top to what is read.
    place: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(base: Base<'a>) -> Self {
        Self { base, inside_list: false, depth: 0, terms: 0, lists: 0, place: Vec::new() }
    }

    fn whole(&mut self, value: &Value) -> Result<Condition> {
        let condition = self.expression(value, false)?;
        let depth = nesting(&condition);
        if depth > limits::NESTING_MAX {
            let most = limits::NESTING_MAX;
            let reason = format!("$and and $or alternate {depth} levels deep, at most {most}");
            return Err(self.error(reason));
        }
        Ok(condition)
    }

    /// An object of properties and joiners, all of which must hold.
    fn expression(&mut self, value: &Value, negated: bool) -> Result<Condition> {
        let Value::Object(terms) = value else {
            let reason = format!(
                "an object such as {{\"c_name\":\"x\"}} is expected, not {}",
                kind_of(value)
            );
            return Err(self.error(reason));
        };
        self.deeper(|reader| {
            let mut conditions = Vec::new();
            for (key, value) in terms {
                conditions.push(reader.at(key, |reader| reader.term(key, value, negated))?);
            }
            Ok(Join::All.under(negated).of(conditions))
        })
    }

    fn term(&mut self, key: &str, value: &Value, negated: bool) -> Result<Condition> {
        match key {
            "$and" => self.joined(value, Join::All, negated, negated),
            "$or" => self.joined(value, Join::Any, negated, negated),
            "$nor" => self.joined(value, Join::Any, !negated, !negated),
            "$not" => self.expression(value, !negated),
            key if OPERATORS.contains(&key) => {
                let reason =
                    format!("{key} stands below a property: {{\"c_name\":{{\"{key}\":…}}}}");
                Err(self.error(reason))
            }
            key if key.starts_with('$') => Err(self.unknown_operator(key, JOINERS)),
            path => self.property(path, value, negated),
        }
    }

    fn joined(
        &mut self,
        value: &Value,
        join: Join,
        negated_join: bool,
        negated: bool,
    ) -> Result<Condition> {
        let items = match value {
            Value::Array(items) if !items.is_empty() => items,
            Value::Array(_) => return Err(self.error("the list is empty: give an expression")),
            other => {
                let reason = format!("a list of expressions is expected, not {}", kind_of(other));
                return Err(self.error(reason));
            }
        };
        let mut conditions = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let read = |reader: &mut Self| {
                // Empty expressions count too, or a list of them would have no bound.
                reader.count(1)?;
                reader.expression(item, negated)
            };
            conditions.push(self.at(&at.to_string(), read)?);
        }
        Ok(join.under(negated_join).of(conditions))
    }

    /// Reads below a key, whose place is in the errors.
    fn at<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.place.push(shown(key));
        let outcome = read(self);
        self.place.pop();
        outcome
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH_MAX {
            return Err(self.error(format!("it nests deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let outcome = read(self);
        self.depth -= 1;
        outcome
    }

    /// Counts terms towards their limit.
    fn count(&mut self, terms: usize) -> Result<()> {
        const MOST: usize = limits::CHAIN_TERMS_MAX;
        self.terms += terms;
        if self.terms <= MOST {
            return Ok(());
        }
        Err(self.error(format!("more than {MOST} terms: use $in for many values of one property")))
    }

    /// Reads an expression over the elements of a list.
    fn inside<T>(
        &mut self,
        target: &'a Object,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let outer = self.base;
        self.base = Base { object: target, ..outer };
        let was_inside = std::mem::replace(&mut self.inside_list, true);
        let outcome = read(self);
        self.base = outer;
        self.inside_list = was_inside;
        outcome
    }

    fn error(&self, reason: impl Into<String>) -> QueryError {
        let mut path = ARGUMENT.to_owned();
        for step in &self.place {
            path.push('.');
            path.push_str(step);
        }
        QueryError::argument(path, reason)
    }

    fn unknown_operator(&self, written: &str, known: &[&str]) -> QueryError {
        let near = candidates(written, known.iter().copied());
        let known = known.join(", ");
        let reason = format!("{} is not offered here{near} (there are {known})", shown(written));
        self.error(reason)
    }

    /// What a property's value is: operators, or what it must be equal to.
    fn property(&mut self, path: &str, value: &Value, negated: bool) -> Result<Condition> {
        let reached = self.base.follow(path)?;
        match operators_in(value) {
            Ok(Some(map)) => self.operators(&reached, map, negated),
            Ok(None) => self.operator(&reached, "$eq", value, None, negated),
            Err(reason) => Err(self.error(reason)),
        }
    }
}

/// The operators in a value, if it has any.
fn operators_in(value: &Value) -> Result<Option<&Map<String, Value>>, String> {
    let map = match value {
        Value::Object(map) => map,
        Value::Array(_) => {
            return Err("a list is compared with nothing: use $in, $nin or $all".to_owned());
        }
        _ => return Ok(None),
    };
    if let Some(key) = map.keys().find(|key| !key.starts_with('$')) {
        return Err(format!(
            "operators such as $eq are expected, not {}: documents are not compared, and a path \
             into one is written with points",
            shown(key)
        ));
    }
    match map.is_empty() {
        true => Err("an empty object is compared with nothing: use an operator".to_owned()),
        false => Ok(Some(map)),
    }
}

fn nesting(condition: &Condition) -> usize {
    match condition {
        Condition::And(terms) | Condition::Or(terms) => {
            terms.iter().map(|term| nesting(term) + 1).max().unwrap_or(0)
        }
        Condition::Not(inner) => nesting(inner) + 1,
        Condition::Exists { filter, .. } => {
            filter.as_deref().map_or(0, |filter| nesting(filter) + 1)
        }
        Condition::Compare { .. }
        | Condition::In { .. }
        | Condition::IsNull { .. }
        | Condition::Like { .. } => 0,
    }
}
