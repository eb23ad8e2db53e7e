//! Which relations the paths of a query follow: each is joined once, however often it is named.
//! Conditions on related rows are kept apart: each has paths of its own, which start at its target.

use std::collections::BTreeSet;
use std::sync::Arc;

use outhaul_exports::catalog::{Catalog, Object, Relation};
use outhaul_exports::query::{Condition, Expr, Path, Select};
use outhaul_exports::{Error, Result};

use super::unchecked;
use crate::guard::{Guard, View};

/// The objects of a query, or of a condition on related rows.
#[derive(Debug)]
pub(crate) struct Joins {
    base: Arc<Object>,
    /// The base object's name in the plan.
    alias: String,
    base_columns: BTreeSet<String>,
    joined: Vec<Joined>,
    related: Vec<Related>,
    listed: Vec<Listed>,
}

/// The rows of a list.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The relation of the base object.
    pub(super) relation: Relation,
    /// The target.
    pub(super) joins: Joins,
}

/// The rows that a condition on related rows asks for.
#[derive(Debug)]
pub(crate) struct Related {
    /// The relation of the base object.
    pub(super) relation: Relation,
    /// Which rows of its target count.
    pub(super) filter: Option<Condition>,
    /// The target, and what the paths of the filter lead to.
    pub(super) joins: Joins,
}

/// One object that a relation leads to.
#[derive(Debug)]
pub(crate) struct Joined {
    /// The relations from the base object to it.
    chain: Vec<String>,
    /// Its name in the plan.
    pub(crate) alias: String,
    /// The name in the plan of the object whose relation it is.
    pub(crate) parent: String,
    /// The relation.
    pub(crate) relation: Relation,
    object: Arc<Object>,
    columns: BTreeSet<String>,
}

const BASE: &str = "base";

impl Joins {
    /// Follows every path of the query.
    pub(crate) fn of(select: &Select, catalog: &Catalog) -> Result<Self> {
        let base = Arc::clone(catalog.require(&select.object)?);
        let mut joins = Self::starting_at(base, BASE.to_owned());
        let mut failure = None;
        for_each_value(select, &mut |value| joins.see(value, catalog, &mut failure));
        if let Some(filter) = &select.filter {
            joins.relate(filter, catalog)?;
        }
        for list in &select.lists {
            let relation = joins.base.require_relation(&list.relation)?.clone();
            let target = Arc::clone(catalog.require(&relation.target)?);
            let mut joined = Self::alone(target);
            joined.base_columns.extend(relation.columns.iter().map(|(_, there)| there.clone()));
            joins.listed.push(Listed { relation, joins: joined });
        }
        failure.map_or(Ok(joins), Err)
    }

    /// An object, and nothing that its relations lead to.
    pub(super) fn alone(base: Arc<Object>) -> Self {
        Self::starting_at(base, BASE.to_owned())
    }

    fn starting_at(base: Arc<Object>, alias: String) -> Self {
        let (joined, related, listed) = (Vec::new(), Vec::new(), Vec::new());
        Self { base, alias, base_columns: BTreeSet::new(), joined, related, listed }
    }

    /// Follows the path of a value, if it is one.
    fn see(&mut self, value: &Expr, catalog: &Catalog, failure: &mut Option<Error>) {
        if let Expr::Field(path) = value
            && let Err(error) = self.follow(path, catalog)
        {
            failure.get_or_insert(error);
        }
    }

    /// Takes up the conditions on related rows, equal ones once.
    fn relate(&mut self, condition: &Condition, catalog: &Catalog) -> Result<()> {
        match condition {
            Condition::Exists { relation, filter, .. } => {
                if self.related_at(relation, filter.as_deref()).is_some() {
                    return Ok(());
                }
                let relation = self.base.require_relation(relation)?.clone();
                let target = Arc::clone(catalog.require(&relation.target)?);
                let mut joins = Self::starting_at(target, format!("x{}", self.related.len() + 1));
                self.base_columns.extend(relation.columns.iter().map(|(own, _)| own.clone()));
                joins.base_columns.extend(relation.columns.iter().map(|(_, other)| other.clone()));
                let mut failure = None;
                if let Some(filter) = filter {
                    of_condition(filter, &mut |value| joins.see(value, catalog, &mut failure));
                }
                self.related.push(Related { relation, filter: filter.as_deref().cloned(), joins });
                failure.map_or(Ok(()), Err)
            }
            Condition::And(terms) | Condition::Or(terms) => {
                terms.iter().try_for_each(|term| self.relate(term, catalog))
            }
            Condition::Not(inner) => self.relate(inner, catalog),
            Condition::Compare { .. }
            | Condition::In { .. }
            | Condition::IsNull { .. }
            | Condition::Like { .. } => Ok(()),
        }
    }

    /// Which of the related rows a condition means.
    pub(super) fn related_at(&self, relation: &str, filter: Option<&Condition>) -> Option<usize> {
        let same = |related: &Related| {
            related.relation.name.eq_ignore_ascii_case(relation)
                && related.filter.as_ref() == filter
        };
        self.related.iter().position(same)
    }

