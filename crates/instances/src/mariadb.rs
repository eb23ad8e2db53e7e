//! A private MariaDB server.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;

use crate::account::Account;
use crate::client;
use crate::folder::{self, Folder, Port};
use crate::options::{Options, Stop, Tls};
use crate::process::{self, Process};
use crate::programs::{self, MariaDbPrograms};
use crate::tls::{self, Certificate};

/// Who it runs as when root starts it.
const ACCOUNTS: &[&str] = &["mysql", "nobody"];
/// How many ports are tried when others take them first.
const PORT_TRIES: u32 = 5;

/// For tests: nothing waits for a disk.
const FAST: &[(&str, &str)] =
    &[("innodb-flush-log-at-trx-commit", "0"), ("innodb-doublewrite", "0"), ("sync-binlog", "0")];

/// A private MariaDB server. Dropping it stops it, unless [`Options::stay`] is set.
#[derive(Debug)]
pub struct MariaDb {
    options: Options,
    account: Account,
    programs: MariaDbPrograms,
    certificate: Option<Certificate>,
    port: u16,
    process: Option<Process>,
    // The last one: a temporary folder goes after the process.
    folder: Folder,
}

impl MariaDb {
    /// Makes the data when the folder has none, starts the server and waits until it takes
    /// connections.
    ///
    /// # Errors
    /// When MariaDB is not installed (the error names the package), the folder cannot be used, a
    /// server runs in it already, or the server does not start (the error ends with its log).
    pub fn start(options: Options) -> anyhow::Result<Self> {
        let programs = programs::mariadb()?;
        let account = Account::for_server(ACCOUNTS)?;
        let folder = Folder::open(options.folder.as_deref(), "outhaul-mariadb-", &account)?;
        if let Some(pid) = process::running(&pid_file(folder.path()), &folder.data()) {
            bail!(
                "a MariaDB server runs in {} already, as process {}; stop it first",
                folder.path().display(),
                pid.as_raw_nonzero(),
            );
        }
        let certificate = match options.tls {
            Tls::Off => None,
            Tls::Offered | Tls::Required => Some(tls::certificate(folder.path(), &account)?),
        };
        let port = folder.port()?;
        let (number, process) = (port.number, None);
        let mut server =
            Self { options, account, programs, certificate, port: number, process, folder };
        if !server.folder.data().exists() {
            server.make_data()?;
        }
        server.write_first_statements()?;
        server.launch_on(port)?;
        Ok(server)
    }

    fn make_data(&self) -> anyhow::Result<()> {
        let making = self.folder.making()?;
        let mut command = self.account.command(&self.programs.install);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", making.display()))
            .arg(format!("--tmpdir={}", self.folder.sockets().display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(["--skip-name-resolve", "--innodb-log-file-size=16M"])
            .args(&self.options.init);
        client::run(command, "").context("cannot make the data of a MariaDB server")?;
        Ok(fs::rename(making, self.folder.data())?)
    }

    /// The server runs them at every start, before it takes connections.
    fn write_first_statements(&self) -> anyhow::Result<()> {
        let database = self.options.database.replace('`', "``");
        let user = quoted(&self.options.user);
        let password = quoted(self.options.access.password().unwrap_or_default());
        let mut text = format!("CREATE DATABASE IF NOT EXISTS `{database}`;\n");
        for host in ["'localhost'", "'127.0.0.1'"] {
            text += &format!(
                "CREATE USER IF NOT EXISTS {user}@{host} IDENTIFIED BY {password};\n\
                 GRANT ALL PRIVILEGES ON *.* TO {user}@{host} WITH GRANT OPTION;\n"
            );
        }
        text += &format!("ALTER USER IF EXISTS 'root'@'localhost' IDENTIFIED BY {password};\n");
        let file = self.first_statements();
        fs::write(&file, text)?;
        self.account.own(&file)
    }

    /// Starts the server, on other ports too when the first one is taken and nobody knows it yet.
    fn launch_on(&mut self, port: Port) -> anyhow::Result<()> {
        for _ in 1..PORT_TRIES {
            match self.launch() {
                Ok(()) => return self.folder.remember_port(self.port),
                Err(_) if !port.remembered && self.port_was_taken() => {
                    self.port = folder::free_port()?;
                }
                Err(error) => return Err(error),
            }
        }
        self.launch()?;
        self.folder.remember_port(self.port)
    }

    fn port_was_taken(&self) -> bool {
        self.folder.log_tail().contains("Address already in use")
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let mut process = Process::start(self.server_command(), &self.folder.log())?;
        if !self.options.stay {
            let folder = self.folder.is_temporary().then(|| self.folder.path());
            process.guard(Signal::KILL, folder)?;
        }
        let socket = self.socket();
        if let Err(error) = process::wait_until_ready(&mut process, || greets(&socket)) {
            // What it wrote says more than how it ended.
            let _ = process.stop(Signal::KILL);
            let log = self.folder.log_tail();
            return Err(error.context(format!("MariaDB did not start; its log ends with:\n{log}")));
        }
        self.process = Some(process);
        Ok(())
    }

    fn server_command(&self) -> Command {
        let mut command = self.account.command(&self.programs.server);
        command.arg("--no-defaults");
        let mut set = |name: &str, value: &str| {
            command.arg(format!("--{name}={value}"));
        };
        let path = |path: &Path| path.to_string_lossy().into_owned();
        command_defaults(&mut set);
        set("datadir", &path(&self.folder.data()));
        // Servers that share one remove each other's files: they are named by a number of a process,
        // which in a container is soon another one's too.
        set("tmpdir", &path(self.folder.sockets()));
        set("port", &self.port.to_string());
        set("socket", &path(&self.socket()));
        set("pid-file", &path(&pid_file(self.folder.path())));
        set("init-file", &path(&self.first_statements()));
        if !self.options.durable {
            FAST.iter().for_each(|(name, value)| set(name, value));
        }
        if let Some(certificate) = &self.certificate {
            set("ssl-ca", &path(&certificate.authority));
            set("ssl-cert", &path(&certificate.certificate));
            set("ssl-key", &path(&certificate.key));
        }
        if self.options.tls == Tls::Required {
            set("require-secure-transport", "on");
        }
        self.options.settings.iter().for_each(|(name, value)| set(name, value));
        command
    }

    /// Stops the server, which can be started again.
    ///
    /// # Errors
    /// When it does not stop in time and has to be killed.
    pub fn stop(&mut self, how: Stop) -> anyhow::Result<()> {
        match self.process.take() {
            None => Ok(()),
            Some(process) => process.stop(match how {
                Stop::Fast => Signal::TERM,
                Stop::Immediate => Signal::KILL,
            }),
        }
    }

    /// Starts a stopped server again, on the same port.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        if self.is_running() {
            return Ok(());
        }
        self.stop(Stop::Immediate)?;
        self.launch()
    }

