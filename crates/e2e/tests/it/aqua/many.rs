//! A thousand tiny jobs of ten tenants at once: none is lost, none comes twice, and nobody waits for
//! somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use futures::future::{join_all, try_join_all};
use outhaul_e2e::python::{interpreter, output};
use outhaul_e2e::server::{Options, Server, program};
use outhaul_e2e::vendor::Zuora;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::changes::{Change, apply};

const TENANTS: usize = 10;
const JOBS: usize = 100;
const QUERY: &str = "select Id, AccountNumber, Name from Account order by Id limit 5";
const ROWS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(300);
/// How far the middle of one tenant's completions may be behind the middle of another's, in places of
/// all: a tenth. In the order of their arrival it is most of them.
const MEDIANS_APART_MAX: usize = TENANTS * JOBS / 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_jobs_of_ten_tenants_complete_once_and_in_turn() -> anyhow::Result<()> {
    // Rows of files are changed by Python.
    if interpreter().is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let options = Options::rows(500)
        .set("OUTHAUL__DIALECTS__ZUORA_AQUA__POLICY__ACTIVE_MAX", JOBS)
        .set("OUTHAUL__DIALECTS__ZUORA_EXPORT__CONCURRENCY_MAX", TENANTS * JOBS);
    let mut server = Server::start(folder.path(), options).await?;
    let tenants = add_tenants(&mut server).await?;
    server.kill();
    server.restart().await?;
    let callers: Vec<_> =
        tenants.iter().map(|id| Caller::of(&server, id)).collect::<anyhow::Result<_>>()?;

    // One tenant after the other stands in the line.
    let begun = Instant::now();
    let jobs = (0..JOBS).collect::<Vec<_>>();
    let submitted = callers.iter().flat_map(|caller| jobs.iter().map(|at| caller.submit(*at)));
    let ids: Vec<String> = try_join_all(submitted).await?;
    let accepted = begun.elapsed();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), TENANTS * JOBS);

    let mut done = Vec::new();
    for (caller, ids) in callers.iter().zip(ids.chunks(JOBS)) {
        done.extend(caller.completed(ids, begun).await?);
    }
    let took = begun.elapsed();
    for (caller, ids) in callers.iter().zip(ids.chunks(JOBS)) {
        caller.has_the_files(ids).await?;
    }

    let mut waits: Vec<_> = done.iter().map(|job| job.finished_at - job.created_at).collect();
    waits.sort_unstable();
    let percentile =
        |hundredths: usize| waits[(waits.len() - 1) * hundredths / 100].num_milliseconds();
    println!(
        "{} jobs: accepted within {accepted:?}, completed within {took:?}; from submission to \
         completion p50 {} ms, p99 {} ms",
        done.len(),
        percentile(50),
        percentile(99)
    );
    let arrivals = medians(&mut done, |job| job.created_at);
    let completions = medians(&mut done, |job| job.finished_at);
    println!("median places of arrival {arrivals:?}, of completion {completions:?}");
    let places = || completions.values();
    let apart = places().max().zip(places().min()).map_or(0, |(last, first)| last - first);
    assert!(completions.len() == TENANTS && apart <= MEDIANS_APART_MAX, "{apart}: {completions:?}");
    Ok(())
}

/// A job as the server tells it.
struct Done {
    tenant: String,
    created_at: DateTime<Utc>,
    finished_at: DateTime<Utc>,
}

/// For each tenant the middle of its jobs' places among all.
fn medians(jobs: &mut [Done], time: impl Fn(&Done) -> DateTime<Utc>) -> BTreeMap<String, usize> {
    jobs.sort_by_key(&time);
    let mut places = BTreeMap::<String, Vec<usize>>::new();
    for (place, job) in jobs.iter().enumerate() {
        places.entry(job.tenant.clone()).or_default().push(place);
    }
    places.into_iter().map(|(tenant, places)| (tenant, places[places.len() / 2])).collect()
}

/// Adds ten tenants to the demo's, each with accounts of its own, which have its name.
async fn add_tenants(server: &mut Server) -> anyhow::Result<Vec<String>> {
    let tenants: Vec<_> = (0..TENANTS).map(|n| format!("tenant{n}")).collect();
    let acme = Zuora::sign_in(server, "acme").await?;
    let account = acme.export("select Id from Account limit 1", "csv", false).await?;
    let account = String::from_utf8(account)?;
    let account = account.lines().nth(1).context("no accounts")?;
    let more = tenants.iter().flat_map(|tenant| {
        (0..=ROWS).map(move |n| {
            let id = format!("{tenant}-{n}");
            Change::of(
                account,
                json!({"Id": id, "AccountNumber": id, "Name": tenant, "tenant": tenant}),
            )
        })
    });
    apply(server, "Account", &more.collect::<Vec<_>>())?;
    let file = server.folder().join("outhaul.toml");
    let mut text = std::fs::read_to_string(&file)?;
    for id in &tenants {
        write!(text, "\n[[tenants]]\nid = \"{id}\"\n")?;
    }
    std::fs::write(file, text)?;
    Ok(tenants)
}

