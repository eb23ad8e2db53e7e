//! The check of a [`Select`] against the catalog: every name resolves, every comparison is between
//! things that compare, nothing sensitive is searched, and no chain or nesting passes its cap.
//!
//! A dialect resolves names itself, in its own error words; this check stands behind all of them,
//! so that no dialect can forget a rule.

use super::{Aggregate, Column, Condition, DatePart, Expr, Literal, Path, Protection, Select};
use crate::catalog::{Cardinality, Catalog, Field, FieldType, Object};
use crate::limits;
use crate::{Error, ErrorKind, Result};

/// The type of a value in a query.
pub type ExprType = Option<FieldType>;

impl Select {
    /// Checks the query against the catalog.
    ///
    /// # Errors
    /// `UnknownObject`, `UnknownField`, or `Invalid` with the part of the query that is wrong.
    pub fn check(&self, catalog: &Catalog) -> Result<()> {
        let scope = Scope { catalog, base: catalog.require(&self.object)?, related: false };
        if self.columns.is_empty() {
            return Err(Error::invalid("columns", "the query selects nothing"));
        }
        let members = self.lists.iter().map(|list| list.columns.len());
        cap("columns", self.columns.len() + members.sum::<usize>(), limits::COLUMNS_MAX)?;
        cap("group by", self.group_by.len(), limits::GROUP_BY_MAX)?;
        cap("order by", self.order_by.len(), limits::ORDER_BY_MAX)?;
        for column in &self.columns {
            scope.check_column(column)?;
        }
        for expr in &self.group_by {
            scope.searched("group by", expr)?;
        }
        for order in &self.order_by {
            scope.searched("order by", &order.expr)?;
        }
        for (place, condition) in [("where", &self.filter), ("having", &self.having)] {
            if let Some(condition) = condition {
                scope.check_condition(place, condition, 0)?;
            }
        }
        if !self.lists.is_empty() {
            self.check_lists(&scope)?;
        }
        if let Some(filter) = &self.filter {
            cap("exists", count_exists(filter), limits::EXISTS_MAX)?;
            if condition_has_aggregate(filter) {
                return Err(Error::invalid("where", "an aggregate cannot stand in a where clause"));
            }
        }
        if self.is_aggregate() || self.having.is_some() {
            self.check_grouping()?;
        }
        if self.changed_from.is_some() || self.changed_until.is_some() {
            scope.check_has_change_time()?;
        }
        if self.since.is_some() {
            self.check_incremental()?;
        }
        Ok(())
    }

    /// Whether the rows can come in increments, each of which holds what changed since the last.
    ///
    /// # Errors
    /// `Invalid` for a query that gives groups, or leaves rows out by their number: what an increment
    /// left out would never come.
    pub fn check_incremental(&self) -> Result<()> {
        if self.is_aggregate() || self.having.is_some() {
            let text = "a session exports the rows that changed; groups and aggregates are made of \
                        all rows: leave them out, or export without a session";
            return Err(Error::invalid("group by", text));
        }
        if self.limit.is_some() || self.offset > 0 {
            let text = "in a session a limit would leave rows out that never come again: leave it \
                        out, or export without a session";
            return Err(Error::invalid("limit", text));
        }
        Ok(())
    }

    /// Lists are found by going along the base object's rows and theirs in one order.
    fn check_lists(&self, scope: &Scope<'_>) -> Result<()> {
        cap("lists", self.lists.len(), limits::LISTS_MAX)?;
        if self.is_aggregate() || self.having.is_some() || self.is_increment() {
            let text = "groups and increments have no lists of related rows";
            return Err(Error::invalid("lists", text));
        }
        for list in &self.lists {
            let relation = scope.base.require_relation(&list.relation)?;
            let in_order = match (self.order_by.as_slice(), relation.columns.as_slice()) {
                ([key], [(here, _)]) => match &key.expr {
                    Expr::Field(path) if path.relations.is_empty() && !key.descending => {
                        let field = scope.base.require_field(&path.field)?;
                        field.column == *here && field.member.is_empty()
                    }
                    _ => false,
                },
                _ => false,
            };
            if !in_order {
                let text = format!(
                    "a list of what {} leads to needs a relation by one column, and the order of \
                     the field of that column",
                    relation.name
                );
                return Err(Error::invalid("lists", text));
            }
            if list.columns.is_empty() {
                return Err(Error::invalid("lists", "a list selects nothing"));
            }
            let base = scope.catalog.require(&relation.target)?;
            let target = Scope { catalog: scope.catalog, base, related: true };
            list.columns.iter().try_for_each(|column| target.check_column(column))?;
        }
        Ok(())
    }

