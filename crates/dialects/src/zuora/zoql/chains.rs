//! Long chains of AND and OR, as generated queries have them, in a form that is cheap to plan.
//!
//! Neither language has IN, so clients write lists of keys as `Id = 'a' or Id = 'b' or ...`. Such
//! terms become one list here, and so do `Id != 'a' and Id != 'b'`. What is still longer than the
//! neutral query allows in one chain becomes a chain of chains, which means the same: those who
//! walk a condition later need stack for its depth, not for its length.

use outhaul_exports::limits::{CHAIN_TERMS_MAX, IN_LIST_MAX};
use outhaul_exports::query::{Compare, Condition, Expr, Literal};

/// Terms about one expression from which they become a list.
const LIST_MIN: usize = 3;

/// The word between the terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chain {
    And,
    Or,
}

/// The levels that [`joined`] may put above a term of a chain of that many.
pub(super) fn levels(terms: usize) -> usize {
    if terms > CHAIN_TERMS_MAX { 2 } else { 1 }
}

/// The terms as one condition.
pub(super) fn joined(chain: Chain, terms: Vec<Condition>) -> Condition {
    let mut terms = listed(chain, terms);
    if terms.len() > CHAIN_TERMS_MAX {
        let mut chains = Vec::with_capacity(terms.len().div_ceil(CHAIN_TERMS_MAX));
        while !terms.is_empty() {
            let rest = terms.split_off(terms.len().min(CHAIN_TERMS_MAX));
            chains.push(chain.of(terms));
            terms = rest;
        }
        terms = chains;
    }
    chain.of(terms)
}

impl Chain {
    fn of(self, mut terms: Vec<Condition>) -> Condition {
        match (terms.len(), self) {
            (1, _) => terms.remove(0),
            (_, Self::And) => Condition::And(terms),
            (_, Self::Or) => Condition::Or(terms),
        }
    }
}

/// The terms with those that compare one expression with literals made a list, which stands where
/// the first of them stood.
fn listed(chain: Chain, terms: Vec<Condition>) -> Vec<Condition> {
    let mut groups: Vec<(Expr, usize)> = Vec::new();
    for term in &terms {
        let Some(expr) = member(chain, term) else { continue };
        match groups.iter_mut().find(|(known, _)| known == expr) {
            Some((_, count)) => *count += 1,
            None => groups.push((expr.clone(), 1)),
        }
    }
    groups.retain(|(_, count)| (LIST_MIN..=IN_LIST_MAX).contains(count));
    let mut places: Vec<Option<usize>> = vec![None; groups.len()];
    let mut out = Vec::with_capacity(terms.len());
    for term in terms {
        let group = member(chain, &term)
            .and_then(|expr| groups.iter().position(|(known, _)| known == expr));
        let (Some(group), Condition::Compare { left, right: Expr::Literal(value), .. }) =
            (group, &term)
        else {
            out.push(term);
            continue;
        };
        let at = *places[group].get_or_insert(out.len());
        match out.get_mut(at) {
            Some(Condition::In { list, .. }) => list.push(value.clone()),
            _ => out.push(Condition::In {
                expr: left.clone(),
                list: vec![value.clone()],
                negated: chain == Chain::And,
            }),
        }
    }
    out
}

/// The expression whose list the term can go into. Of booleans there are no lists worth making.
fn member(chain: Chain, term: &Condition) -> Option<&Expr> {
    let wanted = if chain == Chain::Or { Compare::Eq } else { Compare::Ne };
    match term {
        Condition::Compare { left, op, right: Expr::Literal(value) }
            if *op == wanted && !matches!(value, Literal::Boolean(_) | Literal::Null) =>
        {
            Some(left)
        }
        _ => None,
    }
}
