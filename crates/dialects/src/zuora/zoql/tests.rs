//! What the tests of both languages share: a catalog, tables of cases, and what must hold of every
//! text.

mod meaning;
pub(super) mod random;

use std::fmt::{Debug, Display, Write as _};
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use outhaul_exports::catalog::Catalog;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::query::Select;
use proptest::prelude::*;

pub(super) use self::meaning::meaning;
use super::ZoqlError;

pub(super) static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

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
    let rate_plan = vec![field("Id", "text"), field("AmendmentType", "text")];
    Catalog::check(vec![
        object("Account", account, vec![to_one("BillToContact", "Contact"), invoices]),
        object("Contact", contact, vec![]),
        object(
            "Invoice",
            invoice,
            vec![to_one("Account", "Account"), to_one("BillToContact", "Contact")],
        ),
        object("Order", order, vec![]),
        object("RatePlan", rate_plan, vec![]),
    ])
    .expect("a good catalog")
}

/// The time of every query.
pub(super) fn now() -> DateTime<Utc> {
    "2024-05-15T18:30:00Z".parse().expect("a good instant")
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

/// Every query of the table means what stands below it.
pub(super) fn check_samples(
    file: &str,
    table: &'static str,
    compile: impl Fn(&str) -> Result<Select, ZoqlError>,
) {
    for (line, query, verdict) in cases(table) {
        let select =
            compile(&query).unwrap_or_else(|error| panic!("{file}:{line}: {query}: {error}"));
        assert_eq!(meaning(&select), verdict[3..].replace("\\\\", "\\"), "{file}:{line}: {query}");
        select.check(&CATALOG).unwrap_or_else(|error| panic!("{file}:{line}: {error}"));
    }
}

/// Every query of the table is printed and read back as the same tree.
pub(super) fn check_printing<Q: Debug + Display + PartialEq>(
    file: &str,
    table: &'static str,
    parse: impl Fn(&str) -> Result<Q, ZoqlError>,
) {
    for (line, query, _) in cases(table) {
        let tree = parse(&query).expect("a good query");
        let printed = tree.to_string();
        assert!(printed.len() <= 4 * query.len(), "{file}:{line}: {printed}");
        assert_eq!(parse(&printed), Ok(tree), "{file}:{line}: {printed}");
    }
}

/// Every query of the table is refused with the kind, place and text that stand below it, and the
/// refusal says nothing of what is behind the catalog.
pub(super) fn check_refusals(
    file: &str,
    table: &'static str,
    compile: impl Fn(&str) -> Result<Select, ZoqlError>,
) {
    let mut wrong = String::new();
    for (line, query, verdict) in cases(table) {
        let found = match compile(&query) {
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
    assert!(wrong.is_empty(), "{file}:\n{wrong}");
}

/// How often properties are tried.
pub(super) fn cases_of_properties() -> ProptestConfig {
    // PROPTEST_CASES asks for more. A failing case is in the message, not in a file by the source.
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(2_000), failure_persistence: None, ..asked }
}

/// Whatever the text, there is an answer, and an error lies inside the text.
pub(super) fn answers(
    text: &str,
    compiled: Result<Select, ZoqlError>,
) -> Result<(), TestCaseError> {
    match compiled {
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

/// A tree that is printed is read back as the same tree, and printed as the same text.
pub(super) fn is_read_back<Q: Debug + Display + PartialEq>(
    query: &Q,
    parse: impl Fn(&str) -> Result<Q, ZoqlError>,
) -> Result<(), TestCaseError> {
    let text = query.to_string();
    match parse(&text) {
        Ok(read) => {
            prop_assert_eq!(&read, query, "{}", text);
            prop_assert_eq!(read.to_string(), text);
        }
        Err(error) => prop_assert!(false, "{text}: {error}"),
    }
    Ok(())
}

/// What can be read is printed in at most four times its length, and read back.
pub(super) fn is_printed_briefly<Q: Debug + Display + PartialEq>(
    text: &str,
    parse: impl Fn(&str) -> Result<Q, ZoqlError>,
) -> Result<(), TestCaseError> {
    if let Ok(query) = parse(text) {
        let printed = query.to_string();
        prop_assert!(printed.len() <= 4 * text.len(), "{text} became {printed}");
        prop_assert_eq!(parse(&printed), Ok(query));
    }
    Ok(())
}
