//! Messages that tell of exports' ends: made with the end, taken, sent, given up, dropped.

use chrono::TimeDelta;
use outhaul_exports::export::{Export, Outcome, State};
use outhaul_exports::lease::LeaseKey;
use outhaul_exports::limits;
use outhaul_exports::notice::{Message, MessageKind, MessageState, ScriptLine, ScriptReport};
use outhaul_exports::ports::TakeMessages;
use outhaul_exports::spec::Notice;

use crate::samples::*;

cases! {
    an_end_that_is_told_makes_a_message_for_each_address,
    completing_twice_with_one_manifest_tells_once,
    a_rescue_that_ends_an_export_tells,
    a_message_is_taken_by_one,
    a_message_whose_holder_dies_is_taken_again_after_its_lease,
    a_holder_that_comes_back_too_late_changes_nothing,
    a_failed_attempt_waits_for_its_time_or_is_given_up,
    what_a_script_left_is_kept_with_its_end,
    the_longest_due_comes_first,
    a_retry_drops_what_waits_and_tells_again,
    expired_files_drop_what_waits_and_keep_what_was_sent,
    messages_go_with_their_export,
    messages_are_their_tenants_alone,
}

const URL: &str = "https://exports.example.com/api/v1/links/{link}";

fn notices(to: &[&str]) -> Vec<Notice> {
    let to = to.iter().map(|to| (*to).to_owned()).collect();
    vec![Notice::Mail { to, file_url: URL.to_owned() }]
}

fn ask(most: u32, seconds: i64) -> TakeMessages {
    TakeMessages { kind: MessageKind::MAIL, most, ttl: TimeDelta::seconds(20), now: at(seconds) }
}

async fn take(stores: &Stores, most: u32, seconds: i64) -> Vec<Message> {
    stores.outbox.take(&ask(most, seconds)).await.expect("the store answers")
}

async fn messages(stores: &Stores, export: &Export) -> Vec<Message> {
    let found = stores.outbox.messages(&export.tenant, export.id).await;
    found.expect("the store answers")
}

fn to(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.kind.to()).collect()
}

/// A running export that tells these addresses.
async fn start(stores: &Stores, tenant: &str, who: &[&str]) -> anyhow::Result<(Export, LeaseKey)> {
    let mut export = free(tenant, 0);
    export.spec.notices = notices(who);
    let export = put(stores, export).await?;
    let (running, key) = lease_one(stores, 1).await;
    assert_eq!(running.id, export.id);
    Ok((running, key))
}

/// One that has completed at second 2.
async fn complete(stores: &Stores, tenant: &str, who: &[&str]) -> anyhow::Result<Export> {
    let (export, key) = start(stores, tenant, who).await?;
    let done = stores.jobs.finish(&key, completed(&export, &key), at(2)).await?;
    Ok(done.expect("it is held"))
}

async fn an_end_that_is_told_makes_a_message_for_each_address(
    stores: Stores,
) -> anyhow::Result<()> {
    let mut changes = stores.jobs.changes();
    for (outcome, told) in [
        (None, true),
        (Some(failed()), true),
        (Some(Outcome::Cancelled), false),
        (Some(retry()), false),
        (Some(Outcome::Released), false),
    ] {
        let (export, key) = start(&stores, "acme", &["a@x.org", "b@x.org"]).await?;
        assert!(messages(&stores, &export).await.is_empty(), "it has not ended");
        changes.mark_unchanged();
        let outcome = outcome.unwrap_or_else(|| completed(&export, &key));
        let ended = stores.jobs.finish(&key, outcome, at(2)).await?.expect("it is held");
        assert!(changes.has_changed()?, "whoever sends them is woken");
        let found = messages(&stores, &ended).await;
        assert_eq!(to(&found), if told { vec!["a@x.org", "b@x.org"] } else { vec![] });
        for message in &found {
            let kind = MessageKind::Mail { to: message.kind.to().into(), file_url: URL.into() };
            let expected = Message {
                id: message.id,
                export: export.id,
                tenant: tenant("acme"),
                kind,
                created_at: at(2),
                due_at: at(2),
                attempts: 0,
                state: MessageState::Waiting,
                last_error: None,
                ended_at: None,
                report: None,
            };
            assert_eq!(*message, expected);
        }
        stores.jobs.change(&ended.tenant, ended.id, Box::new(|e| e.cancel(at(3)))).await.ok();
    }
    assert_eq!(take(&stores, 100, 2).await.len(), 4);
    // Nobody is to be told.
    let quiet = complete(&stores, "acme", &[]).await?;
    assert!(messages(&stores, &quiet).await.is_empty());
    Ok(())
}

async fn completing_twice_with_one_manifest_tells_once(stores: Stores) -> anyhow::Result<()> {
    let (export, key) = start(&stores, "acme", &["a@x.org"]).await?;
    let outcome = completed(&export, &key);
    for _ in 0..2 {
        assert!(stores.jobs.finish(&key, outcome.clone(), at(2)).await?.is_some());
    }
    assert_eq!(messages(&stores, &export).await.len(), 1);
    Ok(())
}

