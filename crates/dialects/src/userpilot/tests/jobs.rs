//! The life of a job, as its client sees it.

use chrono::TimeDelta;
use outhaul_exports::export::Progress;
use outhaul_exports::query::{Condition, Expr, KeyPattern, Path, Query, Select};
use outhaul_exports::spec::{Notice, Packing, Split};
use serde_json::json;

use super::*;

/// The query that the store holds for the job that is next.
async fn next_query(server: &Server) -> (outhaul_exports::export::Export, Select) {
    let export = server.world.start_next().await.expect("a job is due");
    let Query::Select(select) = export.spec.queries[0].query.clone() else {
        panic!("it is no query over an object");
    };
    (export, *select)
}

#[tokio::test]
async fn a_job_lives_from_pending_to_gone() {
    let server = Server::new().await;
    let body = json!({"from": "2026-01-01", "to": "2026-01-03", "format": "NDJSON"}).to_string();
    let started = server.send("POST", &format!("{PREFIX}/"), "acme-exporter", &body).await;
    let answer = started.json();
    assert_eq!(started.status, 201, "{answer}");
    let job = answer["job_id"].as_str().expect("it has an id").to_owned();
    let link = format!("https://exports.example.com{PREFIX}/jobs/{job}");
    assert_eq!(answer["links"], link.as_str());
    assert_eq!(started.header("location"), link);
    assert_eq!(answer["id"], answer["job_id"]);
    assert_eq!(
        (&answer["status"], &answer["environment_name"]),
        (&json!("pending"), &json!("production"))
    );
    assert!(answer["environment_app_token"].as_str().is_some_and(|token| token.starts_with("NX-")));

    // Only one at a time, and the answer says which.
    let refused = server.send("POST", PREFIX, "acme-exporter", "{}").await;
    assert_eq!((refused.status, refused.error().0.as_str()), (409, "export_in_progress"));
    assert_eq!(refused.json()["errors"][0]["job_id"], job.as_str());
    assert!(
        refused.json()["errors"][0]["details"].as_str().is_some_and(|text| text.contains(&job))
    );
    assert!(!refused.header("retry-after").is_empty());
    // Another tenant has a place of its own.
    assert_eq!(server.send("POST", PREFIX, "globex-exporter", "{}").await.status, 201);

    let pending = server.job(&job).await;
    assert_eq!((&pending["status"], &pending["progress"]), (&json!("pending"), &json!("0")));
    assert_eq!(pending["all_chunks"], json!(["2026-01-01", "2026-01-02", "2026-01-03"]));
    assert_eq!((&pending["end_time"], &pending["presigned_urls"]), (&json!(""), &json!([])));
    let path = format!("{PREFIX}/jobs/{job}");
    let looked = server.send("GET", &path, "acme-reader", "").await;
    assert!(!looked.header("retry-after").is_empty());

    let (export, _) = next_query(&server).await;
    let part = Some("2026-01-02".to_owned());
    server.world.report(&export, Progress { rows_encoded: 7, part, ..Progress::default() }).await;
    let running = server.job(&job).await;
    assert_eq!((&running["status"], &running["progress"]), (&json!("processing"), &json!("33")));
    assert_eq!(running["completed_chunks"], json!(["2026-01-01"]));
    assert_eq!((&running["current_chunk"], &running["rows"]), (&json!("2026-01-02"), &json!(7)));

    server.world.clock.advance(TimeDelta::seconds(65));
    server
        .world
        .complete(&export, &[("events.ndjson.gz", "application/gzip", b"\x1f\x8bx\n")])
        .await;
    let done = server.job(&job).await;
    assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!("100")));
    assert_eq!(done["completed_chunks"], done["all_chunks"]);
    let file = &done["presigned_urls"][0];
    let url = file["url"].as_str().expect("it has an address");
    let name = file["filename"].as_str().expect("it has a name");
    assert!(
        name.starts_with(&job) && name.ends_with(".ndjson.gz") && url.ends_with(name),
        "{file}"
    );
    assert_eq!(server.job(&job).await["presigned_urls"], done["presigned_urls"], "links stay");
    let listed = server.send("GET", &format!("{PREFIX}/jobs"), "acme-reader", "").await.json();
    assert_eq!(listed[0]["elapsed_time"], "00:01:05");
    assert_eq!(listed[0]["elapsed_time_seconds"], "65");
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "another tenant's are not listed");

    let path = url.strip_prefix("https://exports.example.com").expect("it leads here");
    let got = server.send("GET", path, "", "").await;
    assert_eq!((got.status, got.header("content-type")), (200, "application/gzip"));
    assert_eq!((&got.bytes[..], got.header("content-encoding")), (&b"\x1f\x8bx\n"[..], ""));
    let short = path.replace("/api/v1/", "/v1/");
    assert_eq!(server.send("GET", &short, "", "").await.status, 200);

    // The place is free again, the links last two days and the job three.
    server.start("{}").await;
    server.world.clock.advance(TimeDelta::days(2));
    assert_eq!(server.send("GET", path, "", "").await.status, 404);
    assert_eq!(server.job(&job).await["presigned_urls"], json!([]));
    server.world.clock.advance(TimeDelta::days(1));
    let gone = server.send("GET", &format!("{PREFIX}/jobs/{job}"), "acme-reader", "").await;
    assert_eq!((gone.status, gone.error().0.as_str()), (404, "not_found"));
}

