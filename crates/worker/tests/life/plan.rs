//! Checks and previews.

use std::time::{Duration, Instant};

use outhaul_exports::ErrorKind;
use outhaul_exports::lease::Incarnation;
use outhaul_exports::ports::Planner;
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::Query;
use outhaul_exports::testing;

use super::rig::Rig;

crate::cases![
    queries_are_checked_and_previewed,
    a_query_that_kills_its_planner_is_refused,
    a_plan_that_takes_too_long_is_given_up,
    long_exports_keep_nobody_waiting,
    slow_previews_of_one_tenant_keep_no_other_waiting,
    a_slot_that_cannot_start_is_said,
];

fn acme() -> TenantScope {
    TenantScope::of(&testing::tenant("acme"))
}

fn sql(text: &str) -> Query {
    Query::Sql { text: text.into() }
}

async fn queries_are_checked_and_previewed() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let columns = worker.slots.check(&acme(), &sql("rows=5")).await.expect("it is checked");
    assert_eq!(columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["id", "name"]);
    let shown = worker.slots.preview(&acme(), &sql("rows=endless"), 3).await.expect("it is shown");
    assert_eq!(shown.columns, columns);
    let rows = serde_json::to_string(&shown.rows).expect("json");
    assert_eq!(rows, r#"[[0,null],[1,"name, \"1\""],[2,"name, \"2\""]]"#);
    let most = worker.slots.preview(&acme(), &sql("rows=endless"), 1_000_000).await;
    assert_eq!(most.expect("it is shown").rows.len(), 1_000);
    let error = worker.slots.check(&acme(), &sql("check=bad")).await.expect_err("it is refused");
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "where".into() });
    assert_eq!(error.public(), "a value is not a number");
    let error = worker.slots.check(&acme(), &sql("check=panic")).await.expect_err("it panics");
    assert_eq!(*error.kind(), ErrorKind::Internal);
}

async fn a_query_that_kills_its_planner_is_refused() {
    let rig = Rig::new();
    let worker = rig.work().await;
    for action in ["abort", "bomb", "leap"] {
        let query = sql(&format!("rows=1 check={action}"));
        let error = worker.slots.check(&acme(), &query).await.expect_err("it is refused");
        assert_eq!(*error.kind(), ErrorKind::TooLarge, "{action}: {error:?}");
        worker.slots.check(&acme(), &sql("rows=1")).await.expect("the next one works");
    }
}

async fn a_plan_that_takes_too_long_is_given_up() {
    let mut rig = Rig::new();
    rig.settings.plan_within = Duration::from_secs(1);
    let worker = rig.work().await;
    for action in ["hang", "block"] {
        let begun = Instant::now();
        let query = sql(&format!("rows=1 check={action}"));
        let error = worker.slots.check(&acme(), &query).await.expect_err("it is given up");
        assert_eq!(*error.kind(), ErrorKind::TooLarge);
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

async fn long_exports_keep_nobody_waiting() {
    let rig = Rig::new();
    let worker = rig.work().await;
    let gates = [rig.gate("gate-0"), rig.gate("gate-1")];
    for gate in &gates {
        rig.script(&format!("rows=10 do={}", gate.script())).await;
    }
    let held = [gates[0].reached().await, gates[1].reached().await];
    assert_eq!(worker.slots.free(), 0);
    for _ in 0..10 {
        worker.slots.check(&acme(), &sql("rows=1")).await.expect("it is checked");
    }
    drop(held);
}

async fn slow_previews_of_one_tenant_keep_no_other_waiting() {
    let mut rig = Rig::new();
    rig.settings.planners = 2;
    let worker = rig.work().await;
    let gate = rig.gate("gate");
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (slots, query) = (worker.slots.clone(), sql(&format!("rows=1 do={}", gate.script())));
        slow.spawn(async move { slots.preview(&acme(), &query, 1).await });
    }
    let held = gate.reached().await;
    // One is at work and sixteen wait; whoever came after them is sent away at once.
    for _ in 0..3 {
        let refused = slow.join_next().await.expect("there are more").expect("no panic");
        let refused = refused.expect_err("it is sent away");
        assert_eq!(*refused.kind(), ErrorKind::Unavailable);
        assert!(refused.public().contains("try again"), "{refused}");
    }
    let globex = TenantScope::of(&testing::tenant("globex"));
    for _ in 0..20 {
        worker.slots.check(&globex, &sql("rows=1")).await.expect("it is checked");
    }
    gate.open();
    drop(held);
    let done = slow.join_all().await;
    assert_eq!(done.into_iter().filter(Result::is_ok).count(), 17);
}

async fn a_slot_that_cannot_start_is_said() {
    let mut rig = Rig::new();
    rig.settings.command.program = "/nowhere/outhaul".into();
    let slots = outhaul_worker::SlotPool::start(rig.settings.clone(), &Incarnation::random());
    let error = slots.expect("a pool").ready().await.expect_err("it cannot start");
    assert_eq!(error.public(), "slots cannot be started");
    rig.settings.command.program = "/bin/true".into();
    let slots = outhaul_worker::SlotPool::start(rig.settings, &Incarnation::random());
    let error = slots.expect("a pool").ready().await.expect_err("it says nothing");
    assert!(error.chain().contains("did not start"), "{}", error.chain());
}
