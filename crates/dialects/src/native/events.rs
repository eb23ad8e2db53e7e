//! What happens to exports, live, as server-sent events.
//!
//! Every stored event is sent once, in order, with its sequence as `id`, so a client that was cut
//! off goes on with `Last-Event-ID`. The stream of one export also carries `progress` (without an
//! id: only the newest matters) and ends with `end`, the export in its final state. A comment
//! comes now and then as a sign of life; with it the credential is checked again. A server that
//! stops ends its streams at once, for its clients go on elsewhere.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use outhaul_exports::export::{Export, Progress, State as ExportState};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{Error, ErrorKind, ExportId, limits};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::App;
use super::auth::Caller;
use super::error::Problem;
use super::names::{Names, Parameters};
use super::response::{EventView, ExportView, ProgressView};
use crate::kit::headers::single;
use crate::kit::stopping::Stopping;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Milliseconds after which a browser that was cut off comes back.
const RETRY_MS: u32 = 2_000;

/// One event of a stream, which is text after the HTML standard's chapter 9.2.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes lines of text; nothing is built of it")]
pub struct StreamEvent {
    /// What happened; `progress` and `end` where only one export is watched.
    event: String,
    /// Its place in the tenant's events, to go on after. Progress and the end have none.
    id: Option<String>,
    /// JSON: an `Event`, or what the operation says.
    data: String,
}

/// Watch all of the tenant's exports.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on after this event"),
        ("after" = Option<u64>, Query, description = "The same, for clients without headers")),
    responses((status = 200, content_type = "text/event-stream", body = StreamEvent,
        description = "Events, each with an Event as its data")))]
pub async fn of_tenant(
    caller: Caller,
    stopping: Stopping,
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = position(query.as_deref(), &headers)?;
    answer(app, caller, stopping, None, after)
}

/// Watch one export until its final state.
#[utoipa::path(get, path = "/api/v1/exports/{export}/events", tag = "events",
    params(
        ("export" = String, Path, description = "The export's id"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on after this event"),
        ("after" = Option<u64>, Query, description = "The same, for clients without headers")),
    responses((status = 200, content_type = "text/event-stream", body = StreamEvent,
        description = "Events, each with an Event as its data; progress with a Progress; end \
                       with the Export")))]
pub async fn of_export(
    caller: Caller,
    stopping: Stopping,
    State(app): State<App>,
    names: Names,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let export = app.exports.get(&caller.who, None, names.export()?).await?.id;
    let after = position(query.as_deref(), &headers)?;
    answer(app, caller, stopping, Some(export), after)
}

/// After which event the client wants to go on.
fn position(query: Option<&str>, headers: &HeaderMap) -> Result<u64, Problem> {
    let parameters = Parameters::read(query, &["after"])?;
    if let Some(text) = single(headers, &LAST_EVENT_ID)?.filter(|text| !text.is_empty()) {
        let wrong = |_| Problem::invalid("Last-Event-ID", "Last-Event-ID must be an event's id");
        return text.parse().map_err(wrong);
    }
    Ok(parameters.count("after", 0..=u64::MAX)?.unwrap_or(0))
}

