//! Series of jobs: what is full and what is not, and where an increment begins and ends.

use chrono::{DateTime, TimeDelta, Utc};
use outhaul_exports::Clock as _;
use outhaul_exports::spec::Split;
use serde_json::{Value, json};

use super::jobs::{Client, JOBS, acme, full, id, stateful, with};
use crate::zuora::tests::server::Server;

const ACCOUNTS: &str = "select Id from Account";
const INVOICES: &str = "select Id from Invoice";

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

#[tokio::test]
async fn the_first_job_is_full_and_the_next_goes_on_where_it_read_to() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let first = client.submit(&stateful(&[ACCOUNTS, INVOICES])).await;
    assert_eq!(full(&first), [true, true]);
    assert!(client.selects(&first).await.iter().all(|select| select.since.is_none()));
    server.advance(60);
    let taken_at = server.world.clock.now();
    let export = client.run(&[1, 1]).await;
    server.advance(3600);
    client.fetch(&export).await;

    // From when it was read, not from when it was created or fetched.
    let second = client.submit(&stateful(&[ACCOUNTS, INVOICES])).await;
    assert_eq!(full(&second), [false, false]);
    for select in client.selects(&second).await {
        assert_eq!(select.since.expect("it goes on").taken_at, taken_at);
        assert_eq!((select.changed_from, select.changed_until), (None, None));
    }
    // What it reads is fixed when it is created: a session that moves meanwhile changes nothing.
    let export = client.run(&[1, 1]).await;
    let third = client.submit(&stateful(&[ACCOUNTS, INVOICES])).await;
    client.fetch(&export).await;
    for select in client.selects(&third).await {
        assert_eq!(select.since.expect("it goes on").taken_at, taken_at);
    }
    assert_eq!(full(&client.job(&third).await), [false, false]);
    assert_eq!(full(&client.job(&first).await), [true, true]);
}

/// The first job, the second, and what of the second is full.
async fn after(first: &Value, second: &Value) -> Vec<bool> {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    client.round(first).await;
    full(&client.submit(second).await)
}

fn named(queries: &[(&str, &str)]) -> Value {
    let queries: Vec<_> =
        queries.iter().map(|(name, query)| json!({ "name": name, "query": query })).collect();
    with(stateful(&[]), json!({ "queries": queries }))
}

#[tokio::test]
async fn a_query_is_full_again_when_it_is_another() {
    let first = named(&[("a", ACCOUNTS), ("i", INVOICES)]);
    for (second, expected) in [
        (vec![("a", ACCOUNTS), ("i", INVOICES)], vec![false, false]),
        (vec![("i", INVOICES), ("a", ACCOUNTS)], vec![false, false]),
        (vec![("i", INVOICES)], vec![false]),
        (vec![("a", "select Id, Name from Account"), ("i", INVOICES)], vec![true, false]),
        // The text is compared as it is written.
        (vec![("a", "SELECT Id from Account"), ("i", INVOICES)], vec![true, false]),
        (
            vec![("a", ACCOUNTS), ("i", INVOICES), ("c", "select Id from Contact")],
            vec![false, false, true],
        ),
        (vec![("A", ACCOUNTS), ("i", INVOICES)], vec![true, false]),
        (vec![("i", ACCOUNTS), ("a", INVOICES)], vec![true, true]),
    ] {
        assert_eq!(after(&first, &named(&second)).await, expected, "{second:?}");
    }
    // What does not say which rows there are changes nothing.
    let more = json!({
        "format": "zip", "name": "n", "nullReplacement": "-", "useQueryLabels": true,
        "dateTimeUtc": true, "version": "1.1",
    });
    assert_eq!(after(&first, &with(first.clone(), more)).await, [false, false]);
}

#[tokio::test]
async fn another_column_of_deleted_rows_makes_its_query_full() {
    let body = |deleted: Value| {
        let queries = json!([{ "query": ACCOUNTS, "deleted": deleted }, { "query": INVOICES }]);
        with(stateful(&[]), json!({ "queries": queries }))
    };
    let (none, words) = (json!(null), json!({ "column": "D", "format": "Boolean" }));
    let cases = [
        (none.clone(), none.clone(), false),
        (words.clone(), words.clone(), false),
        (words.clone(), json!({ "column": "D" }), false),
        (none.clone(), words.clone(), true),
        (words.clone(), none, true),
        (words.clone(), json!({ "column": "E", "format": "Boolean" }), true),
        (words.clone(), json!({ "column": "D", "format": "Numeric" }), true),
        (words, json!({ "column": "D", "forceExport": true }), true),
    ];
    for (first, second, expected) in cases {
        let found = after(&body(first.clone()), &body(second.clone())).await;
        assert_eq!(found, [expected, false], "{first} then {second}");
    }
}

