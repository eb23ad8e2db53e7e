//! The arguments as tables of cases, and what must hold of every input.

use std::fmt::Write;

use outhaul_exports::catalog::Catalog;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::limits;
use outhaul_exports::query::{
    Column, Compare, Condition, Expr, Literal, OrderBy, Path, Protection, Select,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::QueryError;
use super::filter::filter;
use super::order::order;
use super::selection::{Asked, Content, Property, selection};
use super::{ARGUMENT_BYTES_MAX, Base, DEPTH_MAX, Mistake, PATHS_MAX};
use crate::cortex::documents::{Subject, layout};
use crate::cortex::names::WireNames;

/// What an argument becomes, or is refused with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    paths: Option<String>,
    #[serde(default)]
    include: Option<String>,
    #[serde(default)]
    expand: Option<String>,
    #[serde(default)]
    becomes: Option<String>,
    /// The mistake, the path, and a part of the reason.
    #[serde(default)]
    refused: Option<(String, String, String)>,
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

struct Sample {
    catalog: Catalog,
    names: WireNames,
}

impl Sample {
    fn new() -> Self {
        #[derive(Deserialize)]
        struct Objects {
            objects: Vec<RawObject>,
        }
        let objects: Objects =
            toml::from_str(include_str!("cases/catalog.toml")).expect("the catalog of the cases");
        let catalog = Catalog::check(objects.objects).expect("a sound catalog");
        let names = WireNames::of(&catalog);
        Self { catalog, names }
    }

    fn base(&self, object: &str) -> Base<'_> {
        let object = self.catalog.require(object).expect("an object");
        Base { object, catalog: &self.catalog, names: &self.names }
    }
}

/// The columns of a tree, as an export has them.
fn columns(properties: &[Property]) -> Vec<Column> {
    let subject = Subject { singular: "c_thing", plural: "c_things", files: false };
    layout(&subject, properties).columns
}

