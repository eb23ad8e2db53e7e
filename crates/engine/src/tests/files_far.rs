//! Object stores, through the engine: what is said when they cannot be read, what happens when their
//! files change, and that no secret is in any of it.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use outhaul_exports::ports::Engine;
use outhaul_exports::query::Query;
use outhaul_exports::{Error, ErrorKind};

use super::files_lake::{KEY, Lake, Place, SECRET};
use crate::OwnSource;
use crate::sources::files::Config;
use crate::sources::{SourceConfig, survey};

fn with(config: &Config, changes: &[(&str, &str)]) -> Config {
    let mut config = config.clone();
    for (key, value) in changes {
        match *key {
            "url" => config.url = (*value).to_owned(),
            key if value.is_empty() => drop(config.options.remove(key)),
            key => drop(config.options.insert(key.to_owned(), (*value).to_owned())),
        }
    }
    config
}

fn discreet(error: &Error, secrets: &[&str]) {
    let told = format!("{error} {error:?} {}", error.chain());
    for secret in secrets {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn what_keeps_a_store_from_being_read_is_said() {
    let lake = Lake::new().await;
    lake.put("t.csv", "a\n1\n");
    let good = lake.config(Place::S3);
    let found = survey(&SourceConfig::Files(good.clone())).await.expect("it is read");
    assert_eq!(found.tables.len(), 1);
    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    let closed = format!("http://{}", closed.expect("an address"));
    // One that takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://{}", silent.local_addr().expect("an address"));
    let other = "hunter3-not-the-secret";
    for (changes, says, is_away) in [
        (vec![("secret_access_key", other)], "does not accept the credentials", true),
        (vec![("access_key_id", "AKIDOTHER")], "does not accept the credentials", true),
        (vec![("url", "s3://nowhere/lake")], "no such bucket", true),
        (vec![("endpoint", closed.as_str())], "cannot be reached", true),
        (vec![("endpoint", silent.as_str()), ("timeout", "200ms")], "did not answer in time", true),
        (vec![("allow_http", "")], "allow_http", false),
        (vec![("secret", other)], "`secret` is not an option", false),
        (vec![("url", "ftp://bucket/x")], "not a kind of address", false),
        (vec![("url", "s3://user:hunter3-not-the-secret@bucket/x")], "holds a password", false),
        (vec![("timeout", other)], "cannot be used", false),
    ] {
        let config = with(&good, &changes);
        let error = survey(&SourceConfig::Files(config)).await.expect_err(says);
        assert!(error.to_string().contains(says), "{changes:?}: {}", error.chain());
        assert_eq!(
            error.kind() == &ErrorKind::Unavailable,
            is_away,
            "{changes:?}: {:?}",
            error.kind()
        );
        discreet(&error, &[SECRET, other]);
    }
}

#[tokio::test]
async fn what_keeps_a_store_from_being_read_is_said_of_an_object() {
    let lake = Lake::new().await;
    lake.put("t.csv", "a\n1\n");
    let own = OwnSource::open(&SourceConfig::Files(lake.config(Place::S3))).await.expect("a table");
    std::fs::remove_dir_all(lake.dir.path().join("bucket")).expect("it was there");
    let snapshot = own.engine.begin(&own.scope, &lake.limits()).await.expect("a moment");
    let query = Query::Sql { text: "SELECT a FROM t".into() };
    let error = snapshot.open(&query).await.err().expect("the bucket is gone");
    assert!(error.to_string().contains("object t: its files cannot be listed"), "{error}");
    assert!(error.chain().contains("no such bucket"), "{}", error.chain());
    discreet(&error, &[SECRET, KEY, "127.0.0.1"]);
}

/// Rows enough for several pieces, of which the last is not fetched when the first is taken.
fn rows(last: char) -> Vec<u8> {
    let mut text = Vec::from("n,text\n");
    for n in 0..200_000 {
        writeln!(text, "{n},{}", last.to_string().repeat(120)).expect("it is written");
    }
    text
}

#[tokio::test]
async fn a_file_that_is_replaced_in_the_run_fails_the_attempt() {
    for name in ["t.csv", "t.ndjson"] {
        let lake = Lake::new().await;
        let text = |letter| match name {
            "t.csv" => rows(letter),
            _ => {
                let line = format!("{{\"n\":1,\"text\":\"{}\"}}\n", letter.to_string().repeat(120));
                line.repeat(200_000).into_bytes()
            }
        };
        lake.put(name, text('a'));
        let config = SourceConfig::Files(lake.config(Place::S3));
        let own = OwnSource::open(&config).await.expect("a table");
        let snapshot = own.engine.begin(&own.scope, &lake.limits()).await.expect("a moment");
        let query = Query::Sql { text: "SELECT text FROM t".into() };
        let mut batches = snapshot.open(&query).await.expect("a stream").batches;
        batches.next().await.expect("there are rows").expect("the file is as it was");
        lake.server.asked();
        // As long as before: only its version tells.
        lake.put(name, text('b'));
        let error = batches.try_collect::<Vec<_>>().await.expect_err("two versions");
        assert!(error.to_string().starts_with("source_changed"), "{}", error.chain());
        assert!(error.is_transient());
        discreet(&error, &[SECRET, KEY]);
        // Whoever begins now reads the new one.
        let snapshot = own.engine.begin(&own.scope, &lake.limits()).await.expect("a moment");
        let batches = snapshot.open(&query).await.expect("a stream").batches;
        let found: usize = batches
            .map_ok(|batch| batch.num_rows())
            .try_fold(0, |sum, rows| async move { Ok(sum + rows) })
            .await
            .expect("rows");
        assert_eq!(found, 200_000);
        std::fs::remove_file(lake.path(name)).expect("it was there");
        let error = match snapshot.open(&query).await {
            Ok(stream) => stream.batches.try_collect::<Vec<_>>().await.expect_err("it is gone"),
            Err(error) => error,
        };
        assert!(error.to_string().starts_with("source_changed"), "{}", error.chain());
    }
}

/// Only what is wanted is asked for: whole folders are not opened.
#[tokio::test]
async fn folders_that_no_row_is_wanted_of_are_not_opened() {
    let lake = Lake::new().await;
    for year in 2020..2030 {
        for month in ["01", "02"] {
            lake.put(&format!("t/year={year}/month={month}/a.ndjson"), "{\"a\":1}\n");
        }
    }
    let own = OwnSource::open(&SourceConfig::Files(lake.config(Place::S3))).await.expect("a table");
    let snapshot = own.engine.begin(&own.scope, &lake.limits()).await.expect("a moment");
    lake.server.asked();
    for (condition, files) in [
        ("year = 2026", 2),
        ("year IN (2021, 2022) AND month = '01' AND a = 1", 2),
        ("year >= 2028 OR a = 2", 20),
        ("year > 2028 AND year <> 2029", 0),
        ("month IS NULL", 0),
    ] {
        let query = Query::Sql { text: format!("SELECT a FROM t WHERE {condition}") };
        let rows = snapshot.open(&query).await.expect("a stream").batches;
        rows.try_collect::<Vec<_>>().await.expect("rows");
        let mut opened: Vec<_> =
            lake.server.asked().into_iter().filter(|line| line.contains("month")).collect();
        opened.sort();
        opened.dedup();
        // The first file is looked at for its keys, whatever is asked.
        let first = "GET /bucket/lake/t/year%3D2020/month%3D01/a.ndjson";
        opened.retain(|line| line != first || files == 20);
        assert_eq!(opened.len(), files, "{condition}: {opened:?}");
    }
}

#[test]
fn the_environment_says_what_no_option_says() {
    let config = |url: &str, options: &[(&str, &str)]| {
        let options: BTreeMap<_, _> = options.iter().copied().collect();
        let config = serde_json::json!({"name": "main", "url": url, "options": options});
        serde_json::from_value::<Config>(config).expect("a configuration")
    };
    let environment = || {
        [
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_REGION", "there"),
            ("AWS_PAGER", "less"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "who"),
            ("AWS_SESSION_TOKEN", ""),
            ("PATH", "/bin"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    for (url, options, expected) in [
        ("s3://b/x", &[][..], &[("aws_access_key_id", "id"), ("aws_region", "there")][..]),
        ("s3://b/x", &[("region", "here")], &[("aws_access_key_id", "id"), ("region", "here")]),
        ("az://c/x", &[("account_name", "me")], &[("account_name", "me")]),
        ("/srv/files", &[], &[]),
    ] {
        let found = config(url, options).with_environment(environment()).options;
        let found: Vec<_> =
            found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, expected, "{url}");
    }
}

#[tokio::test]
async fn snapshots_are_taken_of_stores_of_all_kinds() {
    // Nothing is sent when a store is opened, so that these need no server.
    for (url, options) in [
        ("s3://b/x", vec![("region", "r")]),
        ("gs://b/x", vec![("google_skip_signature", "true")]),
        ("az://c/x", vec![("account_name", "a"), ("skip_signature", "true")]),
        ("https://example.com/x", vec![("timeout", "3s")]),
    ] {
        let options: BTreeMap<_, _> = options.into_iter().collect();
        let config =
            serde_json::json!({"kind": "files", "name": "m", "url": url, "options": options});
        let config: SourceConfig = serde_json::from_value(config).expect("a configuration");
        let catalog = Arc::new(super::kit::catalog());
        let name = crate::DataFusionEngine::new(catalog, vec![config]).err().map(|e| e.to_string());
        // The catalog names another source: that, and nothing about the store.
        assert!(name.is_some_and(|text| text.contains("no source named main")), "{url}");
    }
}
