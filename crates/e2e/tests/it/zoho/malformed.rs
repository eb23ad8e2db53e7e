//! Thousands of requests that are wrong, or nearly right, against the whole server: none of them
//! brings it down, and none of them brings one tenant's rows to another.
//!
//! They come from a seed that is printed; `SEED=n` repeats them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use outhaul_e2e::server::{Options, Server};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::client::{Zoho, accepted, answered};

const REQUESTS: usize = 3_000;
const LANES: usize = 6;

const CRITERIA: &[&str] = &[
    r#""Account"."Currency" = 'EUR' and ("Balance" >= 10.5 or not "Auto Pay" = true)"#,
    r#""Name" like '%a%' and "Created Date" between '01-Jan-2023' and '2026-12-31 10:00:00'"#,
    r#"year("Created Date") = 2024 and "Status" in ('Active', 'Draft') and "Notes" is null"#,
    r#""Id" <> concat('x', upper(substring("Name", 1, 3)), "Bill Cycle Day" * 2 % 7)"#,
    r#"tenant <> 'acme' or "tenant" is not null"#,
    r#""Id" in (select "Id" from "Account") or exists (select 1 from "Contact")"#,
    r#"1 = 1) or (1 = 1"#,
];
const STATEMENTS: &[&str] = &[
    r#"select * from "Account" where "Currency" = 'USD' order by "Name" limit 20 offset 2"#,
    r#"select Currency, count(*), sum("Balance") as "b" from Account group by Currency having count(*) > 1"#,
    r#"select u."plan", e."Event Type", count(*) n from "Event" e join "User" u on e.user_id = u.user_id group by 1, 2"#,
    r#"select Id from Account union select Id from Contact"#,
    r#"with w as (select Id, Name from Account) select w.Name, case when w.Id > 'm' then 1 else 0 end from w"#,
    r#"select a.Id, (select max(c.Id) from Contact c where c.Id > a.Id) from Account a"#,
    r#"select tenant, * from "Account""#,
    r#"select * from "billing"."Account.parquet""#,
    r#"select * from read_parquet('data/Account.parquet')"#,
    r#"select * from 'Account.parquet' union all select * from information_schema.tables"#,
    r#"select * from pg_catalog.pg_class, outhaul_demo."Account""#,
    r#"select * from Account; drop table Account"#,
    r#"insert into Account select * from Account"#,
    r#"select Id from Account a full outer join Contact c on 1 = 1 where a.Id is null"#,
];
/// What is put in place of something, or between two things.
const SPICES: &[&str] = &[
    "\"",
    "'",
    "`",
    "\\",
    "(",
    ")",
    ",",
    ";",
    "--",
    "/*",
    "*/",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "\n",
    "%",
    "_",
    "{",
    "}",
    "[",
    "]",
    ":",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "9223372036854775808",
    "NaN",
    "😀",
    "é",
    " or 1=1 ",
    " union select * from Account ",
    " select ",
    " from ",
    " tenant ",
    "\"tenant\"",
    "Contact",
    " is null ",
    " not ",
    " in ",
    "((((((((((((((((((((",
    "count(*)",
    " cast(Id as int) ",
    " limit 0 ",
    "$1",
    "?",
    ":x",
    "@@version",
    "\\u0000",
];

fn pick<'a, T>(random: &mut StdRng, items: &'a [T]) -> &'a T {
    &items[random.random_range(0..items.len())]
}

/// The text with something taken away, put in, doubled, or turned around.
fn spoilt(random: &mut StdRng, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..random.random_range(0..4) {
        let from = random.random_range(0..=chars.len());
        let to = (from + random.random_range(0..12)).min(chars.len());
        match random.random_range(0..5) {
            0 => drop(chars.drain(from..to)),
            1 => drop(chars.splice(from..from, pick(random, SPICES).chars())),
            2 => drop(chars.splice(from..to, pick(random, SPICES).chars())),
            3 => {
                let part: Vec<char> = chars[from..to].to_vec();
                let times = if random.random_bool(0.05) { 400 } else { 2 };
                drop(chars.splice(from..from, part.repeat(times)));
            }
            _ => chars[from..to].reverse(),
        }
    }
    chars.into_iter().collect()
}

