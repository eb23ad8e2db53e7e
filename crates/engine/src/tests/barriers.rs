//! No tenant learns of another's rows: not by rows, not by errors, not by what fails and what
//! does not. The attempts are those that break a view, a plan filter and a filtering table.

use std::sync::Arc;

use datafusion::physical_plan::{ExecutionPlan, displayable};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{Compare, Condition, Expr, Literal, OrderBy, Query, Select};
use outhaul_exports::testing::sample;

use super::kit::{Plan, World, column, field, select};
use crate::barrier::{TenantBarrierExec, refuse_unguarded};
use crate::sources::files::FileFormat;

/// A world in which every cell of tb is poison: nothing of it can be read as a number.
async fn poisoned() -> World {
    let world = World::new();
    let data = world.dir.path().join("data/Contact.parquet");
    let text = |of: [&str; 4]| -> datafusion::arrow::array::ArrayRef {
        Arc::new(datafusion::arrow::array::StringArray::from(of.to_vec()))
    };
    let batch = datafusion::arrow::array::RecordBatch::try_from_iter(vec![
        ("tenant", text(["ta", "tb", "ta", "tb"])),
        ("Id", text(["1", "SECRET-tb-1", "2", "SECRET-tb-2"])),
        ("FirstName", text(["10", "SECRET-tb-3", "20", "SECRET-tb-4"])),
        ("LastName", text(["1", "SECRET-tb-5", "2", "SECRET-tb-6"])),
        ("WorkEmail", text(["1", "SECRET-tb-7", "2", "SECRET-tb-8"])),
        ("Country", text(["1", "SECRET-tb-9", "2", "SECRET-tb-0"])),
    ])
    .expect("columns of one length");
    super::kit::write_file(&data, &batch, FileFormat::Parquet);
    world
}

#[tokio::test]
async fn a_customers_expression_never_sees_a_foreign_row() {
    let world = poisoned().await;
    for (text, rows) in [
        ("SELECT Id FROM Contact WHERE CAST(FirstName AS INT) > 0", 2),
        ("SELECT Id FROM Contact WHERE CASE WHEN Id LIKE 'SECRET%' THEN 1/0 ELSE 1 END = 1", 2),
        ("SELECT Id FROM Contact WHERE CASE WHEN Id LIKE 'NOPE%' THEN 1/0 ELSE 1 END = 1", 2),
        ("SELECT t.Id FROM Contact t JOIN Contact u ON CAST(t.Id AS INT) = CAST(u.Id AS INT)", 2),
        ("SELECT max(CAST(FirstName AS INT)) FROM Contact", 1),
        ("SELECT Id FROM Contact ORDER BY CAST(Id AS INT) LIMIT 1", 1),
        ("SELECT Id FROM Contact ORDER BY Id DESC LIMIT 1", 1),
        ("SELECT count(*) FROM Contact", 1),
        ("SELECT DISTINCT CAST(Id AS INT) + 1 FROM Contact", 2),
        ("SELECT CAST(Id AS INT), row_number() OVER (ORDER BY CAST(Id AS INT)) FROM Contact", 2),
        ("SELECT CAST(Id AS INT) FROM Contact UNION ALL SELECT CAST(Id AS INT) FROM Contact", 4),
        (
            "SELECT Id FROM Contact WHERE CAST(Id AS INT) IN (SELECT CAST(Id AS INT) FROM Contact)",
            2,
        ),
        (
            "SELECT Id FROM Contact c WHERE EXISTS (SELECT 1 FROM Contact d WHERE CAST(d.Id AS INT) = CAST(c.Id AS INT))",
            2,
        ),
        ("SELECT (SELECT max(CAST(Id AS INT)) FROM Contact) AS m FROM Contact", 2),
        ("SELECT Id FROM Contact WHERE to_date(LastName || '000-01-01') < '5000-01-01'", 2),
        ("SELECT Id FROM Contact WHERE 10 / CAST(FirstName AS INT) >= 0 AND Id > 'A'", 0),
        ("SELECT Id FROM Contact WHERE Id > 'A' AND CAST(Id AS INT) = 1", 0),
        ("SELECT sum(CAST(Id AS INT)) FROM Contact GROUP BY CAST(FirstName AS INT)", 2),
        ("SELECT min(Id) || max(Id) FROM Contact", 1),
        (
            "SELECT Id FROM Contact WHERE regexp_like(Id, 'SECRET') OR 1 / (CAST(Id AS INT) - 3) > 5",
            0,
        ),
        ("WITH c AS (SELECT CAST(Id AS INT) AS n FROM Contact) SELECT * FROM c WHERE n > 0", 2),
        ("WITH Contact AS (SELECT * FROM Contact) SELECT Id FROM Contact", 2),
        ("SELECT a.Id FROM Contact a FULL OUTER JOIN Contact b ON a.Id = b.LastName", 2),
        ("SELECT a.Id FROM Contact a, Contact b, Contact c WHERE CAST(a.Id AS INT) = 1", 4),
    ] {
        match world.sql("ta", text).await {
            Ok(answer) => {
                assert!(!answer.text().contains("SECRET"), "{text}: {}", answer.text());
                assert_eq!(answer.rows.len(), rows, "{text}: {}", answer.text());
            }
            Err(error) => panic!("{text}: {}", error.chain()),
        }
    }
}

