//! What a client gets does not depend on where the rows are: the same demo in files and in
//! PostgreSQL gives the same rows, for every object and for queries that a database may answer by
//! itself, to both tenants.

use std::time::Duration;

use anyhow::Context;
use futures::future::try_join;
use outhaul_e2e::Source;
use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;
use reqwest::Method;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(120);

/// What a query is about; each stands in a list as `object | where`.
const CONDITIONS: &str = include_str!("sources/conditions.txt");
/// SELECT statements.
const STATEMENTS: &str = include_str!("sources/statements.sql");
/// Queries of Zuora's language.
const ZOQL: &str = include_str!("sources/zoql.txt");

fn lines(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("--"))
}

/// The same demo twice.
async fn both(files: &std::path::Path, database: &std::path::Path) -> anyhow::Result<[Server; 2]> {
    let start = |folder, source| Server::start(folder, Options::rows(8_000).on(source));
    let (files, database) =
        try_join(start(files, Source::Files), start(database, Source::Postgres)).await?;
    Ok([files, database])
}

/// Every object, conditions of every kind, joins, groups, orders and limits: the rows are the same,
/// and in the same order where one was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn files_and_postgres_give_the_same_rows() -> anyhow::Result<()> {
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let servers = both(folders[0].path(), folders[1].path()).await?;
    let mut compared = (0, 0);
    for tenant in ["acme", "globex"] {
        let clients = [Native::of(&servers[0], tenant)?, Native::of(&servers[1], tenant)?];
        let queries = queries(&clients[0]).await?;
        for (some, format) in queries.chunks(40).zip(["ndjson", "csv"].into_iter().cycle()) {
            let (one, other) =
                try_join(files_of(&clients[0], some, format), files_of(&clients[1], some, format))
                    .await?;
            for ((query, one), other) in some.iter().zip(one).zip(other) {
                compared.0 += 1;
                compared.1 += same(tenant, &query.to_string(), is_ordered(query), one, other)?;
            }
        }
        let clients = [
            Zuora::sign_in(&servers[0], tenant).await?,
            Zuora::sign_in(&servers[1], tenant).await?,
        ];
        for query in lines(ZOQL) {
            let (one, other) = try_join(
                clients[0].export(query, "csv", false),
                clients[1].export(query, "csv", false),
            )
            .await
            .with_context(|| query.to_owned())?;
            let (one, other) = (String::from_utf8(one)?, String::from_utf8(other)?);
            let ordered = query.to_lowercase().contains("order by");
            compared.0 += 1;
            compared.1 += same(tenant, query, ordered, one, other)?;
        }
    }
    println!("{} queries on both, {} rows the same", compared.0, compared.1);
    Ok(())
}

/// All objects, then the lists.
async fn queries(client: &Native) -> anyhow::Result<Vec<Value>> {
    let catalog = client.get("/catalog").await?;
    let objects = catalog["objects"].as_array().context("no objects")?;
    anyhow::ensure!(objects.len() >= 19, "{catalog}");
    let mut all: Vec<Value> =
        objects.iter().map(|object| json!({ "object": object["name"] })).collect();
    all.extend(
        ["Account", "InvoiceItem"].map(|object| json!({"object": object, "deleted": "only"})),
    );
    for line in lines(CONDITIONS) {
        let (object, condition) = line.split_once(" | ").with_context(|| line.to_owned())?;
        all.push(json!({ "object": object, "where": condition }));
    }
    all.push(json!({
        "object": "InvoiceItem", "order_by": ["SKU", {"field": "ChargeAmount", "descending": true}, "Id"],
        "fields": ["Id", "SKU", "ChargeAmount", "Invoice.InvoiceNumber", "Account.BillToContact.City"],
        "limit": 1_000,
    }));
    all.push(json!({
        "object": "Account", "order_by": [{"field": "Name", "descending": true}, "Id"],
        "fields": ["Name", "Id", "ParentAccount.Name"], "where": "Name > 'M'",
    }));
    all.extend(lines(STATEMENTS).map(|statement| json!({ "sql": statement })));
    Ok(all)
}

fn is_ordered(query: &Value) -> bool {
    // That of a window stands in parentheses.
    let end = query["sql"].as_str().and_then(|statement| statement.rsplit(')').next());
    query["order_by"].is_array() || end.is_some_and(|end| end.contains(" order by "))
}

/// Exports the queries and answers the text of each file.
async fn files_of(client: &Native, queries: &[Value], format: &str) -> anyhow::Result<Vec<String>> {
    let body = json!({ "queries": queries, "format": format });
    let answer = client.post("/exports", &body).await?;
    let status = answer.status();
    let made: Value = answer.json().await?;
    anyhow::ensure!(status.is_success(), "{status}: {made}");
    let id = made["id"].as_str().unwrap_or_default();
    let export = client.finished(id, PATIENCE).await?;
    let files = export["artifacts"].as_array().context("no artifacts")?;
    anyhow::ensure!(files.len() == queries.len(), "{export}");
    let mut texts = Vec::new();
    for file in files {
        let path = format!("/exports/{id}/files/{}", file["id"].as_str().unwrap_or_default());
        let answer = client.request(Method::GET, &path).send().await?.error_for_status()?;
        texts.push(answer.text().await?);
    }
    Ok(texts)
}

/// Compares two files line by line, in any order where none was asked for (no value of the demo has
/// a line break), and answers how many there are.
fn same(
    tenant: &str,
    query: &str,
    ordered: bool,
    one: String,
    other: String,
) -> anyhow::Result<usize> {
    let lines = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if !ordered {
            lines.sort_unstable();
        }
        lines
    };
    let (one, other) = (lines(one), lines(other));
    let first = one.iter().zip(&other).find(|(one, other)| one != other);
    anyhow::ensure!(
        one.len() == other.len() && first.is_none(),
        "{tenant}: {query}: {} lines of files, {} of the database; the first that differ: {first:?}",
        one.len(),
        other.len()
    );
    Ok(one.len())
}
