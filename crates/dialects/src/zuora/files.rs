//! Finished files: `/v1/files/{id}`, `/v1/file/{id}` and `/apps/api/file/{id}`.
//!
//! Every known client fetches from one of the three, so all serve one space of ids, of both APIs.
//! Ranges, entity tags and digests are our addition; the rest is as Zuora does it (its
//! documentation, "Retrieve a file"): the file is saved as `<FileId>.<extension>`, a client that
//! takes gzip gets text compressed, a file over the size limit is a 403 whose XML body carries the
//! limit, and a file that is unknown, another tenant's, or gone is one 404: clients drop their
//! saved ids at it, and an owner sees in the export's record whether it was there.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Extension;
use axum::body::{Body, BodyDataStream};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use outhaul_exports::principal::Principal;
use outhaul_exports::service::Download;
use outhaul_exports::session::waits_for_downloads;
use outhaul_exports::spec::Packing;
use outhaul_exports::{Error, ErrorKind};

use super::Zuora;
use super::errors::{Refusal, Trouble};
use crate::kit::file::{Coding, FileError, answer};

/// What the ids of this vendor's dialects begin with; their files alone are served here.
const DIALECTS: &str = "zuora_";

/// The handler of GET and HEAD.
pub async fn get(
    State(zuora): State<Arc<Zuora>>,
    Extension(who): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Some(artifact) = id.ok().and_then(|Path(id)| id.parse().ok()) else {
        return Err(no_file());
    };
    let mut file = zuora.exports.find_file(&who, artifact).await.map_err(not_found)?;
    if !file.export.dialect.starts_with(DIALECTS) {
        return Err(no_file());
    }
    if let Some(most) = zuora.config.file_bytes_max.filter(|most| file.artifact.bytes > *most) {
        return Ok(too_large(most));
    }
    file.artifact.file_name = file_name(&zuora, &file);
    let sent = sent_to_its_end(&zuora, &file);
    match answer(&zuora.exports, &file, &method, &headers, Coding::GzipIfAccepted).await {
        Ok(response) => {
            Ok(match ends_the_file(&response, file.artifact.bytes) && method == Method::GET {
                true => noted(response, sent),
                false => response,
            })
        }
        Err(FileError::RangeNotSatisfiable { length }) => {
            Ok(plain(StatusCode::RANGE_NOT_SATISFIABLE, Some(FileError::content_range(length))))
        }
        Err(FileError::PreconditionFailed) => Ok(plain(StatusCode::PRECONDITION_FAILED, None)),
        Err(FileError::Store(error)) => Err(not_found(error)),
    }
}

/// Whether an answer holds the last byte of the file: what came before a range, the client has.
fn ends_the_file(response: &Response, length: u64) -> bool {
    match response.status() {
        StatusCode::OK => true,
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(header::CONTENT_RANGE);
            let last = format!("-{}/{length}", length.saturating_sub(1));
            range.and_then(|range| range.to_str().ok()).is_some_and(|range| range.ends_with(&last))
        }
        _ => false,
    }
}

/// Notes that a file was sent to its end, where that is of any consequence: it may be what moves a
/// session.
fn sent_to_its_end(zuora: &Arc<Zuora>, file: &Download) -> impl FnOnce() + Send + Unpin + 'static {
    let zuora = Arc::clone(zuora);
    let (tenant, export) = (file.export.tenant.clone(), file.export.id);
    let (artifact, matters) = (file.artifact.id, waits_for_downloads(&file.export));
    move || {
        if !matters {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = zuora.exports.note_sent(&tenant, export, artifact).await {
                // The rows come again with the next job of the session.
                tracing::warn!(%export, error = error.chain(), "a download could not be noted");
            }
        });
    }
}

/// A body that tells when its last byte was taken by the connection. Where the length is known the
/// connection does not ask for what comes after it, so the bytes are counted.
struct Noted<F> {
    body: BodyDataStream,
    left: Option<u64>,
    sent: Option<F>,
}

impl<F: FnOnce()> Noted<F> {
    fn tell(&mut self) {
        if let Some(sent) = self.sent.take() {
            sent();
        }
    }
}

impl<F: FnOnce() + Unpin> Stream for Noted<F> {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = ready!(Pin::new(&mut this.body).poll_next(context));
        match &next {
            Some(Ok(bytes)) => {
                this.left = this.left.map(|left| left.saturating_sub(bytes.len() as u64));
                if this.left == Some(0) {
                    this.tell();
                }
            }
            Some(Err(_)) => this.sent = None,
            None => this.tell(),
        }
        Poll::Ready(next)
    }
}

fn noted(response: Response, sent: impl FnOnce() + Send + Unpin + 'static) -> Response {
    let length = response.headers().get(header::CONTENT_LENGTH);
    let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
    response.map(|body| {
        let body = body.into_data_stream();
        Body::from_stream(Noted { body, left, sent: Some(sent) })
    })
}

fn no_file() -> Refusal {
    Refusal::new(Trouble::NotFound, "There is no such file, or its time is over")
}

/// Unknown, another tenant's and expired: one answer.
fn not_found(error: Error) -> Refusal {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Expired => no_file(),
        _ => error.into(),
    }
}

/// `<FileId>.csv`, `<FileId>.zip`: made of our own id, never of a client's text.
fn file_name(zuora: &Zuora, file: &Download) -> String {
    let spec = &file.export.spec;
    let sheet = zuora.exports.formats().sheet(&spec.format.id);
    let extension = sheet.map_or_else(|| spec.format.id.clone(), |sheet| sheet.extension);
    match spec.packing {
        Packing::None => format!("{}.{extension}", file.artifact.id),
        Packing::Gzip => format!("{}.{extension}.gz", file.artifact.id),
        Packing::Zip => format!("{}.zip", file.artifact.id),
    }
}

/// The 403 of a file over the limit. Clients look for `max-object-size` in it and ask for less.
fn too_large(most: u64) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <security:error xmlns:security=\"http://security.api.zuora.com/\">\
         <security:message>The file is larger than the limit; export fewer rows at a time.\
         </security:message>\
         <security:max-object-size>{}MB</security:max-object-size></security:error>",
        most / (1024 * 1024)
    );
    let xml = HeaderValue::from_static("text/xml;charset=UTF-8");
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, xml)], body).into_response()
}

/// An answer that RFC 9110 gives a status and perhaps a header, but no body.
fn plain(status: StatusCode, range: Option<HeaderValue>) -> Response {
    let mut response = status.into_response();
    if let Some(range) = range {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}
