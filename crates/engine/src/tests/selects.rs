//! The neutral query, feature by feature.

use outhaul_exports::ErrorKind;
use outhaul_exports::query::{
    Aggregate, Compare, Condition, DatePart, DeletedRows, Expr, Literal, OrderBy, Protection,
    Select,
};

use super::kit::{World, column, field, refused, select};

fn compare(left: Expr, op: Compare, right: Literal) -> Condition {
    Condition::Compare { left, op, right: Expr::Literal(right) }
}

fn count(of: Option<Expr>, distinct: bool) -> Expr {
    Expr::Aggregate { function: Aggregate::Count, distinct, of: of.map(Box::new) }
}

fn call(function: Aggregate, of: &str) -> Expr {
    Expr::Aggregate { function, distinct: false, of: Some(Box::new(field(of))) }
}

fn live() -> Vec<i64> {
    (0..20).filter(|n| n % 9 != 8).collect()
}

#[tokio::test]
async fn rows_come_in_the_order_of_the_source_and_of_one_tenant() {
    let world = World::new();
    let answer = world.select("tb", &select("Contact", &["Id", "FirstName"])).await.expect("rows");
    assert_eq!(answer.labels, ["Id", "FirstName"]);
    let expected: Vec<String> = (0..20).map(|n| format!("Contact-tb-{n}")).collect();
    assert_eq!(answer.column(0), expected);
}

#[tokio::test]
async fn relations_are_joined_once_and_keep_the_order() {
    let world = World::new();
    let paths =
        ["Id", "Account.Name", "Account.Id", "Account.BillToContact.FirstName", "BillToContact.Id"];
    let answer = world.select("ta", &select("Invoice", &paths)).await.expect("rows");
    let ids: Vec<String> = live().iter().map(|n| format!("Invoice-ta-{n}")).collect();
    assert_eq!(answer.column(0), ids);
    assert_eq!(answer.rows[2][2], "Account-ta-1");
    assert_eq!(answer.rows[2][3], "first-ta-1");
    // The relation is empty: so is everything behind it.
    assert_eq!(answer.rows[5][1..4], ["NULL", "NULL", "NULL"]);
}

#[tokio::test]
async fn headings_may_repeat() {
    let world = World::new();
    let mut query = select("Contact", &["Id", "Id"]);
    query.columns[1].label = "Id".into();
    query.limit = Some(1);
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.text(), "Id|Id\nContact-ta-0|Contact-ta-0");
}

#[tokio::test]
async fn deleted_rows_are_left_out_taken_or_wanted() {
    let world = World::new();
    for (deleted, rows) in
        [(DeletedRows::Exclude, 18), (DeletedRows::Include, 20), (DeletedRows::Only, 2)]
    {
        let mut query = select("Invoice", &["Id"]);
        query.deleted = deleted;
        query.columns.push(column("deleted", Expr::IsDeleted));
        let answer = world.select("ta", &query).await.expect("rows");
        assert_eq!(answer.rows.len(), rows, "{deleted:?}");
        let marked = answer.column(1).iter().filter(|mark| **mark == "true").count();
        assert_eq!(marked, if deleted == DeletedRows::Exclude { 0 } else { 2 });
    }
}

#[tokio::test]
async fn a_masked_value_never_leaves() {
    let world = World::new();
    let mut query = select("PaymentMethod", &["Id", "AchAccountNumber"]);
    let plain = refused(world.select("ta", &query).await);
    assert!(plain.to_string().contains("must be masked or sealed"), "{plain}");
    query.columns[1].protection = Protection::Masked;
    query.limit = Some(3);
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.column(1), ["NULL", "*****", "NULL"]);
    query.columns[1].protection = Protection::Sealed;
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.column(1), ["NULL", "secret-ta-1", "NULL"]);
}

