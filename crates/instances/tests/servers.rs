//! Starts every kind of server, as its users do, and looks from outside whether it is what was
//! asked for.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use outhaul_instances::{Access, MariaDb, Options, Postgres, Stop, Tls, random_password};

/// Set for the process that is killed.
const KILLED: &str = "OUTHAUL_INSTANCES_KILLED";

#[test]
fn both_servers_start_answer_and_stop() {
    let mut postgres = Postgres::start(Options::default()).unwrap();
    let mut mariadb = MariaDb::start(Options::default()).unwrap();
    let text = "create table t (a int, b text); insert into t values (1, 'żółć'), (2, null);";
    postgres.sql(text).unwrap();
    mariadb.sql(text).unwrap();
    assert_eq!(postgres.sql("select a, b from t order by a").unwrap(), "1|żółć\n2|");
    assert_eq!(mariadb.sql("select a, b from t order by a").unwrap(), "1\tżółć\n2\tNULL");
    assert!(postgres.url().starts_with("postgres://outhaul@127.0.0.1:"), "{}", postgres.url());
    assert!(mariadb.url().starts_with("mysql://outhaul@127.0.0.1:"), "{}", mariadb.url());

    let wrong = postgres.sql("select 1; select * from nothing").unwrap_err().to_string();
    assert!(wrong.contains("relation \"nothing\" does not exist"), "{wrong}");
    let wrong = mariadb.sql("select 1; select * from nothing").unwrap_err().to_string();
    assert!(wrong.contains("Table 'outhaul.nothing' doesn't exist"), "{wrong}");

    let folders = [postgres.folder().to_path_buf(), mariadb.folder().to_path_buf()];
    let pids = [postgres.pid().unwrap(), mariadb.pid().unwrap()];
    assert!(postgres.is_running() && mariadb.is_running());
    drop((postgres, mariadb));
    for folder in &folders {
        assert!(!folder.exists(), "{} was left", folder.display());
    }
    for pid in pids {
        assert!(!runs(pid), "process {pid} was left");
    }
}

#[test]
fn a_restarted_server_has_its_port_and_its_rows() {
    let mut postgres = Postgres::start(Options::default()).unwrap();
    let mut mariadb = MariaDb::start(Options::default()).unwrap();
    let ports = (postgres.port(), mariadb.port());
    postgres.sql("create table t (a int); insert into t values (7)").unwrap();
    mariadb.sql("create table t (a int) engine=innodb; insert into t values (7)").unwrap();
    // InnoDB writes its log out every second when it is not asked to do so at each commit.
    mariadb.sql("flush engine logs; set global innodb_flush_log_at_trx_commit = 1;").unwrap();
    mariadb.sql("insert into t values (8)").unwrap();
    for how in [Stop::Fast, Stop::Immediate] {
        postgres.restart(how).unwrap();
        mariadb.restart(how).unwrap();
        assert_eq!(postgres.sql("select a from t").unwrap(), "7");
        assert_eq!(mariadb.sql("select count(*) from t where a = 7").unwrap(), "1");
    }
    assert_eq!((postgres.port(), mariadb.port()), ports);
    postgres.stop(Stop::Fast).unwrap();
    assert!(!postgres.is_running());
    assert!(postgres.sql("select 1").is_err());
    postgres.resume().unwrap();
    assert_eq!(postgres.sql("select a from t").unwrap(), "7");
}

#[test]
fn a_password_is_asked_for() {
    let password = random_password().unwrap();
    assert_ne!(password, random_password().unwrap());
    let options = Options { access: Access::Password(password.clone()), ..Options::default() };
    let postgres = Postgres::start(options.clone()).unwrap();
    assert_eq!(postgres.sql("select 1").unwrap(), "1");
    let stored = postgres.sql("select rolpassword from pg_authid where rolname = 'outhaul'");
    assert!(stored.unwrap().starts_with("SCRAM-SHA-256$"));
    let with = |password: &str| {
        let url = postgres.url_for("outhaul", None, "outhaul");
        let asked =
            postgres.psql().env("PGPASSWORD", password).args([&url, "-c", "select 2"]).output();
        let asked = asked.unwrap();
        (asked.status.success(), String::from_utf8_lossy(&asked.stderr).into_owned())
    };
    assert!(with(&password).0);
    let (passed, said) = with("another");
    assert!(!passed && said.contains("password authentication failed"), "{said}");

    let mariadb = MariaDb::start(options).unwrap();
    assert_eq!(mariadb.sql("select 1").unwrap(), "1");
    for user in ["outhaul", "root"] {
        let mut client = mariadb.client();
        let asked =
            client.env("MYSQL_PWD", "another").args(["--user", user, "-e", "select 2"]).output();
        let said = String::from_utf8_lossy(&asked.unwrap().stderr).into_owned();
        assert!(said.contains("Access denied"), "{said}");
    }
}

