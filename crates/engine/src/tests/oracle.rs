//! Conditions against an oracle: rows that random conditions over a table and a relation to the
//! same table keep, as a query over an object and as SQL text, are those that a plain evaluation
//! of the condition over all rows keeps. Both sides have fields of the same names, and a row whose
//! relation leads nowhere has nulls there. Conditions on related rows are asked of the same table.

use outhaul_exports::query::{Compare, Condition, Expr, Literal};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::kit::{World, exists, field, select};

const CASES: u32 = 200;

/// Every column that conditions speak of: all texts, so that comparing is comparing bytes.
const PATHS: [&str; 8] = [
    "Id",
    "Name",
    "Currency",
    "AccountNumber",
    "ParentAccount.Id",
    "ParentAccount.Name",
    "ParentAccount.Currency",
    "ParentAccount.AccountNumber",
];

fn path() -> impl Strategy<Value = usize> {
    0..PATHS.len()
}

fn value() -> impl Strategy<Value = String> {
    let id = (prop::sample::select(vec!["Account", "A", "name, \"quoted\" é"]), 0..8_i64)
        .prop_map(|(what, n)| format!("{what}-ta-{n}"));
    prop_oneof![id, prop::sample::select(vec!["USD", "EUR", "x"]).prop_map(str::to_owned)]
}

/// A condition, in a form that is simple to evaluate.
#[derive(Debug, Clone)]
enum Test {
    Equal(usize, String, bool),
    Same(usize, usize),
    Null(usize, bool),
    /// There is a child, of which the field says this if it must.
    Child(Option<(usize, String, bool)>, bool),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
}

/// One of the base object's own columns.
fn own() -> impl Strategy<Value = usize> {
    0..PATHS.len() / 2
}

fn test() -> impl Strategy<Value = Test> {
    nested(leaf())
}

/// Also with conditions on related rows.
fn related() -> impl Strategy<Value = Test> {
    let child = (prop::option::of((own(), value(), any::<bool>())), any::<bool>());
    let child = child.prop_map(|(is, negated)| Test::Child(is, negated));
    nested(prop_oneof![leaf(), child])
}

fn leaf() -> impl Strategy<Value = Test> {
    prop_oneof![
        (path(), value(), any::<bool>()).prop_map(|(at, value, not)| Test::Equal(at, value, not)),
        (path(), path()).prop_map(|(a, b)| Test::Same(a, b)),
        (path(), any::<bool>()).prop_map(|(at, not)| Test::Null(at, not)),
    ]
}

fn nested(leaf: impl Strategy<Value = Test> + 'static) -> impl Strategy<Value = Test> {
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Test::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Test::Any),
            inner.prop_map(|test| Test::Not(Box::new(test))),
        ]
    })
}

impl Test {
    /// Whether the row passes; `None` when that is unknown.
    fn holds(&self, row: &Row, rows: &[Row]) -> Option<bool> {
        match self {
            Self::Equal(at, value, not) => row[*at].as_ref().map(|cell| (cell == value) != *not),
            Self::Same(a, b) => Some(row[*a].as_ref()? == row[*b].as_ref()?),
            Self::Null(at, not) => Some(row[*at].is_none() != *not),
            Self::Child(is, negated) => {
                let said = |child: &Row| {
                    is.as_ref().is_none_or(|(at, value, not)| {
                        child[*at].as_ref().is_some_and(|cell| (cell == value) != *not)
                    })
                };
                let mut children = rows.iter().filter(|child| child[4] == row[0]);
                Some(children.any(said) != *negated)
            }
            Self::All(tests) => {
                let all: Vec<_> = tests.iter().map(|test| test.holds(row, rows)).collect();
                if all.contains(&Some(false)) {
                    return Some(false);
                }
                (!all.contains(&None)).then_some(true)
            }
            Self::Any(tests) => {
                let all: Vec<_> = tests.iter().map(|test| test.holds(row, rows)).collect();
                if all.contains(&Some(true)) {
                    return Some(true);
                }
                (!all.contains(&None)).then_some(false)
            }
            Self::Not(test) => test.holds(row, rows).map(|held| !held),
        }
    }

    fn condition(&self) -> Condition {
        let all = |tests: &[Self]| tests.iter().map(Self::condition).collect();
        match self {
            Self::Equal(at, value, not) => equal(*at, value, *not),
            Self::Same(a, b) => Condition::Compare {
                left: field(PATHS[*a]),
                op: Compare::Eq,
                right: field(PATHS[*b]),
            },
            Self::Null(at, negated) => {
                Condition::IsNull { expr: field(PATHS[*at]), negated: *negated }
            }
            Self::Child(is, negated) => {
                let is = is.as_ref().map(|(at, value, not)| equal(*at, value, *not));
                exists("Children", is, *negated)
            }
            Self::All(tests) => Condition::And(all(tests)),
            Self::Any(tests) => Condition::Or(all(tests)),
            Self::Not(test) => Condition::Not(Box::new(test.condition())),
        }
    }

