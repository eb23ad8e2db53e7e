//! Random trees, all of them well-formed.

use super::super::ast::{
    Aggregate, Comparison, Condition, DateFunction, Expr, ExprKind, Item, Limit, Literal, Operand,
    Order, Path, Query,
};
use proptest::prelude::*;

use crate::zuora::zoql::tests::random::{located, name, text};

fn path() -> impl Strategy<Value = Path> {
    prop::collection::vec(name(), 1..4).prop_map(Path)
}

fn expr(functions: bool, aggregates: bool) -> BoxedStrategy<Expr> {
    let field = path().prop_map(ExprKind::Field).boxed();
    let date_part = (prop::sample::select(DateFunction::ALL.to_vec()), path())
        .prop_map(|(function, field)| ExprKind::DatePart { function, field });
    let aggregate = (prop::sample::select(Aggregate::ALL.to_vec()), any::<bool>(), path())
        .prop_map(|(function, distinct, field)| {
            let distinct = distinct && function == Aggregate::Count;
            ExprKind::Aggregate { function, distinct, field }
        });
    let kind = match (functions, aggregates) {
        (false, _) => field,
        (true, false) => prop_oneof![field, date_part].boxed(),
        (true, true) => prop_oneof![field, date_part, aggregate, Just(ExprKind::CountAll)].boxed(),
    };
    kind.prop_map(located).boxed()
}

fn operand(functions: bool) -> impl Strategy<Value = Operand> {
    let literal = prop_oneof![
        text().prop_map(Literal::Text),
        "-?[0-9]{1,20}(\\.[0-9]{1,18})?".prop_map(Literal::Number),
        any::<bool>().prop_map(Literal::Boolean),
    ];
    prop_oneof![
        literal.prop_map(|literal| Operand::Literal(located(literal))),
        expr(functions, functions).prop_map(Operand::Expr),
    ]
}

fn condition(functions: bool) -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        (
            expr(functions, functions),
            prop::sample::select(Comparison::ALL.to_vec()),
            operand(functions)
        )
            .prop_map(|(left, op, right)| Condition::Compare { left, op, right }),
        (expr(functions, functions), any::<bool>(), text()).prop_map(|(expr, negated, pattern)| {
            Condition::Like { expr, negated, pattern: located(pattern) }
        }),
        (expr(functions, functions), any::<bool>())
            .prop_map(|(expr, negated)| Condition::IsNull { expr, negated }),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::Or),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    let alias = prop::option::of("[ -~é]{1,10}".prop_map(located));
    prop_oneof![
        Just(Item::All(located(()))),
        name().prop_map(Item::AllOf),
        (expr(true, true), alias).prop_map(|(expr, alias)| Item::Column { expr, alias }),
    ]
}

pub fn query() -> impl Strategy<Value = Query> {
    let order =
        (expr(true, true), any::<bool>()).prop_map(|(expr, descending)| Order { expr, descending });
    let limit = (0..1_000_u64, 0..1_000_000_000_u64).prop_map(|(skip, rows)| Limit { skip, rows });
    (
        prop::collection::vec(item(), 1..4),
        name(),
        prop::option::of(condition(false)),
        prop::collection::vec(expr(true, false), 0..=5),
        prop::option::of(condition(true)),
        prop::collection::vec(order, 0..3),
        prop::option::of(limit),
    )
        .prop_map(|(items, source, filter, group_by, having, order_by, limit)| Query {
            items,
            source,
            filter,
            group_by,
            having,
            order_by,
            limit,
        })
}
