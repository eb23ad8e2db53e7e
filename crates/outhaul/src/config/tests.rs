//! Every mistake an operator can make, as data: what stands in the file, and what is answered.

use std::path::Path;

use chrono::DateTime;

use super::check::check;
use super::*;

const GOOD: &str = r#"
[[sources]]
kind = "files"
name = "main"
url = "data"

[[catalog.objects]]
name = "Account"
source = "main"
key = ["Id"]
tenant_column = "tenant"
fields = [{ name = "Id", type = "text", nullable = false }]

[[tenants]]
id = "acme"
zone = "Europe/Berlin"
policies.native = { active_max = 7 }
"#;

fn answer(text: &str) -> Result<(Loaded, Checked), Problems> {
    let none = std::iter::empty();
    let loaded = parse(text, "t.toml", Path::new("."), Secrets::Read, none, &|_| None)?;
    let checked = check(&loaded, DateTime::UNIX_EPOCH)?;
    Ok((loaded, checked))
}

#[test]
fn a_small_file_is_enough() {
    let (loaded, checked) = answer(GOOD).expect("a good configuration");
    assert_eq!(loaded.config.worker.slots, 2);
    assert_eq!(checked.catalog.objects().count(), 1);
    let acme = "acme".into();
    let policy = checked.policies.of(&acme, "native").expect("native has a policy");
    assert_eq!(policy.active_max, Some(7));
}

