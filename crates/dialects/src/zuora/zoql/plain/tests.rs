//! ZOQL by example: the tables in `cases/`, the caps, and properties over random queries.

mod random;

use chrono_tz::Tz;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::query::Select;
use proptest::prelude::*;

use super::ast::Filter;
use super::parser::parse;
use super::{CONDITIONS_MAX, compile};
use crate::zuora::zoql::tests::random::{near_literal, near_query};
use crate::zuora::zoql::tests::{
    CATALOG, answers, cases_of_properties, check_printing, check_refusals, check_samples,
    is_printed_briefly, is_read_back, meaning, now,
};
use crate::zuora::zoql::{CHARACTERS_MAX, ZoqlError, ZoqlErrorKind};

fn compiled(text: &str) -> Result<Select, ZoqlError> {
    compile(text, &CATALOG, now(), Tz::America__Los_Angeles, true)
}

fn compiled_leniently(text: &str) -> Result<Select, ZoqlError> {
    compile(text, &CATALOG, now(), Tz::America__Los_Angeles, false)
}

#[test]
fn samples_mean_what_the_table_says() {
    check_samples("samples.txt", include_str!("cases/samples.txt"), compiled);
    // What is right in the strict reading means the same in the other one.
    check_samples("samples.txt", include_str!("cases/samples.txt"), compiled_leniently);
}

#[test]
fn samples_are_printed_and_read_back() {
    check_printing("samples.txt", include_str!("cases/samples.txt"), parse);
}

#[test]
fn refusals_say_what_and_where() {
    check_refusals("refusals.txt", include_str!("cases/refusals.txt"), compiled);
}

#[test]
fn before_wsdl_69_days_and_datetimes_stand_for_each_other() {
    for (condition, expected) in [
        (
            "UpdatedDate = '2024-03-10'",
            "(UpdatedDate >= 2024-03-10T08:00:00Z and UpdatedDate < 2024-03-11T07:00:00Z)",
        ),
        ("UpdatedDate > 2024-04-01", "UpdatedDate >= 2024-04-02T07:00:00Z"),
        ("InvoiceDate >= '2024-05-01T02:00:00Z'", "InvoiceDate >= 2024-04-30"),
        ("InvoiceDate < 2024-05-01T02:00:00", "InvoiceDate < 2024-05-01"),
    ] {
        let text = format!("select Id from Invoice where {condition}");
        let strict = compiled(&text).expect_err(&text);
        assert_eq!(strict.kind, ZoqlErrorKind::Value, "{text}: {strict}");
        let lenient = compiled_leniently(&text).expect(&text);
        assert_eq!(meaning(&lenient), format!("Invoice[Invoice.Id] where {expected}"), "{text}");
    }
    for malformed in ["2015-02-30", "2020-04-01T24:00:00", "2020-04-01 00:00:00", "today"] {
        let text = format!("select Id from Invoice where UpdatedDate > '{malformed}'");
        let error = compiled_leniently(&text).expect_err(&text);
        assert_eq!((error.kind, error.column), (ZoqlErrorKind::Value, 44), "{error}");
    }
}

#[test]
fn removed_rate_plans_are_left_out_only_where_the_catalog_can_tell() {
    let object = |name: &str, mut field: serde_json::Value| {
        let id = serde_json::json!({"name": "Id", "type": "text"});
        field["name"] = "AmendmentType".into();
        let raw = serde_json::json!({
            "name": name, "source": "main", "table": "t", "key": ["Id"],
            "tenant_column": "tenant", "fields": [id, field],
        });
        let raw = serde_json::from_value::<RawObject>(raw).expect("a good object");
        Catalog::check(vec![raw]).expect("a good catalog")
    };
    let text = serde_json::json!({"type": "text"});
    let number = serde_json::json!({"type": "integer"});
    let secret = serde_json::json!({"type": "text", "sensitive": true});
    for (catalog, name, added) in [
        (object("RatePlan", text.clone()), "rateplan", true),
        (object("RatePlan", number), "RatePlan", false),
        (object("RatePlan", secret), "RatePlan", false),
        (object("Amendment", text), "Amendment", false),
    ] {
        let select = compile(&format!("select Id from {name}"), &catalog, now(), Tz::UTC, true)
            .expect("a good query");
        assert_eq!(select.filter.is_some(), added, "{select:?}");
        select.check(&catalog).expect("the room behind agrees");
    }
}

