//! tap-zuora in AQUA mode: it discovers, takes everything, and then what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use outhaul_e2e::native::Native;
use outhaul_e2e::python::{interpreter, output, script};
use outhaul_e2e::server::{Options, Server};
use outhaul_e2e::{Source, on_every_source};
use serde_json::{Value, json};

use super::changes::{Change, apply};

on_every_source!(tap_zuora_takes_what_has_changed);

/// The column by which tap-zuora goes on.
const KEY: &str = "UpdatedDate";
/// A server that takes the times of tap-zuora for UTC gives this row again.
const HOURS_EARLIER: &str = "2025-11-02T05:00:00+00:00";
/// In the United States clocks were set back from 2 to 1 that day, at 9:00 UTC: half past one was
/// twice, which is how tap-zuora says both.
const FIRST_HALF_PAST_ONE: &str = "2025-11-02T08:30:00+00:00";
const QUARTER_LATER: &str = "2025-11-02T08:45:00+00:00";
const SECOND_HALF_PAST_ONE: &str = "2025-11-02T09:30:00+00:00";

async fn tap_zuora_takes_what_has_changed(source: Source) -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let options = Options::rows(2_000)
        .on(source)
        // tap-zuora sends the time of Zuora's data centers in the US to all of them, and knows error
        // 90005 by its whole text.
        .set("OUTHAUL__DIALECTS__ZUORA_AQUA__INCREMENTAL_TIME_ZONE", "America/Los_Angeles")
        .set("OUTHAUL__DIALECTS__ZUORA_AQUA__ERROR_DETAIL", false)
        // The events are more than that, and come in several files.
        .set("OUTHAUL__DIALECTS__ZUORA_AQUA__SEGMENT_ROWS", 5_000);
    let mut server = Server::start(folder.path(), options).await?;
    let mut tap = Tap::discover(python, folder.path(), &server)?;
    let first = takes_everything(&server, &mut tap).await?;

    // What it has seen last comes again, because it goes on from that second, and nothing else does.
    let again = tap.sync(&server)?;
    let last = last_seen(&first, &tap);
    assert_eq!(ids(&again, &tap), last);
    assert!(last.len() >= 12 && last.values().all(|ids| ids.len() == 1), "{last:?}");
    takes_changes(&mut server, &mut tap, &first["Contact"], last).await
}

/// The first run: every row of every object, with those that are deleted.
async fn takes_everything(server: &Server, tap: &mut Tap) -> anyhow::Result<Records> {
    let native = Native::of(server, "acme")?;
    let first = tap.sync(server)?;
    let held = everything(&native, tap).await?;
    assert!(held.len() >= 19, "{:?}", held.keys());
    for (object, rows) in &held {
        let records = first.get(object).map_or(&[][..], Vec::as_slice);
        assert_eq!(records.len(), rows.len(), "{object}");
        if tap.bookmark(object).is_some() {
            let found: BTreeSet<_> = records.iter().map(told).collect();
            assert_eq!(found, rows.iter().map(told).collect(), "{object}");
        }
    }
    assert!(first["Event"].len() > 10_000, "{} events", first["Event"].len());
    let deleted = first.values().flatten().filter(|record| record["Deleted"] == true).count();
    assert!(deleted > 5, "{deleted} deleted rows");
    println!(
        "tap-zuora: {} objects, {} records, {deleted} of them deleted",
        held.len(),
        first.values().map(Vec::len).sum::<usize>(),
    );
    Ok(first)
}

