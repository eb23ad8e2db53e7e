//! A series of exports with a real server and real files, driven by the command line alone.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Ran, program, run_in};

const CONFIG: &str = r#"
    [server]
    listen = "127.0.0.1:0"
    [worker]
    slots = 1
    planners = 1
    [[sources]]
    kind = "files"
    name = "main"
    url = "data"
    overlap_secs = 600
    [[catalog.objects]]
    name = "Thing"
    source = "main"
    key = ["Id"]
    tenant_column = "tenant"
    updated = "Changed"
    deleted_column = "gone"
    tombstones = { table = "Buried", deleted_at = "at", columns = { Id = "thing" } }
    fields = [
      { name = "Id", type = "integer" },
      { name = "Name", type = "text" },
      { name = "Changed", type = "timestamp" },
    ]
    [[catalog.objects]]
    name = "Timeless"
    source = "main"
    table = "Thing"
    key = ["Id"]
    tenant_column = "tenant"
    fields = [{ name = "Id", type = "integer" }]
    [[tenants]]
    id = "acme"
"#;

struct Server {
    child: Child,
    folder: tempfile::TempDir,
    url: String,
    key: String,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("data")).expect("a folder");
        std::fs::write(folder.path().join("outhaul.toml"), CONFIG).expect("it is written");
        things(folder.path(), &["1,a,2020-01-01T00:00:00Z,false"]);
        buried(folder.path(), &["7,2020-01-01T00:00:00Z"]);
        let key = run_in(folder.path(), &["keys", "create", "--tenant", "acme", "--json"]).good();
        let key: Value = serde_json::from_str(&key).expect("it is JSON");
        let key = key["secret"].as_str().expect("it is shown once").to_owned();
        let log = std::fs::File::create(folder.path().join("server.log")).expect("a log");
        let mut child = program()
            .current_dir(folder.path())
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let begun = Instant::now();
        loop {
            let log = std::fs::read_to_string(folder.path().join("server.log")).expect("a log");
            let ready = log.lines().find_map(|line| line.split_once("ready url=\""));
            if let Some((url, _)) = ready.and_then(|(_, rest)| rest.split_once('"')) {
                let url = url.to_owned();
                return Self { child, folder, url, key };
            }
            let ended = child.try_wait().expect("it can be asked");
            let late = begun.elapsed() > Duration::from_secs(60);
            assert!(ended.is_none() && !late, "the server is not ready: {log}");
            // Its log is the only signal that there is.
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let server = ["--server", self.url.as_str(), "--key", self.key.as_str()];
        run_in(self.folder.path(), &[arguments, &server].concat())
    }

    /// An export in the session `nightly`: its id and the lines of its file.
    fn export(&self, more: &[&str]) -> (String, Vec<String>) {
        let create = ["exports", "create", "--object", "Thing", "--fields", "Id,Name"];
        let session = ["--deleted", "mark", "--session", "nightly", "--wait", "--json"];
        let export = self.run(&[&create[..], &session, more].concat()).good();
        let export: Value = serde_json::from_str(&export).expect("it is JSON");
        let id = export["id"].as_str().expect("an id").to_owned();
        let file = self.run(&["exports", "pull", &id, "--output", "-"]).good();
        let mut lines: Vec<_> = file.lines().skip(1).map(str::to_owned).collect();
        lines.sort();
        (id, lines)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn things(folder: &Path, rows: &[&str]) {
    let rows: Vec<_> = rows.iter().map(|row| format!("acme,{row}\n")).collect();
    let text = format!("tenant,Id,Name,Changed,gone\n{}", rows.concat());
    std::fs::write(folder.join("data/Thing.csv"), text).expect("it is written");
}

fn buried(folder: &Path, rows: &[&str]) {
    let rows: Vec<_> = rows.iter().map(|row| format!("acme,{row}\n")).collect();
    let text = format!("tenant,thing,at\n{}", rows.concat());
    std::fs::write(folder.join("data/Buried.csv"), text).expect("it is written");
}

#[test]
fn a_series_of_exports() {
    let server = Server::start();
    let folder = server.folder.path();
    let (first, rows) = server.export(&[]);
    assert_eq!(rows, ["1,a,false"]);
    // Nobody said that the rows had arrived.
    let (second, rows) = server.export(&[]);
    assert_eq!(rows, ["1,a,false"]);
    server.run(&["sessions", "acknowledge", "nightly", &second]).good();
    let refused = server.run(&["sessions", "acknowledge", "nightly", &first]).ended(5);
    assert!(refused.contains("has moved since the export was created"), "{refused}");
    assert_eq!(server.export(&[]).1, [""; 0]);

    let now = String::from_utf8(
        std::process::Command::new("date")
            .args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])
            .output()
            .expect("it tells")
            .stdout,
    );
    let now = now.expect("it is text");
    let now = now.trim();
    let (changed, dead) = (format!("2,b,{now},false"), format!("3,c,{now},true"));
    things(folder, &["1,a,2020-01-01T00:00:00Z,false", &changed, &dead]);
    buried(folder, &["7,2020-01-01T00:00:00Z", &format!("8,{now}")]);
    let (third, rows) = server.export(&[]);
    assert_eq!(rows, ["2,b,false", "3,c,true", "8,,true"]);
    server.run(&["sessions", "acknowledge", "nightly", &third]).good();
    // From where it began, not from where the session is.
    let (_, rows) = server.export(&["--replay", &second]);
    assert_eq!(rows, ["1,a,false", "2,b,false", "3,c,true"]);

    let shown = server.run(&["sessions", "show", "nightly"]).good();
    assert!(shown.contains("moved 2 times") && shown.contains(&third), "{shown}");
    let listed = server.run(&["sessions", "list"]).good();
    assert!(listed.lines().nth(1).is_some_and(|line| line.starts_with("nightly ")), "{listed}");
    let create = ["exports", "create", "--object", "Timeless", "--session", "timeless"];
    let refused = server.run(&create).ended(5);
    assert!(refused.contains("the catalog names no such field (updated)"), "{refused}");
    server.run(&["sessions", "show", "../exports"]).ended(2);
    server.run(&["sessions", "show", "timeless"]).ended(5);
    server.run(&["sessions", "remove", "nightly"]).good();
    assert_eq!(server.export(&[]).1.len(), 3, "another session of the name begins in full");
}
