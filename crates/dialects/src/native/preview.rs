//! The first rows of a query, without an export.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use outhaul_exports::query::{Protection, Query};

use super::App;
use super::auth::Caller;
use super::error::Problem;
use super::exports::json_body;
use super::request::PreviewRequest;
use super::response::{ColumnView, PreviewView};

/// Rows unless the request says otherwise.
const ROWS: u64 = 20;

/// Show the first rows of a query. Sensitive values are always masked here.
#[utoipa::path(post, path = "/api/v1/preview", tag = "catalog",
    request_body = PreviewRequest,
    responses((status = 200, description = "The rows", body = PreviewView)))]
pub async fn preview(
    caller: Caller,
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PreviewView>, Problem> {
    let (_, body) = json_body(&headers, body).await?;
    let request = PreviewRequest::read(body)?;
    let catalog = app.exports.catalog(&caller.who)?;
    let query = request.query.into_query(catalog, Protection::Masked);
    let query = query.map_err(|problem| problem.under("/query"))?;
    let rows = request.rows.unwrap_or(ROWS);
    let is_sql = matches!(query, Query::Sql { .. });
    let member = |part: &str| match part {
        "where" | "query" if is_sql => Some("/query/sql".to_owned()),
        "where" => Some("/query/where".to_owned()),
        "query" => Some("/query".to_owned()),
        part => Some(format!("/{part}")),
    };
    let preview = app.exports.preview(&caller.who, &query, rows).await;
    let preview = preview.map_err(|error| Problem::from(error).rename(member))?;
    Ok(Json(PreviewView {
        columns: preview.columns.iter().map(ColumnView::of).collect(),
        rows: preview.rows,
    }))
}