#[tokio::test]
async fn names_tell_queries_apart_and_objects_where_there_are_none() {
    let other = "select Name from Account";
    for (first, second, expected) in [
        // Without names: by the object, in any place.
        (stateful(&[ACCOUNTS, INVOICES]), stateful(&[INVOICES, ACCOUNTS]), vec![false, false]),
        (stateful(&[ACCOUNTS]), named(&[("Account", ACCOUNTS)]), vec![false]),
        (stateful(&[ACCOUNTS]), named(&[("a", ACCOUNTS)]), vec![true]),
        // Names that repeat, as in Zuora's own sample: by their place among their like.
        (
            named(&[("Zip", ACCOUNTS), ("Zip", INVOICES), ("Zip", other)]),
            named(&[("Zip", ACCOUNTS), ("Zip", INVOICES), ("Zip", other)]),
            vec![false, false, false],
        ),
        (
            named(&[("Zip", ACCOUNTS), ("Zip", INVOICES)]),
            named(&[("Zip", INVOICES), ("Zip", ACCOUNTS)]),
            vec![true, true],
        ),
        (stateful(&[ACCOUNTS, other]), stateful(&[ACCOUNTS, other]), vec![false, false]),
        (
            named(&[("a", ACCOUNTS), ("a (2)", INVOICES)]),
            named(&[("a (2)", INVOICES)]),
            vec![false],
        ),
        (
            named(&[("a", ACCOUNTS), ("a (2)", INVOICES), ("a", other)]),
            named(&[("a", ACCOUNTS), ("a (2)", INVOICES), ("a", other)]),
            vec![false, false, false],
        ),
    ] {
        assert_eq!(after(&first, &second).await, expected, "{first} then {second}");
    }
}

#[tokio::test]
async fn what_cannot_come_in_increments_is_always_full() {
    let queries = json!([
        { "query": "select count(*) from Account", "type": "zoqlexport" },
        { "query": "select Id from Invoice limit 5", "type": "zoqlexport" },
        { "query": "select Name from Contact group by LastName", "type": "zoqlexport" },
        { "query": ACCOUNTS, "name": "plain" },
    ]);
    let body = with(stateful(&[]), json!({ "queries": queries }));
    let server = Server::aqua(json!({})).await;
    let message = acme(&server).refused(&body, "90005").await;
    assert!(message.contains("There is no field named Name"), "{message}");
    let body: Value =
        serde_json::from_str(&body.to_string().replace("select Name", "select LastName"))
            .expect("it is JSON");
    assert_eq!(after(&body, &body).await, [true, true, true, false]);
}

#[tokio::test]
async fn a_series_is_one_tenants_one_partners_and_one_projects() {
    let body = stateful(&[ACCOUNTS]);
    for (more, goes_on) in [
        (json!({}), true),
        (json!({ "partner": "Salesforce" }), false),
        (json!({ "project": "P" }), false),
        (json!({ "project": "p " }), false),
        (json!({ "partner": "salesforce.p", "project": "p" }), false),
        (json!({ "partner": "p", "project": "salesforce" }), false),
    ] {
        let second = with(body.clone(), more);
        assert_eq!(after(&body, &second).await, [!goes_on], "{second}");
    }
    // What a session's name cannot hold.
    for (partner, project) in [
        ("x".repeat(255), "y".repeat(255)),
        ("../..".to_owned(), "..".to_owned()),
        ("é😀".to_owned(), "\u{202e}\n\t".to_owned()),
    ] {
        let body = with(body.clone(), json!({ "partner": partner, "project": project }));
        assert_eq!(after(&body, &body).await, [false], "{body}");
    }
    let server = Server::aqua(json!({})).await;
    acme(&server).round(&body).await;
    let globex = Client { server: &server, tenant: "globex" };
    assert_eq!(full(&globex.submit(&body).await), [true]);
}

