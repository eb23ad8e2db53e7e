//! Who is told, by which message, and how often that is tried.

use chrono::TimeDelta;

use super::*;
use crate::export::{Failure, Outcome};
use crate::lease::Incarnation;
use crate::spec::StateWords;
use crate::testing;

fn mail(to: &[&str]) -> Notice {
    let file_url = "https://exports.example.com/{link}".to_owned();
    Notice::Mail { to: to.iter().map(|to| (*to).to_owned()).collect(), file_url }
}

fn failed(notices: Vec<Notice>) -> Export {
    let now = testing::noon();
    let mut export = testing::export("acme", now);
    export.spec.notices = notices;
    export.start(&Incarnation::random(), now, TimeDelta::seconds(15)).expect("it is queued");
    export.finish(Outcome::Failed(Failure::new("x", "y")), now);
    export
}

#[test]
fn each_address_has_a_message_of_its_own() {
    let now = testing::noon();
    let export = failed(vec![mail(&["a@x.org", "b@x.org"]), mail(&["c@x.org"])]);
    let messages = of_end(&export, now);
    let to: Vec<_> = messages.iter().map(|message| message.kind.to()).collect();
    assert_eq!(to, ["a@x.org", "b@x.org", "c@x.org"]);
    assert!(messages.iter().all(|m| m.due_at == now && m.state == MessageState::Waiting));
    assert_ne!(messages[0].id, messages[1].id);
    let mut cancelled = export;
    cancelled.state = State::Cancelled;
    assert!(of_end(&cancelled, now).is_empty());
}

