//! Conditions on related rows, as joins.
//!
//! The related rows are brought down to their distinct keys first. A row of the base object then
//! finds one of them or none: no join can double it, and what is held in memory grows with the
//! keys, not with the rows. A condition that must hold by itself is a semi-join or an anti-join;
//! inside OR and NOT it asks whether an outer join has found a key. Null equals nothing in a join,
//! so that a null key relates to nothing on either side.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::Column as Name;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder};
use outhaul_exports::Result;
use outhaul_exports::query::{Condition, DeletedRows};

use super::paths::Related;
use super::{Joins, Scope, rows, unchecked};
use crate::error::planning;
use crate::guard::{Guard, join_name};

/// The conditions that must all hold.
pub(super) fn terms(filter: Option<&Condition>) -> Vec<&Condition> {
    let mut terms = Vec::new();
    let mut open: Vec<&Condition> = filter.into_iter().collect();
    while let Some(condition) = open.pop() {
        match condition {
            Condition::And(inner) => open.extend(inner.iter().rev()),
            term => terms.push(term),
        }
    }
    terms
}

pub(super) fn is_exists(term: &Condition) -> bool {
    matches!(term, Condition::Exists { .. })
}

/// Joins what conditions on related rows ask for. Those among the terms have been seen to then.
pub(super) fn joined(
    mut base: LogicalPlanBuilder,
    terms: &[&Condition],
    deleted: DeletedRows,
    joins: &Joins,
    guards: &[Arc<Guard>],
) -> Result<LogicalPlanBuilder> {
    let join = |base: LogicalPlanBuilder, at: usize, kind: JoinType| {
        let related = &joins.related()[at];
        let keys = keys(related, deleted, joins.guards_of(at, guards))?;
        let (mut there, mut here) = (Vec::new(), Vec::new());
        for (own, other) in &related.relation.columns {
            here.push(Name::new(Some(joins.base_alias()), join_name(own)));
            there.push(key(related, other));
        }
        // The keys are on the left, where a hash join builds its table, as with other joins.
        let base = base.build().map_err(planning)?;
        keys.join(base, kind, (there, here), None).map_err(planning)
    };
    let mut inside = BTreeSet::new();
    for term in terms {
        match term {
            Condition::Exists { relation, filter, negated } => {
                let at = position(joins, relation, filter.as_deref())?;
                let kind = if *negated { JoinType::RightAnti } else { JoinType::RightSemi };
                base = join(base, at, kind)?;
            }
            term => find(term, joins, &mut inside)?,
        }
    }
    for at in inside {
        base = join(base, at, JoinType::Right)?;
    }
    Ok(base)
}

/// Conditions on related rows inside others.
fn find(condition: &Condition, joins: &Joins, found: &mut BTreeSet<usize>) -> Result<()> {
    match condition {
        Condition::Exists { relation, filter, .. } => {
            found.insert(position(joins, relation, filter.as_deref())?);
            Ok(())
        }
        Condition::And(terms) | Condition::Or(terms) => {
            terms.iter().try_for_each(|term| find(term, joins, found))
        }
        Condition::Not(inner) => find(inner, joins, found),
        Condition::Compare { .. }
        | Condition::In { .. }
        | Condition::IsNull { .. }
        | Condition::Like { .. } => Ok(()),
    }
}

fn position(joins: &Joins, relation: &str, filter: Option<&Condition>) -> Result<usize> {
    joins.related_at(relation, filter).ok_or_else(|| unchecked("related rows"))
}

/// The distinct keys of the related rows that count.
fn keys(
    related: &Related,
    deleted: DeletedRows,
    guards: &[Arc<Guard>],
) -> Result<LogicalPlanBuilder> {
    // A query for deleted rows only asks this of its base object; what is related may be either.
    let mode = match deleted {
        DeletedRows::Exclude | DeletedRows::InIncrements => DeletedRows::Exclude,
        DeletedRows::Include | DeletedRows::Only => DeletedRows::Include,
    };
    let joins = &related.joins;
    let mut found = rows(mode, joins, guards)?;
    if let Some(filter) = &related.filter {
        let condition = Scope::new(joins, guards, &found, None).condition(filter)?;
        found = found.filter(condition).map_err(planning)?;
    }
    let names: BTreeSet<_> = related.relation.columns.iter().map(|(_, other)| other).collect();
    let columns = names.into_iter().map(|name| Expr::Column(key(related, name)));
    found.project(columns).map_err(planning)?.distinct().map_err(planning)
}

fn key(related: &Related, column: &str) -> Name {
    Name::new(Some(related.joins.base_alias()), join_name(column))
}

impl Scope<'_> {
    /// Whether the row has found related rows, where they were joined for that.
    pub(super) fn is_found(
        &self,
        relation: &str,
        filter: Option<&Condition>,
        negated: bool,
    ) -> Result<Expr> {
        let at = position(self.joins, relation, filter)?;
        let related = &self.joins.related()[at];
        let (_, column) = related.relation.columns.first().ok_or_else(|| unchecked("no keys"))?;
        let key = Expr::Column(key(related, column));
        Ok(if negated { key.is_null() } else { key.is_not_null() })
    }
}
