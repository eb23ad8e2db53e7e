//! A demo, driven by the command line alone.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Demo, program, run_in};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// One story, because a start is what costs time: create, fetch, break, resume, verify, refuse,
/// revoke, stop, start again.
#[test]
fn a_day_with_the_demo() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(folder.path());

    let words =
        demo.exports(&["create", "--object", "Invoice", "--output", "all.csv", "--label", "first"]);
    let words = words.good();
    assert!(words.contains("is completed"), "{words}");
    let text = std::fs::read_to_string(folder.path().join("all.csv")).expect("it is there");
    assert!(text.starts_with("Id,InvoiceNumber,Amount,"), "{text:.100}");
    assert!(text.contains("ACME-INV") && !text.to_lowercase().contains("globex"));

    let listed = json(&demo.exports(&["list", "--label", "first", "--json"]).good());
    let export = &listed[0];
    assert_eq!(export["state"], "completed");
    let id = export["id"].as_str().expect("an id");
    pull_again(&demo, id, &text);
    refusals(&demo, id);
    revocation(&demo);
    probes(&demo);

    let secrets = demo.json["tenants"].clone();
    let (code, took) = demo.stop("-TERM");
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    let log = std::fs::read_to_string(folder.path().join("server.log")).expect("a log");
    for secret in ["native.api_key", "zuora.client_secret"] {
        let value = secret.split('.').fold(&secrets["acme"], |value, key| &value[key]);
        assert!(!log.contains(value.as_str().expect("it is there")), "{secret} is in the log");
    }
    let demo = Demo::start(folder.path());
    assert_eq!(demo.json["tenants"], secrets, "a second start has the same credentials");
    assert_eq!(json(&demo.exports(&["list", "--label", "first", "--json"]).good())[0]["id"], id);
}

/// A download that broke off goes on, and what is damaged is found.
fn pull_again(demo: &Demo, id: &str, text: &str) {
    let half = &text.as_bytes()[..text.len() / 2];
    let sha256 = json(&demo.exports(&["watch", id, "--json"]).good());
    let sha256 = sha256["artifacts"][0]["sha256"].as_str().expect("it is there").to_owned();
    let part = demo.folder.join(format!("again.csv.{}.part", &sha256[..12]));
    // The beginning of another export is another file, and is left alone.
    let other = demo.folder.join("again.csv.0123456789ab.part");
    std::fs::write(&other, "another").expect("it is written");
    std::fs::write(&part, half).expect("it is written");
    let held = std::fs::File::open(&part).expect("it is there");
    held.lock().expect("nobody else has it");
    let words = demo.exports(&["pull", id, "--output", "again.csv"]).ended(1);
    assert!(words.contains("another download writes"), "{words}");
    drop(held);
    demo.exports(&["pull", id, "--output", "again.csv", "--manifest", "manifest.json"]).good();
    assert_eq!(std::fs::read_to_string(demo.folder.join("again.csv")).expect("it is there"), text);
    assert!(!part.exists() && other.exists());
    assert_eq!(demo.exports(&["pull", id, "--output", "-"]).good(), text);
    demo.exports(&["pull", id, "--output", "-", "--json"]).ended(2);
    let saved = json(&demo.exports(&["pull", id, "--output", "new/", "--json"]).good());
    let saved = demo.folder.join(saved["files"][0]["file"].as_str().expect("a name"));
    assert_eq!(saved.parent().expect("a folder"), demo.folder.join("new"));
    assert_eq!(std::fs::read_to_string(saved).expect("it is there"), text);
    let create = ["create", "--object", "Invoice", "--output", "-"];
    assert_eq!(demo.exports(&create).good(), text, "nothing else goes to standard output");
    run_in(&demo.folder, &["verify", "again.csv", "manifest.json"]).good();

    let damaged = text.replacen('1', "2", 1);
    std::fs::write(demo.folder.join("again.csv"), &damaged).expect("it is written");
    let words = run_in(&demo.folder, &["verify", "again.csv", "manifest.json"]).ended(7);
    assert!(words.contains("is not the file that the manifest lists"), "{words}");
    std::fs::write(demo.folder.join("again.csv"), half).expect("it is written");
    let words = run_in(&demo.folder, &["verify", "again.csv", "manifest.json"]).ended(7);
    assert!(words.contains("the download broke off"), "{words}");

    // A beginning that is damaged is not continued into a mixture.
    std::fs::remove_file(demo.folder.join("again.csv")).expect("it goes");
    std::fs::write(&part, &damaged.as_bytes()[..half.len()]).expect("it is written");
    let words = demo.exports(&["pull", id, "--output", "again.csv"]).ended(7);
    assert!(words.contains("it was removed"), "{words}");
    demo.exports(&["pull", id, "--output", "again.csv"]).good();
}

