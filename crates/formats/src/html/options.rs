//! Choices of html.

use serde::{Deserialize, Serialize};

/// What stands around the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HtmlOptions {
    /// Title of the page.
    pub title: String,
}

impl Default for HtmlOptions {
    fn default() -> Self {
        Self { title: "Export".to_owned() }
    }
}
