//! A session moves when the files of its job were downloaded, and by nothing else.

use http::{Method, StatusCode};
use outhaul_exports::Clock as _;
use outhaul_exports::export::Export;
use outhaul_exports::ports::JobStore;
use serde_json::json;

use super::jobs::{Client, acme, full, id, stateful, with};
use crate::zuora::tests::server::Server;

const QUERY: &str = "select Id from Account";

fn file(export: &Export, at: usize) -> String {
    let files = &export.manifest.as_ref().expect("it is completed").artifacts;
    format!("/v1/file/{}", files[at].id)
}

/// A job of one query that has completed with 600 rows, which are 1,203 bytes.
async fn completed(client: &Client<'_>) -> Export {
    let job = client.submit(&stateful(&[QUERY])).await;
    let export = client.run(&[600]).await;
    assert_eq!(export.id.to_string(), id(&job));
    export
}

#[tokio::test]
async fn only_what_sends_the_end_of_a_file_moves() {
    let (get, head) = (Method::GET, Method::HEAD);
    let cases: &[(&Method, &str, &str, u16, u64)] = &[
        (&get, "accept-encoding", "identity", 200, 1),
        (&get, "accept-encoding", "gzip, deflate", 200, 1),
        (&get, "range", "bytes=0-", 206, 1),
        (&get, "range", "bytes=600-", 206, 1),
        (&get, "range", "bytes=600-1202", 206, 1),
        (&get, "range", "bytes=1202-9999", 206, 1),
        (&get, "range", "bytes=-1", 206, 1),
        (&get, "range", "bytes=0-600", 206, 0),
        (&get, "range", "bytes=0-1201", 206, 0),
        (&get, "range", "bytes=1203-", 416, 0),
        (&get, "if-none-match", "*", 304, 0),
        (&get, "if-match", "\"other\"", 412, 0),
        (&head, "accept-encoding", "identity", 200, 0),
        (&head, "accept-encoding", "gzip", 200, 0),
        (&head, "range", "bytes=600-", 200, 0),
    ];
    for (method, name, value, status, moves) in cases {
        let server = Server::aqua(json!({})).await;
        let client = acme(&server);
        let export = completed(&client).await;
        let path = file(&export, 0);
        let answer = client.get_with((*method).clone(), &path, &[(name, value)]).await;
        assert_eq!(answer.status.as_u16(), *status, "{method} {name}: {value}");
        assert_eq!(client.moves().await, *moves, "{method} {name}: {value}");
        // A second time changes nothing.
        client.get_with((*method).clone(), &path, &[(name, value)]).await;
        assert_eq!(client.moves().await, *moves, "{method} {name}: {value}");
    }
}

#[tokio::test]
async fn a_download_in_two_halves_moves_with_the_second() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    let export = completed(&client).await;
    let path = file(&export, 0);
    for (range, moves) in [("bytes=0-599", 0), ("bytes=600-", 1)] {
        client.get_with(Method::GET, &path, &[("range", range)]).await;
        assert_eq!(client.moves().await, moves, "{range}");
    }
}

#[tokio::test]
async fn every_file_with_rows_is_waited_for_and_none_without() {
    let queries = stateful(&[QUERY, "select Id from Invoice", "select Id from Contact"]);
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let server = Server::aqua(json!({})).await;
        let client = acme(&server);
        client.submit(&queries).await;
        let export = client.run(&[3, 0, 2]).await;
        let mut left = vec![0, 2];
        for at in order {
            client.get(&file(&export, at)).await;
            left.retain(|other| *other != at);
            assert_eq!(client.moves().await, u64::from(left.is_empty()), "{order:?}: {at}");
        }
    }
}

#[tokio::test]
async fn without_rows_it_moves_at_the_end_of_the_run() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    client.submit(&stateful(&[QUERY, "select Id from Invoice"])).await;
    client.run(&[0, 0]).await;
    assert_eq!(client.moves().await, 1);
    assert_eq!(full(&client.submit(&stateful(&[QUERY])).await), [false]);
}

