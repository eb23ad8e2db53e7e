//! From the tables of a source to objects: names, keys, the tenant column, times, relations.

use std::collections::{BTreeMap, HashSet};

use outhaul_engine::sources::{DiscoveredColumn, DiscoveredTable};
use outhaul_exports::catalog::raw::{RawField, RawObject, RawRelation};
use outhaul_exports::catalog::{Cardinality, FieldType};

use super::Draft;

/// Names of columns that say whose a row is, the likeliest first, compared without case and `_`.
const TENANT: [&str; 11] = [
    "tenant",
    "tenantid",
    "tenantkey",
    "orgid",
    "organizationid",
    "organisationid",
    "workspaceid",
    "companyid",
    "customerid",
    "clientid",
    "accountid",
];
/// Names of columns with the time of creation.
const CREATED: [&str; 5] = ["createddate", "createdat", "created", "creationdate", "createdon"];
/// Names of columns with the time of the last change.
const UPDATED: [&str; 9] = [
    "updateddate",
    "updatedat",
    "updated",
    "modifieddate",
    "modifiedat",
    "lastmodified",
    "lastmodifieddate",
    "updatedon",
    "changedat",
];
/// Names of columns that mark deleted rows.
const DELETED: [&str; 5] = ["deleted", "isdeleted", "deletedat", "deleteddate", "removed"];
/// Parts of names of columns that nobody should read by chance.
const SENSITIVE: [&str; 12] = [
    "password",
    "passwd",
    "secret",
    "apikey",
    "accesstoken",
    "ssn",
    "socialsecurity",
    "iban",
    "cardnumber",
    "accountnumberach",
    "achaccountnumber",
    "taxid",
];

/// Why the type of a field of a text file must be looked at.
const GUESSED_TYPE: &str = "its type was guessed from the values that are there now";

/// Objects for tables of the source `source`. `tenant_column` is what the operator said.
pub fn guess(source: &str, tables: &[DiscoveredTable], tenant_column: Option<&str>) -> Vec<Draft> {
    let names = object_names(tables);
    let mut drafts: Vec<Draft> = tables
        .iter()
        .zip(&names)
        .map(|(table, name)| draft(source, table, name, tenant_column))
        .collect();
    for at in 0..drafts.len() {
        add_relations(&mut drafts, at);
    }
    drafts
}

fn draft(source: &str, table: &DiscoveredTable, name: &str, tenant: Option<&str>) -> Draft {
    let find = |names: &[&str], wanted: fn(FieldType) -> bool| {
        let columns = &table.columns;
        let named = |known: &&str| {
            columns
                .iter()
                .find(|column| folded(&column.name) == **known && wanted(column.field_type))
        };
        names.iter().find_map(named)
    };
    let any: fn(FieldType) -> bool = |_| true;
    let moment: fn(FieldType) -> bool = |kind| matches!(kind, FieldType::Timestamp);
    let mark: fn(FieldType) -> bool =
        |kind| matches!(kind, FieldType::Boolean | FieldType::Timestamp | FieldType::Date);
    let guessed_tenant = find(&TENANT, any).map(|column| column.name.clone());
    // What the operator said, where the table has it.
    let told = tenant.filter(|name| table.columns.iter().any(|column| column.name == *name));
    let tenant_column = told.map(str::to_owned).or(guessed_tenant);
    let deleted = find(&DELETED, mark).map(|column| column.name.clone());
    let (created, updated) = (find(&CREATED, moment), find(&UPDATED, moment));

    let mut taken = HashSet::new();
    let hidden = [tenant_column.as_deref(), deleted.as_deref()];
    let fields: Vec<RawField> = table
        .columns
        .iter()
        .filter(|column| !hidden.contains(&Some(column.name.as_str())))
        .map(|column| field(column, &mut taken))
        .collect();
    let name_of = |column: Option<&DiscoveredColumn>| {
        let column = &column?.name;
        fields.iter().find(|field| column_of(field) == column).map(|field| field.name.clone())
    };
    let (key, sure) = key(name, &fields);
    let mut draft = Draft {
        object: RawObject {
            name: name.to_owned(),
            plural: plural_of(&table.name, name),
            label: None,
            source: source.to_owned(),
            table: Some(table.name.clone()),
            key,
            tenant_column: tenant_column.clone().unwrap_or_else(|| "TENANT_COLUMN".to_owned()),
            created: name_of(created),
            updated: name_of(updated),
            deleted_column: deleted,
            entity_column: None,
            org_column: None,
            tombstones: None,
            fields,
            relations: Vec::new(),
        },
        reviews: Vec::new(),
    };
    mark_guesses(&mut draft, told.is_some(), tenant_column.is_some(), sure);
    if is_text(table) {
        mark_types(&mut draft);
    }
    mark_sensitive(&mut draft);
    draft
}