#[test]
fn mistakes_are_answered_with_place_and_remedy() {
    let cases: &[(&str, &str, &str)] = &[
        // What is replaced, by what, and the answer.
        (
            "[[tenants]]",
            "[sever]\n[[tenants]]",
            "t.toml:14: sever: unknown key (did you mean server?)",
        ),
        (
            "[[tenants]]",
            "[server]\nlisen = 'x'\n[[tenants]]",
            "t.toml:15: server.lisen: unknown key (did you mean listen?)",
        ),
        (
            "[[tenants]]",
            "[server]\nlisten = 8080\n[[tenants]]",
            "t.toml:15: server.listen: invalid type: integer `8080`, expected a string",
        ),
        (
            "[[tenants]]",
            "[server]\nlisten = 'here'\n[[tenants]]",
            "t.toml:15: server.listen: \"here\" is not an address with a port",
        ),
        (
            "[[tenants]]",
            "[worker]\nlisten = '9090'\n[[tenants]]",
            "t.toml:15: worker.listen: \"9090\" is not an address with a port",
        ),
        (
            "[[tenants]]",
            "[worker]\nlisten = '127.0.0.1:8080'\n[[tenants]]",
            "t.toml:15: worker.listen: 127.0.0.1:8080 is taken by server.listen",
        ),
        (
            "[[tenants]]",
            "[server]\nmetrics_listen = '[::]:9090'\n[worker]\nlisten = '127.0.0.1:9090'\n[[tenants]]",
            "t.toml:17: worker.listen: 127.0.0.1:9090 is taken by server.metrics_listen",
        ),
        (
            "[[tenants]]",
            "[server]\nbase_url = 'ftp://x'\n[[tenants]]",
            "server.base_url: \"ftp://x\" is not an address",
        ),
        (
            "[[tenants]]",
            "[worker]\nslots = 0\n[[tenants]]",
            "t.toml:15: worker.slots: must be at least 1",
        ),
        (
            "[[tenants]]",
            "[worker]\nplanners = 0\n[[tenants]]",
            "t.toml:15: worker.planners: must be at least 1",
        ),
        (
            "[[tenants]]",
            "[worker]\nmemory = '1 parsec'\n[[tenants]]",
            "t.toml:15: worker.memory: \"1 parsec\" is not a size",
        ),
        (
            "[[tenants]]",
            "[worker]\nlease_secs = 10\n[[tenants]]",
            "worker.lease_secs: must be at least three heartbeats (15 s)",
        ),
        (
            "[[tenants]]",
            "[worker]\nlease_secs = 601\n[[tenants]]",
            "worker.lease_secs: must be at most 600 (ten minutes)",
        ),
        (
            "[[tenants]]",
            "[store]\nurl = 'mysql:x'\n[[tenants]]",
            "store.url: must begin with sqlite:",
        ),
        (
            "[[tenants]]",
            "[dialects.native.policy]\nrecord_kept_secs = 60\n[[tenants]]",
            "t.toml:15: dialects.native.policy.record_kept_secs: a record is kept for 60 s and its files for 604800 s",
        ),
        (
            "active_max = 7",
            "file_kept_secs = 7776001",
            "t.toml:17: tenants[0].policies.native.file_kept_secs: a record is kept for 7776000 s",
        ),
        (
            "[[tenants]]",
            "[dialects.natve]\n[[tenants]]",
            "t.toml:14: dialects.natve: unknown key (did you mean native?)",
        ),
        (
            "[[tenants]]",
            "[dialects.native.policy]\nactive = 3\n[[tenants]]",
            "t.toml:15: dialects.native.policy.active: unknown key (did you mean active_max?)",
        ),
        (
            "policies.native",
            "policies.nativ",
            "tenants[0].policies.nativ: there is no dialect nativ (did you mean native?)",
        ),
        (
            "id = \"acme\"",
            "id = \"Acme Inc\"",
            "t.toml:15: tenants[0].id: \"Acme Inc\" is no tenant id",
        ),
        ("Europe/Berlin", "Europe/Brlin", "t.toml:16: tenants[0].zone:"),
        (
            "[[tenants]]",
            "[[tenants]]\nid = 'a'\nvalue = 'acme'\n[[tenants]]",
            "tenant a has the same value \"acme\"",
        ),
        (
            "id = \"acme\"",
            "id = \"acme\"\npublic_key = 'age1xyz'",
            "t.toml:16: tenants[0].public_key:",
        ),
        (
            "id = \"acme\"",
            "id = \"acme\"\npublic_key_file = 'none.txt'",
            "tenants[0].public_key_file: cannot read",
        ),
        (
            "source = \"main\"",
            "source = \"man\"",
            "t.toml:9: catalog.objects[0].source: there is no source named man (did you mean main?)",
        ),
        (
            "key = [\"Id\"]",
            "key = [\"Nr\"]",
            "t.toml:7: catalog.objects[0]: object Account: key names Nr",
        ),
        (
            "type = \"text\"",
            "type = \"string\"",
            "t.toml:12: catalog.objects[0].fields[0].type: unknown variant `string`, expected one of `text`",
        ),
        (
            "nullable",
            "nulable",
            "t.toml:12: catalog.objects[0].fields[0].nulable: unknown key (did you mean nullable?)",
        ),
        (
            "[[tenants]]",
            "[catalog]\nfile = 'none.toml'\n[[tenants]]",
            "t.toml:15: catalog.file: there is no file ./none.toml; `outhaul catalog init",
        ),
        (
            "[[tenants]]",
            "[log]\nlevel = 'loud'\n[[tenants]]",
            "t.toml:15: log.level: \"loud\" is no level: write error, warn",
        ),
        (
            "[[tenants]]",
            "[mail]\ntransport = 'smtp'\nhost = 'x'\n[[tenants]]",
            "t.toml:14: mail.from: must say who mails are from",
        ),
        (
            "[[tenants]]",
            "[mail]\ntransport = 'file'\nfrom = 'nobody'\n[[tenants]]",
            "t.toml:16: mail.from: \"nobody\" is no sender",
        ),
        (
            "[[tenants]]",
            "[mail]\ntransport = 'smtp'\nfrom = 'a@x.org'\nhost = 'smtp://x'\n[[tenants]]",
            "t.toml:17: mail.host: must be the name or address of the mail server",
        ),
        (
            "[[tenants]]",
            "[mail]\ntransport = 'smtp'\nfrom = 'a@x.org'\nhost = 'x'\nusername = 'u'\n[[tenants]]",
            "mail.password: username needs a password",
        ),
        (
            "[[tenants]]",
            "[mail]\ntransport = 'smtp'\nfrom = 'a@x.org'\nhost = 'x'\nca_file = 'none.pem'\n[[tenants]]",
            "t.toml:18: mail.ca_file: cannot read ./none.pem",
        ),
        (
            "[[tenants]]",
            "[callbacks]\nports = [80, '9-1']\n[[tenants]]",
            "t.toml:15: callbacks.ports[1]: must be a port from 1 to 65535, or a range",
        ),
        (
            "[[tenants]]",
            "[callbacks]\nallow = ['10.1.2.3/8']\n[[tenants]]",
            "t.toml:15: callbacks.allow[0]: \"10.1.2.3/8\" is no network: did you mean 10.0.0.0/8?",
        ),
        (
            "[[tenants]]",
            "[callbacks]\ntimeout_secs = 0\n[[tenants]]",
            "t.toml:15: callbacks.timeout_secs: must be at least 1",
        ),
        (
            "[[tenants]]",
            "[callbacks]\nca_file = 'none.pem'\n[[tenants]]",
            "t.toml:15: callbacks.ca_file: cannot read ./none.pem",
        ),
        (
            "[[tenants]]",
            "[[tenants]]\ncallback_secret = 'whsec_abc'",
            "callback_secret: a secret is not written here",
        ),
        (
            "[[tenants]]",
            "[mail]\npassword = 'abc'\n[[tenants]]",
            "t.toml:15: mail.password: a secret is not written here",
        ),
        (
            "[[tenants]]",
            "[mail]\ntransport = 'pigeon'\n[[tenants]]",
            "t.toml:15: mail.transport: unknown variant `pigeon`, expected one of `off`, `file`, `smtp`",
        ),
        (
            "[[tenants]]",
            "[mail]\nretry_secs = 0\n[[tenants]]",
            "t.toml:15: mail.retry_secs: must be at least 1",
        ),
        (
            "[[tenants]]",
            "[worker]\nslots = -1\n[[tenants]]",
            "worker.slots: invalid value: integer `-1`, expected a whole number from 0 to 4294967295",
        ),
        ("id = \"acme\"", "id = ", "t.toml:15: "),
        ("kind = \"files\"", "kind = \"fles\"", "sources[0]"),
        (
            "url = \"data\"",
            "ur = \"data\"",
            "t.toml:5: sources[0].ur: unknown key (did you mean url?)",
        ),
    ];
    for (from, to, expected) in cases {
        assert!(GOOD.contains(from), "{from} is in the file");
        let problems = answer(&GOOD.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(problems.contains(expected), "{to}:\n  wanted {expected}\n  {problems}");
    }
}

#[test]
fn ports_that_do_not_collide_are_taken() {
    for (server, metrics, worker) in [
        ("127.0.0.1:8080", "127.0.0.2:8080", "127.0.0.3:8080"),
        ("0.0.0.0:0", "0.0.0.0:0", "127.0.0.1:0"),
        ("0.0.0.0:8080", "127.0.0.1:8081", "127.0.0.1:8082"),
    ] {
        let listens = format!(
            "[server]\nlisten = '{server}'\nmetrics_listen = '{metrics}'\n[worker]\nlisten = '{worker}'\n"
        );
        answer(&format!("{listens}{GOOD}")).expect(&listens);
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let text = GOOD.replace("zone", "zon").replace("tenant_column", "tenant_colum");
    let problems = answer(&text).expect_err("two mistakes");
    assert_eq!(problems.0.len(), 2, "{problems}");
}

#[test]
fn a_tenants_callback_secret_is_read_checked_and_never_printed() {
    let text = GOOD.replace("[[tenants]]", "[[tenants]]\ncallback_secret = { env = 'K' }");
    let with = |secret: &'static str, mode: Secrets| {
        let env = move |name: &str| (name == "K").then(|| secret.to_owned());
        parse(&text, "t.toml", Path::new("."), mode, std::iter::empty(), &env)
    };
    let good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let loaded = with(good, Secrets::Read).expect("it is read");
    check(&loaded, DateTime::UNIX_EPOCH).expect("it is a secret");
    let short = with("c2hvcnQ=", Secrets::Read).expect("it is read");
    let problems = check(&short, DateTime::UNIX_EPOCH).expect_err("it is too short").to_string();
    let expected = "tenants[0].callback_secret: a callback secret is 24 to 64 random bytes";
    assert!(problems.contains(expected) && !problems.contains("c2hvcnQ="), "{problems}");
    let hidden = with(good, Secrets::Hide).expect("it is read");
    let shown = toml::to_string(&hidden.config).expect("it can be written");
    assert!(!shown.contains("MfKQ9r8G"), "{shown}");
}

#[test]
fn a_password_for_mail_goes_to_nobody_in_the_clear() {
    let section = |host: &str, tls: &str| {
        let password = "username = 'u'\npassword = { env = 'K' }";
        let text = format!(
            "[mail]\ntransport = 'smtp'\nfrom = 'a@x.org'\nhost = '{host}'\ntls = '{tls}'\n{password}\n{GOOD}"
        );
        let env = |name: &str| (name == "K").then(|| "s3cret".to_owned());
        let loaded =
            parse(&text, "t.toml", Path::new("."), Secrets::Read, std::iter::empty(), &env)?;
        check(&loaded, DateTime::UNIX_EPOCH).map(|_| loaded)
    };
    for (host, tls) in [("x.org", "starttls"), ("x.org", "tls"), ("127.0.0.1", "none")] {
        let loaded = section(host, tls).expect(tls);
        assert_eq!(loaded.config.mail.password.as_deref(), Some("s3cret"));
    }
    let problems = section("x.org", "none").expect_err("it would be read on the way").to_string();
    assert!(
        problems.contains("t.toml:5: mail.tls: a password would be sent in the clear"),
        "{problems}"
    );
}

#[test]
fn what_is_shown_reads_back_and_hides_secrets() {
    let text = GOOD.replace(
        "url = \"data\"",
        "url = 's3://b'\noptions = { aws_secret_access_key = { env = 'K' } }",
    );
    let none = std::iter::empty();
    let loaded = parse(&text, "t.toml", Path::new("."), Secrets::Hide, none, &|_| None);
    let config = show::effective(loaded.expect("good").config);
    let shown = show::show(&config).expect("it can be written");
    for word in ["threads = ", "base_url = \"http://127.0.0.1:8080\"", "queries_max = "] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    for dialect in outhaul_dialects::ALL {
        assert!(shown.contains(&format!("[dialects.{}]", dialect.id())), "{shown}");
    }
    assert!(shown.contains(secret::DOTS) && shown.contains("header_secs = 10"), "{shown}");
    let tree = Tree::read(&shown, "shown").expect("it is TOML");
    assert_eq!(schema::unknown_keys(&tree, &schema::schema()), []);
    let again: super::Config = super::typed(&tree).expect("it reads back");
    let [config, again] = [config, again].map(|config| serde_json::to_value(config).expect("JSON"));
    assert_eq!(config, again);
}
