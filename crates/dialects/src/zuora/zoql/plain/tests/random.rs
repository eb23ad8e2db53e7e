//! Random trees, all of them well-formed.

use super::super::ast::{Comparison, Condition, Filter, Literal, Query, Test};
use proptest::prelude::*;

use crate::zuora::zoql::tests::random::{located, name, text};

fn literal() -> impl Strategy<Value = Literal> {
    let moment = "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,3})?)?)?\
                  (Z|[-+][0-9]{2}:?[0-9]{2})?";
    prop_oneof![
        text().prop_map(Literal::Text),
        "[\u{8}\u{c}\n\r\t'\"\\\\bfnrt]{0,8}".prop_map(Literal::Text),
        "-?[0-9]{1,20}(\\.[0-9]{1,18})?".prop_map(Literal::Number),
        any::<bool>().prop_map(Literal::Boolean),
        moment.prop_map(Literal::Moment),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let compare = (prop::sample::select(Comparison::ALL.to_vec()), literal())
        .prop_map(|(op, value)| Test::Compare { op, value: located(value) });
    let like = text().prop_map(|pattern| Test::Like(located(pattern)));
    let is_null = any::<bool>().prop_map(|negated| Test::IsNull { negated });
    (name(), prop_oneof![3 => compare, 1 => like, 1 => is_null])
        .prop_map(|(field, test)| Condition { field, test })
}

pub fn query() -> impl Strategy<Value = Query> {
    let term = prop::collection::vec(condition(), 1..5);
    let filter = prop::collection::vec(term, 1..5).prop_map(Filter);
    (prop::collection::vec(name(), 1..6), name(), prop::option::of(filter))
        .prop_map(|(fields, object, filter)| Query { fields, object, filter })
}
