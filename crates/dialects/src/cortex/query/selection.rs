//! `paths`, `include` and `expand`: which properties of an instance are exported, in which order.
//!
//! `paths` keeps only what it names, `include` adds what is optional, and `expand` puts the whole
//! target in the place of a reference; a path through a reference expands it as far as it is named
//! (Medable documentation, "Property selection"). The id always comes, first. The outcome is a tree:
//! values are its leaves, references, nested documents and lists its branches.

use outhaul_exports::catalog::{Cardinality, Field, FieldType, Object, Relation};
use outhaul_exports::limits;
use outhaul_exports::query::{Path, Protection};
use serde_json::Value;

use super::error::{QueryError, Result, shown};
use super::properties::path;
use super::{Base, PATHS_MAX, parsed};
use crate::cortex::names::{ID, Member, id_of};
use crate::kit::json::kind_of;

/// A property of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name on the wire.
    pub name: String,
    /// What it holds.
    pub content: Content,
}

/// What a property holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A value of a field.
    Value {
        /// Where it is.
        path: Path,
        /// What it is.
        field_type: FieldType,
        /// What becomes of it on its way.
        protection: Protection,
        /// Whether it refers to a file.
        file: bool,
    },
    /// A nested document.
    Document {
        /// What is exported of it.
        properties: Vec<Property>,
    },
    /// A list of documents, which are rows of another object.
    List {
        /// The relation of the base object that leads to them.
        relation: String,
        /// What is exported of each, in its order.
        properties: Vec<Property>,
    },
    /// Another instance, at most one.
    Reference {
        /// The singular name of its object on the wire.
        object: String,
        /// The plural name of its object on the wire.
        plural: String,
        /// Whether it stands there as a document, and not as a mere reference.
        expanded: bool,
        /// What every instance has that is there, where the id that is exported is the reference's
        /// own, and may lead to nothing.
        found: Option<Path>,
        /// What is exported of it; `_id` first where it has one, and alone if it is not expanded.
        properties: Vec<Property>,
    },
}

/// What the client asked for; `None` for what it did not give.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'v> {
    /// Only these.
    pub paths: Option<&'v Value>,
    /// These too.
    pub include: Option<&'v Value>,
    /// These references as documents.
    pub expand: Option<&'v Value>,
}

/// Reads `paths`, `include` and `expand`, each a list of texts, JSON of such a list in a text, or
/// one text.
///
/// # Errors
/// For what is no such list, too many paths or columns, and a path that is unknown, enters a list,
/// follows too many references, or expands what is no reference.
pub fn selection(base: Base<'_>, asked: Asked<'_>) -> Result<Vec<Property>> {
    let paths = listed("paths", asked.paths)?;
    let include = listed("include", asked.include)?;
    let expand = listed("expand", asked.expand)?;
    let mut tree = Tree { base, leaves: 0 };
    let mut properties = Vec::new();
    let top = Branch { object: base.object, relations: &[] };
    if paths.is_empty() {
        tree.everything(&mut properties, top)?;
    } else {
        tree.id(&mut properties, top)?;
    }
    for written in paths.iter().chain(&include) {
        tree.add(&mut properties, written, false)?;
    }
    for written in &expand {
        tree.add(&mut properties, written, true)?;
    }
    Ok(properties)
}

/// The texts of an argument, each once.
///
/// # Errors
/// For what is no list of texts, nor JSON of one, nor one text, and for too many.
pub fn listed(argument: &str, value: Option<&Value>) -> Result<Vec<String>> {
    let value = match value {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) if text.trim_start().starts_with('[') => parsed(argument, text)?,
        Some(Value::String(text)) => Value::Array(vec![Value::String(text.clone())]),
        Some(Value::Array(items)) => return texts(argument, items),
        Some(other) => {
            let reason = format!("a list of properties is expected, not {}", kind_of(other));
            return Err(QueryError::argument(argument, reason));
        }
    };
    match value {
        Value::Array(items) => texts(argument, &items),
        _ => Err(QueryError::argument(argument, "a list of properties is expected")),
    }
}

fn texts(argument: &str, items: &[Value]) -> Result<Vec<String>> {
    if items.len() > PATHS_MAX {
        let reason = format!("{} properties given, at most {PATHS_MAX} allowed", items.len());
        return Err(QueryError::argument(argument, reason));
    }
    let mut texts: Vec<String> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        match item {
            Value::String(text) if texts.contains(text) => {}
            Value::String(text) => texts.push(text.clone()),
            other => {
                let reason = format!("a property is expected, not {}", kind_of(other));
                return Err(QueryError::argument(format!("{argument}.{at}"), reason));
            }
        }
    }
    Ok(texts)
}