    fn sql(&self) -> String {
        let name = |at: &usize| match PATHS[*at].split_once('.') {
            Some((_, field)) => format!("p.{field}"),
            None => format!("a.{}", PATHS[*at]),
        };
        let all = |tests: &[Self], word: &str| {
            let parts: Vec<String> = tests.iter().map(|test| format!("({})", test.sql())).collect();
            parts.join(word)
        };
        match self {
            Self::Equal(at, value, not) => {
                format!("{} {} '{value}'", name(at), if *not { "<>" } else { "=" })
            }
            Self::Same(a, b) => format!("{} = {}", name(a), name(b)),
            Self::Null(at, not) => {
                format!("{} is {}null", name(at), if *not { "not " } else { "" })
            }
            Self::Child(_, _) => unreachable!("in SQL text, objects are related by their fields"),
            Self::All(tests) => all(tests, " and "),
            Self::Any(tests) => all(tests, " or "),
            Self::Not(test) => format!("not ({})", test.sql()),
        }
    }
}

fn equal(at: usize, value: &str, not: bool) -> Condition {
    Condition::Compare {
        left: field(PATHS[at]),
        op: if not { Compare::Ne } else { Compare::Eq },
        right: Expr::Literal(Literal::Text(value.to_owned())),
    }
}

type Row = Vec<Option<String>>;

/// The ids of the rows that pass.
fn kept(test: &Test, rows: &[Row]) -> Vec<String> {
    let kept = rows.iter().filter(|row| test.holds(row, rows) == Some(true));
    kept.map(|row| row[0].clone().expect("every row has an id")).collect()
}

/// The same base rows, each with what `NEXT` finds in place of its parent: the row that was
/// created an hour later.
fn with_next(rows: &[Row]) -> Vec<Row> {
    let number = |row: &Row| -> Option<i64> { row[0].as_ref()?.rsplit('-').next()?.parse().ok() };
    let next = |row: &Row| rows.iter().find(|other| number(other) == number(row).map(|n| n + 1));
    let joined = |row: &Row| {
        let there = next(row).map_or(vec![None; 4], |next| next[..4].to_vec());
        row[..4].iter().cloned().chain(there).collect()
    };
    rows.iter().map(joined).collect()
}

const NEXT: &str =
    "from Account a left join Account p on a.CreatedDate = p.CreatedDate - interval '1 hour'";

async fn everything(world: &World) -> Vec<Row> {
    let answer = world.select("ta", &select("Account", &PATHS)).await.expect("all rows");
    let cell = |cell: &String| (cell != "NULL").then(|| cell.clone());
    answer.rows.iter().map(|row| row.iter().map(cell).collect()).collect()
}

#[test]
fn conditions_keep_the_rows_that_they_say() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = World::new();
    let rows = runtime.block_on(everything(&world));
    let followed = with_next(&rows);
    for rows in [&rows, &followed] {
        assert!(rows.iter().any(|row| row[4].is_none()) && rows.iter().any(|row| row[4].is_some()));
    }
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(CASES) });
    let outcome = runner.run(&(test(), any::<bool>()), |(test, wide)| {
        // Which columns are asked for decides what stands between the condition and the join.
        let paths: &[&str] = if wide { &PATHS } else { &PATHS[..1] };
        let mut query = select("Account", paths);
        query.filter = Some(test.condition());
        let answer = runtime.block_on(world.select("ta", &query)).expect("rows");
        prop_assert_eq!(answer.column(0), kept(&test, &rows));
        let mut expected = kept(&test, &followed);
        expected.sort_unstable();
        let columns = if wide { "a.Id, a.Currency, p.Currency" } else { "a.Id" };
        let sql = format!("select {columns} {NEXT} where {} order by a.Id", test.sql());
        let answer = runtime.block_on(world.sql("ta", &sql)).expect("rows");
        prop_assert_eq!(answer.column(0), expected.clone(), "{}", sql);
        let sql = format!("select count(*) as n, count(p.Id) as found {NEXT} where {}", test.sql());
        let answer = runtime.block_on(world.sql("ta", &sql)).expect("a count");
        prop_assert_eq!(answer.column(0), [expected.len().to_string()], "{}", sql);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn conditions_on_related_rows_keep_the_rows_that_they_say() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = World::new();
    let rows = runtime.block_on(everything(&world));
    let with_child = kept(&Test::Child(None, false), &rows);
    assert!(!with_child.is_empty() && with_child.len() < rows.len());
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(CASES) });
    let outcome = runner.run(&(related(), any::<bool>()), |(test, wide)| {
        let paths: &[&str] = if wide { &PATHS } else { &PATHS[..1] };
        let mut query = select("Account", paths);
        query.filter = Some(test.condition());
        let answer = runtime.block_on(world.select("ta", &query)).expect("rows");
        prop_assert_eq!(answer.column(0), kept(&test, &rows));
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
