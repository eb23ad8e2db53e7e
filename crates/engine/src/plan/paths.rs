//! Which relations the paths of a query follow: each is joined once, however often it is named.

use std::collections::BTreeSet;
use std::sync::Arc;

use outhaul_exports::catalog::{Catalog, Object, Relation};
use outhaul_exports::query::{Condition, Expr, Path, Select};
use outhaul_exports::{Error, Result};

use super::unchecked;
use crate::guard::View;

/// The objects of a query.
#[derive(Debug)]
pub(crate) struct Joins {
    base: Arc<Object>,
    base_columns: BTreeSet<String>,
    joined: Vec<Joined>,
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
        let mut joins = Self { base, base_columns: BTreeSet::new(), joined: Vec::new() };
        let mut failure = None;
        for_each_value(select, &mut |value| {
            if let Expr::Field(path) = value
                && let Err(error) = joins.follow(path, catalog)
            {
                failure.get_or_insert(error);
            }
        });
        failure.map_or(Ok(joins), Err)
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
                0 => (BASE.to_owned(), &mut self.base_columns),
                at => (self.joined[at - 1].alias.clone(), &mut self.joined[at - 1].columns),
            };
            columns.extend(relation.columns.iter().map(|(own, _)| own.clone()));
            self.joined.push(Joined {
                chain: chain.to_vec(),
                alias: format!("r{}", self.joined.len() + 1),
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
        if at == 0 { BASE } else { &self.joined[at - 1].alias }
    }

    /// Every object with what of it must be seen: the base object, then the joined ones.
    pub(crate) fn objects(&self) -> Vec<(Arc<Object>, View)> {
        let view = |joined: &BTreeSet<String>, counted: bool| View::Select {
            joined: joined.clone(),
            counted,
        };
        // A join keeps the order of rows only where the plan knows of one.
        let base = (Arc::clone(&self.base), view(&self.base_columns, !self.joined.is_empty()));
        let joined =
            self.joined.iter().map(|join| (Arc::clone(&join.object), view(&join.columns, false)));
        std::iter::once(base).chain(joined).collect()
    }

    pub(crate) fn base_alias(&self) -> &'static str {
        BASE
    }

    pub(crate) fn joined(&self) -> &[Joined] {
        &self.joined
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
        Expr::DatePart { of, .. } => inside(of, visit),
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
    }
}
