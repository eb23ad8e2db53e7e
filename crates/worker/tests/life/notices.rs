//! Messages that tell of exports' ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use outhaul_delivery::mail::{Mail, Mailer, Refusal};
use outhaul_exports::export::{Export, Failure, Outcome, Progress};
use outhaul_exports::lease::{Incarnation, LeaseKey};
use outhaul_exports::manifest::{Artifact, Manifest, SnapshotNote};
use outhaul_exports::notice::{Message, MessageState};
use outhaul_exports::ports::{AccessStore, JobStore, LeaseAsk, NewExport, Outbox};
use outhaul_exports::spec::Notice;
use outhaul_exports::testing::{self, MemoryStore, TestClock};
use outhaul_exports::{ArtifactId, Clock, access, limits};
use outhaul_worker::{Notifier, Timings};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

crate::cases![
    what_is_refused_for_now_is_tried_again_and_what_is_refused_for_good_is_not,
    a_slow_receiver_holds_up_no_other,
    what_is_in_hand_at_the_end_is_sent_after_the_next_start,
    a_mail_lists_fifty_files_with_links_that_open_them,
    without_a_way_for_mails_they_wait_and_are_given_up_in_the_end,
];

/// Takes mails, or not, by the name of the receiver.
#[derive(Default)]
struct Post {
    taken: Mutex<Vec<Mail>>,
    asked: Mutex<HashMap<String, u32>>,
    /// Lets those be answered that wait.
    gate: Notify,
}

impl Post {
    fn asked(&self, name: &str) -> u32 {
        self.asked.lock().expect("nobody panics").get(name).copied().unwrap_or(0)
    }

    fn taken(&self) -> Vec<Mail> {
        self.taken.lock().expect("nobody panics").clone()
    }
}

#[async_trait]
impl Mailer for Post {
    async fn send(&self, mail: &Mail) -> Result<(), Refusal> {
        let name = mail.to.split('@').next().unwrap_or_default().to_owned();
        let count = {
            let mut asked = self.asked.lock().expect("nobody panics");
            let count = asked.entry(name.clone()).or_default();
            *count += 1;
            *count
        };
        let refuse = |is_final| Refusal { is_final, public: "no".into(), internal: "no".into() };
        match name.as_str() {
            "busy" if count <= 3 => return Err(refuse(false)),
            "away" => return Err(refuse(false)),
            "never" => return Err(refuse(true)),
            name if name.starts_with("slow") => self.gate.notified().await,
            _ => {}
        }
        self.taken.lock().expect("nobody panics").push(mail.clone());
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
}

impl Office {
    fn new() -> Self {
        let clock = TestClock::at(testing::noon());
        Self { store: Arc::new(MemoryStore::new()), clock, post: Arc::default() }
    }

    fn work(&self, has_mail: bool) -> Working {
        let stop = CancellationToken::new();
        let notifier = Notifier {
            outbox: self.store.clone(),
            jobs: self.store.clone(),
            access: self.store.clone(),
            clock: Arc::new(self.clock.clone()),
            mailer: has_mail.then(|| self.post.clone() as Arc<dyn Mailer>),
            caller: None,
            receivers: Arc::default(),
            scripts: None,
            views: Arc::default(),
            timings: Timings { notice_poll: Duration::from_millis(10), ..Timings::default() },
        };
        Working { task: tokio::spawn(notifier.run(stop.clone())), stop }
    }

