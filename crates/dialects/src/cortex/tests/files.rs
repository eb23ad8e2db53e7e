//! Downloads: the facet, the link, the content.

use super::*;

async fn with(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::empty()).expect("a request")).await
}

async fn content(server: &Server, id: &str, accept: &str) -> Answer {
    let path = format!("/exports/{id}/dataFile/content");
    let request = server.signed(APP, "acme", "GET", &path).header("Accept", accept);
    server.send(request.body(Body::empty()).expect("a request")).await
}

/// The path of an absolute link of ours.
fn path_of(url: &str) -> String {
    let path = url.strip_prefix(BASE_URL).expect("it is absolute").to_owned();
    assert!(path.starts_with("/acme/v2/x_files/"), "{path}");
    path
}

#[tokio::test]
async fn a_link_is_made_for_who_may_download_and_works_for_anybody_for_a_while() {
    let server = Server::new().await;
    let id = server.create("one").await;
    let early = content(&server, &id, "*/*").await;
    assert_eq!(early.fault(), ("kMediaNotReady".to_owned(), 202));
    assert_eq!(early.json()["errCode"], "cortex.accepted.mediaNotReady");
    server.complete(b"PK\x03\x04 and so on").await;
    let json = content(&server, &id, "application/json, text/plain, */*").await.ok();
    assert_eq!(
        (&json["object"], &json["state"], &json["mime"]),
        (&json!("facet"), &json!(2), &json!("application/zip"))
    );
    assert_eq!(json["size"], 14);
    assert!(json["filename"].as_str().is_some_and(|name| name.ends_with(".zip")), "{json}");
    let moved = content(&server, &id, "*/*").await;
    assert_eq!(moved.status, 302);
    let urls = [json["url"].as_str().unwrap_or_default(), moved.header("location")];
    assert_ne!(urls[0], urls[1], "each client gets its own");
    for url in urls {
        let path = path_of(url);
        let file = with(&server, "GET", &path, &[]).await;
        assert_eq!((file.status, file.bytes.as_ref()), (200, b"PK\x03\x04 and so on".as_slice()));
        assert_eq!(file.header("content-type"), "application/zip");
        assert_eq!(file.header("referrer-policy"), "no-referrer");
        assert_eq!(
            file.header("etag"),
            format!("\"{}\"", json["ETag"].as_str().unwrap_or_default())
        );
        let head = with(&server, "HEAD", &path, &[]).await;
        assert_eq!((head.status, head.header("content-length"), head.bytes.len()), (200, "14", 0));
        let part = with(&server, "GET", &path, &[("Range", "bytes=0-1")]).await;
        assert_eq!((part.status, part.bytes.as_ref()), (206, b"PK".as_slice()));
        let none = with(&server, "GET", &path, &[("Range", "bytes=99-")]).await;
        assert_eq!(none.fault(), ("kInvalidArgument".to_owned(), 416));
        assert_eq!(none.header("content-range"), "bytes */14");
        let other = with(&server, "GET", &path, &[("If-Match", "\"x\"")]).await;
        assert_eq!(other.fault().1, 412);
        let theirs = with(&server, "GET", &path.replace("/acme/", "/gbx/"), &[]).await;
        assert_eq!(theirs.fault(), ("kNotFound".to_owned(), 404), "another org's path");
        assert_eq!(with(&server, "POST", &path, &[]).await.fault().1, 405);
    }
    server.advance(15 * 60);
    for url in urls {
        let over = with(&server, "GET", &path_of(url), &[]).await;
        assert_eq!(over.fault(), ("kNotFound".to_owned(), 404));
    }
    let wrong = with(&server, "GET", &format!("/acme/v2/x_files/{}", "0".repeat(64)), &[]).await;
    assert_eq!(wrong.fault(), ("kNotFound".to_owned(), 404));
}

#[tokio::test]
async fn a_client_that_asks_again_and_again_always_gets_a_link() {
    let server = Server::new().await;
    let id = server.create("one").await;
    server.complete(b"PK").await;
    let mut last = String::new();
    let mut first = String::new();
    for _ in 0..105 {
        let json = content(&server, &id, "application/json").await.ok();
        last = path_of(json["url"].as_str().unwrap_or_default());
        if first.is_empty() {
            first.clone_from(&last);
        }
    }
    assert_eq!(with(&server, "GET", &last, &[]).await.status, 200);
    assert_eq!(with(&server, "GET", &first, &[]).await.status, 404, "the oldest made room");
}

#[tokio::test]
async fn links_die_with_their_export() {
    let server = Server::with(json!({ "link_secs": 7 * 24 * 3_600 })).await;
    let id = server.create("one").await;
    server.complete(b"PK").await;
    let url = async || {
        let json = content(&server, &id, "application/json").await.ok();
        path_of(json["url"].as_str().unwrap_or_default())
    };
    let link = url().await;
    server.advance(24 * 3_600);
    assert_eq!(with(&server, "GET", &link, &[]).await.status, 200);
    server.ask("DELETE", &format!("/exports/{id}"), "").await.ok();
    assert_eq!(with(&server, "GET", &link, &[]).await.fault().0, "kNotFound");
}

#[tokio::test]
async fn a_failed_export_has_no_content_and_says_why() {
    let server = Server::new().await;
    let id = server.create("one").await;
    let running = server.world.start_next().await.expect("it is due");
    assert_eq!(content(&server, &id, "*/*").await.fault().0, "kMediaNotReady");
    server.world.fail(&running, "query_failed", "the source is gone").await;
    let answer = content(&server, &id, "*/*").await;
    assert_eq!(answer.fault(), ("kNotFound".to_owned(), 404));
    assert_eq!(answer.json()["reason"], "the source is gone");
}
