//! The catalog as it is written in the configuration file, and its check.
//!
//! Everything that can be left out has a default: labels from names, columns from API names.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Cardinality, Catalog, Field, FieldType, FileFolder, Object, POSITION, Relation, TableRef,
    folded, hint,
};
use crate::{Error, Result};

/// One `[[catalog.objects]]` section.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawObject {
    /// API name, singular, such as `Invoice`.
    pub name: String,
    /// API name, plural; the name with an `s` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plural: Option<String>,
    /// Name for people; made from the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Name of the source its rows come from.
    pub source: String,
    /// Table in the source; for files, a path below the source's root. The name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Column of the table that holds lists (nested, or JSON), each of whose elements is a row of
    /// this object. Its fields follow the element by `member`; a field of the column `#position` is
    /// an element's place in its list, from 0. The rows of the table when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elements: Option<String>,
    /// API names of the fields that identify a row.
    pub key: Vec<String>,
    /// Column that says whose a row is; every read is bound to it.
    pub tenant_column: String,
    /// Field with the time of creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Field with the time of the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
    /// Column that marks a deleted row: a true boolean, or a time that is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_column: Option<String>,
    /// Column with the row's entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_column: Option<String>,
    /// Column with the row's organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_column: Option<String>,
    /// Table that remembers which rows were deleted; increments tell of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tombstones: Option<RawTombstones>,
    /// The fields, in the order of `*`.
    pub fields: Vec<RawField>,
    /// Ways to other objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<RawRelation>,
}

/// Where it is remembered which rows of an object were deleted: a table of the same source, with a
/// row for each.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTombstones {
    /// The table.
    pub table: String,
    /// Its column with the time of the deletion.
    pub deleted_at: String,
    /// Its columns with the key of the deleted row, by the names of the key's fields; the object's
    /// own columns when absent.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub columns: std::collections::BTreeMap<String, String>,
    /// Its column that says whose the row was; the object's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_column: Option<String>,
    /// Its column with the row's entity, where the object has one; the object's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_column: Option<String>,
    /// Its column with the row's organisation, where the object has one; the object's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_column: Option<String>,
}

/// One field of an object.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawField {
    /// API name.
    pub name: String,
    /// Physical column; the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Members to follow inside the column's values, which are nested or JSON: `["address", "city"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member: Vec<String>,
    /// The nested document in which APIs whose objects nest show it, without the document's name in
    /// front of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Name for people; made from the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What its values are.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Whether a value may be missing (default true).
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub nullable: bool,
    /// Left out of `*`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// Masked unless sealed to the tenant's key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sensitive: bool,
    /// Where the file is that it refers to by a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileFolder>,
    /// For an amount of money: the field with its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency_field: Option<String>,
    /// The values it may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// One relation of an object.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRelation {
    /// API name.
    pub name: String,
    /// Name for people; made from the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// API name of the target object.
    pub target: String,
    /// Columns here and there: `{ "AccountId" = "Id" }`.
    pub columns: std::collections::BTreeMap<String, String>,
    /// How many rows there may be on the other side (default `to_one`).
    #[serde(default = "to_one")]
    pub cardinality: Cardinality,
    /// Whether the rows on the other side are part of this one: APIs whose objects nest show them
    /// in it, as a list of documents. Elements of its own lists always are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub embedded: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_false(value: &bool) -> bool {
    !*value
}

fn to_one() -> Cardinality {
    Cardinality::ToOne
}

impl Catalog {
    /// Checks what the operator wrote.
    ///
    /// # Errors
    /// `Invalid`, naming the object and what is wrong with it: a name given twice, a name that is
    /// not a word, a key, created, updated, currency or relation that leads nowhere.
    pub fn check(raw: Vec<RawObject>) -> Result<Self> {
        let mut catalog = Self::default();
        for object in raw {
            let object = check_object(object)?;
            let at = catalog.objects.len();
            if catalog.by_name.insert(folded(&object.name), at).is_some() {
                return Err(wrong(&object.name, "its name is given twice"));
            }
            catalog.objects.push(Arc::new(object));
        }
        catalog.embed();
        for object in &catalog.objects {
            for relation in &object.relations {
                check_embedded(object, relation)?;
                if catalog.object(&relation.target).is_none() {
                    let hint =
                        hint(&relation.target, catalog.objects.iter().map(|o| o.name.as_str()));
                    let what = format!(
                        "relation {} leads to {}, which is not in the catalog{hint}",
                        relation.name, relation.target
                    );
                    return Err(wrong(&object.name, &what));
                }
            }
        }
        Ok(catalog)
    }
}

