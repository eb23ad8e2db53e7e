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
    run(CRITERIA, 100, |case| read_criteria(case.view.as_deref().unwrap_or("Invoice"), &case.text));
}

#[test]
fn statements_become_queries_or_are_refused() {
    run(STATEMENTS, 120, |case| read_statement(&case.text));
}

/// The expressions that a test of the whole server compares with their values.
#[derive(Deserialize)]
struct Functions {
    expressions: Vec<(String, String)>,
    aggregates: Vec<(String, String)>,
}

#[test]
fn every_function_of_the_table_is_written_under_its_own_heading() {
    let functions: Functions =
        toml::from_str(include_str!("cases/functions.toml")).expect("functions");
    assert!(functions.expressions.len() >= 150 && functions.aggregates.len() >= 12);
    let (catalog, names) = catalog();
    for (expression, _) in functions.expressions.iter().chain(&functions.aggregates) {
        let text = format!("select {expression} from (select Quantity as n from Invoices) x");
        let read = statement(&text, &catalog, &names, SAVED).expect(expression);
        assert_eq!(read.columns, [expression.split_whitespace().collect::<Vec<_>>().join(" ")]);
    }
}

#[test]
fn saved_queries_are_views_with_columns_and_criteria() {
    let (catalog, names) = catalog();
    let view = |name: &str, columns: Option<&[String]>, criteria: Option<&str>| {
        saved_view(name, columns, criteria, &catalog, &names, SAVED)
    };
    let totals = "WITH \"w 2\" AS (SELECT \"t1\".\"Status\" AS \"c1\", count(*) AS \"c2\", \
                  sum(\"t1\".\"Amount\") AS \"c3\" FROM \"Invoice\" AS \"t1\" GROUP BY \"t1\".\"Status\")";
    let whole = view("Totals", None, None).expect("a view");
    assert_eq!(whole.columns, ["Status", "n", "Total Amount"]);
    assert_eq!(whole.tables, ["Totals", "Invoices"]);
    assert_eq!(
        sql(&whole.query),
        format!(
            "{totals} SELECT \"t\".\"c1\" AS \"Status\", \"t\".\"c2\" AS \"n\", \"t\".\"c3\" AS \
             \"Total Amount\" FROM \"w 2\" AS \"t\""
        )
    );
    let columns = ["Total Amount".to_owned(), "Status".to_owned()];
    let part = view("Totals", Some(&columns), Some("\"n\" > 5 and Totals.Status <> 'x'"));
    let part = part.expect("a view");
    assert_eq!(part.columns, columns);
    assert_eq!(
        sql(&part.query),
        format!(
            "{totals} SELECT \"t\".\"c3\" AS \"Total Amount\", \"t\".\"c1\" AS \"Status\" FROM \
             \"w 2\" AS \"t\" WHERE \"t\".\"c2\" > 5 AND \"t\".\"c1\" <> 'x'"
        )
    );
    for (name, columns, criteria, code) in [
        ("Nothing", None, None, 7409),
        ("Totals", Some(["Statos".to_owned()]), None, 8015),
        ("Totals", None, Some("Amount > 5"), 7330),
        ("Totals", None, Some("n > "), 7331),
        ("Broken", None, None, 7401),
    ] {
        let refused = view(name, columns.as_ref().map(<[_; 1]>::as_slice), criteria);
        assert_eq!(refused.map_err(|error| error.code).map(|_| ()), Err(code), "{name}");
    }
}

#[test]
fn tables_are_narrowed_before_they_are_joined() {
    let (catalog, names) = catalog();
    let narrowed = |text: &str, criteria: &[(&str, &str)]| {
        let own = |(table, text): &(&str, &str)| ((*table).to_owned(), (*text).to_owned());
        let criteria: Vec<_> = criteria.iter().map(own).collect();
        statement_with(text, &catalog, &names, SAVED, &criteria)
    };
    let read = narrowed("select Amount from Invoices i", &[("Invoices", "\"Payment No.\" = 'x'")]);
    let text = sql(&read.expect("a statement").query);
    let from = "FROM \"Invoice\" WHERE (\"InvoiceNumber\" = 'x')) AS \"t1\"";
    assert!(text.contains(from), "{text}");
    let read = narrowed("select n from Totals", &[("Totals", "n > 5"), ("Invoices", "Amount > 1")]);
    let text = sql(&read.expect("a statement").query);
    for part in ["WHERE (\"t\".\"c2\" > 5)", "FROM \"Invoice\" WHERE (\"Amount\" > 1)"] {
        assert!(text.contains(part), "{text}");
    }
    let refused = narrowed("select Amount from Invoices", &[("Invoices", "Nothing = 1")]);
    assert_eq!(refused.map_err(|error| error.code).map(|_| ()), Err(7330));
}

