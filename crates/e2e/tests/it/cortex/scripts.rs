//! Scripts of customers after exports' ends, good ones and hostile ones: the export stands, the server
//! stays, and what became of the script is shown.

use std::time::{Duration, Instant};

use outhaul_e2e::server::{Options, Server};
use serde_json::json;

use super::client::Cortex;

/// A script; the state in which it ends; what is told of it.
type Case = (&'static str, &'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    (
        "what it is given",
        "const { export: e, err } = script.arguments; logger_ok(); \
         function logger_ok() { require('logger').info(e.state, e.objects, err); } \
         return { state: e.state, err, org: script.org.code, size: e.dataFile.size > 0 };",
        "sent",
        r#"\"state\":\"ready\""#,
    ),
    ("an endless loop", "for (;;) {}", "given_up", "time"),
    (
        "endless microtasks",
        "(function f() { Promise.resolve().then(f) })(); return new Promise(() => {})",
        "given_up",
        "",
    ),
    ("a native loop", "new Array(2 ** 32 - 1).join('x'.repeat(2 ** 20))", "given_up", ""),
    (
        "a memory bomb",
        "const a = []; for (;;) a.push(new Array(1e6).fill(a.length))",
        "given_up",
        "memory",
    ),
    ("a deep recursion", "(function f() { f() })()", "given_up", ""),
    ("a slow pattern", "/^(a+)+$/.test('a'.repeat(40) + 'b')", "given_up", "time"),
    (
        "a changed prototype",
        "Object.prototype.polluted = 'yes'; throw new Error('x' + {}.polluted)",
        "given_up",
        "xyes",
    ),
    ("files", "return require('fs').readFileSync('/etc/passwd')", "given_up", ""),
    (
        "the process",
        "return typeof process + typeof std + typeof os + this.constructor.constructor('return typeof process')()",
        "sent",
        "undefinedundefinedundefinedundefined",
    ),
    ("the environment", "return Object.keys(globalThis).join()", "sent", ""),
    (
        "the server itself",
        "return require('http').get('http://127.0.0.1:1/').statusCode",
        "given_up",
        "",
    ),
    ("nothing left of others", "return String({}.polluted)", "sent", "undefined"),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_script_holds_up_anything() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options = Options::rows(1_000).set("OUTHAUL__SCRIPTS__TIME_SECS", 2);
    let mut server = Server::start(folder.path(), options).await?;
    // What making the demo's data left behind would be counted, too.
    server.terminate(Duration::from_secs(30)).await?;
    server.restart().await?;
    let org = Cortex::sign_in(&server, "acme").await?;
    let (mut before, mut grown) = (None, 0);
    for (name, source, state, tells) in CASES {
        let wanted = json!({
            "label": name, "objects": "c_accounts", "paths": ["c_name"], "afterScript": source,
        });
        let id = org.create(&wanted).await.map_err(|error| error.context(*name))?;
        let export = org.ended(&id).await?;
        assert_eq!(export["state"], "ready", "{name}: {export}");
        let begun = Instant::now();
        let over = |state: &serde_json::Value| state == "sent" || state == "given_up";
        let export = org.until(&id, |export| over(&export["x_script"]["state"])).await?;
        let told = &export["x_script"];
        let took = begun.elapsed();
        // The first request of a kind sets things up that stay.
        let held = own_kib(&server);
        let first = *before.get_or_insert(held);
        grown = grown.max(held.saturating_sub(first));
        println!("{name}: {took:?}, the server holds {held} KiB, {told}");
        assert_eq!(told["state"], *state, "{name}: {told}");
        assert!(told.to_string().to_lowercase().contains(tells), "{name}: {told}");
        assert_eq!(export["state"], "ready", "{name}");
        assert!(server.is_alive());
    }
    println!("the server grew by {grown} KiB");
    assert!(grown < 8 << 10, "{grown} KiB");
    Ok(())
}

/// Memory of the server process that is its own, without what it reads of its program.
fn own_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process()));
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(u64::MAX)
}