/// Further runs: what has changed since the one before, and what each had seen last.
async fn takes_changes(
    server: &mut Server,
    tap: &mut Tap,
    contacts: &[Value],
    last: Ids,
) -> anyhow::Result<()> {
    let mut live = contacts.iter().filter(|r| r["Deleted"] == false).map(|r| text(r, "Id"));
    let mut next = || live.next().context("not enough contacts");
    let (renamed, moved, gone, late) = (next()?, next()?, next()?, next()?);
    let foreign = foreign_contact(server).await?;
    let at = |time: &str, mut values: Value| {
        values[KEY] = time.into();
        values
    };
    let changes = [
        Change::of(renamed, at("2025-10-01T10:00:00+00:00", json!({"LastName": "O'Neill, \"Ж\""}))),
        Change::of(moved, at(HOURS_EARLIER, json!({"City": "Łódź"}))),
        Change::of(gone, at("2025-10-03T10:00:00+00:00", json!({"Deleted": true}))),
        Change::of(moved, at(FIRST_HALF_PAST_ONE, json!({"Id": "new-contact"}))),
        Change::of(&foreign, at("2025-10-04T10:00:00+00:00", json!({"City": "Elsewhere"}))),
    ];
    apply(server, "Contact", &changes)?;
    let mut changed = tap.sync(server)?;
    let mut expected = last;
    let news = [renamed, moved, gone, "new-contact"].map(str::to_owned);
    expected.entry("Contact".to_owned()).or_default().extend(news);
    assert_eq!(ids(&changed, tap), expected);
    let contacts_changed = changed.remove("Contact").unwrap_or_default();
    let by_id: BTreeMap<_, _> = contacts_changed.iter().map(|r| (text(r, "Id"), r)).collect();
    assert_eq!(by_id[renamed]["LastName"], "O'Neill, \"Ж\"");
    assert_eq!(by_id["new-contact"]["City"], "Łódź");
    for (id, record) in &by_id {
        assert_eq!(record["Deleted"], *id == gone, "{record}");
    }

    assert_eq!(sent(server, tap, "Contact").await?, by_id.len(), "and no other row was sent");

    // Both of these are in the hour that was twice.
    let changes = [
        Change::of(late, at(QUARTER_LATER, json!({"City": "Kyiv"}))),
        Change::of("new-contact", at(SECOND_HALF_PAST_ONE, json!({"Deleted": true}))),
    ];
    apply(server, "Contact", &changes)?;
    let changed = tap.sync(server)?;
    let found: Vec<_> = changed["Contact"].iter().map(told).collect();
    assert_eq!(found, [(late.to_owned(), false), ("new-contact".to_owned(), true)]);
    assert_eq!(sent(server, tap, "Contact").await?, found.len(), "and no other row was sent");
    println!("tap-zuora: then {} and {} changed", by_id.len() - 1, found.len());
    Ok(())
}

/// A run that fails is told as "failed" where the setting says so: tap-zuora waits for half a day for
/// what it knows, and that is one of two words.
#[tokio::test(flavor = "multi_thread")]
async fn tap_zuora_is_told_why_a_job_failed() -> anyhow::Result<()> {
    let Some(python) = interpreter() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let options = Options::rows(500).set("OUTHAUL__DIALECTS__ZUORA_AQUA__FAILED_STATUS", "failed");
    let server = Server::start(folder.path(), options).await?;
    let mut tap = Tap::discover(python, folder.path(), &server)?;
    let file = folder.path().join("data/Account.parquet");
    let whole = std::fs::read(&file)?;
    std::fs::write(&file, &whole[..whole.len() / 2])?;
    let refused = tap.sync(&server).err().context("the rows cannot be read")?.to_string();
    let told = refused.lines().rfind(|line| line.contains("ExportFailed"));
    println!("tap-zuora: {}", told.unwrap_or(&refused));
    assert!(
        told.is_some_and(|line| line.contains("Account") && line.contains("damaged")),
        "{refused}"
    );
    Ok(())
}

/// Records by stream.
type Records = BTreeMap<String, Vec<Value>>;
/// Ids of the rows of each stream that has a bookmark.
type Ids = BTreeMap<String, BTreeSet<String>>;

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_default()
}

/// Which row it is, and whether it is deleted.
fn told(record: &Value) -> (String, bool) {
    (text(record, "Id").to_owned(), record["Deleted"] == true || record["deleted"] == true)
}

fn ids(records: &Records, tap: &Tap) -> Ids {
    let streams = records.iter().filter(|(stream, _)| tap.bookmark(stream).is_some());
    streams
        .map(|(stream, records)| {
            (stream.clone(), records.iter().map(|record| told(record).0).collect())
        })
        .collect()
}

/// The rows at each stream's bookmark.
fn last_seen(records: &Records, tap: &Tap) -> Ids {
    let at_bookmark = |(stream, records): (&String, &Vec<Value>)| {
        let bookmark = tap.bookmark(stream)?;
        let last = records.iter().filter(|record| text(record, KEY) == bookmark);
        Some((stream.clone(), last.map(|record| told(record).0).collect()))
    };
    records.iter().filter_map(at_bookmark).collect()
}

/// All rows of every object by Outhaul's own API: those that are deleted too, where the object knows.
async fn everything(native: &Native, tap: &Tap) -> anyhow::Result<Records> {
    let catalog = native.get("/catalog").await?;
    let mut all = Records::new();
    for object in catalog["objects"].as_array().context("no objects")? {
        let name = text(object, "name");
        let deleted = if tap.bookmark(name).is_some() { "mark" } else { "exclude" };
        all.insert(
            name.to_owned(),
            rows(native, json!({"object": name, "deleted": deleted})).await?,
        );
    }
    Ok(all)
}