fn mark_guesses(draft: &mut Draft, told: bool, found: bool, key_is_sure: bool) {
    match (told, found) {
        (true, _) => {}
        (false, true) => draft.review("tenant_column", "guessed from its name"),
        (false, false) => {
            draft
                .review("tenant_column", "no column looks like it; every row must say whose it is");
        }
    }
    if !key_is_sure {
        draft.review("key", "guessed; it must identify a row");
    }
    if draft.object.deleted_column.is_some() {
        draft.review("deleted_column", "guessed from its name; rows it marks are left out");
    }
}

/// Whether a table's files are text, which has no types of its own: only formats that have them
/// also tell their rows without being read.
fn is_text(table: &DiscoveredTable) -> bool {
    table.rows.is_none()
}

/// Types of a text file. What was taken for text is, so nothing is lost by a wrong guess.
fn mark_types(draft: &mut Draft) {
    let guessed = draft.object.fields.iter().filter(|field| field.field_type != FieldType::Text);
    for key in guessed.map(key_of).collect::<Vec<_>>() {
        draft.review(key, GUESSED_TYPE);
    }
}

fn mark_sensitive(draft: &mut Draft) {
    let sensitive = draft.object.fields.iter().filter(|field| field.sensitive);
    for key in sensitive.map(key_of).collect::<Vec<_>>() {
        draft.review(key, "looks sensitive, so it is masked");
    }
}

fn key_of(field: &RawField) -> String {
    format!("fields.{}", field.name)
}

fn field(column: &DiscoveredColumn, taken: &mut HashSet<String>) -> RawField {
    let mut name = word_of(&column.name);
    while !taken.insert(name.to_ascii_lowercase()) {
        name.push('_');
    }
    let plain = folded(&column.name);
    RawField {
        column: (name != column.name).then(|| column.name.clone()),
        name,
        label: None,
        field_type: column.field_type,
        nullable: column.nullable,
        optional: false,
        sensitive: SENSITIVE.iter().any(|part| plain.contains(part)),
        file: false,
        currency_field: None,
        values: Vec::new(),
    }
}

/// The key: a field named `Id`, or after the object; whether that is plain.
fn key(object: &str, fields: &[RawField]) -> (Vec<String>, bool) {
    let own = format!("{}id", folded(object));
    let named = |wanted: &str| fields.iter().find(|field| folded(&field.name) == wanted);
    if let Some(field) = named("id").or_else(|| named(&own)) {
        return (vec![field.name.clone()], !field.nullable);
    }
    let first = fields.iter().find(|field| !field.nullable).or(fields.first());
    (first.map(|field| field.name.clone()).into_iter().collect(), false)
}

