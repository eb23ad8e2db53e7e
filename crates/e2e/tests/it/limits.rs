//! Limits under pressure: exact counts, slow clients, bombs, a full disk, keys that are revoked.

use std::time::{Duration, Instant};

use futures::future::join_all;
use outhaul_e2e::native::Native;
use outhaul_e2e::server::{Options, Server, program};
use outhaul_e2e::vendor::Zuora;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// 64 creators at once, ten times: exactly 50 are accepted while nothing can run.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_are_accepted_and_not_one_more() -> anyhow::Result<()> {
    for round in 0..10 {
        let folder = tempfile::tempdir()?;
        // All 64 are let in at once; what is counted here are exports, not requests.
        let options = Options::rows(500)
            .set("OUTHAUL__WORKER__ENABLED", false)
            .set("OUTHAUL__DIALECTS__ZUORA_EXPORT__CONCURRENCY_MAX", 100);
        let server = Server::start(folder.path(), options).await?;
        let client = Zuora::sign_in(&server, "acme").await?;
        let body = json!({"Query": "select Id from Account", "Format": "csv"});
        let answers = join_all((0..64).map(|_| client.create(&body))).await;
        let mut statuses = Vec::new();
        for answer in answers {
            statuses.push(answer?.status());
        }
        let accepted = statuses.iter().filter(|status| **status == StatusCode::OK).count();
        let refused =
            statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
        assert_eq!((accepted, refused), (50, 14), "round {round}: {statuses:?}");
    }
    Ok(())
}

/// The same key sent 16 times at once, for 20 keys, with a kill in between, makes 20 exports.
#[tokio::test(flavor = "multi_thread")]
async fn one_key_makes_one_export() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), Options::rows(500)).await?;
    let mut client = Native::of(&server, "acme")?;
    let body = json!({"queries": [{"object": "Account", "limit": 1}], "format": "csv"});
    let mut ids = std::collections::BTreeSet::new();
    for key in 0..20 {
        let send = || async {
            let request = client.request(Method::POST, "/exports").json(&body);
            request.header("Idempotency-Key", format!("key-{key}")).send().await
        };
        for answer in join_all((0..16).map(|_| send())).await {
            let answer = answer?;
            match answer.status() {
                StatusCode::ACCEPTED => {
                    let made: Value = answer.json().await?;
                    ids.insert(made["id"].as_str().unwrap_or_default().to_owned());
                }
                StatusCode::CONFLICT => assert!(answer.headers().contains_key("retry-after")),
                other => panic!("{other}: {}", answer.text().await?),
            }
        }
        if key % 5 == 4 {
            server.kill();
            server.restart().await?;
            client.follow(&server);
        }
        let again = client.request(Method::POST, "/exports").json(&body);
        let again = again.header("Idempotency-Key", format!("key-{key}")).send().await?;
        let again: Value = again.json().await?;
        ids.insert(again["id"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(ids.len(), 20, "{ids:?}");
    let other = json!({"queries": [{"object": "Contact", "limit": 1}], "format": "csv"});
    let reused = client.request(Method::POST, "/exports").json(&other);
    let reused = reused.header("Idempotency-Key", "key-0").send().await?;
    assert_eq!(reused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    Ok(())
}

/// 300 connections that send one byte now and then do not slow a good client down.
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_do_not_starve_others() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(500)).await?;
    let address = server.base_url.trim_start_matches("http://").to_owned();
    let mut slow = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(&address).await?;
        let start: &[u8] = match n % 3 {
            0 => b"GET /v1/describe HTTP/1.1\r\nHost: a\r\nX-A",
            1 => b"POST /v1/object/export HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{",
            _ => b"G",
        };
        stream.write_all(start).await?;
        slow.push(stream);
    }
    let client = Zuora::sign_in(&server, "acme").await?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        client.get("/v1/describe/Account").await?.error_for_status()?;
        times.push(begun.elapsed());
    }
    times.sort();
    println!("p99 of a good client under 300 slow ones: {:?}", times[197]);
    assert!(times[197] < Duration::from_secs(1), "{:?}", times[197]);
    // The slow ones are let go by the header time-out, not kept for ever.
    let mut first = slow.swap_remove(0);
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(30), first.read_to_end(&mut rest)).await??;
    Ok(())
}

/// 32 gzip bombs at once are refused, and the server hardly grows.
#[tokio::test(flavor = "multi_thread")]
async fn gzip_bombs_are_refused_within_bounds() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), Options::rows(500)).await?;
    let client = Native::of(&server, "acme")?;
    client.get("/catalog").await?;
    let bomb = bomb(64 * 1024 * 1024);
    let before = server.resident_bytes();
    let send = |bomb: Vec<u8>| {
        let request = client.request(Method::POST, "/exports").header("Content-Encoding", "gzip");
        request.header("Content-Type", "application/json").body(bomb).send()
    };
    for answer in join_all((0..32).map(|_| send(bomb.clone()))).await {
        assert_eq!(answer?.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    let grown = server.resident_bytes().saturating_sub(before);
    println!("32 bombs of {} bytes grew the server by {} KiB", bomb.len(), grown / 1024);
    assert!(grown <= 64 * 1024 * 1024, "{grown}");
    assert!(server.is_alive());
    Ok(())
}

/// `bytes` zeros as gzip.
fn bomb(bytes: usize) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let block = vec![b' '; 1024 * 1024];
    for _ in 0..bytes / block.len() {
        encoder.write_all(&block).expect("cannot fail because it writes to memory");
    }
    encoder.finish().expect("cannot fail because it writes to memory")
}

/// A revoked key stops at the next request.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_stops_at_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), Options::rows(500)).await?;
    let config = folder.path().join("outhaul.toml");
    for _ in 0..5 {
        let mut keys = std::process::Command::new(program());
        keys.args(["keys", "create", "--tenant", "acme", "--audience", "native", "--json"]);
        let made = keys.arg("--config").arg(&config).output()?;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let made: Value = serde_json::from_slice(&made.stdout)?;
        let (id, key) = (&made["public"], &made["secret"]);
        let ask = || async {
            let url = format!("{}/api/v1/catalog", server.base_url);
            let request = reqwest::Client::new().get(url);
            let key = key.as_str().unwrap_or_default();
            Ok::<_, anyhow::Error>(request.bearer_auth(key).send().await?.status())
        };
        assert_eq!(ask().await?, StatusCode::OK);
        let mut revoke = std::process::Command::new(program());
        revoke.args(["keys", "revoke", id.as_str().unwrap_or_default(), "--config"]);
        assert!(revoke.arg(&config).status()?.success());
        assert_eq!(ask().await?, StatusCode::UNAUTHORIZED);
    }
    Ok(())
}
