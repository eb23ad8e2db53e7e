//! Five places, and one hour.

use futures::future::join_all;
use outhaul_exports::export::State as Stage;
use outhaul_exports::policy::{days, hours};

use super::*;

fn is_refused(answer: &Answer) {
    assert_eq!(answer.trouble(), (400, 8132));
    let json = answer.json();
    // Clients look for the name in the body.
    assert_eq!(json["summary"], "ASYNC_EXPORT_LIMIT_EXCEEDED");
    let text = "Async export limit reached. Kindly retry once after your previously initiated jobs are completed.";
    assert_eq!(json["data"]["errorMessage"], text);
}

/// How many jobs hold a place.
async fn active(server: &Server, tenant: &str) -> usize {
    server.all_jobs(tenant).await.iter().filter(|job| job.state.is_active()).count()
}

#[tokio::test]
async fn five_jobs_of_an_org_are_active_and_no_sixth() {
    let server = Server::new().await;
    let mut jobs = Vec::new();
    for at in 0..5 {
        // Of whatever kind, by whichever credential of the org.
        let answer = match at {
            0 => server.ask_as("acme_admin", "GET", &view_path("Account"), "").await,
            1 => server.try_statement(&json!({ "sqlQuery": "select Id from Invoice" })).await,
            2 => server.ask("POST", &view_form("Totals"), "").await,
            _ => server.try_create(&json!({ "responseFormat": "json" })).await,
        };
        jobs.push(number_of(&answer));
    }
    jobs.sort();
    jobs.dedup();
    assert_eq!(jobs.len(), 5, "each has a number of its own");
    for who in ["acme", "acme_admin"] {
        is_refused(&server.ask_as(who, "GET", &view_path("Account"), "").await);
        is_refused(&server.ask_as(who, "POST", &view_form("Account"), "").await);
        is_refused(
            &server
                .ask_as(who, "GET", "/restapi/v2/workspaces/5001/views/{{Account}}/data", "")
                .await,
        );
    }
    is_refused(&server.try_statement(&json!({ "sqlQuery": "select Id from Invoice" })).await);
    let older = server.ask("POST", "/api/o/Sales/Account?ZOHO_ACTION=EXPORT", "").await;
    assert_eq!((older.status, &older.json()["response"]["error"]["code"]), (400, &json!(8132)));
    assert_eq!(server.all_jobs("acme").await.len(), 5, "what is refused is not there");
    // What is wrong in itself is told as such.
    assert_eq!(server.try_create(&json!({ "responseFormat": "doc" })).await.trouble(), (400, 8001));
    // Another org has places of its own.
    let theirs = format!(
        "/restapi/v2/bulk/workspaces/{}/views/{}/data",
        server.word("globex_workspace"),
        server.word("globex_Account")
    );
    number_of(&server.ask_as("globex", "GET", &theirs, "").await);
}

