//! The accept loop: HTTP/1 and HTTP/2 on one port, with a time-out and a cap on everything that a
//! client decides: connections, heads, headers, pauses in a body, pauses in reading an answer.
//!
//! It is our own because `axum::serve` gives the connection builder no timer, so that a client
//! which never finishes its request head would be waited for without end. What a request means is
//! not known here; [`app`] hands it to the dialect that owns its path.

pub mod app;
mod body;
mod flights;
mod io;
mod log;
mod path;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use app::{App, Probe, Readiness};
pub use flights::Flights;

use crate::config::sections::Server;
use io::PatientStream;

/// Requests of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 100;
/// Streams that a client may open and reset before they are accepted.
const RESETS_MAX: usize = 20;
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take.
const PING: Duration = Duration::from_secs(20);
/// The pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that is listened on.
pub struct Listener {
    tcp: TcpListener,
    /// The address, with the port that was picked.
    pub address: SocketAddr,
}

/// How a listener is stopped.
#[derive(Clone, Default)]
pub struct Stop {
    /// No further connections; open ones end after the answer that is under way.
    pub gently: CancellationToken,
    /// Open connections end at once.
    pub now: CancellationToken,
}

impl Listener {
    /// Listens on an address, which `setting` has chosen.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub async fn bind(address: &str, setting: &str) -> anyhow::Result<Self> {
        let tcp = TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}; choose another with {setting}")
        })?;
        let address = tcp.local_addr().context("the port has no address")?;
        Ok(Self { tcp, address })
    }

    /// Accepts connections until it is stopped, and returns when the last one has ended.
    pub async fn run(self, app: Arc<App>, limits: Server, stop: Stop) {
        let connections = TaskTracker::new();
        let places = Arc::new(Semaphore::new(usize::try_from(limits.connections_max).unwrap_or(1)));
        let limits = Arc::new(limits);
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await;
                (place, self.tcp.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = stop.gently.cancelled() => break,
                next = next => next,
            };
            let Ok(place) = place else { break };
            match accepted {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        peer,
                        app: app.clone(),
                        limits: limits.clone(),
                        stop: stop.clone(),
                        place,
                    };
                    connections.spawn(connection.serve(stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.tcp);
        connections.close();
        connections.wait().await;
    }
}

struct Connection {
    peer: SocketAddr,
    app: Arc<App>,
    limits: Arc<Server>,
    stop: Stop,
    place: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let _open = Gauge::up("outhaul_http_connections");
        stream.set_nodelay(true).ok();
        let asked = Arc::new(AtomicBool::new(false));
        let patience = Duration::from_secs(self.limits.write_idle_secs);
        let stream = PatientStream::new(stream, patience, asked.clone());
        let service = service_fn(|request| {
            asked.store(true, Ordering::Relaxed);
            let (app, limits, peer) = (self.app.clone(), self.limits.clone(), self.peer);
            async move { Ok::<_, std::convert::Infallible>(app.answer(request, peer, &limits).await) }
        });
        let builder = builder(&self.limits);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // The header time-out begins with the first byte of a head. This one is for clients that
        // send nothing at all, or stop inside the bytes that tell HTTP/2 from HTTP/1.
        let mut first = pin!(tokio::time::sleep(Duration::from_secs(self.limits.header_secs)));
        let (mut waiting, mut stopping) = (true, false);
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(peer = %self.peer, error, "a connection broke");
                    }
                    break;
                }
                () = self.stop.now.cancelled() => break,
                () = self.stop.gently.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = first.as_mut(), if waiting => {
                    waiting = false;
                    if !asked.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
        }
        drop(self.place);
    }
}

fn builder(limits: &Server) -> auto::Builder<TokioExecutor> {
    let head = usize::try_from(limits.header_bytes_max.0).unwrap_or(usize::MAX);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_secs))
        .max_headers(usize::try_from(limits.headers_max).unwrap_or(100))
        .max_buf_size(head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// Describes the listener's metrics to the installed recorder.
pub fn describe_metrics() {
    metrics::describe_gauge!("outhaul_http_connections", "open connections");
    metrics::describe_counter!(
        "outhaul_http_requests_total",
        "answered requests, by dialect, method and status"
    );
    metrics::describe_histogram!(
        "outhaul_http_request_seconds",
        metrics::Unit::Seconds,
        "from a request's head to the last byte of its answer, by dialect and method"
    );
    metrics::describe_counter!(
        "outhaul_http_sent_bytes_total",
        metrics::Unit::Bytes,
        "bytes of answers' bodies"
    );
    metrics::describe_counter!("outhaul_http_panics_total", "answers that panicked");
    metrics::gauge!("outhaul_http_connections").set(0.0);
    for name in ["outhaul_http_sent_bytes_total", "outhaul_http_panics_total"] {
        metrics::counter!(name).increment(0);
    }
}

/// A gauge that is one higher while this lives.
struct Gauge(&'static str);

impl Gauge {
    fn up(name: &'static str) -> Self {
        metrics::gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        metrics::gauge!(self.0).decrement(1.0);
    }
}

#[cfg(test)]
mod tests;
