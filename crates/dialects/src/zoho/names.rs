//! Display names: what this API calls the objects and fields of the catalog.
//!
//! Zoho Analytics knows tables and columns by the names that people read ("Payment No."), so the
//! labels of the catalog are the names on the wire. A label that two objects, or two fields of one
//! object, share names neither of them: both then go by their API names. Whoever asks may use an
//! API name too. Nothing here parses a query.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use outhaul_exports::catalog::{Catalog, Field, Object};

/// The display names of a catalog.
#[derive(Debug, Clone, Default)]
pub struct DisplayNames {
    /// By API name, in lower case.
    objects: HashMap<String, ObjectNames>,
}

#[derive(Debug, Clone)]
struct ObjectNames {
    display: String,
    /// By API name, in lower case.
    fields: HashMap<String, String>,
}

/// How exactly a name must be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// As it is, upper and lower case included: a name in quotes.
    Exact,
    /// In any case: a bare name.
    Any,
}

impl Case {
    /// Whether a written name is that name.
    pub fn matches(self, written: &str, name: &str) -> bool {
        match self {
            Self::Exact => written == name,
            Self::Any => folded(written) == folded(name),
        }
    }
}

impl DisplayNames {
    /// The names of a catalog's objects and fields.
    pub fn of(catalog: &Catalog) -> Self {
        let objects: Vec<&Arc<Object>> = catalog.objects().collect();
        let pairs: Vec<_> = objects.iter().map(|o| (o.name.as_str(), o.label.as_str())).collect();
        let displays = distinct(&pairs);
        let one = |(object, display): (&&Arc<Object>, String)| {
            let fields = object.fields.iter();
            let pairs: Vec<_> = fields.map(|f| (f.name.as_str(), f.label.as_str())).collect();
            let names = distinct(&pairs);
            let names = object.fields.iter().map(|f| folded(&f.name)).zip(names).collect();
            (folded(&object.name), ObjectNames { display, fields: names })
        };
        Self { objects: objects.iter().zip(displays).map(one).collect() }
    }

    /// What an object is called; its label where the catalog is another one.
    pub fn object<'a>(&'a self, object: &'a Object) -> &'a str {
        self.objects.get(&folded(&object.name)).map_or(&object.label, |names| &names.display)
    }

    /// What a field is called; its label where the catalog is another one.
    pub fn field<'a>(&'a self, object: &Object, field: &'a Field) -> &'a str {
        let names = self.objects.get(&folded(&object.name));
        let name = names.and_then(|names| names.fields.get(&folded(&field.name)));
        name.map_or(&field.label, String::as_str)
    }

    /// The object of that name: its display name, else its API name, singular or plural.
    pub fn find_object<'a>(
        &self,
        catalog: &'a Catalog,
        written: &str,
        case: Case,
    ) -> Option<&'a Arc<Object>> {
        let by = |name: &dyn Fn(&'a Arc<Object>) -> String| {
            catalog.objects().find(|object| case.matches(written, &name(object)))
        };
        by(&|object| self.object(object).to_owned())
            .or_else(|| by(&|object| object.name.clone()))
            .or_else(|| by(&|object| object.plural.clone()))
    }

    /// The field of that name: its display name, else its API name.
    pub fn find_field<'a>(
        &self,
        object: &'a Object,
        written: &str,
        case: Case,
    ) -> Option<&'a Field> {
        let fields = &object.fields;
        let shown = fields.iter().find(|field| case.matches(written, self.field(object, field)));
        shown.or_else(|| fields.iter().find(|field| case.matches(written, &field.name)))
    }
}

/// For pairs of an API name and a label: the labels, and API names for those whose label would be
/// somebody else's name too. API names are distinct, so that this ends.
fn distinct(pairs: &[(&str, &str)]) -> Vec<String> {
    let mut by_label: Vec<bool> = pairs.iter().map(|(_, label)| !label.trim().is_empty()).collect();
    loop {
        let shown = |at: usize| if by_label[at] { pairs[at].1 } else { pairs[at].0 };
        let mut seen = HashSet::new();
        let mut twice = HashSet::new();
        for at in 0..pairs.len() {
            let name = folded(shown(at));
            if !seen.insert(name.clone()) {
                twice.insert(name);
            }
        }
        let shared = |at: usize| by_label[at] && twice.contains(&folded(shown(at)));
        let shared: Vec<usize> = (0..pairs.len()).filter(|&at| shared(at)).collect();
        if shared.is_empty() {
            return (0..pairs.len()).map(|at| shown(at).to_owned()).collect();
        }
        for at in shared {
            by_label[at] = false;
        }
    }
}

/// A name as names are compared where their case does not matter.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_two_share_names_neither() {
        for (pairs, names) in [
            (vec![("Id", "Number"), ("Name", "Full Name")], vec!["Number", "Full Name"]),
            (vec![("A", "Same"), ("B", "same"), ("C", "Other")], vec!["A", "B", "Other"]),
            // The third one's label is the first one's API name, which the first one then needs.
            (vec![("A", "Same"), ("B", "Same"), ("C", "a")], vec!["A", "B", "C"]),
            (vec![("A", "B"), ("B", "C")], vec!["B", "C"]),
            (vec![("A", " ")], vec!["A"]),
        ] {
            assert_eq!(distinct(&pairs), names, "{pairs:?}");
        }
    }

    #[test]
    fn names_lead_back_to_what_they_name() {
        let catalog = outhaul_exports::testing::catalog();
        let names = DisplayNames::of(&catalog);
        for object in catalog.objects() {
            let found = names.find_object(&catalog, names.object(object), Case::Exact);
            assert_eq!(found.map(|found| &found.name), Some(&object.name));
            for name in [&object.name, &object.plural] {
                let upper = name.to_uppercase();
                let found = names.find_object(&catalog, &upper, Case::Any);
                assert_eq!(found.map(|found| &found.name), Some(&object.name), "{upper}");
            }
            for field in &object.fields {
                let shown = names.field(object, field);
                assert_eq!(names.find_field(object, shown, Case::Exact), Some(field));
                assert_eq!(names.find_field(object, &shown.to_lowercase(), Case::Any), Some(field));
                assert_eq!(names.find_field(object, &field.name, Case::Exact), Some(field));
            }
        }
    }
}
