//! A second server that follows another one: a streaming replica that answers queries.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::Postgres;
use crate::client;
use crate::options::Options;

/// How long a replica may take to be where its primary is.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(60);

/// A commit that waits for the log writes out those before it, which may not have waited.
const FLUSHED: &str = "\
set synchronous_commit = on;
do $$ begin perform pg_logical_emit_message(true, 'outhaul', ''); end $$;
select pg_current_wal_flush_lsn();";

impl Postgres {
    /// Starts a streaming replica of this server: a copy by `pg_basebackup` that follows it and
    /// answers queries (`hot_standby`). Its user, password and databases are this server's;
    /// `settings` are its own (`max_standby_streaming_delay`, `hot_standby_feedback`).
    ///
    /// # Errors
    /// When the copy fails or the replica does not start.
    pub fn replica(&self, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let owned = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let mut options = Options { folder: None, stay: false, ..self.options.clone() };
        options.settings.push(("hot_standby".to_owned(), "on".to_owned()));
        options.settings.extend(owned);
        let (mut replica, port) = Self::prepare(options)?;
        let mut command = replica.account.command(&self.programs.join("pg_basebackup"));
        command
            .arg("--pgdata")
            .arg(replica.data())
            .args(["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream"])
            .arg("--host")
            .arg(self.socket_folder())
            .args(["--port", &self.port.to_string()])
            .args(["--username", &self.options.user, "--no-password"]);
        if !self.options.durable {
            command.arg("--no-sync");
        }
        if let Some(password) = self.options.access.password() {
            command.env("PGPASSWORD", password);
        }
        client::run(command, "").context("cannot copy the server for a replica")?;
        replica.write_settings()?;
        replica.launch_on(port)?;
        Ok(replica)
    }

    /// Waits until this replica shows what its primary has committed so far.
    ///
    /// # Errors
    /// When that takes too long or one of them does not answer.
    pub fn catch_up(&self, primary: &Self) -> anyhow::Result<()> {
        let place = primary.sql_in("postgres", FLUSHED)?;
        let question = format!("select pg_last_wal_replay_lsn() >= '{place}'::pg_lsn");
        let until = Instant::now() + CATCH_UP_WITHIN;
        while self.sql_in("postgres", &question)? != "t" {
            if Instant::now() > until {
                bail!("the replica did not reach {place} in {} s", CATCH_UP_WITHIN.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
