//! The calls that answer the file itself: their jobs begin and end with them.

use outhaul_exports::export::State as Stage;

use super::*;

const VIEW: &str = "/restapi/v2/workspaces/5001/views/{{Account}}/data";

/// The next job, as soon as there is one.
async fn next(server: &Server) -> Export {
    loop {
        match server.world.start_next().await {
            Some(export) => return export,
            None => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_file_is_answered_as_a_download_of_it_would_be() {
    let server = Server::new().await;
    let (answer, export) = tokio::join!(server.get(VIEW), async {
        let export = next(&server).await;
        server.world.complete(&export, &[("x.csv", "text/csv", b"Id\r\na1\r\n")]).await
    });
    let number = export.echo["number"].as_str().expect("it has its number").to_owned();
    let file = server.get(&format!("{}/data", job_path(&number))).await;
    for name in ["content-type", "content-length", "content-disposition", "etag"] {
        assert_eq!(answer.header(name), file.header(name), "{name}");
    }
    assert_eq!((answer.status, &answer.bytes), (200, &file.bytes));
    assert_eq!(answer.header("cache-control"), file.header("cache-control"));
}

#[tokio::test]
async fn nobody_is_told_of_it() {
    let server = Server::new().await;
    let config = json!({ "callbackUrl": "https://127.0.0.1/" });
    let path = format!("{VIEW}?{}", parameter(&config));
    let (answer, export) = tokio::join!(server.get(&path), async {
        let export = next(&server).await;
        server.world.complete(&export, &[("x.csv", "text/csv", b"Id\n")]).await
    });
    assert_eq!((answer.status, export.spec.notices.len()), (200, 0));
}

#[tokio::test]
async fn what_takes_too_long_is_8133_and_cancelled() {
    let server = Server::with(json!({ "wait_secs": 1 })).await;
    for _ in 0..2 {
        assert_eq!(server.get(VIEW).await.trouble(), (400, 8133));
        settle().await;
        let states: Vec<_> = server.all_jobs("acme").await.iter().map(|job| job.state).collect();
        assert!(states.iter().all(|state| *state == Stage::Cancelled), "{states:?}");
    }
}

#[tokio::test]
async fn a_job_ends_with_the_client_that_waits_for_it() {
    let server = Server::new().await;
    for _ in 0..7 {
        let export = tokio::select! {
            answer = server.get(VIEW) => panic!("it answers {}", answer.status),
            export = next(&server) => export,
        };
        settle().await;
        let number = export.echo["number"].as_str().expect("it has its number");
        let stored = server.stored("acme", number).await;
        assert!(stored.cancel_requested, "its worker will hear of it");
        server.world.finish(&export, outhaul_exports::export::Outcome::Cancelled).await;
    }
}

#[tokio::test]
async fn a_large_file_is_7830_and_a_failure_8123() {
    let server = Server::with(json!({ "wait_bytes_max": 10 })).await;
    for (bytes, trouble) in [(10, None), (11, Some((400, 7830)))] {
        let (answer, _) = tokio::join!(server.get(VIEW), async {
            let export = next(&server).await;
            server.world.complete(&export, &[("x.csv", "text/csv", &vec![b'x'; bytes])]).await
        });
        match trouble {
            None => assert_eq!((answer.status, answer.bytes.len()), (200, bytes)),
            Some(trouble) => assert_eq!(answer.trouble(), trouble),
        }
    }
    let (answer, _) = tokio::join!(server.get(VIEW), async {
        let export = next(&server).await;
        server.world.fail(&export, "query_failed", "a value is wrong").await
    });
    assert_eq!(answer.trouble(), (400, 8123));
    assert!(answer.text().contains("a value is wrong"));
}

/// Lets what an answer has set going come to its end.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
