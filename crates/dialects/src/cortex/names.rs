//! Names on the wire: what this API calls the objects, fields and relations of the catalog.
//!
//! Custom names carry the prefix `c_` (Medable documentation, "Handling responses"), and the rest is
//! the catalog's API name in snake case: `BillToContact` is `c_bill_to_contact`. API names that
//! would share such a name keep their own spelling behind the prefix, all of them. A single key
//! field is `_id`. Whoever asks may use an API name too, in any case. Nothing here reads a query.

use std::collections::HashMap;
use std::sync::Arc;

use outhaul_exports::catalog::{Catalog, Field, Object, Relation};

/// The property that identifies an instance.
pub const ID: &str = "_id";

/// The names of a catalog.
#[derive(Debug, Clone, Default)]
pub struct WireNames {
    /// By API name, in lower case.
    objects: HashMap<String, ObjectNames>,
    /// API names by plural name on the wire.
    plurals: HashMap<String, String>,
}

#[derive(Debug, Clone)]
struct ObjectNames {
    singular: String,
    plural: String,
    /// By API name, in lower case; fields and relations share one space of names, but for the fields
    /// of a nested document, which have one of their own.
    members: HashMap<String, String>,
    /// API names by name on the wire.
    by_wire: HashMap<String, String>,
    /// Nested documents by API name, in lower case.
    documents: HashMap<String, DocumentNames>,
}

#[derive(Debug, Clone)]
struct DocumentNames {
    wire: String,
    /// API names of its fields by name on the wire.
    by_wire: HashMap<String, String>,
}

/// What a name below an object leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Member<'a> {
    /// A field.
    Field(&'a Field),
    /// A relation, of any cardinality.
    Relation(&'a Relation),
    /// A nested document, by its API name.
    Document(&'a str),
}

impl WireNames {
    /// The names of a catalog's objects, fields and relations.
    pub fn of(catalog: &Catalog) -> Self {
        Self::spelled(catalog, &distinct)
    }

    /// The same for objects of the vendor's own, whose API names are those on the wire.
    pub fn plain(catalog: &Catalog) -> Self {
        Self::spelled(catalog, &|apis| apis.iter().map(|api| (*api).to_owned()).collect())
    }

    fn spelled(catalog: &Catalog, spell: &dyn Fn(&[&str]) -> Vec<String>) -> Self {
        let objects: Vec<&Arc<Object>> = catalog.objects().collect();
        let all = |name: fn(&Object) -> &str| {
            let apis: Vec<&str> = objects.iter().map(|object| name(object)).collect();
            spell(&apis)
        };
        let singulars = all(|object| &object.name);
        let plurals = all(|object| &object.plural);
        let mut names = Self::default();
        for ((object, singular), plural) in objects.iter().zip(singulars).zip(plurals) {
            names.plurals.entry(plural.clone()).or_insert_with(|| object.name.clone());
            let mut own = ObjectNames {
                singular,
                plural,
                members: HashMap::new(),
                by_wire: HashMap::new(),
                documents: HashMap::new(),
            };
            own.spell(object, spell);
            names.objects.insert(folded(&object.name), own);
        }
        names
    }

    /// A nested document's name.
    pub fn document(&self, object: &Object, document: &str) -> String {
        let own = self.own(object).and_then(|own| own.documents.get(&folded(document)));
        own.map_or_else(|| prefixed(&snake(document)), |own| own.wire.clone())
    }

    /// An object's singular name, as in the property `object` of its instances.
    pub fn singular(&self, object: &Object) -> String {
        let own = self.own(object).map(|own| own.singular.clone());
        own.unwrap_or_else(|| prefixed(&snake(&object.name)))
    }

    /// An object's plural name, as in URLs.
    pub fn plural(&self, object: &Object) -> String {
        let own = self.own(object).map(|own| own.plural.clone());
        own.unwrap_or_else(|| prefixed(&snake(&object.plural)))
    }

    /// A field's name: `_id` for a key of one field.
    pub fn field(&self, object: &Object, field: &Field) -> String {
        if id_of(object).is_some_and(|id| id.name == field.name) {
            return ID.to_owned();
        }
        self.member(object, &field.name)
    }

    /// A relation's name.
    pub fn relation(&self, object: &Object, relation: &Relation) -> String {
        self.member(object, &relation.name)
    }

    /// The object of that plural name on the wire, else of that plural API name in any case.
    pub fn find_plural<'a>(&self, catalog: &'a Catalog, written: &str) -> Option<&'a Arc<Object>> {
        let by_wire = self.plurals.get(written).and_then(|api| catalog.object(api));
        by_wire.or_else(|| catalog.object_by_plural(written))
    }

    /// The member of that name: `_id` for a key of one field, a name on the wire, or an API name in
    /// any case.
    pub fn find<'a>(&self, object: &'a Object, written: &str) -> Option<Member<'a>> {
        if written == ID {
            return id_of(object).map(Member::Field);
        }
        let api = self.own(object).and_then(|own| own.by_wire.get(written));
        let api = api.map_or(written, String::as_str);
        let field = object.field(api).map(Member::Field);
        let member = field.or_else(|| object.relation(api).map(Member::Relation));
        member.or_else(|| self.find_document(object, written).map(Member::Document))
    }

    /// The field of that name in a nested document: a name on the wire, or an API name in any case,
    /// with or without the document's in front of it.
    pub fn find_in<'a>(
        &self,
        object: &'a Object,
        document: &str,
        written: &str,
    ) -> Option<&'a Field> {
        let own = self.own(object).and_then(|own| own.documents.get(&folded(document)));
        let by_wire = own.and_then(|own| own.by_wire.get(written));
        let api = by_wire.cloned().unwrap_or_else(|| format!("{document}{written}"));
        let found = object.field(&api).or_else(|| object.field(written));
        found.filter(|field| field.document.as_deref() == Some(document))
    }

    fn find_document<'a>(&self, object: &'a Object, written: &str) -> Option<&'a str> {
        let mut documents = object.fields.iter().filter_map(|field| field.document.as_deref());
        documents.find(|document| {
            self.document(object, document) == written || document.eq_ignore_ascii_case(written)
        })
    }

    /// Every name that can stand below an object, for suggestions.
    pub fn all(&self, object: &Object) -> Vec<String> {
        let fields = object.fields.iter().map(|field| match &field.document {
            None => self.field(object, field),
            Some(document) => {
                format!("{}.{}", self.document(object, document), self.field(object, field))
            }
        });
        let relations = object.relations.iter().map(|relation| self.relation(object, relation));
        fields.chain(relations).collect()
    }

    fn own(&self, object: &Object) -> Option<&ObjectNames> {
        self.objects.get(&folded(&object.name))
    }

    fn member(&self, object: &Object, api: &str) -> String {
        let wire = self.own(object).and_then(|own| own.members.get(&folded(api)));
        wire.cloned().unwrap_or_else(|| prefixed(&snake(api)))
    }
}