async fn rows(native: &Native, query: Value) -> anyhow::Result<Vec<Value>> {
    let body = json!({"queries": [query], "format": "ndjson"});
    let made: Value = native.post("/exports", &body).await?.error_for_status()?.json().await?;
    let id = text(&made, "id");
    let export = native.finished(id, Duration::from_secs(60)).await?;
    let file = text(&export["artifacts"][0], "id");
    let path = format!("/exports/{id}/files/{file}");
    let answer = native.request(reqwest::Method::GET, &path).send().await?.error_for_status()?;
    answer.text().await?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Rows of the stream's last job, by the server's account: tap-zuora drops what is older than its
/// bookmark.
async fn sent(server: &Server, tap: &Tap, stream: &str) -> anyhow::Result<usize> {
    let name = format!("{stream}_{}", tap.state["bookmarks"][stream]["version"]);
    let path = format!("/exports?dialect=zuora_aqua&limit=1&label={name}");
    let list = Native::of(server, "acme")?.get(&path).await?;
    let rows = list["exports"][0]["artifacts"][0]["rows"].as_u64();
    Ok(usize::try_from(rows.with_context(|| format!("no rows of {name}: {list}"))?)?)
}

/// A contact of another tenant.
async fn foreign_contact(server: &Server) -> anyhow::Result<String> {
    let native = Native::of(server, "globex")?;
    let rows = rows(&native, json!({"object": "Contact", "limit": 1})).await?;
    Ok(text(rows.first().context("globex has no contact")?, "Id").to_owned())
}

/// An unmodified tap-zuora with its configuration, catalog and state.
struct Tap {
    python: PathBuf,
    folder: PathBuf,
    state: Value,
}

impl Tap {
    /// Has it discover, and selects everything; deleted rows only of the objects that have some.
    fn discover(python: PathBuf, folder: &Path, server: &Server) -> anyhow::Result<Self> {
        let tap = Self { python, folder: folder.to_owned(), state: Value::Null };
        let secret = |name: &str| server.secret(&format!("tenants.acme.zuora.{name}"));
        let settings = json!({
            "api_type": "AQUA",
            "auth_type": "OAUTH",
            "username": secret("client_id"),
            "password": secret("client_secret"),
            "partner_id": "salesforce",
            "sandbox": "true",
            "european": "true",
            "start_date": "2021-07-01T00:00:00Z",
        });
        std::fs::write(tap.path("tap.json"), settings.to_string())?;
        let discovered: Value = serde_json::from_str(&tap.run(server, &["--discover"])?)?;
        let streams = discovered["streams"].as_array().context("no streams")?;
        // It takes every object for one that tells of deleted rows, but for a list of its own.
        let silent = streams.iter().filter(|stream| stream["replication_key"].is_null());
        let left_out = silent.map(|stream| format!("{}.Deleted", text(stream, "stream")));
        let catalog = tap.path("catalog.json");
        std::fs::write(&catalog, discovered.to_string())?;
        let mut select = script(&tap.python, "select_all.py");
        let selected = output(select.arg(&catalog).args(left_out))?;
        std::fs::write(&catalog, selected)?;
        Ok(tap)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn run(&self, server: &Server, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = script(&self.python, "run_tap.py");
        command.env("ZUORA_BASE", &server.base_url);
        command.arg("--config").arg(self.path("tap.json")).args(arguments);
        output(&mut command)
    }

    /// One run, from the state that the run before it left.
    fn sync(&mut self, server: &Server) -> anyhow::Result<Records> {
        let (catalog, state) = (self.path("catalog.json"), self.path("state.json"));
        let (catalog, state_file) = (catalog.display().to_string(), state.display().to_string());
        let mut arguments = vec!["--catalog", &catalog];
        if !self.state.is_null() {
            std::fs::write(&state, self.state.to_string())?;
            arguments.extend(["--state", &state_file]);
        }
        let mut records = Records::new();
        for line in self.run(server, &arguments)?.lines() {
            let mut message: Value = serde_json::from_str(line)?;
            match text(&message, "type") {
                "RECORD" => {
                    let stream = text(&message, "stream").to_owned();
                    records.entry(stream).or_default().push(message["record"].take());
                }
                "STATE" => self.state = message["value"].take(),
                _ => {}
            }
        }
        Ok(records)
    }

    /// Up to when it has a stream's rows; nothing for one that it takes whole each time.
    fn bookmark(&self, stream: &str) -> Option<&str> {
        self.state["bookmarks"][stream][KEY].as_str()
    }
}