#[tokio::test]
async fn who_sees_other_rows_begins_in_full() {
    let server = Server::aqua(json!({})).await;
    let globex = Client { server: &server, tenant: "globex" };
    let body = stateful(&[ACCOUNTS]);
    globex.round(&body).await;
    for (headers, expected) in [
        (vec![], false),
        (vec![("zuora-org-ids", "o-1")], true),
        (vec![("zuora-entity-ids", "e-2")], true),
    ] {
        let job = globex.post(&headers, &body).await.json();
        assert_eq!(full(&job), [expected], "{headers:?}");
    }
    let job = globex.post(&[("zuora-org-ids", "O1")], &body).await.json();
    let scope = globex.export(&job).await.scope;
    assert_eq!(scope.orgs(), Some(["o-1".to_owned()].as_slice()));
}

#[tokio::test]
async fn after_180_days_it_begins_anew() {
    for (seconds, expected) in [(180 * 86_400, false), (180 * 86_400 + 1, true)] {
        let server = Server::aqua(json!({})).await;
        let client = acme(&server);
        client.submit(&stateful(&[ACCOUNTS])).await;
        let export = client.run(&[1]).await;
        client.fetch(&export).await;
        server.advance(seconds);
        assert_eq!(full(&client.submit(&stateful(&[ACCOUNTS])).await), [expected], "{seconds}");
    }
}

#[tokio::test]
async fn without_queries_those_of_the_last_completed_job_come() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let none = stateful(&[]);
    let texts = |job: &Value| {
        let batches = job["batches"].as_array().expect("it has queries").clone();
        batches.iter().map(|batch| batch["query"].as_str().unwrap_or_default().to_owned()).collect()
    };
    client.refused(&none, "90016").await;
    client.round(&named(&[("a", ACCOUNTS), ("i", INVOICES)])).await;
    // A later one that did not complete is not asked.
    client.submit(&named(&[("c", "select Id from Contact")])).await;
    let running = server.world.start_next().await.expect("one waits");
    server.world.fail(&running, "source_missing", "it is gone").await;

    let repeated = client.submit(&none).await;
    let found: Vec<String> = texts(&repeated);
    assert_eq!(found, [ACCOUNTS, INVOICES]);
    assert_eq!(full(&repeated), [false, false]);
    let missing = with(none.clone(), json!({ "queries": null }));
    assert_eq!(full(&client.submit(&missing).await), [false, false]);
    // Each job has ids of its own for its queries.
    assert_ne!(
        repeated["batches"][0]["batchId"],
        client.submit(&none).await["batches"][0]["batchId"]
    );

    for body in [
        with(none.clone(), json!({ "version": "1.0" })),
        with(none.clone(), json!({ "project": "" })),
        with(none.clone(), json!({ "project": "another" })),
        json!({ "useLastCompletedJobQueries": true }),
    ] {
        client.refused(&body, "90016").await;
    }
}

