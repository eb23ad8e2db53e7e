//! Lists of exports: what comes, in which order, and how much of each.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;

/// A server with five exports, of which two have ended; their ids from the oldest.
async fn five() -> (Server, Vec<String>) {
    let server = Server::new().await;
    let mut ids = Vec::new();
    for label in ["b", "a", "e", "c", "d"] {
        ids.push(server.create(label).await);
        server.advance(1);
    }
    server.complete(b"PK").await;
    let running = server.world.start_next().await.expect("it is due");
    server.world.fail(&running, "x", "it failed").await;
    (server, ids)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

async fn labels(server: &Server, query: &str) -> (String, bool) {
    let list = server.get(&format!("/exports?{query}")).await.ok();
    let label = |document: &Value| document["label"].as_str().unwrap_or("?").to_owned();
    let data = list["data"].as_array().expect("a list");
    (data.iter().map(label).collect(), list["hasMore"].as_bool().expect("a flag"))
}

#[tokio::test]
async fn exports_are_searched_sorted_and_paged() {
    let (server, ids) = five().await;
    for (query, labels_wanted, more) in [
        (String::new(), "dceab", false),
        ("limit=2".into(), "dc", true),
        ("limit=2&skip=3".into(), "ab", false),
        ("limit=5".into(), "dceab", false),
        ("skip=9".into(), "", false),
        ("sort=label".into(), "abcde", false),
        (format!("sort={}", encoded(r#"{"label":-1}"#)), "edcba", false),
        (format!("sort={}&limit=2&skip=1", encoded(r#"{"_id":1}"#)), "ae", true),
        (format!("sort={}&limit=2", encoded(r#"{"state":1,"label":1}"#)), "ac", true),
        (format!("where={}", encoded(r#"{"state":"pending"}"#)), "dce", false),
        (format!("where={}&limit=1", encoded(r#"{"state":"pending"}"#)), "d", true),
        (format!("where={}", encoded(r#"{"state":{"$in":["ready","error"]}}"#)), "ab", false),
        (format!("where={}", encoded(r#"{"label":{"$gt":"b"}}"#)), "dce", false),
        (format!("where={}", encoded(r#"{"dataFile.state":2}"#)), "b", false),
        (
            format!("where={}", encoded(&json!({ "_id": { "$gt": ids[3] } }).to_string())),
            "d",
            false,
        ),
        ("where=%7B%7D".into(), "dceab", false),
        (format!("Medable-Client-Key={APP}&x=1"), "dceab", false),
    ] {
        assert_eq!(labels(&server, &query).await, (labels_wanted.to_owned(), more), "{query}");
    }
}

#[tokio::test]
async fn a_list_longer_than_a_page_of_the_store_is_read_to_its_end() {
    let server = Server::new().await;
    for at in 0..450 {
        server.create(&format!("{at:03}")).await;
        server.advance(1);
    }
    let (first, more) = labels(&server, "skip=440").await;
    assert_eq!((first.as_str(), more), ("009008007006005004003002001000", false));
    let (sorted, more) = labels(&server, "sort=label&skip=448&limit=1").await;
    assert_eq!((sorted.as_str(), more), ("448", true));
    assert_eq!(labels(&server, "limit=1000").await.0.len(), 450 * 3);
    assert!(labels(&server, "").await.1, "a hundred come unless more are wanted");
}

#[tokio::test]
async fn a_client_gets_the_properties_that_it_names() {
    let (server, ids) = five().await;
    let path = format!("/exports/{}", ids[0]);
    let whole = server.get(&path).await.ok();
    for (query, keys) in [
        ("paths[]=state", "_id object state"),
        ("paths[]=state&paths[]=label", "_id object state label"),
        ("paths%5B%5D=state", "_id object state"),
        ("paths=state", "_id object state"),
        ("paths=%5B%22state%22%2C%22creator%22%5D", "_id object state creator"),
    ] {
        let cut = server.get(&format!("{path}?{query}")).await.ok();
        let found: Vec<_> = cut.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(found.join(" "), keys, "{query}");
        for (key, value) in cut.as_object().expect("an object") {
            assert_eq!(value, &whole[key]);
        }
    }
    let account = &whole["creator"]["_id"];
    let reference = json!({ "_id": account, "object": "account", "path": format!("/accounts/{}", account.as_str().unwrap_or_default()) });
    assert_eq!(whole["creator"], reference);
    let email = "admin@acme.example";
    let expanded = json!({ "_id": account, "object": "account", "email": email });
    let cut = server.get(&format!("{path}?expand[]=creator")).await.ok();
    assert_eq!((&cut["creator"], &cut["label"]), (&expanded, &whole["label"]));
    let cut = server.get(&format!("{path}?paths[]=creator.email&paths[]=dataFile.size")).await.ok();
    assert_eq!(cut["creator"], expanded);
    assert_eq!(cut["dataFile"], json!({ "size": 2 }));
    let list = server.get("/exports?paths[]=label&limit=1").await.ok();
    assert_eq!(list["data"], json!([{ "_id": ids[4], "object": "export", "label": "d" }]));
}

#[tokio::test]
async fn a_list_comes_as_lines_for_who_asks_so() {
    let (server, ids) = five().await;
    let request = server.signed(APP, "acme", "GET", "/exports?paths[]=label&limit=2");
    let request = request.header("Accept", "application/x-ndjson").body(Body::empty());
    let answer = server.send(request.expect("a request")).await;
    assert!(answer.header("content-type").starts_with("application/x-ndjson"));
    let lines: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ids_found: Vec<_> = lines.iter().map(id_of).collect();
    assert_eq!(ids_found, [ids[4].clone(), ids[3].clone()]);
}

#[tokio::test]
async fn arguments_that_are_not_understood_are_refused() {
    let server = Server::new().await;
    for (query, path) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("skip=-1", "skip"),
        ("skip=99999999999999999999", "skip"),
        ("where=", "where"),
        ("where=%5B%5D", "where"),
        ("where=true", "where"),
        ("where=%7B%22state%22%3A", "where"),
        ("where=%7B%7D&where=%7B%7D", "where"),
        ("where[state]=ready", "where"),
        ("sort=%7B%22label%22%3A2%7D", "sort.label"),
        ("sort[label]=1", "sort"),
        ("sort=paths", "sort.paths"),
        ("group=%7B%7D", "group"),
        ("pipeline=%5B%5D", "pipeline"),
        ("map=x", "map"),
        ("where=%7B%22%24where%22%3A%221%22%7D", "where.$where"),
        ("where=%7B%22state%22%3A%7B%22%24near%22%3A1%7D%7D", "where.state.$near"),
    ] {
        let answer = server.get(&format!("/exports?{query}")).await;
        assert_eq!(answer.fault(), ("kInvalidArgument".to_owned(), 400), "{query}");
        let json = answer.json();
        assert_eq!(
            (&json["errCode"], &json["path"]),
            (&json!("cortex.invalidArgument.query"), &json!(path)),
            "{query}"
        );
    }
    for query in [
        "paths[]=nope",
        "expand[]=label",
        "include[]=secret",
        "where=%7B%22nope%22%3A1%7D",
        "sort=nope",
    ] {
        let answer = server.get(&format!("/exports?{query}")).await;
        assert_eq!(answer.fault(), ("kValidationError".to_owned(), 400), "{query}");
        let path = answer.json()["faults"][0]["path"].clone();
        assert!(path.as_str().is_some_and(|path| path.starts_with("export.")), "{path}");
    }
}
