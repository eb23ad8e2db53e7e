//! What may be exported, and as what.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::App;
use super::auth::Caller;
use super::error::Problem;
use super::names::Names;
use super::response::{CatalogView, FormatView, FormatsView, ObjectSummary, ObjectView};

/// List the objects that may be exported.
#[utoipa::path(get, path = "/api/v1/catalog", tag = "catalog",
    responses((status = 200, description = "The objects", body = CatalogView)))]
pub async fn list(caller: Caller, State(app): State<App>) -> Result<Json<CatalogView>, Problem> {
    let catalog = app.exports.catalog(&caller.who)?;
    let objects = catalog.objects().map(|object| ObjectSummary::of(object)).collect();
    Ok(Json(CatalogView { objects }))
}

/// Show an object with its fields and relations.
#[utoipa::path(get, path = "/api/v1/catalog/{object}", tag = "catalog",
    params(("object" = String, Path, description = "API name, in any case")),
    responses((status = 200, description = "The object", body = ObjectView)))]
pub async fn show(
    caller: Caller,
    State(app): State<App>,
    names: Names,
) -> Result<Json<ObjectView>, Problem> {
    let object = app.exports.catalog(&caller.who)?.require(names.text("object"));
    let object = object
        .map_err(|error| Problem::new(StatusCode::NOT_FOUND, "unknown_object", error.public()))?;
    Ok(Json(ObjectView::of(object)))
}

/// List the formats and packings that files may have.
#[utoipa::path(get, path = "/api/v1/formats", tag = "catalog",
    responses((status = 200, description = "The formats", body = FormatsView)))]
pub async fn formats(_: Caller, State(app): State<App>) -> Json<FormatsView> {
    let formats = app.exports.formats().sheets().into_iter().map(FormatView::of).collect();
    Json(FormatsView { formats, packings: vec!["none", "gzip", "zip"] })
}
