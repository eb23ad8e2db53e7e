//! Commands that ask a server, before one that answers what a test wants.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use crate::program::{Ran, run_in};

const ID: &str = "0123456789abcdef0123456789abcdef";

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
enum Deal {
    /// It is closed before an answer.
    Drop,
    /// It breaks in the middle of an answer.
    Break,
    /// The server is about to stop.
    Stop,
    /// The export is in this state.
    Say(&'static str),
}

/// A server that deals with one connection after the other, and then is gone.
struct Server {
    address: String,
    served: JoinHandle<Vec<String>>,
}

impl Server {
    fn start(deals: &'static [Deal]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let served = std::thread::spawn(move || {
            deals.iter().map(|deal| serve(&listener.accept().expect("a client").0, *deal)).collect()
        });
        Self { address, served }
    }

    /// Runs a command of `outhaul exports`; answers also the first line of each request.
    fn ask(self, before: &[&str], command: &[&str]) -> (Ran, Vec<String>) {
        let server = ["--server", self.address.as_str()];
        let ran =
            run_in(&std::env::temp_dir(), &[&["exports"][..], &server, before, command].concat());
        (ran, self.served.join().expect("every connection came"))
    }
}

fn serve(stream: &TcpStream, deal: Deal) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    let body = match deal {
        Deal::Drop => return first,
        Deal::Break => "{\"id\":".to_owned(),
        Deal::Stop => "{\"detail\":\"stopping\"}".to_owned(),
        Deal::Say(state) => format!("{{\"id\":\"{ID}\",\"state\":\"{state}\",\"progress\":{{}}}}"),
    };
    let status = if matches!(deal, Deal::Stop) { "503 Service Unavailable" } else { "200 OK" };
    let length = body.len() + if matches!(deal, Deal::Break) { 10 } else { 0 };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close");
    let mut stream = stream;
    // A client that went away is seen by what it says.
    write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").ok();
    first
}

#[test]
fn a_server_that_comes_back_is_waited_for() {
    use Deal::{Break, Drop, Say, Stop};
    let deals = &[Stop, Drop, Drop, Stop, Say("running"), Break, Say("completed")];
    let (ran, requests) = Server::start(deals).ask(&["--key", "x"], &["watch", ID]);
    assert!(ran.good().contains("is completed"));
    assert_eq!(requests.len(), 7);
    assert!(requests.iter().all(|line| line.contains(ID)), "{requests:?}");
}

#[test]
fn a_server_that_stays_away_is_not_waited_for() {
    use Deal::{Drop, Say};
    let server = Server::start(&[Say("running"), Drop]);
    let (ran, _) = server.ask(&["--key", "x", "--patience", "1"], &["watch", ID]);
    let words = ran.ended(4);
    assert!(words.contains("waits again") && words.contains("cannot reach"), "{words}");
}

/// A flag that would do nothing is refused.
#[test]
fn flags_that_do_not_go_together_are_refused() {
    let folder = std::env::temp_dir();
    let sql = ["--sql", "select 1"];
    let file = ["--request", "r.json"];
    for (what, flag) in [
        (sql, &["--where", "a"][..]),
        (sql, &["--limit", "3"]),
        (sql, &["--fields", "Id"]),
        (sql, &["--order-by", "-Id"]),
        (file, &["--format", "xlsx"]),
        (file, &["--pack", "gzip"]),
        (file, &["--encrypted"]),
        (file, &["--file-encryption", "openpgp"]),
        (file, &["--label", "x"]),
        (file, &["--where", "a"]),
        (sql, &["--session", "nightly"]),
        (file, &["--session", "nightly"]),
        (sql, &["--deleted", "mark"]),
    ] {
        let words = run_in(&folder, &[&["exports", "create"], &what[..], flag].concat()).ended(2);
        assert!(words.contains("cannot be used with"), "{words}");
    }
}

#[test]
fn the_server_is_named_before_or_behind_the_subcommand() {
    use Deal::Say;
    let completed: &[Deal] = &[Say("completed")];
    Server::start(completed).ask(&[], &["watch", ID, "--key", "x"]).0.good();
    Server::start(completed).ask(&["--key", "x"], &["watch", ID, "--json"]).0.good();
    let folder = std::env::temp_dir();
    for wrong in [
        &["--demo", "d.json", "list", "--key", "x"][..],
        &["--key", "x", "list", "--demo", "d.json"],
        &["--demo-tenant", "acme", "list", "--key", "x"],
        &["list"],
    ] {
        run_in(&folder, &[&["exports"][..], wrong].concat()).ended(2);
    }
}