#[test]
fn whatever_the_catalog_lists_can_be_asked_for() {
    let catalog = outhaul_exports::testing::catalog();
    for object in catalog.objects() {
        let fields: Vec<_> = object.fields.iter().map(|field| field.name.to_uppercase()).collect();
        let text = format!("SELECT {} FROM {};", fields.join(","), object.name.to_lowercase());
        let select = compile(&text, &catalog, now(), Tz::UTC, true)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let labels: Vec<_> = select.columns.iter().map(|column| column.label.clone()).collect();
        let expected = object.fields.iter().map(|field| format!("{}.{}", object.name, field.name));
        assert_eq!(labels, expected.collect::<Vec<_>>());
        select.check(&catalog).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn and_binds_tighter_than_or() {
    let filter = |text: &str| {
        let query = parse(&format!("select Id from Account where {text}")).expect("a good query");
        let Filter(terms) = query.filter.expect("a filter");
        terms.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(filter("a=1 and b=2 or c=3"), [2, 1]);
    assert_eq!(filter("a=1 or b=2 and c=3"), [1, 2]);
    assert_eq!(filter("a=1 and b=2 and c=3 or d=4 or e=5 and f=6"), [3, 1, 2]);
}

#[test]
fn length_columns_conditions_and_patterns_are_capped() {
    let chained = |terms: usize, word: &str| {
        format!("select Id from Account where {}", vec!["Id<'1'"; terms].join(word))
    };
    let fields = |count: usize| format!("select {} from Account", vec!["Id"; count].join(","));
    let padded = |length: usize| {
        let rest = "select Id from Account where Name = ''".len();
        format!("select Id from Account where Name = '{}'", "é".repeat(length - rest))
    };
    let pattern =
        |length: usize| format!("select Id from Account where Name like '{}'", "_".repeat(length));
    for good in [
        chained(CONDITIONS_MAX, " and "),
        chained(CONDITIONS_MAX, " or "),
        chained(CONDITIONS_MAX / 2, " and Name = 'n' or "),
        fields(2_000),
        padded(CHARACTERS_MAX),
        pattern(4_096),
    ] {
        let select = compiled(&good).expect("within the caps");
        select.check(&CATALOG).expect("the room behind agrees");
    }
    for bad in [
        chained(CONDITIONS_MAX + 1, " and "),
        chained(CONDITIONS_MAX + 1, " or "),
        chained(1_900, " or "),
        fields(2_001),
        padded(CHARACTERS_MAX + 1),
        pattern(4_097),
        format!("select Id from Account where Name = '{}'", "x".repeat(1_000_000)),
    ] {
        let error = compiled(&bad).expect_err("past a cap");
        assert_eq!(error.kind, ZoqlErrorKind::Limit, "{error}");
        assert!(error.message.len() < 200, "{error}");
    }
    let error = compiled(&chained(CONDITIONS_MAX + 1, " and ")).expect_err("past the cap");
    let before = chained(CONDITIONS_MAX, " and ").len() + " and ".len();
    assert_eq!((error.line, error.column), (1, before + 1), "{error}");
    // What other languages nest is refused at its first sign, however much follows.
    for flood in ["(", "not ", "-", "and ", "in ("] {
        let text = format!("select Id from Account where {}", flood.repeat(3_000));
        let error = compiled(&text).expect_err(flood);
        assert_eq!((error.kind, error.line), (ZoqlErrorKind::Syntax, 1), "{error}");
        assert!(error.column <= 40 && error.message.len() < 200, "{error}");
    }
}

proptest! {
    #![proptest_config(cases_of_properties())]

    #[test]
    fn what_is_printed_is_read_back(query in random::query()) {
        is_read_back(&query, parse)?;
    }

    #[test]
    fn printing_does_not_blow_a_query_up(text in near_query()) {
        is_printed_briefly(&text, parse)?;
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        answers(&text, compiled(&text))?;
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        answers(&text, compiled(&text))?;
    }

    #[test]
    fn any_words_are_answered(text in near_query()) {
        answers(&text, compiled(&text))?;
        answers(&text, compiled_leniently(&text))?;
    }

    #[test]
    fn any_literal_is_answered(literal in near_literal()) {
        for (field, quote) in [("UpdatedDate", "'"), ("InvoiceDate", "'"), ("UpdatedDate", "")] {
            let text = format!("select Id from Invoice where {field} > {quote}{literal}{quote}");
            answers(&text, compiled(&text))?;
            answers(&text, compiled_leniently(&text))?;
        }
    }

    /// Whatever the text says, the query asks for it as a value and for nothing else.
    #[test]
    fn a_value_stays_a_value(value in "[ -~é\n\t]{0,40}") {
        use outhaul_exports::query::{Condition, Expr, Literal};
        use crate::zuora::zoql::Language;

        let text = format!("select Id from Account where Name = {}", Language::Zoql.quoted(&value));
        let filter = compiled(&text).map(|select| select.filter);
        let Ok(Some(Condition::Compare { right: Expr::Literal(Literal::Text(found)), .. })) = filter
        else {
            return Err(TestCaseError::fail(format!("{text}: {filter:?}")));
        };
        prop_assert_eq!(found, value);
    }
}