fn refusals(demo: &Demo, id: &str) {
    let words = demo.exports(&["create", "--object", "Invoic"]).ended(5);
    assert!(words.contains("Invoice"), "{words}");
    let words = demo.exports(&["cancel", id]).ended(5);
    assert!(words.contains("completed"), "{words}");
    let globex = ["--demo-tenant", "globex"];
    let foreign = demo.exports(&[&["pull", id][..], &globex].concat()).ended(5);
    let unknown = demo.exports(&[&["pull", &"0".repeat(32)][..], &globex].concat()).ended(5);
    assert_eq!(foreign, unknown, "another tenant's export is as one that there is not");
    let nobody = ["exports", "list", "--server", demo.base_url(), "--key", "wrong"];
    run_in(&demo.folder, &nobody).ended(5);
    let nowhere = ["exports", "list", "--server", "http://127.0.0.1:9", "--key", "x"];
    let words = run_in(&demo.folder, &nowhere).ended(4);
    assert!(words.contains("cannot reach http://127.0.0.1:9"), "{words}");
}

/// A key that is made while the server runs works at once, and not any more once it is revoked.
fn revocation(demo: &Demo) {
    let config = ["--config", "outhaul.toml", "--json"];
    let create = ["keys", "create", "--tenant", "acme", "--role", "reader"];
    let made = json(&run_in(&demo.folder, &[&create[..], &config].concat()).good());
    let (secret, public) = (made["secret"].as_str(), made["public"].as_str());
    let secret = secret.expect("it is shown once");
    let list = ["exports", "list", "--server", demo.base_url(), "--key", secret];
    run_in(&demo.folder, &list).good();
    let create = ["exports", "create", "--object", "Account", "--server", demo.base_url()];
    let words = run_in(&demo.folder, &[&create[..], &["--key", secret]].concat()).ended(5);
    assert!(words.contains("403"), "a reader creates nothing: {words}");

    let listed = run_in(&demo.folder, &[&["keys", "list"][..], &config].concat()).good();
    assert!(!listed.contains(secret), "a secret is never shown again");
    let revoke = ["keys", "revoke", &public.expect("it is there")[..12]];
    run_in(&demo.folder, &[&revoke[..], &config].concat()).good();
    run_in(&demo.folder, &list).ended(5);

    // Said before the store is opened, with what to do.
    let keys = |arguments: &[&str]| {
        run_in(&demo.folder, &[&["keys"], arguments, &["--config", "outhaul.toml"]].concat())
    };
    let zuora = ["create", "--tenant", "acme", "--audience", "zuora", "--kind", "password"];
    keys(&zuora).ended(2);
    keys(&["create", "--tenant", "acme", "--audience", "zora"]).ended(2);
    let words = keys(&["create", "--tenant", "acme", "--user", "joe"]).ended(2);
    assert!(words.contains("--kind password"), "{words}");
    let words = keys(&["revoke", "5"]).ended(2);
    assert!(words.contains("at least its first 6 characters"), "{words}");
    let joe = [&zuora[..], &["--user", "joe"]].concat();
    let made = keys(&joe).good();
    assert!(made.contains("`outhaul keys revoke joe` ends it"), "{made}");
    let words = keys(&joe).ended(1);
    assert!(words.contains("user joe has a password already"), "{words}");
    assert!(words.contains("`outhaul keys rotate joe`"), "{words}");
    let password = |made: &str| made.lines().nth(1).map(str::to_owned);
    let next = keys(&["rotate", "joe"]).good();
    assert!(next.starts_with("user         joe\npassword     "), "{next}");
    assert_ne!(password(&next), password(&made));
    let words = keys(&["rotate", "nobody"]).ended(1);
    assert!(words.contains("no live credential begins with nobody"), "{words}");
    keys(&["revoke", "joe"]).good();
    keys(&["rotate", "joe"]).ended(1);
    let words = keys(&joe).ended(1);
    assert!(words.contains("was revoked") && words.contains("another --user"), "{words}");
    let made = keys(&["create", "--tenant", "acme"]).good();
    let public = made.split("keys revoke ").nth(1).and_then(|text| text.split('`').next());
    let public = public.expect("it says how to revoke it");
    let words = keys(&["rotate", public]).ended(2);
    assert!(words.contains("an API key is its secret") && words.contains(public), "{words}");
    keys(&["revoke", public]).good();
    rotation(demo);
}

