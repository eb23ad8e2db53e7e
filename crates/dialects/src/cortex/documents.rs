//! How an instance is written: the tree of its properties as columns of a query, and as documents made
//! of them (Medable documentation, "Property types").
//!
//! A reference is `{"_id", "object", "path"}`, and where it is expanded the document that it leads to;
//! one that leads to nothing has a fault in its place. Only references that are expanded are looked
//! up: whether another one leads somewhere is not known, and not asked.

use outhaul_exports::document::{Documents, Member, Node};
use outhaul_exports::query::{Column, Expr, Path, Protection};

use super::error::{Fault, Kind};
use super::names::ID;
use super::query::selection::{Content, Property};

/// A query's columns, and the documents that are made of them.
pub struct Layout {
    /// The columns.
    pub columns: Vec<Column>,
    /// The documents.
    pub documents: Documents,
}

/// Lays out the properties of an object, which has this singular name.
pub fn layout(object: &str, properties: &[Property]) -> Layout {
    let mut layout = Builder { columns: Vec::new() };
    let members = layout.members(object, properties, "");
    Layout { columns: layout.columns, documents: Documents { members } }
}

struct Builder {
    columns: Vec<Column>,
}

impl Builder {
    fn column(&mut self, label: String, path: &Path, protection: Protection) -> usize {
        self.columns.push(Column { label, expr: Expr::Field(path.clone()), protection });
        self.columns.len() - 1
    }

    /// The members of a document; `object` stands behind its id.
    fn members(&mut self, object: &str, properties: &[Property], before: &str) -> Vec<Member> {
        let text = || Member { name: "object".to_owned(), node: Node::Text(object.to_owned()) };
        let mut members = Vec::with_capacity(properties.len() + 1);
        for property in properties {
            let node = self.node(property, before);
            members.push(Member { name: property.name.clone(), node });
            if property.name == ID {
                members.push(text());
            }
        }
        if members.first().is_none_or(|first| first.name != ID) {
            members.insert(0, text());
        }
        members
    }

    fn node(&mut self, property: &Property, before: &str) -> Node {
        let label = format!("{before}{}", property.name);
        match &property.content {
            Content::Value { path, protection, .. } => {
                Node::Column(self.column(label, path, *protection))
            }
            Content::Reference { object, plural, expanded, found, properties } => {
                let start = self.columns.len();
                let mut members = self.members(object, properties, &format!("{label}."));
                let id = properties.first().filter(|first| first.name == ID).map(|_| start);
                match (id, found) {
                    (Some(column), _) if !expanded => {
                        let (before, after) = (format!("/{plural}/"), String::new());
                        let node = Node::Around { before, column, after };
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
        }
    }
}
