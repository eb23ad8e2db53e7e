//! A query as text: the inverse of the parser.
//!
//! The text is canonical: lower-case keywords, single blanks, texts with as few escapes as they
//! need.

use std::fmt::{self, Display, Formatter};

use super::ast::{Condition, Filter, Query, Test};
use crate::zuora::zoql::Language;

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut lead = "select ";
        for field in &self.fields {
            write!(f, "{lead}{}", field.value)?;
            lead = ", ";
        }
        write!(f, " from {}", self.object.value)?;
        match &self.filter {
            Some(filter) => write!(f, " where {filter}"),
            None => Ok(()),
        }
    }
}

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, term) in self.0.iter().enumerate() {
            let mut lead = if at == 0 { "" } else { " or " };
            for condition in term {
                write!(f, "{lead}{condition}")?;
                lead = " and ";
            }
        }
        Ok(())
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let field = &self.field.value;
        match &self.test {
            Test::Compare { op, value } => {
                write!(f, "{field} {} {}", op.symbol(), value.value.written(Language::Zoql))
            }
            Test::Like(pattern) => {
                write!(f, "{field} like {}", Language::Zoql.quoted(&pattern.value))
            }
            Test::IsNull { negated: false } => write!(f, "{field} = null"),
            Test::IsNull { negated: true } => write!(f, "{field} != null"),
        }
    }
}