    fn check_grouping(&self) -> Result<()> {
        let ungrouped = |expr: &Expr| match expr {
            Expr::Aggregate { .. } | Expr::Literal(_) => false,
            other => !self.group_by.contains(other),
        };
        if let Some(column) = self.columns.iter().find(|column| ungrouped(&column.expr)) {
            let text = format!("column {} is neither grouped nor aggregated", column.label);
            return Err(Error::invalid("columns", text));
        }
        if self.order_by.iter().any(|order| ungrouped(&order.expr)) {
            return Err(Error::invalid("order by", "a key is neither grouped nor aggregated"));
        }
        Ok(())
    }
}

struct Scope<'a> {
    catalog: &'a Catalog,
    base: &'a Object,
    /// Whether `base` is the target of a condition on related rows.
    related: bool,
}

impl<'a> Scope<'a> {
    /// A query by the time of changes needs that time.
    fn check_has_change_time(&self) -> Result<()> {
        let base = self.base;
        let known = base.updated.as_deref().and_then(|name| base.field(name));
        match known.map(|field| field.field_type) {
            Some(FieldType::Timestamp | FieldType::Date) => Ok(()),
            _ => {
                let text = format!(
                    "rows of {} are asked for by the time of their last change, and the catalog \
                     names no field with that time (updated) for it",
                    base.name
                );
                Err(Error::unsupported(text))
            }
        }
    }

    /// Follows a path to its field.
    fn field(&self, path: &Path) -> Result<&'a Field> {
        cap("path", path.relations.len(), limits::RELATION_DEPTH_MAX)?;
        let mut object = self.base;
        for name in &path.relations {
            let relation = object.relation(name).ok_or_else(|| unknown_field(path))?;
            if relation.cardinality == Cardinality::ToMany {
                let text = format!("{name} leads to many rows; query {} instead", relation.target);
                return Err(Error::invalid(path.to_string(), text));
            }
            object = self.catalog.require(&relation.target)?;
        }
        if path.relations.is_empty() {
            return object.require_field(&path.field);
        }
        object.field(&path.field).ok_or_else(|| unknown_field(path))
    }

    fn check_column(&self, column: &Column) -> Result<()> {
        if let Expr::Field(path) = &column.expr {
            let field = self.field(path)?;
            if field.sensitive && column.protection == Protection::Plain {
                let text = format!("{path} is sensitive and must be masked or sealed");
                return Err(Error::invalid(path.to_string(), text));
            }
            return Ok(());
        }
        self.searched("select", &column.expr).map(|_| ())
    }

    /// The type of an expression that shows, or decides on, more than a protected value would:
    /// no sensitive field may stand in it.
    fn searched(&self, place: &str, expr: &Expr) -> Result<ExprType> {
        Ok(match expr {
            Expr::Field(path) => {
                let field = self.field(path)?;
                if field.sensitive {
                    let text = format!("{path} is sensitive and cannot be used in {place}");
                    return Err(Error::invalid(path.to_string(), text));
                }
                Some(field.field_type)
            }
            Expr::Literal(literal) => literal.literal_type(),
            Expr::Aggregate { function, of, .. } => {
                let of = match of {
                    Some(of) if of.has_aggregate() => {
                        return Err(Error::invalid(place, "an aggregate of an aggregate"));
                    }
                    Some(of) => self.searched(place, of)?,
                    None => None,
                };
                self.aggregate_type(place, *function, of)?
            }
            Expr::DatePart { part, of, .. } => match (self.searched(place, of)?, part) {
                (None | Some(FieldType::Date | FieldType::Timestamp), DatePart::Date) => {
                    Some(FieldType::Date)
                }
                (None | Some(FieldType::Date | FieldType::Timestamp), _) => {
                    Some(FieldType::Integer)
                }
                (Some(other), _) => {
                    let text = format!("a part of a date is asked of a {}", other.name());
                    return Err(Error::invalid(place, text));
                }
            },
            Expr::Convert { amount, currency, .. } => {
                self.searched(place, currency)?;
                match self.searched(place, amount)? {
                    Some(found) if !found.is_numeric() => {
                        let text = format!("a {} is no amount of money", found.name());
                        return Err(Error::invalid(place, text));
                    }
                    _ => Some(FieldType::Decimal),
                }
            }
            Expr::Coalesce(list) => {
                let mut first = None;
                for expr in list {
                    first = first.or(self.searched(place, expr)?);
                }
                first
            }
            Expr::JsonWithout { of, keys } => {
                cap("left out members", keys.len(), limits::CHAIN_TERMS_MAX)?;
                match self.searched(place, &Expr::Field(of.clone()))? {
                    Some(FieldType::Json) => Some(FieldType::Json),
                    _ => {
                        let text = format!("{of} has no members to leave out: it is not JSON");
                        return Err(Error::invalid(of.to_string(), text));
                    }
                }
            }
            Expr::IsDeleted => Some(FieldType::Boolean),
            Expr::AsNumber(of) => match self.searched(place, of)? {
                None | Some(FieldType::Boolean) => Some(FieldType::Integer),
                Some(other) => {
                    let text = format!("only a boolean becomes 1 or 0, not a {}", other.name());
                    return Err(Error::invalid(place, text));
                }
            },
        })
    }

    fn aggregate_type(&self, place: &str, function: Aggregate, of: ExprType) -> Result<ExprType> {
        match (function, of) {
            (Aggregate::Count, _) => Ok(Some(FieldType::Integer)),
            (Aggregate::Min | Aggregate::Max, of) => Ok(of),
            (Aggregate::Sum | Aggregate::Avg, Some(of)) if !of.is_numeric() => {
                let text = format!("sum and avg work on numbers, not on a {}", of.name());
                Err(Error::invalid(place, text))
            }
            (Aggregate::Sum | Aggregate::Avg, of) => Ok(of),
        }
    }

    fn check_condition(&self, place: &str, condition: &Condition, depth: usize) -> Result<()> {
        cap("nesting of conditions", depth, limits::NESTING_MAX)?;
        match condition {
            Condition::Compare { left, right, .. } => {
                let (left, right) = (self.searched(place, left)?, self.searched(place, right)?);
                comparable(place, left, right)
            }
            Condition::In { expr, list, .. } => {
                cap("in list", list.len(), limits::IN_LIST_MAX)?;
                let left = self.searched(place, expr)?;
                list.iter().try_for_each(|item| comparable(place, left, item.literal_type()))
            }
            Condition::IsNull { expr, .. } => self.searched(place, expr).map(|_| ()),
            Condition::Like { expr, pattern, .. } => {
                cap("pattern", pattern.len(), limits::PATTERN_BYTES_MAX)?;
                match self.searched(place, expr)? {
                    None | Some(FieldType::Text) => Ok(()),
                    Some(other) => {
                        let text = format!("like works on text, not on a {}", other.name());
                        Err(Error::invalid(place, text))
                    }
                }
            }
            Condition::And(terms) | Condition::Or(terms) => {
                cap("terms of one condition", terms.len(), limits::CHAIN_TERMS_MAX)?;
                terms.iter().try_for_each(|term| self.check_condition(place, term, depth + 1))
            }
            Condition::Not(inner) => self.check_condition(place, inner, depth + 1),
            Condition::Exists { relation, filter, .. } => {
                self.check_exists(place, relation, filter.as_deref(), depth)
            }
        }
    }

    fn check_exists(
        &self,
        place: &str,
        relation: &str,
        filter: Option<&Condition>,
        depth: usize,
    ) -> Result<()> {
        if place == "having" {
            let text = "exists speaks of rows, and having of groups: move it to the where clause";
            return Err(Error::invalid(place, text));
        }
        if self.related {
            return Err(Error::invalid(place, "exists cannot stand inside another exists"));
        }
        let relation = self.base.require_relation(relation)?;
        let Some(filter) = filter else { return Ok(()) };
        let base = self.catalog.require(&relation.target)?;
        let target = Scope { catalog: self.catalog, base, related: true };
        target.check_condition(place, filter, depth + 1)
    }
}