/// A column `AccountId` or `account_id` leads to the object `Account`, where that has one key.
fn add_relations(drafts: &mut [Draft], at: usize) {
    let mut relations: BTreeMap<String, RawRelation> = BTreeMap::new();
    let object = &drafts[at].object;
    for field in &object.fields {
        let plain = folded(&field.name);
        let Some(stem) = plain.strip_suffix("id").filter(|stem| !stem.is_empty()) else { continue };
        let target = drafts.iter().map(|draft| &draft.object).find(|other| {
            folded(&other.name) == stem && other.key.len() == 1 && other.name != object.name
        });
        let Some(target) = target else { continue };
        let key = target.fields.iter().find(|field| field.name == target.key[0]);
        let (Some(key), true) = (key, object.fields.iter().all(|f| f.name != target.name)) else {
            continue;
        };
        let relation = RawRelation {
            name: target.name.clone(),
            label: None,
            target: target.name.clone(),
            columns: [(column_of(field).to_owned(), column_of(key).to_owned())].into(),
            cardinality: Cardinality::ToOne,
        };
        relations.entry(target.name.clone()).or_insert(relation);
    }
    for (name, relation) in relations {
        drafts[at].review(format!("relations.{name}"), "guessed from the column's name");
        drafts[at].object.relations.push(relation);
    }
}

fn column_of(field: &RawField) -> &str {
    field.column.as_deref().unwrap_or(&field.name)
}

/// Object names for all tables, each once.
fn object_names(tables: &[DiscoveredTable]) -> Vec<String> {
    let mut taken = HashSet::new();
    tables
        .iter()
        .map(|table| {
            let mut name = singular(&pascal(&word_of(stem(&table.name))));
            while !taken.insert(name.to_ascii_lowercase()) {
                name.push('_');
            }
            name
        })
        .collect()
}

/// The plural, where the table's own name is one and is not made by adding an `s`.
fn plural_of(table: &str, name: &str) -> Option<String> {
    let plural = pascal(&word_of(stem(table)));
    (plural != name && plural != format!("{name}s")).then_some(plural)
}

/// The last part of a path, without the ending of a file.
fn stem(table: &str) -> &str {
    let last = table.trim_end_matches('/').rsplit('/').next().unwrap_or(table);
    last.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or(last)
}

/// A name as the catalog takes it: letters, digits and underscores, beginning with a letter.
fn word_of(name: &str) -> String {
    let mut word: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(128).collect();
    if !word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        word.insert(0, '_');
    }
    word
}

/// `invoice_items` becomes `InvoiceItems`; what has capitals stays as it is.
fn pascal(name: &str) -> String {
    if name.chars().any(|c| c.is_ascii_uppercase()) && !name.contains('_') {
        return name.to_owned();
    }
    let parts = name.split('_').filter(|part| !part.is_empty());
    let joined: String = parts
        .map(|part| {
            let (first, rest) = part.split_at(1);
            format!("{}{}", first.to_ascii_uppercase(), rest)
        })
        .collect();
    if joined.is_empty() { "Object".to_owned() } else { word_of(&joined) }
}

/// `Invoices` becomes `Invoice`, `Companies` becomes `Company`, `Address` stays.
fn singular(name: &str) -> String {
    if let Some(stem) = name.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    match name.strip_suffix('s') {
        Some(stem) if stem.len() > 2 && !stem.ends_with(['s', 'u', 'i']) => stem.to_owned(),
        _ => name.to_owned(),
    }
}

fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_' && *c != ' ').collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use outhaul_exports::catalog::Catalog;

    use super::*;

    fn table(name: &str, columns: &[(&str, FieldType)]) -> DiscoveredTable {
        let columns = columns.iter().map(|(name, field_type)| DiscoveredColumn {
            name: (*name).to_owned(),
            column_type: String::new(),
            field_type: *field_type,
            nullable: !name.eq_ignore_ascii_case("id"),
            label: None,
        });
        DiscoveredTable::new(name, columns.collect(), Some(1))
    }

    #[test]
    fn types_that_are_guessed_from_text_are_marked() {
        let columns = [
            ("id", FieldType::Integer),
            ("name", FieldType::Text),
            ("total", FieldType::Decimal),
            ("tax_id", FieldType::Integer),
        ];
        let columns = table("orders", &columns);
        let of_text = DiscoveredTable { rows: None, ..columns.clone() };
        let [own, guessed] = [columns, of_text].map(|table| guess("main", &[table], Some("name")));
        let whys = |draft: &Draft| {
            ["fields.id", "fields.total", "fields.tax_id"]
                .map(|key| draft.why(key).unwrap_or_default().to_owned())
        };
        let sensitive = "looks sensitive, so it is masked";
        assert_eq!(whys(&own[0]), ["", "", sensitive]);
        let both = format!("{GUESSED_TYPE}; {sensitive}");
        assert_eq!(whys(&guessed[0]), [GUESSED_TYPE, GUESSED_TYPE, &both]);
        let told = guess("main", &[table("x", &[("id", FieldType::Text)])], Some("id"));
        assert!(told[0].reviews.iter().all(|(key, _)| key != "fields.id"), "text is text");
    }

    #[test]
    fn names_become_objects() {
        for (name, object) in [
            ("invoice_items.parquet", "InvoiceItem"),
            ("Account.parquet", "Account"),
            ("data/companies", "Company"),
            ("address.csv", "Address"),
            ("2024-sales.csv", "2024Sale"),
            ("Status.csv", "Status"),
        ] {
            let drafts = guess("main", &[table(name, &[("id", FieldType::Text)])], None);
            assert_eq!(drafts[0].object.name.trim_start_matches('_'), object, "{name}");
        }
    }

    #[test]
    fn what_is_guessed_is_sound_and_marked() {
        let text = FieldType::Text;
        let tables = [
            table(
                "invoices.parquet",
                &[
                    ("id", text),
                    ("tenant_id", text),
                    ("account_id", text),
                    ("is_deleted", FieldType::Boolean),
                    ("updated_at", FieldType::Timestamp),
                    ("total amount", FieldType::Decimal),
                ],
            ),
            table("accounts.parquet", &[("id", text), ("tenant_id", text), ("iban", text)]),
        ];
        let drafts = guess("main", &tables, None);
        let objects: Vec<_> = drafts.iter().map(|draft| draft.object.clone()).collect();
        let catalog = Catalog::check(objects).expect("a sound catalog");
        let invoice = catalog.require("Invoice").expect("it is there");
        assert_eq!(invoice.tenant_column, "tenant_id");
        assert_eq!(invoice.deleted_column.as_deref(), Some("is_deleted"));
        assert_eq!(invoice.updated.as_deref(), Some("updated_at"));
        assert_eq!(invoice.key, ["id"]);
        assert!(invoice.field("tenant_id").is_none() && invoice.field("is_deleted").is_none());
        assert_eq!(invoice.require_field("total_amount").expect("it is").column, "total amount");
        assert_eq!(invoice.relation("Account").expect("it is").target, "Account");
        assert!(catalog.require("Account").expect("it is").field("iban").expect("it is").sensitive);
        let marked: Vec<_> = drafts[0].reviews.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(marked, ["tenant_column", "deleted_column", "relations.Account"]);
    }

    #[test]
    fn a_table_without_a_tenant_says_so() {
        let drafts = guess("main", &[table("x", &[("name", FieldType::Text)])], None);
        assert_eq!(drafts[0].object.tenant_column, "TENANT_COLUMN");
        assert!(drafts[0].why("tenant_column").is_some_and(|why| why.contains("no column")));
        let told = guess("main", &[table("x", &[("name", FieldType::Text)])], Some("name"));
        assert_eq!(told[0].why("tenant_column"), None);
        let other = guess("main", &[table("x", &[("name", FieldType::Text)])], Some("org"));
        assert_eq!(other[0].object.tenant_column, "TENANT_COLUMN", "it has no column org");
        assert!(other[0].why("tenant_column").is_some());
    }
}
