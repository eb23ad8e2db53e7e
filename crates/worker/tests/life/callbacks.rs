//! Callbacks: at least once, under one id, whatever dies in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::TimeDelta;
use outhaul_delivery::callback::{Answer, Ask, Call, Caller, Refusal, UNREACHABLE};
use outhaul_exports::export::{Export, Failure, Outcome, State};
use outhaul_exports::lease::{Incarnation, LeaseKey};
use outhaul_exports::notice::{Message, MessageState, Retries};
use outhaul_exports::ports::{JobStore, LeaseAsk, NewExport, Outbox};
use outhaul_exports::spec::{CallbackBody, CallbackMethod, Notice, StateWords};
use outhaul_exports::testing::{self, MemoryStore, TestClock};
use outhaul_exports::{Clock, limits};
use outhaul_worker::{Notifier, Timings};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

crate::cases![
    a_receiver_is_asked_until_it_takes_it_or_says_never,
    a_receiver_that_wants_a_pause_gets_it,
    a_hundred_callbacks_survive_twenty_kills,
    a_host_that_hangs_holds_up_no_other,
    without_a_way_for_callbacks_they_wait_and_are_given_up_in_the_end,
];

/// The first pause. Pauses that double from it never last as long as the lease of an attempt: what
/// waits until then is known from what is on its way.
const PAUSE_SECS: i64 = 31;

/// Receivers, told apart by the first part of the path, and requests by the whole URL.
#[derive(Default)]
struct World {
    calls: Mutex<BTreeMap<String, Vec<Call>>>,
    /// Lets those be answered that hang.
    gate: Notify,
    /// The number of the kill to come.
    kill: AtomicUsize,
}

impl World {
    fn calls(&self, part: &str) -> Vec<Call> {
        let calls = self.calls.lock().expect("nobody panics");
        let of_it = calls.iter().filter(|(url, _)| url.contains(part));
        of_it.flat_map(|(_, calls)| calls.clone()).collect()
    }

    fn count(&self) -> usize {
        self.calls.lock().expect("nobody panics").values().map(Vec::len).sum()
    }
}

fn answered(status: u16, wait: Option<u64>) -> Refusal {
    Refusal {
        is_final: status == 410,
        public: format!("the receiver answered {status}"),
        internal: String::new(),
        wait: wait.map(Duration::from_secs),
    }
}

