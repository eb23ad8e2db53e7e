//! Choices of html.

use serde::{Deserialize, Serialize};

/// What stands around the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HtmlOptions {
    /// Title of the page.
    pub title: String,
    /// Where the title stands as the table's caption.
    pub caption: Caption,
    /// Names of the columns at the head of the table.
    pub header: bool,
    /// Whether the file is a page of its own, or a table to be put into one.
    pub page: bool,
}

impl Default for HtmlOptions {
    fn default() -> Self {
        Self { title: "Export".to_owned(), caption: Caption::None, header: true, page: true }
    }
}

/// Where the title stands as the table's caption.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caption {
    /// Nowhere.
    #[default]
    None,
    /// Above the table.
    Top,
    /// Below it.
    Bottom,
}
