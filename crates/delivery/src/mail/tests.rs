//! What mails say, and the way into a folder. The way to a mail server is tried with a real one, by
//! the tests of the whole program.

use std::os::unix::fs::PermissionsExt as _;

use chrono::TimeDelta;
use outhaul_exports::ArtifactId;
use outhaul_exports::export::{Export, Failure, Outcome, Progress};
use outhaul_exports::lease::Incarnation;
use outhaul_exports::manifest::{Artifact, Manifest, SnapshotNote, Warning};
use outhaul_exports::notice::{self, Message};
use outhaul_exports::spec::Notice;
use outhaul_exports::testing;

use super::*;

const HOSTILE: &str =
    "\"><img src=x onerror=alert(1)>\r\nBcc: spy@example.com\r\n\r\n<b>&'\u{202e}";

fn ended(label: Option<&str>, outcome: Outcome) -> (Export, Message) {
    let now = testing::noon();
    let mut export = testing::export("acme", now);
    export.spec.label = label.map(str::to_owned);
    let file_url = "https://exports.example.com/{link}".to_owned();
    export.spec.notices = vec![Notice::Mail { to: vec!["ann@example.com".to_owned()], file_url }];
    export.start(&Incarnation::random(), now, TimeDelta::seconds(15)).expect("it is queued");
    export.finish(outcome, now);
    let message = notice::of_end(&export, now).remove(0);
    (export, message)
}

fn completed(names: &[&str], warnings: Vec<Warning>) -> Outcome {
    let artifact = |name: &&str| Artifact {
        id: ArtifactId::random(),
        query: 0,
        part: None,
        key: String::new(),
        file_name: (*name).to_owned(),
        media_type: "text/csv".to_owned(),
        text: true,
        rows: 1_234,
        bytes: 5_678_901,
        sha256: String::new(),
        block_crc32: Vec::new(),
        columns: Vec::new(),
    };
    let artifacts = names.iter().map(artifact).collect();
    let snapshot = SnapshotNote {
        taken_at: testing::noon(),
        guarantee: "one moment".into(),
        sources: Vec::new(),
    };
    let progress = Progress::default();
    Outcome::Completed {
        manifest: Manifest { snapshot, artifacts, marks: Vec::new() },
        warnings,
        progress,
    }
}

fn links(count: usize) -> Vec<FileLink> {
    let link = |n| FileLink {
        url: format!("https://exports.example.com/secret{n}?a=1&b=2"),
        expires_at: testing::noon() + TimeDelta::days(7),
    };
    (0..count).map(link).collect()
}

fn written(label: Option<&str>, outcome: Outcome, count: usize) -> Mail {
    let (export, message) = ended(label, outcome);
    compose(&export, &message, &links(count), testing::noon())
}

#[test]
fn a_mail_says_what_there_is_and_until_when() {
    let warning = |count| Warning { code: "x".into(), message: "texts were cut".into(), count };
    let outcome = completed(&["Invoice.csv", "Account.csv"], vec![warning(2), warning(1)]);
    let mail = written(Some("May & June"), outcome, 2);
    assert_eq!(mail.subject, "Your export May & June is ready");
    let until = (testing::noon() + TimeDelta::days(7)).format("%-d %B %Y, %H:%M UTC").to_string();
    let (before, id) = mail.plain.split_once(" and has the id ").expect("it names the export");
    assert_eq!(id.trim_end().len(), 33, "{id}");
    let expected = format!(
        "Hello,\n\nYour export May & June is ready: 2,468 rows in 2 files, 11.3 MB in all.\n\n\
         Invoice.csv (1,234 rows, 5.6 MB)\nhttps://exports.example.com/secret0?a=1&b=2\n\n\
         Account.csv (1,234 rows, 5.6 MB)\nhttps://exports.example.com/secret1?a=1&b=2\n\n\
         The links work until {until}, for everybody who has this mail. Do not pass it on.\n\n\
         Please note:\n- texts were cut (2 times)\n- texts were cut\n\n\
         It was created on {}",
        testing::noon().format("%-d %B %Y, %H:%M UTC")
    );
    assert_eq!(before, expected);
    let link = "<li><a href=\"https://exports.example.com/secret0?a=1&amp;b=2\">Invoice.csv</a> \
                (1,234 rows, 5.6 MB)</li>";
    assert!(mail.html.contains(link), "{}", mail.html);
    assert!(mail.html.contains("<li>texts were cut (2 times)</li>"), "{}", mail.html);
    assert_eq!(mail.html.matches("<ul>").count(), mail.html.matches("</ul>").count());
}

