//! The calls that answer the file itself: a job is made, waited for, and sent (Zoho Analytics API v2,
//! "Export data (synchronous)"; the one by a statement is in an SDK only).

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use outhaul_exports::ExportId;
use outhaul_exports::export::State as Stage;
use outhaul_exports::manifest::Manifest;

use super::auth::{Caller, OrgHeader};
use super::error::Trouble;
use super::request::{Config, SQL_CHARS_MAX, VIEW_CHARS_MAX};
use super::subject::Subject;
use super::views::{Shown, View};
use super::wanted::Wanted;
use super::{App, ID, jobs};

/// `GET /workspaces/{ws}/views/{view}/data`.
pub async fn view(
    State(app): State<App>,
    Path((workspace, view)): Path<(String, String)>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let view = View::find(&app, &caller, &view)?;
    if let Shown::Query(_) = view.of {
        return Err(refused());
    }
    let config = Config::of_query(uri.query(), VIEW_CHARS_MAX)?.unwrap_or_default();
    let wanted = Wanted::read(&config, app.settings.strict_config)?;
    let subject = Subject::of_view(&app, &caller, &view, &wanted)?;
    answer(&app, caller, &subject, wanted, (&method, &headers, uri.path())).await
}

/// `GET /workspaces/{ws}/data`: of a statement.
pub async fn sql(
    State(app): State<App>,
    Path(workspace): Path<String>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let config = Config::of_query(uri.query(), SQL_CHARS_MAX)?;
    let config = config.ok_or_else(|| Trouble::missing(Config::MISSING))?;
    let wanted = Wanted::read_of_statement(&config, app.settings.strict_config)?;
    let subject = Subject::of_statement(&app, &caller, &config)?;
    answer(&app, caller, &subject, wanted, (&method, &headers, uri.path())).await
}

fn refused() -> Trouble {
    Trouble::not_at_once(
        "This view cannot be exported in one call: create an export job, \
         /restapi/v2/bulk/workspaces/{workspace}/views/{view}/data",
    )
}

/// Runs a job and answers its file, if both are done in time.
///
/// # Errors
/// 8133 for one that takes too long, 8123 for one that fails, 7830 for a file that is too large.
pub async fn answer(
    app: &App,
    caller: Caller,
    subject: &Subject,
    mut wanted: Wanted,
    (method, headers, path): (&Method, &HeaderMap, &str),
) -> Result<Response, Trouble> {
    wanted.callback = None;
    let (number, export) = jobs::submit(app, &caller, subject, &wanted, path).await?;
    let caller = std::sync::Arc::new(caller);
    let mut unfinished = Unfinished { app, caller: &caller, export: Some(export.id) };
    let limit = Duration::from_secs(app.settings.wait_secs.into());
    let ended = tokio::time::timeout(limit, jobs::ended(app, &caller, export.id)).await;
    let export = ended.map_err(|_| refused())??;
    unfinished.export = None;
    if export.state != Stage::Completed {
        return Err(Trouble::job_failed(jobs::why_failed(number, &export)));
    }
    let bytes = export.manifest.as_ref().map_or(0, Manifest::bytes);
    if bytes > app.settings.wait_bytes_max {
        return Err(Trouble::too_large("The file is too large for one call: create an export job"));
    }
    jobs::send(app, &caller, &export, method, headers).await
}

/// A job whose number nobody has: it is cancelled when its request ends before it does, so that it
/// does not hold a place.
struct Unfinished<'a> {
    app: &'a App,
    caller: &'a std::sync::Arc<Caller>,
    export: Option<ExportId>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let Some(id) = self.export else { return };
        let (app, caller) = (self.app.clone(), self.caller.clone());
        tokio::spawn(async move { app.exports.cancel(&caller.who, Some(ID), id).await.ok() });
    }
}
