//! `outhaul demo`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use outhaul_exports::{Clock as _, SystemClock};

use crate::config::check::load_checked;
use crate::demo::{self, Folder, Kind, Wanted};
use crate::logging;
use crate::output::errln;
use crate::server::Server;

/// Its options.
#[derive(Debug, Args)]
#[command(
    after_help = "Makes billing and analytics data of two tenants, acme and globex, a configuration and credentials, starts everything, and writes DIR/demo.json when it is ready.\n\nExamples:\n  outhaul demo\n  outhaul demo --port 0 --data /tmp/demo --rows 2000000\n  outhaul demo --source postgres --data demo-postgres\n  outhaul demo --data demo-postgres --stop"
)]
pub struct Options {
    /// The port; 0 picks a free one.
    #[arg(long, short, default_value_t = 8080)]
    port: u16,
    /// The folder for everything the demo makes.
    #[arg(long, short, value_name = "DIR", default_value = "demo-data")]
    data: PathBuf,
    /// Rows of InvoiceItem over both tenants; the other tables in proportion. When absent, what is in
    /// the folder is used, or 100,000 are made.
    #[arg(long, short, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    rows: Option<u64>,
    /// Where the rows are. When absent, where the folder has them, or in files.
    #[arg(long, short, value_name = "KIND")]
    source: Option<Kind>,
    /// The PostgreSQL database for the rows, which come into a schema of their own, outhaul_demo.
    /// When absent, a private server is started from the installed PostgreSQL; it stays when the demo
    /// ends.
    #[arg(long, short, value_name = "postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    url: Option<String>,
    /// Only stop the private database of the folder.
    #[arg(long, conflicts_with_all = ["port", "rows", "source", "url"])]
    stop: bool,
}

/// Runs it until it is told to stop.
///
/// # Errors
/// When the folder cannot be written or a part cannot start.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let folder = Folder::open(&options.data)?;
    // Nothing is made or deleted beside a demo that runs, or for a port that cannot be had.
    let _taken = folder.take()?;
    if options.stop {
        let ran = tokio::task::spawn_blocking(move || folder.stop_database()).await??;
        errln!("{}", if ran { "the demo's database is stopped" } else { "it does not run" });
        return Ok(());
    }
    let own_address = std::env::var_os("OUTHAUL__SERVER__LISTEN").is_none();
    if own_address {
        free(options.port)?;
    }
    let (rows, making) = (options.rows, folder.clone());
    let wanted = Wanted { kind: options.source, url: options.url };
    let made = tokio::task::spawn_blocking(move || making.make(rows, &wanted)).await??;
    let now = SystemClock.now();
    let (mut loaded, checked) = load_checked(&folder.config(), now)?;
    if own_address {
        loaded.config.server.listen = format!("127.0.0.1:{}", options.port);
    }
    logging::for_server(&loaded.config.log)?;
    let orgs = demo::orgs(&loaded, &checked)?;
    let server = Server::open(loaded, checked).await?;
    let secrets = folder.secrets()?;
    demo::register(&*server.store().access(), &secrets, now).await?;
    server
        .run(|base_url| {
            folder.announce(base_url, &made, &secrets, &orgs)?;
            // Whether somebody reads it does not matter.
            let invitation = folder.invitation(base_url, &made, &secrets, &orgs);
            std::io::stdout().write_all(invitation.as_bytes()).ok();
            Ok(())
        })
        .await
}

fn free(port: u16) -> anyhow::Result<()> {
    std::net::TcpListener::bind(("127.0.0.1", port)).map(drop).with_context(|| {
        format!("cannot listen on port {port}; choose another with --port, or 0 for any free one")
    })
}
