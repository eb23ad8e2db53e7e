//! A private PostgreSQL server.

mod replica;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use rustix::process::Signal;

use crate::account::Account;
use crate::client;
use crate::folder::{self, Folder, Port};
use crate::options::{Access, Options, Stop, Tls};
use crate::process::{self, Process};
use crate::programs;
use crate::tls::{self, Certificate};

/// Who it runs as when root starts it.
pub(crate) const ACCOUNTS: &[&str] = &["postgres", "nobody"];
/// How many ports are tried when others take them first.
const PORT_TRIES: u32 = 5;

/// A private PostgreSQL server. Dropping it stops it, unless [`Options::stay`] is set.
#[derive(Debug)]
pub struct Postgres {
    options: Options,
    account: Account,
    programs: PathBuf,
    certificate: Option<Certificate>,
    port: u16,
    process: Option<Process>,
    // The last one: a temporary folder goes after the process.
    folder: Folder,
}

impl Postgres {
    /// Makes the data when the folder has none, starts the server and waits until it takes
    /// connections.
    ///
    /// # Errors
    /// When PostgreSQL is not installed (the error names the package), the folder cannot be used, a
    /// server runs in it already, or the server does not start (the error ends with its log).
    pub fn start(options: Options) -> anyhow::Result<Self> {
        let (mut server, port) = Self::prepare(options)?;
        if !server.data().exists() {
            server.make_data()?;
        }
        server.write_settings()?;
        server.launch_on(port)?;
        server.make_database()?;
        Ok(server)
    }

    /// Everything up to the data.
    fn prepare(options: Options) -> anyhow::Result<(Self, Port)> {
        let version = options.folder.as_deref().and_then(version_of);
        let programs = programs::postgres(version)?;
        let account = Account::for_server(ACCOUNTS)?;
        let folder = Folder::open(options.folder.as_deref(), "outhaul-postgres-", &account)?;
        if let Some(pid) = process::running(&pid_file(folder.path()), &folder.data()) {
            bail!(
                "a PostgreSQL server runs in {} already, as process {}; stop it first",
                folder.path().display(),
                pid.as_raw_nonzero(),
            );
        }
        let certificate = match options.tls {
            Tls::Off => None,
            Tls::Offered | Tls::Required => Some(tls::certificate(folder.path(), &account)?),
        };
        let port = folder.port()?;
        let number = port.number;
        let process = None;
        let server =
            Self { options, account, programs, certificate, port: number, process, folder };
        Ok((server, port))
    }

    /// Makes the database, unless an earlier start did.
    fn make_database(&self) -> anyhow::Result<()> {
        let name = &self.options.database;
        let text = name.replace('\'', "''");
        let question = format!("select 1 from pg_database where datname = '{text}'");
        if self.sql_in("postgres", &question)?.is_empty() {
            let quoted = name.replace('"', "\"\"");
            self.sql_in("postgres", &format!("create database \"{quoted}\""))?;
        }
        Ok(())
    }

    fn make_data(&self) -> anyhow::Result<()> {
        let making = self.folder.making()?;
        let password_file = self.folder.path().join("password.new");
        let mut command = self.account.command(&self.programs.join("initdb"));
        command
            .arg("--pgdata")
            .arg(&making)
            .args(["--username", &self.options.user])
            .args(["--encoding=UTF8", "--locale=C"]);
        if self.options.durable {
            command.arg("--data-checksums");
        } else {
            command.arg("--no-sync");
        }
        match &self.options.access {
            Access::Trust => {
                command.arg("--auth=trust");
            }
            Access::Password(password) => {
                write_private(&password_file, &format!("{password}\n"))?;
                self.account.own(&password_file)?;
                command.arg("--auth=scram-sha-256").arg("--pwfile").arg(&password_file);
            }
        }
        command.args(&self.options.init);
        let made = client::run(command, "");
        if password_file.exists() {
            fs::remove_file(&password_file)?;
        }
        made.context("cannot make the data of a PostgreSQL server")?;
        Ok(fs::rename(making, self.data())?)
    }

    /// Starts the server, on other ports too when the first one is taken and nobody knows it yet.
    fn launch_on(&mut self, port: Port) -> anyhow::Result<()> {
        self.port = port.number;
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
        let mut command = self.account.command(&self.programs.join("postgres"));
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        let mut process = Process::start(command, &self.folder.log())?;
        if !self.options.stay {
            let folder = self.folder.is_temporary().then(|| self.folder.path());
            process.guard(Signal::QUIT, folder)?;
        }
        let pid = process.pid().as_raw_nonzero().to_string();
        let file = pid_file(self.folder.path());
        let ready = process::wait_until_ready(&mut process, || is_ready(&file, &pid));
        if let Err(error) = ready {
            // What it wrote says more than how it ended.
            let _ = process.stop(Signal::QUIT);
            let log = self.folder.log_tail();
            return Err(
                error.context(format!("PostgreSQL did not start; its log ends with:\n{log}"))
            );
        }
        self.process = Some(process);
        Ok(())
    }

