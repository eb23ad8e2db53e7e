//! Views: what a client exports. The objects of the catalog are tables, the saved queries of the
//! configuration are query tables; both are found by ids that are made of their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use outhaul_exports::catalog::{Catalog, Object};
use serde::Serialize;

use super::App;
use super::auth::Caller;
use super::config::{Org, QueryTable};
use super::error::Trouble;
use super::ids::named;
use super::names::DisplayNames;

/// A view of the caller's workspace.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// What it shows.
    pub of: Shown<'a>,
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: &'a str,
}

/// What a view shows.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// An object.
    Table(&'a Arc<Object>),
    /// A saved query.
    Query(&'a QueryTable),
}

impl<'a> View<'a> {
    /// All views of a workspace, in the order of their names.
    pub fn all(caller: &'a Caller, catalog: &'a Catalog, names: &'a DisplayNames) -> Vec<Self> {
        let id = |name: &str| view_id(&caller.org, name);
        let tables = catalog.objects().map(|object| Self {
            of: Shown::Table(object),
            id: id(&object.name),
            name: names.object(object),
        });
        let queries = caller.org.query_tables.iter().map(|table| Self {
            of: Shown::Query(table),
            id: id(&table.name),
            name: &table.name,
        });
        let mut all: Vec<_> = tables.chain(queries).collect();
        all.sort_by(|a, b| a.name.cmp(b.name));
        all
    }

    /// The caller's view of that id.
    ///
    /// # Errors
    /// 7104.
    pub fn find(app: &'a App, caller: &'a Caller, id: &str) -> Result<Self, Trouble> {
        Self::only(app, caller, |view| view.id.to_string() == id)
    }

    /// The caller's view of that name.
    ///
    /// # Errors
    /// 7104.
    pub fn named(app: &'a App, caller: &'a Caller, name: &str) -> Result<Self, Trouble> {
        Self::only(app, caller, |view| view.name == name)
    }

    fn only(
        app: &'a App,
        caller: &'a Caller,
        is_it: impl Fn(&Self) -> bool,
    ) -> Result<Self, Trouble> {
        let mut all = Self::all(caller, app.exports.catalog(&caller.who)?, &app.names).into_iter();
        all.find(is_it).ok_or_else(|| {
            Trouble::no_view("View not found! Please check whether the view exists.")
        })
    }

    /// The word for its type, and its number.
    pub fn kind(&self) -> (&'static str, u64) {
        match self.of {
            Shown::Table(_) => ("Table", 0),
            Shown::Query(_) => ("QueryTable", 6),
        }
    }
}

/// Where a tenant's views are, for those who write it down.
#[derive(Debug, Clone, Serialize)]
pub struct Directory {
    /// The org.
    pub org_id: String,
    /// Its workspace.
    pub workspace_id: String,
    /// The workspace's name.
    pub workspace_name: String,
    /// Ids of views by the names of the catalog's objects.
    pub views: BTreeMap<String, String>,
}

impl Directory {
    /// Of an org.
    pub fn of(org: &Org, catalog: &Catalog) -> Self {
        let view =
            |object: &Arc<Object>| (object.name.clone(), view_id(org, &object.name).to_string());
        Self {
            org_id: org.id.to_string(),
            workspace_id: org.workspace.to_string(),
            workspace_name: org.workspace_name.clone(),
            views: catalog.objects().map(view).collect(),
        }
    }
}

fn view_id(org: &Org, name: &str) -> u64 {
    named("view", &format!("{}\n{name}", org.workspace))
}
