//! Processes that are not what they should be, and owners that go away.

use std::io::{BufRead, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use outhaul_scripts::{End, Error, Failure, Limits, NoHost, Sandbox};

use crate::{cases, host};

fn second() -> Limits {
    Limits { time: Duration::from_secs(1), ..Limits::default() }
}

pub async fn a_program_that_is_no_sandbox_is_an_error() {
    for (program, argument) in [("/bin/true", "x"), ("/bin/cat", "/etc/hostname")] {
        let sandbox = Sandbox::new(program, vec![argument.into()]).expect("a thread starts");
        let error = sandbox.run("1", "{}", &[], &second(), &NoHost).await.expect_err("no sandbox");
        assert!(matches!(error, Error::NotReady { .. }), "{error:?}");
        println!("{program}: {error}");
    }
    let sandbox = Sandbox::new("/there/is/none", Vec::new()).expect("a thread starts");
    let error = sandbox.check("1", &[], &second()).await.expect_err("no program");
    assert!(matches!(error, Error::Start(_)), "{error:?}");
}

pub async fn globals_are_checked() {
    let sandbox = cases::sandbox();
    for globals in ["", "[]", "null", "{", "{} {}"] {
        let ran = sandbox.run("1", globals, &[], &second(), &NoHost).await;
        assert!(matches!(ran, Err(Error::Globals { .. })), "{globals}: {ran:?}");
    }
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let ran = sandbox.run("1", &long, &[], &second(), &NoHost).await;
    assert!(matches!(ran, Err(Error::GlobalsTooLong { .. })), "{ran:?}");
}

const READY: &str = r#"{"ready":{"version":1}}"#;

/// What a process says that is not ours, and what is made of it.
const LIES: &[(&str, &str)] = &[
    ("half a line", "it said a line that is no sentence"),
    ("endless line", "it said a line without an end"),
    ("ready twice", "it said that it is ready, twice"),
    ("foreign call", "it said the name of a module that is not offered"),
    ("foreign function", "it said the name of a function that is not offered"),
    ("wild arguments", "it said arguments that are too long or no JSON"),
    ("too many calls", "it said more calls than it may make"),
    ("code", "ended with code 3"),
    ("abort", "ended by signal 6"),
];

pub async fn a_process_that_lies_is_a_crash() {
    let own = std::env::current_exe().expect("the test has a file");
    let run = async |lie: &str| {
        let sandbox = Sandbox::new(&own, vec!["liar".into(), lie.into()]).expect("it starts");
        let ran = sandbox.run("1", "{}", &host::modules(), &second(), &host::Answers).await;
        ran.unwrap_or_else(|error| panic!("{lie}: {error}"))
    };
    for (lie, detail) in LIES {
        let end = run(lie).await.end;
        let expected = End::Failed(Failure::Crashed { detail: (*detail).to_owned() });
        assert_eq!(end, expected, "{lie}");
    }
    let flood = run("log flood").await;
    assert_eq!(flood.end, End::Failed(Failure::Time));
    assert!(flood.logs.cut && flood.logs.lines.len() <= 1_000);
    let long = run("long result").await.end;
    assert!(matches!(long, End::Failed(Failure::Output { .. })), "{long:?}");
    let silent = run("silence").await;
    assert_eq!(silent.end, End::Failed(Failure::Time));
    let wild = run("wild message").await.end;
    assert_eq!(
        wild,
        End::Failed(Failure::Exception { message: r"\u{1b}[2J".to_owned(), line: None })
    );
}

/// The other side of these lies.
pub fn lie(args: &[String]) -> ExitCode {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    let mut out = std::io::stdout().lock();
    let mut say = |text: &str| {
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    };
    input.read_line(&mut line).expect("a setup");
    say(READY);
    input.read_line(&mut line).expect("a job");
    let call = |module: &str, function: &str, arguments: &str| {
        format!(
            r#"{{"call":{{"module":"{module}","function":"{function}","arguments":"{arguments}"}}}}"#
        )
    };
    match args.first().map_or("", String::as_str) {
        "half a line" => say("{\"log\":"),
        "endless line" => loop {
            if std::io::stdout().write_all(&[b'x'; 4096]).is_err() {
                return ExitCode::SUCCESS;
            }
        },
        "ready twice" => say(READY),
        "foreign call" => say(&call("fs", "read", "[]")),
        "foreign function" => say(&call("http", "eval", "[]")),
        "wild arguments" => say(&call("http", "get", "[")),
        "too many calls" => (0..6).for_each(|_| say(&call("http", "get", "[]"))),
        "code" => return ExitCode::from(3),
        "abort" => std::process::abort(),
        "log flood" => loop {
            say(r#"{"log":{"level":"info","text":"again\n and again"}}"#);
        },
        "long result" => {
            say(&format!(r#"{{"done":{{"finished":{{"result":"{}"}}}}}}"#, "1".repeat(70_000)));
        }
        "wild message" => {
            say(r#"{"done":{"failed":{"exception":{"message":"\u001b[2J","line":null}}}}"#);
        }
        _ => {}
    }
    // Until somebody ends it.
    let _ = input.read_to_string(&mut line);
    ExitCode::SUCCESS
}

/// The processes that this one started.
fn children(of: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    found
}

/// Whether a process is there and no zombie.
fn lives(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const FOREVER: Limits = Limits {
    source_chars: 50_000,
    input_bytes: 1024,
    time: Duration::from_secs(600),
    call_time: Duration::from_secs(600),
    call_bytes: 1024,
    memory_bytes: 64 << 20,
    stack_bytes: 1 << 20,
    log_lines: 10,
    log_bytes: 1024,
    result_bytes: 1024,
    message_bytes: 1024,
};

pub async fn a_dropped_run_leaves_no_process() {
    let sandbox = cases::sandbox();
    let own = std::process::id();
    let run = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { sandbox.run("for(;;);", "{}", &[], &FOREVER, &NoHost).await }
    });
    until("a process", || !children(own).is_empty()).await;
    let pid = children(own)[0];
    run.abort();
    until("its end", || !lives(pid)).await;
}

/// A server that runs an endless script, until it is killed.
pub async fn own() {
    let sandbox = cases::sandbox();
    let run = sandbox.run("for(;;);", "{}", &[], &FOREVER, &NoHost);
    run.await.expect("it is killed before");
}

pub async fn a_dead_server_leaves_no_process() {
    let own = std::env::current_exe().expect("the test has a file");
    let mut owner =
        Command::new(own).arg("owner").stdout(Stdio::null()).spawn().expect("it starts");
    until("a process", || !children(owner.id()).is_empty()).await;
    let pid = children(owner.id())[0];
    // It has asked for its end when it has limited itself.
    until("its limits", || {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
        limits.lines().any(|line| line.starts_with("Max open files") && line.contains(" 3 "))
    })
    .await;
    owner.kill().expect("it is killed");
    owner.wait().expect("it is gone");
    until("its end", || !lives(pid)).await;
}

/// A script that uses all of its time takes none of another's, and all get their own answers.
pub async fn scripts_run_side_by_side() {
    let sandbox = cases::sandbox();
    let mut runs = tokio::task::JoinSet::new();
    for number in 0..8 {
        let sandbox = sandbox.clone();
        runs.spawn(async move {
            let source = "const { get } = require('http'); return get(n).asked[0];";
            let source = if number == 0 { "for(;;);" } else { source };
            let globals = format!("{{\"n\":{number}}}");
            let modules = host::modules();
            let ran = sandbox.run(source, &globals, &modules, &second(), &host::Answers).await;
            (number, ran.expect("it runs").end)
        });
    }
    while let Some(run) = runs.join_next().await {
        let (number, end) = run.expect("no panic");
        let expected = match number {
            0 => End::Failed(Failure::Time),
            _ => End::Finished { result: Some(number.to_string()) },
        };
        assert_eq!(end, expected);
    }
}
