//! Increments over sources that go by time: what comes, what comes again, and what never comes.
//!
//! A table is a list of row versions, each with the time that its writer stamped on it and the time
//! from which others see it. An export at a moment sees the latest version of each row; the union of
//! a series of exports is compared with what was there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use outhaul_exports::ErrorKind;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::ports::{Engine, Snapshot};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::DeletedRows;
use outhaul_exports::query::{Column, Condition, Expr, Literal, Protection, Query, Select};
use outhaul_exports::session::Mark;
use outhaul_exports::testing::{TestClock, noon, sample};
use tempfile::TempDir;

use super::kit::{Answer, collect, column, select};
use crate::DataFusionEngine;
use crate::sources::SourceConfig;

/// Files that a test writes, read by a clock that it sets.
struct Shop {
    dir: TempDir,
    clock: TestClock,
    engine: DataFusionEngine,
}

/// `Thing` by the time of its change, with tombstones; `Day` by its date; `Plain` by nothing.
const CATALOG: &str = r#"
    [[objects]]
    name = "Thing"
    source = "main"
    key = ["Id", "Part"]
    tenant_column = "tenant"
    entity_column = "entity"
    updated = "Changed"
    deleted_column = "gone"
    tombstones = { table = "ThingGone", deleted_at = "at", columns = { id = "thing" } }
    fields = [
      { name = "Id", type = "text", column = "key_id", nullable = false },
      { name = "Part", type = "integer", nullable = false },
      { name = "Name", type = "text" },
      { name = "Price", type = "decimal" },
      { name = "Changed", type = "timestamp", column = "changed_at" },
    ]
    relations = [{ name = "Day", target = "Day", columns = { key_id = "Id" } }]

    [[objects]]
    name = "Day"
    source = "main"
    key = ["Id"]
    tenant_column = "tenant"
    updated = "Changed"
    fields = [{ name = "Id", type = "text" }, { name = "Changed", type = "date" }]

    [[objects]]
    name = "Plain"
    source = "main"
    key = ["Id"]
    tenant_column = "tenant"
    fields = [{ name = "Id", type = "text" }]

    [[objects]]
    name = "Odd"
    source = "main"
    table = "Plain"
    key = ["Id"]
    tenant_column = "tenant"
    updated = "Id"
    fields = [{ name = "Id", type = "text" }]
"#;

#[derive(serde::Deserialize)]
struct Objects {
    objects: Vec<RawObject>,
}

impl Shop {
    fn new(overlap_secs: u32) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        for folder in ["data", "spill"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        let objects = toml::from_str::<Objects>(CATALOG).expect("a catalog").objects;
        let catalog = Arc::new(Catalog::check(objects).expect("a sound catalog"));
        let config = serde_json::json!({
            "kind": "files", "name": "main", "format": "csv", "overlap_secs": overlap_secs,
            "url": dir.path().join("data").display().to_string(),
        });
        let config: SourceConfig = serde_json::from_value(config).expect("a source");
        let clock = TestClock::at(noon());
        let time = Arc::new(clock.clone());
        let engine = DataFusionEngine::with_stores(catalog, vec![config], HashMap::new(), time);
        let shop = Self { dir, clock, engine: engine.expect("an engine") };
        shop.write("Thing", "tenant,entity,key_id,Part,Name,Price,changed_at,gone,Id", &[]);
        shop.write("ThingGone", "thing,Part,tenant,entity,at", &[]);
        shop.write("Day", "tenant,Id,Changed", &[]);
        shop.write("Plain", "tenant,Id", &["ta,1".to_owned()]);
        shop
    }

    fn write(&self, table: &str, heading: &str, rows: &[String]) {
        let path = self.dir.path().join("data").join(format!("{table}.csv"));
        let text = std::iter::once(heading).chain(rows.iter().map(String::as_str));
        std::fs::write(path, text.collect::<Vec<_>>().join("\n") + "\n").expect("it is written");
    }

    fn things(&self, rows: &[String]) {
        self.write("Thing", "tenant,entity,key_id,Part,Name,Price,changed_at,gone", rows);
    }

