//! The calls by which clients find ids: orgs, workspaces, views and their columns.
//!
//! What an answer must hold is what its readers take without asking (the official MCP server deletes
//! keys unchecked, Zoho Analytics API v2, "Metadata API"): every key is always there.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::auth::{Caller, OrgHeader};
use super::error::Trouble;
use super::ids::named;
use super::request::{Config, VIEW_CHARS_MAX};
use super::response::success;
use super::views::{Shown, View};
use super::{App, columns};
use crate::kit::json::shown;

/// When things that have no time of their own were made: the API wants one.
const MADE_AT: &str = "1704067200000";
const NOBODY: &str = "admin@localhost";

/// `GET /orgs`.
pub async fn orgs(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Passed).await?;
    let org = json!({
        "orgId": caller.org.id.to_string(),
        "orgName": caller.org.name,
        "orgDesc": "",
        "createdBy": NOBODY,
        "createdByZuId": "0",
        "planName": "Outhaul",
        "isDefault": true,
        "numberOfWorkspaces": 1,
        "numberOfworkspaces": 1,
        "role": "Account Admin",
    });
    Ok(success("Get organizations", &json!({ "orgs": [org] })))
}

/// `GET /workspaces`.
pub async fn workspaces(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Passed).await?;
    let data = json!({ "ownedWorkspaces": [workspace_item(&caller)], "sharedWorkspaces": [] });
    Ok(success("Get all workspaces", &data))
}

/// `GET /workspaces/owned`.
pub async fn owned(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Passed).await?;
    Ok(success("Get owned workspaces", &json!({ "workspaces": [workspace_item(&caller)] })))
}

/// `GET /workspaces/shared`.
pub async fn shared(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    Caller::of(&app, &headers, OrgHeader::Passed).await?;
    Ok(success("Get shared workspaces", &json!({ "workspaces": [] })))
}

/// `GET /workspaces/{ws}`.
pub async fn workspace(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Passed).await?;
    caller.workspace(&id)?;
    Ok(success("Get workspace details", &json!({ "workspaces": workspace_item(&caller) })))
}

/// `GET /workspaces/{ws}/views`.
pub async fn views(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&id)?;
    let wanted =
        Listing::read(&Config::of_query(uri.query(), VIEW_CHARS_MAX)?.unwrap_or_default())?;
    let catalog = app.exports.catalog(&caller.who)?;
    let all = View::all(&caller, catalog, &app.names);
    let listed = wanted.of(all).into_iter().map(|view| view_item(&caller, &view));
    Ok(success("Get views", &json!({ "views": listed.collect::<Vec<_>>() })))
}

/// `GET /views/{view}`.
pub async fn view(
    State(app): State<App>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Passed).await?;
    let config = Config::of_query(uri.query(), VIEW_CHARS_MAX)?.unwrap_or_default();
    let whole = config.flag("withInvolvedMetaInfo")?.unwrap_or(false);
    let found = View::find(&app, &caller, &id)?;
    let details = view_details(&app, &caller, &found, whole).await?;
    Ok(success("Get view details", &json!({ "views": details })))
}

/// `GET /metadetails`: ids by names.
pub async fn by_names(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    let config = Config::of_query(uri.query(), VIEW_CHARS_MAX)?;
    let config = config.ok_or_else(|| Trouble::missing(Config::MISSING))?;
    let Some(name) = config.text("workspaceName")? else {
        return Err(Trouble::no_attribute("workspaceName is not present in CONFIG"));
    };
    if name != caller.org.workspace_name {
        return Err(Trouble::no_view(format!("There is no workspace named {}", shown(name))));
    }
    let mut data = json!({ "workspaces": workspace_item(&caller) });
    if let Some(name) = config.text("viewName")? {
        data["views"] = view_item(&caller, &View::named(&app, &caller, name)?);
    }
    Ok(success("Get meta details", &data))
}

