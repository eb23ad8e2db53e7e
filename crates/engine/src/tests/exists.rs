//! Conditions on related rows: which rows they keep, in which order, and by which plan.

use datafusion::physical_plan::displayable;
use outhaul_exports::query::{
    Aggregate, Compare, Condition, DeletedRows, Expr, Literal, OrderBy, Query, Select,
};

use super::kit::{World, column, exists, field, refused, select};

fn is(path: &str, value: &str) -> Condition {
    let right = Expr::Literal(Literal::Text(value.to_owned()));
    Condition::Compare { left: field(path), op: Compare::Eq, right }
}

fn is_null(path: &str) -> Condition {
    Condition::IsNull { expr: field(path), negated: false }
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

/// The numbers of the accounts whose rows are not marked as deleted.
fn live() -> impl Iterator<Item = i64> {
    (0..20).filter(|n| n % 9 != 8)
}

/// The numbers of an account's invoices. Every sixth has no account.
fn invoices(account: i64, deleted: bool) -> impl Iterator<Item = i64> {
    let of = (0..20).filter(move |n| n / 2 == account && n % 6 != 5);
    of.filter(move |n| deleted || n % 9 != 8)
}

fn ids(numbers: impl Iterator<Item = i64>) -> Vec<String> {
    numbers.map(|n| format!("Account-ta-{n}")).collect()
}

#[tokio::test]
async fn rows_are_kept_by_what_they_lead_to() {
    type Holds = fn(i64) -> bool;
    let any = |negated| exists("Invoices", None, negated);
    let posted = |negated| exists("invoices", Some(is("Status", "Posted")), negated);
    let cases: Vec<(Condition, Holds)> = vec![
        (any(false), |a| invoices(a, false).count() > 0),
        (any(true), |a| invoices(a, false).count() == 0),
        (posted(false), |a| invoices(a, false).any(|n| n % 2 == 1)),
        (posted(true), |a| !invoices(a, false).any(|n| n % 2 == 1)),
        (not(posted(false)), |a| !invoices(a, false).any(|n| n % 2 == 1)),
        (
            exists(
                "Invoices",
                Some(Condition::And(vec![is("Status", "Draft"), is_null("Comments")])),
                false,
            ),
            |a| invoices(a, false).any(|n| n % 2 == 0 && n % 5 == 0),
        ),
        (Condition::And(vec![any(false), posted(true)]), |a| {
            invoices(a, false).count() > 0 && !invoices(a, false).any(|n| n % 2 == 1)
        }),
        (Condition::Or(vec![posted(false), is_null("Name")]), |a| {
            a % 4 == 0 || invoices(a, false).any(|n| n % 2 == 1)
        }),
        (not(Condition::And(vec![any(false), not(Condition::Or(vec![is_null("Name")]))])), |a| {
            a % 4 == 0 || invoices(a, false).count() == 0
        }),
        // The same related rows, at once for themselves and inside another condition.
        (Condition::And(vec![any(false), Condition::Or(vec![any(true), is_null("Name")])]), |a| {
            a % 4 == 0 && invoices(a, false).count() > 0
        }),
        // A relation of the target, in the condition on its rows.
        (exists("Invoices", Some(is_null("BillToContact.LastName")), false), |a| {
            // The contact of every third row has no last name, and an invoice may have no contact.
            invoices(a, false).any(|n| n / 3 % 3 == 0)
        }),
        // To one row, of which every sixth account has none.
        (exists("BillToContact", None, false), |a| a % 6 != 5),
        (exists("BillToContact", None, true), |a| a % 6 == 5),
        (exists("BillToContact", Some(is_null("LastName")), false), |a| a % 6 != 5 && a % 3 == 0),
    ];
    let world = World::new();
    for (condition, holds) in cases {
        let expected = ids(live().filter(|&a| holds(a)));
        assert!(!expected.is_empty() && expected.len() < 18, "{condition:?} tells nothing");
        for paths in [&["Id"][..], &["Id", "BillToContact.FirstName", "ParentAccount.Name"]] {
            let mut query = select("Account", paths);
            query.filter = Some(condition.clone());
            let answer = world.select("ta", &query).await.expect("rows");
            assert_eq!(answer.column(0), expected, "{condition:?}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_null_in_any_column_relates_to_nothing() {
    let world = World::new();
    // Each invoice is like itself, unless one of the three columns is null.
    for (negated, expected) in [(false, 13), (true, 5)] {
        let mut query = select("Invoice", &["Id"]);
        query.filter = Some(exists("Alike", None, negated));
        let answer = world.select("ta", &query).await.expect("rows");
        let like = |n: &i64| (n % 6 != 5 && n % 5 != 0) != negated;
        let ids: Vec<_> = live().filter(like).map(|n| format!("Invoice-ta-{n}")).collect();
        assert_eq!(answer.column(0), ids);
        assert_eq!(ids.len(), expected);
    }
}

#[tokio::test]
async fn rows_that_are_marked_as_deleted_count_only_where_they_are_taken() {
    let world = World::new();
    for (mode, seen) in [
        (DeletedRows::Exclude, false),
        (DeletedRows::Include, true),
        // Only the base object's rows must be deleted, as with joins.
        (DeletedRows::Only, true),
    ] {
        for nested in [false, true] {
            let condition = exists("Invoices", Some(is("InvoiceNumber", "INV-ta-8")), false);
            let condition =
                if nested { Condition::Or(vec![condition, is("Id", "none")]) } else { condition };
            let mut query = select("Account", &["Id"]);
            query.filter = Some(condition);
            query.deleted = mode;
            let answer = world.select("ta", &query).await.expect("rows");
            // The eighth invoice is deleted, and its account is not.
            let found = seen && mode != DeletedRows::Only;
            let expected = ids((4..5).filter(|_| found));
            assert_eq!(answer.column(0), expected, "{mode:?}");
            query.filter = Some(exists("Invoices", None, false));
            let answer = world.select("ta", &query).await.expect("rows");
            let of_mode = |n: &i64| match mode {
                DeletedRows::Exclude | DeletedRows::InIncrements => n % 9 != 8,
                DeletedRows::Include => true,
                DeletedRows::Only => n % 9 == 8,
            };
            let found = |n: &i64| invoices(*n, seen).count() > 0;
            assert_eq!(answer.column(0), ids((0..20).filter(of_mode).filter(found)), "{mode:?}");
        }
    }
}

#[tokio::test]
async fn the_rest_of_the_query_sees_each_kept_row_once() {
    let world = World::new();
    let kept: Vec<i64> = live().filter(|&a| invoices(a, false).count() > 0).collect();
    let mut query = select("Account", &["Id"]);
    query.filter = Some(exists("Invoices", None, false));
    query.where_sql = Some("Id <> 'Account-ta-0'".into());
    query.order_by = vec![OrderBy { expr: field("CreatedDate"), descending: true }];
    query.offset = 1;
    query.limit = Some(3);
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.column(0), ids(kept.iter().rev().copied().skip(1).take(3)));
    let mut query = Select::of("Account");
    let count = Expr::Aggregate { function: Aggregate::Count, distinct: false, of: None };
    query.columns = vec![column("n", count)];
    query.filter = Some(exists("Invoices", None, false));
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.column(0), [kept.len().to_string()]);
    query.filter = Some(not(exists("Invoices", None, false)));
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.column(0), [(18 - kept.len()).to_string()]);
}

#[tokio::test]
async fn rows_stream_through_in_their_order_past_the_keys_alone() {
    let world = World::new();
    let posted = exists("Invoices", Some(is("Status", "Posted")), false);
    let none = exists("Contacts", None, true);
    let inside = Condition::Or(vec![posted.clone(), is_null("Name")]);
    for (condition, joins) in [
        (posted, vec!["join_type=RightSemi"]),
        (none, vec!["join_type=RightAnti"]),
        (inside, vec!["join_type=Right,"]),
    ] {
        let mut query = select("Account", &["Id", "Name"]);
        query.filter = Some(condition);
        let plan = world.plan("ta", &Query::Select(Box::new(query))).await.expect("a plan");
        let text = displayable(plan.as_ref()).indent(false).to_string();
        assert!(!text.contains("SortExec"), "the order is kept, not made again:\n{text}");
        assert_eq!(text.matches("HashJoinExec").count(), joins.len(), "{text}");
        assert_eq!(text.matches("TenantBarrierExec").count(), 2, "{text}");
        for join in joins {
            assert!(text.contains(join), "{join}:\n{text}");
        }
    }
}

/// A row that finds nothing stays between those that find something.
#[tokio::test]
async fn rows_that_find_nothing_stay_in_their_places() {
    let world = World::new();
    let any = exists("Invoices", None, false);
    for number in 0..20 {
        let one = exists("Invoices", Some(is("Id", &format!("Invoice-ta-{number}"))), false);
        for filter in [
            Condition::Or(vec![one.clone(), any.clone()]),
            Condition::Or(vec![any.clone(), one.clone()]),
            Condition::Or(vec![one.clone(), not(one)]),
        ] {
            let mut query = select("Account", &["Id"]);
            query.filter = Some(filter);
            let answer = world.select("ta", &query).await.expect("rows");
            let mut sorted = answer.column(0);
            sorted.sort_by_key(|id| id.rsplit('-').next().and_then(|n| n.parse::<u64>().ok()));
            assert!(!sorted.is_empty());
            assert_eq!(answer.column(0), sorted, "{number}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let world = World::new();
    for (condition, says) in [
        (exists("Invoice", None, false), "(did you mean Invoices?)"),
        (exists("Invoices", Some(exists("Account", None, false)), false), "another exists"),
        (exists("DefaultPaymentMethod", Some(is_null("AchAccountNumber")), true), "is sensitive"),
        (exists("Invoices", Some(is_null("Name")), false), "no field named Name in Invoice"),
    ] {
        let mut query = select("Account", &["Id"]);
        query.filter = Some(condition);
        let error = refused(world.select("ta", &query).await);
        assert!(error.to_string().contains(says), "{error}");
    }
}