    async fn begin(&self, scope: &TenantScope) -> Box<dyn Snapshot> {
        let limits = outhaul_exports::ports::RunLimits {
            memory_bytes: 64 << 20,
            spill_bytes: 1 << 20,
            spill_dir: self.dir.path().join("spill"),
            threads: 2,
        };
        self.engine.begin(scope, &limits).await.expect("a snapshot")
    }

    /// Runs a query, and answers up to where it has read.
    async fn run(&self, select: &Select) -> outhaul_exports::Result<(Answer, Mark)> {
        let snapshot = self.begin(&TenantScope::of(&sample::tenant("ta"))).await;
        let query = Query::Select(Box::new(select.clone()));
        let mark = snapshot.mark(&query).await?;
        Ok((collect(snapshot.as_ref(), &query).await?, mark))
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(seconds)
}

fn stamp(seconds: i64) -> String {
    at(seconds).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A mark that the source `main` made at that second.
fn mark(seconds: i64) -> Mark {
    Mark::new("main", at(seconds), serde_json::Value::Null)
}

fn since(mut select: Select, seconds: i64) -> Select {
    select.since = Some(mark(seconds));
    select
}

/// One version of a row.
#[derive(Debug, Clone)]
struct Version {
    id: usize,
    /// What its writer stamped on it; nobody knows when `None`.
    stamped: Option<i64>,
    /// From when others see it.
    seen: i64,
}

fn version(id: usize, stamped: i64, seen: i64) -> Version {
    Version { id, stamped: Some(stamped), seen }
}

/// Which versions a series of exports never shows although one of the exports, or what is there at
/// the last of them, should: the last export sees all that was to be seen.
async fn missed(overlap: u32, versions: &[Version], exports: &[i64]) -> BTreeSet<usize> {
    let shop = Shop::new(overlap);
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    let mut mark = None;
    for &second in exports {
        shop.clock.set(at(second));
        let mut latest: BTreeMap<usize, (usize, &Version)> = BTreeMap::new();
        for (place, version) in versions.iter().enumerate().filter(|(_, v)| v.seen <= second) {
            let last = latest.entry(version.id).or_insert((place, version));
            if version.seen >= last.1.seen {
                *last = (place, version);
            }
        }
        let row = |(place, version): &(usize, &Version)| {
            let stamped = version.stamped.map(stamp).unwrap_or_default();
            format!("ta,e,{},1,{place},1.5,{stamped},false", version.id)
        };
        shop.things(&latest.values().map(row).collect::<Vec<_>>());
        let mut query = select("Thing", &["Name"]);
        query.since = mark;
        let (answer, read_to) = shop.run(&query).await.expect("it runs");
        seen.extend(answer.column(0).iter().map(|place| place.parse::<usize>().expect("ours")));
        mark = Some(read_to);
    }
    // What was there at an export and was overwritten since need not have come; what is there at
    // the end must.
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, version) in versions.iter().enumerate() {
        let newer = last.get(&version.id).is_none_or(|&other| versions[other].seen <= version.seen);
        if newer {
            last.insert(version.id, place);
        }
    }
    last.into_values().filter(|place| !seen.contains(place)).collect()
}

/// What it is, the overlap, the versions, the exports, and whether a row is lost.
type Case = (&'static str, u32, Vec<Version>, Vec<i64>, bool);

#[tokio::test(flavor = "multi_thread")]
async fn the_ways_to_lose_rows() {
    let hour = 3600;
    let cases: Vec<Case> = vec![
        ("a late commit", 300, vec![version(1, 10, 19)], vec![15, 30], false),
        ("a late commit, taken naively", 0, vec![version(1, 10, 19)], vec![15, 30], true),
        ("of the same second", 0, vec![version(1, 15, 19)], vec![15, 30], false),
        (
            "two of the same second",
            0,
            vec![version(1, 15, 15), version(2, 15, 16)],
            vec![15, 30],
            false,
        ),
        ("a long transaction", 300, vec![version(1, 10, 290)], vec![200, 300], false),
        ("one as long as the overlap", 300, vec![version(1, 100, 401)], vec![400, 500], false),
        ("a longer one", 300, vec![version(1, 99, 401)], vec![400, 500], true),
        ("a clock that is slow", 300, vec![version(1, 500 - 240, 500)], vec![490, 510], false),
        ("one that is too slow", 60, vec![version(1, 500 - 240, 500)], vec![490, 510], true),
        ("a clock that is fast", 0, vec![version(1, 900, 500)], vec![490, 510], false),
        ("local time", 7200, vec![version(1, hour, 2 * hour)], vec![7100, 7300], false),
        (
            "local time, an hour too early",
            300,
            vec![version(1, hour, 2 * hour)],
            vec![7100, 7300],
            true,
        ),
        (
            "no stamp at all",
            0,
            vec![Version { id: 1, stamped: None, seen: 100 }],
            vec![50, 150],
            false,
        ),
        ("a restore with old stamps", 300, vec![version(1, -90_000, 100)], vec![50, 150], true),
        (
            "a change that keeps its stamp",
            300,
            vec![version(1, -9000, 10), version(1, -9000, 100)],
            vec![50, 150],
            true,
        ),
        (
            "a change between two exports",
            0,
            vec![version(1, 10, 10), version(1, 60, 60)],
            vec![50, 150],
            false,
        ),
        ("an export that nobody took", 0, vec![version(1, 10, 10)], vec![5, 150], false),
    ];
    for (name, overlap, versions, exports, lost) in cases {
        let missed = missed(overlap, &versions, &exports).await;
        assert_eq!(!missed.is_empty(), lost, "{name}, overlap {overlap}: {missed:?}");
    }
}

/// Numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end).cast_signed()
    }
}

