//! Export ZOQL by example: the tables in `cases/`, the caps, and properties over random queries.

mod random;

use chrono_tz::Tz;
use outhaul_exports::catalog::Cardinality;
use outhaul_exports::query::Select;
use proptest::prelude::*;

use super::parser::parse;
use super::{Zones, compile};
use crate::zuora::zoql::tests::{
    CATALOG, answers, cases_of_properties, check_printing, check_refusals, check_samples,
    is_printed_briefly, is_read_back, meaning, now,
    random::{near_literal, near_query},
};
use crate::zuora::zoql::{CHARACTERS_MAX, DEPTH_MAX, TERMS_MAX, ZoqlError, ZoqlErrorKind};

fn compiled(text: &str) -> Result<Select, ZoqlError> {
    compile(text, &CATALOG, now(), Tz::America__Los_Angeles)
}

#[test]
fn samples_mean_what_the_table_says() {
    check_samples("samples.txt", include_str!("cases/samples.txt"), compiled);
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
fn whatever_the_catalog_lists_can_be_asked_for() {
    let catalog = outhaul_exports::testing::catalog();
    for object in catalog.objects() {
        let mut items = vec!["*".to_owned(), format!("{}.*", object.name)];
        items.extend(object.fields.iter().map(|field| field.name.to_uppercase()));
        for relation in object.relations.iter().filter(|r| r.cardinality == Cardinality::ToOne) {
            items.push(format!("{}.*", relation.name));
            items.push(format!("{}.ID", relation.name.to_lowercase()));
        }
        let text = format!("select {} from {}", items.join(", "), object.name);
        let select = compile(&text, &catalog, now(), Tz::UTC)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(select.columns.len() > items.len(), "{text}");
        select.check(&catalog).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn texts_that_clients_compare_are_kept_byte_for_byte() {
    let message = |query: &str| compiled(query).expect_err(query).message;
    assert_eq!(
        message("select Name, count(Id) from Account"),
        "One or more columns in the SELECT statement does not appear in the GROUP BY statement."
    );
    assert_eq!(
        message("select Name as X, Id as X from Account"),
        "Duplicate column aliases X were defined."
    );
    assert!(message("select Qqq from Account").starts_with("There is no field named Qqq"));
    assert!(message("select Id from Qqq").contains("noSuchDataSource"));
}

#[test]
fn headings_of_functions_are_their_text() {
    let select = compiled("select COUNT(DISTINCT id), Max(updateddate), count('*') from invoice")
        .expect("a good query");
    let labels: Vec<_> = select.columns.iter().map(|column| column.label.as_str()).collect();
    assert_eq!(labels, ["count(distinct Invoice.Id)", "max(Invoice.UpdatedDate)", "count(*)"]);
}

#[test]
fn literals_have_a_zone_of_their_own_and_functions_the_tenants() {
    let zones = Zones { literals: Tz::Asia__Tokyo, calendar: Tz::America__Los_Angeles };
    let text = "select date(UpdatedDate) from Invoice \
                where UpdatedDate >= '2024-04-01T00:00' and InvoiceDate = UpdatedDate";
    let select = compile(text, &CATALOG, now(), zones).expect("a good query");
    // `meaning` proves that every function has the tenant's zone.
    let expected = "Invoice[date(Invoice.UpdatedDate)] where \
                    (UpdatedDate >= 2024-03-31T15:00:00Z and InvoiceDate = date(UpdatedDate))";
    assert_eq!(meaning(&select), expected);
}

#[test]
fn length_nesting_chains_and_lists_are_capped() {
    let query = |condition: String| format!("select Id from Account where {condition}");
    let term = "Id = 'a'";
    let nested = |depth: usize| query(format!("{}{term}{}", "(".repeat(depth), ")".repeat(depth)));
    let negated = |depth: usize| query(format!("{}{term}", "not ".repeat(depth)));
    let chained = |terms: usize, word: &str| query(vec![term; terms].join(word));
    // Each level is an AND with an OR in it: two levels of the tree for one pair of parentheses.
    let ladder = |depth: usize| {
        let rung = format!("{term} or {term} and (");
        query(format!("{}{term}{}", rung.repeat(depth), ")".repeat(depth)))
    };
    let padded = |length: usize| {
        let rest = "select Id from Account where Name = ''".len();
        format!("select Id from Account where Name = '{}'", "é".repeat(length - rest))
    };
    let fields = |count: usize| format!("select {} from Account", vec!["Id"; count].join(","));
    // No list of keys: a chain of chains.
    let below = |terms: usize, word: &str| query(vec!["Id<'1'"; terms].join(word));
    for good in [
        nested(DEPTH_MAX),
        negated(DEPTH_MAX),
        chained(1_400, " and "),
        chained(1_500, " or "),
        below(501, " and "),
        below(1_800, "and "),
        below(TERMS_MAX - 5, "or "),
        query(format!("{}{}{}", "(".repeat(40), vec!["Id<'1'"; 1_900].join("or "), ")".repeat(40))),
        ladder(20),
        padded(CHARACTERS_MAX),
        fields(2_000),
        query(format!("Name like '{}'", "%".repeat(5_000))),
    ] {
        let select = compiled(&good).expect("within the caps");
        select.check(&CATALOG).expect("the room behind agrees");
    }
    for bad in [
        nested(DEPTH_MAX + 1),
        nested(9_000),
        negated(DEPTH_MAX + 1),
        negated(4_000),
        query("(".repeat(10_000)),
        query(vec!["a=''"; TERMS_MAX + 1].join(" or ")),
        query(vec!["a=''"; TERMS_MAX + 1].join("and ")),
        ladder(30),
        padded(CHARACTERS_MAX + 1),
        fields(2_001),
        fields(5_000),
        format!("select {} from Account", vec!["*"; 500].join(",")),
        query(format!("Name like '{}'", "%a".repeat(101))),
        query(format!("Name like '{}'", "a".repeat(4_097))),
        format!("select Id from Account order by {}", vec!["Id"; 51].join(",")),
        format!("select {}Id from Account", "a.".repeat(100)),
    ] {
        let error = compiled(&bad).expect_err("past a cap");
        assert_eq!(error.kind, ZoqlErrorKind::Limit, "{error}");
        assert!(error.message.len() < 200, "{error}");
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
    }

    #[test]
    fn any_literal_is_answered(literal in near_literal()) {
        let text = format!("select Id from Invoice where UpdatedDate > '{literal}'");
        answers(&text, compiled(&text))?;
        let text = format!("select Id from Invoice where InvoiceDate != '{literal}'");
        answers(&text, compiled(&text))?;
    }
}