/// Somebody of a tenant, with a key pair for AQuA and a key for Outhaul's own API, which tells when a
/// job ended.
struct Caller {
    client: Client,
    base_url: String,
    tenant: String,
    pair: (String, String),
    key: String,
}

impl Caller {
    fn of(server: &Server, tenant: &str) -> anyhow::Result<Self> {
        let credential = |audience: &str, kind: &str| {
            let mut command = Command::new(program());
            command.args(["keys", "create", "--json", "--tenant", tenant, "--config"]);
            command.arg(server.folder().join("outhaul.toml"));
            let told = output(command.args(["--audience", audience, "--kind", kind]))?;
            let told: Value = serde_json::from_str(&told)?;
            let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
            Ok::<_, anyhow::Error>((text("public"), text("secret")))
        };
        let client = Client::builder().timeout(PATIENCE).build()?;
        Ok(Self {
            client,
            base_url: server.base_url.clone(),
            tenant: tenant.to_owned(),
            pair: credential("zuora", "key-pair")?,
            key: credential("native", "api-key")?.1,
        })
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        let (id, secret) = &self.pair;
        request.header("apiAccessKeyId", id).header("apiSecretAccessKey", secret)
    }

    fn name(&self, at: usize) -> String {
        format!("{}-{at}", self.tenant)
    }

    async fn submit(&self, at: usize) -> anyhow::Result<String> {
        let job = json!({
            "name": self.name(at), "version": "1.0", "format": "csv", "useQueryLabels": "true",
            "queries": [{"query": QUERY, "type": "zoqlexport"}],
        });
        let url = format!("{}/v1/batch-query/", self.base_url);
        let answer = self.signed(self.client.post(url)).json(&job).send().await?;
        let status = answer.status();
        let told: Value = answer.json().await?;
        ensure!(status == StatusCode::OK && told["status"] == "submitted", "{status}: {told}");
        Ok(told["id"].as_str().context("no id")?.to_owned())
    }

    async fn list(&self, filter: &str) -> anyhow::Result<Vec<Value>> {
        let url = format!("{}/api/v1/exports?limit=100{filter}", self.base_url);
        let answer = self.client.get(url).bearer_auth(&self.key).send().await?;
        let mut page: Value = answer.error_for_status()?.json().await?;
        assert_eq!(page["next_cursor"], Value::Null, "no more than were submitted");
        Ok(page["exports"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Waits for the tenant's jobs, which are these and no others.
    async fn completed(&self, ids: &[String], begun: Instant) -> anyhow::Result<Vec<Done>> {
        while !self.list("&state=queued,running").await?.is_empty() {
            ensure!(begun.elapsed() < PATIENCE, "{} still waits", self.tenant);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let exports = self.list("").await?;
        assert_eq!(exports.len(), JOBS, "{}", self.tenant);
        let told: BTreeSet<_> =
            exports.iter().map(|e| (e["id"].as_str(), e["label"].as_str())).collect();
        let names: Vec<_> = (0..JOBS).map(|at| self.name(at)).collect();
        let wanted = ids.iter().zip(&names).map(|(id, name)| (Some(&**id), Some(&**name)));
        assert_eq!(told, wanted.collect());
        exports.iter().map(|export| self.done(export)).collect()
    }

    fn done(&self, export: &Value) -> anyhow::Result<Done> {
        let once = export["state"] == "completed" && export["attempts"] == 1;
        ensure!(once && export["artifacts"].as_array().is_some_and(|f| f.len() == 1), "{export}");
        let time = |key: &str| {
            let text = export[key].as_str().with_context(|| format!("no {key}: {export}"))?;
            Ok::<_, anyhow::Error>(DateTime::parse_from_rfc3339(text)?.to_utc())
        };
        let (created_at, finished_at) = (time("created_at")?, time("finished_at")?);
        Ok(Done { tenant: self.tenant.clone(), created_at, finished_at })
    }

    /// Each job has a file, with the tenant's own rows.
    async fn has_the_files(&self, ids: &[String]) -> anyhow::Result<()> {
        let row = |n| format!("{0}-{n},{0}-{n},{0}\n", self.tenant);
        let rows: String = (0..ROWS).map(row).collect();
        let mut files = BTreeSet::new();
        for fetched in join_all(ids.iter().map(|id| self.file(id))).await {
            let (file, text) = fetched?;
            ensure!(text.split_once('\n').is_some_and(|(_, all)| all == rows), "{rows}{text}");
            files.insert(file);
        }
        assert_eq!(files.len(), ids.len(), "{}", self.tenant);
        Ok(())
    }

    async fn file(&self, id: &str) -> anyhow::Result<(String, String)> {
        let get = async |path: String| {
            let request = self.client.get(format!("{}{path}", self.base_url));
            Ok::<_, anyhow::Error>(self.signed(request).send().await?.error_for_status()?)
        };
        let job: Value = get(format!("/v1/batch-query/jobs/{id}")).await?.json().await?;
        let batch = &job["batches"][0];
        let file = batch["fileId"].as_str().with_context(|| format!("no file: {job}"))?;
        let text = get(format!("/v1/file/{file}")).await?.text().await?;
        ensure!(batch["recordCount"] == ROWS, "{job}");
        Ok((file.to_owned(), text))
    }
}
