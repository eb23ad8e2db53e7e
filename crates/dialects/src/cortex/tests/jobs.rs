//! Exports from their creation to their end.

use outhaul_exports::query::{Condition, Expr, Query};
use outhaul_exports::spec::Notice;

use super::*;

#[tokio::test]
async fn any_number_waits_and_one_runs_in_the_order_of_creation() {
    let server = Server::new().await;
    let mut ids = Vec::new();
    for at in 0..60 {
        ids.push(server.create(&format!("export {at}")).await);
        server.advance(1);
    }
    let theirs = server.create_as(THEIR_APP, "theirs").await;
    let first = server.world.start_next().await.expect("one is due");
    let second = server.world.start_next().await.expect("the other org's is due");
    let mut running = vec![response_id(&first), response_id(&second)];
    running.sort();
    let mut expected = vec![ids[0].clone(), theirs];
    expected.sort();
    assert_eq!(running, expected);
    assert!(server.world.start_next().await.is_none(), "one of an org runs");
    let own = if response_id(&first) == ids[0] { first } else { second };
    server.world.fail(&own, "query_failed", "it cannot be read").await;
    for id in &ids[1..] {
        let next = server.world.start_next().await.expect("the next is due");
        assert_eq!(&response_id(&next), id);
        server.world.complete(&next, &[("x.zip", "application/zip", b"PK")]).await;
    }
}

fn response_id(export: &Export) -> String {
    export.echo["id"].as_str().expect("it has one").to_owned()
}

#[tokio::test]
async fn what_was_asked_for_is_what_is_stored() {
    let server = Server::new().await;
    let body = json!({
        "label": "Accounts", "description": "all of them", "objects": "c_accounts",
        "format": "TEXT/CSV; charset=utf-8", "paths": "c_name", "expand": ["c_bill_to_contact"],
        "where": { "c_balance": { "$gt": 10.5 } }, "exportFiles": true, "zipFiles": true,
        "afterScript": "script.exit()", "state": "ready", "something": "else",
    });
    let shown = server.try_create(&body).await.ok();
    let expected = json!({
        "state": "pending", "format": "text/csv", "paths": ["c_name"], "include": [],
        "expand": ["c_bill_to_contact"], "where": "{\"c_balance\":{\"$gt\":10.5}}",
        "exportFiles": true, "zipFiles": true, "label": "Accounts", "description": "all of them",
        "objects": "c_accounts", "afterScript": "script.exit()", "object": "export",
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&shown[key], value, "{key}");
    }
    assert_eq!(server.get(&format!("/exports/{}", id_of(&shown))).await.ok(), shown);
    let export = server.world.start_next().await.expect("it is due");
    let spec = &export.spec;
    let [query] = spec.queries.as_slice() else { panic!("one query") };
    assert_eq!(query.name, Some(format!("export-{}", id_of(&shown))));
    let Query::Select(select) = &query.query else { panic!("no SQL") };
    assert_eq!(select.object, "Account");
    assert_eq!(select.order_by[0].expr, Expr::own("Id"), "two exports of the same rows are alike");
    assert!(matches!(select.filter, Some(Condition::Compare { .. })), "{:?}", select.filter);
    assert_eq!(spec.format.id, "csv");
    assert!(spec.archive.as_ref().is_some_and(|archive| archive.together));
    assert_eq!(spec.notices, [Notice::Script { source: "script.exit()".to_owned() }]);
    let names: Vec<_> = spec.documents.iter().flat_map(|d| &d.members).map(|m| &m.name).collect();
    assert_eq!(names, ["_id", "object", "c_name", "c_bill_to_contact"]);
}

