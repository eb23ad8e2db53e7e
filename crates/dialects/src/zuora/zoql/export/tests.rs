//! Export ZOQL by example: the tables in `cases/`, the caps, and properties over random queries.

mod meaning;
mod random;

use std::fmt::Write as _;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::catalog::{Cardinality, Catalog};
use outhaul_exports::query::Select;
use proptest::prelude::*;

use self::meaning::meaning;
use super::parser::parse;
use super::{Zones, compile};
use crate::zuora::zoql::{CHARACTERS_MAX, DEPTH_MAX, TERMS_MAX, ZoqlError, ZoqlErrorKind};

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

fn catalog() -> Catalog {
    let field =
        |name: &str, field_type: &str| serde_json::json!({"name": name, "type": field_type});
    let to_one = |name: &str, target: &str| {
        let columns = serde_json::json!({"k": "id"});
        serde_json::json!({"name": name, "target": target, "columns": columns})
    };
    let object = |name: &str, fields: Vec<serde_json::Value>, relations: Vec<serde_json::Value>| {
        let raw = serde_json::json!({
            "name": name, "source": "main", "table": "account_physical", "key": ["Id"],
            "tenant_column": "tenant", "fields": fields, "relations": relations,
        });
        serde_json::from_value::<RawObject>(raw).expect("a good object")
    };
    let with = |mut field: serde_json::Value, mark: &str| {
        field[mark] = true.into();
        field
    };
    let account = vec![
        field("Id", "text"),
        field("AccountNumber", "text"),
        field("Name", "text"),
        field("AutoPay", "boolean"),
        field("BillCycleDay", "integer"),
        field("Balance", "decimal"),
        field("MRR", "decimal"),
        field("Score", "float"),
        with(field("TaxId", "text"), "sensitive"),
        field("CreatedDate", "timestamp"),
        field("UpdatedDate", "timestamp"),
        with(field("Notes", "text"), "optional"),
        with(field("Attributes", "json"), "optional"),
    ];
    let mut invoices = to_one("Invoices", "Invoice");
    invoices["cardinality"] = "to_many".into();
    let contact = vec![field("Id", "text"), field("City", "text"), field("Country", "text")];
    let invoice = vec![
        field("Id", "text"),
        field("InvoiceDate", "date"),
        field("Amount", "decimal"),
        field("CreatedDate", "timestamp"),
        field("UpdatedDate", "timestamp"),
    ];
    let order = vec![field("Id", "text"), field("Group", "text"), field("Limit", "integer")];
    Catalog::check(vec![
        object("Account", account, vec![to_one("BillToContact", "Contact"), invoices]),
        object("Contact", contact, vec![]),
        object(
            "Invoice",
            invoice,
            vec![to_one("Account", "Account"), to_one("BillToContact", "Contact")],
        ),
        object("Order", order, vec![]),
    ])
    .expect("a good catalog")
}

fn now() -> DateTime<Utc> {
    "2024-05-15T18:30:00Z".parse().expect("a good instant")
}

fn compiled(text: &str) -> Result<Select, ZoqlError> {
    compile(text, &CATALOG, now(), Tz::America__Los_Angeles)
}

/// The query and the verdict of every case in a table, with the line of the query.
fn cases(table: &'static str) -> Vec<(usize, String, &'static str)> {
    let mut lines =
        table.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut cases = Vec::new();
    while let Some((at, query)) = lines.next() {
        let (_, verdict) = lines.next().expect("a verdict after the query");
        assert!(verdict.starts_with("ok ") || verdict.starts_with("no "), "line {}", at + 2);
        cases.push((at + 1, unescape(query), verdict));
    }
    assert!(cases.len() > 30, "the table is read");
    cases
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, if c == '\\' { rest.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('s')) => out.push(' '),
            ('\\', Some('u')) => {
                let code: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let code = u32::from_str_radix(&code, 16).expect("a hexadecimal number");
                out.push(char::from_u32(code).expect("a character"));
            }
            ('\\', Some(other)) => out.push(other),
            (plain, _) => out.push(plain),
        }
    }
    out
}