impl FieldType {
    /// The type's name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "whole number",
            Self::Decimal => "decimal",
            Self::Float => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Time => "time of day",
            Self::Binary => "binary value",
            Self::Json => "nested value",
        }
    }
}

impl Literal {
    /// Its type; `None` for null, which compares with everything.
    pub fn literal_type(&self) -> ExprType {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(_) => FieldType::Boolean,
            Self::Integer(_) => FieldType::Integer,
            Self::Decimal(_) => FieldType::Decimal,
            Self::Text(_) => FieldType::Text,
            Self::Date(_) => FieldType::Date,
            Self::Timestamp(_) => FieldType::Timestamp,
        })
    }
}

fn comparable(place: &str, left: ExprType, right: ExprType) -> Result<()> {
    use FieldType::{Date, Timestamp};
    let (Some(left), Some(right)) = (left, right) else { return Ok(()) };
    let same = left == right
        || (left.is_numeric() && right.is_numeric())
        || matches!((left, right), (Date, Timestamp) | (Timestamp, Date));
    if same {
        return Ok(());
    }
    let text = format!("a {} is compared with a {}", left.name(), right.name());
    Err(Error::invalid(place, text))
}

fn condition_has_aggregate(condition: &Condition) -> bool {
    match condition {
        Condition::Compare { left, right, .. } => left.has_aggregate() || right.has_aggregate(),
        Condition::In { expr, .. }
        | Condition::IsNull { expr, .. }
        | Condition::Like { expr, .. } => expr.has_aggregate(),
        Condition::And(terms) | Condition::Or(terms) => terms.iter().any(condition_has_aggregate),
        Condition::Not(inner) => condition_has_aggregate(inner),
        Condition::Exists { filter, .. } => filter.as_deref().is_some_and(condition_has_aggregate),
    }
}

