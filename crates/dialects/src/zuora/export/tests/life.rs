//! What holds over several requests: repetition, limits, expiry, and what is asked of the engine.

use std::io::{Read, Write};

use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::join_all;
use http::{Method, StatusCode};
use outhaul_exports::export::State;
use outhaul_exports::ports::ListFilter;
use outhaul_exports::query::{Protection, Query, Select};
use outhaul_exports::spec::{ExportSpec, Packing};
use outhaul_exports::{ExportId, testing};
use serde_json::{Value, json};

use super::super::ID;
use crate::zuora::tests::server::{Answer, SAMPLE, SECRET, Server, request_of};

const EXPORTS: &str = "/v1/object/export";

impl Server {
    async fn keyed(&self, tenant: &str, key: &str, body: &str) -> Answer {
        let request = request_of(tenant, Method::POST, EXPORTS)
            .header("idempotency-key", key)
            .body(Body::from(body.to_owned()));
        self.send(request.expect("a request")).await
    }

    async fn spec(&self, tenant: &str, id: &str) -> ExportSpec {
        let who = testing::principal(tenant);
        let id: ExportId = id.parse().expect("an id");
        self.world.exports.get(&who, Some(ID), id).await.expect("it is there").spec
    }

    async fn count(&self, tenant: &str) -> usize {
        let who = testing::principal(tenant);
        let filter = ListFilter {
            tenant: tenant.into(),
            dialect: Some(ID.into()),
            states: vec![],
            session: None,
            label: None,
            before: None,
            kept_at: None,
            most: 200,
        };
        self.world.exports.list(&who, filter).await.expect("memory is never away").len()
    }
}

fn select(spec: &ExportSpec) -> &Select {
    match &spec.queries[0].query {
        Query::Select(select) => select,
        Query::Sql { .. } => panic!("Export ZOQL becomes a neutral query"),
    }
}