#[tokio::test]
async fn errors_of_own_rows_hold_no_cells() {
    let world = poisoned().await;
    for text in [
        "SELECT CAST(Id AS INT) FROM Contact",
        "SELECT Id FROM Contact WHERE CAST(LastName AS DATE) IS NULL",
        "SELECT to_timestamp(Id) FROM Contact",
        "SELECT max(CAST(Id AS DECIMAL(5,2))) FROM Contact",
        "SELECT Id FROM Contact ORDER BY CAST(Id AS INT)",
        "SELECT make_date(CAST(Id AS INT), 1, 1) FROM Contact",
    ] {
        let error = super::kit::refused(world.sql("tb", text).await);
        assert!(!error.to_string().contains("SECRET"), "{text}: {error}");
        assert!(!error.to_string().contains("internal"), "{text}: {}", error.chain());
    }
}

#[tokio::test]
async fn every_scan_of_every_plan_is_behind_a_barrier() {
    let world = World::new();
    let mut joined = select("Invoice", &["Id", "Account.Name", "Account.BillToContact.Country"]);
    joined.filter = Some(Condition::Compare {
        left: field("Account.Currency"),
        op: Compare::Eq,
        right: Expr::Literal(Literal::Text("EUR".into())),
    });
    let mut sorted = select("Invoice", &["Id"]);
    sorted.order_by = vec![OrderBy { expr: field("Account.Name"), descending: true }];
    sorted.limit = Some(3);
    let sql = |text: &str| Query::Sql { text: text.to_owned() };
    for query in [
        Query::Select(Box::new(joined)),
        Query::Select(Box::new(sorted)),
        sql("SELECT a.Id FROM Account a JOIN Contacts c ON a.Id = c.Id WHERE a.Id > 'x'"),
        sql("SELECT Id FROM Account UNION SELECT Id FROM Contact"),
        sql("SELECT (SELECT max(Id) FROM Contact) AS m, count(*) FROM Invoice"),
        sql("SELECT count(*) FROM Invoice"),
        sql("SELECT 1 AS x"),
    ] {
        let plan = physical(&world, &query).await;
        refuse_unguarded(&plan).expect("a guarded plan");
        let text = displayable(plan.as_ref()).indent(false).to_string();
        for barrier in barriers(&plan) {
            // The customer's conditions and columns are above it, the tenant's below.
            let behind = behind(&barrier);
            assert!(behind.contains("tenant@"), "{behind}");
            assert!(behind.starts_with("FilterExec"), "{behind}");
        }
        assert!(!text.contains("DataSourceExec"), "{text}");
        assert!(!text.contains("tenant"), "{text}");
    }
}

#[tokio::test]
async fn a_plan_without_a_barrier_is_refused() {
    let world = World::new();
    let plan = physical(&world, &Query::Select(Box::new(select("Contact", &["Id"])))).await;
    let barrier = barriers(&plan).remove(0);
    // The scan itself, as it would stand in a plan that somebody made without the barrier.
    let bare = barrier_of(&barrier).exposed();
    assert!(refuse_unguarded(&bare).is_err());
}

#[tokio::test]
async fn only_needed_columns_are_read_and_parts_of_files_are_skipped() {
    let world = World::of(&Plan { rows: 200, ..Plan::default() });
    let mut query = select("Invoice", &["Id", "Status"]);
    query.filter = Some(Condition::Compare {
        left: field("InvoiceNumber"),
        op: Compare::Eq,
        right: Expr::Literal(Literal::Text("INV-ta-7".into())),
    });
    let plan = physical(&world, &Query::Select(Box::new(query))).await;
    let behind = behind(&barriers(&plan).remove(0));
    assert!(behind.contains("projection=[Id, InvoiceNumber, Status, Deleted, tenant]"), "{behind}");
    assert!(behind.contains("predicate=tenant@14 = ta AND InvoiceNumber@1 = INV-ta-7"), "{behind}");
    let text = displayable(plan.as_ref()).indent(false).to_string();
    assert!(text.contains("FilterExec"), "the condition itself is above the barrier: {text}");
}

