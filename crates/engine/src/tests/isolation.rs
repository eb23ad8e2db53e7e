//! The differential test: a query over the tables that three tenants share answers exactly what it
//! answers over tables that hold only the one tenant's rows.

use std::cell::Cell;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use outhaul_exports::query::{
    Aggregate, Column, Compare, Condition, DatePart, DeletedRows, Expr, Literal, OrderBy,
    Protection, Query, Select,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::kit::{Answer, Plan, TENANTS, World, exists, field, select, write_file};
use super::postgres_kit;
use crate::sources::files::FileFormat;

/// How many queries: more by the environment.
fn cases() -> u32 {
    let more = std::env::var("OUTHAUL_ISOLATION_CASES").ok().and_then(|n| n.parse().ok());
    more.unwrap_or(2_000) / 2
}

const TEXTS: &[&str] = &[
    "Id",
    "Name",
    "AccountNumber",
    "Currency",
    "BillToContact.FirstName",
    "ParentAccount.Name",
    "BillToContact.Account.Name",
    "DefaultPaymentMethod.Type",
];
const NUMBERS: &[&str] = &["Balance", "Mrr", "BillCycleDay", "ParentAccount.Balance"];
const MOMENTS: &[&str] = &["CreatedDate", "UpdatedDate", "BillToContact.CreatedDate"];

fn one_of(list: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(list).prop_map(ToOwned::to_owned)
}

fn op() -> impl Strategy<Value = Compare> {
    prop::sample::select(vec![
        Compare::Eq,
        Compare::Ne,
        Compare::Lt,
        Compare::Le,
        Compare::Gt,
        Compare::Ge,
    ])
}

/// Texts that name rows of every tenant: foreign ones must match nothing.
fn text() -> impl Strategy<Value = String> {
    let tenant = prop::sample::select(TENANTS.to_vec());
    let what = prop::sample::select(vec!["Account", "A", "first", "Contact", "name, \"quoted\" é"]);
    prop_oneof![
        (what, tenant, 0..14_i64).prop_map(|(what, tenant, n)| format!("{what}-{tenant}-{n}")),
        prop::sample::select(vec!["USD", "EUR", "", "%", "t_", "ACCOUNT-TA-1"])
            .prop_map(ToOwned::to_owned),
    ]
}

fn leaf() -> impl Strategy<Value = Condition> {
    prop_oneof![
        (one_of(TEXTS), op(), text()).prop_map(|(path, op, value)| Condition::Compare {
            left: field(&path),
            op,
            right: Expr::Literal(Literal::Text(value)),
        }),
        (one_of(NUMBERS), op(), -60_000..60_000_i64).prop_map(|(path, op, n)| Condition::Compare {
            left: field(&path),
            op,
            right: Expr::Literal(Literal::Decimal(format!("{}.{:03}", n / 1000, n.abs() % 1000))),
        }),
        (one_of(MOMENTS), op(), 0..40_i64).prop_map(|(path, op, n)| Condition::Compare {
            left: field(&path),
            op,
            right: Expr::Literal(Literal::Timestamp(
                chrono::DateTime::from_timestamp(1_700_000_000 + n * 3_600, 0).expect("a moment"),
            )),
        }),
        (one_of(TEXTS), text(), any::<bool>(), any::<bool>()).prop_map(
            |(path, value, negated, ignore_case)| Condition::Like {
                expr: field(&path),
                pattern: format!("%{value}%"),
                negated,
                ignore_case,
            }
        ),
        (one_of(TEXTS), prop::collection::vec(text(), 0..4), any::<bool>()).prop_map(
            |(path, list, negated)| Condition::In {
                expr: field(&path),
                list: list.into_iter().map(Literal::Text).collect(),
                negated,
            }
        ),
        (one_of(TEXTS), any::<bool>())
            .prop_map(|(path, negated)| Condition::IsNull { expr: field(&path), negated }),
        (one_of(TEXTS), op(), one_of(TEXTS)).prop_map(|(left, op, right)| Condition::Compare {
            left: field(&left),
            op,
            right: field(&right),
        }),
    ]
}

/// Conditions on rows that an account leads to, by relations to one row and to many.
fn related() -> impl Strategy<Value = Condition> {
    let relations = &["Contacts", "Invoices", "Children", "BillToContact"];
    let filter = prop::option::of((any::<bool>(), op(), text()));
    (one_of(relations), filter, any::<bool>()).prop_map(|(relation, filter, negated)| {
        let names = match relation.as_str() {
            "Invoices" => ["InvoiceNumber", "BillToContact.FirstName"],
            "Children" => ["Name", "BillToContact.Id"],
            _ => ["FirstName", "Account.Name"],
        };
        let filter = filter.map(|(far, op, value)| Condition::Compare {
            left: field(names[usize::from(far)]),
            op,
            right: Expr::Literal(Literal::Text(value)),
        });
        exists(&relation, filter, negated)
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![4 => leaf(), 1 => related()].prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Condition::Or),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

fn plain() -> impl Strategy<Value = Expr> {
    prop_oneof![
        4 => one_of(TEXTS).prop_map(|path| field(&path)),
        2 => one_of(NUMBERS).prop_map(|path| field(&path)),
        1 => one_of(MOMENTS).prop_map(|path| field(&path)),
        1 => one_of(MOMENTS).prop_map(|path| Expr::DatePart {
            part: DatePart::Week, of: Box::new(field(&path)), zone: "Europe/Berlin".into(),
        }),
        1 => Just(Expr::IsDeleted),
        1 => (one_of(TEXTS), one_of(TEXTS))
            .prop_map(|(a, b)| Expr::Coalesce(vec![field(&a), field(&b)])),
        1 => Just(Expr::Convert {
            amount: Box::new(field("Balance")),
            currency: Box::new(field("Currency")),
            to: "USD".into(),
            rates: vec![("EUR".into(), "1.08".into()), ("GBP".into(), "1.2555".into())],
        }),
    ]
}

fn as_column(at: usize, expr: Expr) -> Column {
    Column { label: format!("c{at}"), expr, protection: Protection::Plain }
}

fn deleted() -> impl Strategy<Value = DeletedRows> {
    prop::sample::select(vec![DeletedRows::Exclude, DeletedRows::Include, DeletedRows::Only])
}

fn listing() -> impl Strategy<Value = Select> {
    let columns = prop::collection::vec(plain(), 1..5);
    let order = prop::collection::vec((plain(), any::<bool>()), 0..3);
    (columns, prop::option::of(condition()), order, deleted(), prop::option::of(0..10_u64))
        .prop_map(|(columns, filter, order, deleted, limit)| {
            let mut select = Select::of("Account");
            select.columns =
                columns.into_iter().enumerate().map(|(at, expr)| as_column(at, expr)).collect();
            select.filter = filter;
            select.order_by =
                order.into_iter().map(|(expr, descending)| OrderBy { expr, descending }).collect();
            if !select.order_by.is_empty() {
                // Rows that are equal in every key may come in any order: end with the key.
                select.order_by.push(OrderBy { expr: Expr::own("Id"), descending: false });
            }
            select.deleted = deleted;
            select.limit = limit;
            select
        })
}

fn totals() -> impl Strategy<Value = Select> {
    let call = (
        prop::sample::select(vec![
            Aggregate::Count,
            Aggregate::Sum,
            Aggregate::Avg,
            Aggregate::Min,
            Aggregate::Max,
        ]),
        any::<bool>(),
        one_of(NUMBERS),
    );
    (
        prop::collection::vec(plain(), 0..3),
        prop::collection::vec(call, 1..3),
        prop::option::of(condition()),
    )
        .prop_map(|(keys, calls, filter)| {
            let mut select = Select::of("Account");
            let calls = calls.into_iter().map(|(function, distinct, of)| Expr::Aggregate {
                function,
                distinct,
                of: Some(Box::new(field(&of))),
            });
            select.columns = keys
                .iter()
                .cloned()
                .chain(calls)
                .enumerate()
                .map(|(at, expr)| as_column(at, expr))
                .collect();
            select.group_by = keys;
            select.filter = filter;
            select
        })
}

/// SQL texts, among them all the ways by which a foreign cell could show.
fn sql() -> impl Strategy<Value = String> {
    let text = text().prop_map(|text| text.replace('\'', "''"));
    (0..16_usize, text, one_of(&["Id", "Name", "AccountNumber", "Currency"]), -50..50_i64).prop_map(
        |(shape, text, name, n)| match shape {
            0 => format!("SELECT * FROM Account WHERE {name} > '{text}'"),
            1 => format!("SELECT a.{name}, c.FirstName FROM Account a JOIN Contact c ON a.Id > c.Id WHERE c.LastName <> '{text}'"),
            2 => format!("SELECT {name}, count(*), sum(Balance) FROM Account GROUP BY {name} HAVING count(*) > {}", n % 3),
            3 => format!("SELECT {name} FROM Account WHERE CAST(substr({name}, 12) AS INT) > {n}"),
            4 => format!("SELECT {name} FROM Account WHERE CASE WHEN Id LIKE '%tb%' THEN 1/0 ELSE 1 END = 1 AND Mrr > {n}"),
            5 => format!("SELECT DISTINCT {name} FROM Account UNION SELECT FirstName FROM Contact"),
            6 => format!("SELECT max({name}), min({name}) FROM Account WHERE Balance < {n}.5"),
            7 => format!("SELECT Id FROM Account WHERE {name} IN (SELECT {name} FROM Accounts WHERE Id <> '{text}')"),
            8 => format!("SELECT Id, row_number() OVER (PARTITION BY Currency ORDER BY Id) FROM Account WHERE Balance > {n}"),
            9 => format!("WITH x AS (SELECT Id, {name} AS n FROM Account) SELECT x.n, y.n FROM x JOIN x y ON x.Id = y.Id"),
            10 => format!("SELECT Id FROM Account a WHERE EXISTS (SELECT 1 FROM Contact c WHERE c.Country = 'Draft' AND c.FirstName > a.{name})"),
            11 => format!("SELECT (SELECT max({name}) FROM Account) || Id FROM Account WHERE BillCycleDay / ({n} - BillCycleDay) > 0"),
            12 => format!("SELECT a.Id, b.Id FROM Account a FULL OUTER JOIN Account b ON a.{name} = b.{name} AND a.Mrr < b.Mrr"),
            13 => format!("SELECT string_agg({name}, ',' ORDER BY Id) FROM Account WHERE Id > '{text}'"),
            14 => format!("SELECT Id FROM Account WHERE length({name}) > {} ORDER BY {name}, Id LIMIT 3", n.abs() % 20),
            _ => format!("SELECT count(DISTINCT {name}), avg(Mrr), sum(BillCycleDay + {n}) FROM Account"),
        },
    )
}

fn query() -> BoxedStrategy<Query> {
    prop_oneof![
        3 => listing().prop_map(|select| Query::Select(Box::new(select))),
        1 => totals().prop_map(|select| Query::Select(Box::new(select))),
        2 => sql().prop_map(|text| Query::Sql { text }),
    ]
    .boxed()
}

/// The same for a database, which alone decides which rows are the first of no order.
fn query_of_a_database() -> BoxedStrategy<Query> {
    query()
        .prop_map(|mut query| {
            if let Query::Select(select) = &mut query
                && select.limit.is_some()
                && select.order_by.is_empty()
            {
                select.order_by.push(OrderBy { expr: Expr::own("Id"), descending: false });
            }
            query
        })
        .boxed()
}

/// What everybody may see of an outcome: the rows in any order, or the words of the error.
fn outcome(result: outhaul_exports::Result<Answer>) -> String {
    match result {
        Ok(answer) => answer.sorted().text(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn no_query_over_parquet_answers_anything_else_with_other_tenants_present() {
    compare_worlds(FileFormat::Parquet);
}

#[test]
fn no_query_over_text_answers_anything_else_with_other_tenants_present() {
    compare_worlds(FileFormat::Csv);
}

#[test]
fn no_query_over_lines_of_json_answers_anything_else_with_other_tenants_present() {
    compare_worlds(FileFormat::Ndjson);
}

#[test]
fn no_query_over_avro_answers_anything_else_with_other_tenants_present() {
    compare_worlds(FileFormat::Avro);
}

#[test]
fn no_query_over_postgresql_answers_anything_else_with_other_tenants_present() {
    let server = postgres_kit::server();
    let world = |name: &str, tenants: &[&str]| {
        let plan = Plan { tenants, rows: 14, ..Plan::default() };
        postgres_kit::world(&server, name, &plan)
    };
    let together = world("together", &TENANTS);
    // Each query takes two snapshots of a server.
    let alone = TENANTS.map(|tenant| world(tenant, &[tenant]));
    compare(&together, &alone, query_of_a_database(), cases() / 8);
}

#[test]
fn postgresql_answers_every_query_as_files_do() {
    let server = postgres_kit::server();
    let plan = || Plan { rows: 14, ..Plan::default() };
    let database = postgres_kit::world(&server, "together", &plan());
    let files = TENANTS.map(|_| World::of(&plan()));
    compare(&database, &files, query_of_a_database(), cases() / 8);
}

fn compare_worlds(format: FileFormat) {
    let world = |tenants: &[&str]| World::of(&Plan { tenants, rows: 14, format, files: 1 });
    let together = world(&TENANTS);
    compare(&together, &TENANTS.map(|tenant| world(&[tenant])), query(), cases());
}

fn compare(
    together: &World,
    alone: &[World; TENANTS.len()],
    query: BoxedStrategy<Query>,
    cases: u32,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let answered = Cell::new(0);
    TestRunner::new(config)
        .run(&(query, 0..TENANTS.len()), |(query, at)| {
            let tenant = TENANTS[at];
            let (here, there) = runtime.block_on(async {
                (together.run(tenant, &query).await, alone[at].run(tenant, &query).await)
            });
            answered.set(answered.get() + u32::from(here.is_ok()));
            let (here, there) = (outcome(here), outcome(there));
            prop_assert_eq!(&here, &there);
            // A marker of another tenant may stand in an answer only if the query itself said it.
            let said = format!("{query:?}");
            for foreign in TENANTS.iter().filter(|other| **other != tenant) {
                let marker = format!("-{foreign}-");
                prop_assert!(said.contains(&marker) || !here.contains(&marker), "{}", here);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let answered = answered.get();
    assert!(answered * 3 > cases * 2, "only {answered} were answered: the test asks nothing");
}

/// Keys may be the same for several tenants; rows of others count for nothing all the same.
#[tokio::test]
async fn related_rows_of_another_tenant_do_not_count() {
    let text = |of: &[&str]| -> ArrayRef { Arc::new(StringArray::from(of.to_vec())) };
    let accounts = RecordBatch::try_from_iter(vec![
        ("tenant", text(&["ta", "tb", "ta", "tb", "ta", "tb"])),
        ("Id", text(&["1", "1", "2", "2", "3", "3"])),
        ("Deleted", text(&["no"; 6])),
    ]);
    let contacts = RecordBatch::try_from_iter(vec![
        ("tenant", text(&["tb", "ta", "tc", "tb", "ta"])),
        ("Id", text(&["c1", "c2", "c3", "c4", "c5"])),
        ("AccountId", text(&["1", "2", "3", "3", "2"])),
        ("FirstName", text(&["tb", "ta", "tc", "tb", "ta"])),
    ]);
    let world = World::new();
    for (object, batch) in [("Account", accounts), ("Contact", contacts)] {
        let path = world.dir.path().join(format!("data/{object}.parquet"));
        write_file(&path, &batch.expect("columns of one length"), FileFormat::Parquet);
    }
    let named = |name: &str| Condition::Compare {
        left: field("FirstName"),
        op: Compare::Eq,
        right: Expr::Literal(Literal::Text(name.to_owned())),
    };
    let or_never = |condition| {
        let never = Condition::IsNull { expr: field("Id"), negated: false };
        Condition::Or(vec![condition, never])
    };
    for (tenant, filter, with, without) in [
        ("ta", None, vec!["2"], vec!["1", "3"]),
        ("tb", None, vec!["1", "3"], vec!["2"]),
        ("tc", None, vec![], vec![]),
        ("ta", Some(named("tb")), vec![], vec!["1", "2", "3"]),
        ("tb", Some(named("tb")), vec!["1", "3"], vec!["2"]),
    ] {
        for (negated, ids) in [(false, with), (true, without)] {
            let alone = exists("Contacts", filter.clone(), negated);
            for condition in [alone.clone(), or_never(alone)] {
                let mut query = select("Account", &["Id"]);
                query.filter = Some(condition);
                let answer = world.select(tenant, &query).await.expect("rows");
                assert_eq!(answer.column(0), ids, "{tenant}: {:?}", query.filter);
            }
        }
    }
}
