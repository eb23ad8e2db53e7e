//! A network of its own, in which the forbidden addresses are real and somebody listens at each.
//!
//! The test starts itself again in new namespaces (`unshare`); there every address below is one of
//! the loopback interface, and two listeners count who connects to any of them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use outhaul_exports::testing::FORBIDDEN_URLS;
use tokio::net::TcpListener;

use super::*;

const ADDRESSES: &[&str] = &[
    "169.254.169.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "192.0.0.192",
    "198.18.0.1",
    "203.0.113.1",
    "fd00::1",
    "fd00:ec2::254",
    "2001:db8::1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
];
const PORT: u16 = 8443;

const INSIDE: &str = "callback::tests::network::nothing_arrives";
const UNSHARE: [&str; 4] = ["--user", "--map-root-user", "--net", "--"];

#[test]
fn nothing_arrives_at_forbidden_addresses_that_are_there() {
    let can =
        Command::new("unshare").args(UNSHARE).args(["ip", "link", "set", "lo", "up"]).status();
    if !can.is_ok_and(|status| status.success()) {
        println!(
            "skipped: unshare and ip cannot make a network here; install util-linux, iproute2"
        );
        return;
    }
    let program = std::env::current_exe().expect("a program");
    let output = Command::new("unshare")
        .args(UNSHARE)
        .arg(program)
        .args(["--exact", INSIDE, "--ignored", "--nocapture"])
        .env_remove("NEXTEST")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complaint}");
    println!("{said}");
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).stdin(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "ip {arguments:?}");
}

/// Counts the connections to any address of this network.
async fn count(port: u16) -> Arc<AtomicUsize> {
    let counted = Arc::new(AtomicUsize::new(0));
    let v6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await.expect("a port");
    // One that takes both kinds of addresses takes both already.
    let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.ok();
    for listener in [Some(v6), v4].into_iter().flatten() {
        let counted = counted.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    counted
}

fn quick(rules: Rules) -> CallSettings {
    CallSettings { timeout: Duration::from_millis(500), ..settings(rules) }
}

#[tokio::test]
#[ignore = "run by another test, in a network of its own"]
async fn nothing_arrives() {
    ip(&["link", "set", "lo", "up"]);
    for address in ADDRESSES {
        let bits = if address.contains(':') { 128 } else { 32 };
        ip(&["address", "add", &format!("{address}/{bits}"), "dev", "lo", "nodad"]);
    }
    let mut counts = Vec::new();
    for port in [80, 443, PORT, 22, 25, 6379] {
        counts.push(count(port).await);
    }
    let counted = || counts.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>();

    // However an address is written. The rules know every port here, so that addresses alone decide.
    let caller = HttpCaller::new(quick(rules(&[]))).expect("good settings");
    let mut forms = 0;
    for form in FORBIDDEN_URLS {
        let plain = form.replacen("https:", "http:", 1);
        for url in [*form, &plain] {
            // A port alone does not lead anywhere that is forbidden.
            if url.contains("example.com:") {
                continue;
            }
            assert!(caller.call(&call(url)).await.is_err(), "{url}");
            forms += 1;
        }
    }
    // By a name, at once or after another answer.
    let public = addresses(&["1.1.1.1"]);
    for address in ADDRESSES.iter().chain(&["127.0.0.1", "::1", "0.0.0.0", "::"]) {
        let found = addresses(&[address]);
        for answers in [vec![found.clone()], vec![public.clone(), found.clone()]] {
            let lookup = Arc::new(Fickle { answers, asked: AtomicUsize::new(0) });
            let caller = HttpCaller::with_lookup(quick(rules(&[])), lookup).expect("good settings");
            for _ in 0..2 {
                let url = format!("http://rebind.example.com:{PORT}/");
                assert!(caller.call(&call(&url)).await.is_err(), "{address}");
            }
        }
    }
    assert_eq!(counted(), 0, "somebody was reached");

    // The same are reached where they are allowed: the listeners would have seen them.
    for (number, address) in ADDRESSES.iter().enumerate() {
        let host =
            if address.contains(':') { format!("[{address}]") } else { (*address).to_owned() };
        let caller = HttpCaller::new(quick(rules(&[address]))).expect("good settings");
        let called = caller.call(&call(&format!("http://{host}:{PORT}/"))).await;
        assert!(called.is_err(), "nobody answers");
        assert_eq!(counted(), number + 1, "{address}: {called:?}");
    }
    println!("{forms} URLs and {} names: 0 connections", ADDRESSES.len() + 4);
}