#[test]
fn pauses_double_up_to_an_hour_and_end_after_a_day() {
    let created = testing::noon();
    let mut message = of_end(&failed(vec![mail(&["a@x.org"])]), created).remove(0);
    let (mut now, mut pauses) = (created, Vec::new());
    loop {
        message.attempts += 1;
        let Some(next) = Retries::default().next_due(&message, now) else { break };
        pauses.push((next - now).num_seconds());
        now = next;
    }
    assert_eq!(pauses[..9], [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    let tried = (now - created).num_hours();
    assert!((22..=24).contains(&tried), "tried for {tried} hours");
    assert_eq!(pauses.len(), 29);
    message.attempts = limits::NOTICE_ATTEMPTS_MAX;
    assert_eq!(Retries::default().next_due(&message, created), None);
}

#[test]
fn addresses_are_plain_or_refused() {
    let longest = format!("{}@{}.example.com", "a".repeat(64), "b".repeat(63));
    let good = [
        "name@example.com",
        "first.last+tag@sub.example.co.uk",
        "o'brien@example.com",
        "a@localhost",
        "x@xn--bcher-kva.example",
        &longest,
    ];
    for address in good {
        assert!(check_address("to", address).is_ok(), "{address}");
    }
    let local = format!("{}@example.com", "a".repeat(65));
    let label = format!("a@{}.com", "b".repeat(64));
    let whole = format!("a@{}example.com", "b.".repeat(122));
    let cases = [
        ("", "no @"),
        ("name", "no @"),
        ("@example.com", "before its @"),
        ("name@", "domain name"),
        ("a..b@example.com", "before its @"),
        (".a@example.com", "before its @"),
        ("\"a b\"@example.com", "blank"),
        ("\"ab\"@example.com", "before its @"),
        ("a@b@example.com", "before its @"),
        ("Name <name@example.com>", "blank"),
        ("<name@example.com>", "before its @"),
        ("a,b@example.com", "before its @"),
        ("name@example.com\r\nBcc: x@example.com", "control character"),
        ("na\0me@example.com", "control character"),
        ("name@exam ple.com", "blank"),
        ("name@-example.com", "domain name"),
        ("name@example..com", "domain name"),
        ("name@[127.0.0.1]", "domain name"),
        ("n\u{e4}me@example.com", "ASCII"),
        ("name@b\u{fc}cher.example", "punycode"),
        (&local, "before its @"),
        (&label, "domain name"),
        (&whole, "too long"),
    ];
    for (address, part) in cases {
        let error = check_address("to", address).expect_err(address);
        assert!(error.public().contains(part), "{address}: {error}");
        assert_eq!(error.kind(), &ErrorKind::Invalid { field: "to".into() });
    }
}

#[test]
fn a_spec_is_checked_as_a_whole() {
    let mut spec = testing::export("acme", testing::noon()).spec;
    assert!(check(&spec, false, None, false).is_ok(), "nobody is told");
    spec.notices = vec![mail(&["a@x.org"])];
    assert!(check(&spec, true, None, false).is_ok());
    assert_eq!(check(&spec, false, None, false).expect_err("off").kind(), &ErrorKind::Unsupported);
    let many: Vec<String> = (0..101).map(|n| format!("n{n}@x.org")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    spec.notices = vec![mail(&many)];
    assert!(
        check(&spec, true, None, false).expect_err("too many").public().contains("at most 100")
    );
    spec.notices = vec![mail(&many[..100])];
    assert!(check(&spec, true, None, false).is_ok());
    for url in ["/files/{link}", "https://x.org/file", "https://x.org/{link}\n", "ftp://x/{link}"] {
        let to = vec!["a@x.org".to_owned()];
        spec.notices = vec![Notice::Mail { to, file_url: url.to_owned() }];
        assert!(check(&spec, true, None, false).is_err(), "{url}");
    }
}

fn callback(url: &str, method: CallbackMethod, body: CallbackBody) -> Notice {
    Notice::Callback {
        method,
        url: url.to_owned(),
        words: StateWords::new("All done", "Aborted"),
        body,
    }
}

#[test]
fn a_callback_says_what_came_of_the_export() {
    let url = "https://example.com/x?id={export}&s={state}";
    let get = callback(url, CallbackMethod::Get, CallbackBody::None);
    let post = callback(url, CallbackMethod::Post, CallbackBody::Json);
    let mut export = failed(vec![get, post]);
    let filled = |word: &str| format!("https://example.com/x?id={}&s={word}", export.id);
    let messages = of_end(&export, testing::noon());
    let [first, second] = messages.as_slice() else { panic!("{messages:?}") };
    let expected =
        MessageKind::Callback { method: CallbackMethod::Get, url: filled("Aborted"), body: None };
    assert_eq!(first.kind, expected);
    assert_eq!(
        (second.kind.to(), second.kind.place()),
        (&*filled("Aborted"), "example.com".into())
    );
    let MessageKind::Callback { body: Some(body), .. } = &second.kind else { panic!("no body") };
    let event: Value = serde_json::from_str(&body.text).expect("JSON");
    assert_eq!(event["type"], "export.failed");
    assert_eq!(event["timestamp"], testing::noon().to_rfc3339_opts(SecondsFormat::Millis, true));
    assert_eq!(event["data"]["reason"], json!({"code": "x", "message": "y"}));
    let done = filled("All%20done");
    export.state = State::Completed;
    assert_eq!(of_end(&export, testing::noon())[0].kind.to(), done);
    export.state = State::Cancelled;
    assert!(of_end(&export, testing::noon()).is_empty());
}

#[test]
fn a_dialects_own_body_is_sent_as_it_stands() {
    let body = CallbackBody::Own {
        completed: format!(r#"{{"done":true,"until":"{}"}}"#, callback::EXPIRY_PLACE),
        failed: r#"{"done":false}"#.to_owned(),
    };
    let own = callback("https://example.com/x", CallbackMethod::Post, body);
    let mut export = failed(vec![own]);
    let text = |export: &Export| match of_end(export, testing::noon()).remove(0).kind {
        MessageKind::Callback { body: Some(body), .. } => body.text,
        other => panic!("{other:?}"),
    };
    assert_eq!(text(&export), r#"{"done":false}"#);
    export.state = State::Completed;
    export.files_expire_at = DateTime::from_timestamp_millis(1_795_311_376_835);
    assert_eq!(text(&export), r#"{"done":true,"until":"1795311376835"}"#);
}

#[test]
fn callbacks_are_checked_with_their_export() {
    let rules = Rules::default();
    let good = || callback("https://x.org/{export}", CallbackMethod::Post, CallbackBody::Json);
    let mut spec = testing::export("acme", testing::noon()).spec;
    spec.notices = vec![good(); limits::NOTICE_CALLBACKS_MAX];
    assert!(check(&spec, false, Some(&rules), false).is_ok());
    let error = check(&spec, true, None, false).expect_err("none are sent");
    assert_eq!(error.kind(), &ErrorKind::Unsupported);
    spec.notices.push(good());
    assert!(
        check(&spec, true, Some(&rules), false).expect_err("many").public().contains("at most 10")
    );
    let mut wordless = good();
    let Notice::Callback { words, .. } = &mut wordless else { panic!("it is one") };
    words.failed.clear();
    let (get, post) = (CallbackMethod::Get, CallbackMethod::Post);
    for (bad, part) in [
        (callback("https://x.org/", get, CallbackBody::Json), "no body"),
        (callback("https://10.0.0.1/", post, CallbackBody::Json), "private"),
        (callback("https://{export}.org/", post, CallbackBody::None), "outside"),
        (wordless, "word"),
    ] {
        spec.notices = vec![bad];
        let error = check(&spec, true, Some(&rules), false).expect_err(part);
        assert!(error.public().contains(part), "{error}");
    }
}

#[test]
fn a_script_is_a_message_of_its_own_and_is_checked_with_its_export() {
    let script = |source: &str| Notice::Script { source: source.to_owned() };
    let export = failed(vec![mail(&["a@x.org"]), script("return 1")]);
    let messages = of_end(&export, testing::noon());
    let kind = MessageKind::Script { source: "return 1".to_owned() };
    assert_eq!(messages[1].kind, kind);
    assert_eq!((kind.name(), kind.to(), kind.place()), ("script", "", String::new()));
    assert!(MessageKind::NAMES.contains(&kind.name()), "it has a lane");

    let mut spec = export.spec;
    spec.notices = vec![script(&"\u{e4}".repeat(limits::SCRIPT_CHARS_MAX))];
    assert!(check(&spec, false, None, true).is_ok());
    let error = check(&spec, true, Some(&Rules::default()), false).expect_err("none are run");
    assert_eq!(error.kind(), &ErrorKind::Unsupported);
    let long = vec![script(&"x".repeat(limits::SCRIPT_CHARS_MAX + 1))];
    let two = vec![script("1"), script("2")];
    for (bad, part) in [(long, "has 50001 characters; it may have 50000"), (two, "one script")] {
        spec.notices = bad;
        let error = check(&spec, false, None, true).expect_err(part);
        assert!(error.public().contains(part), "{error}");
        assert_eq!(error.kind(), &ErrorKind::Invalid { field: "notices.script".into() });
    }
}

#[test]
fn a_wish_for_a_pause_is_heard_up_to_the_longest() {
    let now = testing::noon();
    let mut message = of_end(&failed(vec![mail(&["a@x.org"])]), now).remove(0);
    message.attempts = 2;
    let retries = Retries::default();
    for (wish, pause) in [(0, 60), (59, 60), (61, 61), (3_600, 3_600), (u64::MAX, 3_600)] {
        let next = retries.next_due_after(&message, now, Duration::from_secs(wish));
        assert_eq!(next.map(|next| (next - now).num_seconds()), Some(pause), "{wish}");
    }
}

#[test]
fn a_reason_is_one_short_line() {
    assert_eq!(short_error("550 no\r\nsuch user"), "550 no  such user");
    assert_eq!(short_error(&"x".repeat(5_000)).len(), limits::NOTICE_ERROR_CHARS_MAX);
}