fn count_exists(condition: &Condition) -> usize {
    match condition {
        Condition::Exists { .. } => 1,
        Condition::And(terms) | Condition::Or(terms) => terms.iter().map(count_exists).sum(),
        Condition::Not(inner) => count_exists(inner),
        Condition::Compare { .. }
        | Condition::In { .. }
        | Condition::IsNull { .. }
        | Condition::Like { .. } => 0,
    }
}

fn unknown_field(path: &Path) -> Error {
    Error::new(
        ErrorKind::UnknownField { name: path.to_string() },
        format!("there is no field named {path}"),
    )
}

fn cap(what: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::invalid(what, format!("{what}: {count} given, at most {most} allowed")))
}

#[cfg(test)]
mod tests {
    use super::super::Compare;
    use super::*;
    use crate::testing::sample;

    fn exists(relation: &str, filter: Option<Condition>) -> Condition {
        Condition::Exists {
            relation: relation.into(),
            filter: filter.map(Box::new),
            negated: false,
        }
    }

    fn is(path: &[&str], literal: Literal) -> Condition {
        let (field, relations) = path.split_last().expect("a field");
        let relations = relations.iter().map(|&name| name.to_owned()).collect();
        let left = Expr::Field(Path { relations, field: (*field).to_owned() });
        Condition::Compare { left, op: Compare::Eq, right: Expr::Literal(literal) }
    }

    #[test]
    fn conditions_on_related_rows_are_checked_against_the_target() {
        let text = || Literal::Text("x".into());
        let contact = |filter| exists("billtocontact", Some(filter));
        let nested =
            |depth| (0..depth).fold(is(&["FirstName"], text()), |c, _| Condition::Not(Box::new(c)));
        let count = Expr::Aggregate { function: Aggregate::Count, distinct: false, of: None };
        let one = Expr::Literal(Literal::Integer(1));
        let counted = Condition::Compare { left: count, op: Compare::Eq, right: one };
        let chain = Condition::Or(vec![is(&["FirstName"], text()); limits::CHAIN_TERMS_MAX + 1]);
        for (condition, says) in [
            (exists("BillToContact", None), None),
            (contact(is(&["FirstName"], text())), None),
            (contact(is(&["Account", "Name"], text())), None),
            (contact(nested(limits::NESTING_MAX - 1)), None),
            (contact(nested(limits::NESTING_MAX)), Some("nesting of conditions")),
            (contact(chain), Some("terms of one condition")),
            (exists("BillToContcat", None), Some("(did you mean BillToContact?)")),
            (exists("Name", None), Some("there is no relation named Name in Account")),
            (contact(is(&["Name"], text())), Some("there is no field named Name in Contact")),
            (contact(is(&["FirstName"], Literal::Boolean(true))), Some("compared with a boolean")),
            (
                exists("DefaultPaymentMethod", Some(is(&["AchAccountNumber"], text()))),
                Some("AchAccountNumber is sensitive"),
            ),
            (contact(counted), Some("an aggregate cannot stand")),
            (
                contact(Condition::Not(Box::new(exists("Account", None)))),
                Some("exists cannot stand inside another exists"),
            ),
            (
                Condition::And(vec![exists("BillToContact", None); limits::EXISTS_MAX + 1]),
                Some("exists: 31 given, at most 30 allowed"),
            ),
        ] {
            let mut select = Select::of("Account");
            select.columns = vec![Column {
                label: "Id".into(),
                expr: Expr::own("Id"),
                protection: Protection::Plain,
            }];
            select.filter = Some(condition);
            let outcome = select.check(&sample::catalog()).map_err(|error| error.to_string());
            match (outcome, says) {
                (Ok(()), None) => {}
                (Err(said), Some(says)) => assert!(said.contains(says), "{said}"),
                (outcome, _) => panic!("{outcome:?}, not {says:?}: {:?}", select.filter),
            }
        }
        let mut select = Select::of("Account");
        select.columns = vec![Column {
            label: "Id".into(),
            expr: Expr::own("Id"),
            protection: Protection::Plain,
        }];
        select.group_by = vec![Expr::own("Id")];
        select.having = Some(exists("BillToContact", None));
        let error = select.check(&sample::catalog()).expect_err("a condition on groups");
        assert!(error.to_string().contains("move it to the where clause"), "{error}");
    }
}