async fn a_rescue_that_ends_an_export_tells(stores: Stores) -> anyhow::Result<()> {
    let mut export = free("acme", 0);
    export.spec.notices = notices(&["a@x.org"]);
    export.tally.rescues = limits::RESCUES_MAX - 1;
    let export = put(&stores, export).await?;
    lease_one(&stores, 1).await;
    assert_eq!(stores.jobs.rescue(at(99), &[]).await?, 1);
    let ended = stores.jobs.get(&export.tenant, export.id).await?.expect("it is there");
    assert_eq!(ended.state, State::Failed);
    assert_eq!(to(&messages(&stores, &ended).await), ["a@x.org"]);
    Ok(())
}

async fn a_message_is_taken_by_one(stores: Stores) -> anyhow::Result<()> {
    let who: Vec<String> = (0..60).map(|n| format!("n{n}@x.org")).collect();
    let who: Vec<&str> = who.iter().map(String::as_str).collect();
    complete(&stores, "acme", &who).await?;
    assert!(take(&stores, 10, 1).await.is_empty(), "before they are due");
    let other = TakeMessages { kind: "carrier pigeon", ..ask(10, 9) };
    assert!(stores.outbox.take(&other).await?.is_empty(), "of another kind");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let stores = stores.clone();
        tasks.spawn(async move { take(&stores, 5, 2).await });
    }
    let taken: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(taken.iter().all(|m| m.attempts == 1 && m.due_at == at(22)));
    let ids: std::collections::HashSet<_> = taken.iter().map(|message| message.id).collect();
    assert_eq!((taken.len(), ids.len()), (60, 60));
    Ok(())
}

async fn a_message_whose_holder_dies_is_taken_again_after_its_lease(
    stores: Stores,
) -> anyhow::Result<()> {
    let export = complete(&stores, "acme", &["a@x.org"]).await?;
    let first = take(&stores, 9, 2).await.pop().expect("it is due");
    // Its holder is never heard of again.
    assert!(take(&stores, 9, 21).await.is_empty(), "it is somebody's");
    let second = take(&stores, 9, 22).await.pop().expect("its lease is over");
    assert_eq!((second.id, second.attempts), (first.id, 2));
    assert!(stores.outbox.sent(&second, at(23)).await?);
    let found = messages(&stores, &export).await;
    assert_eq!((found.len(), found[0].state), (1, MessageState::Sent));
    assert_eq!(found[0].ended_at, Some(at(23)));
    assert!(take(&stores, 9, 9_999).await.is_empty(), "it was sent");
    Ok(())
}

async fn a_holder_that_comes_back_too_late_changes_nothing(stores: Stores) -> anyhow::Result<()> {
    let export = complete(&stores, "acme", &["a@x.org"]).await?;
    let late = take(&stores, 9, 2).await.pop().expect("it is due");
    let held = take(&stores, 9, 22).await.pop().expect("its lease is over");
    assert!(!stores.outbox.failed(&late, "too late", None, at(23)).await?);
    assert_eq!(messages(&stores, &export).await, std::slice::from_ref(&held));
    // That it was taken is true, whoever says so; a failure after it is not.
    assert!(stores.outbox.sent(&late, at(24)).await?);
    assert!(!stores.outbox.failed(&held, "refused", Some(at(90)), at(25)).await?);
    assert!(!stores.outbox.sent(&held, at(25)).await?);
    assert_eq!(messages(&stores, &export).await[0].ended_at, Some(at(24)));
    Ok(())
}

async fn a_failed_attempt_waits_for_its_time_or_is_given_up(stores: Stores) -> anyhow::Result<()> {
    let export = complete(&stores, "acme", &["a@x.org"]).await?;
    let message = take(&stores, 9, 2).await.pop().expect("it is due");
    let long = "x".repeat(5_000);
    assert!(stores.outbox.failed(&message, &long, Some(at(40)), at(3)).await?);
    let found = messages(&stores, &export).await.remove(0);
    assert_eq!((found.state, found.due_at), (MessageState::Waiting, at(40)));
    let kept = found.last_error.map(|text| text.len());
    assert_eq!(kept, Some(limits::NOTICE_ERROR_CHARS_MAX));
    assert!(take(&stores, 9, 39).await.is_empty());
    let message = take(&stores, 9, 40).await.pop().expect("it is due again");
    assert_eq!(message.attempts, 2);
    assert!(stores.outbox.failed(&message, "550 no such user", None, at(41)).await?);
    let found = messages(&stores, &export).await.remove(0);
    assert_eq!((found.state, found.ended_at), (MessageState::GivenUp, Some(at(41))));
    assert_eq!(found.last_error.as_deref(), Some("550 no such user"));
    assert!(take(&stores, 9, 9_999).await.is_empty(), "it was given up");
    Ok(())
}

