//! Dotted property paths, followed through the catalog.
//!
//! A to-one relation is a reference: its `_id` is the relation's own column where that is a field,
//! and what stands below it is reached through the relation. A to-many relation is a list, which
//! only the first step of a search may enter. Values are not looked at here.

use outhaul_exports::catalog::{Cardinality, Field, FieldType, Object, Relation};
use outhaul_exports::limits;
use outhaul_exports::query::Path;

use super::Base;
use super::error::{QueryError, Result, candidates, shown};
use crate::cortex::names::{ID, Member, id_of};

/// What the path of a search leads to.
pub(super) struct Reached<'a> {
    /// The list that it enters with its first step, if it does.
    pub(super) list: Option<&'a Relation>,
    /// The field at its end; `None` for the list itself.
    pub(super) end: Option<End<'a>>,
}

/// A field at the end of a path.
#[derive(Clone)]
pub(super) struct End<'a> {
    /// From the base object, or from the list's target.
    pub(super) path: Path,
    pub(super) field: &'a Field,
    /// Whether it is the id of something: ids are texts on the wire.
    pub(super) id: bool,
}

impl<'a> Base<'a> {
    /// Follows the path of a search. A reference at its end stands for its `_id`.
    pub(super) fn follow(self, written: &str) -> Result<Reached<'a>> {
        let mut object = self.object;
        let mut list = None;
        let mut relations: Vec<String> = Vec::new();
        // The reference that was entered last, and the object that it stands in.
        let mut entered: Option<(&Object, &Relation)> = None;
        let mut steps = written.split('.').enumerate().peekable();
        while let Some((at, step)) = steps.next() {
            if let (Some((from, relation)), ID, None) = (entered, step, steps.peek()) {
                relations.pop();
                let end = self.id_of_reference(from, relation, &relations)?;
                return Ok(Reached { list, end: Some(end) });
            }
            match self.member(object, step, written)? {
                Member::Field(field) if steps.peek().is_none() => {
                    let end = End { id: is_id(object, field), path: path(relations, field), field };
                    return Ok(Reached { list, end: Some(end) });
                }
                Member::Field(field) => return Err(self.nothing_below(field, step, written)),
                Member::Document(document) => {
                    let field = self.in_document(object, document, &mut steps, written)?;
                    let end = End { id: false, path: path(relations, field), field };
                    return Ok(Reached { list, end: Some(end) });
                }
                Member::Relation(relation) if relation.cardinality == Cardinality::ToMany => {
                    if at > 0 {
                        let reason = format!(
                            "{} is a list, and only the first step of a path may enter one",
                            shown(step)
                        );
                        return Err(self.unknown(written, reason));
                    }
                    list = Some(relation);
                    object = self.target(relation)?;
                }
                Member::Relation(relation) => {
                    entered = Some((object, relation));
                    relations.push(relation.name.clone());
                    self.check_depth(relations.len(), written)?;
                    object = self.target(relation)?;
                }
            }
        }
        let Some((from, relation)) = entered else { return Ok(Reached { list, end: None }) };
        relations.pop();
        let end = self.id_of_reference(from, relation, &relations)?;
        Ok(Reached { list, end: Some(end) })
    }

    /// The field of a nested document that the rest of a path names.
    pub(super) fn in_document<'s>(
        self,
        object: &'a Object,
        document: &str,
        steps: &mut impl Iterator<Item = (usize, &'s str)>,
        written: &str,
    ) -> Result<&'a Field> {
        let name = self.names.document(object, document);
        let Some((_, step)) = steps.next() else {
            let reason = format!("{name} is a document: name a property below it");
            return Err(self.unknown(written, reason));
        };
        let field = self.names.find_in(object, document, step).ok_or_else(|| {
            let is_in = |field: &&Field| field.document.as_deref() == Some(document);
            let all = object.fields.iter().filter(is_in);
            let all: Vec<_> = all.map(|field| self.names.field(object, field)).collect();
            let near = candidates(step, all.iter().map(String::as_str));
            self.unknown(written, format!("there is no property {} in {name}{near}", shown(step)))
        })?;
        match steps.next() {
            None => Ok(field),
            Some(_) => Err(self.nothing_below(field, step, written)),
        }
    }

    /// What stands below an object under a name.
    pub(super) fn member(
        self,
        object: &'a Object,
        step: &str,
        written: &str,
    ) -> Result<Member<'a>> {
        if let Some(member) = self.names.find(object, step) {
            return Ok(member);
        }
        let singular = self.names.singular(object);
        let reason = match step {
            "" => "a path is names joined by single points".to_owned(),
            ID => {
                let keys = object.key.iter().filter_map(|name| object.field(name));
                let keys: Vec<_> = keys.map(|field| self.names.field(object, field)).collect();
                format!("{singular} has no _id: {} identify it together", keys.join(", "))
            }
            step => {
                let all = self.names.all(object);
                let near = candidates(step, all.iter().map(String::as_str));
                format!("there is no property {} in {singular}{near}", shown(step))
            }
        };
        Err(self.unknown(written, reason))
    }

    /// The id of what a reference leads to: the reference's own column where that is a field.
    pub(super) fn id_of_reference(
        self,
        from: &'a Object,
        relation: &Relation,
        before: &[String],
    ) -> Result<End<'a>> {
        let target = self.target(relation)?;
        let Some(id) = id_of(target) else {
            let wire = self.names.relation(from, relation);
            let singular = self.names.singular(target);
            let reason = format!("{singular} has no _id; name properties below {wire}");
            return Err(self.unknown(&wire, reason));
        };
        let own = match relation.columns.as_slice() {
            [(here, there)] if *there == id.column => {
                from.fields.iter().find(|field| field.column == *here)
            }
            _ => None,
        };
        let mut relations = before.to_vec();
        let field = own.unwrap_or_else(|| {
            relations.push(relation.name.clone());
            id
        });
        Ok(End { path: path(relations, field), field, id: true })
    }

    /// Whether a relation leads to the documents of a list inside the object's own.
    pub(super) fn is_list_of_documents(self, relation: &Relation) -> bool {
        let target = self.catalog.object(&relation.target);
        let elements = target.is_some_and(|target| target.elements.is_some());
        // A list is read in the order of what its rows belong to: of the id.
        let by_id = match (relation.columns.as_slice(), id_of(self.object)) {
            ([(here, _)], Some(id)) => id.column == *here,
            _ => false,
        };
        elements && by_id && relation.cardinality == Cardinality::ToMany
    }

    /// The object that a relation leads to.
    pub(super) fn target(self, relation: &Relation) -> Result<&'a Object> {
        let target = self.catalog.object(&relation.target);
        target.map(AsRef::as_ref).ok_or_else(|| {
            let reason = format!("{} leads to an object that is not offered", relation.name);
            self.unknown(&relation.name, reason)
        })
    }

    /// Whether so many references may be followed in one path.
    pub(super) fn check_depth(self, followed: usize, written: &str) -> Result<()> {
        const MOST: usize = limits::RELATION_DEPTH_MAX;
        if followed <= MOST {
            return Ok(());
        }
        Err(self.unknown(written, format!("it follows more than {MOST} references")))
    }

    pub(super) fn nothing_below(self, field: &Field, step: &str, written: &str) -> QueryError {
        let reason = match field.field_type {
            FieldType::Json => {
                format!("{} can only be exported whole: nothing below it is offered", shown(step))
            }
            other => format!("{} is a {}: nothing stands below it", shown(step), other.name()),
        };
        self.unknown(written, reason)
    }

    /// The error for a path that leads nowhere.
    pub(super) fn unknown(self, written: &str, reason: impl Into<String>) -> QueryError {
        let path = format!("{}.{}", self.names.singular(self.object), shown(written));
        QueryError::property(path, reason)
    }
}

pub(super) fn is_id(object: &Object, field: &Field) -> bool {
    id_of(object).is_some_and(|id| id.name == field.name)
}

pub(super) fn path(relations: Vec<String>, field: &Field) -> Path {
    Path { relations, field: field.name.clone() }
}
