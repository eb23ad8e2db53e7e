//! The dialect's own section of the configuration, `[dialects.zoho]`.

use std::collections::{BTreeMap, BTreeSet};

use outhaul_exports::principal::Tenant;
use outhaul_exports::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ids::named;

/// Settings of the dialect.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds an access token is valid.
    pub token_secs: u32,
    /// Whether keys of CONFIG that are not known are refused, or passed over.
    pub strict_config: bool,
    /// Whether an export of a table has all of its columns when the client names none and says
    /// nothing of `showHiddenCols`; html never has hidden ones then.
    pub show_hidden_columns: bool,
    /// Whether a csv file begins with a byte order mark.
    pub csv_bom: bool,
    /// Milliseconds that the calls which create a job wait for its end before they answer, so that a
    /// client finds a small job completed the first time it looks.
    pub hold_millis: u32,
    /// Seconds that a call waits which answers the file itself, before the client is sent to the
    /// asynchronous calls.
    pub wait_secs: u32,
    /// Bytes of the largest file that is answered so.
    pub wait_bytes_max: u64,
    /// The orgs, by tenant. A tenant that is not named has one whose ids are made of its own.
    pub orgs: BTreeMap<String, OrgSection>,
}

/// A tenant's org.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OrgSection {
    /// Its id: digits.
    pub org_id: Option<u64>,
    /// Its name; the tenant's label when absent.
    pub org_name: Option<String>,
    /// The id of its one workspace: digits.
    pub workspace_id: Option<u64>,
    /// The name of its workspace; the org's when absent.
    pub workspace_name: Option<String>,
    /// Saved queries, each of which is a view.
    pub query_tables: Vec<QueryTable>,
}

/// A saved query.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryTable {
    /// The name of the view.
    pub name: String,
    /// Its statement, in this vendor's SQL.
    pub sql: String,
    /// What it is.
    #[serde(default)]
    pub description: String,
}

/// A tenant's org with all of its names and ids.
#[derive(Debug, Clone)]
pub struct Org {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The id of its workspace.
    pub workspace: u64,
    /// The name of its workspace.
    pub workspace_name: String,
    /// Its saved queries.
    pub query_tables: Vec<QueryTable>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_secs: 3_600,
            strict_config: false,
            show_hidden_columns: true,
            csv_bom: false,
            hold_millis: 0,
            wait_secs: 60,
            wait_bytes_max: 100 * 1024 * 1024,
            orgs: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Reads and checks the section.
    ///
    /// # Errors
    /// `Invalid`, naming the setting.
    pub fn read(section: serde_json::Value) -> Result<Self> {
        let section = if section.is_null() { serde_json::json!({}) } else { section };
        let wrong =
            |text: String| Error::invalid("dialects.zoho", format!("[dialects.zoho]: {text}"));
        let settings: Self = serde_json::from_value(section).map_err(|e| wrong(e.to_string()))?;
        if !(60..=7 * 24 * 3_600).contains(&settings.token_secs) {
            return Err(wrong("token_secs must be between 60 and 604800 (7 days)".into()));
        }
        if !(1..=600).contains(&settings.wait_secs) {
            return Err(wrong("wait_secs must be between 1 and 600".into()));
        }
        if settings.hold_millis > 60_000 {
            return Err(wrong("hold_millis must be at most 60000 (1 minute)".into()));
        }
        let mut ids = BTreeSet::new();
        for (tenant, org) in &settings.orgs {
            for id in [org.org_id, org.workspace_id].into_iter().flatten() {
                if id == 0 || i64::try_from(id).is_err() || !ids.insert(id) {
                    let text = format!("orgs.{tenant}: {id} is no id of its own below 2^63");
                    return Err(wrong(text));
                }
            }
            let mut names = BTreeSet::new();
            if let Some(twice) = org.query_tables.iter().find(|table| !names.insert(&table.name)) {
                let text = format!("orgs.{tenant}: two query_tables are called {}", twice.name);
                return Err(wrong(text));
            }
        }
        Ok(settings)
    }

    /// The org of a tenant.
    pub fn org(&self, tenant: &Tenant) -> Org {
        let section = self.orgs.get(&tenant.id.0).cloned().unwrap_or_default();
        let name = section.org_name.unwrap_or_else(|| tenant.label.clone());
        Org {
            id: section.org_id.unwrap_or_else(|| named("org", &tenant.id.0)),
            workspace: section.workspace_id.unwrap_or_else(|| named("workspace", &tenant.id.0)),
            workspace_name: section.workspace_name.unwrap_or_else(|| name.clone()),
            query_tables: section.query_tables,
            name,
        }
    }
}