#[test]
fn connections_are_encrypted_when_that_is_asked_for() {
    let options = Options { tls: Tls::Required, ..Options::default() };
    let postgres = Postgres::start(options.clone()).unwrap();
    let ca = postgres.ca().unwrap().display().to_string();
    let by = |settings: &str| {
        let asked = format!("host=localhost hostaddr=127.0.0.1 dbname=outhaul {settings}");
        let question = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        let answer = postgres.psql().args([&asked, "-c", question]).output().unwrap();
        let text = [answer.stdout, answer.stderr].concat();
        String::from_utf8(text).unwrap()
    };
    assert_eq!(by(&format!("sslmode=verify-full sslrootcert={ca}")).trim(), "t");
    let said = by("sslmode=disable");
    assert!(said.contains("no encryption"), "{said}");

    let mariadb = MariaDb::start(options).unwrap();
    let ca = mariadb.ca().unwrap().display().to_string();
    let by = |settings: &[&str]| {
        let mut client = mariadb.client();
        client.args(["--protocol=tcp", "--host=127.0.0.1", "--port", &mariadb.port().to_string()]);
        let asked = client.args(settings).args(["-e", "show status like 'Ssl_cipher'"]).output();
        let asked = asked.unwrap();
        String::from_utf8([asked.stdout, asked.stderr].concat()).unwrap()
    };
    let said = by(&["--ssl-verify-server-cert", &format!("--ssl-ca={ca}")]);
    assert!(said.contains("TLS_"), "{said}");
    let said = by(&["--skip-ssl"]);
    assert!(said.starts_with("ERROR"), "{said}");
}

#[test]
fn a_replica_follows_and_answers() {
    let access = Access::Password(random_password().unwrap());
    let primary = Postgres::start(Options { access, ..Options::default() }).unwrap();
    primary.sql("create table t as select generate_series(1, 1000) a").unwrap();
    let replica = primary.replica(&[("max_standby_streaming_delay", "0")]).unwrap();
    assert_ne!(replica.port(), primary.port());
    assert_eq!(replica.sql("select pg_is_in_recovery(), count(*) from t").unwrap(), "t|1000");
    primary.sql("insert into t values (1001)").unwrap();
    replica.catch_up(&primary).unwrap();
    assert_eq!(replica.sql("select count(*) from t").unwrap(), "1001");
    assert_eq!(replica.sql("show max_standby_streaming_delay").unwrap(), "0");
    let refused = replica.sql("insert into t values (1)").unwrap_err().to_string();
    assert!(refused.contains("read-only transaction"), "{refused}");
}

#[test]
fn a_server_that_stays_is_found_and_stopped_by_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("postgres");
    let password = random_password().unwrap();
    let options = Options {
        folder: Some(place.clone()),
        durable: true,
        access: Access::Password(password),
        stay: true,
        ..Options::default()
    };
    // The folder is made by whoever may enter this one.
    open(folder.path());
    let server = Postgres::start(options.clone()).unwrap();
    server.sql("create table t (a int); insert into t values (7)").unwrap();
    assert_eq!(server.sql("show data_checksums").unwrap(), "on");
    assert_eq!(server.sql("show fsync").unwrap(), "on");
    let (port, pid) = (server.port(), server.pid());
    drop(server);
    assert_eq!(Postgres::running_in(&place), pid);
    let twice = Postgres::start(options.clone()).unwrap_err().to_string();
    assert!(twice.contains("runs in") && twice.contains("already"), "{twice}");

    assert_eq!(Postgres::port_in(&place), Some(port));
    assert!(Postgres::stop_in(&place).unwrap());
    assert_eq!(Postgres::running_in(&place), None);
    assert!(!Postgres::stop_in(&place).unwrap());

    let again = Postgres::start(Options { stay: false, ..options }).unwrap();
    assert_eq!(again.port(), port, "clients know the port");
    assert_eq!(again.sql("select a from t").unwrap(), "7");
    drop(again);
    assert_eq!(Postgres::running_in(&place), None);
    assert!(place.join("data").exists(), "a folder that was given is kept");
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let settings = vec![("work_mem".to_owned(), "much".to_owned())];
    let error = Postgres::start(Options { settings, ..Options::default() }).unwrap_err();
    assert!(format!("{error:#}").contains("invalid value for parameter \"work_mem\""), "{error:#}");
    let settings = vec![("no-such-setting".to_owned(), "1".to_owned())];
    let error = MariaDb::start(Options { settings, ..Options::default() }).unwrap_err();
    assert!(format!("{error:#}").contains("no-such-setting"), "{error:#}");
}

#[test]
fn servers_of_a_killed_process_end() {
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(KILLED, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(helper.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut started: Vec<(u32, String)> = Vec::new();
    for line in lines {
        if let Some((pid, folder)) = line.strip_prefix("started ").and_then(|l| l.split_once(' ')) {
            started.push((pid.parse().unwrap(), folder.to_owned()));
        }
        if started.len() == 2 {
            break;
        }
    }
    assert_eq!(started.len(), 2);
    helper.kill().unwrap();
    helper.wait().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    for (pid, folder) in started {
        while runs(pid) || Path::new(&folder).exists() {
            assert!(Instant::now() < until, "process {pid} or {folder} was left");
            std::thread::yield_now();
        }
    }
}

/// Not a test by itself: what `servers_of_a_killed_process_end` starts and kills.
#[test]
fn the_process_that_is_killed() {
    if std::env::var_os(KILLED).is_none() {
        return;
    }
    let postgres = Postgres::start(Options::default()).unwrap();
    println!("\nstarted {} {}", postgres.pid().unwrap(), postgres.folder().display());
    let mariadb = MariaDb::start(Options::default()).unwrap();
    println!("started {} {}", mariadb.pid().unwrap(), mariadb.folder().display());
    // Whoever started this process kills it.
    std::thread::park();
}

/// Whether a process is there and alive.
fn runs(pid: u32) -> bool {
    let about = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !about.is_empty() && !about.contains(") Z ")
}

fn open(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