fn run(cases: &str, least: usize, read: impl Fn(Base<'_>, &Case) -> Result<String, QueryError>) {
    let sample = Sample::new();
    let cases: Cases = toml::from_str(cases).expect("cases");
    let mut wrong = Vec::new();
    for case in &cases.cases {
        let found = read(sample.base(case.object.as_deref().unwrap_or("Invoice")), case);
        let fine = match (&found, &case.becomes, &case.refused) {
            (Ok(found), Some(becomes), None) => found == becomes,
            (Err(error), None, Some((mistake, path, says))) => {
                kind(error) == mistake && error.path == *path && error.reason.contains(says)
            }
            _ => false,
        };
        if !fine {
            let found = found.map_err(|error| format!("{} {error}", kind(&error)));
            wrong.push(format!("{case:?}\n  is {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.cases.len(), wrong.join("\n"));
    assert!(cases.cases.len() >= least, "only {} cases", cases.cases.len());
}

fn kind(error: &QueryError) -> &'static str {
    match error.mistake {
        Mistake::Argument => "argument",
        Mistake::Property => "property",
    }
}

/// The query with a condition passes the check that stands behind every dialect.
fn sound(base: Base<'_>, condition: &Condition) {
    let mut select = Select::of(base.object.name.clone());
    select.columns = columns(&selection(base, Asked::default()).expect("the default"));
    select.filter = Some(condition.clone());
    select.check(base.catalog).expect("a sound query");
}

#[test]
fn where_becomes_a_condition_or_is_refused() {
    run(include_str!("cases/where.toml"), 130, |base, case| {
        let as_text = filter(base, Some(&Value::String(case.text.clone())));
        if let Ok(value @ Value::Object(_)) = crate::kit::json::parse(case.text.as_bytes()) {
            assert_eq!(filter(base, Some(&value)), as_text, "{}", case.text);
        }
        let condition = as_text?;
        if let Some(condition) = &condition {
            sound(base, condition);
        }
        Ok(condition.map_or("all".to_owned(), |condition| shown(&condition)))
    });
    let sample = Sample::new();
    assert_eq!(filter(sample.base("Invoice"), None), Ok(None));
}

#[test]
fn sort_becomes_an_order_or_is_refused() {
    run(include_str!("cases/sort.toml"), 20, |base, case| {
        let keys = order(base, Some(&Value::String(case.text.clone())))?;
        Ok(keys.iter().map(shown_key).collect::<Vec<_>>().join(", "))
    });
    let sample = Sample::new();
    let keys = order(sample.base("Rate"), None).expect("the default order");
    assert_eq!(keys.iter().map(shown_key).collect::<Vec<_>>(), ["Currency", "Day"]);
    assert!(order(sample.base("Rate"), Some(&json!(["c_day"]))).is_err());
}

#[test]
fn paths_become_properties_or_are_refused() {
    run(include_str!("cases/selection.toml"), 30, |base, case| {
        let json = |text: &Option<String>| {
            text.as_ref().map(|text| serde_json::from_str::<Value>(text).expect("JSON of a case"))
        };
        let (paths, include, expand) = (json(&case.paths), json(&case.include), json(&case.expand));
        let asked =
            Asked { paths: paths.as_ref(), include: include.as_ref(), expand: expand.as_ref() };
        let properties = selection(base, asked)?;
        let mut select = Select::of(base.object.name.clone());
        select.columns = columns(&properties);
        select.check(base.catalog).expect("a sound query");
        Ok(shown_tree(&properties))
    });
}

#[test]
fn columns_have_dotted_headings() {
    let sample = Sample::new();
    let asked = Asked { paths: Some(&json!(["account.owner.lastname"])), ..Asked::default() };
    let properties = selection(sample.base("Invoice"), asked).expect("properties");
    let labels: Vec<_> = columns(&properties).into_iter().map(|column| column.label).collect();
    let owner = "c_account.c_owner";
    let named = [format!("{owner}._id"), format!("{owner}.c_last_name")];
    // The last tells whether there is such an account.
    assert_eq!(labels, ["_id", "c_account._id", &named[0], &named[1], "c_account.found"]);
}

#[test]
fn limits_are_held_at_their_edges() {
    let sample = Sample::new();
    let base = sample.base("Invoice");
    let nested = |levels: usize| {
        (1..levels).fold(json!({"c_quantity": 1}), |inner, _| json!({"$and": [inner]}))
    };
    let alternating = |levels: usize| {
        (1..levels).fold(
            json!({"c_quantity": 1}),
            |inner, _| json!({"c_paid": true, "$or": [inner, {"c_quantity": 2}]}),
        )
    };
    let any = |count: usize| json!({"$or": vec![json!({"c_paid": null}); count]});
    let lists = |count: usize| json!({"$and": vec![json!({"c_items": {"$size": 0}}); count]});
    let values = |count: usize| json!({"c_quantity": {"$in": vec![1; count]}});
    let regex = |length: usize| json!({"c_number": {"$regex": format!("^{}", "a".repeat(length))}});
    for (fits, passes, says) in [
        (nested(DEPTH_MAX), nested(DEPTH_MAX + 1), "nests deeper than 32 levels"),
        (alternating(20), alternating(30), "alternate"),
        // A term, and two for its comparison.
        (any(limits::CHAIN_TERMS_MAX / 3), any(limits::CHAIN_TERMS_MAX / 3 + 1), "500 terms"),
        (lists(limits::EXISTS_MAX), lists(limits::EXISTS_MAX + 1), "more than 30 times"),
        (values(limits::IN_LIST_MAX), values(limits::IN_LIST_MAX + 1), "at most 10000"),
        (regex(4_095), regex(4_096), "more than 4096 bytes"),
    ] {
        let condition = filter(base, Some(&fits)).expect("within the limit");
        sound(base, &condition.expect("a condition"));
        let error = filter(base, Some(&passes)).expect_err(says);
        assert!(error.reason.contains(says), "{error}");
        let text = filter(base, Some(&Value::String(passes.to_string()))).expect_err(says);
        assert!(text.reason.contains(says) || text.reason.contains("nested deeper"), "{text}");
    }
    let many = |count: usize| json!(vec!["_id"; count]);
    let paths = |value: &Value| selection(base, Asked { paths: Some(value), ..Asked::default() });
    assert!(paths(&many(PATHS_MAX)).is_ok());
    let error = paths(&many(PATHS_MAX + 1)).expect_err("too many");
    assert!(error.reason.contains("at most 300 allowed"), "{error}");
}

#[test]
fn huge_and_deep_inputs_are_refused_at_once() {
    let sample = Sample::new();
    let base = sample.base("Invoice");
    let deep = 10_000;
    let mega = 1024 * 1024;
    let texts = [
        format!("{}{}", "{\"$and\":[".repeat(deep), "]}".repeat(deep)),
        format!("{}{}{}", "{\"$not\":".repeat(deep), "{}", "}".repeat(deep)),
        format!("{{\"c_amount\":{}1{}}}", "{\"$not\":".repeat(deep), "}".repeat(deep)),
        "[".repeat(mega),
        "{\"a\":".repeat(mega / 5),
        format!("{{\"c_number\":\"{}\"}}", "x".repeat(mega)),
        format!("{{\"{}\":1}}", "a.".repeat(ARGUMENT_BYTES_MAX / 2 - 10)),
        format!("{{\"{}\":1}}", "x".repeat(ARGUMENT_BYTES_MAX - 10)),
        format!("{{\"{}c_name\":1}}", "c_account.c_owner.".repeat(10_000)),
        " ".repeat(mega),
    ];
    for text in &texts {
        let value = Value::String(text.clone());
        for error in [
            filter(base, Some(&value)).expect_err("a refusal"),
            order(base, Some(&value)).expect_err("a refusal"),
            selection(base, Asked { paths: Some(&value), ..Asked::default() })
                .expect_err("a refusal"),
            selection(base, Asked { expand: Some(&value), ..Asked::default() })
                .expect_err("a refusal"),
        ] {
            assert!(error.reason.len() < 1_000 && error.path.len() < 5_000, "{:.200}", error.path);
        }
    }
    // An object that was read by somebody with more patience than ours.
    for step in ["$and", "$not", "c_amount"] {
        let mut value = Value::Object(Map::new());
        for _ in 0..deep / 10 {
            let inner = if step == "$and" { Value::Array(vec![value]) } else { value };
            value = Value::Object(Map::from_iter([(step.to_owned(), inner)]));
        }
        let error = filter(base, Some(&value)).expect_err(step);
        assert!(step == "c_amount" || error.reason.contains("nests deeper"), "{error}");
    }
}

/// JSON that looks like a filter, right and wrong alike.
fn anything() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        4 => proptest::sample::select(vec![
            "$and", "$or", "$nor", "$not", "$eq", "$ne", "$gt", "$lte", "$in", "$nin", "$exists",
            "$regex", "$options", "$all", "$size", "$elemMatch", "c_number", "c_amount", "c_paid",
            "c_account", "c_account.c_name", "c_items", "c_items.c_sku", "c_created_date", "_id",
        ])
        .prop_map(ToOwned::to_owned),
        1 => ".{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("2026-01-31")),
        Just(json!("x")),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => proptest::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Filters of which many are right.
fn filters() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(|n| json!({"c_quantity": {"$gt": n}})),
        Just(json!({"c_amount": {"$nin": [1, null]}})),
        Just(json!({"c_amount": {"$not": {"$lt": 3, "$ne": 1}}})),
        "[a-z%_.]{0,5}".prop_map(|text| json!({"c_comments": {"$not": {"$regex": text}}})),
        Just(json!({"c_account.c_name": {"$in": []}})),
        Just(json!({"c_items.c_sku": {"$ne": "x"}})),
        Just(json!({})),
    ];
    leaf.prop_recursive(5, 30, 3, |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            list.clone().prop_map(|list| json!({ "$and": list })),
            list.clone().prop_map(|list| json!({ "$or": list })),
            list.prop_map(|list| json!({ "$nor": list })),
            inner.prop_map(|inner| json!({ "$not": inner })),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_panics_and_what_is_accepted_is_sound(value in anything()) {
        let sample = Sample::new();
        let base = sample.base("Invoice");
        if let Ok(Some(condition)) = filter(base, Some(&value)) {
            sound(base, &condition);
        }
        let _outcome = order(base, Some(&value)).is_ok();
        let asked = Asked { paths: Some(&value), include: Some(&value), expand: Some(&value) };
        let _outcome = selection(base, asked).is_ok();
    }

    #[test]
    fn no_text_panics(text in ".{0,60}") {
        let sample = Sample::new();
        let base = sample.base("Invoice");
        let value = Value::String(text);
        let _outcome = filter(base, Some(&value)).is_ok();
        let _outcome = order(base, Some(&value)).is_ok();
        let asked = Asked { paths: Some(&value), ..Asked::default() };
        let _outcome = selection(base, asked).is_ok();
    }

    #[test]
    fn a_filter_negated_twice_is_the_filter(value in filters()) {
        let sample = Sample::new();
        let base = sample.base("Invoice");
        if let Ok(condition) = filter(base, Some(&value)) {
            if let Some(condition) = &condition {
                sound(base, condition);
                prop_assert!(!shown(condition).contains("NOT ("), "{}", shown(condition));
            }
            let twice = filter(base, Some(&json!({"$not": {"$not": value}})));
            prop_assert_eq!(twice, Ok(condition));
        }
    }
}

/// A row: a number that is always there, one that may not be.
type Row = (i64, Option<i64>);

/// Filters over such rows, every one of which is right.
fn numbers() -> impl Strategy<Value = Value> {
    let field = proptest::sample::select(vec!["c_quantity", "c_amount"]);
    let number = prop_oneof![3 => (0..3i64).prop_map(Value::from), 1 => Just(Value::Null)];
    let scalar = (proptest::sample::select(vec!["$gt", "$gte", "$lt", "$lte"]), 0..3i64)
        .prop_map(|(operator, n)| json!({ operator: n }));
    let equal = (proptest::sample::select(vec!["$eq", "$ne"]), number.clone())
        .prop_map(|(operator, n)| json!({ operator: n }));
    let list = proptest::collection::vec(number, 0..3);
    let listed = (proptest::sample::select(vec!["$in", "$nin", "$all"]), list)
        .prop_map(|(operator, list)| json!({ operator: list }));
    let exists = any::<bool>().prop_map(|wanted| json!({ "$exists": wanted }));
    let test = prop_oneof![scalar, equal, listed, exists]
        .prop_recursive(2, 4, 1, |inner| inner.prop_map(|inner| json!({ "$not": inner })));
    let leaf = (field, test).prop_map(|(field, test)| json!({ field: test }));
    leaf.prop_recursive(4, 24, 3, |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..4);
        let joiner = proptest::sample::select(vec!["$and", "$or", "$nor"]);
        prop_oneof![
            3 => (joiner, list).prop_map(|(joiner, list)| json!({ joiner: list })),
            1 => inner.prop_map(|inner| json!({ "$not": inner })),
        ]
    })
}

/// What a filter means, read naively: true or false.
fn means(filter: &Value, row: Row) -> bool {
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    filter.as_object().expect("an object").iter().all(|(key, value)| match key.as_str() {
        "$and" => items(value).iter().all(|item| means(item, row)),
        "$or" => items(value).iter().any(|item| means(item, row)),
        "$nor" => !items(value).iter().any(|item| means(item, row)),
        "$not" => !means(value, row),
        "c_quantity" => passes(value, Some(row.0)),
        _ => passes(value, row.1),
    })
}

fn passes(test: &Value, found: Option<i64>) -> bool {
    let beats = |value: &Value, compare: fn(i64, i64) -> bool| {
        found.is_some_and(|found| compare(found, value.as_i64().expect("a number")))
    };
    let listed = |value: &Value| value.as_array().expect("a list").clone();
    test.as_object().expect("operators").iter().all(|(operator, value)| match operator.as_str() {
        "$eq" => value.as_i64() == found,
        "$ne" => value.as_i64() != found,
        "$gt" => beats(value, |a, b| a > b),
        "$gte" => beats(value, |a, b| a >= b),
        "$lt" => beats(value, |a, b| a < b),
        "$lte" => beats(value, |a, b| a <= b),
        "$in" => listed(value).iter().any(|item| item.as_i64() == found),
        "$nin" => !listed(value).iter().any(|item| item.as_i64() == found),
        "$all" => {
            let list = listed(value);
            !list.is_empty() && list.iter().all(|item| item.as_i64() == found)
        }
        "$exists" => value.as_bool() == Some(found.is_some()),
        "$not" => !passes(value, found),
        other => panic!("{other} is not made here"),
    })
}

/// What a condition means in SQL: true, false, or unknown.
fn holds(condition: &Condition, row: Row) -> Option<bool> {
    let number = |expr: &Expr| match expr {
        Expr::Field(path) if path.field == "Quantity" => Some(row.0),
        Expr::Field(path) if path.field == "Amount" => row.1,
        Expr::Literal(Literal::Integer(value)) => Some(*value),
        other => panic!("{other:?} is not made here"),
    };
    match condition {
        Condition::Compare { left, op, right } => {
            let (left, right) = (number(left)?, number(right)?);
            Some(match op {
                Compare::Eq => left == right,
                Compare::Ne => left != right,
                Compare::Lt => left < right,
                Compare::Le => left <= right,
                Compare::Gt => left > right,
                Compare::Ge => left >= right,
            })
        }
        Condition::In { expr, list, negated } => {
            let found = number(expr)?;
            Some(list.contains(&Literal::Integer(found)) != *negated)
        }
        Condition::IsNull { expr, negated } => Some(number(expr).is_none() != *negated),
        Condition::And(terms) => {
            let terms: Vec<_> = terms.iter().map(|term| holds(term, row)).collect();
            let unknown = if terms.contains(&None) { None } else { Some(true) };
            if terms.contains(&Some(false)) { Some(false) } else { unknown }
        }
        Condition::Or(terms) => {
            let terms: Vec<_> = terms.iter().map(|term| holds(term, row)).collect();
            let unknown = if terms.contains(&None) { None } else { Some(false) };
            if terms.contains(&Some(true)) { Some(true) } else { unknown }
        }
        other => panic!("{other:?} is not made here"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_condition_holds_for_the_rows_that_the_filter_means(value in numbers()) {
        let sample = Sample::new();
        let condition = filter(sample.base("Invoice"), Some(&value)).expect("a filter");
        for quantity in 0..3 {
            for amount in [None, Some(0), Some(1), Some(2)] {
                let row = (quantity, amount);
                let kept = condition.as_ref().is_none_or(|c| holds(c, row) == Some(true));
                prop_assert_eq!(kept, means(&value, row), "{} for {:?}", value, row);
            }
        }
    }
}

fn shown(condition: &Condition) -> String {
    let not = |negated: &bool| if *negated { "NOT " } else { "" };
    match condition {
        Condition::Compare { left, op, right } => {
            let op = match op {
                Compare::Eq => "=",
                Compare::Ne => "<>",
                Compare::Lt => "<",
                Compare::Le => "<=",
                Compare::Gt => ">",
                Compare::Ge => ">=",
            };
            format!("{} {op} {}", shown_expr(left), shown_expr(right))
        }
        Condition::In { expr, list, negated } => {
            let list: Vec<_> = list.iter().map(shown_literal).collect();
            format!("{} {}IN ({})", shown_expr(expr), not(negated), list.join(", "))
        }
        Condition::IsNull { expr, negated } => {
            format!("{} IS {}NULL", shown_expr(expr), not(negated))
        }
        Condition::Like { expr, pattern, negated, ignore_case } => {
            let like = if *ignore_case { "ILIKE" } else { "LIKE" };
            format!("{} {}{like} '{pattern}'", shown_expr(expr), not(negated))
        }
        Condition::Exists { relation, filter, negated } => {
            let mut text = format!("{}EXISTS {relation}", not(negated));
            if let Some(filter) = filter {
                write!(text, " ({})", shown(filter)).expect("a text takes all");
            }
            text
        }
        Condition::And(terms) if terms.is_empty() => "all".into(),
        Condition::Or(terms) if terms.is_empty() => "none".into(),
        Condition::And(terms) => joined(terms, " AND "),
        Condition::Or(terms) => joined(terms, " OR "),
        Condition::Not(inner) => format!("NOT ({})", shown(inner)),
    }
}

fn joined(terms: &[Condition], by: &str) -> String {
    format!("({})", terms.iter().map(shown).collect::<Vec<_>>().join(by))
}

fn shown_expr(expr: &Expr) -> String {
    match expr {
        Expr::Field(path) => path.to_string(),
        Expr::Literal(literal) => shown_literal(literal),
        other => panic!("{other:?} is not made here"),
    }
}

fn shown_literal(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".into(),
        Literal::Boolean(value) => value.to_string(),
        Literal::Integer(value) => value.to_string(),
        Literal::Decimal(value) => value.clone(),
        Literal::Text(value) => format!("'{value}'"),
        Literal::Date(value) => value.to_string(),
        Literal::Timestamp(value) => value.to_rfc3339(),
    }
}

fn shown_key(key: &OrderBy) -> String {
    format!("{}{}", shown_expr(&key.expr), if key.descending { " desc" } else { "" })
}

fn shown_tree(properties: &[Property]) -> String {
    let shown = |Property { name, content }: &Property| match content {
        Content::Value { path, protection, .. } => shown_value(name, path, *protection),
        Content::Document { properties } => format!("{name}:{{{}}}", shown_tree(properties)),
        Content::List { properties, .. } => format!("{name}[{}]", shown_tree(properties)),
        Content::Reference { expanded, properties, .. } => {
            let plus = if *expanded { "+" } else { "" };
            format!("{name}{plus}{{{}}}", shown_tree(properties))
        }
    };
    properties.iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn shown_value(name: &str, path: &Path, protection: Protection) -> String {
    let masked = if protection == Protection::Plain { "" } else { "(masked)" };
    format!("{name}={path}{masked}")
}