/// `GET /workspaces/{ws}/views/{view}/metadata`: the columns.
pub async fn columns_of(
    State(app): State<App>,
    Path((workspace, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let found = View::find(&app, &caller, &id)?;
    let columns = columns::of_view(&app, &caller, &found).await?;
    Ok(success("Get table metadata", &json!({ "columns": columns })))
}

/// `GET /workspaces/{ws}/querytables`.
pub async fn query_tables(
    State(app): State<App>,
    Path(workspace): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let catalog = app.exports.catalog(&caller.who)?;
    let all = View::all(&caller, catalog, &app.names);
    let queries = all.iter().filter(|view| matches!(view.of, Shown::Query(_)));
    let listed: Vec<_> = queries.map(|view| view_item(&caller, view)).collect();
    Ok(success("Get query tables", &json!({ "queryTables": listed })))
}

/// `GET /workspaces/{ws}/querytables/{id}`.
pub async fn query_table(
    State(app): State<App>,
    Path((workspace, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let found = View::find(&app, &caller, &id)?;
    let Shown::Query(table) = found.of else {
        return Err(Trouble::no_view("The view is no query table"));
    };
    let mut details = view_details(&app, &caller, &found, true).await?;
    details["sqlQuery"] = table.sql.clone().into();
    Ok(success("Get querytable details", &json!({ "queryTables": details })))
}

/// `GET /workspaces/{ws}/folders`: views stand in one.
pub async fn folders(
    State(app): State<App>,
    Path(workspace): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let caller = Caller::of(&app, &headers, OrgHeader::Needed).await?;
    caller.workspace(&workspace)?;
    let folder = json!({
        "folderId": folder_id(&caller),
        "folderName": "Tables",
        "folderDesc": "",
        "isDefault": true,
        "createdBy": NOBODY,
        "createdTime": MADE_AT,
    });
    Ok(success("Get folders", &json!({ "folders": [folder] })))
}

/// `GET /recentviews`.
pub async fn recent_views(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    Caller::of(&app, &headers, OrgHeader::Passed).await?;
    Ok(success("Get recent views", &json!({ "views": [] })))
}

/// `GET /dashboards`, of which there are none.
pub async fn dashboards(State(app): State<App>, headers: HeaderMap) -> Result<Response, Trouble> {
    Caller::of(&app, &headers, OrgHeader::Passed).await?;
    Ok(success("Get all dashboards", &json!({ "ownedViews": [], "sharedViews": [] })))
}

/// `GET /dashboards/owned` and `/shared`.
pub async fn some_dashboards(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    Caller::of(&app, &headers, OrgHeader::Passed).await?;
    Ok(success("Get dashboards", &json!({ "views": [] })))
}

/// What a list of views is asked for (Zoho Analytics API v2, "Get views").
struct Listing {
    kinds: Option<Vec<u64>>,
    keyword: Option<String>,
    start: usize,
    most: Option<usize>,
    descending: bool,
}

impl Listing {
    fn read(config: &Config) -> Result<Self, Trouble> {
        let number = |key: &str| config.number(key);
        // All were made at one time, so that any column sorts by the name.
        if let Some(column) = number("sortedColumn")?.filter(|column| *column > 2) {
            return Err(Trouble::bad_value(format!(
                "Invalid value {column} given for the attribute sortedColumn. Allowed values are 0, 1, 2"
            )));
        }
        let order = number("sortedOrder")?.unwrap_or(0);
        if order > 1 {
            return Err(Trouble::bad_value(format!(
                "Invalid value {order} given for the attribute sortedOrder. Allowed values are 0, 1"
            )));
        }
        let usize_of = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Ok(Self {
            kinds: config.numbers("viewTypes")?,
            keyword: config.text("keyword")?.map(str::to_lowercase),
            // Zero-based in one document, one-based in another: both begin with the first.
            start: number("startIndex")?.map_or(0, usize_of).saturating_sub(1),
            most: number("noOfResult")?.map(usize_of),
            descending: order == 1,
        })
    }

    fn of<'a>(&self, mut views: Vec<View<'a>>) -> Vec<View<'a>> {
        views.retain(|view| {
            self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&view.kind().1))
                && self.keyword.as_ref().is_none_or(|part| view.name.to_lowercase().contains(part))
        });
        if self.descending {
            views.reverse();
        }
        views.into_iter().skip(self.start).take(self.most.unwrap_or(usize::MAX)).collect()
    }
}

fn workspace_item(caller: &Caller) -> Value {
    json!({
        "workspaceId": caller.org.workspace.to_string(),
        "workspaceName": caller.org.workspace_name,
        "workspaceDesc": "",
        "orgId": caller.org.id.to_string(),
        "createdTime": MADE_AT,
        "createdBy": NOBODY,
        "isDefault": true,
    })
}

fn folder_id(caller: &Caller) -> String {
    named("folder", &caller.org.workspace.to_string()).to_string()
}

fn view_item(caller: &Caller, view: &View<'_>) -> Value {
    let description = match view.of {
        Shown::Table(_) => "",
        Shown::Query(table) => &table.description,
    };
    json!({
        "viewId": view.id.to_string(),
        "viewName": view.name,
        "viewDesc": description,
        "viewType": view.kind().0,
        "parentViewId": "",
        "folderId": folder_id(caller),
        "folderName": "Tables",
        "createdTime": MADE_AT,
        "createdBy": NOBODY,
        "lastModifiedTime": MADE_AT,
        "lastModifiedBy": NOBODY,
        "isFavorite": false,
        "sharedBy": "",
    })
}

async fn view_details(
    app: &App,
    caller: &Caller,
    view: &View<'_>,
    whole: bool,
) -> Result<Value, Trouble> {
    let Value::Object(mut map) = view_item(caller, view) else { return Ok(Value::Null) };
    let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
    set("workspaceId", caller.org.workspace.to_string().into());
    set("orgId", caller.org.id.to_string().into());
    for key in ["createdByName", "lastDesignModifiedByName"] {
        set(key, "admin".into());
    }
    for key in ["createdByZuId", "lastDesignModifiedByZuId"] {
        set(key, "0".into());
    }
    set("lastDesignModifiedTime", MADE_AT.into());
    set("lastDesignModifiedBy", NOBODY.into());
    if whole {
        set("columns", columns::of_view(app, caller, view).await?.into());
        set("involvedViews", json!([]));
        set("tabs", json!([]));
    }
    Ok(map.into())
}
