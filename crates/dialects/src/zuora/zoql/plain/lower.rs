//! A query tree to the neutral query: names looked up, types checked, and the one filter that Zuora
//! adds by itself.

use chrono::{DateTime, Utc};
use outhaul_exports::catalog::{Cardinality, Catalog, FieldType};
use outhaul_exports::query::{self, Compare, Select};

use super::ast::{Condition, Filter, Name, Test};
use super::parser::parse;
use crate::zuora::zoql::chains::{Chain, joined};
use crate::zuora::zoql::scope::{Found, Scope, Typed, no_such_field, sensitive};
use crate::zuora::zoql::{Language, Zones, ZoqlError, ZoqlErrorKind};

type Result<T> = std::result::Result<T, ZoqlError>;

/// Reads a query, resolves it against what the tenant may export, and checks it.
///
/// `strict_dates` says whether a date is compared with days alone and a datetime with datetimes
/// alone (Zuora documentation, "ZOQL": from WSDL version 69). Otherwise a day beside a datetime is
/// the whole day, and a datetime beside a date the day that it falls on. Sensitive columns come back
/// masked; whoever holds the tenant's key may turn [`query::Protection::Masked`] into
/// [`query::Protection::Sealed`].
///
/// # Errors
/// The first thing that is wrong with the query, with its kind, a sentence, line and column.
pub fn compile(
    text: &str,
    catalog: &Catalog,
    now: DateTime<Utc>,
    zones: impl Into<Zones>,
    strict_dates: bool,
) -> Result<Select> {
    let query = parse(text)?;
    let base = Scope::base(catalog, &query.object)?;
    let (zones, language) = (zones.into(), Language::Zoql);
    let scope = Scope { catalog, base, now, zones, language, strict_dates };
    let mut select = Select::of(&base.name);
    for name in &query.fields {
        select.columns.push(scope.plain_field(name)?.column());
    }
    if let Some(filter) = &query.filter {
        select.filter = Some(scope.filter(filter)?);
    }
    if let Some(added) = scope.added_filter(query.filter.as_ref()) {
        let terms = select.filter.take().into_iter().chain([added]).collect();
        select.filter = Some(joined(Chain::And, terms));
    }
    Ok(select)
}

impl Scope<'_> {
    fn plain_field(&self, name: &Name) -> Result<Typed> {
        let own = self.base.field(&name.value).map(|field| self.own(field));
        match own.or_else(|| self.foreign_key(&name.value)) {
            Some(found) => Ok(found.into()),
            None => Err(no_such_field(name.at, &name.value, &self.own_hint(&name.value))),
        }
    }

    /// `AccountId` of an invoice: the key of the one row that its relation Account leads to, which
    /// people read as a field of the invoice (Zuora documentation, "ZOQL").
    fn foreign_key(&self, name: &str) -> Option<Found<'_>> {
        const KEY: &str = "Id";
        let (stem, tail) = name.split_at_checked(name.len().checked_sub(KEY.len())?)?;
        let relation = self.base.relation(stem).filter(|_| tail.eq_ignore_ascii_case(KEY))?;
        let target = self.catalog.object(&relation.target)?;
        let [key] = target.key.as_slice() else { return None };
        let one = relation.cardinality == Cardinality::ToOne && key.eq_ignore_ascii_case(KEY);
        let field = target.field(key).filter(|_| one)?;
        Some(Found {
            field,
            path: query::Path { relations: vec![relation.name.clone()], field: field.name.clone() },
            label: format!("{}.{}{KEY}", self.base.name, relation.name),
        })
    }

    fn filter(&self, filter: &Filter) -> Result<query::Condition> {
        let term = |conditions: &Vec<Condition>| {
            let conditions = conditions.iter().map(|condition| self.test(condition));
            Ok(joined(Chain::And, conditions.collect::<Result<_>>()?))
        };
        Ok(joined(Chain::Or, filter.0.iter().map(term).collect::<Result<_>>()?))
    }

    fn test(&self, condition: &Condition) -> Result<query::Condition> {
        let at = condition.field.at;
        let typed = self.plain_field(&condition.field)?;
        if typed.sensitive {
            return Err(sensitive(at, &typed.label, "WHERE"));
        }
        match &condition.test {
            Test::Compare { op, value } => self.with_literal(at, typed, *op, value),
            Test::Like(pattern) => {
                check_pattern(pattern)?;
                self.like(at, typed, pattern, false)
            }
            Test::IsNull { negated } => {
                Ok(query::Condition::IsNull { expr: typed.expr, negated: *negated })
            }
        }
    }

    /// Rate plans that an amendment has removed are left out of a query that does not ask about
    /// amendments (Zuora documentation, "ZOQL").
    fn added_filter(&self, written: Option<&Filter>) -> Option<query::Condition> {
        const FIELD: &str = "AmendmentType";
        let asked = |condition: &Condition| condition.field.value.eq_ignore_ascii_case(FIELD);
        if self.base.name != "RatePlan" || written.is_some_and(|w| w.conditions().any(asked)) {
            return None;
        }
        let field = self.base.field(FIELD)?;
        // Nobody may search a sensitive field, not even so.
        if field.sensitive || field.field_type != FieldType::Text {
            return None;
        }
        let expr = Typed::from(self.own(field)).expr;
        let removed = query::Expr::Literal(query::Literal::Text("RemoveProduct".to_owned()));
        Some(query::Condition::Or(vec![
            query::Condition::IsNull { expr: expr.clone(), negated: false },
            query::Condition::Compare { left: expr, op: Compare::Ne, right: removed },
        ]))
    }
}

/// `%` stands once at most, at the beginning or at the end (Zuora documentation, "ZOQL").
fn check_pattern(pattern: &Name) -> Result<()> {
    let text = &pattern.value;
    let inside = text.strip_prefix('%').or_else(|| text.strip_suffix('%')).unwrap_or(text);
    if !inside.contains('%') {
        return Ok(());
    }
    let message = "A pattern in ZOQL holds one % at most, at its beginning or at its end, such as \
                   'Ab%': send the query as type zoqlexport for patterns with more";
    Err(ZoqlError::new(ZoqlErrorKind::Value, pattern.at, message))
}
