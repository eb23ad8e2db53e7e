//! The database behind the server: what is cancelled or killed here ends there, and what ends there
//! costs an export nothing but time.

use std::time::{Duration, Instant};

use outhaul_e2e::Source;
use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server};
use outhaul_instances::{Postgres, Stop};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Statements that the server has the database work on.
const STATEMENTS: &str = "select count(*) from pg_stat_activity \
                          where application_name = 'outhaul' and state = 'active'";
/// Puts a view in place of a table, whose rows come slowly: a minute for all of them and more.
const SLOW: &str = r#"
alter table outhaul_demo."InvoiceItem" rename to items;
create view outhaul_demo."InvoiceItem" as
  select items.* from outhaul_demo.items, lateral (select pg_sleep(0.01) where "Id" <> '') slow
"#;
/// How long a statement may go on after its export was cancelled.
const GONE_WITHIN: Duration = Duration::from_secs(1);
/// The same after the server was killed: the database looks for its client twice a second.
const NOTICED_WITHIN: Duration = Duration::from_secs(3);

async fn submit(client: &Native, format: &str) -> anyhow::Result<String> {
    let body = json!({"queries": [{"object": "InvoiceItem"}], "format": format});
    let made: Value = client.post("/exports", &body).await?.error_for_status()?.json().await?;
    Ok(made["id"].as_str().unwrap_or_default().to_owned())
}

fn count(database: &Postgres, question: &str) -> anyhow::Result<u64> {
    Ok(database.sql(question)?.parse()?)
}

/// Waits until there are statements, or none, and answers how long that took.
async fn until(database: &Postgres, any: bool, patience: Duration) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    while (count(database, STATEMENTS)? > 0) != any {
        anyhow::ensure!(begun.elapsed() < patience, "still {} statements", !any);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_or_killed_ends_in_the_database() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server =
        Server::start(folder.path(), Options::rows(20_000).on(Source::Postgres)).await?;
    let mut client = Native::of(&server, "acme")?;
    database(&mut server).sql(SLOW)?;
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        let id = submit(&client, "csv").await?;
        until(database(&mut server), true, Duration::from_secs(30)).await?;
        let answer = client.post(&format!("/exports/{id}/cancel"), &json!({})).await?;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        longest = longest.max(until(database(&mut server), false, GONE_WITHIN).await?);
        let export = client.get(&format!("/exports/{id}")).await?;
        assert!(matches!(export["state"].as_str(), Some("running" | "cancelled")), "{export}");
    }
    println!("of 10 cancelled exports the longest statement was gone after {longest:?}");

    let id = submit(&client, "csv").await?;
    until(database(&mut server), true, Duration::from_secs(30)).await?;
    server.kill();
    let noticed = until(database(&mut server), false, NOTICED_WITHIN).await?;
    println!("the statements of a killed server were gone after {noticed:?}");
    server.restart().await?;
    client.follow(&server);
    client.post(&format!("/exports/{id}/cancel"), &json!({})).await?;
    Ok(())
}

/// The database is restarted, as in a crash, while exports run: each completes, with all of its rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_costs_no_export() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server =
        // So many that their statements last, because the encoders hold them up.
        Server::start(folder.path(), Options::rows(200_000).on(Source::Postgres)).await?;
    let client = Native::of(&server, "acme")?;
    let question = r#"select count(*) from outhaul_demo."InvoiceItem"
                      where tenant = 'acme' and not "Deleted""#;
    let rows = count(database(&mut server), question)?;
    let mut ids = Vec::new();
    for crash in 0..3 {
        ids.push(submit(&client, "xlsx").await?);
        if crash > 0 {
            ids.push(submit(&client, "csv").await?);
        }
        until(database(&mut server), true, Duration::from_secs(30)).await?;
        database(&mut server).restart(Stop::Immediate)?;
    }
    let mut attempts = 0;
    for id in &ids {
        let export = client.finished(id, Duration::from_secs(120)).await?;
        assert_eq!(export["artifacts"][0]["rows"], rows, "{export}");
        attempts += export["attempts"].as_u64().unwrap_or_default();
    }
    println!("3 crashes of the database: {} exports completed in {attempts} attempts", ids.len());
    assert!(attempts > ids.len() as u64, "no crash hit an export");
    Ok(())
}

fn database(server: &mut Server) -> &mut Postgres {
    server.database().expect("it was started on one")
}