impl Catalog {
    /// Elements of an object's own lists are part of it.
    fn embed(&mut self) {
        let lists: Vec<_> = self.objects.iter().filter(|o| o.elements.is_some()).cloned().collect();
        for object in &mut self.objects {
            let own = |relation: &Relation| {
                let target = lists.iter().find(|o| o.name.eq_ignore_ascii_case(&relation.target));
                relation.cardinality == Cardinality::ToMany
                    && target.is_some_and(|target| target.table == object.table)
            };
            let own: Vec<usize> =
                (0..object.relations.len()).filter(|&at| own(&object.relations[at])).collect();
            if own.is_empty() {
                continue;
            }
            let object = Arc::make_mut(object);
            own.into_iter().for_each(|at| object.relations[at].embedded = true);
        }
    }
}

/// What is part of a row is found by the field that identifies the row.
fn check_embedded(object: &Object, relation: &Relation) -> Result<()> {
    if !relation.embedded {
        return Ok(());
    }
    let key = match object.key.as_slice() {
        [only] => object.field(only),
        _ => None,
    };
    let by_key = match relation.columns.as_slice() {
        [(here, _)] => key.is_some_and(|key| key.column == *here && key.member.is_empty()),
        _ => false,
    };
    if by_key && relation.cardinality == Cardinality::ToMany {
        return Ok(());
    }
    let what = format!(
        "relation {} is embedded: it must lead to many rows, by the one column of the object's key",
        relation.name
    );
    Err(wrong(&object.name, &what))
}

fn check_object(raw: RawObject) -> Result<Object> {
    let name = raw.name;
    check_word(&name, &name)?;
    let fields: Vec<Field> = raw.fields.into_iter().map(check_field).collect();
    let relations: Vec<Relation> = raw.relations.into_iter().map(check_relation).collect();
    let field_index = index(&name, fields.iter().map(|field| &field.name))?;
    let relation_index = index(&name, relations.iter().map(|relation| &relation.name))?;
    if fields.is_empty() {
        return Err(wrong(&name, "it has no fields"));
    }
    for relation in &relations {
        if relation.columns.is_empty() {
            return Err(wrong(&name, &format!("relation {} has no columns", relation.name)));
        }
        if field_index.contains_key(&folded(&relation.name)) {
            return Err(wrong(&name, &format!("{} is a field and a relation", relation.name)));
        }
    }
    let mut object = Object {
        plural: raw.plural.unwrap_or_else(|| format!("{name}s")),
        label: raw.label.unwrap_or_else(|| label_of(&name)),
        table: TableRef { source: raw.source, table: raw.table.unwrap_or_else(|| name.clone()) },
        key: raw.key,
        elements: raw.elements,
        tenant_column: raw.tenant_column,
        created: raw.created,
        updated: raw.updated,
        deleted_column: raw.deleted_column,
        entity_column: raw.entity_column,
        org_column: raw.org_column,
        tombstones: None,
        fields,
        relations,
        field_index,
        relation_index,
        name,
    };
    resolve_field_names(&mut object)?;
    if let Some(raw) = raw.tombstones {
        object.tombstones = Some(Arc::new(tombstones(&object, raw)?));
    }
    check_columns(&object)?;
    Ok(object)
}

/// Name of the field with the time of a deletion: no catalog can give it.
const DELETED_AT: &str = "#deleted_at";

