//! What a private PostgreSQL server is told by files: its settings, and who may come in.

use std::fs;

use super::Postgres;
use crate::options::{Access, Tls};

/// The file in the data folder that ours are in; the one that `initdb` made includes it.
const OURS: &str = "outhaul.conf";

/// For tests: nothing waits for a disk, nothing happens by the clock.
const FAST: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("checkpoint_timeout", "30min"),
];

impl Postgres {
    /// Writes both files. Done at every start, so that options count for data of an earlier run.
    pub(super) fn write_settings(&self) -> anyhow::Result<()> {
        let data = self.data();
        let main = data.join("postgresql.conf");
        let include = format!("include '{OURS}'");
        let before = fs::read_to_string(&main)?;
        if !before.lines().any(|line| line == include) {
            fs::write(&main, format!("{before}\n{include}\n"))?;
        }
        for (name, text) in [(OURS, self.settings()), ("pg_hba.conf", self.doors())] {
            fs::write(data.join(name), text)?;
            self.account.own(&data.join(name))?;
        }
        Ok(())
    }

    fn settings(&self) -> String {
        let sockets = self.socket_folder().to_string_lossy().into_owned();
        let mut all: Vec<(&str, &str)> = vec![
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", &sockets),
            ("max_connections", "100"),
            ("shared_buffers", "64MB"),
            ("max_wal_size", "1GB"),
            ("wal_level", "replica"),
            ("max_wal_senders", "4"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("lc_messages", "C"),
        ];
        if !self.options.durable {
            all.extend(FAST);
        }
        let files = self.certificate.as_ref().map(|certificate| {
            let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
            (text(&certificate.certificate), text(&certificate.key))
        });
        if let Some((certificate, key)) = &files {
            all.extend([("ssl", "on"), ("ssl_cert_file", certificate), ("ssl_key_file", key)]);
        }
        all.extend(self.options.settings.iter().map(|(name, value)| (&**name, &**value)));
        all.into_iter().map(|(name, value)| format!("{name} = '{}'\n", quoted(value))).collect()
    }

    /// `pg_hba.conf`: this machine alone.
    fn doors(&self) -> String {
        let method = match self.options.access {
            Access::Trust => "trust",
            Access::Password(_) => "scram-sha-256",
        };
        let over_tcp = match self.options.tls {
            Tls::Off | Tls::Offered => "host",
            Tls::Required => "hostssl",
        };
        ["all", "replication"]
            .map(|database| {
                format!(
                    "local {database} all {method}\n{over_tcp} {database} all 127.0.0.1/32 {method}\n"
                )
            })
            .concat()
    }
}

fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "''")
}
