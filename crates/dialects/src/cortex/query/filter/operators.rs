//! The operators below a property.
//!
//! Each becomes a condition that holds, or does not, as if there were no third way: see the parent.

use outhaul_exports::catalog::{FieldType, Relation};
use outhaul_exports::limits;
use outhaul_exports::query::{Compare, Condition, Expr, Literal};
use serde_json::{Map, Value};

use super::{Join, Reader, constant, operators_in};
use crate::cortex::query::error::Result;
use crate::cortex::query::pattern;
use crate::cortex::query::properties::{End, Reached};
use crate::cortex::query::values::literal;
use crate::kit::json::kind_of;

/// What can stand below a property.
pub(super) const OPERATORS: &[&str] = &[
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$not",
    "$exists",
    "$regex",
    "$options",
    "$all",
    "$size",
    "$elemMatch",
];

/// Values of `$all`: each is a term of its own.
const ALL_MAX: usize = 100;

impl<'a> Reader<'a> {
    /// All operators of one property.
    pub(super) fn operators(
        &mut self,
        reached: &Reached<'a>,
        map: &Map<String, Value>,
        negated: bool,
    ) -> Result<Condition> {
        self.deeper(|reader| {
            let mut conditions = Vec::new();
            for (operator, value) in map {
                let read = |reader: &mut Self| match operator.as_str() {
                    "$not" => reader.not(reached, value, negated).map(Some),
                    "$options" if map.contains_key("$regex") => Ok(None),
                    "$options" => Err(reader.error("it goes with $regex, which is missing")),
                    operator => {
                        let options = map.get("$options");
                        reader.operator(reached, operator, value, options, negated).map(Some)
                    }
                };
                conditions.extend(reader.at(operator, read)?);
            }
            Ok(Join::All.under(negated).of(conditions))
        })
    }

    fn not(&mut self, reached: &Reached<'a>, value: &Value, negated: bool) -> Result<Condition> {
        match operators_in(value) {
            Ok(Some(map)) => self.operators(reached, map, !negated),
            Ok(None) => {
                let reason = format!(
                    "an object of operators is expected, not {}: use $ne for what is not equal",
                    kind_of(value)
                );
                Err(self.error(reason))
            }
            Err(reason) => Err(self.error(reason)),
        }
    }

    /// One operator; `options` are those of `$regex`.
    pub(super) fn operator(
        &mut self,
        reached: &Reached<'a>,
        operator: &str,
        value: &Value,
        options: Option<&Value>,
        negated: bool,
    ) -> Result<Condition> {
        if !OPERATORS.contains(&operator) {
            return Err(self.unknown_operator(operator, OPERATORS));
        }
        // These are the negations of others, for lists too: no element is equal.
        let (operator, negated) = match operator {
            "$ne" => ("$eq", !negated),
            "$nin" => ("$in", !negated),
            operator => (operator, negated),
        };
        if operator == "$all" && reached.end.is_some() {
            return self.all(reached, value, negated);
        }
        match (reached.list, &reached.end) {
            (None, Some(end)) => self.leaf(end, operator, value, options, negated),
            (Some(list), Some(end)) => {
                // No element has none: that is for the elements to say.
                let (value, negated) = match (operator, value) {
                    ("$exists", Value::Bool(false)) => (&Value::Bool(true), !negated),
                    _ => (value, negated),
                };
                let filter = self.leaf(end, operator, value, options, false)?;
                self.exists(list, Some(filter), negated)
            }
            (Some(list), None) => self.of_list(list, operator, value, negated),
            (None, None) => Err(self.error("a property is expected")),
        }
    }

    /// What can be asked of a list as a whole.
    fn of_list(
        &mut self,
        list: &'a Relation,
        operator: &str,
        value: &Value,
        negated: bool,
    ) -> Result<Condition> {
        match operator {
            "$exists" => match value {
                Value::Bool(wanted) => self.exists(list, None, negated == *wanted),
                other => Err(self.error(not_a_boolean(other))),
            },
            "$size" => match value {
                Value::Number(size) if size.as_i64() == Some(0) => {
                    self.exists(list, None, !negated)
                }
                Value::String(size) if size == "0" => self.exists(list, None, !negated),
                _ => Err(self.error("only an empty list can be asked for: 0, or $not of it")),
            },
            "$elemMatch" => {
                let target = self.base.target(list)?;
                let filter = self.inside(target, |reader| reader.expression(value, false))?;
                self.exists(list, Some(filter), negated)
            }
            _ => Err(self.error(
                "this is a list: ask for its elements by $elemMatch or by a path into them, or use \
                 $exists or $size",
            )),
        }
    }

    fn exists(
        &mut self,
        list: &Relation,
        filter: Option<Condition>,
        negated: bool,
    ) -> Result<Condition> {
        const MOST: usize = limits::EXISTS_MAX;
        if self.inside_list {
            return Err(self.error("a list inside the elements of a list cannot be searched"));
        }
        self.lists += 1;
        if self.lists > MOST {
            return Err(self.error(format!("lists are searched more than {MOST} times")));
        }
        self.count(1)?;
        let filter = match filter {
            Some(Condition::And(terms)) if terms.is_empty() => None,
            Some(Condition::Or(terms)) if terms.is_empty() => return Ok(constant(negated)),
            filter => filter.map(Box::new),
        };
        Ok(Condition::Exists { relation: list.name.clone(), filter, negated })
    }

