//! A server's life: open everything, say that it is ready, serve, and stop without losing anything.

mod health;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use outhaul_exports::lease::Incarnation;
use outhaul_store::Store;
use outhaul_worker::{Drain, Worker, resume};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::assemble::{self, Rooms};
use crate::config::{Checked, Loaded};
use crate::listener::app::metrics_only;
use crate::listener::{App, Flights, Listener, Probe, Stop};
use health::Health;

/// How long connections may take to end after the last answer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A server that is open and does not serve yet.
pub struct Server {
    loaded: Loaded,
    checked: Checked,
    rooms: Rooms,
    listener: Listener,
    incarnation: Incarnation,
    /// Where clients reach it.
    pub base_url: String,
}

impl Server {
    /// Opens the store for this process alone, the artifact store, the port and the slots.
    ///
    /// # Errors
    /// What cannot be opened, and what to do.
    pub async fn open(loaded: Loaded, checked: Checked) -> anyhow::Result<Self> {
        raise_open_files();
        let address = assemble::store_address(&loaded);
        let store =
            outhaul_store::open_exclusive(&address).await.context("cannot open the store")?;
        let setting = "server.listen (outhaul serve --listen)";
        let listener = Listener::bind(&loaded.config.server.listen, setting).await?;
        let configured = loaded.config.server.base_url.clone();
        let base_url = configured.unwrap_or_else(|| reachable(listener.address));
        let incarnation = Incarnation::random();
        let runs = loaded.config.worker.enabled;
        let rooms = Rooms::open(&loaded, store, &incarnation, runs, Some(&base_url))?;
        Ok(Self { loaded, checked, rooms, listener, incarnation, base_url })
    }

    /// The store, for what must be in it before the server serves.
    pub fn store(&self) -> &Store {
        &self.rooms.store
    }

