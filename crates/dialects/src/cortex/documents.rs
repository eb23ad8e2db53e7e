//! How an instance is written: the tree of its properties as columns of a query, and as documents made
//! of them (Medable documentation, "Property types").
//!
//! A reference is `{"_id", "object", "path"}`, and where it is expanded the document that it leads to;
//! one that leads to nothing has a fault in its place. Only references that are expanded are looked
//! up: whether another one leads somewhere is not known, and not asked. A file property is what is
//! known of the file; its `path` is where it is in the archive, if its content is there.

use outhaul_exports::document::{Documents, FileProperty, Member, Node};
use outhaul_exports::query::{Column, Expr, Path, Protection, RelatedList};

use super::error::{Fault, Kind};
use super::names::ID;
use super::query::selection::{Content, Property};

/// A query's columns, and the documents that are made of them.
pub struct Layout {
    /// The columns.
    pub columns: Vec<Column>,
    /// The lists, which follow them.
    pub lists: Vec<RelatedList>,
    /// The documents.
    pub documents: Documents,
    /// The files that go along.
    pub files: Vec<FileProperty>,
}

/// What is laid out.
pub struct Subject<'a> {
    /// The singular name of the object.
    pub singular: &'a str,
    /// Its plural name.
    pub plural: &'a str,
    /// Whether contents of files go along.
    pub files: bool,
}

/// Lays out the properties of an object.
pub fn layout(subject: &Subject<'_>, properties: &[Property]) -> Layout {
    let id = properties.first().filter(|first| first.name == ID).map(|_| 0);
    let mut builder =
        Builder { subject, id, columns: Vec::new(), lists: Vec::new(), files: Vec::new() };
    let mut members = builder.members(subject.singular, properties, "");
    settle(&mut members, builder.columns.len());
    Layout {
        columns: builder.columns,
        lists: builder.lists,
        documents: Documents { members },
        files: builder.files,
    }
}

/// Stands for the first list while the columns before it are not counted yet.
const FIRST_LIST: usize = usize::MAX / 2;

/// Puts the places of the lists behind the columns.
fn settle(members: &mut [Member], columns: usize) {
    for member in members {
        match &mut member.node {
            Node::Column(at) if *at >= FIRST_LIST => *at = *at - FIRST_LIST + columns,
            Node::Document { members, .. } => settle(members, columns),
            _ => {}
        }
    }
}

struct Builder<'a> {
    subject: &'a Subject<'a>,
    /// The column with the id of the whole.
    id: Option<usize>,
    columns: Vec<Column>,
    lists: Vec<RelatedList>,
    files: Vec<FileProperty>,
}

fn text(name: &str, text: &str) -> Member {
    Member { name: name.to_owned(), node: Node::Text(text.to_owned()) }
}

impl Builder<'_> {
    fn column(&mut self, label: String, path: &Path, protection: Protection) -> usize {
        self.columns.push(Column { label, expr: Expr::Field(path.clone()), protection });
        self.columns.len() - 1
    }

    /// The members of an instance; the name of its object stands behind its id.
    fn members(&mut self, object: &str, properties: &[Property], before: &str) -> Vec<Member> {
        let mut members = Vec::with_capacity(properties.len() + 1);
        for property in properties {
            let node = self.node(property, before);
            members.push(Member { name: property.name.clone(), node });
            if property.name == ID {
                members.push(text("object", object));
            }
        }
        if members.first().is_none_or(|first| first.name != ID) {
            members.insert(0, text("object", object));
        }
        members
    }

    fn node(&mut self, property: &Property, before: &str) -> Node {
        let label = format!("{before}{}", property.name);
        match &property.content {
            Content::Value { path, protection, file, .. } => {
                let at = self.column(label.clone(), path, *protection);
                if *file { self.file(at, path, label) } else { Node::Column(at) }
            }
            Content::Document { properties } => {
                let before = format!("{label}.");
                let member = |property: &Property| {
                    let node = self.node(property, &before);
                    Member { name: property.name.clone(), node }
                };
                Node::Document { present: None, members: properties.iter().map(member).collect() }
            }
            Content::List { relation, properties } => {
                self.lists.push(list(label, relation, properties));
                Node::Column(FIRST_LIST + self.lists.len() - 1)
            }
            Content::Reference { object, plural, expanded, found, properties } => {
                let wanted = Wanted { object, plural, expanded: *expanded, found: found.as_ref() };
                self.reference(&wanted, properties, label)
            }
        }
    }

    fn reference(&mut self, wanted: &Wanted<'_>, properties: &[Property], label: String) -> Node {
        let start = self.columns.len();
        let mut members = self.members(wanted.object, properties, &format!("{label}."));
        let id = properties.first().filter(|first| first.name == ID).map(|_| start);
        match (id, wanted.found) {
            (Some(column), _) if !wanted.expanded => {
                let before = format!("/{}/", wanted.plural);
                let node = Node::Around { before, column, after: String::new() };
                members.push(Member { name: "path".to_owned(), node });
            }
            (Some(named), Some(found)) => {
                let found = self.column(format!("{label}.found"), found, Protection::Plain);
                let fault = Fault::new(Kind::NotFoundInstance, "There is no such instance");
                let json = fault.at(label).json().to_string();
                let node = Node::Lost { named, found, json };
                members.push(Member { name: "fault".to_owned(), node });
            }
            _ => {}
        }
        Node::Document { present: Some(id.unwrap_or(start)), members }
    }

    /// What is known of a file, by the column that refers to it.
    fn file(&mut self, reference: usize, field: &Path, name: String) -> Node {
        let path = match self.id {
            _ if self.subject.files => {
                let owner = self.id.unwrap_or(reference);
                self.files.push(FileProperty { field: field.clone(), reference, owner, name });
                Node::Entry(self.files.len() - 1)
            }
            Some(column) => Node::Around {
                before: format!("/{}/", self.subject.plural),
                column,
                after: format!("/{}/content", name.replace('.', "/")),
            },
            None => Node::Column(reference),
        };
        let members = vec![
            text("name", "content"),
            Member { name: "filename".to_owned(), node: Node::FileName(reference) },
            Member { name: "path".to_owned(), node: path },
        ];
        Node::Document { present: Some(reference), members }
    }
}

/// A reference as it is wanted.
struct Wanted<'a> {
    object: &'a str,
    plural: &'a str,
    expanded: bool,
    found: Option<&'a Path>,
}

/// A list with what each of its documents has.
fn list(label: String, relation: &str, properties: &[Property]) -> RelatedList {
    let column = |property: &Property| match &property.content {
        Content::Value { path, protection, .. } => Some(Column {
            label: property.name.clone(),
            expr: Expr::Field(path.clone()),
            protection: *protection,
        }),
        // Documents of a list have values alone.
        _ => None,
    };
    let columns = properties.iter().filter_map(column).collect();
    RelatedList { label, relation: relation.to_owned(), columns }
}