#[test]
fn a_failure_is_told_in_the_customers_words() {
    let outcome = Outcome::Failed(Failure::new("source_missing", "the source lacks an object"));
    let mail = written(None, outcome, 0);
    assert_eq!(mail.subject, "Your export Invoice has failed");
    assert!(mail.plain.contains("has failed. There is no file."), "{}", mail.plain);
    assert!(mail.plain.contains("The reason: the source lacks an object."), "{}", mail.plain);
    assert!(!mail.plain.contains("http"), "{}", mail.plain);
}

#[test]
fn files_past_the_fiftieth_are_counted() {
    let mail = written(None, completed(&["a.csv"; 53], Vec::new()), 50);
    assert_eq!(mail.plain.matches("https://").count(), 50);
    assert!(mail.plain.contains("in 53 files"), "{}", mail.plain);
    assert!(mail.plain.contains("3 more files are not listed here"), "{}", mail.plain);
    let mail = written(None, completed(&["a.csv"; 2], Vec::new()), 1);
    assert!(mail.plain.contains("1 more file is not listed here"), "{}", mail.plain);
    assert!(mail.plain.contains("The link works until"), "{}", mail.plain);
}

#[test]
fn what_others_wrote_is_neither_markup_nor_a_header() {
    let warning = Warning { code: "x".into(), message: HOSTILE.into(), count: 1 };
    let ready = written(Some(HOSTILE), completed(&[HOSTILE], vec![warning]), 1);
    let failed = written(Some(HOSTILE), Outcome::Failed(Failure::new("x", HOSTILE)), 0);
    let from = Sender::parse("Exports <exports@example.com>").expect("a sender");
    for mail in [ready, failed] {
        assert!(!mail.subject.contains(char::is_control), "{}", mail.subject);
        for markup in ["<img", "<b>", "\u{202e}", "onerror=alert(1)>"] {
            assert!(!mail.html.contains(markup), "{}", mail.html);
        }
        let bytes = mime::message(&mail, &from).expect("it can be written").formatted();
        let text = String::from_utf8(bytes).expect("it is encoded");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let names: Vec<_> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':').map(|(name, _)| name.to_ascii_lowercase()))
            .collect();
        let mut unique = names.clone();
        unique.sort();
        let known = [
            "auto-submitted",
            "content-type",
            "date",
            "from",
            "message-id",
            "mime-version",
            "subject",
            "to",
        ];
        assert_eq!(unique, known, "{head}");
        assert!(head.contains(&format!("<{}@example.com>", mail.id)), "{head}");
        assert!(head.contains("To: ann@example.com"), "{head}");
        assert!(head.is_ascii() && body.lines().all(|line| line.len() < 1_000));
    }
}

#[test]
fn long_names_are_cut_and_others_are_kept() {
    let mail = written(Some(&"\u{e4}".repeat(255)), completed(&["a.csv"], Vec::new()), 1);
    let name = mail.subject.trim_start_matches("Your export ").trim_end_matches(" is ready");
    assert_eq!(name, format!("{}...", "\u{e4}".repeat(100)));
    let from = Sender::parse("exports@example.com").expect("a sender");
    let text = mime::message(&mail, &from).expect("it can be written").formatted();
    let text = String::from_utf8(text).expect("it is encoded");
    assert!(text.contains("Subject: Your export =?utf-8?b?"), "{text}");
}