#[tokio::test]
async fn a_script_is_given_the_export_and_its_outcome_is_shown() {
    use outhaul_exports::notice::{MessageKind, ScriptReport};
    use outhaul_exports::ports::{Outbox as _, TakeMessages};
    let server = Server::new().await;
    let body = json!({ "label": "x", "objects": "c_accounts", "afterScript": "return 7" });
    let id = id_of(&server.try_create(&body).await.ok());
    let path = format!("/exports/{id}");
    assert_eq!(server.get(&path).await.ok().get("x_script"), None, "it has not ended");
    let running = server.world.start_next().await.expect("it is due");
    let failed = server.world.fail(&running, "query_failed", "the source is away").await;
    let shown = server.get(&path).await.ok();
    assert_eq!(shown["x_script"]["state"], "waiting");
    let now = server.world.exports.now();
    let take = TakeMessages {
        kind: MessageKind::SCRIPT,
        most: 1,
        ttl: chrono::TimeDelta::seconds(60),
        now,
    };
    let mut messages = server.world.store.take(&take).await.expect("memory is never away");
    let mut message = messages.pop().expect("there is one");
    let setting = Setting::alone(server.world.exports.clone(), BASE_URL, section());
    let view = Cortex.script_view(&setting).expect("it is right").expect("there is one");
    let globals = view.globals(&failed, &message).await.expect("it is shown");
    let script = &globals["script"];
    assert_eq!(script["arguments"]["export"]["_id"], json!(id));
    assert_eq!(script["arguments"]["export"]["state"], "error");
    assert_eq!(script["arguments"]["err"]["reason"], "the source is away");
    assert_eq!(
        (&script["org"]["code"], &script["principal"]["email"]),
        (&json!("acme"), &json!("admin@acme.example"))
    );
    let result = Some("7".to_owned());
    message.report = Some(ScriptReport { result, calls: 1, ..ScriptReport::default() });
    server.world.store.sent(&message, now).await.expect("memory is never away");
    let shown = server.get(&path).await.ok();
    assert_eq!(
        (&shown["x_script"]["state"], &shown["x_script"]["result"]),
        (&json!("sent"), &json!("7"))
    );
    assert_eq!(server.get(&format!("{path}?paths[]=state")).await.ok().get("x_script"), None);
}

#[tokio::test]
async fn unknown_members_are_refused_where_the_operator_wants_it() {
    let server = Server::with(json!({ "strict_properties": true })).await;
    let body = json!({ "label": "x", "objects": "c_accounts", "state": "ready", "more": 1 });
    let answer = server.try_create(&body).await;
    assert_eq!(answer.fault(), ("kValidationError".to_owned(), 400));
    let faults = answer.json()["faults"].clone();
    let paths: Vec<_> =
        faults.as_array().into_iter().flatten().map(|f| f["path"].clone()).collect();
    assert_eq!(paths, ["export.state", "export.more"]);
}