#[tokio::test]
async fn the_last_queries_are_added_to_those_of_the_job() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    client.round(&named(&[("a", ACCOUNTS), ("i", INVOICES)])).await;
    let names = |job: &Value| -> Vec<String> {
        let batches = job["batches"].as_array().expect("it has queries").iter();
        batches.map(|b| b["name"].as_str().unwrap_or("-").to_owned()).collect()
    };
    for (queries, flag, expected, is_full) in [
        (
            vec![("c", "select Id from Contact")],
            "true",
            vec!["a", "i", "c"],
            vec![false, false, true],
        ),
        (vec![("a", "select Name from Account")], "true", vec!["i", "a"], vec![false, true]),
        (vec![], "true", vec!["a", "i"], vec![false, false]),
        (vec![("c", "select Id from Contact")], "false", vec!["c"], vec![true]),
    ] {
        let body = with(named(&queries), json!({ "useLastCompletedJobQueries": flag }));
        let job = client.submit(&body).await;
        assert_eq!(names(&job), expected, "{body}");
        assert_eq!(full(&job), is_full, "{body}");
        client.cancel(&job).await;
    }
    // Together they are no more than a job may have.
    let many: Vec<_> = (0..49).map(|n| format!("n{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), ACCOUNTS)).collect();
    let body = with(named(&many), json!({ "useLastCompletedJobQueries": true }));
    client.refused(&body, "90004").await;
    let body = with(named(&many[..48]), json!({ "useLastCompletedJobQueries": true }));
    client.submit(&body).await;
}

#[tokio::test]
async fn incremental_time_is_where_a_job_reads_from() {
    let pacific = "America/Los_Angeles";
    for (zone, text, expected) in [
        ("UTC", "2015-01-21 10:30:01", "2015-01-21T10:30:01Z"),
        ("UTC", "2015-01-21T10:30:01", "2015-01-21T10:30:01Z"),
        ("UTC", " 2015-01-21 10:30:01 ", "2015-01-21T10:30:01Z"),
        ("UTC", "2015-01-21", "2015-01-21T00:00:00Z"),
        ("UTC", "2015-01-21 10:30:01Z", "2015-01-21T10:30:01Z"),
        ("UTC", "2015-01-21T10:30:01+13:00", "2015-01-20T21:30:01Z"),
        (pacific, "2015-01-21 10:30:01", "2015-01-21T18:30:01Z"),
        (pacific, "2015-07-21 10:30:01", "2015-07-21T17:30:01Z"),
        (pacific, "2015-01-21T10:30:01Z", "2015-01-21T10:30:01Z"),
        (pacific, "2015-01-21", "2015-01-21T08:00:00Z"),
        // In an hour that clocks skip, what they would have shown; in one that comes twice, the first.
        (pacific, "2015-03-08 02:30:00", "2015-03-08T10:30:00Z"),
        (pacific, "2015-11-01 01:30:00", "2015-11-01T08:30:00Z"),
        // A time to come is no mistake: there is nothing yet.
        ("UTC", "2030-01-01 00:00:00", "2030-01-01T00:00:00Z"),
    ] {
        let server = Server::aqua(json!({ "incremental_time_zone": zone })).await;
        let client = acme(&server);
        client.round(&stateful(&[ACCOUNTS])).await;
        let job = client
            .submit(&with(stateful(&[ACCOUNTS, INVOICES]), json!({ "incrementalTime": text })))
            .await;
        assert_eq!(job["incrementalTime"], text);
        assert_eq!(full(&job), [false, false]);
        for select in client.selects(&job).await {
            assert_eq!(select.changed_from, Some(utc(expected)), "{zone} {text}");
            assert_eq!(select.since, None, "{text}: in place of what the session knows");
        }
        // It does not move the session.
        let export = client.run(&[1, 1]).await;
        client.fetch(&export).await;
        assert_eq!(client.moves().await, 1);
        assert_eq!(full(&client.submit(&stateful(&[ACCOUNTS, INVOICES])).await), [false, true]);
    }
}

#[tokio::test]
async fn a_time_that_is_none_is_refused() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    for time in [
        json!("2015-02-30 00:00:00"),
        json!("0000-01-01 00:00:00"),
        json!("10000-01-01 00:00:00"),
        json!("2015-01-21 25:00:00"),
        json!("2015-01-21 10:30:01 PST"),
        json!("2015-01-21  10:30:01"),
        json!("21.01.2015"),
        json!("now"),
        json!("now - 1 hour"),
        json!("yesterday"),
        json!("-1"),
        json!(" "),
        json!(1_421_836_201),
        json!(true),
        json!(["2015-01-21"]),
    ] {
        let body = with(stateful(&[ACCOUNTS]), json!({ "incrementalTime": time }));
        let message = client.refused(&body, "90015").await;
        assert!(message.starts_with("The incrementalTime is invalid. ("), "{message}");
    }
    let time = json!({ "incrementalTime": "2015-01-21 10:30:01" });
    for more in [json!({ "version": "1.0" }), json!({ "partner": "" }), json!({ "project": null })]
    {
        let body = with(with(stateful(&[ACCOUNTS]), time.clone()), more);
        let message = client.refused(&body, "90015").await;
        assert!(message.contains("it belongs to stateful jobs"), "{message}");
    }
}

#[tokio::test]
async fn an_offset_keeps_a_job_behind_the_present() {
    for (setting, offset, stateless, expected) in [
        (0, json!(null), false, None),
        (0, json!(0), false, None),
        (0, json!(600), false, Some(600)),
        (0, json!("60"), false, Some(60)),
        (0, json!(3600), false, Some(3_600)),
        (300, json!(null), false, Some(300)),
        (300, json!(0), false, None),
        (300, json!(1), false, Some(1)),
        (300, json!(600), true, None),
    ] {
        let server = Server::aqua(json!({ "offset_secs": setting })).await;
        let client = acme(&server);
        let mut body = with(stateful(&[ACCOUNTS]), json!({ "offset": offset }));
        if stateless {
            body = with(body, json!({ "version": "1.0" }));
        }
        let until = expected.map(|secs| server.world.clock.now() - TimeDelta::seconds(secs));
        let job = client.submit(&body).await;
        server.advance(10);
        // As it was when the job was created, however long it waits.
        assert_eq!(client.selects(&job).await[0].changed_until, until, "{setting} {offset}");
    }
}

