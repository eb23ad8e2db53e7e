//! The neutral query, feature by feature.

use outhaul_exports::query::{
    Aggregate, Compare, Condition, DatePart, DeletedRows, Expr, Literal, OrderBy, Protection,
};

use super::kit::{World, column, field, refused, select};
use crate::sources::files::FileFormat;

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
    let query = select(
        "Invoice",
        &["Id", "Account.Name", "Account.Id", "Account.BillToContact.FirstName", "BillToContact.Id"],
    );
    let answer = world.select("ta", &query).await.expect("rows");
    let ids: Vec<String> =
        (0..20).filter(|n| n % 9 != 8).map(|n| format!("Invoice-ta-{n}")).collect();
    assert_eq!(answer.column(0), ids);
    assert_eq!(answer.rows[2][2], "Account-ta-1");
    // The relation is empty: so is everything behind it.
    assert_eq!(answer.rows[5][1..4], ["NULL", "NULL", "NULL"]);
}