#[tokio::test]
async fn a_place_is_free_again_after_every_end_and_not_before() {
    let server = Server::new().await;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(server.create(&json!({})).await);
    }
    let refused = async || is_refused(&server.try_create(&json!({})).await);
    refused().await;
    // One that runs holds its place.
    let running = server.world.start_next().await.expect("five wait");
    refused().await;
    server.world.complete(&running, &[("x.csv", "text/csv", b"Id\n")]).await;
    server.create(&json!({})).await;
    refused().await;
    let running = server.world.start_next().await.expect("five wait");
    server.world.fail(&running, "query_failed", "no").await;
    server.create(&json!({})).await;
    refused().await;
    server.cancel(&jobs[4]).await;
    server.create(&json!({})).await;
    refused().await;
    // A running one that is cancelled holds its place until its worker has heard of it.
    let running = server.world.start_next().await.expect("five wait");
    let number = running.echo["number"].as_str().expect("it has its number").to_owned();
    let cancelled = server.ask("DELETE", &job_path(&number), "").await.data();
    assert_eq!(cancelled["jobCode"], "1002", "{cancelled}");
    refused().await;
    server.world.finish(&running, outhaul_exports::export::Outcome::Cancelled).await;
    assert_eq!(server.job(&number).await["jobCode"], "1003");
    server.create(&json!({})).await;
    refused().await;
    // To cancel twice changes nothing; what has ended otherwise is not cancelled.
    server.cancel(&number).await;
    let done = server.all_jobs("acme").await;
    let done = done.iter().find(|job| job.state == Stage::Completed).expect("one is completed");
    let done = done.echo["number"].as_str().expect("it has its number");
    assert_eq!(server.ask("DELETE", &job_path(done), "").await.trouble(), (409, 8119));
    assert_eq!(active(&server, "acme").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_at_once_exactly_five_are_accepted() {
    for round in 0..10 {
        let server = std::sync::Arc::new(Server::new().await);
        // Some places are taken already, in some rounds.
        for _ in 0..round % 3 {
            server.create(&json!({})).await;
        }
        let tasks = (0..64).map(|at| {
            let server = server.clone();
            tokio::spawn(async move {
                let who = ["acme", "acme_admin"][at % 2];
                match at % 4 {
                    0 | 1 => server.ask_as(who, "GET", &view_path("Invoice"), "").await,
                    2 => server.ask_as(who, "POST", &view_form("Account"), "").await,
                    _ => {
                        let config = json!({ "sqlQuery": "select Id from Contact" });
                        let path = format!("{SQL_PATH}?{}", parameter(&config));
                        server.ask_as(who, "GET", &path, "").await
                    }
                }
            })
        });
        let answers: Vec<Answer> =
            join_all(tasks).await.into_iter().map(|task| task.expect("it answers")).collect();
        let (good, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(good.len(), 5 - round % 3, "round {round}");
        assert_eq!(
            good.iter()
                .map(|answer| number_of(answer))
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            good.len()
        );
        refused.into_iter().for_each(is_refused);
        assert_eq!(server.all_jobs("acme").await.len(), 5, "round {round}");
    }
}

#[tokio::test]
async fn a_file_is_there_for_an_hour_after_its_completion() {
    let server = Server::new().await.with_long_tokens().await;
    let job = server.create(&json!({})).await;
    server.advance(1_000);
    server.complete("Id\r\na1\r\n").await;
    let done = server.job(&job).await;
    let expiry = server.world.exports.now() + chrono::TimeDelta::hours(1);
    assert_eq!(done["jobCode"], "1004");
    assert_eq!(done["expiryTime"], expiry.timestamp_millis().to_string());
    let url = done["downloadUrl"].as_str().expect("a text").to_owned();
    let path = url.strip_prefix(BASE_URL).expect("it leads here").to_owned();
    assert_eq!(path, format!("{}/data", job_path(&job)));
    server.advance(3_599);
    assert_eq!(server.job(&job).await, done, "looking changes nothing");
    for _ in 0..3 {
        let file = server.get(&path).await;
        assert_eq!((file.status, file.text().as_str()), (200, "Id\r\na1\r\n"));
        assert_eq!(
            (file.header("content-type"), file.header("content-length")),
            ("text/csv; charset=utf-8", "8")
        );
    }
    server.advance(1);
    let over = json!({ "jobId": job, "jobCode": "1005", "jobStatus": "JOB NOT FOUND" });
    for swept in [false, true] {
        if swept {
            let gone = server.world.store.expire(server.world.exports.now(), 100).await;
            assert_eq!(gone.expect("memory is never away").len(), 1);
        }
        assert_eq!(server.job(&job).await, over, "swept: {swept}");
        let file = server.get(&path).await;
        assert_eq!(file.trouble(), (404, 8120));
        assert_eq!(file.json()["data"]["errorMessage"], format!("Job {job} not found."));
    }
    // Nor is it there when its record is gone as well.
    server.advance(2 * 24 * 3_600);
    assert_eq!(server.job(&job).await, over);
    assert_eq!(server.get(&path).await.trouble(), (404, 8120));
}

#[tokio::test]
async fn a_failed_job_says_so_for_its_day() {
    let server = Server::new().await.with_long_tokens().await;
    let job = server.create(&json!({})).await;
    let running = server.world.start_next().await.expect("it is due");
    server.world.fail(&running, "query_failed", "a value of Balance is no number").await;
    server.advance(24 * 3_600 - 1);
    let failed = server.job(&job).await;
    assert_eq!(
        (&failed["jobCode"], &failed["jobStatus"]),
        (&json!("1003"), &json!("ERROR OCCURRED"))
    );
    assert_eq!(failed["reason"], "a value of Balance is no number");
    server.advance(1);
    assert_eq!(server.job(&job).await["jobCode"], "1005");
}

#[test]
fn the_policy_is_zohos() {
    let policy = Zoho.policy();
    assert_eq!((policy.active_max, policy.queries_max), (Some(5), 1));
    assert_eq!((policy.file_kept_secs, policy.record_kept_secs), (hours(1), days(1)));
}