#[tokio::test]
async fn what_can_fail_is_not_pushed_below() {
    let world = World::new();
    for text in [
        "SELECT Id FROM Invoice WHERE CAST(InvoiceNumber AS INT) = 1",
        "SELECT Id FROM Invoice WHERE Amount + 1 > 5",
        "SELECT Id FROM Invoice WHERE lower(InvoiceNumber) = 'x'",
        "SELECT Id FROM Invoice WHERE InvoiceNumber LIKE 'x%'",
        "SELECT Id FROM Invoice WHERE InvoiceNumber = Status",
        "SELECT Id FROM Invoice WHERE NOT (1 / Amount = 2)",
    ] {
        let plan = physical(&world, &Query::Sql { text: text.into() }).await;
        let behind = behind(&barriers(&plan).remove(0));
        let predicate = behind.split("predicate=").nth(1).expect("the tenant's");
        let predicate = predicate.split(',').next().unwrap_or_default();
        assert_eq!(predicate, "tenant@14 = ta", "{text}: {behind}");
    }
}

#[tokio::test]
async fn a_join_keeps_the_order_without_sorting() {
    let world = World::new();
    let query = select("Invoice", &["Id", "Account.Name"]);
    let plan = physical(&world, &Query::Select(Box::new(query))).await;
    let text = displayable(plan.as_ref()).indent(false).to_string();
    assert!(!text.contains("Sort"), "{text}");
    assert!(text.contains("join_type=Right"), "{text}");
}

#[tokio::test]
async fn a_narrowed_scope_sees_its_entities_only() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let text = |of: [&str; 4]| -> datafusion::arrow::array::ArrayRef {
        Arc::new(datafusion::arrow::array::StringArray::from(of.to_vec()))
    };
    let batch = datafusion::arrow::array::RecordBatch::try_from_iter(vec![
        ("t", text(["ta", "ta", "ta", "tb"])),
        ("e", text(["e1", "e2", "e3", "e1"])),
        ("o", text(["o1", "o1", "o1", "o1"])),
        ("Id", text(["1", "2", "3", "4"])),
    ])
    .expect("columns of one length");
    super::kit::write_file(&dir.path().join("Thing.parquet"), &batch, FileFormat::Parquet);
    let catalog = toml::from_str::<Objects>(
        "[[objects]]\nname = 'Thing'\nsource = 'main'\nkey = ['Id']\ntenant_column = 't'\n\
         entity_column = 'e'\norg_column = 'o'\nfields = [{ name = 'Id', type = 'text' }]",
    )
    .expect("a catalog");
    let catalog = outhaul_exports::catalog::Catalog::check(catalog.objects).expect("a catalog");
    let config = crate::sources::SourceConfig::Files(crate::sources::files::Config {
        name: "main".into(),
        url: dir.path().display().to_string(),
        format: None,
        delimiter: None,
        decimal_digits: 6,
        overlap_secs: 300,
        options: std::collections::BTreeMap::new(),
    });
    let engine = crate::DataFusionEngine::new(Arc::new(catalog), vec![config]).expect("an engine");
    let limits = World::new().limits();
    let all = || TenantScope::of(&sample::tenant("ta"));
    for (scope, ids) in [
        (all(), "123"),
        (all().with_entities(vec!["e1".into(), "e3".into()]), "13"),
        (all().with_entities(vec!["e1".into()]).with_orgs(vec!["o2".into()]), ""),
        (all().with_entities(vec![]), ""),
    ] {
        let snapshot =
            outhaul_exports::ports::Engine::begin(&engine, &scope, &limits).await.expect("begin");
        for query in [
            Query::Select(Box::new(select("Thing", &["Id"]))),
            Query::Sql { text: "SELECT Id FROM Things".into() },
        ] {
            let answer = super::kit::collect(snapshot.as_ref(), &query).await.expect("rows");
            assert_eq!(answer.column(0).concat(), ids);
        }
    }
}

#[derive(serde::Deserialize)]
struct Objects {
    objects: Vec<outhaul_exports::catalog::raw::RawObject>,
}

#[tokio::test]
async fn a_plain_literal_needs_no_table() {
    let world = World::new();
    let mut query = Select::of("Contact");
    query.columns = vec![column("one", Expr::Literal(Literal::Integer(1)))];
    query.limit = Some(2);
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.text(), "one\n1\n1");
}

async fn physical(world: &World, query: &Query) -> Arc<dyn ExecutionPlan> {
    world.plan("ta", query).await.expect("a plan")
}

fn barriers(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    let mut found = Vec::new();
    let mut open = vec![Arc::clone(plan)];
    while let Some(node) = open.pop() {
        if node.downcast_ref::<TenantBarrierExec>().is_some() {
            found.push(Arc::clone(&node));
        }
        open.extend(node.children().into_iter().cloned());
    }
    found
}

fn barrier_of(node: &Arc<dyn ExecutionPlan>) -> &TenantBarrierExec {
    node.downcast_ref().expect("a barrier")
}

fn behind(node: &Arc<dyn ExecutionPlan>) -> String {
    barrier_of(node).behind()
}
