//! Connections by which the demo makes its tables. What stays on this machine is not encrypted, all
//! else is, to a server whose certificate the system trusts: as the source does it by default.

use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Connects.
///
/// # Errors
/// When the address cannot be used or the server does not let us in.
pub async fn connect(url: &str, password: Option<&str>) -> anyhow::Result<Client> {
    let mut config: Config = url.parse().context("the address of the database cannot be read")?;
    if url.contains("sslmode") {
        bail!("how to encrypt is not for --url to say: a connection to another machine always is");
    }
    if let Some(password) = password {
        config.password(password);
    }
    config.application_name("outhaul demo");
    let context = || format!("cannot connect to the database at {url}");
    if is_local(&config) {
        config.ssl_mode(SslMode::Disable);
        let (client, connection) = config.connect(NoTls).await.with_context(context)?;
        // It ends with the client. What goes wrong on it is told to whoever waits.
        tokio::spawn(connection);
        return Ok(client);
    }
    config.ssl_mode(SslMode::Require);
    let (client, connection) = config.connect(encrypted()?).await.with_context(context)?;
    tokio::spawn(connection);
    Ok(client)
}

fn encrypted() -> anyhow::Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // What the system trusts and this program cannot read is trusted less, not more.
        let _ = roots.add(certificate);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(client))
}

fn is_local(config: &Config) -> bool {
    let is_loopback = |name: &str| {
        name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    };
    config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => is_loopback(name),
        })
}