async fn what_a_script_left_is_kept_with_its_end(stores: Stores) -> anyhow::Result<()> {
    let mut export = free("acme", 0);
    let source = "return '\u{e4}\n\0';".to_owned();
    export.spec.notices = vec![Notice::Script { source: source.clone() }];
    let export = put(&stores, export).await?;
    let (_, key) = lease_one(&stores, 1).await;
    stores.jobs.finish(&key, completed(&export, &key), at(2)).await?;
    assert!(take(&stores, 9, 2).await.is_empty(), "no mail");
    let ask = |seconds| TakeMessages { kind: MessageKind::SCRIPT, ..ask(9, seconds) };
    let mut message = stores.outbox.take(&ask(2)).await?.pop().expect("it is due");
    assert_eq!((&message.kind, &message.report), (&MessageKind::Script { source }, &None));

    let line = |text: &str| ScriptLine { level: "info".into(), text: text.into() };
    let first = ScriptReport { logs: vec![line("begun")], ..ScriptReport::default() };
    message.report = Some(first.clone());
    stores.outbox.failed(&message, "again", Some(at(30)), at(3)).await?;
    let found = messages(&stores, &export).await.remove(0);
    assert_eq!((found.state, found.report), (MessageState::Waiting, Some(first)));

    let mut message = stores.outbox.take(&ask(30)).await?.pop().expect("it is due again");
    let last = ScriptReport {
        result: Some("{\"a\":1}".into()),
        logs: vec![line("done"), line("\u{e4}")],
        logs_cut: true,
        calls: 3,
        took_ms: 1_234,
    };
    message.report = Some(last.clone());
    assert!(stores.outbox.sent(&message, at(31)).await?);
    let found = messages(&stores, &export).await.remove(0);
    assert_eq!((found.state, found.report), (MessageState::Sent, Some(last)));
    Ok(())
}

async fn the_longest_due_comes_first(stores: Stores) -> anyhow::Result<()> {
    complete(&stores, "acme", &["a@x.org", "b@x.org", "c@x.org"]).await?;
    let first = take(&stores, 1, 2).await;
    assert_eq!(to(&first), ["a@x.org"]);
    stores.outbox.failed(&first[0], "busy", Some(at(10)), at(3)).await?;
    assert_eq!(to(&take(&stores, 9, 10).await), ["b@x.org", "c@x.org", "a@x.org"]);
    Ok(())
}

async fn a_retry_drops_what_waits_and_tells_again(stores: Stores) -> anyhow::Result<()> {
    let (export, key) = start(&stores, "acme", &["a@x.org", "b@x.org"]).await?;
    stores.jobs.finish(&key, failed(), at(2)).await?;
    let first = take(&stores, 1, 2).await.pop().expect("it is due");
    stores.outbox.sent(&first, at(3)).await?;
    let held = take(&stores, 1, 3).await.pop().expect("it is due");
    stores.jobs.change(&export.tenant, export.id, Box::new(|e| e.retry(at(4)))).await?;
    assert_eq!(to(&messages(&stores, &export).await), ["a@x.org"], "one was sent already");
    assert!(!stores.outbox.sent(&held, at(5)).await?, "it was dropped in its holder's hands");
    let (export, key) = lease_one(&stores, 6).await;
    stores.jobs.finish(&key, completed(&export, &key), at(7)).await?;
    let found = messages(&stores, &export).await;
    assert_eq!(to(&found), ["a@x.org", "a@x.org", "b@x.org"]);
    assert!(found[1].id != first.id && found[1].created_at == at(7));
    Ok(())
}

async fn expired_files_drop_what_waits_and_keep_what_was_sent(
    stores: Stores,
) -> anyhow::Result<()> {
    let export = complete(&stores, "acme", &["a@x.org", "b@x.org"]).await?;
    let first = take(&stores, 1, 2).await.pop().expect("it is due");
    stores.outbox.sent(&first, at(3)).await?;
    stores.jobs.expire(export.files_expire_at.expect("it is completed"), 10).await?;
    assert_eq!(to(&messages(&stores, &export).await), ["a@x.org"]);
    Ok(())
}

async fn messages_go_with_their_export(stores: Stores) -> anyhow::Result<()> {
    let removed = complete(&stores, "acme", &["a@x.org"]).await?;
    let purged = complete(&stores, "acme", &["b@x.org"]).await?;
    stores.jobs.remove(&removed.tenant, removed.id, at(3)).await?;
    assert!(messages(&stores, &removed).await.is_empty());
    assert_eq!(to(&messages(&stores, &purged).await), ["b@x.org"]);
    stores.jobs.purge(purged.record_expires_at, 10).await?;
    assert!(messages(&stores, &purged).await.is_empty());
    assert!(take(&stores, 9, 9_999).await.is_empty());
    Ok(())
}

async fn messages_are_their_tenants_alone(stores: Stores) -> anyhow::Result<()> {
    let export = complete(&stores, "acme", &["a@x.org"]).await?;
    assert!(stores.outbox.messages(&tenant("globex"), export.id).await?.is_empty());
    Ok(())
}