/// Whatever is accepted with a request can be sent to.
#[test]
fn an_address_that_is_accepted_is_one_for_mail_servers() {
    let long = format!("{}@{}.example.com", "a".repeat(64), "b".repeat(63));
    for address in ["a@x.org", "o'brien!#$%&*+-/=?^_`{|}~@sub.example.co.uk", "a@localhost", &long]
    {
        notice::check_address("to", address).expect(address);
        assert!(address.parse::<lettre::Address>().is_ok(), "{address}");
    }
}

#[test]
fn senders_are_read_or_refused() {
    for good in ["exports@example.com", "Exports <exports@example.com>", "\"A, B\" <a@x.org>"] {
        assert!(Sender::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "nobody", "a@b@c", "Exports\r\nBcc: x@y.z <a@x.org>", "a@x.org, b@x.org"] {
        let error = Sender::parse(bad).expect_err(bad);
        let field = outhaul_exports::ErrorKind::Invalid { field: "mail.from".into() };
        assert_eq!(error.kind(), &field);
    }
}

#[tokio::test]
async fn a_mail_is_one_file_for_its_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let drop = folder.path().join("new/mail");
    let from = Sender::parse("exports@example.com").expect("a sender");
    let mailer = FileMailer::new(drop.clone(), from);
    mailer.check().await.expect("it can be made");
    assert!(!drop.exists(), "trying leaves nothing behind");
    let mail = written(Some("May"), completed(&["a.csv"], Vec::new()), 1);
    // What a process that died left behind.
    std::fs::create_dir_all(&drop).expect("a folder");
    let part = drop.join(format!(".{}.eml.part", mail.id));
    std::fs::write(&part, "x".repeat(100_000)).expect("it is written");
    for _ in 0..2 {
        mailer.send(&mail).await.expect("it is written");
    }
    let files: Vec<_> =
        std::fs::read_dir(&drop).expect("it is there").map(|file| file.expect("a file")).collect();
    let names: Vec<_> = files.iter().map(|file| file.file_name().into_string()).collect();
    assert_eq!(names, [Ok(format!("{}.eml", mail.id))]);
    let text = std::fs::read_to_string(files[0].path()).expect("it can be read");
    assert!(text.contains("Subject: Your export May is ready\r\n") && text.len() < 10_000);
    std::fs::remove_file(files[0].path()).expect("it is there");
    mailer.send(&mail).await.expect("it is written");
    let mode = std::fs::metadata(files[0].path()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    std::fs::write(folder.path().join("file"), "").expect("it is written");
    let from = Sender::parse("exports@example.com").expect("a sender");
    let nowhere = FileMailer::new(folder.path().join("file/mail"), from);
    let refused = nowhere.send(&mail).await.expect_err("no folder can be there");
    assert!(!refused.is_final && !refused.public.contains("file/"), "{refused:?}");
    assert!(nowhere.check().await.is_err());
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_may_come_back() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = socket.local_addr().expect("it is bound").port();
    let settings = SmtpSettings {
        host: "127.0.0.1".into(),
        port,
        tls: SmtpTls::None,
        credentials: None,
        ca: None,
        timeout: std::time::Duration::from_millis(200),
    };
    let from = || Sender::parse("exports@example.com").expect("a sender");
    let mailer = SmtpMailer::new(settings.clone(), from()).expect("it is set up");
    let mail = written(None, completed(&["a.csv"], Vec::new()), 1);
    // It takes the connection and says nothing.
    let refused = mailer.send(&mail).await.expect_err("nobody answers");
    assert!(!refused.is_final && refused.public.contains("too long"), "{refused:?}");
    std::mem::drop(socket);
    let refused = mailer.send(&mail).await.expect_err("nobody is there");
    assert!(!refused.is_final && refused.public.contains("cannot be reached"), "{refused:?}");
    assert!(!refused.public.contains("127.0.0.1") && refused.internal.contains("127.0.0.1"));
    assert!(mailer.check().await.is_err());

    let settings =
        SmtpSettings { ca: Some(b"no certificate".to_vec()), tls: SmtpTls::Tls, ..settings };
    let refused = SmtpMailer::new(settings, from()).err().expect("it is refused");
    assert!(refused.public().contains("BEGIN CERTIFICATE"), "{refused}");
}
