//! The two languages as tables of cases, and what must hold of every text.

use std::collections::HashSet;

use outhaul_exports::catalog::Catalog;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::limits;
use outhaul_exports::query::Query;
use proptest::prelude::*;
use serde::Deserialize;
use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::{CHARACTERS_MAX, SqlError, criteria, saved_view, statement, statement_with};
use crate::zoho::names::DisplayNames;

const CATALOG: &str = include_str!("cases/catalog.toml");
const CRITERIA: &str = include_str!("cases/criteria.toml");
const STATEMENTS: &str = include_str!("cases/statements.toml");
const SAVED: &[(&str, &str)] = &[
    (
        "Totals",
        "select Status, count(*) as n, sum(\"Amount\") as \"Total Amount\" from Invoices group by Status",
    ),
    ("Large Totals", "select * from Totals where \"Total Amount\" > 100"),
    ("Loop", "select * from \"Loop\""),
    ("Broken", "select Nothing from Invoices"),
];

#[derive(Deserialize)]
struct Objects {
    objects: Vec<RawObject>,
}

/// What a text becomes, or is refused with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    view: Option<String>,
    text: String,
    #[serde(default)]
    becomes: Option<String>,
    /// The code, `line:column`, and a part of the sentence.
    #[serde(default)]
    refused: Option<(u16, String, String)>,
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

fn catalog() -> (Catalog, DisplayNames) {
    let objects: Objects = toml::from_str(CATALOG).expect("the catalog of the cases");
    let catalog = Catalog::check(objects.objects).expect("a sound catalog");
    let names = DisplayNames::of(&catalog);
    (catalog, names)
}

fn read_criteria(view: &str, text: &str) -> Result<String, SqlError> {
    let (catalog, names) = catalog();
    criteria(text, catalog.require(view).expect("a view"), &catalog, &names)
}

fn read_statement(text: &str) -> Result<String, SqlError> {
    let (catalog, names) = catalog();
    statement(text, &catalog, &names, SAVED).map(|statement| sql(&statement.query))
}

fn sql(query: &Query) -> String {
    match query {
        Query::Sql { text } => text.clone(),
        Query::Select(_) => panic!("a statement stays SQL"),
    }
}

fn run(cases: &str, least: usize, read: impl Fn(&Case) -> Result<String, SqlError>) {
    let cases: Cases = toml::from_str(cases).expect("cases");
    let mut wrong = Vec::new();
    for case in &cases.cases {
        let found = read(case);
        let fine = match (&found, &case.becomes, &case.refused) {
            (Ok(found), Some(becomes), None) => found == becomes,
            (Err(error), None, Some((code, place, says))) => {
                error.code == *code
                    && format!("{}:{}", error.line, error.column) == *place
                    && error.message.contains(says.as_str())
            }
            _ => false,
        };
        if !fine {
            let found = found.map_err(|error| format!("{} {error}", error.code));
            wrong.push(format!(
                "{}\n  is {found:?}\n  not {:?}{:?}",
                case.text, case.becomes, case.refused
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.cases.len(), wrong.join("\n"));
    assert!(cases.cases.len() >= least, "only {} cases", cases.cases.len());
}

#[test]
fn criteria_become_conditions_or_are_refused() {
    run(CRITERIA, 1, |case| read_criteria(case.view.as_deref().unwrap_or("Invoice"), &case.text));
}

#[test]
fn statements_become_queries_or_are_refused() {
    run(STATEMENTS, 1, |case| read_statement(&case.text));
}