/// The deleted rows of an object as an object of their own.
fn tombstones(object: &Object, mut raw: RawTombstones) -> Result<Object> {
    let mut fields = Vec::with_capacity(object.key.len() + 1);
    for name in &object.key {
        let own = object.require_field(name)?;
        let given = raw.columns.keys().find(|given| given.eq_ignore_ascii_case(name)).cloned();
        let column = match given.and_then(|given| raw.columns.remove(&given)) {
            Some(column) => column,
            None => own.column.clone(),
        };
        fields.push(Field { column, member: Vec::new(), nullable: false, ..own.clone() });
    }
    if let Some(name) = raw.columns.keys().next() {
        let what = format!(
            "tombstones.columns names {name}, which is no field of its key: {}",
            object.key.join(", ")
        );
        return Err(wrong(&object.name, &what));
    }
    fields.push(Field {
        name: DELETED_AT.to_owned(),
        column: raw.deleted_at,
        member: Vec::new(),
        document: None,
        label: "Deleted At".to_owned(),
        field_type: FieldType::Timestamp,
        nullable: true,
        optional: true,
        sensitive: false,
        file: None,
        currency_field: None,
        values: Vec::new(),
    });
    let index = fields.iter().enumerate().map(|(at, field)| (folded(&field.name), at)).collect();
    Ok(Object {
        // In messages; nobody can ask for an object of that name.
        name: format!("{} (deleted rows)", object.name),
        plural: object.plural.clone(),
        label: object.label.clone(),
        table: TableRef { source: object.table.source.clone(), table: raw.table },
        elements: None,
        key: object.key.clone(),
        tenant_column: raw.tenant_column.unwrap_or_else(|| object.tenant_column.clone()),
        created: None,
        updated: Some(DELETED_AT.to_owned()),
        deleted_column: None,
        // Where a scope is narrowed by one, its column must be there.
        entity_column: raw.entity_column.or_else(|| object.entity_column.clone()),
        org_column: raw.org_column.or_else(|| object.org_column.clone()),
        tombstones: None,
        fields,
        relations: Vec::new(),
        field_index: index,
        relation_index: HashMap::new(),
    })
}

/// Brings every mention of a field to its canonical case, or says that there is no such field.
fn resolve_field_names(object: &mut Object) -> Result<()> {
    let canonical = |role: &str, name: &str| match object.field(name) {
        Some(field) => Ok(field.name.clone()),
        None => {
            let hint = hint(name, object.fields.iter().map(|field| field.name.as_str()));
            Err(wrong(&object.name, &format!("{role} names {name}, which is no field of it{hint}")))
        }
    };
    let key = object.key.iter().map(|name| canonical("key", name)).collect::<Result<Vec<_>>>()?;
    if key.is_empty() {
        return Err(wrong(&object.name, "it has no key"));
    }
    let created = object.created.as_deref().map(|n| canonical("created", n)).transpose()?;
    let updated = object.updated.as_deref().map(|n| canonical("updated", n)).transpose()?;
    let currencies = object
        .fields
        .iter()
        .map(|f| f.currency_field.as_deref().map(|n| canonical("currency_field", n)).transpose())
        .collect::<Result<Vec<_>>>()?;
    object.key = key;
    object.created = created;
    object.updated = updated;
    for (field, currency) in object.fields.iter_mut().zip(currencies) {
        field.currency_field = currency;
    }
    Ok(())
}

/// What a field or an object says of its columns must fit together.
fn check_columns(object: &Object) -> Result<()> {
    for field in &object.fields {
        let wrong = |what: &str| Err(wrong(&object.name, &format!("field {} {what}", field.name)));
        if field.column == POSITION && object.elements.is_none() {
            return wrong("is a place in a list, and the object's rows are no elements of one");
        }
        if field.file.is_some() && field.field_type != FieldType::Text {
            return wrong("refers to a file, and is no text");
        }
        let taken = |name: &String| object.field(name).is_some() || object.relation(name).is_some();
        if field.document.as_ref().is_some_and(taken) {
            return wrong("stands in a document with the name of a field or a relation");
        }
        let own = |file: &FileFolder| file.shared || file.folder.contains("{tenant}");
        if field.file.as_ref().is_some_and(|file| !own(file)) {
            return wrong(
                "refers to files of all tenants: put {tenant} into its folder, or say shared = true",
            );
        }
        if field.member.iter().any(String::is_empty) {
            return wrong("follows a member without a name");
        }
    }
    if object.elements.is_some() && object.tombstones.is_some() {
        return Err(wrong(&object.name, "its rows are elements of lists, and have no tombstones"));
    }
    Ok(())
}

fn check_field(raw: RawField) -> Field {
    Field {
        column: raw.column.unwrap_or_else(|| raw.name.clone()),
        member: raw.member,
        document: raw.document,
        label: raw.label.unwrap_or_else(|| label_of(&raw.name)),
        field_type: raw.field_type,
        nullable: raw.nullable,
        optional: raw.optional,
        sensitive: raw.sensitive,
        file: raw.file,
        currency_field: raw.currency_field,
        values: raw.values,
        name: raw.name,
    }
}

fn check_relation(raw: RawRelation) -> Relation {
    Relation {
        label: raw.label.unwrap_or_else(|| label_of(&raw.name)),
        target: raw.target,
        columns: raw.columns.into_iter().collect(),
        cardinality: raw.cardinality,
        embedded: raw.embedded,
        name: raw.name,
    }
}

