//! All queries of a job see one moment: money that moves between two tables meanwhile is never seen
//! twice or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use outhaul_e2e::Source;
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::vendor::Zuora;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

const WRITERS: usize = 8;
const JOBS: usize = 200;
/// Jobs that are submitted together.
const AT_ONCE: usize = 10;

/// One transaction of a writer: a cent from an account's balance to an invoice's.
const MOVE: &str = r#"
with account as (
    update outhaul_demo."Account" set "Balance" = "Balance" - 0.01
    where "Id" = (select "Id" from outhaul_demo."Account"
                  where tenant = 'acme' and not "Deleted" and "Balance" is not null
                  order by random() limit 1 for update skip locked)
    returning 1)
update outhaul_demo."Invoice" set "Balance" = "Balance" + 0.01
where exists (select from account) and "Id" = (
    select "Id" from outhaul_demo."Invoice"
    where tenant = 'acme' and not "Deleted" and "Balance" is not null
    order by random() limit 1 for update skip locked)"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_queries_of_a_job_see_one_moment() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server =
        Server::start(folder.path(), Options::rows(3_000).on(Source::Postgres)).await?;
    let url = server.database().context("it has a database")?.url();
    let zuora = Zuora::sign_in(&server, "acme").await?;
    let before = total(&zuora, &submit(&zuora).await?).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> =
        (0..WRITERS).map(|_| tokio::spawn(write(url.clone(), Arc::clone(&stop)))).collect();
    for _ in 0..JOBS / AT_ONCE {
        let submitted = (0..AT_ONCE).map(|_| submit(&zuora));
        for id in futures::future::try_join_all(submitted).await? {
            assert_eq!(total(&zuora, &id).await?, before, "job {id}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut moved = 0;
    for writer in writers {
        moved += writer.await??;
    }
    assert!(moved > 100, "money moved meanwhile");
    println!("{JOBS} jobs of two queries, {moved} movements of money: the sum was always {before}");
    Ok(())
}

async fn write(url: String, stop: Arc<AtomicBool>) -> anyhow::Result<u64> {
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let mut moved = 0;
    while !stop.load(Ordering::Relaxed) {
        moved += client.execute(MOVE, &[]).await?;
    }
    Ok(moved)
}

async fn submit(zuora: &Zuora) -> anyhow::Result<String> {
    let query = |object: &str| {
        let text = format!("select Id, Balance from {object}");
        json!({"name": object, "type": "zoql", "query": text})
    };
    let body = json!({"queries": [query("Account"), query("Invoice")]});
    let answer: Value = zuora.post("/v1/batch-query/", &body).await?.json().await?;
    Ok(answer["id"].as_str().with_context(|| format!("refused: {answer}"))?.to_owned())
}

/// The money in both files of a job, in cents.
async fn total(zuora: &Zuora, id: &str) -> anyhow::Result<i64> {
    let begun = Instant::now();
    let job = loop {
        let path = format!("/v1/batch-query/jobs/{id}");
        let job: Value = zuora.get(&path).await?.json().await?;
        match job["status"].as_str() {
            Some("completed") => break job,
            Some("submitted" | "executing") if begun.elapsed() < Duration::from_secs(120) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            _ => bail!("after {:?}: {job}", begun.elapsed()),
        }
    };
    let mut cents = 0;
    for batch in job["batches"].as_array().context("no batches")? {
        let file = zuora.download(batch["fileId"].as_str().context("no file")?).await?;
        for line in String::from_utf8(file)?.lines().skip(1) {
            let balance = line.rsplit(',').next().unwrap_or_default();
            cents += in_cents(balance).with_context(|| format!("a strange balance: {line}"))?;
        }
    }
    Ok(cents)
}

/// `-10.5` is -1050; nothing is nothing.
fn in_cents(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let cents: i64 = format!("{whole}{fraction:0<2}").parse().ok()?;
    (fraction.len() <= 2).then_some(if text.starts_with('-') { -cents } else { cents })
}