#[test]
fn bounds_are_kept_and_nothing_overflows() {
    let chain = |term: &str, by: &str, n: usize| vec![term; n].join(by);
    let nested = |open: &str, inside: &str, close: &str, n: usize| {
        format!("{}{inside}{}", open.repeat(n), close.repeat(n))
    };
    for (text, fine) in [
        (chain("Amount = 1", " or ", 400), true),
        (chain("Amount = 1", " or ", 501), false),
        (chain("Amount = 1", " and ", 7_000), false),
        (format!("{} > 5", chain("Amount", " + ", 400)), true),
        (format!("{} > 5", chain("1", "+", 49_000)), false),
        (format!("Status in ({})", chain("'a'", ",", 3_000)), true),
        (format!("Status in ({})", chain("'a'", ",", 10_001)), false),
        (nested("(", "Amount = 1", ")", 20), true),
        (nested("(", "Amount = 1", ")", 49_000), false),
        (nested("not ", "Amount = 1", "", 20_000), false),
        (nested("- ", "Amount = 1", "", 20_000), false),
        (nested("", "Amount", " is null", 10_000), false),
        (nested("cast(", "1", " as char)", 45), false),
        (nested("cast(", "1", "", 45), false),
        (nested("not(", "1", "", 45), false),
        (nested("case when ", "1", "", 45), false),
        (nested("case(", "1", "", 45), false),
        (nested("if(1=1,", "Amount", ",1)", 20), false),
        (nested("timestampdiff(month, ", "\"Date\"", ", now())", 20), false),
        (chain("x", " ", CHARACTERS_MAX), false),
        ("é".repeat(CHARACTERS_MAX + 1), false),
        (format!("Status = '{}'", "x".repeat(limits::QUERY_CHARS_MAX)), false),
        (format!("\"{}\" = 1", "x".repeat(90_000)), false),
    ] {
        let short: String = text.chars().take(40).collect();
        let read = read_criteria("Invoice", &text);
        assert_eq!(read.is_ok(), fine, "{short}: {:?}", read.err());
    }
    for (text, fine) in [
        (chain("select Id from Invoices", " union all ", 90), false),
        (chain("select Id from Invoices", " union all ", 40), true),
        (format!("select Id from {}", chain("Invoices", ", ", 61)), false),
        (nested("select * from (", "select Id from Invoices", ") x", 10), true),
        (nested("select * from (", "select Id from Invoices", ") x", 200), false),
        (nested("select * from ((", "select Id from", ") x)", 20), false),
        (nested("select * from (((", "x", "", 40), false),
        (format!("select {} from Invoices", chain("Amount", ",", 2_001)), false),
        (nested("(", "select Id from Invoices", ")", 5), true),
        (nested("(", "select Id from Invoices", ")", 200), false),
    ] {
        let short: String = text.chars().take(40).collect();
        let read = read_statement(&text);
        assert_eq!(read.is_ok(), fine, "{short}: {:?}", read.err());
    }
}

/// What every answer promises.
fn check(text: &str, read: &Result<String, SqlError>, identifiers: &HashSet<String>) {
    match read {
        Err(error) => {
            assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty(), "{text}");
            assert!(error.message.chars().count() < 2_000, "{text}: {error}");
            assert!(!error.message.contains(char::is_control), "{text}: {error:?}");
        }
        Ok(sql) => {
            let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().expect(sql);
            for token in tokens {
                if let Token::Word(word) = &token
                    && word.quote_style.is_some()
                {
                    let ours = word.value.trim_start_matches(['t', 'c', 'w', ' ']);
                    let ours = ours.bytes().all(|b| b.is_ascii_digit());
                    assert!(ours || identifiers.contains(&word.value), "{text}: {sql}: {word}");
                }
            }
        }
    }
}

