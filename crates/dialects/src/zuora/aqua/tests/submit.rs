//! What a job's fields become, repetition of requests, compression, and the settings of answers.

use std::io::Read;

use axum::body::Body;
use futures::future::join_all;
use http::{Method, StatusCode};
use outhaul_exports::query::{Expr, Protection};
use outhaul_exports::spec::{DecimalStyle, ExportSpec, FractionStyle, OffsetStyle, Packing};
use serde_json::{Value, json};

use super::jobs::{Client, JOBS, acme, id, stateful, with};
use crate::zuora::tests::server::{Server, request_of};

const QUERY: &str = "select Id from Account";

fn job() -> Value {
    json!({ "queries": [{ "query": QUERY }] })
}

async fn spec(client: &Client<'_>, body: &Value) -> ExportSpec {
    let job = client.submit(body).await;
    client.export(&job).await.spec
}

#[tokio::test]
async fn what_is_asked_reaches_the_spec() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let plain = spec(&client, &job()).await;
    let values = &plain.format.values;
    assert_eq!((plain.format.id.as_str(), plain.packing), ("csv", Packing::None));
    assert_eq!((plain.label, plain.split, plain.encryption_key), (None, None, None));
    assert_eq!(values.zone, chrono_tz::Tz::America__Los_Angeles);
    assert_eq!((values.null.as_str(), values.offset), ("", OffsetStyle::Plain));
    assert_eq!((values.fraction, values.decimals), (FractionStyle::Seconds, DecimalStyle::Trimmed));

    let more =
        json!({ "name": "n", "format": "zip", "dateTimeUtc": "true", "nullReplacement": "-" });
    let asked = spec(&client, &with(job(), more)).await;
    assert_eq!((asked.label.as_deref(), asked.packing), (Some("n"), Packing::Zip));
    let values = &asked.format.values;
    assert_eq!((values.zone, values.null.as_str()), (chrono_tz::Tz::UTC, "-"));
    let gzip = spec(&client, &with(job(), json!({ "format": "GZIP" }))).await;
    assert_eq!(gzip.packing, Packing::Gzip);

    let initech = Client { server: &server, tenant: "initech" };
    let sealed = spec(&initech, &with(job(), json!({ "encrypted": "pgp" }))).await;
    let key = sealed.encryption_key.expect("files are encrypted whole");
    assert!(key.starts_with("-----BEGIN PGP"), "{key}");
    assert_eq!(spec(&initech, &job()).await.encryption_key, None);
}

#[tokio::test]
async fn queries_are_named_converted_and_masked() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let queries = json!([
        { "name": "money", "query": "select Id, Balance from Account", "convertToCurrencies": "eur,USD" },
        { "query": "select AchAccountNumber from PaymentMethod" },
    ]);
    let job = client.submit(&json!({ "queries": queries })).await;
    let selects = client.selects(&job).await;
    let labels: Vec<_> = selects[0].columns.iter().map(|column| column.label.as_str()).collect();
    assert_eq!(
        labels,
        ["Account: Id", "Account: Balance", "Account: Balance (EUR)", "Account: Balance (USD)"]
    );
    let job = client.submit(&json!({ "useQueryLabels": true, "queries": queries })).await;
    let names: Vec<_> =
        client.export(&job).await.spec.queries.into_iter().map(|query| query.name).collect();
    assert_eq!(names, [Some("money".to_owned()), None]);
    let selects = client.selects(&job).await;
    let labels: Vec<_> = selects[0].columns.iter().map(|column| column.label.as_str()).collect();
    assert_eq!(
        labels,
        ["Account.Id", "Account.Balance", "Account.Balance (EUR)", "Account.Balance (USD)"]
    );
    assert_eq!(selects[1].columns[0].protection, Protection::Masked);
    let key = json!({ "queries": [{ "query": "select AccountId from Invoice" }] });
    let key = client.submit(&key).await;
    let Expr::Field(path) = &client.selects(&key).await[0].columns[0].expr else {
        panic!("a foreign key is a field");
    };
    assert_eq!(path.to_string(), "Account.Id");
}

