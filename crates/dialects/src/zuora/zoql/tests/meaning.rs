//! A resolved query in a short notation, so that the tables in `cases/` can be read and written by
//! hand.

use std::fmt::Write as _;

use chrono::SecondsFormat;
use outhaul_exports::query::{
    Aggregate, Compare, Condition, DatePart, Expr, Literal, Protection, Select,
};

/// A query in a short notation: headings, `*` after a masked one, and the clauses.
pub fn meaning(select: &Select) -> String {
    let mut out = format!("{}[", select.object);
    for (at, column) in select.columns.iter().enumerate() {
        let value = match &column.expr {
            Expr::Field(path) if path.relations.is_empty() => format!("{}.{path}", select.object),
            Expr::Field(path) => path.to_string(),
            _ => String::new(),
        };
        let lead = if at == 0 { "" } else { ", " };
        let mark = if column.protection == Protection::Masked { "*" } else { "" };
        let _ = if value == column.label || (value.is_empty() && column.label.contains('(')) {
            write!(out, "{lead}{}{mark}", column.label)
        } else {
            let value =
                if value.is_empty() { labelled(&column.expr, &select.object) } else { value };
            write!(out, "{lead}{value} as {}{mark}", column.label)
        };
    }
    out.push(']');
    let list = |exprs: Vec<String>| exprs.join(", ");
    if let Some(filter) = &select.filter {
        let _ = write!(out, " where {}", condition(filter));
    }
    if !select.group_by.is_empty() {
        let _ = write!(out, " group by {}", list(select.group_by.iter().map(expr).collect()));
    }
    if let Some(having) = &select.having {
        let _ = write!(out, " having {}", condition(having));
    }
    if !select.order_by.is_empty() {
        let orders = select
            .order_by
            .iter()
            .map(|order| expr(&order.expr) + if order.descending { " desc" } else { "" });
        let _ = write!(out, " order by {}", list(orders.collect()));
    }
    match (select.offset, select.limit) {
        (0, None) => {}
        (0, Some(limit)) => _ = write!(out, " limit {limit}"),
        (offset, limit) => _ = write!(out, " limit {offset},{}", limit.unwrap_or(u64::MAX)),
    }
    out
}

/// A function of a field of the base object, with the object's name before the field.
fn labelled(function: &Expr, object: &str) -> String {
    expr(function).replacen('(', &format!("({object}."), 1)
}

fn expr(value: &Expr) -> String {
    match value {
        Expr::Field(path) => path.to_string(),
        Expr::Literal(Literal::Text(text)) => format!("'{text}'"),
        Expr::Literal(Literal::Boolean(truth)) => truth.to_string(),
        Expr::Literal(Literal::Integer(number)) => number.to_string(),
        Expr::Literal(Literal::Decimal(digits)) => format!("{digits}d"),
        Expr::Literal(Literal::Date(date)) => date.to_string(),
        Expr::Literal(Literal::Timestamp(at)) => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        Expr::Aggregate { function, distinct, of } => {
            let name = match function {
                Aggregate::Count => "count",
                Aggregate::Sum => "sum",
                Aggregate::Avg => "avg",
                Aggregate::Min => "min",
                Aggregate::Max => "max",
            };
            let distinct = if *distinct { "distinct " } else { "" };
            format!("{name}({distinct}{})", of.as_deref().map_or("*".into(), expr))
        }
        Expr::DatePart { part, of, zone } => {
            assert_eq!(zone, "America/Los_Angeles");
            let name = match part {
                DatePart::Date => "date",
                DatePart::Year => "year",
                DatePart::Quarter => "quarter",
                DatePart::Month => "month",
                DatePart::Week => "week",
            };
            format!("{name}({})", expr(of))
        }
        other => panic!("nothing writes {other:?}"),
    }
}

fn condition(tree: &Condition) -> String {
    let chain = |terms: &[Condition], word: &str| {
        format!("({})", terms.iter().map(condition).collect::<Vec<_>>().join(word))
    };
    let not = |negated: &bool| if *negated { "not " } else { "" };
    match tree {
        Condition::And(terms) => chain(terms, " and "),
        Condition::Or(terms) => chain(terms, " or "),
        Condition::Not(inner) => format!("not ({})", condition(inner)),
        Condition::Compare { left, op, right } => {
            let op = match op {
                Compare::Eq => "=",
                Compare::Ne => "!=",
                Compare::Lt => "<",
                Compare::Le => "<=",
                Compare::Gt => ">",
                Compare::Ge => ">=",
            };
            format!("{} {op} {}", expr(left), expr(right))
        }
        Condition::Like { expr: left, pattern, negated, ignore_case: false } => {
            format!("{} {}like '{pattern}'", expr(left), not(negated))
        }
        Condition::In { expr: left, list, negated } => {
            let list = list.iter().map(|value| expr(&Expr::Literal(value.clone())));
            let list = list.collect::<Vec<_>>().join(", ");
            format!("{} {}in ({list})", expr(left), not(negated))
        }
        Condition::IsNull { expr: left, negated } => {
            format!("{} is {}null", expr(left), not(negated))
        }
        other => panic!("nothing writes {other:?}"),
    }
}