/// A value that may be none of a key's.
fn odd(random: &mut StdRng) -> Value {
    let long = "x".repeat(random.random_range(1..3_000));
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(2),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("2"),
        json!("\u{0}"),
        json!([]),
        json!([1, "Id"]),
        json!({}),
        json!({"a": [{}]}),
        json!(long),
        json!(["Id", "Name"]),
        json!(vec!["Id"; 301]),
        json!("https://example.com/"),
        json!("öffne dich"),
    ];
    pick(random, &values).clone()
}

const KEYS: &[&str] = &[
    "responseFormat",
    "criteria",
    "sqlQuery",
    "tableCriteriaList",
    "selectedColumns",
    "showHiddenCols",
    "showPersonalCols",
    "includeHeader",
    "includeRowNums",
    "applyDefaultUF",
    "password",
    "validateSystemTags",
    "delimiter",
    "recordDelimiter",
    "quoted",
    "keyValueFormat",
    "paperSize",
    "paperStyle",
    "topMargin",
    "leftHeader",
    "leftHeaderText",
    "includeTitle",
    "exportLanguage",
    "columnWidthRatio",
    "callbackUrl",
    "",
    "constructor",
];

/// CONFIG, sometimes as it should be.
fn config(random: &mut StdRng, sql: bool) -> String {
    // Nothing that is compressed: one could not see what is in it.
    let mut config = json!({ "responseFormat": pick(random, &["csv", "json", "xml", "html"]) });
    if sql {
        let text = *pick(random, STATEMENTS);
        config["sqlQuery"] = json!(spoilt(random, text));
    } else if random.random_bool(0.8) {
        let text = *pick(random, CRITERIA);
        config["criteria"] = json!(spoilt(random, text));
    }
    for _ in 0..random.random_range(0..2) {
        let key = *pick(random, KEYS);
        config[key] = odd(random);
    }
    // Not that.
    for key in ["responseFormat", "password"] {
        let kept = match config[key].as_str().map(str::to_lowercase).as_deref() {
            Some("xls" | "pdf") => false,
            _ => key != "password" || random.random_bool(0.05),
        };
        if !kept {
            config[key] = Value::Null;
        }
    }
    let text = config.to_string();
    if random.random_bool(0.15) { spoilt(random, &text) } else { text }
}

/// As a form has it, or with a few bytes that should have been written otherwise.
fn encoded(random: &mut StdRng, text: &str) -> Vec<u8> {
    let sloppy = random.random_bool(0.05);
    let mut out = Vec::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push(b'+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(byte),
            0x21..=0x7e if sloppy && byte != b'#' => out.push(byte),
            _ => out.extend(format!("%{byte:02X}").bytes()),
        }
    }
    if random.random_bool(0.03) {
        let at = random.random_range(0..=out.len());
        let garbage: &[&[u8]] =
            &[b"%", b"%F", b"%GG", b"%FF%FE", b"&CONFIG=", b"&", b"=", b"%C0%80", b"+"];
        drop(out.splice(at..at, pick(random, garbage).iter().copied()));
    }
    out
}

/// Whose ids a request names.
struct World {
    address: SocketAddr,
    ours: Zoho,
    theirs: Value,
    their_job: String,
}