/// Another secret for the same name: the one it had, and its tokens, end at once.
fn rotation(demo: &Demo) {
    let keys = |arguments: &[&str]| {
        let all = [&["keys"], arguments, &["--config", "outhaul.toml", "--json"]].concat();
        json(&run_in(&demo.folder, &all).good())
    };
    let zuora = ["create", "--tenant", "acme", "--audience", "zuora", "--kind", "client-secret"];
    let made = keys(&zuora);
    let public = made["public"].as_str().expect("it is there");
    let token = |secret: &Value| {
        let secret = secret.as_str().expect("it is shown once");
        let body =
            format!("client_id={public}&client_secret={secret}&grant_type=client_credentials");
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        send(demo, "POST /oauth/token", kind, &body)
    };
    let granted = token(&made["secret"]);
    let granted = granted.split_once("\r\n\r\n").map(|(_, body)| json(body)).expect("a body");
    let bearer = granted["access_token"].as_str().expect("a token");
    let ask = || send(demo, "GET /v1/describe", &format!("Authorization: Bearer {bearer}\r\n"), "");
    assert!(ask().starts_with("HTTP/1.1 200 "), "the token is good");
    let next = keys(&["rotate", &public[..8]]);
    assert_eq!((&next["public"], &next["tenant"]), (&made["public"], &made["tenant"]));
    assert_ne!(next["secret"], made["secret"]);
    assert!(ask().starts_with("HTTP/1.1 401 "), "the token has ended");
    assert!(token(&made["secret"]).starts_with("HTTP/1.1 401 "), "the secret has ended");
    assert!(token(&next["secret"]).starts_with("HTTP/1.1 200 "), "the next one is good");
}

/// Sends a request and answers the whole answer.
fn send(demo: &Demo, line: &str, head: &str, body: &str) -> String {
    let address = demo.base_url().trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}

fn probes(demo: &Demo) {
    let address = demo.base_url().trim_start_matches("http://");
    for (path, expected) in [
        ("/healthz", "HTTP/1.1 200 OK"),
        ("/readyz", "HTTP/1.1 200 OK"),
        ("/metrics", "HTTP/1.1 200 OK"),
        ("/nothing", "HTTP/1.1 404 Not Found"),
    ] {
        let mut socket = TcpStream::connect(address).expect("it listens");
        write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).expect("an answer");
        assert_eq!(line.trim_end(), expected, "{path}");
    }
}