    /// Stops the server and starts it again, on the same port.
    ///
    /// # Errors
    /// When it does not stop or start.
    pub fn restart(&mut self, how: Stop) -> anyhow::Result<()> {
        self.stop(how)?;
        self.launch()
    }

    /// Whether it runs now.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| !process.has_ended())
    }

    /// Runs SQL in the database and gives what it prints: a line for each row, a tab between the
    /// columns, null as `NULL`.
    ///
    /// # Errors
    /// The first statement that fails, with what the server says.
    pub fn sql(&self, text: &str) -> anyhow::Result<String> {
        let mut command = self.client();
        command.args(["--batch", "--raw", "--skip-column-names", &self.options.database]);
        client::run(command, text)
    }

    /// `mariadb`, on its way to this server: for what [`MariaDb::sql`] does not do.
    #[must_use]
    pub fn client(&self) -> Command {
        let mut command = Command::new(&self.programs.client);
        command
            .arg("--no-defaults")
            .arg(format!("--socket={}", self.socket().display()))
            .args(["--default-character-set=utf8mb4", "--local-infile=1"])
            .args(["--user", &self.options.user]);
        match self.options.access.password() {
            Some(password) => command.env("MYSQL_PWD", password),
            None => command.env_remove("MYSQL_PWD"),
        };
        command
    }

    /// `mysql://user@127.0.0.1:port/database`, with the password when there is one.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.options.access.password();
        self.url_for(&self.options.user, password, &self.options.database)
    }

    /// The same for another user or database.
    #[must_use]
    pub fn url_for(&self, user: &str, password: Option<&str>, database: &str) -> String {
        let password = password.map(|password| format!(":{password}")).unwrap_or_default();
        format!("mysql://{user}{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of the server's process; `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref()?.pid().as_raw_nonzero().get().try_into().ok()
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.sockets().join("mariadb.sock")
    }

    /// The user that clients come as.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.options.user
    }

    /// The password, when there is one.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.options.access.password()
    }

    /// The database that was made.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.options.database
    }

    /// The certificate of the authority that signed the server's, when there is TLS.
    #[must_use]
    pub fn ca(&self) -> Option<&Path> {
        Some(&self.certificate.as_ref()?.authority)
    }

    /// The folder that everything of the server is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server wrote to its log so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.folder.log())?).into_owned())
    }

    fn first_statements(&self) -> PathBuf {
        self.folder.path().join("first.sql")
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        if self.options.stay {
            self.folder.keep();
            return;
        }
        let how = if self.folder.is_temporary() { Stop::Immediate } else { Stop::Fast };
        // Nobody is left to be told.
        let _ = self.stop(how);
    }
}

/// What is the same for every server.
fn command_defaults(set: &mut impl FnMut(&str, &str)) {
    for (name, value) in [
        ("bind-address", "127.0.0.1"),
        ("skip-name-resolve", "on"),
        ("character-set-server", "utf8mb4"),
        ("default-time-zone", "+00:00"),
        ("innodb-buffer-pool-size", "64M"),
        ("innodb-log-file-size", "64M"),
        ("max-connections", "100"),
        ("max-connect-errors", "1000000"),
    ] {
        set(name, value);
    }
}

fn pid_file(folder: &Path) -> PathBuf {
    folder.join("server.pid")
}

/// Whether the server speaks, which it does first, once it takes connections: four bytes of length
/// and number, and the protocol's version, which is 10 (MariaDB documentation, "Connecting", initial
/// handshake). Asked at the socket in its own folder: the port may be somebody else's.
fn greets(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    let mut start = [0u8; 5];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && stream.read_exact(&mut start).is_ok()
        && start[4] == 10
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
