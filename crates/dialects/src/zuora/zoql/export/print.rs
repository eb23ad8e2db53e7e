//! A query tree as text: the inverse of the parser.
//!
//! The text is canonical: lower-case keywords, single blanks, parentheses only where they are
//! needed. Logs, column headers of aggregates and the round-trip test use it.

use std::fmt::{self, Display, Formatter};

use super::ast::{Condition, Expr, ExprKind, Item, Operand, Path, Query};
use crate::zuora::zoql::Language;

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("select ")?;
        list(f, &self.items)?;
        write!(f, " from {}", self.source.value)?;
        if let Some(filter) = &self.filter {
            write!(f, " where {filter}")?;
        }
        if !self.group_by.is_empty() {
            f.write_str(" group by ")?;
            list(f, self.group_by.iter().map(|expr| &expr.value))?;
        }
        if let Some(having) = &self.having {
            write!(f, " having {having}")?;
        }
        for (at, order) in self.order_by.iter().enumerate() {
            let lead = if at == 0 { " order by " } else { ", " };
            let tail = if order.descending { " desc" } else { "" };
            write!(f, "{lead}{}{tail}", order.expr.value)?;
        }
        match self.limit {
            None => Ok(()),
            Some(limit) if limit.skip == 0 => write!(f, " limit {}", limit.rows),
            Some(limit) => write!(f, " limit {},{}", limit.skip, limit.rows),
        }
    }
}

fn list<T: Display>(f: &mut Formatter<'_>, items: impl IntoIterator<Item = T>) -> fmt::Result {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(_) => f.write_str("*"),
            Self::AllOf(object) => write!(f, "{}.*", object.value),
            Self::Column { expr, alias: None } => write!(f, "{}", expr.value),
            Self::Column { expr, alias: Some(alias) } => {
                write!(f, "{} as \"{}\"", expr.value, alias.value.replace('"', "\"\""))
            }
        }
    }
}

impl Display for ExprKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(path) => path.fmt(f),
            Self::CountAll => f.write_str("count('*')"),
            Self::Aggregate { function, distinct, field } => {
                let distinct = if *distinct { "distinct " } else { "" };
                write!(f, "{}({distinct}{field})", function.name())
            }
            Self::DatePart { function, field } => write!(f, "{}({field})", function.name()),
        }
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{}", name.value)?;
        }
        Ok(())
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(terms) => {
                chain(f, " and ", terms, |term| matches!(term, Self::And(_) | Self::Or(_)))
            }
            Self::Or(terms) => chain(f, " or ", terms, |term| matches!(term, Self::Or(_))),
            Self::Not(inner) if matches!(**inner, Self::And(_) | Self::Or(_)) => {
                write!(f, "not ({inner})")
            }
            Self::Not(inner) => write!(f, "not {inner}"),
            Self::Compare { left, op, right } => {
                write!(f, "{} {} {right}", left.value, op.symbol())
            }
            Self::Like { expr, negated, pattern } => {
                let not = if *negated { "not " } else { "" };
                let pattern = Language::Export.quoted(&pattern.value);
                write!(f, "{} {not}like {pattern}", expr.value)
            }
            Self::IsNull { expr, negated } => {
                let not = if *negated { "not " } else { "" };
                write!(f, "{} is {not}null", expr.value)
            }
        }
    }
}

fn chain(
    f: &mut Formatter<'_>,
    word: &str,
    terms: &[Condition],
    needs_parentheses: fn(&Condition) -> bool,
) -> fmt::Result {
    for (at, term) in terms.iter().enumerate() {
        let word = if at == 0 { "" } else { word };
        if needs_parentheses(term) {
            write!(f, "{word}({term})")?;
        } else {
            write!(f, "{word}{term}")?;
        }
    }
    Ok(())
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => f.write_str(&literal.value.written(Language::Export)),
            Self::Expr(Expr { value, .. }) => value.fmt(f),
        }
    }
}
