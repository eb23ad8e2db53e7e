//! Customers' scripts in real sandboxes: run at least once, bounded, their outcome kept.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::TimeDelta;
use outhaul_delivery::callback::{CallSettings, Caller, HttpCaller};
use outhaul_delivery::mail::{Mail, Mailer, Refusal};
use outhaul_exports::callback::{Allowed, Rules};
use outhaul_exports::export::{Export, Failure, Outcome, State};
use outhaul_exports::lease::{Incarnation, LeaseKey};
use outhaul_exports::notice::{Message, MessageState, ScriptView};
use outhaul_exports::ports::{JobStore, LeaseAsk, NewExport, Outbox, ScriptCheck};
use outhaul_exports::spec::Notice;
use outhaul_exports::testing::{self, FakeScriptView, MemoryStore, TestClock};
use outhaul_exports::{Clock, ErrorKind, limits};
use outhaul_scripts::Sandbox;
use outhaul_worker::{Notifier, Scripts, Timings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

crate::cases![
    a_script_runs_after_either_end_and_leaves_its_result,
    a_script_that_fails_is_not_run_again_and_changes_nothing,
    hostile_scripts_end_and_the_exports_stand,
    a_script_that_cannot_be_started_is_tried_again,
    a_script_whose_server_dies_is_run_again,
    a_deleted_exports_script_is_not_run,
    requests_are_seen_and_answered_within_their_bounds,
    requests_to_forbidden_places_are_refused_as_callbacks_are,
    mails_go_to_addresses_that_are_some,
    two_scripts_are_run_at_once_and_mails_go_on,
    scripts_are_read_when_they_are_submitted,
];

/// Its own time of a script that is not there to be stopped.
const LONG: Duration = Duration::from_secs(20);

/// A receiver on this machine. A request for `/hang` is answered when there is a permit.
struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    heard: Mutex<Vec<String>>,
    gate: Semaphore,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared { heard: Mutex::default(), gate: Semaphore::new(0) });
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        Self { port, shared, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn heard(&self) -> Vec<String> {
        self.shared.heard.lock().expect("nobody panics").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let request = loop {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
            let text = String::from_utf8_lossy(&bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                break text.into_owned();
            }
        };
        self.heard.lock().expect("nobody panics").push(request.clone());
        let path = request.split(' ').nth(1).unwrap_or_default();
        if path.starts_with("/hang") {
            self.gate.acquire().await.expect("it is open").forget();
        }
        let body = match path.strip_prefix("/long/") {
            Some(length) => "x".repeat(length.parse().expect("a number")),
            None => "taken".to_owned(),
        };
        let head = format!("HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all((head + &body).as_bytes()).await;
    }
}

/// Takes every mail.
#[derive(Default)]
struct Post(Mutex<Vec<Mail>>);

#[async_trait]
impl Mailer for Post {
    async fn send(&self, mail: &Mail) -> Result<(), Refusal> {
        self.0.lock().expect("nobody panics").push(mail.clone());
        Ok(())
    }

    async fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

struct Office {
    store: Arc<MemoryStore>,
    clock: TestClock,
    post: Arc<Post>,
    scripts: Option<Arc<Scripts>>,
    caller: Option<Arc<dyn Caller>>,
    mailer: Option<Arc<dyn Mailer>>,
}

/// A notifier at work.
struct Working {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Working {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("it does not panic");
    }

    /// As a process that is killed.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn scripts_of(program: &Path, time: Duration, at_once: usize, own: Option<&str>) -> Arc<Scripts> {
    let sandbox = Sandbox::new(program, vec!["script".into()]).expect("a thread starts");
    let own = own.map(|url| url.parse().expect("a URL"));
    Arc::new(Scripts::new(sandbox, time, limits::SCRIPT_MEMORY_BYTES, at_once, own))
}

fn program() -> std::path::PathBuf {
    std::env::current_exe().expect("the test has a file")
}

fn caller(allow: &[&str]) -> Arc<dyn Caller> {
    let allow = allow.iter().map(|text| Allowed::parse(text).expect("it is one")).collect();
    let rules = Rules { allow, ports: vec![1..=u16::MAX], plain_http: true };
    let settings = CallSettings {
        rules: Arc::new(rules),
        secrets: HashMap::new(),
        ca: None,
        timeout: Duration::from_secs(10),
    };
    Arc::new(HttpCaller::new(settings).expect("good settings"))
}

impl Office {
    fn new(time: Duration) -> Self {
        let post = Arc::<Post>::default();
        Self {
            store: Arc::new(MemoryStore::new()),
            clock: TestClock::at(testing::noon()),
            scripts: Some(scripts_of(&program(), time, limits::SCRIPTS_AT_ONCE, None)),
            caller: Some(caller(&["127.0.0.1"])),
            mailer: Some(post.clone()),
            post,
        }
    }

    fn work(&self) -> Working {
        self.work_with(true)
    }

    fn work_with(&self, has_view: bool) -> Working {
        let stop = CancellationToken::new();
        let view: Arc<dyn ScriptView> = Arc::new(FakeScriptView);
        let dialect = testing::export("acme", testing::noon()).dialect;
        let views = has_view.then_some((dialect, view));
        let notifier = Notifier {
            outbox: self.store.clone(),
            jobs: self.store.clone(),
            access: self.store.clone(),
            clock: Arc::new(self.clock.clone()),
            mailer: self.mailer.clone(),
            caller: self.caller.clone(),
            receivers: Arc::default(),
            scripts: self.scripts.clone(),
            views: Arc::new(views.into_iter().collect()),
            timings: Timings { notice_poll: Duration::from_millis(10), ..Timings::default() },
        };
        Working { task: tokio::spawn(notifier.run(stop.clone())), stop }
    }

    /// An export that has just failed, with a script.
    async fn end(&self, script: &str) -> Export {
        let outcome = Outcome::Failed(Failure::new("x", "it could not be done"));
        self.end_with(vec![Notice::Script { source: script.to_owned() }], outcome).await
    }

    async fn end_with(&self, notices: Vec<Notice>, outcome: Outcome) -> Export {
        let now = self.clock.now();
        let mut export = testing::export("acme", now);
        export.policy.active_max = None;
        export.spec.notices = notices;
        let new = NewExport { export, idempotency: None };
        self.store.insert(new).await.expect("memory answers");
        let (holder, ttl) = (Incarnation::random(), TimeDelta::seconds(15));
        let leased = self.store.lease(&LeaseAsk { holder, most: 1, ttl, now }).await;
        let export = leased.expect("memory answers").remove(0);
        let token = export.lease.clone().expect("it runs").token;
        let key = LeaseKey { export: export.id, token };
        let ended = self.store.finish(&key, outcome, now).await.expect("memory answers");
        ended.expect("the lease is held")
    }

    async fn message(&self, export: &Export) -> Message {
        let found = self.store.messages(&export.tenant, export.id).await;
        found.expect("memory answers").pop().expect("there is one")
    }

    /// Waits until the export's last message is as wished.
    async fn until(&self, export: &Export, wish: impl Fn(&Message) -> bool) -> Message {
        let begun = Instant::now();
        loop {
            let message = self.message(export).await;
            if wish(&message) {
                return message;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "stuck: {message:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn over(&self, export: &Export) -> Message {
        self.until(export, |message| message.state != MessageState::Waiting).await
    }

    /// Runs a script to its end, and answers what it returned.
    async fn result(&self, script: &str) -> Value {
        let export = self.end(script).await;
        let message = self.over(&export).await;
        assert_eq!(message.state, MessageState::Sent, "{message:#?}");
        let report = message.report.expect("it has left something");
        serde_json::from_str(&report.result.expect("a result")).expect("JSON")
    }

    async fn stands(&self, export: &Export) {
        let found = self.store.get(&export.tenant, export.id).await.expect("memory answers");
        assert_eq!(found.as_ref(), Some(export), "a script changes no export");
    }
}

async fn a_script_runs_after_either_end_and_leaves_its_result() {
    let office = Office::new(LONG);
    let script = "import logger from 'logger';\n\
        console.log('state', script.arguments.export.state);\n\
        if (script.arguments.err) logger.error(script.arguments.err, '\\u202e\\n');\n\
        return { id: script._id, of: script.arguments.export._id, org: script.org.code };";
    let notices = || vec![Notice::Script { source: script.to_owned() }];
    let completed = office.end_with(notices(), crate::notices::completed(1, office.clock.now()));
    let exports = [completed.await, office.end(script).await];
    let working = office.work();
    for export in &exports {
        let message = office.over(export).await;
        assert_eq!((message.state, message.attempts), (MessageState::Sent, 1), "{message:#?}");
        assert_eq!(message.last_error, None);
        let report = message.report.expect("it has left something");
        let result: Value = serde_json::from_str(&report.result.expect("a result")).expect("JSON");
        let expected =
            json!({"id": message.id.to_string(), "of": export.id.to_string(), "org": "acme"});
        assert_eq!(result, expected);
        let logs: Vec<_> =
            report.logs.iter().map(|line| (line.level.as_str(), line.text.as_str())).collect();
        match export.state {
            State::Completed => assert_eq!(logs, [("info", "state completed")]),
            _ => assert_eq!(logs, [("info", "state failed"), ("error", "x \\u{202e}\\n")]),
        }
        assert_eq!((report.logs_cut, report.calls), (false, 0));
        office.stands(export).await;
    }
    working.end().await;
}

async fn a_script_that_fails_is_not_run_again_and_changes_nothing() {
    let office = Office::new(Duration::from_secs(1));
    let cases = [
        ("console.log('a');\n\nthrow new Error('no')", "the script threw: Error: no (line 3)"),
        ("throw { a: 1 }", "the script threw: thrown: {\"a\":1}"),
        ("while (true) {}", "the script's time was over"),
        ("const f = () => f() + 1; f()", "the script's calls were nested too deep"),
        ("return () => 1", "the result is not JSON: it is a function"),
        ("let a = ;", "the script was not run: "),
        ("require('fs')", "the script threw: Error: there is no module 'fs'"),
        ("return 'x'.repeat(70000)", "the result is longer than 65536 bytes"),
    ];
    let working = office.work();
    for (script, error) in cases {
        let export = office.end(script).await;
        let message = office.over(&export).await;
        assert_eq!((message.state, message.attempts), (MessageState::GivenUp, 1), "{script}");
        let last = message.last_error.expect("it says why");
        assert!(last.starts_with(error), "{script}: {last}");
        let report = message.report.expect("it has left something");
        assert_eq!(report.result, None);
        assert_eq!(report.logs.len(), usize::from(script.starts_with("console")), "{script}");
        office.stands(&export).await;
    }
    working.end().await;
}

/// The probes and the escapes that the sandbox is tried with by itself.
async fn hostile_scripts_end_and_the_exports_stand() {
    let mut office = Office::new(LONG);
    let time = Duration::from_millis(300);
    office.scripts = Some(scripts_of(&program(), time, 2, None));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cases");
    let mut cases = Vec::new();
    for file in ["probes.json", "escapes.json"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("the cases are there");
        let found: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        // A script in parts is put together by the other test.
        cases.extend(found.into_iter().filter_map(|case| {
            Some((case["name"].as_str()?.to_owned(), case["script"].as_str()?.to_owned()))
        }));
    }
    let mut exports = Vec::new();
    for (_, script) in &cases {
        exports.push(office.end(script).await);
    }
    let begun = Instant::now();
    let working = office.work();
    let (mut finished, mut errors) = (0, HashMap::<String, usize>::new());
    for ((name, _), export) in cases.iter().zip(&exports) {
        let message = office.over(export).await;
        assert_eq!(message.attempts, 1, "{name}");
        let report = message.report.unwrap_or_else(|| panic!("{name}: {:?}", message.last_error));
        let calls = u64::from(report.calls) * 1_000;
        assert!(report.took_ms < 3_500 + calls, "{name} took {} ms", report.took_ms);
        match message.last_error {
            None => finished += 1,
            Some(error) => {
                assert!(!error.contains("process failed"), "{name}: {error}");
                let kind = error.chars().take(20).collect();
                *errors.entry(kind).or_default() += 1;
            }
        }
        office.stands(export).await;
    }
    working.end().await;
    assert!(cases.len() > 70, "only {}", cases.len());
    let seconds = begun.elapsed().as_secs_f32();
    println!("{} hostile scripts in {seconds} s: {finished} finished, {errors:?}", cases.len());
}

async fn a_script_that_cannot_be_started_is_tried_again() {
    let mut office = Office::new(LONG);
    let good = office.scripts.take();
    let export = office.end("return 7").await;
    let begun = office.clock.now();
    let working = office.work();
    let message = office.until(&export, |message| message.last_error.is_some()).await;
    assert_eq!(message.last_error.as_deref(), Some("this server runs no scripts at present"));
    assert_eq!(message.state, MessageState::Waiting);
    working.end().await;

    office.scripts = Some(scripts_of(Path::new("/there/is/none"), LONG, 2, None));
    office.clock.set(message.due_at);
    let working = office.work();
    let is_second = |m: &Message| m.attempts == 2 && m.due_at > begun + TimeDelta::seconds(60);
    let message = office
        .until(&export, |m| {
            is_second(m) && m.last_error.as_deref() == Some("the script could not be started")
        })
        .await;
    working.end().await;

    office.scripts = good;
    office.clock.set(message.due_at);
    let working = office.work_with(false);
    let text = "the API that the export was created with is switched off at present";
    let message = office.until(&export, |m| m.last_error.as_deref() == Some(text)).await;
    working.end().await;

    office.clock.set(message.due_at);
    let working = office.work();
    let message = office.over(&export).await;
    assert_eq!((message.state, message.attempts), (MessageState::Sent, 4));
    assert_eq!(
        (message.last_error, message.report.and_then(|r| r.result)),
        (None, Some("7".into()))
    );
    working.end().await;
}

async fn a_script_whose_server_dies_is_run_again() {
    let office = Office::new(LONG);
    let receiver = Receiver::start().await;
    let script = format!("return require('http').post({:?}, 'a').body", receiver.url("/hang"));
    let export = office.end(&script).await;
    for attempt in 1..=2 {
        let working = office.work();
        office.until(&export, |_| receiver.heard().len() == attempt).await;
        working.kill().await;
        let message = office.message(&export).await;
        assert_eq!((message.state, message.report), (MessageState::Waiting, None));
        office.clock.set(message.due_at);
    }
    receiver.shared.gate.add_permits(9);
    let working = office.work();
    let message = office.over(&export).await;
    assert_eq!((message.state, message.attempts), (MessageState::Sent, 3), "{message:#?}");
    assert_eq!(message.report.and_then(|report| report.result).as_deref(), Some("\"taken\""));
    working.end().await;
    office.stands(&export).await;
}

async fn a_deleted_exports_script_is_not_run() {
    let office = Office::new(LONG);
    let receiver = Receiver::start().await;
    let script = |path: &str| format!("require('http').get({:?})", receiver.url(path));
    let (gone, kept) = (office.end(&script("/gone")).await, office.end(&script("/kept")).await);
    office.store.remove(&gone.tenant, gone.id, office.clock.now()).await.expect("it is deleted");
    // One that is deleted while its script runs leaves nothing behind.
    let during = office.end(&script("/hang")).await;
    let working = office.work();
    office.over(&kept).await;
    office.until(&kept, |_| receiver.heard().len() == 2).await;
    office.store.remove(&gone.tenant, during.id, office.clock.now()).await.expect("deleted");
    receiver.shared.gate.add_permits(1);
    working.end().await;
    let left = office.store.messages(&during.tenant, during.id).await.expect("memory answers");
    assert!(left.is_empty(), "{left:#?}");
    assert!(receiver.heard().iter().all(|request| !request.contains("/gone")));
}

async fn requests_are_seen_and_answered_within_their_bounds() {
    let office = Office::new(LONG);
    let receiver = Receiver::start().await;
    let working = office.work();
    let url = receiver.url("/x?y=1");
    let script = format!(
        "const http = require('http');\n\
         const found = http.put({url:?}, {{ a: script.arguments.err }}, {{ headers: {{ 'X-B': 2 }} }});\n\
         return [found, script.getCalloutsRemaining()];"
    );
    let found = office.result(&script).await;
    let headers = json!({"x-a": "b", "content-length": "5"});
    assert_eq!(found, json!([{"statusCode": 200, "headers": headers, "body": "taken"}, 4]));
    let heard = receiver.heard().remove(0);
    assert!(
        heard.starts_with("PUT /x?y=1 HTTP/1.1\r\n") && heard.ends_with("{\"a\":\"x\"}"),
        "{heard}"
    );
    for line in ["x-b: 2\r\n", "content-type: application/json\r\n"] {
        assert!(heard.contains(line), "{heard}");
    }

    let most = limits::SCRIPT_REQUEST_BYTES_MAX;
    let long = |bytes| receiver.url(&format!("/long/{bytes}"));
    let script = format!(
        "const http = require('http'), texts = [];\n\
         const tried = (call) => {{ try {{ texts.push(call()) }} catch (e) {{ texts.push(e.message) }} }};\n\
         tried(() => http.post({u:?}, 'x'.repeat({most})).statusCode);\n\
         tried(() => http.post({u:?}, 'x'.repeat({most} + 1)).statusCode);\n\
         tried(() => http.get({full:?}).body.length);\n\
         tried(() => http.get({over:?}).body.length);\n\
         tried(() => http.get({u:?}).statusCode);\n\
         tried(() => http.get({u:?}).statusCode);\n\
         return texts;",
        u = receiver.url("/"),
        full = long(most),
        over = long(most + 1),
    );
    let found = office.result(&script).await;
    let [sent, too_long, read, too_much, fifth, sixth] =
        <[Value; 6]>::try_from(found.as_array().expect("a list").clone()).expect("six");
    assert_eq!((sent, read, fifth), (json!(200), json!(most), json!(200)));
    assert_eq!(too_long, "http.post: the body has 524289 bytes; it may have 524288");
    assert_eq!(too_much, "http.get: the answer's body is longer than 524288 bytes");
    assert_eq!(sixth, "http: the script has made all its calls");
    assert_eq!(receiver.heard().len(), 1 + 4, "what is too long, or too much, is not sent");
    working.end().await;
}

async fn requests_to_forbidden_places_are_refused_as_callbacks_are() {
    let mut office = Office::new(LONG);
    let receiver = Receiver::start().await;
    let url = receiver.url("/");
    let rules = Rules { ports: vec![1..=u16::MAX], plain_http: true, ..Rules::default() };
    let refused = rules.check("url", &url).expect_err("it is this machine").public().to_owned();
    let script = format!("try {{ require('http').get({url:?}) }} catch (e) {{ return e.message }}");

    office.caller = Some(caller(&[]));
    let working = office.work();
    assert_eq!(office.result(&script).await, format!("http.get: {refused}"));
    working.end().await;
    // Allowed, but it is this server itself.
    office.caller = Some(caller(&["127.0.0.1"]));
    office.scripts = Some(scripts_of(&program(), LONG, 2, Some(&receiver.url(""))));
    let working = office.work();
    let text = "http.get: this server itself is not called by scripts";
    assert_eq!(office.result(&script).await, text);
    working.end().await;
    office.caller = None;
    office.scripts = Some(scripts_of(&program(), LONG, 2, None));
    let working = office.work();
    let text = "http.get: this server sends no requests (callbacks are switched off)";
    assert_eq!(office.result(&script).await, text);
    working.end().await;
    assert!(receiver.heard().is_empty());
}

async fn mails_go_to_addresses_that_are_some() {
    let mut office = Office::new(LONG);
    let script = "const { send } = require('notifications'), to = { recipient: 'ann@example.com' };\n\
        const texts = [];\n\
        try { send('a', null, { recipient: 'nobody' }) } catch (e) { texts.push(e.message) }\n\
        send('Export is {{state}}', { state: script.arguments.export.state, rows: 3 }, to);\n\
        try { for (;;) send('again', null, to) } catch (e) { texts.push(e.message) }\n\
        return texts;";
    let working = office.work();
    let export = office.end(script).await;
    let message = office.over(&export).await;
    working.end().await;
    let result = message.report.and_then(|report| report.result).expect("a result");
    let texts: Vec<String> = serde_json::from_str(&result).expect("JSON");
    assert!(texts[0].starts_with("notifications.send: the address has no @"), "{texts:?}");
    assert_eq!(texts[1], "notifications: the script has made all its calls");
    let mails = office.post.0.lock().expect("nobody panics").clone();
    assert_eq!(mails.len(), 99, "one of a hundred went to nobody");
    let first = &mails[0];
    assert_eq!(
        (first.to.as_str(), first.subject.as_str()),
        ("ann@example.com", "Export is failed")
    );
    for part in ["rows: 3", &export.id.to_string()] {
        assert!(first.plain.contains(part) && first.html.contains(part), "{}", first.plain);
    }
    assert_eq!((first.id, mails[1].id), (message.id.part(1), message.id.part(2)));

    let script = "try { require('notifications').send('a', null, { recipient: 'a@example.com' }) }\n\
        catch (e) { return e.message }";
    office.mailer = None;
    let working = office.work();
    assert_eq!(office.result(script).await, "notifications.send: this server sends no mail");
    working.end().await;

    office.mailer = Some(office.post.clone());
    let scripts = Arc::into_inner(office.scripts.take().expect("it has some")).expect("no other");
    office.scripts = Some(Arc::new(scripts.without_mails()));
    let working = office.work();
    let says = "notifications.send: scripts send no mails from this server";
    assert_eq!(office.result(script).await, says);
    assert_eq!(office.post.0.lock().expect("nobody panics").len(), mails.len(), "none is added");
    working.end().await;
}

async fn two_scripts_are_run_at_once_and_mails_go_on() {
    let office = Office::new(LONG);
    let receiver = Receiver::start().await;
    let script = format!("require('http').get({:?})", receiver.url("/hang"));
    let mut exports = Vec::new();
    for _ in 0..5 {
        exports.push(office.end(&script).await);
    }
    let working = office.work();
    office.until(&exports[0], |_| receiver.heard().len() == 2).await;
    let file_url = "https://exports.example.com/{link}".to_owned();
    let mail = Notice::Mail { to: vec!["ann@example.com".to_owned()], file_url };
    let failed = Outcome::Failed(Failure::new("x", "y"));
    let told = office.end_with(vec![mail], failed).await;
    office.over(&told).await;
    assert_eq!(receiver.heard().len(), 2, "the others wait");
    receiver.shared.gate.add_permits(5);
    for export in &exports {
        assert_eq!(office.over(export).await.state, MessageState::Sent);
    }
    working.end().await;
}

async fn scripts_are_read_when_they_are_submitted() {
    let scripts = scripts_of(&program(), LONG, 2, None);
    let imports = "import http, { get } from 'http';\nimport { send } from 'notifications';";
    scripts.check(imports).await.expect("a script");
    for (source, text) in [
        ("let a;\n let b = ;", "line 2, column "),
        ("import fs from 'fs'", "(line 1, column "),
        ("import { head } from 'http'", "(line 1, column "),
        ("\u{feff}1", "byte order mark, U+FEFF: leave it out (line 1, column 1)"),
        ("a\0", "character NUL, U+0000 (line 1, column 2)"),
        (&"[".repeat(50_000), ""),
    ] {
        let error = scripts.check(source).await.expect_err("no script");
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "notices.script".into() });
        assert!(error.public().contains(text), "{text}: {error}");
        println!("{error}");
    }
    // A crowd is let in up to a bound.
    let most = limits::SCRIPT_CHECKS_AT_ONCE + limits::SCRIPT_CHECKS_WAITING_MAX;
    let crowd = (0..most + 3).map(|_| scripts.check("return 1"));
    let answers = futures::future::join_all(crowd).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused.iter().all(|error| *error.kind() == ErrorKind::Unavailable), "{refused:?}");
    let away = scripts_of(Path::new("/there/is/none"), LONG, 2, None);
    let error = away.check("return 1").await.expect_err("no sandbox");
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error:?}");
}
