//! Exports: created, looked at, changed, deleted (Medable documentation, "Export Object").

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use outhaul_exports::catalog::{Catalog, Object};
use outhaul_exports::document::Archive;
use outhaul_exports::export::{Export, State};
use outhaul_exports::query::{Query, Select};
use outhaul_exports::service::{RequestKey, Submission};
use outhaul_exports::spec::{
    DecimalStyle, ExportSpec, FormatChoice, FractionStyle, Notice, Packing, QuerySpec, ValueOptions,
};
use outhaul_exports::{ErrorKind, limits};
use serde_json::{Value, json};

use super::auth::{Asked, Caller};
use super::documents::{Subject, layout};
use super::error::{Fault, Kind};
use super::files;
use super::ids::ObjectId;
use super::listing::View;
use super::names::Member;
use super::query::Base;
use super::query::error::shown;
use super::query::filter::filter;
use super::query::order::order;
use super::query::selection::{Asked as Selected, listed, selection};
use super::request::{self, Wanted};
use super::response::{Echo, creator, document, echo, is_there, json_answer, list, result};
use super::{App, ID, scripts};
use crate::kit::headers::{expect_json, idempotency_key};
use crate::kit::{body, json};

/// `POST /exports`.
pub async fn create(
    app: &App,
    caller: &Caller,
    asked: &Asked<'_>,
    body: Body,
) -> Result<Response, Fault> {
    caller.require_admin()?;
    let bytes = read(asked.headers, body).await?;
    let wanted = Wanted::read(json::parse_object(&bytes)?, app.settings.strict_properties)?;
    let id = ObjectId::draw(asked.now);
    let (spec, echo) = specified(app, caller, &wanted, id)?;
    let key = idempotency_key(asked.headers)?;
    let place = format!("POST /{}/v2{}", caller.org, asked.command);
    let submission = Submission {
        id: Some(id.export(&caller.who.tenant)),
        idempotency: key.map(|key| RequestKey::new(key, &place, &bytes)).transpose()?,
        ..Submission::of(ID, spec, json!(echo))
    };
    let export = app.exports.submit(&caller.who, submission).await.map_err(refused)?;
    answer(&export)
}

/// What of a wanted export is wrong, found where everything is checked once more.
fn refused(error: outhaul_exports::Error) -> Fault {
    let path = match error.kind() {
        ErrorKind::Invalid { field } if field.starts_with("notices.script") => "afterScript",
        ErrorKind::Invalid { field } if field == "query" || field == "where" => {
            return Fault::new(Kind::Query, error.public()).at("where");
        }
        _ => return error.into(),
    };
    let child = Fault::new(Kind::InvalidProperty, error.public()).at(format!("export.{path}"));
    Fault::validation("export", vec![child])
}

/// A wanted export in the neutral words.
fn specified(
    app: &App,
    caller: &Caller,
    wanted: &Wanted,
    id: ObjectId,
) -> Result<(ExportSpec, Echo), Fault> {
    let catalog: &Catalog = app.exports.catalog(&caller.who)?;
    let object = app
        .names
        .find_plural(catalog, &wanted.objects)
        .ok_or_else(|| Fault::bare(Kind::InvalidObject).at(shown(&wanted.objects)))?;
    let object: &Object = object;
    let base = Base { object, catalog, names: &app.names };
    let filter = filter(base, wanted.filter.as_ref())?;
    let selected = Selected {
        paths: wanted.paths.as_ref(),
        include: wanted.include.as_ref(),
        expand: wanted.expand.as_ref(),
    };
    let subject = Subject {
        singular: &app.names.singular(object),
        plural: &app.names.plural(object),
        files: wanted.export_files,
    };
    let layout = layout(&subject, &selection(base, selected)?);
    let mut select = Select::of(object.name.clone());
    select.columns = layout.columns;
    select.lists = layout.lists;
    select.filter = filter;
    select.order_by = order(base, None)?;
    if select.columns.len() > limits::COLUMNS_MAX {
        let reason = format!("More than {} values of one instance", limits::COLUMNS_MAX);
        return Err(Fault::new(Kind::Query, reason).at("paths"));
    }
    let (format, format_id) = wanted.format;
    let values = ValueOptions {
        fraction: FractionStyle::Millis,
        decimals: DecimalStyle::Trimmed,
        ..ValueOptions::default()
    };
    // A document does not have what has no value; a table has a column for it all the same.
    let mut options = serde_json::Map::new();
    if format_id != "csv" {
        options.insert("nulls".to_owned(), json!("omit_deep"));
    }
    let query = Query::Select(Box::new(select));
    let script = wanted.after_script.clone().map(|source| Notice::Script { source });
    let spec = ExportSpec {
        label: Some(wanted.label.clone()),
        description: wanted.description.clone(),
        queries: vec![QuerySpec { name: Some(format!("export-{id}")), query }],
        format: FormatChoice { values, options, ..FormatChoice::plain(format_id) },
        packing: Packing::None,
        row_numbers: None,
        documents: Some(layout.documents),
        archive: Some(Archive { files: layout.files, together: wanted.zip_files }),
        split: None,
        sealing_key: None,
        encryption_key: None,
        password: None,
        notices: script.into_iter().collect(),
        session: None,
    };
    let texts = |name: &str, value: &Option<Value>| listed(name, value.as_ref());
    let echo = Echo {
        id: id.to_string(),
        email: caller.email.clone(),
        objects: wanted.objects.clone(),
        format: format.to_owned(),
        export_files: wanted.export_files,
        zip_files: wanted.zip_files,
        paths: texts("paths", &wanted.paths)?,
        include: texts("include", &wanted.include)?,
        expand: texts("expand", &wanted.expand)?,
        filter: wanted.filter.as_ref().map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }),
        after_script: wanted.after_script.clone(),
    };
    Ok((spec, echo))
}

