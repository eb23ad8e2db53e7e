//! `dataFile`: what it is, the link to its content, and the content (Medable documentation, "File").
//!
//! A client whose `Accept` begins with JSON gets the link in a document, every other one is sent
//! there. The link is absolute, needs no header and no cookie, and works for a short while: only who
//! may download gets one.

use std::time::Duration;

use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use outhaul_exports::ArtifactId;
use outhaul_exports::ErrorKind;
use outhaul_exports::export::{Export, State};
use outhaul_exports::service::IssuedLink;
use serde_json::Value;

use super::App;
use super::auth::{Asked, Caller};
use super::error::{Fault, Kind};
use super::response::{Echo, artifact, data_file, failure, json_answer, result};
use crate::kit::file::{self, Coding};

const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");
/// How often room is made for one more link.
const LINK_TRIES: u32 = 3;

/// `GET /exports/{id}/dataFile`.
pub fn facet(export: &Export, echo: &Echo) -> Response {
    json_answer(StatusCode::OK, &facet_of(export, echo))
}

fn facet_of(export: &Export, echo: &Echo) -> Value {
    let mut facet = data_file(export, echo);
    facet["object"] = "facet".into();
    facet
}

/// `GET /exports/{id}/dataFile/content`.
pub async fn content(
    app: &App,
    caller: &Caller,
    asked: &Asked<'_>,
    export: &Export,
    echo: &Echo,
) -> Result<Response, Fault> {
    caller.require_admin()?;
    let path = format!("export.{}.dataFile", echo.id);
    let file = match export.state {
        State::Queued | State::Running => {
            let reason = "The export has not ended yet: ask for its state";
            return Err(Fault::new(Kind::MediaNotReady, reason).at(path));
        }
        State::Completed => artifact(export),
        State::Failed | State::Cancelled | State::Expired => {
            let why = failure(export).json();
            let why = why["reason"].as_str().unwrap_or("The export failed").to_owned();
            return Err(Fault::new(Kind::NotFoundInstance, why).at(path));
        }
    };
    let file = file.ok_or_else(|| Fault::new(Kind::Internal, "The export has no file"))?;
    let link = link(app, caller, file.id).await?;
    let url = format!("{}/{}/v2/x_files/{}", app.base_url, caller.org, link.token);
    let accept = asked.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let accept = accept.unwrap_or_default().trim_start().to_ascii_lowercase();
    if accept.starts_with("application/json") {
        let mut facet = facet_of(export, echo);
        facet["url"] = url.into();
        return Ok(json_answer(StatusCode::OK, &facet));
    }
    let location = HeaderValue::from_str(&url);
    let location = location.map_err(|_| Fault::new(Kind::Internal, "The link is no address"))?;
    let mut response = result(&url.into());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// A new link to a file. Where there are as many as there may be, the oldest one makes room: whoever
/// asked for it has had that many since.
async fn link(app: &App, caller: &Caller, file: ArtifactId) -> Result<IssuedLink, Fault> {
    let ttl = Duration::from_secs(app.settings.link_secs.into());
    for _ in 0..LINK_TRIES {
        match app.exports.issue_link(&caller.who, file, ttl).await {
            Err(error) if matches!(error.kind(), ErrorKind::LimitExceeded { .. }) => {}
            done => return Ok(done?),
        }
        let links = app.exports.links(&caller.who, file).await?;
        if let Some(oldest) = links.first() {
            match app.exports.revoke_link(&caller.who, file, &oldest.hash).await {
                // Somebody else made room.
                Err(error) if *error.kind() == ErrorKind::NotFound => {}
                done => done?,
            }
        }
    }
    Err(Fault::new(Kind::TooBusy, "Too many clients download this file").retry_after(1))
}

/// `GET /x_files/{link}`, our own: the content, for who has the link.
pub async fn follow(
    app: &App,
    asked: &Asked<'_>,
    token: &str,
    method: &Method,
) -> Result<Response, Fault> {
    let none = || Fault::new(Kind::NotFound, "The link is wrong or over: ask for a new one");
    let found = match app.exports.follow_link(token).await {
        Ok(found) if found.export.tenant == asked.tenant => found,
        Ok(_) => return Err(none()),
        Err(error) if *error.kind() == ErrorKind::NotFound => return Err(none()),
        Err(error) => return Err(error.into()),
    };
    let answer = file::answer(&app.exports, &found, method, asked.headers, Coding::Identity);
    let mut response = answer.await?;
    // The address is a secret; no page that opens from the file may learn it.
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
