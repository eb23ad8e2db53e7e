//! Five jobs of an org at once, and what becomes of them when the server is killed.

use anyhow::Context as _;
use outhaul_e2e::Source;
use outhaul_e2e::server::{Options, Server};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Zoho, accepted, refused};

const JOBS: usize = 5;
/// Puts a view in place of a table, whose rows come slowly: a minute for all of them and more.
const SLOW: &str = r#"
alter table outhaul_demo."InvoiceItem" rename to items;
create view outhaul_demo."InvoiceItem" as
  select items.* from outhaul_demo.items, lateral (select pg_sleep(0.02) where "Id" <> '') slow
"#;
/// Takes it away again.
const QUICK: &str = r#"
drop view outhaul_demo."InvoiceItem";
alter table outhaul_demo.items rename to "InvoiceItem"
"#;

async fn create(client: &Zoho) -> anyhow::Result<String> {
    accepted(client.create("InvoiceItem", &json!({"responseFormat": "json"})).await?).await
}

async fn is_refused(client: &Zoho) -> anyhow::Result<()> {
    for answer in [
        client.create("Account", &json!({})).await?,
        client.create_by_sql("select * from Account", &json!({})).await?,
    ] {
        let found = refused(answer).await?;
        assert_eq!(found, (400, 8132, "ASYNC_EXPORT_LIMIT_EXCEEDED".to_owned()));
    }
    Ok(())
}

/// Five run, the sixth is refused, another org is not concerned, and a job that ends frees its place.
/// Then the server is killed: under their numbers, the same jobs complete.
#[tokio::test(flavor = "multi_thread")]
async fn five_run_and_survive_a_kill() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options =
        Options::rows(10_000).on(Source::Postgres).set("OUTHAUL__WORKER__SLOTS", JOBS + 1);
    let mut server = Server::start(folder.path(), options).await?;
    let mut client = Zoho::sign_in(&server, "acme").await?;
    let other = Zoho::sign_in(&server, "globex").await?;
    let database = |server: &mut Server, text: &str| {
        server.database().context("it was started on one")?.sql(text)
    };
    let question = r#"select count(*) from outhaul_demo."InvoiceItem"
                      where tenant = 'acme' and not "Deleted""#;
    let rows: usize = database(&mut server, question)?.parse()?;
    database(&mut server, SLOW)?;

    let mut jobs = Vec::new();
    for _ in 0..JOBS {
        jobs.push(create(&client).await?);
    }
    for job in &jobs {
        client.until(job, &["1002"]).await?;
    }
    is_refused(&client).await?;
    let id = accepted(other.create("Account", &json!({})).await?).await?;
    other.download(&id).await?;

    // The cancel is ours; a job that is cancelled holds no place.
    let ended = jobs.remove(0);
    let path = format!("{}/exportjobs/{ended}", client.bulk());
    client.request(Method::DELETE, &path).send().await?.error_for_status()?;
    assert_eq!(client.until(&ended, &["1003"]).await?["jobStatus"], "ERROR OCCURRED");
    let path = format!("{path}/data");
    let answer = client.request(Method::GET, &path).send().await?;
    assert_eq!(refused(answer).await?.1, 8123);
    jobs.push(create(&client).await?);
    is_refused(&client).await?;
    for job in &jobs {
        client.until(job, &["1002"]).await?;
    }

    server.kill();
    database(&mut server, QUICK)?;
    server.restart().await?;
    client.follow(&server);
    for job in &jobs {
        let document: Value = serde_json::from_slice(&client.download(job).await?)?;
        assert_eq!(document["data"].as_array().map(Vec::len), Some(rows), "{job}");
        let told = client.job(job).await?;
        let url = format!("{}{}/exportjobs/{job}/data", server.base_url, client.bulk());
        assert_eq!(told["jobStatus"], "JOB COMPLETED");
        assert_eq!(told["downloadUrl"], url, "it names the server as it is now");
    }
    // All places are free again.
    for _ in 0..JOBS {
        client.download(&create(&client).await?).await?;
    }
    println!("{JOBS} jobs of {rows} rows each ran, and completed after a kill");
    Ok(())
}