impl ObjectNames {
    fn spell(&mut self, object: &Object, spell: &dyn Fn(&[&str]) -> Vec<String>) {
        let outside = object.fields.iter().filter(|field| field.document.is_none());
        let mut apis: Vec<&str> = outside.map(|field| field.name.as_str()).collect();
        let members = apis.len() + object.relations.len();
        apis.extend(object.relations.iter().map(|relation| relation.name.as_str()));
        for document in object.fields.iter().filter_map(|field| field.document.as_deref()) {
            if !apis[members..].contains(&document) {
                apis.push(document);
            }
        }
        let wires = spell(&apis);
        for (at, (api, wire)) in apis.into_iter().zip(wires).enumerate() {
            if at < members {
                self.members.insert(folded(api), wire.clone());
                self.by_wire.insert(wire, api.to_owned());
            } else {
                let by_wire = self.spell_document(object, api, spell);
                self.documents.insert(folded(api), DocumentNames { wire, by_wire });
            }
        }
    }

    /// The names of a nested document's fields, without the document's in front of their own.
    fn spell_document(
        &mut self,
        object: &Object,
        document: &str,
        spell: &dyn Fn(&[&str]) -> Vec<String>,
    ) -> HashMap<String, String> {
        let is_in = |field: &&Field| field.document.as_deref() == Some(document);
        let fields: Vec<&Field> = object.fields.iter().filter(is_in).collect();
        let short = |field: &&Field| -> String {
            let (front, rest) = field.name.split_at_checked(document.len()).unwrap_or_default();
            let rest = rest.trim_start_matches('_');
            match front.eq_ignore_ascii_case(document) && !rest.is_empty() {
                true => rest.to_owned(),
                false => field.name.clone(),
            }
        };
        let shorts: Vec<String> = fields.iter().map(short).collect();
        let wires = spell(&shorts.iter().map(String::as_str).collect::<Vec<_>>());
        let mut by_wire = HashMap::with_capacity(fields.len());
        for (field, wire) in fields.into_iter().zip(wires) {
            self.members.insert(folded(&field.name), wire.clone());
            by_wire.insert(wire, field.name.clone());
        }
        by_wire
    }
}