/// An object in the tree, and the references that lead to it.
#[derive(Clone, Copy)]
struct Branch<'a, 'r> {
    object: &'a Object,
    relations: &'r [String],
}

struct Tree<'a> {
    base: Base<'a>,
    leaves: usize,
}

impl<'a> Tree<'a> {
    /// Adds what a path names, and with `whole` all of the reference that it names.
    fn add(&mut self, top: &mut Vec<Property>, written: &str, whole: bool) -> Result<()> {
        let base = self.base;
        let mut object = base.object;
        let mut relations: Vec<String> = Vec::new();
        let mut properties = top;
        let mut steps = written.split('.').enumerate().peekable();
        while let Some((_, step)) = steps.next() {
            // The id of a reference came with it.
            let id_there = properties.first().is_some_and(|first| first.name == ID);
            if step == ID && id_there && steps.peek().is_none() && !whole {
                return Ok(());
            }
            let relation = match base.member(object, step, written)? {
                Member::Field(field) if steps.peek().is_some() => {
                    return Err(base.nothing_below(field, step, written));
                }
                Member::Field(_) if whole => {
                    let reason = format!("{} is no reference: only one expands", shown(step));
                    return Err(base.unknown(written, reason));
                }
                Member::Field(field) => {
                    let branch = Branch { object, relations: &relations };
                    return self.field(properties, branch, field);
                }
                Member::Document(document) => {
                    if whole {
                        let reason = format!("{} is no reference: only one expands", shown(step));
                        return Err(base.unknown(written, reason));
                    }
                    let branch = Branch { object, relations: &relations };
                    if steps.peek().is_none() {
                        return self.document(properties, branch, document);
                    }
                    let field = base.in_document(object, document, &mut steps, written)?;
                    return self.field(properties, branch, field);
                }
                Member::Relation(relation) => relation,
            };
            if relation.cardinality == Cardinality::ToMany {
                if relations.is_empty() && base.is_list_of_documents(relation) && !whole {
                    let rest: Vec<&str> = steps.map(|(_, step)| step).collect();
                    return self.list(properties, relation, &rest, written);
                }
                let plural = base.names.plural(base.target(relation)?);
                let reason = format!(
                    "{} is a list, which an export of its owner does not hold: export {plural}",
                    shown(step)
                );
                return Err(base.unknown(written, reason));
            }
            base.check_depth(relations.len() + 1, written)?;
            let branch = Branch { object, relations: &relations };
            let at = self.reference(properties, branch, relation)?;
            let below = steps.peek().is_some_and(|(_, next)| *next != ID);
            let Content::Reference { expanded, properties: inner, .. } =
                &mut properties[at].content
            else {
                return Err(base.unknown(written, "it is a value and a reference"));
            };
            *expanded |= below || whole;
            properties = inner;
            relations.push(relation.name.clone());
            object = base.target(relation)?;
        }
        if whole {
            self.everything(properties, Branch { object, relations: &relations })?;
        }
        Ok(())
    }

    /// All that is not optional: the id, the fields, and the references as such.
    fn everything(&mut self, properties: &mut Vec<Property>, branch: Branch<'a, '_>) -> Result<()> {
        self.id(properties, branch)?;
        for field in branch.object.default_fields() {
            self.field(properties, branch, field)?;
        }
        for relation in &branch.object.relations {
            if branch.relations.is_empty() && self.base.is_list_of_documents(relation) {
                self.list(properties, relation, &[], "")?;
                continue;
            }
            let reachable = relation.cardinality == Cardinality::ToOne
                && id_of(self.base.target(relation)?).is_some();
            // What is too deep to be followed is left out here: nobody named it.
            if reachable && branch.relations.len() < limits::RELATION_DEPTH_MAX {
                self.reference(properties, branch, relation)?;
            }
        }
        Ok(())
    }

    fn id(&mut self, properties: &mut Vec<Property>, branch: Branch<'a, '_>) -> Result<()> {
        let id = id_of(branch.object);
        id.map_or(Ok(()), |id| self.field(properties, branch, id))
    }

    /// Adds all of a nested document.
    fn document(
        &mut self,
        properties: &mut Vec<Property>,
        branch: Branch<'a, '_>,
        document: &str,
    ) -> Result<()> {
        let is_in = |field: &&Field| field.document.as_deref() == Some(document);
        for field in branch.object.fields.iter().filter(is_in) {
            self.field(properties, branch, field)?;
        }
        Ok(())
    }