/// `GET /exports/{id}`.
pub async fn show(
    app: &App,
    caller: &Caller,
    asked: &Asked<'_>,
    id: &str,
) -> Result<Response, Fault> {
    let view = View::read(app, asked)?;
    let export = find(app, caller, id).await?;
    let mut body = view.of(&export).ok_or_else(|| Fault::no_export(id))?;
    if view.is_whole() && !export.spec.notices.is_empty() {
        let messages = app.exports.messages(&caller.who, export.id).await?;
        if let Some(outcome) = scripts::outcome(&messages) {
            body["x_script"] = outcome;
        }
    }
    Ok(json_answer(StatusCode::OK, &body))
}

/// `PUT` and `PATCH /exports/{id}`: another label or description.
pub async fn change(
    app: &App,
    caller: &Caller,
    asked: &Asked<'_>,
    id: &str,
    body: Body,
) -> Result<Response, Fault> {
    caller.require_admin()?;
    let bytes = read(asked.headers, body).await?;
    let (label, description) = request::change(&json::parse_object(&bytes)?)?;
    let export = find(app, caller, id).await?;
    let changed = app.exports.relabel(&caller.who, Some(ID), export.id, label, description);
    answer(&changed.await.map_err(|error| gone(error, id))?)
}

/// `DELETE /exports/{id}`: one that runs is cancelled, and is not seen any more.
pub async fn delete(app: &App, caller: &Caller, id: &str) -> Result<Response, Fault> {
    caller.require_admin()?;
    let export = find(app, caller, id).await?;
    // It may begin or end to run between the look at it and the change.
    for running in [export.state == State::Running, true, false] {
        let done = match running {
            true => app.exports.cancel(&caller.who, Some(ID), export.id).await.map(drop),
            false => app.exports.delete(&caller.who, Some(ID), export.id).await.map(drop),
        };
        match done {
            Err(error) if *error.kind() == ErrorKind::Conflict => {}
            done => return done.map(|()| result(&true.into())).map_err(|e| gone(e, id)),
        }
    }
    let reason = "The export is beginning or ending just now: try again";
    Err(Fault::new(Kind::TooBusy, reason).at(format!("export.{id}")).retry_after(1))
}

/// `GET /exports/{id}/{property/path}`.
pub async fn property(
    app: &App,
    caller: &Caller,
    asked: &Asked<'_>,
    id: &str,
    path: &[&str],
) -> Result<Response, Fault> {
    let export = find(app, caller, id).await?;
    let echo = echo(&export).ok_or_else(|| Fault::no_export(id))?;
    let steps = path;
    match steps {
        ["dataFile"] => return Ok(files::facet(&export, &echo)),
        ["dataFile", "content"] => {
            return files::content(app, caller, asked, &export, &echo).await;
        }
        _ => {}
    }
    let base = app.own.base()?;
    let unknown = || {
        let path = shown(&steps.join("."));
        Fault::new(Kind::NotFound, "An export has no such property").at(format!("export.{path}"))
    };
    let first = steps.first().copied().unwrap_or_default();
    let known = base.names.find(base.object, first);
    let mut value = match known {
        Some(Member::Relation(relation)) if relation.target == "account" && steps.len() > 1 => {
            creator(&export.tenant, &echo)
        }
        Some(Member::Field(_) | Member::Relation(_) | Member::Document(_)) => {
            document(&export, &echo).get(first).cloned().unwrap_or_default()
        }
        None => return Err(unknown()),
    };
    for step in &steps[1..] {
        value = value.get(step).cloned().ok_or_else(unknown)?;
    }
    Ok(if value.is_array() { list(&value) } else { result(&value) })
}

/// The caller's export of that id.
pub async fn find(app: &App, caller: &Caller, id: &str) -> Result<Export, Fault> {
    let known = ObjectId::parse(id).ok_or_else(|| Fault::no_export(id))?;
    let id_here = known.export(&caller.who.tenant);
    let export = app.exports.get(&caller.who, Some(ID), id_here).await;
    let export = export.map_err(|error| gone(error, id))?;
    match is_there(&export, app.exports.now()) {
        true => Ok(export),
        false => Err(Fault::no_export(id)),
    }
}

fn gone(error: outhaul_exports::Error, id: &str) -> Fault {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Expired => Fault::no_export(id),
        _ => error.into(),
    }
}

fn answer(export: &Export) -> Result<Response, Fault> {
    let echo = echo(export).ok_or_else(|| Fault::bare(Kind::Internal))?;
    Ok(json_answer(StatusCode::OK, &document(export, &echo)))
}

async fn read(headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, Fault> {
    let bytes = body::read(headers, body).await?;
    expect_json(headers)?;
    Ok(bytes)
}