fn index<'a>(
    object: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<HashMap<String, usize>> {
    let mut index = HashMap::new();
    for (at, name) in names.enumerate() {
        check_word(object, name)?;
        if index.insert(folded(name), at).is_some() {
            return Err(wrong(object, &format!("{name} is given twice")));
        }
    }
    Ok(index)
}

/// A name is a letter or underscore and then letters, digits and underscores, at most 128 in all:
/// every query language and file header can then carry it unquoted.
fn check_word(object: &str, name: &str) -> Result<()> {
    let mut letters = name.bytes();
    let first = letters.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if first && letters.all(|b| b.is_ascii_alphanumeric() || b == b'_') && name.len() <= 128 {
        return Ok(());
    }
    let what = format!(
        "{name:?} is not a name: use a letter, then letters, digits and underscores, at most 128"
    );
    Err(wrong(object, &what))
}

fn wrong(object: &str, what: &str) -> Error {
    Error::invalid(format!("catalog.objects.{object}"), format!("object {object}: {what}"))
}

/// `BillToContact` becomes `Bill To Contact`, `created_at` becomes `Created At`.
fn label_of(name: &str) -> String {
    let mut label = String::with_capacity(name.len() + 4);
    let mut previous = ' ';
    for c in name.chars() {
        let c = if c == '_' { ' ' } else { c };
        let starts_word = c.is_ascii_uppercase() && previous.is_ascii_lowercase();
        if starts_word {
            label.push(' ');
        }
        label.push(if previous == ' ' { c.to_ascii_uppercase() } else { c });
        previous = c;
    }
    label.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> RawObject {
        RawObject {
            name: name.into(),
            plural: None,
            label: None,
            source: "main".into(),
            table: None,
            elements: None,
            key: vec!["id".into()],
            tenant_column: "tenant".into(),
            created: None,
            updated: None,
            deleted_column: None,
            entity_column: None,
            org_column: None,
            tombstones: None,
            fields: vec![field("Id")],
            relations: vec![],
        }
    }

    fn field(name: &str) -> RawField {
        RawField {
            name: name.into(),
            column: None,
            label: None,
            member: Vec::new(),
            document: None,
            field_type: FieldType::Text,
            nullable: true,
            optional: false,
            sensitive: false,
            file: None,
            currency_field: None,
            values: vec![],
        }
    }

    #[test]
    fn names_come_back_in_the_catalogs_case() {
        let catalog = Catalog::check(vec![object("Account")]).expect("a good catalog");
        let account = catalog.require("ACCOUNT").expect("any case");
        assert_eq!((account.name.as_str(), account.plural.as_str()), ("Account", "Accounts"));
        assert_eq!(account.key, ["Id"]);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let catalog = Catalog::check(vec![object("Account")]).expect("a good catalog");
        let error = catalog.require("Acount").expect_err("a misspelt name");
        assert_eq!(error.to_string(), "there is no object named Acount (did you mean Account?)");
    }

    #[test]
    fn an_unknown_name_is_repeated_short_and_on_one_line() {
        let catalog = Catalog::check(vec![object("Account")]).expect("a good catalog");
        let error = catalog.require("Accou\n\u{7f}t").expect_err("control characters");
        let text = "there is no object named Accou\\n\\u{7f}t (did you mean Account?)";
        assert_eq!(error.to_string(), text);
        let long = "Account".repeat(100_000);
        let error = catalog.require(&long).expect_err("a name of nobody");
        assert_eq!(error.to_string(), format!("there is no object named {}...", &long[..60]));
        let account = catalog.require("Account").expect("the same name once");
        let error = account.require_field(&long).expect_err("a name of nobody");
        let text = format!("there is no field named {}... in Account", &long[..60]);
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        type Spoil = fn(&mut RawObject);
        let cases: [(Spoil, &str); 5] = [
            (|o| o.key = vec!["Nr".into()], "key names Nr"),
            (|o| o.updated = Some("Changed".into()), "updated names Changed"),
            (|o| o.fields.push(field("id")), "id is given twice"),
            (|o| o.fields.push(field("a b")), "\"a b\" is not a name"),
            (|o| o.fields.clear(), "it has no fields"),
        ];
        for (spoil, text) in cases {
            let mut raw = object("Account");
            spoil(&mut raw);
            let error = Catalog::check(vec![raw]).expect_err(text);
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn labels_are_made_from_names() {
        assert_eq!(label_of("BillToContact"), "Bill To Contact");
        assert_eq!(label_of("created_at"), "Created At");
        assert_eq!(label_of("MRR"), "MRR");
    }
}