fn fragment() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "select",
        "from",
        "where",
        "group by",
        "order by",
        "having",
        "limit",
        "union all",
        "join",
        "on",
        "using",
        "as",
        "(",
        ")",
        ",",
        ".",
        "*",
        "=",
        "<>",
        "<",
        "+",
        "-",
        "/",
        "%",
        "div",
        "mod",
        "and",
        "or",
        "not",
        "in",
        "like",
        "between",
        "is null",
        "case",
        "when",
        "then",
        "else",
        "end",
        "interval",
        "day",
        "cast",
        "date",
        "count(*)",
        "sum",
        "max",
        "concat",
        "if",
        "year",
        "substring",
        "group_concat",
        "timestampdiff",
        "exists",
        "Invoices",
        "Customers",
        "Totals",
        "\"Invoices\"",
        "i",
        "c",
        "\"Payment No.\"",
        "Amount",
        "Quantity",
        "\"Date\"",
        "Created",
        "Status",
        "Seats",
        "\"Auto Pay?\"",
        "tenant",
        "\"x\"",
        "`y`",
        "1",
        "2.5",
        "'a'",
        "'2026-01-01'",
        "'01-Jan-2026'",
        "null",
        "true",
        ";",
        "--",
        "/*",
        "*/",
        "'",
        "\"",
        "||",
        "with",
        "distinct",
    ]);
    prop_oneof![9 => known.prop_map(ToOwned::to_owned), 1 => "\\PC{0,4}"]
}

/// Conditions that are often understood.
fn condition() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "Amount",
        "\"Quantity\"",
        "Seats",
        "Status",
        "\"Date\"",
        "i.Created",
        "1",
        "2.50",
        "'x'",
        "'2026-01-01'",
        "null",
        "year(\"Date\")",
        "upper(Status)",
        "count(*)",
        "sum(Amount)",
        "(select max(Amount) from Invoices)",
    ]);
    let op =
        prop::sample::select(vec!["=", "<>", "<", ">=", "like", "+", "*", "/", "in", "and", "or"]);
    let leaf = value.prop_map(ToOwned::to_owned);
    leaf.prop_recursive(4, 16, 3, move |inner| {
        let op = op.clone();
        (inner.clone(), op, inner, 0..6).prop_map(|(left, op, right, shape)| match (shape, op) {
            (_, "in") => format!("{left} in ({right})"),
            (0, _) => format!("not ({left} {op} {right})"),
            (1, _) => format!("if({left} = {right}, {left}, {right})"),
            (2, _) => format!("concat({left}, {right})"),
            (3, _) => format!("({left} {op} {right})"),
            _ => format!("{left} {op} {right}"),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_the_readers(parts in prop::collection::vec(fragment(), 0..24)) {
        let text = parts.join(" ");
        let (catalog, _) = catalog();
        let fields = catalog.objects().flat_map(|object| &object.fields);
        let mut known: HashSet<String> = fields.map(|field| field.name.clone()).collect();
        check(&text, &read_criteria("Invoice", &text), &known);
        known.extend(catalog.objects().map(|object| object.name.clone()));
        let (catalog, names) = self::catalog();
        let read = statement(&text, &catalog, &names, SAVED);
        // The headings of the result are the client's to choose.
        known.extend(read.iter().flat_map(|read| read.columns.clone()));
        check(&text, &read.map(|read| sql(&read.query)), &known);
    }

    #[test]
    fn what_is_understood_names_only_what_the_catalog_has(condition in condition(), shape in 0..3) {
        let text = match shape {
            0 => format!("select Status from Invoices i where {condition}"),
            1 => format!("select Status, {condition} as x from Invoices i group by Status having {condition}"),
            _ => format!("select {condition} from Invoices i join Customers c on c.Id = i.AccountId order by {condition}"),
        };
        let (catalog, names) = catalog();
        let fields = catalog.objects().flat_map(|object| &object.fields);
        let mut known: HashSet<String> = fields.map(|field| field.name.clone()).collect();
        check(&condition, &read_criteria("Invoice", &condition), &known);
        known.extend(catalog.objects().map(|object| object.name.clone()));
        let read = statement(&text, &catalog, &names, SAVED);
        known.extend(read.iter().flat_map(|read| read.columns.clone()));
        check(&text, &read.map(|read| sql(&read.query)), &known);
    }
}