    /// An export that has just ended, with so many files, or failed without any.
    async fn end(&self, to: &[&str], files: usize) -> Export {
        let now = self.clock.now();
        let mut export = testing::export("acme", now);
        export.policy.active_max = None;
        let to = to.iter().map(|name| format!("{name}@example.com")).collect();
        let file_url = "https://exports.example.com/{link}/{file}".to_owned();
        export.spec.notices = vec![Notice::Mail { to, file_url }];
        let new = NewExport { export, idempotency: None };
        self.store.insert(new).await.expect("memory answers");
        let (holder, ttl) = (Incarnation::random(), TimeDelta::seconds(15));
        let leased = self.store.lease(&LeaseAsk { holder, most: 1, ttl, now }).await;
        let export = leased.expect("memory answers").remove(0);
        let token = export.lease.clone().expect("it runs").token;
        let key = LeaseKey { export: export.id, token };
        let outcome = match files {
            0 => Outcome::Failed(Failure::new("x", "it could not be done")),
            count => completed(count, now),
        };
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
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub fn completed(files: usize, now: DateTime<Utc>) -> Outcome {
    let artifact = |n| Artifact {
        id: ArtifactId::random(),
        query: 0,
        part: None,
        key: format!("key{n}"),
        file_name: format!("part {n}.csv"),
        media_type: "text/csv".to_owned(),
        text: true,
        rows: 1,
        bytes: 1,
        sha256: String::new(),
        block_crc32: Vec::new(),
        columns: Vec::new(),
    };
    let snapshot =
        SnapshotNote { taken_at: now, guarantee: "one moment".into(), sources: Vec::new() };
    let manifest =
        Manifest { snapshot, artifacts: (0..files).map(artifact).collect(), marks: Vec::new() };
    Outcome::Completed { manifest, warnings: Vec::new(), progress: Progress::default() }
}

async fn what_is_refused_for_now_is_tried_again_and_what_is_refused_for_good_is_not() {
    let office = Office::new();
    let export = office.end(&["ann", "busy", "never", "away"], 0).await;
    let working = office.work(true);
    for attempt in 1..=4 {
        // In hand they are due when the lease is over, which is none of the pauses.
        let due = office.clock.now() + TimeDelta::seconds(30 << (attempt - 1));
        let busy = if attempt == 4 { MessageState::Sent } else { MessageState::Waiting };
        let expected = [MessageState::Sent, busy, MessageState::GivenUp, MessageState::Waiting];
        let arrived = |messages: &[Message]| {
            let waiting = messages.iter().filter(|m| m.state == MessageState::Waiting);
            messages.iter().map(|m| m.state).eq(expected)
                && waiting.clone().all(|m| m.due_at == due)
        };
        let messages = office.until(&export, arrived).await;
        assert_eq!(messages[3].attempts, attempt);
        // Not before its time.
        office.clock.set(due - TimeDelta::seconds(1));
        let asked = office.post.asked("away");
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(office.post.asked("away"), asked);
        office.clock.set(due);
    }
    // A day later its last attempt is its last.
    office.clock.set(export.updated_at + TimeDelta::hours(24));
    let messages = office.until(&export, |m| m[3].state == MessageState::GivenUp).await;
    assert_eq!(messages[3].last_error.as_deref(), Some("no"));
    assert_eq!((office.post.asked("ann"), office.post.asked("never")), (1, 1));
    let mail = office.post.taken().remove(0);
    assert!(mail.plain.contains("it could not be done"), "{}", mail.plain);
    working.end().await;
}

async fn a_slow_receiver_holds_up_no_other() {
    let office = Office::new();
    let slow: Vec<String> = (1..limits::NOTICES_AT_ONCE).map(|n| format!("slow{n}")).collect();
    let slow: Vec<&str> = slow.iter().map(String::as_str).collect();
    let first = office.end(&slow, 1).await;
    let quick: Vec<String> = (0..40).map(|n| format!("n{n}")).collect();
    let quick: Vec<&str> = quick.iter().map(String::as_str).collect();
    let second = office.end(&quick, 1).await;
    let working = office.work(true);
    let sent = |messages: &[Message]| messages.iter().all(|m| m.state == MessageState::Sent);
    office.until(&second, sent).await;
    let waiting = office.messages(&first).await;
    assert!(waiting.iter().all(|m| m.state == MessageState::Waiting && m.attempts == 1));
    // Another export that ends wakes it at once.
    let third = office.end(&["ann"], 1).await;
    office.until(&third, sent).await;
    office.post.gate.notify_waiters();
    office.until(&first, sent).await;
    working.end().await;
}

async fn what_is_in_hand_at_the_end_is_sent_after_the_next_start() {
    let office = Office::new();
    let export = office.end(&["slow"], 1).await;
    let working = office.work(true);
    office.until(&export, |_| office.post.asked("slow") == 1).await;
    let begun = Instant::now();
    working.end().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "it does not wait for ever");
    let left = office.messages(&export).await.remove(0);
    assert_eq!((left.state, left.attempts), (MessageState::Waiting, 1));
    let working = office.work(true);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(office.post.asked("slow"), 1, "it may be in somebody's hands");
    office.clock.set(left.due_at);
    office.until(&export, |_| office.post.asked("slow") == 2).await;
    office.post.gate.notify_waiters();
    office.until(&export, |messages| messages[0].state == MessageState::Sent).await;
    let taken = office.post.taken();
    assert_eq!((taken.len(), taken[0].id), (1, left.id));
    working.end().await;
}

async fn a_mail_lists_fifty_files_with_links_that_open_them() {
    let office = Office::new();
    let export = office.end(&["ann"], limits::NOTICE_FILES_MAX + 2).await;
    let working = office.work(true);
    office.until(&export, |messages| messages[0].state == MessageState::Sent).await;
    working.end().await;
    let mail = office.post.taken().remove(0);
    let links: Vec<_> = mail.plain.lines().filter(|line| line.starts_with("https://")).collect();
    assert_eq!(links.len(), limits::NOTICE_FILES_MAX);
    let artifacts = export.manifest.clone().expect("it is completed").artifacts;
    for (n, (link, artifact)) in links.iter().zip(&artifacts).enumerate() {
        let token = link.strip_prefix("https://exports.example.com/").expect("the pattern");
        let (token, name) = token.split_once('/').expect("the pattern");
        assert_eq!(name, format!("part%20{n}.csv"));
        let found = office.store.link(&access::sha256_hex(token)).await.expect("memory answers");
        let found = found.expect("the link is known");
        assert_eq!((found.artifact, Some(found.expires_at)), (artifact.id, export.files_expire_at));
    }
    assert!(mail.plain.contains("2 more files are not listed here"), "{}", mail.plain);
}

async fn without_a_way_for_mails_they_wait_and_are_given_up_in_the_end() {
    let office = Office::new();
    let export = office.end(&["ann"], 1).await;
    let working = office.work(false);
    let messages = office.until(&export, |messages| messages[0].last_error.is_some()).await;
    assert_eq!(messages[0].state, MessageState::Waiting);
    office.clock.set(export.updated_at + TimeDelta::hours(24));
    let messages = office.until(&export, |m| m[0].state == MessageState::GivenUp).await;
    assert!(messages[0].last_error.as_deref().is_some_and(|text| text.contains("no mail")));
    working.end().await;
}