#[tokio::test]
async fn before_wsdl_69_a_datetime_without_a_zone_lies_in_pacific_time() {
    let server = Server::aqua(json!({})).await;
    // initech lives in UTC.
    let initech = Client { server: &server, tenant: "initech" };
    let query = "select Id from Account where CreatedDate > '2026-01-01T00:00:00'";
    for (version, hour) in [(json!(null), 0), (json!("69.0"), 0), (json!(68), 8), (json!("9"), 8)] {
        let queries = json!([{ "query": query, "apiVersion": version }]);
        let job = initech.submit(&json!({ "queries": queries })).await;
        let filter = format!("{:?}", initech.selects(&job).await[0].filter);
        assert!(filter.contains(&format!("2026-01-01T0{hour}:00:00Z")), "{version}: {filter}");
    }
}

#[tokio::test]
async fn one_key_makes_one_job() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    for body in [job(), stateful(&[QUERY])] {
        let key = format!("key of {}", body["version"]);
        let headers = [("idempotency-key", key.as_str())];
        let sends = (0..16).map(|_| client.post(&headers, &body));
        let mut ids = Vec::new();
        for answer in join_all(sends).await {
            match answer.status {
                StatusCode::OK => ids.push(id(&answer.json())),
                // The first is still being answered.
                StatusCode::CONFLICT => {
                    assert_eq!(answer.header("retry-after"), "1");
                    assert_eq!(answer.json()["code"], 50_000_050);
                }
                other => panic!("{other}: {}", answer.text()),
            }
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        // After a day the key is forgotten.
        server.advance(24 * 3600 - 1);
        assert_eq!(id(&client.post(&headers, &body).await.json()), ids[0]);
        server.advance(2);
        assert_ne!(id(&client.post(&headers, &body).await.json()), ids[0]);
    }
    // A request that was refused leaves its key free.
    let headers = [("idempotency-key", "k")];
    let refused = client.post(&headers, &json!({ "queries": [] })).await;
    assert_eq!(refused.json()["errorCode"], "90016");
    assert!(client.post(&headers, &job()).await.json()["id"].is_string());
}

#[tokio::test]
async fn a_long_answer_is_compressed_for_those_who_take_it() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let job = client.submit(&stateful(&[QUERY; 50])).await;
    let path = format!("{JOBS}/jobs/{}", id(&job));
    let plain = client.get(&path).await;
    assert_eq!(plain.header("content-encoding"), "");
    let packed = client.get_with(Method::GET, &path, &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut text = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(packed.body.as_ref());
    decoder.read_to_end(&mut text).expect("it is gzip");
    assert_eq!(text, plain.body);

    let text = stateful(&[QUERY; 50]).to_string();
    let mut encoder = flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::fast());
    let mut request = Vec::new();
    encoder.read_to_end(&mut request).expect("memory takes everything");
    let request = request_of("acme", Method::POST, JOBS)
        .header("content-encoding", "gzip")
        .body(Body::from(request));
    let answer = server.send(request.expect("a request")).await;
    assert_eq!(answer.json()["batches"].as_array().map(Vec::len), Some(50), "{}", answer.text());
}

#[tokio::test]
async fn settings_change_the_words_that_clients_compare() {
    let server = Server::aqua(json!({ "error_detail": false, "failed_status": "failed" })).await;
    let client = acme(&server);
    let text = "There is a syntax error in one of the queries in the AQuA input";
    for query in ["select Nam from Account", "select Id from Acount", "select * from", "selec"] {
        let body = json!({ "queries": [{ "query": query }] });
        assert_eq!(client.refused(&body, "90005").await, text, "{query}");
    }
    let job = client.submit(&job()).await;
    let running = server.world.start_next().await.expect("it waits");
    server.world.fail(&running, "source_missing", "").await;
    let job = client.job(&job).await;
    let batch = &job["batches"][0];
    assert_eq!((&job["status"], &batch["status"]), (&json!("failed"), &json!("failed")));
    assert_eq!(batch["localizedStatus"], "failed");
    assert_ne!(batch["message"], "", "a reason is always there");
}

#[tokio::test]
async fn a_message_has_its_length() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let job = client.submit(&job()).await;
    let running = server.world.start_next().await.expect("it waits");
    server.world.fail(&running, "query_failed", &"é".repeat(3_000)).await;
    let job = client.job(&job).await;
    let message = job["batches"][0]["message"].as_str().expect("a text").to_owned();
    let count = message.chars().count();
    assert!((1_000..=2_048).contains(&count), "{count}");
}