#[async_trait]
impl Caller for World {
    async fn call(&self, call: &Call) -> Result<(), Refusal> {
        let count = {
            let mut calls = self.calls.lock().expect("nobody panics");
            let calls = calls.entry(call.url.clone()).or_default();
            calls.push(call.clone());
            calls.len()
        };
        let word = call.url.split(['/', '?']).nth(3).unwrap_or_default();
        match word {
            "busy" if count <= 3 => Err(answered(503, None)),
            "pause" if count == 1 => Err(answered(429, Some(400))),
            "greedy" if count == 1 => Err(answered(429, Some(99_999_999_999))),
            "gone" => Err(answered(410, None)),
            "lost" => Err(Refusal::unreachable("nobody is there")),
            // Two of three are refused first. What is taken while kills go on is seldom noted: the
            // yes is on its way when the process dies.
            "some" => {
                let number: usize =
                    call.url.rsplit('=').next().map_or(0, |n| n.parse().unwrap_or(0));
                if count <= number % 3 {
                    return Err(answered(500, None));
                }
                let kill = self.kill.load(Ordering::SeqCst);
                if kill > 0 && !(number + kill).is_multiple_of(8) {
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
            "hang" => {
                self.gate.notified().await;
                Err(Refusal::unreachable("it took too long"))
            }
            _ => Ok(()),
        }
    }

    async fn ask(&self, _: &Ask) -> Result<Answer, Refusal> {
        Err(Refusal::unreachable("there are no scripts here"))
    }
}

struct Office {
    store: Arc<MemoryStore>,
    clock: TestClock,
    world: Arc<World>,
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

    /// As a process that is killed: whatever it is at is not gone on with.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl Office {
    fn new() -> Self {
        let clock = TestClock::at(testing::noon());
        Self { store: Arc::new(MemoryStore::new()), clock, world: Arc::default() }
    }

    fn work(&self, can_call: bool) -> Working {
        let stop = CancellationToken::new();
        let notifier = Notifier {
            outbox: self.store.clone(),
            jobs: self.store.clone(),
            access: self.store.clone(),
            clock: Arc::new(self.clock.clone()),
            mailer: None,
            caller: can_call.then(|| self.world.clone() as Arc<dyn Caller>),
            receivers: Arc::default(),
            scripts: None,
            views: Arc::default(),
            timings: Timings {
                notice_poll: Duration::from_millis(10),
                callback_retries: Retries {
                    pause: Duration::from_secs(PAUSE_SECS.unsigned_abs()),
                    ..Timings::default().callback_retries
                },
                ..Timings::default()
            },
        };
        Working { task: tokio::spawn(notifier.run(stop.clone())), stop }
    }

    /// An export that has just failed, with a callback for each URL.
    async fn end(&self, urls: &[&str]) -> Export {
        let now = self.clock.now();
        let mut export = testing::export("acme", now);
        export.policy.active_max = None;
        let notice = |url: &&str| Notice::Callback {
            method: CallbackMethod::Post,
            url: (*url).to_owned(),
            words: StateWords::new("Completed", "Not done"),
            body: CallbackBody::Json,
        };
        export.spec.notices = urls.iter().map(notice).collect();
        let new = NewExport { export, idempotency: None };
        self.store.insert(new).await.expect("memory answers");
        let (holder, ttl) = (Incarnation::random(), TimeDelta::seconds(15));
        let leased = self.store.lease(&LeaseAsk { holder, most: 1, ttl, now }).await;
        let export = leased.expect("memory answers").remove(0);
        let token = export.lease.clone().expect("it runs").token;
        let key = LeaseKey { export: export.id, token };
        let outcome = Outcome::Failed(Failure::new("x", "it could not be done"));
        let ended = self.store.finish(&key, outcome, now).await.expect("memory answers");
        ended.expect("the lease is held")
    }

    async fn messages(&self, export: &Export) -> Vec<Message> {
        self.store.messages(&export.tenant, export.id).await.expect("memory answers")
    }

    /// Waits until the export's messages are as wished.
    async fn until(&self, export: &Export, wish: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let begun = Instant::now();
        loop {
            let messages = self.messages(export).await;
            if wish(&messages) {
                return messages;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "stuck: {messages:#?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn sent(messages: &[Message]) -> bool {
    messages.iter().all(|message| message.state == MessageState::Sent)
}

async fn a_receiver_is_asked_until_it_takes_it_or_says_never() {
    let office = Office::new();
    // A host each: one that cannot be reached is not asked for others either for a while.
    let urls = ["busy", "gone", "lost", "ok"]
        .map(|word| format!("https://{word}.example/{word}/{{export}}?s={{state}}"));
    let export = office.end(&urls.each_ref().map(String::as_str)).await;
    let working = office.work(true);
    for attempt in 1..=4 {
        let due = office.clock.now() + TimeDelta::seconds(PAUSE_SECS << (attempt - 1));
        let busy = if attempt == 4 { MessageState::Sent } else { MessageState::Waiting };
        let expected = [busy, MessageState::GivenUp, MessageState::Waiting, MessageState::Sent];
        let arrived = |messages: &[Message]| {
            let mut waiting = messages.iter().filter(|m| m.state == MessageState::Waiting);
            messages.iter().map(|m| m.state).eq(expected) && waiting.all(|m| m.due_at == due)
        };
        let messages = office.until(&export, arrived).await;
        assert_eq!(messages[2].attempts, attempt);
        assert_eq!(messages[2].last_error.as_deref(), Some(UNREACHABLE));
        office.clock.set(due);
    }
    let messages = office.messages(&export).await;
    assert_eq!(messages[1].last_error.as_deref(), Some("the receiver answered 410"));
    // A day later its last attempt is its last.
    office.clock.set(export.updated_at + TimeDelta::hours(24));
    office.until(&export, |m| m[2].state == MessageState::GivenUp).await;
    working.end().await;

    let calls = office.world.calls("/busy/");
    assert_eq!(calls.len(), 4);
    assert_eq!((office.world.calls("/gone/").len(), office.world.calls("/ok/").len()), (1, 1));
    for call in &calls {
        assert_eq!(call.url, format!("https://busy.example/busy/{}?s=Not%20done", export.id));
        assert_eq!((call.id, &call.body), (messages[0].id, &calls[0].body));
    }
    let body = calls[0].body.clone().expect("it has one");
    assert_eq!(body.media_type, "application/json");
    let id = export.id.to_string();
    let said: serde_json::Value = serde_json::from_str(&body.text).expect("JSON");
    let expected = serde_json::json!({
        "type": "export.failed",
        "timestamp": "2026-05-01T12:00:00.000Z",
        "data": {"id": id, "state": "Not done", "label": export.spec.label,
            "reason": {"code": "x", "message": "it could not be done"}},
    });
    assert_eq!(said["data"], expected["data"]);
    assert_eq!(said["type"], expected["type"]);
}

async fn a_receiver_that_wants_a_pause_gets_it() {
    let office = Office::new();
    let export = office.end(&["https://a.example/pause", "https://b.example/greedy"]).await;
    let working = office.work(true);
    let begun = office.clock.now();
    let tried = |messages: &[Message]| messages.iter().all(|m| m.last_error.is_some());
    let messages = office.until(&export, tried).await;
    let pauses: Vec<_> = messages.iter().map(|m| (m.due_at - begun).num_seconds()).collect();
    assert_eq!(pauses, [400, 3_600], "what was asked for, and no more than the longest pause");
    office.clock.set(begun + TimeDelta::seconds(3_600));
    office.until(&export, sent).await;
    working.end().await;
}

/// The figure is that of the promise, with notifiers that are dropped in their midst in place of
/// processes: what they leave is what the store and the receivers know.
async fn a_hundred_callbacks_survive_twenty_kills() {
    let office = Office::new();
    let mut exports = Vec::new();
    for number in 0..50 {
        let urls = [0, 1].map(|n| format!("https://h{n}.example/some?n={}", number * 2 + n));
        exports.push(office.end(&urls.each_ref().map(String::as_str)).await);
    }
    let mut all = Vec::new();
    for export in &exports {
        all.extend(office.messages(export).await);
    }
    assert_eq!(all.len(), 100);
    for kill in 1..=20 {
        office.world.kill.store(kill, Ordering::SeqCst);
        let so_many = office.world.count() + limits::CALLBACKS_AT_ONCE;
        let working = office.work(true);
        let begun = Instant::now();
        while office.world.count() < so_many && begun.elapsed() < Duration::from_millis(200) {
            tokio::task::yield_now().await;
        }
        working.kill().await;
        // Leases and the first pauses are over.
        office.clock.advance(TimeDelta::seconds(60));
    }
    office.world.kill.store(0, Ordering::SeqCst);
    let working = office.work(true);
    for export in &exports {
        let begun = Instant::now();
        while !sent(&office.messages(export).await) {
            office.clock.advance(TimeDelta::seconds(30));
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{:#?}",
                office.messages(export).await
            );
        }
    }
    working.end().await;
    let mut doubles = 0;
    for message in &all {
        let url = message.kind.to();
        let calls = office.world.calls(url);
        let calls: Vec<_> = calls.iter().filter(|call| call.url == url).collect();
        let ids: BTreeSet<_> = calls.iter().map(|call| call.id.to_string()).collect();
        assert_eq!(ids, BTreeSet::from([message.id.to_string()]), "{url}");
        let refused = url.rsplit('=').next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0) % 3;
        assert!(calls.len() > refused, "{url}: it was never taken");
        doubles += calls.len() - refused - 1;
        assert!(calls.iter().all(|call| call.body == calls[0].body), "{url}");
    }
    for export in &exports {
        let found = office.store.get(&export.tenant, export.id).await.expect("memory answers");
        let found = found.expect("it is there");
        assert_eq!((found.state, found.updated_at), (State::Failed, export.updated_at));
    }
    assert!(doubles > 50, "only {doubles} were killed on the way");
    println!("100 callbacks over 20 kills: all taken, {doubles} doubles, each under one id");
}

async fn a_host_that_hangs_holds_up_no_other() {
    let office = Office::new();
    let mut hanging = Vec::new();
    for number in 0..20 {
        let urls: Vec<String> =
            (0..10).map(|n| format!("https://hang.example/hang?n={number}-{n}")).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        hanging.push(office.end(&urls).await);
    }
    let working = office.work(true);
    let at_once = limits::CALLBACKS_AT_ONCE;
    let begun = Instant::now();
    while office.world.calls("/hang").len() < at_once {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", office.world.count());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // The first have hung for as long as they may.
    office.world.gate.notify_waiters();
    let good = office.end(&["https://well.example/ok"]).await;
    office.until(&good, sent).await;
    // All others are put off, but for one at a time that finds out how it is.
    for export in &hanging {
        let seen =
            |messages: &[Message]| messages.iter().filter(|m| m.last_error.is_none()).count() <= 1;
        office.until(export, seen).await;
    }
    let visits = office.world.calls("/hang").len();
    assert!(visits <= at_once + 1, "{visits} visits");
    office.world.gate.notify_waiters();
    working.kill().await;
}

async fn without_a_way_for_callbacks_they_wait_and_are_given_up_in_the_end() {
    let office = Office::new();
    let export = office.end(&["https://example.com/ok"]).await;
    let working = office.work(false);
    let messages = office.until(&export, |messages| messages[0].last_error.is_some()).await;
    assert_eq!(messages[0].state, MessageState::Waiting);
    office.clock.set(export.updated_at + TimeDelta::hours(24));
    let messages = office.until(&export, |m| m[0].state == MessageState::GivenUp).await;
    assert!(messages[0].last_error.as_deref().is_some_and(|text| text.contains("no callbacks")));
    working.end().await;
}
