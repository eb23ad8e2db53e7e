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

/// Of a comment, the most characters that become a label.
const LABEL_CHARS_MAX: usize = 120;

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
    for (at, table) in tables.iter().enumerate() {
        add_references(&mut drafts, at, table);
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
    let declared = declared_key(table, &fields, tenant_column.as_deref());
    let (key, sure) = declared.unwrap_or_else(|| key(name, &fields));
    let mut draft = Draft {
        object: RawObject {
            name: name.to_owned(),
            plural: plural_of(&table.name, name),
            label: label(table.label.as_deref()),
            source: source.to_owned(),
            table: Some(table.name.clone()),
            elements: None,
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
    if table.guessed {
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
    if draft.object.updated.is_some() {
        draft.review("updated", "guessed from its name; every change must set it");
    }
    if draft.object.deleted_column.is_some() {
        draft.review("deleted_column", "guessed from its name; rows it marks are left out");
    }
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
        label: label(column.label.as_deref()),
        member: Vec::new(),
        document: None,
        field_type: column.field_type,
        nullable: column.nullable,
        optional: false,
        sensitive: SENSITIVE.iter().any(|part| plain.contains(part)),
        file: None,
        currency_field: None,
        values: Vec::new(),
    }
}

/// The first line of what somebody says of a table or a column.
fn label(comment: Option<&str>) -> Option<String> {
    let line = comment?.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(LABEL_CHARS_MAX).collect())
}

/// The key that the source itself declares, but for the column that says whose the row is: within
/// a tenant that tells nothing.
fn declared_key(
    table: &DiscoveredTable,
    fields: &[RawField],
    tenant: Option<&str>,
) -> Option<(Vec<String>, bool)> {
    let columns = table.key.iter().filter(|column| Some(column.as_str()) != tenant);
    let named = |column: &String| {
        fields.iter().find(|field| column_of(field) == column).map(|field| field.name.clone())
    };
    let key = columns.map(named).collect::<Option<Vec<_>>>()?;
    (!key.is_empty()).then_some((key, true))
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

/// What the source itself declares that rows refer to.
fn add_references(drafts: &mut [Draft], at: usize, table: &DiscoveredTable) {
    for reference in &table.references {
        let target = drafts.iter().map(|draft| &draft.object);
        let target = target.into_iter().find(|o| o.table.as_ref() == Some(&reference.table));
        let Some(target) = target.map(|target| target.name.clone()) else { continue };
        let object = &mut drafts[at].object;
        // `bill_to_id` leads to `BillTo`, `account_id` to `Account`.
        let own = reference.columns.iter().rev().find(|column| **column != object.tenant_column);
        let Some(own) = own else { continue };
        let stem = own.strip_suffix("_id").or_else(|| own.strip_suffix("Id")).unwrap_or(&target);
        let mut name = word_of(&pascal(stem));
        let taken = |name: &str| {
            object.fields.iter().any(|field| field.name.eq_ignore_ascii_case(name))
                || object.relations.iter().any(|other| other.name.eq_ignore_ascii_case(name))
        };
        while taken(&name) {
            name.push('_');
        }
        let pairs = reference.columns.iter().cloned().zip(reference.target.iter().cloned());
        object.relations.push(RawRelation {
            name,
            label: None,
            target,
            columns: pairs.collect(),
            cardinality: Cardinality::ToOne,
            embedded: false,
        });
    }
}

/// A column `AccountId` or `account_id` leads to the object `Account`, where that has one key.
fn add_relations(drafts: &mut [Draft], at: usize) {
    let mut relations: BTreeMap<String, RawRelation> = BTreeMap::new();
    let object = &drafts[at].object;
    let declared = |field: &RawField| {
        object.relations.iter().any(|known| known.columns.contains_key(column_of(field)))
    };
    for field in object.fields.iter().filter(|field| !declared(field)) {
        let plain = folded(&field.name);
        let Some(stem) = plain.strip_suffix("id").filter(|stem| !stem.is_empty()) else { continue };
        let target = drafts.iter().map(|draft| &draft.object).find(|other| {
            folded(&other.name) == stem && other.key.len() == 1 && other.name != object.name
        });
        let Some(target) = target else { continue };
        let key = target.fields.iter().find(|field| field.name == target.key[0]);
        let free = object.fields.iter().all(|f| f.name != target.name)
            && object.relations.iter().all(|known| known.name != target.name);
        let (Some(key), true) = (key, free) else { continue };
        let relation = RawRelation {
            name: target.name.clone(),
            label: None,
            target: target.name.clone(),
            columns: [(column_of(field).to_owned(), column_of(key).to_owned())].into(),
            cardinality: Cardinality::ToOne,
            embedded: false,
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
    use outhaul_engine::sources::DiscoveredReference;
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
        let of_text = DiscoveredTable { guessed: true, ..columns.clone() };
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
        assert_eq!(marked, ["tenant_column", "updated", "deleted_column", "relations.Account"]);
    }

    #[test]
    fn what_a_database_declares_is_not_guessed() {
        let text = FieldType::Text;
        let mut orders = table("orders", &[("org_id", text), ("no", text), ("bill_to_id", text)]);
        orders.key = vec!["org_id".into(), "no".into()];
        orders.label = Some("\n Orders of customers.\nMore words.".into());
        orders.references = vec![DiscoveredReference {
            name: "orders_bill_to".into(),
            columns: vec!["org_id".into(), "bill_to_id".into()],
            table: "contacts".into(),
            target: vec!["org_id".into(), "id".into()],
        }];
        let drafts =
            guess("main", &[orders, table("contacts", &[("id", text), ("org_id", text)])], None);
        let order = &drafts[0].object;
        assert_eq!(
            (order.key.as_slice(), order.label.as_deref()),
            (["no".to_owned()].as_slice(), Some("Orders of customers."))
        );
        let relation = &order.relations[0];
        assert_eq!((relation.name.as_str(), relation.target.as_str()), ("BillTo", "Contact"));
        assert_eq!(relation.columns.len(), 2, "{relation:?}");
        assert_eq!(
            drafts[0].reviews.len(),
            1,
            "only the tenant is a guess: {:?}",
            drafts[0].reviews
        );
        Catalog::check(drafts.into_iter().map(|draft| draft.object).collect()).expect("sound");
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
