//! Export jobs: made from a view or a statement, looked at, downloaded, cancelled.
//!
//! A job is one export. What can be wrong with it is found before it exists, so that a refusal makes
//! none (Zoho Analytics API v2, "Export data (asynchronous)").

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use outhaul_exports::export::{Export, State as Stage};
use outhaul_exports::service::Submission;
use outhaul_exports::spec::{ExportSpec, QuerySpec};
use outhaul_exports::{ErrorKind, ExportId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::auth::{Caller, OrgHeader};
use super::error::Trouble;
use super::files::{About, File};
use super::ids::JobNumber;
use super::request::{Config, SQL_CHARS_MAX, VIEW_CHARS_MAX};
use super::response::{job, success};
use super::subject::Subject;
use super::views::View;
use super::wanted::Wanted;
use super::{App, ID, callback};
use crate::kit::body;
use crate::kit::file::{self, Coding};

/// How long a request that waits sleeps between two looks where nothing tells it to look.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The heading of rows' numbers (Zoho Analytics API v2, "Export data", `includeRowNums`).
const ROW_NUMBER: &str = "Row Number";

/// What an export keeps to be answered by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Echo {
    /// The job's number.
    pub number: String,
}

/// `GET /bulk/workspaces/{ws}/views/{view}/data`.
pub async fn of_view(
    State(app): State<App>,
    Path((workspace, view)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    let config = Config::of_query(uri.query(), VIEW_CHARS_MAX)?.unwrap_or_default();
    create_of_view(&app, &caller, (&workspace, &view), &config, uri.path()).await
}

/// The same with CONFIG in a form, for one that is too long for an address: our own.
pub async fn of_view_by_form(
    State(app): State<App>,
    Path((workspace, view)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    let config = form(&uri, &headers, body, VIEW_CHARS_MAX).await?.unwrap_or_default();
    create_of_view(&app, &caller, (&workspace, &view), &config, uri.path()).await
}

async fn create_of_view(
    app: &App,
    caller: &Caller,
    (workspace, view): (&str, &str),
    config: &Config,
    path: &str,
) -> Result<Response, Trouble> {
    caller.workspace(workspace)?;
    let view = View::find(app, caller, view)?;
    let wanted = Wanted::read(config, app.settings.strict_config)?;
    let subject = Subject::of_view(app, caller, &view, &wanted)?;
    create(app, caller, &subject, &wanted, path).await
}

/// `GET /bulk/workspaces/{ws}/data`: by a statement.
pub async fn of_sql(
    State(app): State<App>,
    Path(workspace): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let config = Config::of_query(uri.query(), SQL_CHARS_MAX)?;
    create_of_sql(&app, &caller, config, uri.path()).await
}

/// The same with CONFIG in a form.
pub async fn of_sql_by_form(
    State(app): State<App>,
    Path(workspace): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let config = form(&uri, &headers, body, SQL_CHARS_MAX).await?;
    create_of_sql(&app, &caller, config, uri.path()).await
}

async fn create_of_sql(
    app: &App,
    caller: &Caller,
    config: Option<Config>,
    path: &str,
) -> Result<Response, Trouble> {
    let config = config.ok_or_else(|| Trouble::missing(Config::MISSING))?;
    let wanted = Wanted::read_of_statement(&config, app.settings.strict_config)?;
    let subject = Subject::of_statement(app, caller, &config)?;
    create(app, caller, &subject, &wanted, path).await
}

async fn create(
    app: &App,
    caller: &Caller,
    subject: &Subject,
    wanted: &Wanted,
    path: &str,
) -> Result<Response, Trouble> {
    let (number, export) = submit(app, caller, subject, wanted, path).await?;
    let hold = Duration::from_millis(app.settings.hold_millis.into());
    if !hold.is_zero() {
        // Whether it ends in that time or not, the client learns its number now.
        tokio::time::timeout(hold, ended(app, caller, export.id)).await.ok();
    }
    Ok(success("Create bulk export job", &json!({ "jobId": number.to_string() })))
}

/// `GET /bulk/workspaces/{ws}/exportjobs/{job}`.
pub async fn show(
    State(app): State<App>,
    Path((workspace, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let number = JobNumber::parse(&id).ok_or_else(|| no_job(&id))?;
    let export = match find(&app, &caller, number).await {
        // A number that nobody has is not wrong in itself: it is a job that is not there.
        Err(trouble) if trouble.code() == no_job(&id).code() => None,
        found => Some(found?),
    };
    let url = download_url(&app, &caller, number);
    Ok(success("Fetch export job info", &job(number, export.as_ref(), &url, app.exports.now())))
}

/// `GET /bulk/workspaces/{ws}/exportjobs/{job}/data`.
pub async fn download(
    State(app): State<App>,
    Path((workspace, id)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    // Scripts download without naming the org.
    let caller = Caller::of(&app, &headers, OrgHeader::Passed).await?;
    caller.workspace(&workspace)?;
    let number = JobNumber::parse(&id).ok_or_else(|| no_job(&id))?;
    let export = find(&app, &caller, number).await?;
    if export.files_expire_at.is_some_and(|end| end <= app.exports.now()) {
        return Err(no_job(&id));
    }
    match export.state {
        Stage::Queued => Err(Trouble::not_initiated(format!("Job {number} not initiated."))),
        Stage::Running => Err(Trouble::not_completed(format!("Job {number} not completed."))),
        Stage::Failed | Stage::Cancelled => Err(Trouble::job_failed(why_failed(number, &export))),
        Stage::Expired => Err(no_job(&id)),
        Stage::Completed => send(&app, &caller, &export, &method, &headers).await,
    }
}

/// `DELETE /bulk/workspaces/{ws}/exportjobs/{job}`, our own: ends a job that holds a place.
pub async fn cancel(
    State(app): State<App>,
    Path((workspace, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let number = JobNumber::parse(&id).ok_or_else(|| no_job(&id))?;
    let export = find(&app, &caller, number).await?;
    let cancelled = app.exports.cancel(&caller.who, Some(ID), export.id).await?;
    let url = download_url(&app, &caller, number);
    Ok(success("Cancel export job", &job(number, Some(&cancelled), &url, app.exports.now())))
}

/// A POST on the paths of the vendor, where it is an import.
pub async fn import() -> impl IntoResponse {
    let trouble = Trouble::no_rule(
        "Data is imported with POST, which this server does not do. To create an export job use \
         GET, or POST CONFIG as a form to .../exportjobs instead of .../data",
    );
    only_get(trouble)
}

/// A HEAD where a GET creates a job: nobody would learn its number, and it would hold a place.
pub async fn head() -> impl IntoResponse {
    only_get(Trouble::no_rule("A job is created with GET"))
}

fn only_get(trouble: Trouble) -> impl IntoResponse {
    ([(header::ALLOW, "GET")], trouble.with_status(StatusCode::METHOD_NOT_ALLOWED))
}

fn no_job(id: &str) -> Trouble {
    let id: String = id.chars().filter(|c| !c.is_control()).take(40).collect();
    Trouble::no_job(format!("Job {id} not found."))
}

/// Why a job has no file.
pub fn why_failed(number: JobNumber, export: &Export) -> String {
    let reason = export.failure.as_ref().map(|failure| failure.message.as_str());
    match reason {
        Some(reason) => format!("Error occurred in job {number}: {reason}"),
        None => format!("Job {number} was cancelled."),
    }
}

fn download_url(app: &App, caller: &Caller, number: JobNumber) -> String {
    let workspace = caller.org.workspace;
    format!("{}/restapi/v2/bulk/workspaces/{workspace}/exportjobs/{number}/data", app.base_url)
}

/// CONFIG of a form, or of the address: one SDK has it there whatever the method.
async fn form(
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<Option<Config>, Trouble> {
    let bytes = body::read(headers, body).await?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| Trouble::bad_config("The form is not UTF-8"))?;
    match Config::of_query(Some(text), most)? {
        None => Config::of_query(uri.query(), most),
        found => Ok(found),
    }
}

/// The caller's job of that number.
async fn find(app: &App, caller: &Caller, number: JobNumber) -> Result<Export, Trouble> {
    let id = number.export(&caller.who.tenant);
    let found = app.exports.get(&caller.who, Some(ID), id).await;
    let export = found.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::Expired => no_job(&number.to_string()),
        _ => error.into(),
    })?;
    if export.created_by != caller.who.credential {
        return Err(Trouble::job_denied(format!("Job {number} is another user's.")));
    }
    Ok(export)
}

/// Accepts a job.
pub async fn submit(
    app: &App,
    caller: &Caller,
    subject: &Subject,
    wanted: &Wanted,
    path: &str,
) -> Result<(JobNumber, Export), Trouble> {
    let now = app.exports.now();
    let number = JobNumber::draw(now);
    let url = download_url(app, caller, number);
    let notice = wanted.callback.as_ref();
    let notice = notice.map(|to| callback::notice(app, to, number, &url)).transpose()?;
    let about = About { title: &subject.title, description: &subject.description, path, now };
    let file = File::of(wanted, &about, &app.settings, &**app.exports.formats())?;
    let query = QuerySpec { name: Some(subject.title.clone()), query: subject.query.clone() };
    let spec = ExportSpec {
        label: Some(subject.title.clone()),
        description: None,
        queries: vec![query],
        format: file.format,
        packing: file.packing,
        row_numbers: wanted.row_numbers.then(|| ROW_NUMBER.to_owned()),
        documents: None,
        archive: None,
        split: None,
        sealing_key: None,
        encryption_key: None,
        password: file.password,
        notices: notice.into_iter().collect(),
        session: None,
    };
    let echo = json!(Echo { number: number.to_string() });
    let id = Some(number.export(&caller.who.tenant));
    let submission = Submission { id, ..Submission::of(ID, spec, echo) };
    let export = app.exports.submit(&caller.who, submission).await;
    Ok((number, export.map_err(|error| subject.refused(error))?))
}

/// The export when it is final.
pub async fn ended(app: &App, caller: &Caller, id: ExportId) -> Result<Export, Trouble> {
    let mut changes = app.exports.changes();
    loop {
        changes.borrow_and_update();
        let export = app.exports.get(&caller.who, Some(ID), id).await?;
        if !export.state.is_active() {
            return Ok(export);
        }
        tokio::time::timeout(LOOK_EVERY, changes.changed()).await.ok();
    }
}

/// The one file of a completed job.
pub async fn send(
    app: &App,
    caller: &Caller,
    export: &Export,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Trouble> {
    let artifact = export.manifest.as_ref().and_then(|manifest| manifest.artifacts.first());
    let artifact = artifact.ok_or_else(|| Trouble::internal("The job has no file"))?;
    let found = app.exports.find_file(&caller.who, artifact.id).await?;
    Ok(file::answer(&app.exports, &found, method, headers, Coding::Identity).await?)
}
