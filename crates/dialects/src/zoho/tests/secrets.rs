//! The password that a client chose is in no answer, in no log, and in nothing that is kept longer
//! than it is needed.

use std::sync::{Arc, Mutex};

use outhaul_exports::spec::Packing;

use super::*;

/// Letters that are none of ASCII's, what URLs and JSON escape, and nothing that stands elsewhere.
const PASSWORD: &str = "Gr\u{fc}\u{df}e\u{1f511}&+%20\"pw\\";

/// The ways in which it may be written.
fn forms() -> Vec<String> {
    let json = json!(PASSWORD).to_string();
    let inside = json.trim_matches('"').to_owned();
    vec![
        PASSWORD.to_owned(),
        inside.clone(),
        encoded(PASSWORD),
        encoded(&inside),
        "Gr\u{fc}\u{df}e".to_owned(),
        "Gr%C3%BC".to_owned(),
        "\\u{fc}".to_owned(),
        "\\u00fc".to_owned(),
        "pw\\".to_owned(),
    ]
}

fn assert_absent(what: &str, text: &str) {
    for form in forms() {
        assert!(!text.contains(&form), "{what} holds {form}: {text}");
    }
}

/// Gathers everything that is logged in this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Fields(self));
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Fields(self));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Fields(self));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

struct Fields<'a>(&'a Log);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let mut log = self.0.0.lock().expect("nobody panics with it");
        log.push_str(&format!("{field}={value:?}\n"));
    }
}

/// What is stored of a job, as text, but for the place of the password.
fn kept(export: &Export) -> String {
    let mut kept = serde_json::to_value(export).expect("it can be stored");
    let password = kept["spec"].as_object_mut().and_then(|spec| spec.remove("password"));
    assert!(password.is_some(), "there is one");
    format!("{kept} {export:?}")
}

#[tokio::test]
async fn the_password_is_nowhere_but_where_it_is_needed() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let server = Server::new().await;
    for (format, packing) in [
        ("csv", Packing::Zip),
        ("json", Packing::Zip),
        ("xml", Packing::Zip),
        ("html", Packing::Zip),
        ("xls", Packing::None),
        ("pdf", Packing::None),
    ] {
        let config =
            json!({ "responseFormat": format, "keyValueFormat": false, "password": PASSWORD });
        let created = server.try_create(&config).await;
        let number = number_of(&created);
        assert_absent(format, &created.text());
        let export = server.stored("acme", &number).await;
        let password = export.spec.password.as_ref().expect("it is kept until the end");
        assert_eq!(password.reveal(), Some(PASSWORD));
        assert_eq!(export.spec.packing, packing, "{format}");
        assert_absent(format, &kept(&export));
        assert_absent(format, &server.get(&job_path(&number)).await.text());
        let early = server.get(&format!("{}/data", job_path(&number))).await;
        assert_absent(format, &early.text());
        let running = server.world.start_next().await.expect("it is due");
        assert_absent(format, &server.get(&job_path(&number)).await.text());
        match format {
            "csv" => drop(server.world.fail(&running, "query_failed", "no").await),
            "json" => server.cancel_running(&number, &running).await,
            _ => {
                drop(server.world.complete(&running, &[("x.zip", "application/zip", b"PK")]).await);
            }
        }
        let job = server.get(&job_path(&number)).await;
        assert_absent(format, &format!("{} {:?}", job.text(), job.headers));
        let ended = server.stored("acme", &number).await;
        assert_eq!(ended.spec.password.as_ref().and_then(|password| password.reveal()), None);
        assert_absent(
            format,
            &format!("{} {ended:?}", serde_json::to_string(&ended).expect("JSON")),
        );
    }
    // Neither do refusals repeat it, whatever else is wrong.
    for (more, code) in [
        (json!({ "responseFormat": "doc" }), 8001),
        (json!({ "selectedColumns": ["Nmae"] }), 8015),
        (json!({ "criteria": "Nmae = 1" }), 7330),
        (json!({ "criteria": "\"Account Name\" = 'BROKEN'" }), 7327),
        (json!({ "callbackUrl": "https://10.0.0.1/" }), 8127),
        (json!({ "leftHeader": [] }), 8516),
        (json!({ "passwort": 1 }), 8080),
    ] {
        let mut config = json!({ "password": PASSWORD });
        for (key, value) in more.as_object().expect("an object") {
            config[key] = value.clone();
        }
        for answer in [
            server.try_create(&config).await,
            server.ask("POST", &view_form("Account"), &parameter(&config)).await,
        ] {
            assert_eq!(answer.trouble(), (400, code), "{more}");
            assert_absent("a refusal", &format!("{} {:?}", answer.text(), answer.headers));
        }
    }
    server.world.planner.set_away(true);
    let config = json!({ "sqlQuery": "select Id from Account", "password": PASSWORD });
    assert_eq!(server.try_statement(&config).await.trouble(), (503, 7005));
    let log = log.0.lock().expect("nobody panics with it").clone();
    assert!(log.contains("a part of the service is away"), "something is logged: {log}");
    assert_absent("the log", &log);
}

#[tokio::test]
async fn a_password_that_is_none_is_not_shown_either() {
    let server = Server::new().await;
    for password in [
        json!("Gr\u{fc}\u{df}e"),
        json!("Gr\u{fc}\u{df}e".repeat(52)),
        json!("Gr\u{fc}\u{df}e\u{7}pw"),
        json!(["Gr\u{fc}\u{df}e-secret"]),
        json!({ "Gr\u{fc}\u{df}e": 1 }),
        json!(123_456_789),
        json!(true),
        json!(""),
    ] {
        let answer = server.try_create(&json!({ "password": password })).await;
        assert_eq!(answer.trouble(), (400, 8188), "{password}");
        assert_absent("a refusal", &answer.text());
        assert!(!answer.text().contains("123456789"));
    }
    // CONFIG that cannot be read is not repeated.
    for config in [
        "{\"password\":\"Gr\u{fc}\u{df}e-secret\"",
        "{\"password\":\"Gr\u{fc}\u{df}e-secret\",}",
        "{\"password\":\"Gr\u{fc}\u{df}e-secret\",\"password\":\"Gr\u{fc}\u{df}e-secret\"}",
        "{\"password\":\"Gr\u{fc}\u{df}e\u{0}secret\"}",
        "{\"password\":Gr\u{fc}\u{df}e-secret}",
        "Gr\u{fc}\u{df}e-secret",
        "[\"Gr\u{fc}\u{df}e-secret\"]",
    ] {
        let path = format!("{}?CONFIG={}", view_path("Account"), encoded(config));
        let answer = server.get(&path).await;
        assert_eq!(answer.trouble(), (400, 8080), "{config}");
        assert_absent("a refusal", &answer.text());
    }
    assert!(server.all_jobs("acme").await.is_empty());
}

impl Server {
    /// Cancels a job that runs, and lets its worker hear of it.
    async fn cancel_running(&self, number: &str, running: &Export) {
        let answer = self.ask("DELETE", &job_path(number), "").await;
        assert_absent("a cancellation", &answer.text());
        self.world.finish(running, outhaul_exports::export::Outcome::Cancelled).await;
    }
}
