//! The one call of the older API: `POST /api/{owner}/{workspace}/{view}?ZOHO_ACTION=EXPORT`, whose
//! answer is the file (Zoho Analytics API v1, "Export data"; the package zoho-analytics-connector).
//!
//! Everything is named instead of numbered here, and each key is a parameter of its own, in the
//! query or in the form. A slash in a name is written `(/)` and a backslash `(//)`. Errors have the
//! older shape, whatever is wrong.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};

use super::auth::{Caller, OrgHeader};
use super::error::Trouble;
use super::request::Config;
use super::response::json_answer;
use super::subject::Subject;
use super::views::View;
use super::wanted::Wanted;
use super::{App, at_once};
use crate::kit::json::shown;
use crate::kit::{body, query};

/// Parameters, and the keys of CONFIG that they are.
const KEYS: [(&str, &str); 5] = [
    ("ZOHO_OUTPUT_FORMAT", "responseFormat"),
    ("ZOHO_CRITERIA", "criteria"),
    ("ZOHO_SQLQUERY", "sqlQuery"),
    ("ZOHO_SHOW_HIDDENCOLS", "showHiddenCols"),
    ("ZOHO_DELIMITER", "delimiter"),
];

/// The handler.
pub async fn export(
    State(app): State<App>,
    Path((_, names)): Path<(String, String)>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let done = answered(&app, &names, &uri, (&method, &headers), body).await;
    done.unwrap_or_else(|trouble| refused(uri.path(), trouble))
}

/// An error in the older shape.
fn refused(path: &str, trouble: Trouble) -> Response {
    let body = json!({ "response": {
        "uri": path,
        "action": "EXPORT",
        "error": { "code": trouble.code(), "message": trouble.message() },
    }});
    let mut response = trouble.into_response();
    let answer = json_answer(response.status(), &body);
    *response.body_mut() = answer.into_body();
    response
}

async fn answered(
    app: &App,
    names: &str,
    uri: &Uri,
    (method, headers): (&Method, &HeaderMap),
    body: Body,
) -> Result<Response, Trouble> {
    let caller = Caller::of(app, headers, OrgHeader::Passed).await?;
    let given = parameters(uri, headers, body).await?;
    let of =
        |name: &str| given.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match of("ZOHO_ACTION") {
        Some(action) if action.eq_ignore_ascii_case("EXPORT") => {}
        _ => return Err(Trouble::no_rule("Of the older API there is ZOHO_ACTION=EXPORT only")),
    }
    let keys = KEYS.iter().filter_map(|(parameter, key)| Some((*key, Value::from(of(parameter)?))));
    let config = Config::of_keys(keys);
    let (workspace, view) = split(names)
        .ok_or_else(|| Trouble::no_view("The path names no workspace, or more than a view"))?;
    if workspace != caller.org.workspace_name {
        return Err(Trouble::no_workspace(format!("Workspace not found: {}", shown(&workspace))));
    }
    let path = uri.path();
    // With a statement, whichever view the path names says nothing.
    if config.value("sqlQuery").is_some() {
        let wanted = Wanted::read_of_statement(&config, app.settings.strict_config)?;
        let subject = Subject::of_statement(app, &caller, &config)?;
        return at_once::answer(app, caller, &subject, wanted, (method, headers, path)).await;
    }
    let view = view.ok_or_else(|| Trouble::no_view("The path names no view"))?;
    let view = View::named(app, &caller, &view)?;
    let wanted = Wanted::read(&config, app.settings.strict_config)?;
    let subject = Subject::of_view(app, &caller, &view, &wanted)?;
    at_once::answer(app, caller, &subject, wanted, (method, headers, path)).await
}

async fn parameters(
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<(String, String)>, Trouble> {
    let bytes = body::read(headers, body).await?;
    let form = std::str::from_utf8(&bytes);
    let form = form.map_err(|_| Trouble::bad_config("The form is not UTF-8"))?;
    let wrong = |error: query::QueryError| Trouble::bad_config(error.to_string());
    let mut given = query::pairs(uri.query().unwrap_or_default()).map_err(wrong)?;
    given.extend(query::pairs(form).map_err(wrong)?);
    Ok(given)
}

/// The names of a workspace and, if there is one, a view in it.
fn split(names: &str) -> Option<(String, Option<String>)> {
    // No name has control characters.
    let marked = names.replace("(//)", "\u{1}").replace("(/)", "\u{2}");
    let name = |part: &str| part.replace('\u{1}', "\\").replace('\u{2}', "/");
    let mut parts = marked.trim_end_matches('/').split('/');
    let workspace = parts.next().filter(|name| !name.is_empty()).map(name)?;
    let view = parts.next().map(name);
    parts.next().is_none().then_some((workspace, view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_slashes_of_their_own() {
        for (path, names) in [
            ("Sales", Some(("Sales", None))),
            ("Sales/Orders/", Some(("Sales", Some("Orders")))),
            ("A(/)B/C(//)D", Some(("A/B", Some("C\\D")))),
            ("a/b/c", None),
            ("", None),
            ("/b", None),
        ] {
            let found = split(path);
            let found = found.as_ref().map(|(ws, view)| (ws.as_str(), view.as_deref()));
            assert_eq!(found, names, "{path}");
        }
    }
}
