//! Memory, time and cancellation: what the engine bounds by itself. What only the limits of a
//! process can stop is in the same list, marked, and is run by the tests of the slots.

use std::time::Duration;

use futures::StreamExt;
use outhaul_exports::ErrorKind;
use outhaul_exports::catalog::FieldType;
use outhaul_exports::ports::{Engine, RunLimits};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{OrderBy, Query};
use outhaul_exports::testing::sample;

use super::kit::{Plan, World, collect, field, refused, select};

/// Bombs, one a line: `outcome<TAB>statement`. The outcomes: `refused` before it runs, `memory` or
/// `error` when it ran into its limits, `answered` within them, `process` where only the limits of
/// a process can stop it.
const BOMBS: &str = include_str!("bombs.sql");

fn small(world: &World, memory: u64, spill: u64) -> RunLimits {
    RunLimits { memory_bytes: memory, spill_bytes: spill, ..world.limits() }
}

async fn run(world: &World, limits: &RunLimits, query: &Query) -> outhaul_exports::Result<usize> {
    let scope = TenantScope::of(&sample::tenant("ta"));
    let snapshot = world.engine.begin(&scope, limits).await?;
    Ok(collect(snapshot.as_ref(), query).await?.rows.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_or_bounded() {
    let world = World::of(&Plan { rows: 3_000, ..Plan::default() });
    let limits = small(&world, 4 << 20, 1 << 20);
    let mut cases = 0;
    for line in BOMBS.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
        let (outcome, text) = line.split_once('\t').expect("an outcome and a statement");
        cases += 1;
        if outcome == "process" {
            continue;
        }
        let query = Query::Sql { text: text.to_owned() };
        let ran = run(&world, &limits, &query);
        let result = tokio::time::timeout(Duration::from_secs(60), ran).await;
        let result = result.unwrap_or_else(|_| panic!("{text}: it does not end"));
        match (outcome, result) {
            ("answered", Ok(_)) => {}
            ("memory", Err(error)) => {
                assert_eq!(error.kind(), &ErrorKind::TooLarge, "{text}: {}", error.chain());
                let says = error.to_string();
                assert!(says.starts_with("memory_limit") || says.starts_with("storage_full"));
            }
            ("refused", Err(error)) => assert!(
                matches!(error.kind(), ErrorKind::Invalid { .. } | ErrorKind::Unsupported),
                "{text}: {}",
                error.chain()
            ),
            (_, result) => panic!("{text}: {outcome} was expected, not {result:?}"),
        }
        no_spill_left(&world, text).await;
    }
    assert!(cases >= 30, "only {cases} bombs");
}

/// Waits until a run has ended altogether, which takes its spill files with it.
async fn no_spill_left(world: &World, text: &str) {
    let folder = world.dir.path().join("spill");
    let gone = async {
        while std::fs::read_dir(&folder).expect("the folder").next().is_some() {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(5), gone).await;
    assert!(gone.is_ok(), "{text}: spill files are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sort_larger_than_its_memory_spills_and_is_right() {
    let world = World::of(&Plan { rows: 150_000, tenants: &["ta"], ..Plan::default() });
    let mut query = select("Contact", &["FirstName", "Id", "WorkEmail", "LastName"]);
    query.order_by = vec![OrderBy { expr: field("FirstName"), descending: true }];
    let query = Query::Select(Box::new(query));
    let scope = TenantScope::of(&sample::tenant("ta"));
    let limits = small(&world, 24 << 20, 1 << 30);
    let snapshot = world.engine.begin(&scope, &limits).await.expect("begin");
    let answer = collect(snapshot.as_ref(), &query).await.expect("a sorted result");
    assert_eq!(answer.rows.len(), 150_000);
    assert!(answer.rows.windows(2).all(|pair| pair[0][0] >= pair[1][0]));
    // Without room to spill the same query is refused in words.
    let error = refused(
        collect(
            world
                .engine
                .begin(&scope, &small(&world, 24 << 20, 1 << 10))
                .await
                .expect("begin")
                .as_ref(),
            &query,
        )
        .await,
    );
    assert_eq!(error.kind(), &ErrorKind::TooLarge, "{}", error.chain());
}

/// SQL names its tables in the order in which people think of them; the smaller side of a join is the
/// one that is kept in memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_keeps_its_smaller_side_in_memory() {
    let world = World::of(&Plan { rows: 20_000, tenants: &["ta"], ..Plan::default() });
    let scope = TenantScope::of(&sample::tenant("ta"));
    let limits = small(&world, 8 << 20, 1 << 20);
    let many = ["SELECT Id, FirstName, WorkEmail FROM Contact"; 12].join(" UNION ALL ");
    for from in [format!("({many}) a JOIN Contact b"), format!("Contact b JOIN ({many}) a")] {
        let text = format!("SELECT a.FirstName, a.WorkEmail, b.Id FROM {from} ON a.Id = b.Id");
        let snapshot = world.engine.begin(&scope, &limits).await.expect("begin");
        let answer = collect(snapshot.as_ref(), &Query::Sql { text: text.clone() }).await;
        let rows = answer.unwrap_or_else(|error| panic!("{from}: {}", error.chain())).rows.len();
        assert_eq!(rows, 240_000, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_rows_stops_the_work() {
    let world = World::of(&Plan { rows: 20_000, tenants: &["ta"], ..Plan::default() });
    let scope = TenantScope::of(&sample::tenant("ta"));
    let snapshot = world.engine.begin(&scope, &world.limits()).await.expect("begin");
    // An endless amount of rows, sorted so that all the operators have tasks of their own.
    let query = Query::Sql {
        text: "SELECT a.Id, b.FirstName FROM Contact a CROSS JOIN Contact b".to_owned(),
    };
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut rows = snapshot.open(&query).await.expect("a stream");
    rows.batches.next().await.expect("a first batch").expect("rows");
    drop(rows);
    drop(snapshot);
    let ended = async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), ended).await.expect("the tasks end");
}

#[tokio::test]
async fn planning_that_nobody_waits_for_ends() {
    let world = World::new();
    let scope = TenantScope::of(&sample::tenant("ta"));
    let snapshot = world.engine.begin(&scope, &world.limits()).await.expect("begin");
    let query = Query::Select(Box::new(select("Invoice", &["Id"])));
    let mut planning = snapshot.check(&query);
    assert!(futures::poll!(&mut planning).is_pending(), "a thread plans");
    drop(planning);
    let columns = snapshot.check(&query).await.expect("the columns");
    assert_eq!((columns[0].name.as_str(), columns[0].field_type), ("Id", FieldType::Text));
}