/// The field that identifies a row alone; `None` where it takes several. Elements of a list have
/// an id of their own where they say so.
pub fn id_of(object: &Object) -> Option<&Field> {
    if object.elements.is_some() {
        return object.fields.iter().find(|field| field.member == [ID]);
    }
    match object.key.as_slice() {
        [only] => object.field(only),
        _ => None,
    }
}

/// The names of these API names, which are distinct. One round is enough: the snake case of a snake
/// case is itself, so an API name that falls back meets no name outside those that it shares one with.
fn distinct(apis: &[&str]) -> Vec<String> {
    let mut count: HashMap<String, usize> = HashMap::new();
    for api in apis {
        *count.entry(snake(api)).or_default() += 1;
    }
    let name = |api: &&str| {
        let snake = snake(api);
        prefixed(if count.get(&snake) == Some(&1) { &snake } else { api })
    };
    apis.iter().map(name).collect()
}

fn prefixed(name: &str) -> String {
    format!("c_{name}")
}

/// `BillToContact` becomes `bill_to_contact`, `IDNumber` becomes `id_number`.
fn snake(api: &str) -> String {
    let letters: Vec<char> = api.chars().collect();
    let mut out = String::with_capacity(api.len() + 4);
    for (at, &c) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if starts_word {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn api_names_become_snake_case() {
        for (api, becomes) in [
            ("Name", "name"),
            ("BillToContact", "bill_to_contact"),
            ("AchAccountNumber", "ach_account_number"),
            ("IDNumber", "id_number"),
            ("TaxID", "tax_id"),
            ("Address2Line", "address2_line"),
            ("created_at", "created_at"),
            ("Region__c", "region__c"),
            ("_hidden", "_hidden"),
        ] {
            assert_eq!(snake(api), becomes, "{api}");
        }
    }

    #[test]
    fn a_name_that_two_would_share_is_neither_ones() {
        for (apis, names) in [
            (vec!["BillTo", "Name"], vec!["c_bill_to", "c_name"]),
            (vec!["BillTo", "Bill_To", "bill_to"], vec!["c_BillTo", "c_Bill_To", "c_bill_to"]),
            (vec!["visits", "c_visits"], vec!["c_visits", "c_c_visits"]),
        ] {
            assert_eq!(distinct(&apis), names, "{apis:?}");
        }
    }

    #[test]
    fn names_lead_back_to_what_they_name() {
        let catalog = outhaul_exports::testing::catalog();
        let names = WireNames::of(&catalog);
        let mut seen = 0;
        for object in catalog.objects() {
            let found = names.find_plural(&catalog, &names.plural(object));
            assert_eq!(found.map(|found| &found.name), Some(&object.name));
            assert!(names.find_plural(&catalog, &names.singular(object)).is_none());
            for field in &object.fields {
                let member = Some(Member::Field(field));
                assert_eq!(names.find(object, &names.field(object, field)), member);
                assert_eq!(names.find(object, &field.name.to_uppercase()), member);
            }
            for relation in &object.relations {
                seen += 1;
                let wire = names.relation(object, relation);
                assert_eq!(names.find(object, &wire), Some(Member::Relation(relation)));
            }
        }
        assert!(seen > 0, "a catalog without relations proves little");
    }

    proptest! {
        #[test]
        fn distinct_api_names_stay_distinct(apis in proptest::collection::vec("[aAbB_1]{1,5}", 1..40)) {
            let mut seen = HashSet::new();
            let apis: Vec<_> = apis.into_iter().filter(|api| seen.insert(folded(api))).collect();
            let names = distinct(&apis.iter().map(String::as_str).collect::<Vec<_>>());
            let different: HashSet<_> = names.iter().collect();
            prop_assert_eq!(different.len(), names.len(), "{:?}", names);
        }
    }
}
