//! How the rows of a query become documents, and which files go along with them.
//!
//! A query's result is flat: columns in an order. An API whose objects nest says here how a document
//! is made of a row: a tree whose leaves are columns, by their places in the result. Formats that
//! nest write the tree, tables flatten it. Columns that no leaf names are read and not written: what
//! a file is found by, say.

use serde::{Deserialize, Serialize};

use crate::query::{Path, Query};
use crate::spec::ExportSpec;
use crate::{Error, Result, limits};

/// The documents of an export of one query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Documents {
    /// What a document has, in order.
    pub members: Vec<Member>,
}

/// A member of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub node: Node,
}

/// What a member holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// The value of a column.
    Column(usize),
    /// The same text in every document.
    Text(String),
    /// A column's text or whole number between two texts; nothing where the column holds nothing.
    Around {
        /// What stands before it.
        before: String,
        /// The column.
        column: usize,
        /// What stands behind it.
        after: String,
    },
    /// The same JSON value in every document where the one column holds something and the other
    /// does not: what stands in for something that is named and not there.
    Lost {
        /// The column that names it.
        named: usize,
        /// The column that every one that is there has.
        found: usize,
        /// The JSON.
        json: String,
    },
    /// What stands behind the last slash of a column's text: the name of a file in its path.
    FileName(usize),
    /// The name in the archive of the content of a file, by its place in [`Archive::files`]; nothing
    /// where there is none.
    Entry(usize),
    /// A document inside the document.
    Document {
        /// The column that holds something wherever the document is there; without one it is there
        /// where any of its members holds something.
        present: Option<usize>,
        /// What it has, in order.
        members: Vec<Member>,
    },
}

/// One zip archive around the data: a file of rows, the contents of files that the rows refer to,
/// and `manifest.json`, which tells what is in it and what is missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    /// The files that go along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileProperty>,
    /// Whether the files stand together in an archive `files.zip` inside the archive; under `files/`
    /// otherwise.
    #[serde(default)]
    pub together: bool,
}

/// Where the files of a property are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileProperty {
    /// The field of the catalog that refers to a file.
    pub field: Path,
    /// The column with its values.
    pub reference: usize,
    /// The column whose values tell the rows apart.
    pub owner: usize,
    /// The property's name; it stands in the names of the entries.
    pub name: String,
}

/// Checks the documents and the archive of a spec against its queries.
///
/// # Errors
/// `Invalid` when there are several queries, a column is named that the query does not have, or the
/// tree is too deep; `Unsupported` for what an archive cannot be made with.
pub(crate) fn check(spec: &ExportSpec) -> Result<()> {
    if spec.documents.is_none() && spec.archive.is_none() {
        return Ok(());
    }
    let [only] = spec.queries.as_slice() else {
        return Err(Error::invalid("queries", "documents are made of one query's rows"));
    };
    let Query::Select(select) = &only.query else {
        return Err(Error::invalid("queries", "documents are not made of SQL"));
    };
    let columns = select.columns.len() + select.lists.len();
    let files = spec.archive.as_ref().map_or(&[][..], |archive| &archive.files);
    for file in files {
        within(file.reference.max(file.owner), columns)?;
    }
    if let Some(documents) = &spec.documents {
        check_members(&documents.members, columns, files.len(), 0)?;
    }
    let around = spec.split.is_some() || spec.row_numbers.is_some() || spec.sealing_key.is_some();
    if around || spec.packing != crate::spec::Packing::None && spec.archive.is_some() {
        let text = "documents and archives are not split, numbered, sealed or packed once more";
        return Err(Error::unsupported(text));
    }
    Ok(())
}

fn check_members(members: &[Member], columns: usize, files: usize, depth: usize) -> Result<()> {
    if depth > limits::DOCUMENT_DEPTH_MAX {
        let most = limits::DOCUMENT_DEPTH_MAX;
        return Err(Error::invalid("documents", format!("they nest deeper than {most} levels")));
    }
    for member in members {
        match &member.node {
            Node::Column(at) | Node::FileName(at) | Node::Around { column: at, .. } => {
                within(*at, columns)?;
            }
            Node::Lost { named, found, .. } => within(*named.max(found), columns)?,
            Node::Entry(at) => within(*at, files)?,
            Node::Text(_) => {}
            Node::Document { present, members } => {
                within(present.unwrap_or(0), columns)?;
                check_members(members, columns, files, depth + 1)?;
            }
        }
    }
    Ok(())
}

fn within(at: usize, count: usize) -> Result<()> {
    if at < count {
        return Ok(());
    }
    Err(Error::internal(format!("documents name column {at} of {count}")))
}