#[test]
fn samples_mean_what_the_table_says() {
    for (line, query, verdict) in cases(include_str!("cases/samples.txt")) {
        let select =
            compiled(&query).unwrap_or_else(|error| panic!("samples.txt:{line}: {query}: {error}"));
        assert_eq!(
            meaning(&select),
            verdict[3..].replace("\\\\", "\\"),
            "samples.txt:{line}: {query}"
        );
        select.check(&CATALOG).unwrap_or_else(|error| panic!("samples.txt:{line}: {error}"));
    }
}

#[test]
fn samples_are_printed_and_read_back() {
    for (line, query, _) in cases(include_str!("cases/samples.txt")) {
        let tree = parse(&query).expect("a good query");
        let printed = tree.to_string();
        assert!(printed.len() <= 4 * query.len(), "samples.txt:{line}: {printed}");
        assert_eq!(parse(&printed), Ok(tree), "samples.txt:{line}: {printed}");
    }
}

#[test]
fn refusals_say_what_and_where() {
    let mut wrong = String::new();
    for (line, query, verdict) in cases(include_str!("cases/refusals.txt")) {
        let found = match compiled(&query) {
            Ok(select) => format!("ok {}", meaning(&select)),
            Err(e) => format!("no {:?} {}:{} {}", e.kind, e.line, e.column, e.message),
        };
        let text_at = verdict.match_indices(' ').nth(2).map_or(verdict.len(), |(at, _)| at);
        let (place, text) = verdict.split_at(text_at);
        let agrees = found.starts_with(&format!("{place} ")) && found.contains(text.trim());
        let leaks = found.contains("physical") && !query.contains("physical");
        if !agrees || leaks {
            let _ = writeln!(wrong, "{line}: {query}\n  found    {found}\n  expected {verdict}");
        }
    }
    assert!(wrong.is_empty(), "refusals.txt:\n{wrong}");
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

fn cases_of_properties() -> ProptestConfig {
    // PROPTEST_CASES asks for more. A failing case is in the message, not in a file by the source.
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(2_000), failure_persistence: None, ..asked }
}

/// Whatever the text, there is an answer, and an error lies inside the text.
fn answers(text: &str) -> Result<(), TestCaseError> {
    match compiled(text) {
        Ok(select) => {
            let checked = select.check(&CATALOG);
            prop_assert!(checked.is_ok(), "{text}: {checked:?}");
        }
        Err(error) => {
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert!((1..=lines.len()).contains(&error.line), "{text:?}: {error}");
            let columns = lines[error.line - 1].chars().count() + 1;
            prop_assert!((1..=columns).contains(&error.column), "{text:?}: {error}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases_of_properties())]

    #[test]
    fn what_is_printed_is_read_back(query in random::query()) {
        let text = query.to_string();
        match parse(&text) {
            Ok(read) => {
                prop_assert_eq!(&read, &query, "{}", text);
                prop_assert_eq!(read.to_string(), text);
            }
            Err(error) => prop_assert!(false, "{text}: {error}"),
        }
    }

    #[test]
    fn printing_does_not_blow_a_query_up(text in random::near_query()) {
        if let Ok(query) = parse(&text) {
            let printed = query.to_string();
            prop_assert!(printed.len() <= 4 * text.len(), "{text} became {printed}");
            prop_assert_eq!(parse(&printed), Ok(query));
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        answers(&text)?;
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        answers(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_words_are_answered(text in random::near_query()) {
        answers(&text)?;
    }

    #[test]
    fn any_literal_is_answered(literal in random::near_literal()) {
        answers(&format!("select Id from Invoice where UpdatedDate > '{literal}'"))?;
        answers(&format!("select Id from Invoice where InvoiceDate != '{literal}'"))?;
    }
}