fn answer(
    app: App,
    caller: Caller,
    Stopping(stopping): Stopping,
    export: Option<ExportId>,
    after: u64,
) -> Result<Response, Problem> {
    let place = Place::take(&app, &caller.who.tenant)?;
    let first = format!("retry: {RETRY_MS}\n\n");
    let feed = Feed {
        changes: app.exports.changes(),
        beat_at: Instant::now() + app.pace.heartbeat,
        app,
        caller,
        stopping,
        export,
        after,
        ready: VecDeque::from([Bytes::from(first)]),
        shown: None,
        over: false,
        _place: place,
    };
    let frames = stream::unfold(feed, |mut feed| async move {
        feed.next().await.map(|frame| (Ok::<_, Infallible>(frame), feed))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Proxies that gather an answer before they pass it on would hold the events back.
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// One open stream.
struct Feed {
    app: App,
    caller: Caller,
    stopping: CancellationToken,
    export: Option<ExportId>,
    /// The last event that was sent.
    after: u64,
    changes: watch::Receiver<u64>,
    /// Frames that are made and not sent yet; a page of events at most.
    ready: VecDeque<Bytes>,
    /// The progress that was sent last.
    shown: Option<Progress>,
    beat_at: Instant,
    over: bool,
    _place: Place,
}

impl Feed {
    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            // The client comes back with Last-Event-ID, to the server that runs then.
            if self.over || self.stopping.is_cancelled() {
                return None;
            }
            // Seen before the look, so that a change during it is not missed.
            self.changes.borrow_and_update();
            if let Err(error) = self.look().await {
                // The client comes back with Last-Event-ID and loses nothing.
                tracing::warn!(error = error.chain(), "an event stream ended early");
                return None;
            }
            if self.ready.is_empty() && !self.over {
                self.wait().await;
            }
        }
    }

    /// Makes frames of what is new.
    async fn look(&mut self) -> Result<(), Error> {
        // The state first: whatever led to it is among the events that are read after it.
        let export = match self.export {
            Some(id) => Some(self.app.exports.get(&self.caller.who, None, id).await),
            None => None,
        };
        let events = self.app.exports.events(&self.caller.who, self.after, self.export).await?;
        let all = events.len() < limits::PAGE_MAX as usize;
        for event in &events {
            self.after = event.sequence;
            let id = Some(event.sequence);
            self.ready.push_back(frame(id, &event.kind, &EventView::of(event)));
        }
        match export {
            Some(Ok(export)) if all => self.show(&export),
            // It was deleted: the events have said so, or it was purged with them.
            Some(Err(error)) if all && matches!(error.kind(), ErrorKind::NotFound) => {
                let gone = serde_json::json!({ "state": "removed" });
                self.ready.push_back(frame(None, "end", &gone));
                self.over = true;
            }
            Some(Err(error)) if !matches!(error.kind(), ErrorKind::NotFound) => return Err(error),
            _ => {}
        }
        Ok(())
    }

    /// Shows how far the one export is.
    fn show(&mut self, export: &Export) {
        if !export.state.is_active() {
            self.ready.push_back(frame(None, "end", &ExportView::of(export)));
            self.over = true;
        } else if export.state == ExportState::Running
            && self.shown.as_ref() != Some(&export.progress)
        {
            self.ready.push_back(frame(None, "progress", &ProgressView::of(export)));
            self.shown = Some(export.progress.clone());
        }
    }

    /// Waits for a change or for the time of a sign of life, whichever comes first.
    async fn wait(&mut self) {
        // Others' changes may come without a pause; they must not put off the sign of life.
        if Instant::now() >= self.beat_at {
            return self.beat().await;
        }
        let stopping = self.stopping.clone();
        let changed = async {
            let changed = timeout_at(self.beat_at, self.changes.changed()).await;
            if matches!(changed, Ok(Ok(()))) {
                sleep(self.app.pace.pause).await;
            }
            changed
        };
        match stopping.run_until_cancelled(changed).await {
            Some(Ok(Ok(()))) => {}
            // The store is being closed, and the server with it; or the server is told to stop.
            Some(Ok(Err(_))) | None => self.over = true,
            Some(Err(_)) => self.beat().await,
        }
    }

    /// A sign of life, unless the credential has been revoked.
    async fn beat(&mut self) {
        self.beat_at = Instant::now() + self.app.pace.heartbeat;
        match self.caller.is_still_welcome(&self.app).await {
            true => self.ready.push_back(Bytes::from_static(b": still here\n\n")),
            false => self.over = true,
        }
    }
}

/// One event as it stands in the stream. JSON is written on one line, so nothing in it can end the
/// event early.
fn frame(id: Option<u64>, kind: &str, data: &impl serde::Serialize) -> Bytes {
    // Cannot fail because the data holds texts and numbers only.
    let data = serde_json::to_string(data).unwrap_or_default();
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("{id}event: {kind}\ndata: {data}\n\n"))
}

/// A place among the tenant's open streams; free again when the stream ends.
struct Place {
    app: App,
    tenant: TenantId,
}

impl Place {
    fn take(app: &App, tenant: &TenantId) -> Result<Self, Problem> {
        let mut streams = lock(app);
        let open = streams.entry(tenant.clone()).or_default();
        let limit = app.config.event_streams_max;
        if *open >= limit {
            let kind = ErrorKind::LimitExceeded { limit, active: *open };
            let text = format!("{open} event streams are open, at most {limit} are allowed");
            return Err(Error::new(kind, text).into());
        }
        *open += 1;
        drop(streams);
        Ok(Self { app: app.clone(), tenant: tenant.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = lock(&self.app);
        if let Some(open) = streams.get_mut(&self.tenant) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.tenant);
            }
        }
    }
}

fn lock(app: &App) -> std::sync::MutexGuard<'_, std::collections::HashMap<TenantId, u32>> {
    app.streams.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