    /// Serves until a signal asks it to stop. `ready` is called once when requests are answered.
    ///
    /// # Errors
    /// When a part cannot start or ends by itself.
    pub async fn run(self, ready: impl FnOnce(&str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let Self { loaded, checked, rooms, listener, incarnation, base_url } = self;
        let mut signals = Signals::listen()?;
        let exports = rooms.exports(&checked);
        let (routes, views) = assemble::routes(&loaded, &exports, &base_url)?;
        resume(&*rooms.store.jobs(), &*rooms.clock, rooms.slots.dead()).await?;

        let flights = Flights::default();
        let probe = Health::new(rooms.store.jobs(), rooms.artifacts.clone())?;
        // What is away is logged, and found again without a restart.
        probe.readiness().await;
        let server = loaded.config.server.clone();
        let own_port = server.metrics_listen.is_none();
        let app =
            App::new(routes, probe.clone(), flights.clone(), own_port, loaded.config.log.access);
        let background = CancellationToken::new();
        if let Some(address) = &server.metrics_listen {
            serve_metrics(address, probe.clone(), background.clone()).await?;
        }
        tokio::spawn(probe.upkeep(background.clone()));
        let house = rooms.house();
        let housekeeping = tokio::spawn({
            let stop = background.clone();
            async move { house.keep(stop).await }
        });
        let telling = tokio::spawn(rooms.notifier(views).run(background.clone()));
        rooms.slots.ready().await.context("the slots do not start")?;
        let drain = Drain::default();
        let mut working = loaded.config.worker.enabled.then(|| {
            let worker =
                Worker::new(rooms.worker(), rooms.timings.clone(), incarnation, drain.clone());
            tokio::spawn(worker.run())
        });
        let stop = Stop::default();
        let grace = Duration::from_secs(server.shutdown_secs);
        let serving = tokio::spawn(listener.run(Arc::new(app), server, stop.clone()));
        tracing::info!(url = base_url, "ready");
        ready(&base_url)?;

        let ended_early = tokio::select! {
            () = signals.next() => false,
            () = ended(&mut working), if working.is_some() => true,
        };
        tracing::info!("stopping");
        flights.drain();
        drain.begin(grace.min(Duration::from_secs(loaded.config.worker.drain_secs)));
        let finish = finish(&flights, &mut working, grace, &stop, serving);
        tokio::select! {
            () = finish => {}
            () = signals.next() => {
                tracing::warn!("a second signal: ending at once");
                return Err(crate::exit::Exit::new(
                    crate::exit::Code::Interrupted,
                    "ended at once; what was running is run again after the next start",
                ).into());
            }
        }
        background.cancel();
        housekeeping.await.ok();
        telling.await.ok();
        rooms.store.close().await;
        tracing::info!("stopped");
        match ended_early {
            true => Err(anyhow::anyhow!("the worker ended by itself; the log says why")),
            false => Ok(()),
        }
    }
}

/// Runs exports without serving the API, until a signal asks to stop.
///
/// # Errors
/// When a part cannot start.
pub async fn work(loaded: Loaded) -> anyhow::Result<()> {
    raise_open_files();
    let mut signals = Signals::listen()?;
    let address = assemble::store_address(&loaded);
    let store = outhaul_store::open_shared(&address).await.context("cannot open the store")?;
    let incarnation = Incarnation::random();
    let rooms = Rooms::open(&loaded, store, &incarnation, true, None)?;
    resume(&*rooms.store.jobs(), &*rooms.clock, rooms.slots.dead()).await?;
    rooms.slots.ready().await.context("the slots do not start")?;
    let drain = Drain::default();
    let worker = Worker::new(rooms.worker(), rooms.timings.clone(), incarnation, drain.clone());
    let (stop, flights) = (Stop::default(), Flights::default());
    if let Some(address) = &loaded.config.worker.listen {
        serve_operators(address, &loaded, &rooms, &flights, &stop).await?;
    }
    let mut working = tokio::spawn(worker.run());
    tracing::info!("working");
    tokio::select! {
        () = signals.next() => {}
        ended = &mut working => ended.context("the worker ended by itself")?,
    }
    flights.drain();
    drain.begin(Duration::from_secs(loaded.config.worker.drain_secs));
    tokio::select! {
        ended = &mut working => ended.context("the worker broke down while it stopped")?,
        () = signals.next() => {}
    }
    stop.now.cancel();
    stop.gently.cancel();
    rooms.store.close().await;
    Ok(())
}

/// Answers operators, and no dialect, on a port of their own until `stop`.
async fn serve_operators(
    address: &str,
    loaded: &Loaded,
    rooms: &Rooms,
    flights: &Flights,
    stop: &Stop,
) -> anyhow::Result<()> {
    let listener = Listener::bind(address, "worker.listen").await?;
    let probe = Health::new(rooms.store.jobs(), rooms.artifacts.clone())?;
    probe.readiness().await;
    tokio::spawn(probe.clone().upkeep(stop.gently.clone()));
    let app = App::new(Vec::new(), probe, flights.clone(), true, loaded.config.log.access);
    tracing::info!(address = %listener.address, "operators are answered");
    tokio::spawn(listener.run(Arc::new(app), loaded.config.server.clone(), stop.clone()));
    Ok(())
}

/// Waits for what is under way, at most for the grace, and then for the connections to end.
async fn finish(
    flights: &Flights,
    working: &mut Option<JoinHandle<()>>,
    grace: Duration,
    stop: &Stop,
    serving: JoinHandle<()>,
) {
    let under_way = async {
        tokio::join!(flights.landed(), ended(working));
    };
    if tokio::time::timeout(grace, under_way).await.is_err() {
        tracing::warn!("the time to stop is over; what is still open is cut off");
    }
    stop.gently.cancel();
    let abort = serving.abort_handle();
    if tokio::time::timeout(LAST_WORDS, serving).await.is_err() {
        stop.now.cancel();
        abort.abort();
    }
}

/// Waits for the worker's end; without one, it has ended.
async fn ended(working: &mut Option<JoinHandle<()>>) {
    let Some(task) = working else { return };
    if let Err(error) = task.await {
        tracing::error!(%error, "the worker panicked");
    }
    *working = None;
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn serve_metrics(
    address: &str,
    probe: Arc<Health>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let tcp = tokio::net::TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another with server.metrics_listen")
    })?;
    let server = axum::serve(tcp, metrics_only(probe));
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the metrics are served no more");
        }
    }));
    Ok(())
}

/// An address that a client on this machine can use.
fn reachable(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() => format!("http://127.0.0.1:{}", address.port()),
        _ => format!("http://{address}"),
    }
}

/// As many open files as the system allows: each connection is one.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let most = Rlimit { current: now.maximum, maximum: now.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