#[tokio::test]
async fn conditions_are_exact() {
    let world = World::new();
    let decimal = |op, text: &str| compare(field("Amount"), op, Literal::Decimal(text.into()));
    let cases: Vec<(Condition, usize)> = vec![
        (decimal(Compare::Eq, "-50.05"), 1),
        (decimal(Compare::Eq, "-50.050000000000000000000000000000000001"), 0),
        (decimal(Compare::Lt, "-50.049999999999999999999999999999999999"), 1),
        (decimal(Compare::Le, "-40.02"), 2),
        (decimal(Compare::Gt, "99999999999999999999999999999999999999"), 0),
        (decimal(Compare::Ne, "0.001"), 16),
        (compare(field("Amount"), Compare::Ge, Literal::Integer(0)), 12),
        (compare(field("InvoiceNumber"), Compare::Eq, Literal::Text("INV-ta-3".into())), 1),
        (compare(field("InvoiceNumber"), Compare::Eq, Literal::Text("inv-ta-3".into())), 0),
        (compare(field("Status"), Compare::Ne, Literal::Text("Draft".into())), 9),
        (compare(field("Account.Id"), Compare::Eq, Literal::Text("Account-ta-1".into())), 2),
        (
            Condition::In {
                expr: field("Amount"),
                list: vec![Literal::Decimal("-50.05".into()), Literal::Decimal("0.001".into())],
                negated: false,
            },
            1,
        ),
        (Condition::In { expr: field("Id"), list: vec![], negated: true }, 18),
        (Condition::IsNull { expr: field("Comments"), negated: false }, 4),
        (
            Condition::Like {
                expr: field("InvoiceNumber"),
                pattern: "inv-__-1_".into(),
                negated: false,
                ignore_case: true,
            },
            9,
        ),
        (
            Condition::Not(Box::new(Condition::Or(vec![
                compare(field("Status"), Compare::Eq, Literal::Text("Draft".into())),
                compare(field("Currency"), Compare::Eq, Literal::Text("USD".into())),
            ]))),
            6,
        ),
    ];
    for (condition, rows) in cases {
        let mut query = select("Invoice", &["Id", "Amount", "Comments"]);
        query.filter = Some(condition.clone());
        let answer = world.select("ta", &query).await.expect("rows");
        assert_eq!(answer.rows.len(), rows, "{condition:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn dates_and_moments_compare_with_each_other() {
    let world = World::new();
    let day = chrono::NaiveDate::from_ymd_opt(2023, 12, 11).expect("a day");
    let moment = day.and_hms_opt(0, 0, 0).expect("midnight").and_utc();
    for (left, right, rows) in [
        ("InvoiceDate", Literal::Date(day), 2),
        ("InvoiceDate", Literal::Timestamp(moment), 2),
        ("CreatedDate", Literal::Date(day), 18),
        ("CreatedDate", Literal::Timestamp(moment), 18),
    ] {
        let mut query = select("Invoice", &["Id", left]);
        query.filter = Some(compare(field(left), Compare::Lt, right.clone()));
        let answer = world.select("ta", &query).await.expect("rows");
        assert_eq!(answer.rows.len(), rows, "{left} {right:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn groups_are_counted_and_added_up_exactly() {
    let world = World::new();
    let mut query = select("Invoice", &["Status"]);
    query.columns.push(column("rows", count(None, false)));
    query.columns.push(column("accounts", count(Some(field("Account.Id")), true)));
    query.columns.push(column("sum", call(Aggregate::Sum, "Amount")));
    query.columns.push(column("mean", call(Aggregate::Avg, "Amount")));
    query.columns.push(column("least", call(Aggregate::Min, "Amount")));
    query.columns.push(column("latest", call(Aggregate::Max, "InvoiceDate")));
    query.group_by = vec![field("Status")];
    query.having = Some(Condition::Compare {
        left: count(None, false),
        op: Compare::Gt,
        right: Expr::Literal(Literal::Integer(1)),
    });
    query.order_by = vec![OrderBy { expr: call(Aggregate::Sum, "Amount"), descending: true }];
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(
        answer.text(),
        "Status|rows|accounts|sum|mean|least|latest\n\
         Posted|9|7|401.20|50.15000000|-40.03|2023-12-24\n\
         Draft|9|8|321.04|40.13000000|-50.05|2023-12-27"
    );
}

#[tokio::test]
async fn a_total_without_groups_is_one_row_even_of_nothing() {
    let world = World::new();
    let mut query = Select::of("Invoice");
    query.columns =
        vec![column("n", count(None, false)), column("sum", call(Aggregate::Sum, "Amount"))];
    query.filter = Some(compare(field("Id"), Compare::Eq, Literal::Text("none".into())));
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.text(), "n|sum\n0|NULL");
}

#[tokio::test]
async fn nulls_are_the_greatest_either_way_round() {
    let world = World::new();
    for (descending, first) in [(false, "-50.05"), (true, "NULL")] {
        let mut query = select("Invoice", &["Amount", "Id"]);
        query.order_by = vec![
            OrderBy { expr: field("Amount"), descending },
            OrderBy { expr: field("Id"), descending: false },
        ];
        query.offset = 0;
        query.limit = Some(4);
        let answer = world.select("ta", &query).await.expect("rows");
        assert_eq!(answer.rows[0][0], first);
        assert_eq!(answer.rows.len(), 4);
    }
}

#[tokio::test]
async fn parts_of_dates_are_read_in_a_zone() {
    let world = World::new();
    let part = |part, of: &str, zone: &str| Expr::DatePart {
        part,
        of: Box::new(field(of)),
        zone: zone.into(),
    };
    let mut query = Select::of("Invoice");
    query.columns = vec![
        column("utc", part(DatePart::Date, "CreatedDate", "UTC")),
        column("tokyo", part(DatePart::Date, "CreatedDate", "Asia/Tokyo")),
        column("west", part(DatePart::Date, "CreatedDate", "-23:00")),
        column("year", part(DatePart::Year, "InvoiceDate", "Asia/Tokyo")),
        column("quarter", part(DatePart::Quarter, "InvoiceDate", "UTC")),
        column("month", part(DatePart::Month, "CreatedDate", "UTC")),
        column("week", part(DatePart::Week, "InvoiceDate", "UTC")),
    ];
    query.limit = Some(1);
    let answer = world.select("ta", &query).await.expect("rows");
    // The first invoice was made at 2023-11-14T22:13:20Z and is dated 2023-12-09.
    assert_eq!(answer.rows[0], ["2023-11-14", "2023-11-15", "2023-11-13", "2023", "4", "11", "49"]);
    query.columns[0].expr = part(DatePart::Date, "CreatedDate", "Mars/Olympus");
    let error = refused(world.select("ta", &query).await);
    assert!(error.to_string().contains("no time zone"), "{error}");
}

#[tokio::test]
async fn amounts_are_converted_with_every_digit() {
    let world = World::new();
    let convert = Expr::Convert {
        amount: Box::new(field("Amount")),
        currency: Box::new(field("Currency")),
        to: "USD".into(),
        rates: vec![("EUR".into(), "1.0837".into())],
    };
    let mut query = select("Invoice", &["Currency", "Amount"]);
    query.columns.push(column("usd", convert));
    query.columns.push(column("any", Expr::Coalesce(vec![field("Comments"), field("Id")])));
    query.limit = Some(4);
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.rows[0], ["USD", "-50.05", "-50.050000", "Invoice-ta-0"]);
    assert_eq!(answer.rows[1], ["EUR", "-40.03", "-43.380511", "comment-ta-1"]);
    assert_eq!(answer.rows[2][2], "NULL");
}

#[tokio::test]
async fn a_condition_in_sql_text_sees_only_the_fields_of_its_row() {
    let world = World::new();
    let mut query = select("Invoice", &["Id", "Account.Name"]);
    query.filter = Some(compare(field("Status"), Compare::Eq, Literal::Text("Draft".into())));
    query.where_sql = Some("amount * 2 > 100.10 OR \"INVOICENUMBER\" LIKE '%-2'".into());
    let answer = world.select("ta", &query).await.expect("rows");
    assert_eq!(answer.rows.len(), 5, "{}", answer.text());
    for (text, says) in [
        ("Nme = 'x'", "there is no field named Nme"),
        ("\"#deleted\" = true", "there is no field named"),
        ("\"#join:AccountId\" = 'x'", "there is no field named"),
        ("tenant = 'tb'", "there is no field named tenant"),
        ("Id IN (SELECT Id FROM Account)", "sub-query"),
        ("EXISTS (SELECT 1 FROM Account)", "sub-query"),
        ("count(Id) > 1", "own row"),
        ("Amount > 1; DROP TABLE x", "goes on after its end"),
        ("Amount >", "cannot be read"),
        ("read_field(Id) = 'x'", "read_field"),
    ] {
        query.where_sql = Some(text.into());
        let error = refused(world.select("ta", &query).await);
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[tokio::test]
async fn names_that_are_not_there_are_named() {
    let world = World::new();
    let error = refused(world.select("ta", &select("Invoices", &["Id"])).await);
    assert_eq!(error.kind(), &ErrorKind::UnknownObject { name: "Invoices".into() });
    let error = refused(world.select("ta", &select("Invoice", &["Account.Nme"])).await);
    assert_eq!(error.kind(), &ErrorKind::UnknownField { name: "Account.Nme".into() });
}

#[tokio::test]
async fn the_mark_of_a_deleted_row_is_a_value_to_group_by() {
    let mut select = select("Account", &[]);
    select.columns = vec![
        column("gone", Expr::IsDeleted),
        column("n", Expr::Aggregate { function: Aggregate::Count, distinct: false, of: None }),
    ];
    select.group_by = vec![Expr::IsDeleted];
    for (deleted, groups) in [
        (DeletedRows::Exclude, "gone|n\nfalse|18"),
        (DeletedRows::Only, "gone|n\ntrue|2"),
        (DeletedRows::Include, "gone|n\nfalse|18\ntrue|2"),
    ] {
        select.deleted = deleted;
        let answer = World::new().select("ta", &select).await;
        let answer = answer.unwrap_or_else(|error| panic!("{deleted:?}: {}", error.chain()));
        assert_eq!(answer.sorted().text(), groups, "{deleted:?}");
    }
}
