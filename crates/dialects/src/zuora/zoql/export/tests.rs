//! Export ZOQL by example: the tables in `cases/`, the caps, and properties over random queries.

use std::fmt::Write as _;
use std::sync::LazyLock;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::query::Protection;
use outhaul_exports::query::{Aggregate, Compare, Condition, DatePart, Expr, Literal, Select};
use proptest::prelude::*;

use super::compile;
use super::parser::parse;
use crate::zuora::zoql::{CHARACTERS_MAX, DEPTH_MAX, TERMS_MAX, ZoqlError, ZoqlErrorKind};

static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);

fn catalog() -> Catalog {
    let field =
        |name: &str, field_type: &str| serde_json::json!({"name": name, "type": field_type});
    let to_one = |name: &str, target: &str| serde_json::json!({"name": name, "target": target, "columns": {"k": "id"}});
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
    for good in [
        nested(DEPTH_MAX),
        negated(DEPTH_MAX),
        chained(TERMS_MAX, " and "),
        chained(TERMS_MAX, " or "),
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
        chained(TERMS_MAX + 1, " and "),
        chained(TERMS_MAX + 1, " or "),
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

/// A query in a short notation: headings, `*` after a masked one, and the clauses.
fn meaning(select: &Select) -> String {
    let mut out = format!("{}[", select.object);
    for (at, column) in select.columns.iter().enumerate() {
        let value = match &column.expr {
            Expr::Field(path) if path.relations.is_empty() => format!("{}.{path}", select.object),
            Expr::Field(path) => path.to_string(),
            _ => String::new(),
        };
        let lead = if at == 0 { "" } else { ", " };
        let mark = if column.protection == Protection::Masked { "*" } else { "" };
        let _ = if value == column.label || (value.is_empty() && column.label.contains('(')) {
            write!(out, "{lead}{}{mark}", column.label)
        } else {
            let value =
                if value.is_empty() { labelled(&column.expr, &select.object) } else { value };
            write!(out, "{lead}{value} as {}{mark}", column.label)
        };
    }
    out.push(']');
    let list = |exprs: Vec<String>| exprs.join(", ");
    if let Some(filter) = &select.filter {
        let _ = write!(out, " where {}", condition(filter));
    }
    if !select.group_by.is_empty() {
        let _ = write!(out, " group by {}", list(select.group_by.iter().map(expr).collect()));
    }
    if let Some(having) = &select.having {
        let _ = write!(out, " having {}", condition(having));
    }
    if !select.order_by.is_empty() {
        let orders = select
            .order_by
            .iter()
            .map(|order| expr(&order.expr) + if order.descending { " desc" } else { "" });
        let _ = write!(out, " order by {}", list(orders.collect()));
    }
    match (select.offset, select.limit) {
        (0, None) => {}
        (0, Some(limit)) => _ = write!(out, " limit {limit}"),
        (offset, limit) => _ = write!(out, " limit {offset},{}", limit.unwrap_or(u64::MAX)),
    }
    out
}

/// A function of a field of the base object, with the object's name before the field.
fn labelled(function: &Expr, object: &str) -> String {
    expr(function).replacen('(', &format!("({object}."), 1)
}

fn expr(expr_: &Expr) -> String {
    match expr_ {
        Expr::Field(path) => path.to_string(),
        Expr::Literal(Literal::Text(text)) => format!("'{text}'"),
        Expr::Literal(Literal::Boolean(truth)) => truth.to_string(),
        Expr::Literal(Literal::Integer(number)) => number.to_string(),
        Expr::Literal(Literal::Decimal(digits)) => format!("{digits}d"),
        Expr::Literal(Literal::Date(date)) => date.to_string(),
        Expr::Literal(Literal::Timestamp(at)) => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        Expr::Aggregate { function, distinct, of } => {
            let name = match function {
                Aggregate::Count => "count",
                Aggregate::Sum => "sum",
                Aggregate::Avg => "avg",
                Aggregate::Min => "min",
                Aggregate::Max => "max",
            };
            let distinct = if *distinct { "distinct " } else { "" };
            format!("{name}({distinct}{})", of.as_deref().map_or("*".into(), expr))
        }
        Expr::DatePart { part, of, zone } => {
            assert_eq!(zone, "America/Los_Angeles");
            let name = match part {
                DatePart::Date => "date",
                DatePart::Year => "year",
                DatePart::Quarter => "quarter",
                DatePart::Month => "month",
                DatePart::Week => "week",
            };
            format!("{name}({})", expr(of))
        }
        other => panic!("nothing writes {other:?}"),
    }
}

fn condition(tree: &Condition) -> String {
    let chain = |terms: &[Condition], word: &str| {
        format!("({})", terms.iter().map(condition).collect::<Vec<_>>().join(word))
    };
    let not = |negated: &bool| if *negated { "not " } else { "" };
    match tree {
        Condition::And(terms) => chain(terms, " and "),
        Condition::Or(terms) => chain(terms, " or "),
        Condition::Not(inner) => format!("not ({})", condition(inner)),
        Condition::Compare { left, op, right } => {
            let op = match op {
                Compare::Eq => "=",
                Compare::Ne => "!=",
                Compare::Lt => "<",
                Compare::Le => "<=",
                Compare::Gt => ">",
                Compare::Ge => ">=",
            };
            format!("{} {op} {}", expr(left), expr(right))
        }
        Condition::Like { expr: left, pattern, negated, ignore_case: false } => {
            format!("{} {}like '{pattern}'", expr(left), not(negated))
        }
        Condition::IsNull { expr: left, negated } => {
            format!("{} is {}null", expr(left), not(negated))
        }
        other => panic!("nothing writes {other:?}"),
    }
}

/// Random trees, and random texts from bytes to near-queries.
mod random {
    use super::super::ast::{
        Aggregate, Comparison, Condition, DateFunction, Expr, ExprKind, Item, Limit, Literal,
        Located, Name, Operand, Order, Path, Query,
    };
    use super::*;
    use crate::zuora::zoql::Position;

    fn located<T>(value: T) -> Located<T> {
        Located { value, at: Position::START }
    }

    fn name() -> impl Strategy<Value = Name> {
        // A letter z first keeps clear of keywords.
        "[zZ_][A-Za-z0-9_]{0,8}".prop_map(located)
    }

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
            (true, true) => {
                prop_oneof![field, date_part, aggregate, Just(ExprKind::CountAll)].boxed()
            }
        };
        kind.prop_map(located).boxed()
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[ -~]{0,12}", "['\"\\\\%_é\u{1F600}\n]{0,6}"]
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
            (expr(functions, functions), any::<bool>(), text()).prop_map(
                |(expr, negated, pattern)| Condition::Like {
                    expr,
                    negated,
                    pattern: located(pattern)
                }
            ),
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
        let order = (expr(true, true), any::<bool>())
            .prop_map(|(expr, descending)| Order { expr, descending });
        let limit =
            (0..1_000_u64, 0..1_000_000_000_u64).prop_map(|(skip, rows)| Limit { skip, rows });
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

    /// Words of the language in any order, with and without sense.
    pub fn near_query() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "select",
            "from",
            "where",
            "and",
            "or",
            "not",
            "like",
            "is",
            "null",
            "group",
            "by",
            "having",
            "order",
            "limit",
            "as",
            "asc",
            "desc",
            "distinct",
            "count",
            "sum",
            "year",
            "(",
            ")",
            ",",
            ".",
            "*",
            ";",
            "=",
            "!=",
            "<",
            ">=",
            "-",
            "'",
            "\"",
            "'x'",
            "\"y\"",
            "'2024-01-01'",
            "'now - 1 day'",
            "'today'",
            "1",
            "5.5",
            "true",
            "Account",
            "Invoice",
            "Id",
            "Name",
            "Balance",
            "UpdatedDate",
            "TaxId",
            "BillToContact",
            "\n",
            "é",
            "in",
        ]);
        let loose = prop::collection::vec(word, 0..60).prop_map(|words| words.join(" "));
        let headed = loose.clone().prop_map(|rest| format!("select Id from Account where {rest}"));
        prop_oneof![loose, headed]
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
    fn any_literal_is_answered(literal in "(now|today|2024-0[0-9]-[0-3][0-9])?[-+ ]{0,3}[0-9]{0,8} ?(days|months|years|T[0-2][0-9]:[0-6][0-9])?(Z| ?\\([-+A-Za-z/_ 0-9:]{0,12}\\))?") {
        answers(&format!("select Id from Invoice where UpdatedDate > '{literal}'"))?;
        answers(&format!("select Id from Invoice where InvoiceDate != '{literal}'"))?;
    }
}