#[tokio::test]
async fn one_key_makes_one_export() {
    let server = Server::new().await;
    for n in 0..20 {
        let key = format!("key-{n}");
        let sends = (0..16).map(|_| server.keyed("acme", &key, SAMPLE));
        let answers = join_all(sends).await;
        let ids: Vec<Value> = answers
            .iter()
            .filter(|answer| match answer.status {
                StatusCode::OK => true,
                // The first one is still being answered.
                StatusCode::CONFLICT => {
                    assert_eq!(answer.header("retry-after"), "1");
                    false
                }
                other => panic!("{other}: {}", answer.text()),
            })
            .map(|answer| answer.json()["Id"].clone())
            .collect();
        assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
    assert_eq!(server.count("acme").await, 20);
}

#[tokio::test]
async fn a_key_belongs_to_its_request_and_tenant_for_a_day() {
    let server = Server::new().await;
    let first = server.keyed("acme", "k", SAMPLE).await;
    assert_eq!(first.status, StatusCode::OK);
    // It is answered as created, whatever became of it.
    server.complete("x.csv", "text/csv", b"a\n").await;
    server.advance(24 * 3600 - 1);
    let again = server.keyed("acme", "k", SAMPLE).await;
    assert_eq!((again.status, again.body), (first.status, first.body.clone()));

    let other =
        server.keyed("acme", "k", r#"{"Query":"select Id from Account","Format":"csv"}"#).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.json()["reasons"][0]["code"], 50_000_030, "{}", other.text());
    assert_eq!(other.json()["success"], false);

    let theirs = server.keyed("globex", "k", SAMPLE).await;
    assert_eq!(theirs.status, StatusCode::OK);
    assert_ne!(theirs.body, first.body);

    server.advance(2);
    let later = server.keyed("acme", "k", SAMPLE).await;
    assert_eq!(later.status, StatusCode::OK);
    assert_ne!(later.body, first.body);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free_and_gets_ignore_it() {
    let server = Server::new().await;
    let refused = server.keyed("acme", "k", r#"{"Query":"select","Format":"csv"}"#).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.keyed("acme", "k", SAMPLE).await.status, StatusCode::OK);
    let longest = "k".repeat(255);
    assert_eq!(server.keyed("acme", &longest, SAMPLE).await.status, StatusCode::OK);
    assert_eq!(server.keyed("acme", "two words", SAMPLE).await.status, StatusCode::OK);
    for bad in ["", "two\twords", &"k".repeat(256)] {
        let answer = server.keyed("acme", bad, SAMPLE).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(answer.json()["Errors"][0]["Code"], "INVALID_VALUE");
    }
    let request = server
        .request(Method::POST, EXPORTS)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b")
        .body(Body::from(SAMPLE));
    let answer = server.send(request.expect("a request")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let request = server
        .request(Method::GET, "/v1/describe")
        .header("idempotency-key", "k".repeat(300))
        .body(Body::empty());
    assert_eq!(server.send(request.expect("a request")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn headers_that_change_the_meaning_are_part_of_the_request() {
    let server = Server::new().await;
    let send = async |version: &str| {
        let request = server
            .request(Method::POST, EXPORTS)
            .header("idempotency-key", "k")
            .header("x-zuora-wsdl-version", version)
            .body(Body::from(SAMPLE));
        server.send(request.expect("a request")).await.status
    };
    assert_eq!(send("91.0").await, StatusCode::OK);
    assert_eq!(send("91.0").await, StatusCode::OK);
    assert_eq!(send("60").await, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_fifty_first_export_is_refused_and_stores_nothing() {
    let server = Server::new().await;
    let answers = join_all((0..64).map(|n| {
        let (server, key) = (&server, format!("key-{n}"));
        async move { (key.clone(), server.keyed("acme", &key, SAMPLE).await) }
    }));
    let answers = answers.await;
    let (good, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, answer)| answer.status == StatusCode::OK);
    assert_eq!((good.len(), refused.len()), (50, 14));
    assert_eq!(server.count("acme").await, 50);
    for (_, answer) in &refused {
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.header("retry-after"), "30");
        let error = &answer.json()["Errors"][0];
        assert_eq!(error["Code"], "REQUEST_EXCEEDED_LIMIT");
        let text = error["Message"].as_str().expect("a text");
        assert!(
            text.contains("limit of 50") && text.contains("50 are in status Pending"),
            "{text}"
        );
    }
    // One ends, and the key of a refused request finds the place that is free.
    server.complete("x.csv", "text/csv", b"a\n").await;
    let (key, _) = &refused[0];
    assert_eq!(server.keyed("acme", key, SAMPLE).await.status, StatusCode::OK);
    assert_eq!(
        server.keyed("acme", "one-more", SAMPLE).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    // A repetition is answered though the limit is full, and other tenants have places of their own.
    let (key, first) = &good[0];
    assert_eq!(server.keyed("acme", key, SAMPLE).await.body, first.body);
    assert_eq!(server.keyed("globex", "k", SAMPLE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_are_limited_in_time_by_credential() {
    let server = Server::with(json!({ "requests_per_minute": 2, "requests_per_hour": 3 })).await;
    let standing = |answer: &Answer| {
        let header = |name| answer.header(name).to_owned();
        (answer.status.as_u16(), header("ratelimit-remaining"), header("ratelimit-reset"))
    };
    let said = |status: u16, remaining: &str, reset: &str| {
        (status, remaining.to_owned(), reset.to_owned())
    };
    assert_eq!(standing(&server.get("/v1/describe").await), said(200, "1", "60"));
    assert_eq!(standing(&server.get("/v1/describe").await), said(200, "0", "60"));
    let refused = server.get("/v1/describe").await;
    assert_eq!(standing(&refused), said(429, "0", "60"));
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(refused.header("ratelimit-limit"), "2, 2;w=60, 3;w=3600, 27000000;w=86400");
    assert_eq!(refused.json()["reasons"][0]["code"], 50_000_070);
    let refused = server.ask(Method::POST, EXPORTS, SAMPLE).await;
    assert_eq!(refused.json()["Errors"][0]["Code"], "REQUEST_EXCEEDED_RATE");
    server.advance(60);
    assert_eq!(standing(&server.get("/v1/describe").await), said(200, "0", "3540"));
    // The next one waits for the hour.
    assert_eq!(standing(&server.get("/v1/describe").await), said(429, "0", "3540"));
}

#[tokio::test]
async fn passwords_cannot_be_tried_out() {
    let server = Server::new().await;
    let sign_in = async |id: &str, secret: &str| {
        let request = http::Request::builder()
            .uri("/v1/describe")
            .header("apiAccessKeyId", id)
            .header("apiSecretAccessKey", secret)
            .body(Body::empty());
        server.send(request.expect("a request")).await
    };
    for id in ["acme-admin", "nobody"] {
        for _ in 0..20 {
            assert_eq!(sign_in(id, "wrong").await.status, StatusCode::UNAUTHORIZED);
        }
        // Known and unknown ids are stopped alike, with the right secret too.
        let stopped = sign_in(id, SECRET).await;
        assert_eq!(
            (stopped.status, stopped.header("retry-after")),
            (StatusCode::TOO_MANY_REQUESTS, "60")
        );
    }
    assert_eq!(sign_in("acme-reader", SECRET).await.status, StatusCode::OK);
    server.advance(60);
    assert_eq!(sign_in("acme-admin", SECRET).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_in_hand_are_limited_by_tenant() {
    let server = Server::with(json!({ "concurrency_max": 1 })).await;
    // A request whose body never ends stays in hand.
    let (sender, body) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(1);
    let body = futures::stream::unfold(body, |mut body| async move {
        body.recv().await.map(|piece| (piece, body))
    });
    let slow = server.request(Method::POST, EXPORTS).body(Body::from_stream(body));
    let slow = server.send(slow.expect("a request"));
    let quick = async {
        sender.send(Ok(SAMPLE.into())).await.expect("it is being read");
        // The piece was taken, so the slow request is behind the door.
        sender.send(Ok(" ".into())).await.expect("it is being read");
        let refused = server.get("/v1/describe").await;
        let other = request_of("globex", Method::GET, "/v1/describe");
        let other = server.send(other.body(Body::empty()).expect("a request")).await;
        drop(sender);
        (refused, other)
    };
    let (slow, (refused, other)) = tokio::join!(slow, quick);
    assert_eq!(slow.status, StatusCode::OK, "{}", slow.text());
    assert_eq!(slow.header("concurrency-limit-remaining"), "0");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["reasons"][0]["code"], 50_000_070);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(other.status, StatusCode::OK);
    assert_eq!(server.get("/v1/describe").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_asked_reaches_the_spec() {
    let server = Server::new().await;
    let create = async |body: Value| {
        let answer = server.ask(Method::POST, EXPORTS, body.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        server.spec("acme", answer.json()["Id"].as_str().expect("an id")).await
    };
    let spec = create(json!({
        "Format": "EXCEL",
        "Query": "select Id, Balance, AutoPay from Account where CreatedDate > '2026-01-01T00:00:00'",
        "Zip": true,
        "Name": "\u{202e}..😀",
        "ConvertToCurrencies": "eur,USD",
    }))
    .await;
    assert_eq!((spec.format.id.as_str(), spec.packing), ("xlsx", Packing::Zip));
    assert_eq!(spec.label.as_deref(), Some("\u{202e}..😀"));
    assert_eq!(spec.format.values.zone, chrono_tz::Tz::America__Los_Angeles);
    let labels: Vec<&str> = select(&spec).columns.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "Account.Id",
            "Account.Balance",
            "Account.Balance (EUR)",
            "Account.Balance (USD)",
            "Account.AutoPay"
        ]
    );
    // A datetime without a zone lies in the tenant's: 8 hours west of London in January.
    let filter = format!("{:?}", select(&spec).filter);
    assert!(filter.contains("2026-01-01T08:00:00Z"), "{filter}");

    let spec =
        create(json!({ "Format": "csv", "Query": "select AchAccountNumber from PaymentMethod" }))
            .await;
    assert_eq!((select(&spec).columns[0].protection, spec.sealing_key), (Protection::Masked, None));
}

#[tokio::test]
async fn sensitive_values_are_sealed_to_the_tenants_key() {
    let server = Server::new().await;
    let body = json!({
        "Format": "csv",
        "Query": "select Id, AchAccountNumber from PaymentMethod",
        "Encrypted": "true",
    });
    let answer = server.keyed("globex", "k", &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let spec = server.spec("globex", answer.json()["Id"].as_str().expect("an id")).await;
    let protections: Vec<Protection> =
        select(&spec).columns.iter().map(|column| column.protection).collect();
    assert_eq!(protections, [Protection::Plain, Protection::Sealed]);
    assert_eq!(spec.sealing_key.as_deref(), Some("age1tenantkey"));
}

#[tokio::test]
async fn conversion_needs_rates() {
    let server = Server::with(json!({})).await;
    let body =
        r#"{"Format":"csv","Query":"select Balance from Account","ConvertToCurrencies":"EUR"}"#;
    let answer = server.ask(Method::POST, EXPORTS, body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let text = answer.json()["Errors"][0]["Message"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("currency conversion is not enabled"), "{text}");
}

#[tokio::test]
async fn entities_narrow_what_the_engine_may_see() {
    let server = Server::new().await;
    let request = request_of("globex", Method::POST, EXPORTS)
        .header("zuora-entity-ids", "e-2")
        .body(Body::from(SAMPLE));
    let answer = server.send(request.expect("a request")).await;
    let id: ExportId = answer.json()["Id"].as_str().expect("an id").parse().expect("an id");
    let export =
        server.world.exports.get(&testing::principal("globex"), Some(ID), id).await.expect("there");
    assert_eq!(export.scope.entities(), Some(["e-2".to_owned()].as_slice()));
}

#[tokio::test]
async fn answers_and_requests_are_gzipped() {
    let server = Server::new().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(SAMPLE.as_bytes()).expect("memory takes everything");
    let request = server
        .request(Method::POST, EXPORTS)
        .header("content-encoding", "gzip")
        .body(Body::from(encoder.finish().expect("memory takes everything")));
    assert_eq!(server.send(request.expect("a request")).await.status, StatusCode::OK);

    let big: Vec<u8> = b"a,b\n".repeat(1_000);
    let file = server.complete("x.csv", "text/csv", &big).await;
    let file = format!("/v1/files/{file}");
    let pairs =
        [("/v1/describe/Account", "text/xml;charset=UTF-8"), (&*file, "text/csv; charset=utf-8")];
    for (path, media_type) in pairs {
        let plain = server.get(path).await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        let request = server.request(Method::GET, path).header("accept-encoding", "gzip, deflate");
        let packed = server.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(packed.header("content-encoding"), "gzip", "{path}");
        assert_eq!(packed.header("content-type"), media_type);
        let mut text = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(packed.body.as_ref());
        decoder.read_to_end(&mut text).expect("it is gzip");
        assert_eq!(text, plain.body);
        let request = server.request(Method::GET, path).header("accept-encoding", "identity");
        let same = server.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(same.body, plain.body);
    }
    // What is packed already is not packed again.
    server.ask(Method::POST, EXPORTS, SAMPLE.replace("\"csv\"", "\"csv\",\"Zip\":true")).await;
    let file = server.complete("x.zip", "application/zip", &big).await;
    let path = format!("/v1/files/{file}");
    let request = server.request(Method::GET, &path).header("accept-encoding", "gzip");
    let answer = server.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(
        (answer.header("content-encoding"), answer.header("content-type")),
        ("", "application/zip")
    );
    let name = format!("attachment; filename=\"{file}.zip\"");
    assert_eq!(answer.header("content-disposition"), name);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_with_the_marker() {
    let server = Server::with(json!({ "file_bytes_max": 1_048_576 })).await;
    server.create().await;
    let file = server.complete("x.csv", "text/csv", &vec![b'a'; 1_048_576]).await;
    assert_eq!(server.get(&format!("/v1/files/{file}")).await.status, StatusCode::OK);
    server.create().await;
    let file = server.complete("x.csv", "text/csv", &vec![b'a'; 1_048_577]).await;
    let answer = server.get(&format!("/v1/files/{file}")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let marker = "<security:max-object-size>1MB</security:max-object-size>";
    assert!(answer.text().contains(marker), "{}", answer.text());
}

#[tokio::test]
async fn files_of_other_apis_are_not_served() {
    let server = Server::new().await;
    let id = server.create().await;
    let who = testing::principal("acme");
    let export = server.world.exports.get(&who, Some(ID), id.parse().expect("an id")).await;
    let mut native = export.expect("it is there");
    native.id = ExportId::new(testing::noon());
    native.dialect = "native".into();
    native.policy.active_max = None;
    let store = &server.world.store;
    let new = outhaul_exports::ports::NewExport { export: native, idempotency: None };
    outhaul_exports::ports::JobStore::insert(store.as_ref(), new).await.expect("there is room");
    for _ in 0..2 {
        let export = server.world.start_next().await.expect("two are queued");
        let is_ours = export.dialect == ID;
        let export = server.world.complete(&export, &[("x.csv", "text/csv", b"a\n")]).await;
        assert_eq!(export.state, State::Completed);
        let file = export.manifest.expect("completed").artifacts[0].id;
        let status = server.get(&format!("/v1/files/{file}")).await.status;
        assert_eq!(status == StatusCode::OK, is_ours, "{status}");
    }
}

#[tokio::test]
async fn head_tells_what_get_sends() {
    let server = Server::new().await;
    server.create().await;
    let lines = "Account.Id,Account.Name\n".repeat(200);
    let file = server.complete("x.csv", "text/csv", lines.as_bytes()).await;
    let path = format!("/v1/files/{file}");
    // Path, Accept-Encoding, the coding of the answer, whether its length can be known.
    let cases = [
        (path.as_str(), "gzip, deflate", "gzip", false),
        (path.as_str(), "identity", "", true),
        ("/v1/describe/Account", "gzip, deflate", "gzip", true),
    ];
    for (path, accepted, coding, has_length) in cases {
        let mut headers = Vec::new();
        for method in [Method::GET, Method::HEAD] {
            let request = server.request(method.clone(), path).header("accept-encoding", accepted);
            let answer = server.send(request.body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.status, StatusCode::OK, "{method} {path}");
            assert_eq!(answer.header("content-encoding"), coding, "{method} {path}");
            assert_eq!(answer.body.is_empty(), method == Method::HEAD, "{method} {path}");
            headers.push(answer.header("content-length").to_owned());
        }
        assert_eq!(headers[0].is_empty(), !has_length, "{path}, {accepted}");
        assert_eq!(headers[0], headers[1], "{path}, {accepted}");
    }
}