/// Many writers with late commits, some clocks wrong, exports at random moments.
#[tokio::test(flavor = "multi_thread")]
async fn a_series_with_enough_overlap_misses_nothing() {
    let seed = RandomState::new().hash_one(0);
    let mut dice = Dice(seed);
    let mut naive = 0;
    for round in 0..6 {
        let versions: Vec<Version> = (0..300)
            .map(|_| {
                let seen = dice.below(1_000);
                // A transaction of up to 60 seconds by a clock that is up to 30 seconds wrong.
                let stamped = seen - dice.below(61) + dice.below(61) - 30;
                let stamped = (dice.below(50) > 0).then_some(stamped);
                let id = usize::try_from(dice.below(120)).expect("it is small");
                Version { id, stamped, seen }
            })
            .collect();
        let mut exports: Vec<i64> = (0..8).map(|_| dice.below(1_000)).collect();
        exports.push(1_000);
        exports.sort_unstable();
        let missed_by = missed(90, &versions, &exports).await;
        assert!(missed_by.is_empty(), "seed {seed}, round {round}: {missed_by:?}");
        naive += missed(0, &versions, &exports).await.len();
    }
    assert!(naive > 0, "seed {seed}: without overlap rows are lost, or the judge sees nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_increment_has_what_changed_of_its_base_object_alone() {
    let shop = Shop::new(10);
    shop.clock.set(at(1_000));
    shop.things(&[
        format!("ta,e,a,1,old,1.5,{},false", stamp(500)),
        format!("ta,e,b,1,edge,1.5,{},false", stamp(590)),
        format!("ta,e,c,1,new,2.25,{},false", stamp(700)),
        format!("ta,e,d,1,dead,3,{},true", stamp(700)),
        format!("ta,e,e,1,old and dead,3,{},true", stamp(500)),
        "ta,e,f,1,unstamped,3,,false".to_owned(),
        format!("tb,e,g,1,foreign,3,{},false", stamp(700)),
    ]);
    let day = |id: &str, seconds: i64| format!("ta,{id},{}", at(seconds).date_naive());
    shop.write("Day", "tenant,Id,Changed", &[day("a", -90_000), day("b", 0), day("c", -90_000)]);
    let names = async |deleted: DeletedRows, filter: Option<Condition>| {
        let mut query = since(select("Thing", &["Name"]), 600);
        (query.deleted, query.filter) = (deleted, filter);
        let (answer, _) = shop.run(&query).await.expect("it runs");
        answer.sorted().rows.concat()
    };
    assert_eq!(names(DeletedRows::Exclude, None).await, ["edge", "new", "unstamped"]);
    assert_eq!(names(DeletedRows::Include, None).await, ["dead", "edge", "new", "unstamped"]);
    assert_eq!(names(DeletedRows::Only, None).await, ["dead"]);
    let dear = Condition::Compare {
        left: Expr::own("Price"),
        op: outhaul_exports::query::Compare::Gt,
        right: Expr::Literal(Literal::Integer(2)),
    };
    assert_eq!(names(DeletedRows::Exclude, Some(dear)).await, ["new", "unstamped"]);
    // Chains of OR stay apart from the condition of the increment.
    let either = Condition::Or(vec![
        Condition::IsNull { expr: Expr::own("Name"), negated: true },
        Condition::IsNull { expr: Expr::own("Price"), negated: false },
    ]);
    assert_eq!(names(DeletedRows::Exclude, Some(either)).await, ["edge", "new", "unstamped"]);
    // What a relation leads to comes as it is, changed or not.
    let query = since(select("Thing", &["Id", "Day.Changed"]), 600);
    let (answer, _) = shop.run(&query).await.expect("it runs");
    let day = |seconds: i64| at(seconds).date_naive().to_string();
    let expected = [
        ["b".to_owned(), day(0)],
        ["c".to_owned(), day(-90_000)],
        ["f".to_owned(), "NULL".to_owned()],
    ];
    assert_eq!(answer.sorted().rows, expected);
    // A date is the beginning of its day: all of the mark's day comes.
    let (answer, _) = shop.run(&since(select("Day", &["Id"]), 600)).await.expect("it runs");
    assert_eq!(answer.sorted().rows, [["b"]]);
    let where_sql = Select {
        where_sql: Some("Name <> 'edge'".into()),
        ..since(select("Thing", &["Name"]), 600)
    };
    let (answer, _) = shop.run(&where_sql).await.expect("it runs");
    assert_eq!(answer.sorted().rows, [["new"], ["unstamped"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_time_is_all_that_comes() {
    let shop = Shop::new(10);
    shop.clock.set(at(1_000));
    shop.things(&[
        format!("ta,e,a,1,old,1.5,{},false", stamp(500)),
        format!("ta,e,b,1,first,1.5,{},false", stamp(600)),
        format!("ta,e,c,1,last,2.25,{},false", stamp(699)),
        format!("ta,e,d,1,late,2.25,{},false", stamp(700)),
        format!("ta,e,e,1,dead,3,{},true", stamp(650)),
        "ta,e,f,1,unstamped,3,,false".to_owned(),
    ]);
    let gone = |id: &str, seconds: i64| format!("{id},1,ta,e,{}", stamp(seconds));
    let tombs = [gone("x", 599), gone("y", 600), gone("z", 700)];
    shop.write("ThingGone", "thing,Part,tenant,entity,at", &tombs);
    let rows = async |from: Option<i64>, until: Option<i64>, deleted: DeletedRows| {
        let mut query = select("Thing", &["Id"]);
        query.columns.push(column("gone", Expr::AsNumber(Box::new(Expr::IsDeleted))));
        (query.changed_from, query.changed_until) = (from.map(at), until.map(at));
        query.deleted = deleted;
        let (answer, mark) = shop.run(&query).await.expect("it runs");
        assert_eq!(mark.held_from, until.map(at));
        answer.sorted().rows.iter().map(|row| row.join("")).collect::<Vec<_>>().join(" ")
    };
    use DeletedRows::{Exclude, InIncrements, Include};
    for (from, until, deleted, expected) in [
        (None, None, InIncrements, "a0 b0 c0 d0 f0"),
        (None, Some(700), InIncrements, "a0 b0 c0 f0"),
        (Some(600), None, Exclude, "b0 c0 d0 f0"),
        (Some(600), None, InIncrements, "b0 c0 d0 e1 f0 y1 z1"),
        (Some(600), Some(700), InIncrements, "b0 c0 e1 f0 y1"),
        (None, None, Include, "a0 b0 c0 d0 e1 f0"),
    ] {
        assert_eq!(rows(from, until, deleted).await, expected, "{from:?} {until:?} {deleted:?}");
    }
    let mut plain = select("Plain", &["Id"]);
    plain.changed_from = Some(at(0));
    let snapshot = shop.begin(&TenantScope::of(&sample::tenant("ta"))).await;
    let opened = snapshot.open(&Query::Select(Box::new(plain))).await;
    let error = opened.err().expect("it has no such time");
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert!(error.public().contains("the catalog names no field with that time"), "{error}");
}

/// What was held back by its time comes with the next increment, whatever the mark says of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_back_comes_next() {
    let shop = Shop::new(0);
    shop.clock.set(at(1_000));
    shop.things(&[
        format!("ta,e,a,1,old,1.5,{},false", stamp(500)),
        format!("ta,e,b,1,young,1.5,{},false", stamp(950)),
    ]);
    let mut query = select("Thing", &["Name"]);
    query.changed_until = Some(at(900));
    let (answer, mark) = shop.run(&query).await.expect("it runs");
    assert_eq!(answer.rows, [["old"]]);
    shop.clock.set(at(2_000));
    let next = Select { since: Some(mark), changed_until: Some(at(1_900)), ..query };
    let (answer, _) = shop.run(&next).await.expect("it runs");
    assert_eq!(answer.rows, [["young"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_names_its_source_and_the_moment_before_the_first_row() {
    let shop = Shop::new(10);
    shop.clock.set(at(77));
    let (_, made) = shop.run(&select("Thing", &["Name"])).await.expect("it runs");
    assert_eq!(made, mark(77));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_of_another_source_begins_anew_and_says_so() {
    let shop = Shop::new(10);
    shop.things(&[format!("ta,e,a,1,old,1.5,{},false", stamp(-5_000))]);
    let mut query = since(select("Thing", &["Name"]), 600);
    assert!(shop.run(&query).await.expect("it runs").0.rows.is_empty());
    query.since = Some(Mark { source: "former".into(), ..mark(600) });
    let snapshot = shop.begin(&TenantScope::of(&sample::tenant("ta"))).await;
    let query = Query::Select(Box::new(query));
    let warnings = snapshot.open(&query).await.expect("it runs").warnings;
    let codes: Vec<_> = warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["session_restarted"]);
    assert_eq!(collect(snapshot.as_ref(), &query).await.expect("it runs").rows, [["old"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_come_in_increments_is_refused_at_the_first() {
    let shop = Shop::new(10);
    for (object, says) in [
        ("Plain", "the catalog names no such field (updated)"),
        ("Odd", "Id, is a text in the catalog and no timestamp"),
    ] {
        let error = shop.run(&select(object, &["Id"])).await.expect_err("it has no mark");
        assert_eq!(*error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(says), "{error}");
        let error = shop.run(&since(select(object, &["Id"]), 0)).await.expect_err("nor then");
        assert!(error.to_string().contains(says), "{error}");
    }
    let limited = Select { limit: Some(3), ..since(select("Thing", &["Id"]), 0) };
    let error = shop.run(&limited).await.expect_err("it would lose rows");
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "limit".into() });
    let count = Expr::Aggregate {
        function: outhaul_exports::query::Aggregate::Count,
        distinct: false,
        of: None,
    };
    let mut counted = since(select("Thing", &[]), 0);
    counted.columns = vec![column("n", count)];
    let error = shop.run(&counted).await.expect_err("it would count some of the rows");
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "group by".into() });
}

/// All columns that a tombstone can and cannot fill.
fn wide() -> Select {
    let mut query = select("Thing", &["Name", "Id", "Part", "Price", "Day.Id", "Changed"]);
    query.columns.push(column("deleted", Expr::IsDeleted));
    let seven = Expr::Literal(Literal::Integer(7));
    query.columns.push(column("seven", seven));
    let (label, expr) = ("masked".to_owned(), Expr::own("Id"));
    query.columns.push(Column { label, expr, protection: Protection::Masked });
    query.deleted = DeletedRows::Include;
    query
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_come_with_their_keys_in_increments() {
    let shop = Shop::new(10);
    shop.things(&[
        format!("ta,e,a,1,new,1.5,{},false", stamp(700)),
        format!("ta,e,b,2,dead,1.5,{},true", stamp(700)),
    ]);
    let gone = |id: &str, part: i64, tenant: &str, entity: &str, seconds: i64| {
        format!("{id},{part},{tenant},{entity},{}", stamp(seconds))
    };
    shop.write(
        "ThingGone",
        "thing,Part,tenant,entity,at",
        &[
            gone("x", 1, "ta", "e", 700),
            gone("y", 2, "ta", "f", 590),
            gone("old", 3, "ta", "e", 589),
            gone("theirs", 4, "tb", "e", 700),
            "unstamped,5,ta,e,".to_owned(),
        ],
    );
    let lines = |answer: Answer| {
        let rows = answer.sorted().rows;
        rows.into_iter().map(|row| row.join("|")).collect::<Vec<_>>()
    };
    let (answer, _) = shop.run(&since(wide(), 600)).await.expect("it runs");
    let changed = "2026-06-23T12:11:40Z";
    assert_eq!(
        lines(answer),
        [
            "NULL|unstamped|5|NULL|NULL|NULL|true|7|*****".to_owned(),
            "NULL|x|1|NULL|NULL|NULL|true|7|*****".to_owned(),
            "NULL|y|2|NULL|NULL|NULL|true|7|*****".to_owned(),
            format!("dead|b|2|1.500000|NULL|{changed}|true|7|*****"),
            format!("new|a|1|1.500000|NULL|{changed}|false|7|*****"),
        ]
    );
    // Conditions and the order are for rows that are there; tombstones come before them,
    // so that what was deleted and made again is there in the end.
    let mut query = since(wide(), 600);
    query.where_sql = Some("Price > 100".into());
    query.order_by =
        vec![outhaul_exports::query::OrderBy { expr: Expr::own("Name"), descending: true }];
    let (answer, _) = shop.run(&query).await.expect("it runs");
    assert_eq!(answer.rows.len(), 3);
    query.where_sql = None;
    let (answer, _) = shop.run(&query).await.expect("it runs");
    assert_eq!(answer.column(0), ["NULL", "NULL", "NULL", "new", "dead"]);
    // A full export has none, nor one that leaves deleted rows out.
    let (answer, _) = shop.run(&wide()).await.expect("it runs");
    assert_eq!(answer.rows.len(), 2);
    let live = Select { deleted: DeletedRows::Exclude, ..since(wide(), 600) };
    assert_eq!(shop.run(&live).await.expect("it runs").0.rows.len(), 1);
    let dead = Select { deleted: DeletedRows::Only, ..since(wide(), 600) };
    assert_eq!(shop.run(&dead).await.expect("it runs").0.rows.len(), 4);
    // A scope that is narrower sees no more keys than rows.
    let scope = TenantScope::of(&sample::tenant("ta")).with_entities(vec!["f".to_owned()]);
    let snapshot = shop.begin(&scope).await;
    let narrow = Query::Select(Box::new(since(wide(), 600)));
    let answer = collect(snapshot.as_ref(), &narrow).await.expect("it runs");
    assert_eq!(lines(answer), ["NULL|y|2|NULL|NULL|NULL|true|7|*****"]);
    // Tombstones that do not say whose they were open nothing.
    shop.write("ThingGone", "thing,Part,tenant,at", &[format!("x,1,ta,{}", stamp(700))]);
    let snapshot = shop.begin(&scope).await;
    assert!(collect(snapshot.as_ref(), &narrow).await.is_err());
    assert_eq!(shop.run(&since(wide(), 600)).await.expect("it runs").0.rows.len(), 3);
}