    /// Every value of a list of them is there; a single value is a list of one.
    fn all(&mut self, reached: &Reached<'a>, value: &Value, negated: bool) -> Result<Condition> {
        let values = self.list(value, ALL_MAX)?;
        if values.is_empty() {
            return Ok(constant(negated));
        }
        let mut conditions = Vec::with_capacity(values.len());
        for (at, value) in values.iter().enumerate() {
            let read = |reader: &mut Self| reader.operator(reached, "$eq", value, None, negated);
            conditions.push(self.at(&at.to_string(), read)?);
        }
        Ok(Join::All.under(negated).of(conditions))
    }

    /// An operator of a single value. `$ne` and `$nin` do not come here.
    fn leaf(
        &mut self,
        end: &End<'_>,
        operator: &str,
        value: &Value,
        options: Option<&Value>,
        negated: bool,
    ) -> Result<Condition> {
        if end.field.sensitive {
            return Err(self.error("it is protected, and cannot be searched"));
        }
        self.count(2)?;
        let expr = || Expr::Field(end.path.clone());
        let positive = match operator {
            "$eq" => match self.literal(end, value)? {
                Literal::Null => return Ok(Condition::IsNull { expr: expr(), negated }),
                literal => {
                    let op = if negated { Compare::Ne } else { Compare::Eq };
                    Condition::Compare { left: expr(), op, right: Expr::Literal(literal) }
                }
            },
            "$gt" | "$gte" | "$lt" | "$lte" => {
                let right = match self.literal(end, value)? {
                    Literal::Null => return Err(self.error("null is neither less nor greater")),
                    literal => Expr::Literal(literal),
                };
                Condition::Compare { left: expr(), op: comparison(operator, negated), right }
            }
            "$in" => return self.one_of(end, value, negated),
            "$exists" => match value {
                Value::Bool(wanted) => {
                    return Ok(Condition::IsNull { expr: expr(), negated: negated != *wanted });
                }
                other => return Err(self.error(not_a_boolean(other))),
            },
            "$regex" => {
                let (pattern, ignore_case) = self.pattern(end, value, options)?;
                Condition::Like { expr: expr(), pattern, negated, ignore_case }
            }
            operator => {
                let reason = format!("{operator} asks for a list, and this is none");
                return Err(self.error(reason));
            }
        };
        Ok(if negated { or_missing(positive, end) } else { positive })
    }

    fn one_of(&mut self, end: &End<'_>, value: &Value, negated: bool) -> Result<Condition> {
        let values = self.list(value, limits::IN_LIST_MAX)?;
        let mut list = Vec::with_capacity(values.len());
        let mut null = false;
        for (at, value) in values.iter().enumerate() {
            match literal(end, value) {
                Ok(Literal::Null) => null = true,
                Ok(literal) => list.push(literal),
                Err(reason) => {
                    return self.at(&at.to_string(), |reader| Err(reader.error(reason)));
                }
            }
        }
        let expr = || Expr::Field(end.path.clone());
        let is_null = Condition::IsNull { expr: expr(), negated };
        let found = match (list.is_empty(), null) {
            (true, true) => return Ok(is_null),
            (true, false) => return Ok(constant(negated)),
            (false, _) => Condition::In { expr: expr(), list, negated },
        };
        Ok(match (negated, null) {
            (false, true) => Condition::Or(vec![found, is_null]),
            // A missing value is in no list, and in none of those that it is not in.
            (false, false) | (true, true) => found,
            (true, false) => or_missing(found, end),
        })
    }

    fn pattern(
        &self,
        end: &End<'_>,
        value: &Value,
        options: Option<&Value>,
    ) -> Result<(String, bool)> {
        const MOST: usize = limits::PATTERN_BYTES_MAX;
        if end.field.field_type != FieldType::Text {
            let name = end.field.field_type.name();
            return Err(self.error(format!("$regex works on text, and this is a {name}")));
        }
        let ignore_case = match options {
            None => false,
            Some(Value::String(options)) if options.is_empty() => false,
            Some(Value::String(options)) if options == "i" => true,
            Some(_) => return Err(self.error("of $options only \"i\" is offered")),
        };
        let Value::String(regex) = value else {
            return Err(self.error(format!("a text is expected, not {}", kind_of(value))));
        };
        if regex.len() > MOST {
            return Err(self.error(format!("the pattern has more than {MOST} bytes")));
        }
        let pattern = pattern::like(regex).map_err(|reason| self.error(reason))?;
        if pattern.len() > MOST {
            return Err(self.error(format!("the pattern has more than {MOST} bytes")));
        }
        Ok((pattern, ignore_case))
    }

    fn list<'v>(&self, value: &'v Value, most: usize) -> Result<&'v [Value]> {
        match value {
            Value::Array(values) if values.len() <= most => Ok(values),
            Value::Array(values) => {
                Err(self.error(format!("{} values given, at most {most} allowed", values.len())))
            }
            other => Err(self.error(format!("a list is expected, not {}", kind_of(other)))),
        }
    }

    fn literal(&self, end: &End<'_>, value: &Value) -> Result<Literal> {
        literal(end, value).map_err(|reason| self.error(reason))
    }
}

fn comparison(operator: &str, negated: bool) -> Compare {
    match (operator, negated) {
        ("$gt", false) | ("$lte", true) => Compare::Gt,
        ("$gte", false) | ("$lt", true) => Compare::Ge,
        ("$lt", false) | ("$gte", true) => Compare::Lt,
        _ => Compare::Le,
    }
}

/// What is not equal to something may be nothing at all.
fn or_missing(condition: Condition, end: &End<'_>) -> Condition {
    if !end.field.nullable && end.path.relations.is_empty() {
        return condition;
    }
    let expr = Expr::Field(end.path.clone());
    Condition::Or(vec![condition, Condition::IsNull { expr, negated: false }])
}

fn not_a_boolean(value: &Value) -> String {
    format!("true or false is expected, not {}", kind_of(value))
}
