//! Columns that a database has and the catalog does not name: often they were added since the
//! catalog was written. No mistake, but worth knowing.

use std::collections::HashSet;

use outhaul_engine::sources::{DiscoveredTable, SourceConfig, discover};
use outhaul_exports::catalog::{Catalog, Object};

/// A sentence for each object with such columns. Sources that cannot be reached are left out:
/// somebody else tells of them. Files are, too, because their columns are what the files are.
pub async fn unlisted(catalog: &Catalog, sources: &[SourceConfig]) -> Vec<String> {
    let mut notes = Vec::new();
    for source in sources.iter().filter(|source| source.kind() != "files") {
        let Ok(tables) = discover(source).await else { continue };
        let of_source = catalog.objects().filter(|o| o.table.source == source.name());
        for object in of_source.filter(|object| object.elements.is_none()) {
            // What another object makes of the same rows, such as elements of their lists, counts.
            let same = catalog.objects().filter(|other| other.table == object.table);
            let known: Vec<_> = same.map(AsRef::as_ref).collect();
            let table = tables.iter().find(|table| table.name == object.table.table);
            notes.extend(table.and_then(|table| note(object, &known, table)));
        }
    }
    notes
}

fn note(object: &Object, over: &[&Object], table: &DiscoveredTable) -> Option<String> {
    let known: HashSet<&str> = over.iter().flat_map(|object| named(object)).collect();
    let columns = table.columns.iter().map(|column| column.name.as_str());
    let unlisted: Vec<_> = columns.filter(|column| !known.contains(column)).collect();
    (!unlisted.is_empty()).then(|| {
        format!(
            "object {}: its table has columns that the catalog does not name, which cannot be \
             exported: {}",
            object.name,
            unlisted.join(", ")
        )
    })
}

/// The columns that an object names in any way.
fn named(object: &Object) -> impl Iterator<Item = &str> {
    let fields = object.fields.iter().map(|field| field.column.as_str());
    let relations = object.relations.iter().flat_map(|relation| &relation.columns);
    let others =
        [&object.deleted_column, &object.entity_column, &object.org_column, &object.elements];
    fields
        .chain(relations.map(|(here, _)| here.as_str()))
        .chain(others.into_iter().flatten().map(String::as_str))
        .chain([object.tenant_column.as_str()])
}

#[cfg(test)]
mod tests {
    use outhaul_engine::sources::DiscoveredColumn;
    use outhaul_exports::catalog::FieldType;

    use super::*;

    #[test]
    fn what_the_catalog_uses_in_any_way_is_listed() {
        let object = serde_json::json!({
            "name": "Order", "source": "main", "table": "orders", "key": ["Id"],
            "tenant_column": "org", "deleted_column": "gone",
            "fields": [{ "name": "Id", "type": "text", "column": "id" }],
            "relations": [{ "name": "Parent", "target": "Order", "columns": { "parent": "id" } }],
        });
        let object = serde_json::from_value(object).expect("an object");
        let catalog = Catalog::check(vec![object]).expect("a catalog");
        let column = |name: &&str| DiscoveredColumn {
            name: (*name).to_owned(),
            column_type: String::new(),
            field_type: FieldType::Text,
            nullable: true,
            label: None,
        };
        let table = |names: &[&str]| {
            DiscoveredTable::new("orders", names.iter().map(column).collect(), None)
        };
        let order = catalog.require("Order").expect("it is there");
        assert_eq!(note(order, &[order], &table(&["org", "id", "gone", "parent"])), None);
        let note = note(order, &[order], &table(&["id", "note", "org", "total"])).expect("a note");
        assert!(note.ends_with("exported: note, total"), "{note}");
    }
}
