//! Functions over groups of rows.

use sqlparser::ast::{
    DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    OrderByExpr, Value as Written,
};

use super::super::error::{Mistake, Place, Result};
use super::super::value::{Kind, Value, quoted};
use super::super::writer::{Clause, Writer};
use super::texts::joined;

const AGGREGATES: &[(&str, &str)] = &[
    ("count", "count"),
    ("sum", "sum"),
    ("avg", "avg"),
    ("min", "min"),
    ("max", "max"),
    ("group_concat", "string_agg"),
    ("std", "stddev_pop"),
    ("stddev", "stddev_pop"),
    ("stddev_pop", "stddev_pop"),
    ("stddev_samp", "stddev"),
    ("variance", "var_pop"),
    ("var_pop", "var_pop"),
    ("var_samp", "var"),
    ("median", "median"),
];

pub(super) fn is_one(name: &str) -> bool {
    AGGREGATES.iter().any(|(known, _)| *known == name)
}

impl Writer<'_> {
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        at: Place,
        list: &FunctionArgumentList,
    ) -> Result<Value> {
        if self.clause == Clause::Rows {
            let text = format!("The aggregate {name} has no place in a condition on single rows");
            return self.error(Mistake::Aggregate, at, text);
        }
        // Inside an aggregate stand values of single rows.
        let clause = std::mem::replace(&mut self.clause, Clause::Rows);
        let written = self.aggregated(name, at, list);
        self.clause = clause;
        let mut value = written?;
        value.aggregate = true;
        Ok(value)
    }

    fn aggregated(&mut self, name: &str, at: Place, list: &FunctionArgumentList) -> Result<Value> {
        let distinct = match list.duplicate_treatment {
            Some(DuplicateTreatment::Distinct) => "DISTINCT ",
            Some(DuplicateTreatment::All) | None => "",
        };
        if let ("count", [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)], "") =
            (name, list.args.as_slice(), distinct)
            && list.clauses.is_empty()
        {
            return Ok(Value::atom("count(*)", Kind::Integer));
        }
        let args = self.plain_args(name, at, list)?;
        let mut values = Vec::with_capacity(args.len());
        for expr in &args {
            let value = self.expr(expr)?;
            values.push(match name {
                "count" | "min" | "max" => value,
                "group_concat" => self.as_text(value),
                _ => self.as_number(value, expr)?,
            });
        }
        if name == "group_concat" {
            return self.group_concat(at, list, distinct, &values);
        }
        let [value] = values.as_slice() else {
            let text = format!("{name} takes 1 argument, not {}", values.len());
            return self.error(Mistake::NotOffered, at, text);
        };
        if !list.clauses.is_empty() {
            return self.not_offered(at, &format!("A clause in {name}"));
        }
        let kind = match name {
            "count" => Kind::Integer,
            "sum" | "min" | "max" | "median" => value.kind,
            "avg" if value.kind == Kind::Integer => Kind::Decimal,
            "avg" => value.kind,
            _ => Kind::Float,
        };
        let known = AGGREGATES.iter().find(|(known, _)| *known == name);
        let function = known.map_or(name, |(_, function)| function);
        Ok(Value::atom(format!("{function}({distinct}{})", value.text), kind))
    }

    /// `group_concat([DISTINCT] value, ... [ORDER BY ...] [SEPARATOR 'text'])`
    fn group_concat(
        &mut self,
        at: Place,
        list: &FunctionArgumentList,
        distinct: &str,
        values: &[Value],
    ) -> Result<Value> {
        let value = match values {
            [] => {
                let text = "group_concat takes 1 or more arguments, not 0";
                return self.error(Mistake::NotOffered, at, text);
            }
            [one] => one.clone(),
            several => joined(several),
        };
        let mut separator = ",";
        let mut order = String::new();
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(keys) => order = self.inner_order(keys)?,
                FunctionArgumentClause::Separator(text) => match &text.value {
                    Written::SingleQuotedString(text) => separator = text,
                    _ => return self.not_offered(text.span, "A SEPARATOR that is no text"),
                },
                _ => return self.not_offered(at, "This clause in group_concat"),
            }
        }
        if !distinct.is_empty() && !order.is_empty() {
            // The engine orders distinct texts by themselves alone.
            let own = format!(" ORDER BY {} ", value.text);
            if !order.starts_with(&own) || is_by_several_keys(list) {
                let what = "In group_concat with DISTINCT, an ORDER BY other than the text itself";
                return self.not_offered(at, what);
            }
        }
        let text = format!("string_agg({distinct}{}, {}{order})", value.text, quoted(separator));
        Ok(Value::atom(text, Kind::Text))
    }

    fn inner_order(&mut self, keys: &[OrderByExpr]) -> Result<String> {
        let mut texts = Vec::with_capacity(keys.len());
        for key in keys {
            let value = self.expr(&key.expr)?;
            texts.push(format!("{} {}", value.text, self.direction(key)?));
        }
        Ok(format!(" ORDER BY {}", texts.join(", ")))
    }
}

/// Whether it is ordered by several keys.
fn is_by_several_keys(list: &FunctionArgumentList) -> bool {
    list.clauses
        .iter()
        .any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(keys) if keys.len() > 1))
}