    fn follow(&mut self, path: &Path, catalog: &Catalog) -> Result<()> {
        for depth in 1..=path.relations.len() {
            let chain = &path.relations[..depth];
            if self.joined.iter().any(|join| same_chain(&join.chain, chain)) {
                continue;
            }
            let name = &chain[depth - 1];
            let at = self.position(&chain[..depth - 1]).ok_or_else(|| unchecked("a path"))?;
            let object = if at == 0 { &self.base } else { &self.joined[at - 1].object };
            let relation = object.relation(name).ok_or_else(|| {
                Error::invalid(path.to_string(), format!("there is no relation {name}"))
            })?;
            let relation = relation.clone();
            let target = Arc::clone(catalog.require(&relation.target)?);
            let (parent, columns) = match at {
                0 => (self.alias.clone(), &mut self.base_columns),
                at => (self.joined[at - 1].alias.clone(), &mut self.joined[at - 1].columns),
            };
            columns.extend(relation.columns.iter().map(|(own, _)| own.clone()));
            let prefix = if self.alias == BASE { "" } else { &self.alias };
            let alias = format!("{prefix}r{}", self.joined.len() + 1);
            self.joined.push(Joined {
                chain: chain.to_vec(),
                alias,
                parent,
                columns: relation.columns.iter().map(|(_, other)| other.clone()).collect(),
                relation,
                object: target,
            });
        }
        Ok(())
    }

    /// 0 for the base object, then the joined objects.
    pub(super) fn position(&self, chain: &[String]) -> Option<usize> {
        if chain.is_empty() {
            return Some(0);
        }
        self.joined.iter().position(|join| same_chain(&join.chain, chain)).map(|at| at + 1)
    }

    pub(super) fn alias(&self, at: usize) -> &str {
        if at == 0 { &self.alias } else { &self.joined[at - 1].alias }
    }

    /// Every object with what of it must be seen: the base object, the joined ones, those of each
    /// condition on related rows, and the targets of lists.
    pub(crate) fn objects(&self) -> Vec<(Arc<Object>, View)> {
        // A join keeps the order of rows only where the plan knows of one.
        let mut objects = self.views(self.is_joined());
        objects.extend(self.related.iter().flat_map(|related| related.joins.views(false)));
        objects.extend(self.listed.iter().flat_map(|listed| listed.joins.views(false)));
        objects
    }

    /// Whether anything is joined to the base object's rows.
    pub(super) fn is_joined(&self) -> bool {
        !self.joined.is_empty() || !self.related.is_empty()
    }

    fn views(&self, counted: bool) -> Vec<(Arc<Object>, View)> {
        let view = |joined: &BTreeSet<String>, counted: bool| View::Select {
            joined: joined.clone(),
            counted,
        };
        let base = (Arc::clone(&self.base), view(&self.base_columns, counted));
        let joined =
            self.joined.iter().map(|join| (Arc::clone(&join.object), view(&join.columns, false)));
        std::iter::once(base).chain(joined).collect()
    }

    pub(crate) fn base_alias(&self) -> &str {
        &self.alias
    }

    pub(crate) fn joined(&self) -> &[Joined] {
        &self.joined
    }

    pub(super) fn related(&self) -> &[Related] {
        &self.related
    }

    /// The lists, each with the guard of its target, out of those of [`Joins::objects`].
    pub(super) fn listed<'g>(
        &self,
        guards: &'g [Arc<Guard>],
    ) -> impl Iterator<Item = (&Listed, &'g [Arc<Guard>])> {
        // They stand at the end, one for each.
        let targets = &guards[guards.len() - self.listed.len()..];
        self.listed.iter().zip(targets.chunks(1))
    }

    /// The guards of the `at`th condition on related rows, out of those of [`Joins::objects`].
    pub(super) fn guards_of<'g>(&self, at: usize, guards: &'g [Arc<Guard>]) -> &'g [Arc<Guard>] {
        let count = |joins: &Self| 1 + joins.joined.len();
        let before = self.related[..at].iter().map(|related| count(&related.joins));
        let first = count(self) + before.sum::<usize>();
        &guards[first..first + count(&self.related[at].joins)]
    }
}

fn same_chain(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// Visits every value of a query, and the values inside it.
pub(super) fn for_each_value(select: &Select, visit: &mut impl FnMut(&Expr)) {
    for column in &select.columns {
        inside(&column.expr, visit);
    }
    for key in &select.group_by {
        inside(key, visit);
    }
    for key in &select.order_by {
        inside(&key.expr, visit);
    }
    for condition in select.filter.iter().chain(&select.having) {
        of_condition(condition, visit);
    }
}

fn inside(value: &Expr, visit: &mut impl FnMut(&Expr)) {
    visit(value);
    match value {
        Expr::Field(_) | Expr::Literal(_) | Expr::IsDeleted => {}
        Expr::Aggregate { of, .. } => {
            if let Some(of) = of {
                inside(of, visit);
            }
        }
        Expr::DatePart { of, .. } | Expr::AsNumber(of) => inside(of, visit),
        Expr::JsonWithout { of, .. } => visit(&Expr::Field(of.clone())),
        Expr::Convert { amount, currency, .. } => {
            inside(amount, visit);
            inside(currency, visit);
        }
        Expr::Coalesce(list) => list.iter().for_each(|value| inside(value, visit)),
    }
}

fn of_condition(condition: &Condition, visit: &mut impl FnMut(&Expr)) {
    match condition {
        Condition::Compare { left, right, .. } => {
            inside(left, visit);
            inside(right, visit);
        }
        Condition::In { expr, .. }
        | Condition::IsNull { expr, .. }
        | Condition::Like { expr, .. } => inside(expr, visit),
        Condition::And(terms) | Condition::Or(terms) => {
            terms.iter().for_each(|term| of_condition(term, visit));
        }
        Condition::Not(inner) => of_condition(inner, visit),
        // Its values are not of this query's base object.
        Condition::Exists { .. } => {}
    }
}
