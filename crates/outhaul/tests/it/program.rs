//! Starts the program and looks at what it says.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The program under test, with nothing of the tester's environment that would change it.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outhaul"));
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name.starts_with("OUTHAUL")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// What a run of the program came to.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs it in a folder.
pub fn run_in(folder: &Path, arguments: &[&str]) -> Ran {
    let output = program().current_dir(folder).args(arguments).output();
    ran(output.expect("the program starts"))
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// Its output, when it succeeded.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }

    /// Its words, when it ended with that code.
    #[track_caller]
    pub fn ended(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self.err
    }
}

/// A running demo.
pub struct Demo {
    child: Child,
    pub folder: PathBuf,
    pub json: Value,
}

impl Demo {
    /// Starts one and waits until it is ready.
    pub fn start(folder: &Path) -> Self {
        let announced = folder.join("demo.json");
        std::fs::remove_file(&announced).ok();
        let log = std::fs::File::create(folder.join("server.log")).expect("a log");
        let mut child = program()
            .args(["demo", "--port", "0", "--rows", "2000", "--data"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let begun = Instant::now();
        loop {
            // It appears whole.
            if let Ok(text) = std::fs::read_to_string(&announced) {
                let json = serde_json::from_str(&text).expect("it is JSON");
                return Self { child, folder: folder.to_owned(), json };
            }
            let ended = child.try_wait().expect("it can be asked");
            let late = begun.elapsed() > Duration::from_secs(120);
            if ended.is_some() || late {
                child.kill().ok();
                let log = std::fs::read_to_string(folder.join("server.log"));
                panic!("the demo is not ready: {ended:?} {}", log.unwrap_or_default());
            }
            // The file is the only signal that there is.
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs a command of `outhaul exports` as acme.
    pub fn exports(&self, arguments: &[&str]) -> Ran {
        let mut all = vec!["exports"];
        all.extend(arguments);
        all.extend(["--demo", "demo.json"]);
        run_in(&self.folder, &all)
    }

    pub fn base_url(&self) -> &str {
        self.json["base_url"].as_str().expect("it is there")
    }

    /// Sends a signal and answers the exit code and how long it took.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &process]).status();
        assert!(sent.expect("kill starts").success());
        let status = self.child.wait().expect("it ends");
        (status.code(), begun.elapsed())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