/// A request as it goes over the wire.
fn request(random: &mut StdRng, world: &World) -> Vec<u8> {
    let foreign = random.random_bool(0.1);
    let account = if foreign { &world.theirs } else { &world.ours.account };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let workspace = text(&account["workspace_id"]);
    let view = match random.random_range(0..12) {
        0 => text(&world.theirs["views"]["Account"]),
        1 => {
            spoilt(random, &text(&account["views"]["Account"])).replace([' ', '\n', '\r', '\0'], "")
        }
        _ => text(&account["views"]["Account"]),
    };
    let bulk = format!("/restapi/v2/bulk/workspaces/{workspace}");
    let (method, path, sql) = match random.random_range(0..20) {
        0..=4 => ("GET", format!("/restapi/v2/workspaces/{workspace}/views/{view}/data"), false),
        5..=9 => ("GET", format!("/restapi/v2/workspaces/{workspace}/data"), true),
        10 => ("GET", format!("{bulk}/views/{view}/data"), false),
        11 => ("GET", format!("{bulk}/data"), true),
        12 => ("POST", format!("{bulk}/views/{view}/exportjobs"), false),
        13 => ("POST", format!("{bulk}/exportjobs"), true),
        14 => ("GET", format!("/restapi/v2/workspaces/{workspace}/views"), false),
        15 => ("GET", format!("/restapi/v2/views/{view}"), false),
        16 => ("GET", "/restapi/v2/metadetails".to_owned(), false),
        17 => ("GET", format!("{bulk}/exportjobs/{}/data", world.their_job), false),
        18 => ("GET", format!("{bulk}/exportjobs/{}", world.their_job), false),
        _ => return older(random, world),
    };
    let method = if random.random_bool(0.03) {
        *pick(random, &["PUT", "PATCH", "OPTIONS", "HEAD", "X"])
    } else {
        method
    };
    let config = config(random, sql);
    let mut given = b"CONFIG=".to_vec();
    given.extend(encoded(random, &config));
    let (target, body) = match method {
        "POST" => (path.into_bytes(), given),
        _ => ([path.as_bytes(), b"?", &given].concat(), Vec::new()),
    };
    whole(random, world, method, target, &body)
}

/// One of the older API.
fn older(random: &mut StdRng, world: &World) -> Vec<u8> {
    let names = [
        "Acme/Account",
        "Acme/",
        "Acme",
        "Acme/Account/x",
        "%2e%2e/Account",
        "Acme/%00",
        "Acme/(/)(//)",
    ];
    let mut target =
        format!("/api/owner%40example.com/{}?ZOHO_ACTION=EXPORT", pick(random, &names))
            .into_bytes();
    let mut give = |key: &str, text: &str, random: &mut StdRng| {
        target.extend(format!("&{key}=").bytes());
        target.extend(encoded(random, text));
    };
    let form = *pick(random, &["CSV", "JSON", "XML", "HTML", "IMAGE", ""]);
    give("ZOHO_OUTPUT_FORMAT", form, random);
    let text = if random.random_bool(0.5) { STATEMENTS } else { CRITERIA };
    let key = *pick(random, &["ZOHO_SQLQUERY", "ZOHO_CRITERIA"]);
    let text = *pick(random, text);
    let text = spoilt(random, text);
    give(key, &text, random);
    whole(random, world, "POST", target, b"")
}