#[tokio::test]
async fn what_was_not_fetched_comes_again() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    client.round(&stateful(&[QUERY])).await;
    let since = async |client: &Client<'_>| {
        let job = client.submit(&stateful(&[QUERY])).await;
        let since = client.selects(&job).await.remove(0).since.expect("it goes on");
        (job, since.taken_at)
    };
    let (job, first) = since(&client).await;
    // Run and not fetched; failed; cancelled while it waited, and while it ran.
    client.run(&[1]).await;
    server.advance(5);
    let (_, second) = since(&client).await;
    let running = server.world.start_next().await.expect("one waits");
    server.world.fail(&running, "source_missing", "it is gone").await;
    server.advance(5);
    let (waiting, third) = since(&client).await;
    client.cancel(&waiting).await;
    let (running, fourth) = since(&client).await;
    let leased = server.world.start_next().await.expect("one waits");
    client.cancel(&running).await;
    let ended = server.world.complete(&leased, &[("a.csv", "text/csv", b"Id\n1\n")]).await;
    assert_eq!(ended.manifest, None, "a cancelled job has no files");
    let (_, fifth) = since(&client).await;
    assert_eq!([second, third, fourth, fifth], [first; 4]);
    // Nor does the end of the file's time move it, after which the file is gone.
    let export = client.export(&job).await;
    server.advance(72 * 3600);
    let now = server.world.clock.now();
    server.world.store.expire(now, 10).await.expect("memory is never away");
    assert_eq!(client.get(&file(&export, 0)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.moves().await, 1);
    client.run(&[1]).await;
    let (_, last) = since(&client).await;
    assert_eq!(last, first);
}

#[tokio::test]
async fn of_two_jobs_from_one_place_the_first_download_moves() {
    let server = Server::aqua(json!({})).await;
    let client = acme(&server);
    client.submit(&stateful(&[QUERY])).await;
    client.submit(&stateful(&[QUERY])).await;
    let first = client.run(&[1]).await;
    server.advance(10);
    let second = client.run(&[2]).await;
    client.fetch(&second).await;
    client.fetch(&first).await;
    assert_eq!(client.moves().await, 1);
    let next = client.submit(&stateful(&[QUERY])).await;
    let mark = client.selects(&next).await.remove(0).since.expect("it goes on");
    assert_eq!(mark.taken_at, second.manifest.expect("it is completed").snapshot.taken_at);
}

#[tokio::test]
async fn completion_moves_where_the_setting_says_so() {
    let server = Server::aqua(json!({ "session_moves": "completion" })).await;
    let client = acme(&server);
    client.submit(&stateful(&[QUERY])).await;
    let first = client.run(&[5]).await;
    assert_eq!(client.moves().await, 1);
    client.fetch(&first).await;
    assert_eq!(client.moves().await, 1, "a download is no second time");
    assert_eq!(full(&client.submit(&stateful(&[QUERY])).await), [false]);
    let running = server.world.start_next().await.expect("one waits");
    server.world.fail(&running, "source_missing", "it is gone").await;
    assert_eq!(client.moves().await, 1, "a run that failed moves nothing");
}

#[tokio::test]
async fn stateless_jobs_and_given_times_move_nothing() {
    let server = Server::aqua(json!({ "session_moves": "completion" })).await;
    let client = acme(&server);
    client.round(&stateful(&[QUERY])).await;
    let beside = with(stateful(&[QUERY]), json!({ "incrementalTime": "2026-06-01 00:00:00" }));
    client.round(&beside).await;
    client.round(&with(stateful(&[QUERY]), json!({ "version": "1.0" }))).await;
    client.round(&with(stateful(&[QUERY]), json!({ "project": "" }))).await;
    client.round(&with(stateful(&[QUERY]), json!({ "partner": null }))).await;
    assert_eq!(client.moves().await, 1);
}