#[test]
fn a_second_server_on_the_same_store_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _demo = Demo::start(folder.path());
    let second = ["serve", "--config", "outhaul.toml", "--listen", "127.0.0.1:0"];
    let words = run_in(folder.path(), &second).ended(1);
    assert!(words.contains("cannot open the store"), "{words}");
}

/// A second demo changes nothing of the one that runs, and a port that is taken is said before
/// anything is made.
#[test]
fn a_second_demo_in_a_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(folder.path());
    let announced = std::fs::read(folder.path().join("demo.json")).expect("it is there");
    let second = ["demo", "--port", "0", "--rows", "300", "--data", "."];
    let words = run_in(folder.path(), &second).ended(1);
    assert!(words.contains("a demo runs in") && words.contains("--data"), "{words}");
    let after = std::fs::read(folder.path().join("demo.json")).expect("it is there still");
    assert_eq!(after, announced);
    demo.exports(&["create", "--object", "Account", "--output", "a.csv"]).good();

    let port = demo.base_url().rsplit(':').next().expect("a port");
    let taken = ["demo", "--port", port, "--data", "other"];
    let words = run_in(folder.path(), &taken).ended(1);
    assert!(words.contains(&format!("cannot listen on port {port}")), "{words}");
    assert!(!folder.path().join("other/data").exists(), "nothing was made");
}

/// What a server would make is not made by a look at it, whether the slots start or not.
#[test]
fn doctor_makes_nothing_that_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let temporary = folder.path().join("tmp");
    std::fs::create_dir_all(folder.path().join("data")).expect("it is made");
    std::fs::create_dir(&temporary).expect("it is made");
    std::fs::write(folder.path().join("data/a.csv"), "id,org\n1,x\n").expect("it is written");
    let names = |path: &std::path::Path| {
        let entries = std::fs::read_dir(path).expect("it can be listed");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let doctor = |config: &str| {
        let file = folder.path().join("outhaul.toml");
        std::fs::write(file, config).expect("it is written");
        let before = names(folder.path());
        let output = program()
            .current_dir(folder.path())
            .env("TMPDIR", &temporary)
            .arg("doctor")
            .output()
            .expect("it starts");
        assert_eq!(names(folder.path()), before);
        assert_eq!(names(&temporary), [""; 0]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let good = "[store]\nurl = \"sqlite:nope/x.db\"\n";
    let (code, words) = doctor(good);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("x.db is not there yet, and neither is its folder"), "{words}");
    let (code, words) =
        doctor(&format!("{good}[worker]\nmemory_hard = '2 MiB'\nmemory = '1 MiB'\n"));
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("WRONG  slots"), "{words}");
    let (code, words) = doctor("[worker]\nslots = 0\n");
    assert_eq!(code, Some(3), "{words}");
}

#[test]
fn doctor_and_catalog_look_at_the_demo() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(folder.path());
    let doctor = ["doctor", "--config", "outhaul.toml", "--json"];
    let found = json(&run_in(folder.path(), &doctor).good());
    let findings = found["findings"].as_array().expect("a list");
    let sound = findings.iter().all(|finding| finding["state"] != "wrong");
    assert!(sound && findings.len() >= 8, "{found}");
    drop(demo);

    // A column that went missing is named.
    let catalog = folder.path().join("catalog.toml");
    let text = std::fs::read_to_string(&catalog).expect("it is there");
    let text = text.replacen("\"InvoiceNumber\",", "\"InvoiceNumber\", column = \"Nr\",", 1);
    std::fs::write(&catalog, text).expect("it is written");
    let checked = run_in(folder.path(), &["catalog", "check", "--config", "outhaul.toml"]);
    let said = checked.out.contains("object Invoice: field InvoiceNumber ");
    assert!(said && checked.out.contains("(column Nr)"), "{}", checked.out);
    checked.ended(3);
    let doctor = run_in(folder.path(), &["doctor", "--config", "outhaul.toml"]);
    assert!(doctor.out.contains("WRONG  sources"), "{}", doctor.out);
    doctor.ended(1);
}