fn whole(
    random: &mut StdRng,
    world: &World,
    method: &str,
    target: Vec<u8>,
    body: &[u8],
) -> Vec<u8> {
    let org = match random.random_range(0..30) {
        0 => world.theirs["org_id"].as_str().unwrap_or_default().to_owned(),
        1 => String::new(),
        2 => "0".to_owned(),
        _ => world.ours.id("org_id").to_owned(),
    };
    let token = match random.random_range(0..40) {
        0 => "x".to_owned(),
        1 => format!("{0} {0}", world.ours.token),
        _ => world.ours.token.clone(),
    };
    let mut out = method.as_bytes().to_vec();
    out.push(b' ');
    out.extend(target);
    out.extend(b" HTTP/1.1\r\nHost: exports\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    out.extend(format!("Authorization: Zoho-oauthtoken {token}\r\n").bytes());
    if random.random_bool(0.98) {
        out.extend(format!("ZANALYTICS-ORGID: {org}\r\n").bytes());
    }
    out.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
    out.extend(body);
    out
}

/// What only the other tenant may see.
struct Canaries(Vec<Vec<u8>>);

impl Canaries {
    /// Ids of the other tenant's rows, and its name, which is in many of its values.
    async fn of(theirs: &Zoho) -> anyhow::Result<Self> {
        let config = json!({"responseFormat": "json", "selectedColumns": ["Id", "Name"]});
        let file =
            theirs.download(&accepted(theirs.create("Account", &config).await?).await?).await?;
        let document: Value = serde_json::from_slice(&file)?;
        let mut all = vec![b"globex".to_vec()];
        for row in document["data"].as_array().context("rows")? {
            all.push(row["Id"].as_str().context("an id")?.to_lowercase().into_bytes());
        }
        let canaries = Self(all);
        ensure!(canaries.0.len() > 3, "too few: {document}");
        ensure!(canaries.seen_in(&file).is_some(), "they are not where they belong");
        Ok(canaries)
    }

    fn seen_in(&self, bytes: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(&bytes.to_ascii_lowercase()).into_owned();
        let found = self.0.iter().map(|one| String::from_utf8_lossy(one));
        found.into_iter().find(|one| text.contains(&**one)).map(|one| one.into_owned())
    }
}

/// What came of the requests of one lane.
#[derive(Default)]
struct Tally {
    statuses: BTreeMap<u16, usize>,
    jobs: BTreeSet<String>,
}

async fn lane(
    world: Arc<World>,
    canaries: Arc<Canaries>,
    seed: u64,
    count: usize,
) -> anyhow::Result<Tally> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut tally = Tally::default();
    for _ in 0..count {
        let request = request(&mut random, &world);
        let shown = || String::from_utf8_lossy(&request).into_owned();
        let (status, answer) = answered(world.address, &request).await.with_context(shown)?;
        ensure!((200..500).contains(&status), "{}\n{}", shown(), String::from_utf8_lossy(&answer));
        if let Some(canary) = canaries.seen_in(&answer) {
            anyhow::bail!(
                "{canary} stands in\n{}\nto\n{}",
                String::from_utf8_lossy(&answer),
                shown()
            );
        }
        *tally.statuses.entry(status).or_default() += 1;
        let body =
            answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| &answer[at + 4..]);
        let body: Value = serde_json::from_slice(body.unwrap_or_default()).unwrap_or_default();
        if let (200, Some(job)) = (status, body["data"]["jobId"].as_str())
            && job != world.their_job
        {
            tally.jobs.insert(job.to_owned());
        }
    }
    Ok(tally)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_breaks_the_server_or_the_wall_between_tenants() -> anyhow::Result<()> {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("seed={seed}");
    let folder = tempfile::tempdir()?;
    let options = Options::rows(500)
        .set("OUTHAUL__DIALECTS__ZOHO__POLICY__ACTIVE_MAX", 0)
        .set("OUTHAUL__DIALECTS__ZOHO__WAIT_SECS", 20);
    let mut server = Server::start(folder.path(), options).await?;
    let (ours, theirs) =
        (Zoho::sign_in(&server, "acme").await?, Zoho::sign_in(&server, "globex").await?);
    let canaries = Arc::new(Canaries::of(&theirs).await?);
    let their_job = accepted(theirs.create("Account", &json!({})).await?).await?;
    theirs.download(&their_job).await?;
    let all = async || {
        let id = accepted(ours.create("Account", &json!({})).await?).await?;
        ours.download(&id).await
    };
    let before = all().await?;
    let address = server.base_url.trim_start_matches("http://").parse()?;
    let world = World { address, ours: ours.clone(), theirs: theirs.account.clone(), their_job };
    let world = Arc::new(world);

    let lanes = (0..LANES).map(|number| {
        // No two lanes of neighbouring seeds are the same.
        let seed = seed.wrapping_mul(LANES as u64).wrapping_add(number as u64);
        tokio::spawn(lane(world.clone(), canaries.clone(), seed, REQUESTS / LANES))
    });
    let lanes: Vec<_> = lanes.collect();
    let mut tally = Tally::default();
    for lane in lanes {
        let one = lane.await??;
        tally.jobs.extend(one.jobs);
        for (status, count) in one.statuses {
            *tally.statuses.entry(status).or_default() += count;
        }
    }
    let mut files = 0;
    for id in &tally.jobs {
        let job = ours.until(id, &["1003", "1004", "1005"]).await?;
        assert_eq!(canaries.seen_in(job.to_string().as_bytes()), None, "{job}");
        if job["jobCode"] == "1004" {
            let file = ours.download(id).await?;
            assert_eq!(canaries.seen_in(&file), None, "{}", String::from_utf8_lossy(&file));
            files += 1;
        }
    }
    assert!(server.is_alive());
    assert_eq!(all().await?, before);
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
    println!("{REQUESTS} requests: {:?}; {} jobs, {files} files", tally.statuses, tally.jobs.len());
    assert!(
        tally.statuses.get(&200).is_some_and(|good| *good > REQUESTS / 30),
        "too few were right"
    );
    assert!(files > 10, "too few of them made a file");
    Ok(())
}