    /// Stops the server, which can be started again.
    ///
    /// # Errors
    /// When it does not stop in time and has to be killed.
    pub fn stop(&mut self, how: Stop) -> anyhow::Result<()> {
        match self.process.take() {
            None => Ok(()),
            Some(process) => process.stop(match how {
                Stop::Fast => Signal::INT,
                Stop::Immediate => Signal::QUIT,
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

    /// Runs SQL (and commands of `psql`) in the database and gives what it prints: a line for each
    /// row, `|` between the columns, null as nothing.
    ///
    /// # Errors
    /// The first statement that fails, with what the server says.
    pub fn sql(&self, text: &str) -> anyhow::Result<String> {
        self.sql_in(&self.options.database, text)
    }

    /// The same in another database of this server.
    ///
    /// # Errors
    /// As for [`Postgres::sql`].
    pub fn sql_in(&self, database: &str, text: &str) -> anyhow::Result<String> {
        let mut command = self.psql();
        command.args(["-d", database]);
        client::run(command, text)
    }

    /// `psql`, on its way to this server: for what [`Postgres::sql`] does not do.
    #[must_use]
    pub fn psql(&self) -> Command {
        let mut command = self.client("psql");
        command
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--set", "ON_ERROR_STOP=1"]);
        command
    }

    /// A client program of this version, told by the environment where the server is.
    #[must_use]
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        for inherited in ["PGSERVICE", "PGOPTIONS", "PGSSLMODE", "PGHOSTADDR", "PGPASSFILE"] {
            command.env_remove(inherited);
        }
        command
            .env("PGHOST", self.socket_folder())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", &self.options.user)
            .env("PGDATABASE", &self.options.database)
            .env("PGCLIENTENCODING", "UTF8");
        match self.options.access.password() {
            Some(password) => command.env("PGPASSWORD", password),
            None => command.env_remove("PGPASSWORD"),
        };
        command
    }

    /// `postgres://user@127.0.0.1:port/database`, with the password when there is one.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.options.access.password();
        self.url_for(&self.options.user, password, &self.options.database)
    }

    /// The same for another user or database.
    #[must_use]
    pub fn url_for(&self, user: &str, password: Option<&str>, database: &str) -> String {
        let password = password.map(|password| format!(":{password}")).unwrap_or_default();
        format!("postgres://{user}{password}@127.0.0.1:{}/{database}", self.port)
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

    /// The folder with its Unix socket.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        self.folder.sockets()
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

    fn data(&self) -> PathBuf {
        self.folder.data()
    }

    /// The port that the server of a folder has, whether it runs or not; `None` when there never
    /// was one.
    #[must_use]
    pub fn port_in(folder: &Path) -> Option<u16> {
        folder::remembered_port(folder).ok()?
    }

    /// The process of the server of a folder that an earlier process left running, if it runs.
    #[must_use]
    pub fn running_in(folder: &Path) -> Option<u32> {
        let folder = folder.canonicalize().ok()?;
        let pid = process::running(&pid_file(&folder), &folder::data(&folder))?;
        pid.as_raw_nonzero().get().try_into().ok()
    }

    /// Stops the server of a folder that an earlier process left running; `false` when none runs.
    ///
    /// # Errors
    /// When it does not stop in time or is another user's.
    pub fn stop_in(folder: &Path) -> anyhow::Result<bool> {
        let Ok(folder) = folder.canonicalize() else { return Ok(false) };
        let file = pid_file(&folder);
        match process::running(&file, &folder::data(&folder)) {
            None => Ok(false),
            Some(pid) => process::stop_other(pid, Signal::INT, &file).map(|()| true),
        }
    }
}

impl Drop for Postgres {
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

fn pid_file(folder: &Path) -> PathBuf {
    folder::data(folder).join("postmaster.pid")
}

/// The eighth line of the file says how far the start is (PostgreSQL documentation, "Database file
/// layout", `postmaster.pid`); the first one whose it is.
fn is_ready(pid_file: &Path, pid: &str) -> bool {
    let text = fs::read_to_string(pid_file).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(pid) && lines.nth(6) == Some("ready")
}

/// The major version of the server whose data a folder holds.
fn version_of(folder: &Path) -> Option<u32> {
    fs::read_to_string(folder::data(folder).join("PG_VERSION")).ok()?.trim().parse().ok()
}

fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let mut open = fs::File::options();
    let mut file = open.create(true).write(true).truncate(true).mode(0o600).open(file)?;
    Ok(file.write_all(text.as_bytes())?)
}