    /// Adds a list of documents: all of each, or what the rest of a path names. Where an element
    /// stands in the list, and in which, is not one of its properties unless it is named.
    fn list(
        &mut self,
        properties: &mut Vec<Property>,
        relation: &Relation,
        rest: &[&str],
        written: &str,
    ) -> Result<()> {
        let base = self.base;
        let target = base.target(relation)?;
        let branch = Branch { object: target, relations: &[] };
        let name = base.names.relation(base.object, relation);
        let at = match properties.iter().position(|property| property.name == name) {
            Some(at) => at,
            None => {
                let mut own = Vec::new();
                self.id(&mut own, branch)?;
                let relation = relation.name.clone();
                properties
                    .push(Property { name, content: Content::List { relation, properties: own } });
                properties.len() - 1
            }
        };
        let Content::List { properties: own, .. } = &mut properties[at].content else {
            return Err(base.unknown(written, "it is a value and a list"));
        };
        let named = match rest {
            [] => None,
            [step] => match base.member(target, step, written)? {
                Member::Field(field) => Some(field),
                _ => return Err(base.unknown(written, "only values of a list's documents come")),
            },
            _ => return Err(base.unknown(written, "nothing is offered below it")),
        };
        match named {
            Some(field) => self.field(own, branch, field),
            None => {
                for field in target.default_fields().filter(|f| !target.key.contains(&f.name)) {
                    self.field(own, branch, field)?;
                }
                Ok(())
            }
        }
    }

    /// Adds a field, in the nested document that it stands in.
    fn field(
        &mut self,
        properties: &mut Vec<Property>,
        branch: Branch<'a, '_>,
        field: &Field,
    ) -> Result<()> {
        let Some(document) = &field.document else {
            return self.value(properties, branch, field);
        };
        let name = self.base.names.document(branch.object, document);
        let at = match properties.iter().position(|property| property.name == name) {
            Some(at) => at,
            None => {
                let content = Content::Document { properties: Vec::new() };
                properties.push(Property { name, content });
                properties.len() - 1
            }
        };
        let Content::Document { properties: own } = &mut properties[at].content else {
            return Err(self.base.unknown(&field.name, "it is a value and a document"));
        };
        self.value(own, branch, field)
    }

    fn value(
        &mut self,
        properties: &mut Vec<Property>,
        branch: Branch<'a, '_>,
        field: &Field,
    ) -> Result<()> {
        let name = self.base.names.field(branch.object, field);
        if properties.iter().any(|property| property.name == name) {
            return Ok(());
        }
        self.leaf(properties, name, path(branch.relations.to_vec(), field), field)
    }

    fn leaf(
        &mut self,
        properties: &mut Vec<Property>,
        name: String,
        path: Path,
        field: &Field,
    ) -> Result<()> {
        const MOST: usize = limits::COLUMNS_MAX;
        self.leaves += 1;
        if self.leaves > MOST {
            let reason = format!("more than {MOST} values of one row: name fewer in paths");
            return Err(QueryError::argument("paths", reason));
        }
        let protection = if field.sensitive { Protection::Masked } else { Protection::Plain };
        let file = field.file.is_some() && !field.sensitive;
        let content = Content::Value { path, field_type: field.field_type, protection, file };
        properties.push(Property { name, content });
        Ok(())
    }

    /// Finds a reference or adds it with its id, and says where it is.
    fn reference(
        &mut self,
        properties: &mut Vec<Property>,
        branch: Branch<'a, '_>,
        relation: &Relation,
    ) -> Result<usize> {
        let base = self.base;
        let name = base.names.relation(branch.object, relation);
        if let Some(at) = properties.iter().position(|property| property.name == name) {
            return Ok(at);
        }
        let target = base.target(relation)?;
        let mut own = Vec::new();
        let mut found = None;
        if let Some(key) = id_of(target) {
            let id = base.id_of_reference(branch.object, relation, branch.relations)?;
            let mut relations = branch.relations.to_vec();
            relations.push(relation.name.clone());
            let there = path(relations, key);
            found = (id.path != there).then_some(there);
            self.leaf(&mut own, ID.to_owned(), id.path, id.field)?;
        }
        let content = Content::Reference {
            object: base.names.singular(target),
            plural: base.names.plural(target),
            expanded: false,
            found,
            properties: own,
        };
        properties.push(Property { name, content });
        Ok(properties.len() - 1)
    }
}