#[tokio::test]
async fn one_at_a_time_runs() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let first = client.submit(&stateful(&[ACCOUNTS])).await;
    let second = client.submit(&stateful(&[ACCOUNTS])).await;
    let other = client.submit(&with(stateful(&[ACCOUNTS]), json!({ "project": "q" }))).await;
    let one = server.world.start_next().await.expect("the first");
    let another = server.world.start_next().await.expect("another series");
    assert!(server.world.start_next().await.is_none(), "the second waits for the first");
    assert_eq!((one.id.to_string(), another.id.to_string()), (id(&first), id(&other)));
    assert_eq!(client.job(&second).await["status"], "submitted");
    server.world.complete(&one, &[("a.csv", "text/csv", b"Id\n1\n")]).await;
    let then = server.world.start_next().await.expect("its turn has come");
    assert_eq!(then.id.to_string(), id(&second));
}

#[tokio::test]
async fn partners_are_those_that_are_registered() {
    let server = Server::aqua(json!({ "partners": ["salesforce", "tap"] })).await;
    let client = acme(&server);
    let body = stateful(&[ACCOUNTS]);
    client.submit(&body).await;
    client.submit(&with(body.clone(), json!({ "partner": "tap" }))).await;
    for partner in ["Salesforce", "salesforce ", "TAP", "x", "tap\u{0}x"] {
        let refused = with(body.clone(), json!({ "partner": partner }));
        if partner.contains('\0') {
            let answer = client.post(&[], &refused).await;
            assert_eq!(answer.status, http::StatusCode::BAD_REQUEST);
            continue;
        }
        let message = client.refused(&refused, "90019").await;
        assert_eq!(message, "The partner ID is not recognized.");
        // Nobody asks for the partner of a stateless job.
        client.submit(&with(refused.clone(), json!({ "version": "1.0" }))).await;
        client.submit(&with(refused, json!({ "project": "" }))).await;
    }
    // Where none is registered any is, but for what cannot be a name.
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    client.submit(&with(body.clone(), json!({ "partner": "anybody" }))).await;
    client.refused(&with(body, json!({ "partner": "a\nb" })), "90019").await;
}

#[tokio::test]
async fn full_loads_are_cut_where_the_setting_says_so() {
    let server = Server::aqua(json!({ "segment_rows": 100 })).await;
    let client = acme(&server);
    let job = client.submit(&stateful(&[ACCOUNTS])).await;
    assert_eq!(client.export(&job).await.spec.split, Some(Split::FullRows(100)));
    let export = client.run(&[1]).await;
    let file = export.manifest.as_ref().expect("it is completed").artifacts[0].id.to_string();
    let batch = client.job(&job).await["batches"][0].clone();
    assert_eq!((&batch["segments"], batch.get("fileId")), (&json!([file]), None));
    client.fetch(&export).await;
    // One file of what changed, and of a stateless job.
    let plain = with(stateful(&[ACCOUNTS]), json!({ "version": "1.0" }));
    for body in [stateful(&[ACCOUNTS]), plain] {
        let job = client.submit(&body).await;
        let export = client.run(&[1]).await;
        let batch = client.job(&job).await["batches"][0].clone();
        let file = export.manifest.expect("it is completed").artifacts[0].id.to_string();
        assert_eq!((batch.get("segments"), &batch["fileId"]), (None, &json!(file)), "{body}");
    }
}

#[tokio::test]
async fn the_last_job_is_found_by_names_of_any_letters() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let names = json!({ "partner": "a/b c", "project": "é?#%" });
    let job = client.round(&with(stateful(&[ACCOUNTS]), names)).await;
    for (path, found) in [
        ("partner/a%2Fb%20c/project/%C3%A9%3F%23%25", true),
        ("partner/a%2Fb+c/project/%C3%A9%3F%23%25", false),
        ("partner/a%2fb%20c/project/e", false),
    ] {
        let answer = client.get(&format!("{JOBS}/jobs/{path}")).await.json();
        let expected = if found { job["id"].clone() } else { Value::Null };
        assert_eq!(answer["id"], expected, "{path}: {answer}");
    }
}
