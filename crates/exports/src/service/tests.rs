//! The use cases over fakes.

mod sessions;

use std::time::Duration;

use super::{RequestKey, Submission};
use crate::password::Password;
use crate::ports::ListFilter;
use crate::query::Query;
use crate::spec::{ExportSpec, FormatChoice, Notice, Packing, QuerySpec};
use crate::testing::{World, export, noon, principal, tenant};
use crate::{ErrorKind, Result};

fn world() -> World {
    World::new("native", export("acme", noon()).policy, vec![tenant("acme")])
}

fn submission(body: &str) -> Submission {
    let query = Query::Sql { text: body.to_owned() };
    Submission {
        dialect: "native".into(),
        id: None,
        spec: ExportSpec {
            label: None,
            description: None,
            queries: vec![QuerySpec { name: None, query }],
            format: FormatChoice::plain("csv"),
            packing: Packing::None,
            row_numbers: None,
            documents: None,
            archive: None,
            split: None,
            sealing_key: None,
            encryption_key: None,
            password: None,
            notices: Vec::new(),
            session: None,
        },
        echo: serde_json::Value::Null,
        session: None,
        idempotency: Some(RequestKey::new("k", "POST /exports", body.as_bytes()).expect("a key")),
    }
}

#[tokio::test]
async fn a_repeated_request_is_answered_before_anything_is_checked() -> Result<()> {
    let world = world();
    let who = principal("acme");
    let first = world.exports.submit(&who, submission("select 1")).await?;
    assert_eq!(world.planner.asked().len(), 1);
    // By now the planner is away, and the same query would be refused.
    world.planner.set_away(true);
    let again = world.exports.submit(&who, submission("select 1")).await?;
    assert_eq!(again, first);
    let other = world.exports.submit(&who, submission("select 2")).await;
    assert_eq!(*other.expect_err("another request").kind(), ErrorKind::KeyReused);
    assert_eq!(world.planner.asked().len(), 1, "nothing was planned again");
    Ok(())
}

#[tokio::test]
async fn a_record_whose_time_is_over_is_neither_shown_nor_listed() -> Result<()> {
    let world = world();
    let who = principal("acme");
    world.exports.submit(&who, submission("select 1")).await?;
    let running = world.start_next().await.expect("one is queued");
    let done = world.complete(&running, &[("a.csv", "text/csv", b"id\n1\n")]).await;
    let filter = ListFilter {
        tenant: who.tenant.clone(),
        dialect: None,
        states: Vec::new(),
        session: None,
        label: None,
        before: None,
        kept_at: None,
        most: 10,
    };
    world.clock.set(done.record_expires_at - chrono::TimeDelta::seconds(1));
    assert_eq!(world.exports.list(&who, filter.clone()).await?.len(), 1);
    world.clock.set(done.record_expires_at);
    // The sweeper has not come by yet.
    assert!(world.exports.list(&who, filter).await?.is_empty());
    let shown = world.exports.get(&who, None, done.id).await;
    assert_eq!(*shown.expect_err("it is over").kind(), ErrorKind::NotFound);
    Ok(())
}

#[test]
fn idempotency_keys_are_printable_and_may_have_blanks_inside() {
    let long = "k".repeat(255);
    for good in ["k", "month end 2026-06", "~!\"#", long.as_str()] {
        assert!(RequestKey::new(good, "POST /exports", b"").is_ok(), "{good}");
    }
    let longer = "k".repeat(256);
    for bad in ["", " ", " k", "k ", "a\tb", "a\nb", "caf\u{e9}", longer.as_str()] {
        let error = RequestKey::new(bad, "POST /exports", b"").expect_err(bad);
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "Idempotency-Key".into() }, "{bad}");
    }
}

#[tokio::test]
async fn a_link_is_not_called_dead_because_the_store_is_away() -> Result<()> {
    let world = world();
    let who = principal("acme");
    world.exports.submit(&who, submission("select 1")).await?;
    let running = world.start_next().await.expect("one is queued");
    let done = world.complete(&running, &[("a.csv", "text/csv", b"id\n1\n")]).await;
    let file = done.manifest.as_ref().expect("it is completed").artifacts[0].id;
    let link = world.exports.issue_link(&who, file, Duration::from_secs(3_600)).await?;
    assert!(world.exports.follow_link(&link.token).await.is_ok());
    let kind = async || match world.exports.follow_link(&link.token).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.kind().clone(),
    };
    world.store.set_exports_away(true);
    assert_eq!(kind().await, ErrorKind::Unavailable);
    world.store.set_exports_away(false);
    assert!(world.exports.follow_link(&link.token).await.is_ok());
    world.exports.delete(&who, None, done.id).await?;
    assert_eq!(kind().await, ErrorKind::NotFound);
    Ok(())
}

#[test]
fn whole_files_are_encrypted_to_an_openpgp_key_alone() {
    let key_of = |key: Option<&str>| {
        let tenant =
            crate::principal::Tenant { public_key: key.map(str::to_owned), ..tenant("acme") };
        let world = World::new("native", export("acme", noon()).policy, vec![tenant]);
        world.exports.encryption_key(&principal("acme"))
    };
    let key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n...";
    assert_eq!(key_of(Some(key)).expect("a key"), key);
    for (key, reason) in [(None, "no public key registered"), (Some("age1key"), "cannot be used")] {
        let error = key_of(key).expect_err("it is refused");
        assert_eq!(*error.kind(), ErrorKind::Invalid { field: "encryption".into() });
        assert!(error.public().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_password_needs_a_format_or_a_packing_that_takes_one() -> Result<()> {
    let world = world();
    let who = principal("acme");
    for (format, packing, taken) in [
        ("csv", Packing::None, false),
        ("csv", Packing::Gzip, false),
        ("csv", Packing::Zip, true),
        ("xlsx", Packing::None, true),
        ("xlsx", Packing::Gzip, true),
        ("XLSX", Packing::Zip, true),
    ] {
        let mut asked = submission("select 1");
        asked.idempotency = None;
        asked.spec.format = FormatChoice::plain(format);
        asked.spec.packing = packing;
        asked.spec.password = Some(Password::new("open sesame")?);
        let answer = world.exports.submit(&who, asked).await;
        assert_eq!(answer.is_ok(), taken, "{format} {packing:?}");
        if let Err(error) = answer {
            assert_eq!(*error.kind(), ErrorKind::Invalid { field: "password".into() });
            assert!(error.public().contains("zip"), "{error}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_script_is_read_before_its_export_is_accepted() -> Result<()> {
    let world = world();
    let who = principal("acme");
    let with = |source: &str| {
        let mut asked = submission("select 1");
        asked.idempotency = None;
        asked.spec.notices = vec![Notice::Script { source: source.to_owned() }];
        asked
    };
    let error = world.exports.submit(&who, with("let a;\n  @@")).await.expect_err("no script");
    assert_eq!(*error.kind(), ErrorKind::Invalid { field: "notices.script".into() });
    assert!(error.public().ends_with("(line 2, column 3)"), "{error}");
    let long = "x".repeat(crate::limits::SCRIPT_CHARS_MAX + 1);
    assert!(world.exports.check_script(&long).await.is_err());
    let accepted = world.exports.submit(&who, with("return 1")).await?;
    assert_eq!(accepted.spec.notices.len(), 1);
    Ok(())
}
