//! Rows that were deleted: when they are asked for, and how they are told.

use outhaul_exports::query::{DeletedRows, Expr, Select};
use serde_json::{Value, json};

use super::jobs::{acme, with};
use crate::zuora::tests::server::Server;

fn job(query: &str, language: &str, deleted: Value) -> Value {
    json!({ "queries": [{ "query": query, "type": language, "deleted": deleted }] })
}

fn in_series(body: Value) -> Value {
    with(body, json!({ "version": "1.1", "partner": "salesforce", "project": "p" }))
}

async fn select(body: &Value) -> Select {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let job = client.submit(body).await;
    client.selects(&job).await.remove(0)
}

fn labels(select: &Select) -> Vec<&str> {
    select.columns.iter().map(|column| column.label.as_str()).collect()
}

#[tokio::test]
async fn a_stateless_job_asks_for_them_by_force() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let query = "select Id from Account where Name = 'a'";
    for force in [json!(null), json!(false), json!("false"), json!("")] {
        let deleted = json!({ "column": "Deleted", "forceExport": force });
        let message = client.refused(&job(query, "zoql", deleted), "90012").await;
        assert_eq!(message, "Stateless AQuA does not support deleted columns.");
    }
    for force in [json!(true), json!("true"), json!("True")] {
        let deleted = json!({ "column": "Deleted", "forceExport": force });
        let body = job(query, "zoql", deleted);
        let answered = client.submit(&body).await;
        let shown = &answered["batches"][0]["deleted"];
        assert_eq!(*shown, json!({ "column": "Deleted", "format": "Boolean" }));
        let select = client.selects(&answered).await.remove(0);
        assert_eq!(select.deleted, DeletedRows::Include);
        assert!(select.filter.is_some(), "the query's own condition holds for them too");
    }
}

#[tokio::test]
async fn in_a_series_they_come_with_what_changed() {
    let deleted = json!({ "column": "Deleted", "format": "Boolean" });
    let body = in_series(job("select Id from Account", "zoqlexport", deleted));
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let first = client.round(&body).await;
    let next = client.submit(&body).await;
    for (job, rows) in [(first, DeletedRows::Exclude), (next, DeletedRows::Include)] {
        let select = client.selects(&job).await.remove(0);
        assert_eq!((select.deleted, select.deleted_rows()), (DeletedRows::InIncrements, rows));
    }
    let by_force = json!({ "column": "Deleted", "forceExport": true });
    let select = select(&in_series(job("select Id from Account", "zoql", by_force))).await;
    assert_eq!(select.deleted_rows(), DeletedRows::Include, "by force with a full load as well");
    let plain = json!({ "queries": [{ "query": "select Id from Account" }] });
    let job = client.submit(&in_series(plain)).await;
    assert_eq!(client.selects(&job).await[0].deleted, DeletedRows::Exclude);
}

#[tokio::test]
async fn their_column_is_the_first_and_headed_as_the_others() {
    for (query, language, labelled, expected) in [
        ("select Name, Mrr from Account", "zoql", true, "Account.Gone Account.Name Account.Mrr"),
        ("select MRR from account", "zoqlexport", true, "Account.Gone Account.Mrr"),
        (
            "select Name, Mrr from Account",
            "zoql",
            false,
            "Account: Gone|Account: Account Name|Account: MRR",
        ),
        ("select Name as n from account", "zoqlexport", false, "Account: Gone|n"),
        ("select AccountId from Invoice", "zoql", true, "Invoice.Gone Invoice.AccountId"),
        ("select AccountId from Invoice", "zoql", false, "Invoice: Gone|Invoice: Account Id"),
        ("select Account.Id from Invoice", "zoqlexport", false, "Invoice: Gone|Account: Id"),
        (
            "select BillToContact.LastName from Invoice",
            "zoqlexport",
            true,
            "Invoice.Gone BillToContact.LastName",
        ),
    ] {
        let deleted = json!({ "column": "Gone", "forceExport": true });
        let body = with(job(query, language, deleted), json!({ "useQueryLabels": labelled }));
        let select = select(&body).await;
        let joined = labels(&select).join(if labelled { " " } else { "|" });
        assert_eq!(joined, expected, "{query}");
        assert_eq!(select.columns[0].expr, Expr::IsDeleted);
    }
}

#[tokio::test]
async fn they_are_told_by_words_or_numbers() {
    for (format, expected) in [
        (json!(null), Expr::IsDeleted),
        (json!("Boolean"), Expr::IsDeleted),
        (json!("Numeric"), Expr::AsNumber(Box::new(Expr::IsDeleted))),
    ] {
        let deleted = json!({ "column": "Deleted", "format": format, "forceExport": true });
        let select = select(&job("select Id from Account", "zoql", deleted)).await;
        assert_eq!(select.columns[0].expr, expected, "{format}");
    }
}

#[tokio::test]
async fn an_object_that_does_not_tell_of_them_is_refused() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    for object in ["Contact", "PaymentMethod"] {
        let deleted = json!({ "column": "Deleted", "forceExport": true });
        let body = job(&format!("select Id from {object}"), "zoql", deleted);
        for body in [body.clone(), in_series(body)] {
            let message = client.refused(&body, "90017").await;
            assert_eq!(
                message,
                "Objects included in the queries do not support the querying of deleted records. \
                 Remove Deleted section in the JSON request and retry the request"
            );
        }
    }
}

#[tokio::test]
async fn groups_have_no_deleted_rows() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    for query in [
        "select count(*) from Account",
        "select Currency, sum(Balance) from Account group by Currency",
        "select Currency from Account group by Currency",
    ] {
        let deleted = json!({ "column": "Deleted", "forceExport": true });
        let body = job(query, "zoqlexport", deleted);
        for body in [body.clone(), in_series(body)] {
            let message = client.refused(&body, "90005").await;
            assert!(message.contains("remove the Deleted section"), "{query}: {message}");
        }
    }
}