#[tokio::test]
async fn a_failed_job_says_why_and_frees_its_place() {
    let server = Server::new().await;
    let job = server.start("").await;
    let (export, _) = next_query(&server).await;
    server.world.fail(&export, "source_data", "a value is wrong").await;
    let failed = server.job(&job).await;
    assert_eq!((&failed["status"], &failed["presigned_urls"]), (&json!("failed"), &json!([])));
    assert_eq!(failed["failure"], json!({"code": "source_data", "message": "a value is wrong"}));
    server.start("{}").await;
}

#[tokio::test]
async fn members_become_one_query() {
    let server = Server::new().await;
    let body = json!({
        "start_date": "2026-01-01", "from": "2026-01-01", "to": "2026-01-31T12:00:00+02:00",
        "event_type": ["track", "track", "page_view"], "user_id": ["u1"], "company_id": ["c1"],
        "segment_id": 101, "format": "parquet", "exclusions": "screen_*, metadata",
    });
    server.start(&body.to_string()).await;
    let (export, select) = next_query(&server).await;
    let labels: Vec<_> = select.columns.iter().map(|column| column.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "app_token",
            "event_type",
            "event_name",
            "user_id",
            "company_id",
            "inserted_at",
            "internal_event_id"
        ]
    );
    assert_eq!(export.spec.split, Some(Split::Day(5)));
    assert_eq!((export.spec.packing, export.spec.format.id.as_str()), (Packing::None, "parquet"));
    assert_eq!(select.order_by[0].expr, select.columns[5].expr);
    let Some(Condition::And(terms)) = select.filter else { panic!("no conditions") };
    let text = serde_json::to_value(&terms).expect("it is JSON").to_string();
    assert_eq!(terms.len(), 6, "{text}");
    for part in [
        "2026-01-01T00:00:00Z",
        "2026-01-31T10:00:00Z",
        r#"[{"text":"track"},{"text":"page_view"}]"#,
        "u1",
        "c1",
        "SegmentMembers",
        r#"{"text":"101"}"#,
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[tokio::test]
async fn members_of_metadata_are_left_out_one_by_one() {
    let server = Server::new().await;
    server.start(r#"{"exclusions": "metadata.email, metadata.utm_*,"}"#).await;
    let (_, select) = next_query(&server).await;
    let metadata = select.columns.last().expect("it has columns");
    let keys = vec![KeyPattern::Exact("email".into()), KeyPattern::Prefix("utm_".into())];
    assert_eq!(metadata.expr, Expr::JsonWithout { of: Path::own("metadata"), keys });
}

#[tokio::test]
async fn formats_are_packed_as_clients_expect() {
    for (config, format, id, packing) in [
        (json!({}), json!("json"), "ndjson", Packing::Gzip),
        (json!({}), json!("csv"), "csv", Packing::None),
        (json!({"csv_gzip": true}), json!("csv"), "csv", Packing::Gzip),
        (json!({}), json!("Avro"), "avro", Packing::None),
    ] {
        let server = Server::with(config, catalog()).await;
        server.start(&json!({"format": format}).to_string()).await;
        let (export, _) = next_query(&server).await;
        assert_eq!((export.spec.format.id.as_str(), export.spec.packing), (id, packing));
    }
}

#[tokio::test]
async fn a_mail_is_asked_for_with_the_place_of_the_files() {
    let server = Server::new().await;
    let body = r#"{"emails": ["ada@example.com"]}"#;
    let answer = server.send("POST", PREFIX, "acme-exporter", body).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    let (export, _) = next_query(&server).await;
    let [Notice::Mail { to, file_url }] = export.spec.notices.as_slice() else {
        panic!("{:?}", export.spec.notices);
    };
    assert_eq!(to, &["ada@example.com"]);
    assert_eq!(file_url, &format!("https://exports.example.com{PREFIX}/files/{{link}}/{{file}}"));
}

#[tokio::test]
async fn a_reader_looks_and_does_not_start() {
    let server = Server::new().await;
    let answer = server.send("POST", PREFIX, "acme-reader", "{}").await;
    assert_eq!((answer.status, answer.error().0.as_str()), (401, "unauthorized"));
    assert_eq!(server.send("GET", &format!("{PREFIX}/jobs/"), "acme-reader", "").await.status, 200);
}

#[tokio::test]
async fn unknown_members_are_passed_over_where_the_operator_says_so() {
    let server = Server::with(json!({"unknown_members": "ignore"}), catalog()).await;
    server.start(r#"{"colour": "red"}"#).await;
}

#[tokio::test]
async fn a_server_without_events_says_so() {
    let server = Server::with(json!({}), testing::catalog()).await;
    let answer = server.send("POST", PREFIX, "acme-exporter", "{}").await;
    assert_eq!((answer.status, answer.error().0.as_str()), (404, "not_found"));
    assert!(answer.json()["errors"][0]["message"].as_str().is_some_and(|m| m.contains("mapping")));
}