#[tokio::test]
async fn label_and_description_change_and_nothing_else_does() {
    let server = Server::new().await;
    let id = server.create("one").await;
    let path = format!("/exports/{id}");
    server.advance(5);
    let changed = server.ask("PATCH", &path, r#"{"description":"more"}"#).await.ok();
    assert_eq!((&changed["label"], &changed["description"]), (&json!("one"), &json!("more")));
    assert_ne!(changed["updated"], changed["created"]);
    let changed = server.ask("PUT", &path, r#"{"label":"two","description":null}"#).await.ok();
    assert_eq!((&changed["label"], changed.get("description")), (&json!("two"), None));
    let running = server.world.start_next().await.expect("it is due");
    assert_eq!(server.ask("PUT", &path, r#"{"label":"three"}"#).await.ok()["state"], "running");
    let done = server.world.complete(&running, &[("x.zip", "application/zip", b"PK")]).await;
    assert_eq!(done.spec.label.as_deref(), Some("three"), "the worker took nothing back");
    for body in [
        r#"{"state":"ready"}"#,
        r#"{"label":"x","where":"{}"}"#,
        r#"{"_id":"000000000000000000000000"}"#,
        r#"{"label":null}"#,
        r#"{"label":""}"#,
        r#"{"label":7}"#,
        r#"{"org":"globex"}"#,
        r#"{"dataFile":{}}"#,
    ] {
        let answer = server.ask("PUT", &path, body).await;
        assert_eq!(answer.fault(), ("kValidationError".to_owned(), 400), "{body}");
    }
    assert_eq!(server.get(&format!("{path}/label")).await.ok()["data"], "three");
}

#[tokio::test]
async fn a_deleted_export_is_gone_at_once_in_any_state() {
    let server = Server::new().await;
    let (first, second) = (server.create("one").await, server.create("two").await);
    let running = server.world.start_next().await.expect("one is due");
    for id in [&first, &second] {
        let path = format!("/exports/{id}");
        let answer = server.ask("DELETE", &path, "").await;
        assert_eq!(answer.ok(), json!({ "object": "result", "data": true }));
        for path in [path.clone(), format!("{path}/state"), format!("{path}/dataFile/content")] {
            assert_eq!(server.get(&path).await.fault(), ("kNotFound".to_owned(), 404));
        }
        assert_eq!(server.ask("DELETE", &path, "").await.fault().0, "kNotFound");
        assert_eq!(server.ask("PUT", &path, "{}").await.fault().0, "kNotFound");
    }
    assert_eq!(server.get("/exports").await.ok()["data"], json!([]));
    // The worker hears of it, and its file is nobody's.
    server.world.complete(&running, &[("x.zip", "application/zip", b"PK")]).await;
    let third = server.create("three").await;
    server.complete(b"PK").await;
    assert_eq!(server.state(&third).await, "ready");
    assert_eq!(server.world.artifacts.keys().len(), 2);
    server.ask("DELETE", &format!("/exports/{third}"), "").await.ok();
    assert_eq!(server.world.artifacts.keys().len(), 1, "its file went with it");
}

#[tokio::test]
async fn an_export_is_there_for_seven_days() {
    let server = Server::new().await;
    let done = server.create("one").await;
    server.complete(b"PK").await;
    let failed = server.create("two").await;
    let running = server.world.start_next().await.expect("it is due");
    server.world.fail(&running, "storage_full", "the org has 5 MB of 5 MB").await;
    let waits = server.create("three").await;
    let shown = server.get(&format!("/exports/{failed}")).await.ok();
    assert_eq!(shown["x_fault"]["errCode"], "cortex.tooLarge.storage");
    assert_eq!(shown["dataFile"]["state"], 3);
    check_fault(&shown["x_fault"]);
    server.advance(7 * 24 * 3_600 - 1);
    assert_eq!(server.state(&done).await, "ready");
    assert_eq!(server.state(&failed).await, "error");
    server.advance(1);
    for id in [&done, &failed] {
        let answer = server.get(&format!("/exports/{id}")).await;
        assert_eq!(answer.fault(), ("kNotFound".to_owned(), 404));
    }
    assert_eq!(server.state(&waits).await, "pending", "it waits as long as it takes");
    server.advance(30 * 24 * 3_600);
    let late = server.world.start_next().await.expect("it is due");
    server.world.fail(&late, "query_failed", "it cannot be read").await;
    server.advance(7 * 24 * 3_600 - 1);
    assert_eq!(server.state(&waits).await, "error", "seven days from its end");
    server.advance(1);
    assert_eq!(server.get(&format!("/exports/{waits}")).await.fault().0, "kNotFound");
}

#[tokio::test]
async fn properties_are_read_one_by_one() {
    let server = Server::new().await;
    let body = json!({ "label": "x", "objects": "c_accounts", "paths": ["c_name", "c_balance"] });
    let id = id_of(&server.try_create(&body).await.ok());
    let property = async |path: &str| server.get(&format!("/exports/{id}/{path}")).await;
    let result = |data: Value| json!({ "object": "result", "data": data });
    assert_eq!(property("state").await.ok(), result(json!("pending")));
    assert_eq!(property("description").await.ok(), result(Value::Null));
    assert_eq!(property("exportFiles").await.ok(), result(json!(false)));
    assert_eq!(property("creator/email").await.ok(), result(json!("admin@acme.example")));
    let list = json!({ "object": "list", "data": ["c_name", "c_balance"], "hasMore": false });
    assert_eq!(property("paths").await.ok(), list);
    let facet = property("dataFile").await.ok();
    assert_eq!((&facet["object"], &facet["state"]), (&json!("facet"), &json!(0)));
    assert_eq!(property("dataFile/state").await.ok(), result(json!(0)));
    for path in ["nope", "label/x", "dataFile/url", "creator/password", "c_name", "paths/0"] {
        assert_eq!(property(path).await.fault(), ("kNotFound".to_owned(), 404), "{path}");
    }
}

#[tokio::test]
async fn a_repeated_request_with_its_key_makes_one_export() {
    let server = Server::new().await;
    let body = json!({ "label": "x", "objects": "c_accounts" }).to_string();
    let create = async |key: &str, body: &str| {
        let request = server.signed(APP, "acme", "POST", "/exports");
        let request = request.header("Idempotency-Key", key).body(Body::from(body.to_owned()));
        server.send(request.expect("a request")).await
    };
    let first = create("k", &body).await.ok();
    assert_eq!(create("k", &body).await.ok(), first);
    assert_eq!(create("k", &body.replace('x', "y")).await.fault(), ("kExists".to_owned(), 409));
    assert_ne!(create("l", &body).await.ok()["_id"], first["_id"]);
}
