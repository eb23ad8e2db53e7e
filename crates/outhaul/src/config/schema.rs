//! The JSON schema of the configuration, put together from the sections of all rooms, and the
//! check of a tree against it: unknown keys, each with the nearest known one.

use std::collections::BTreeSet;

use outhaul_exports::catalog::hint;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::sections::{CatalogFile, Config};
use super::tree::{Place, Tree};

/// The schema of `outhaul.toml`.
pub fn schema() -> Value {
    let mut schema = of::<Config>();
    add_dialects(&mut schema);
    schema
}

/// The schema of a catalog file.
pub fn catalog_schema() -> Value {
    of::<CatalogFile>()
}

fn of<T: schemars::JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// Every dialect has `enabled`, `policy` and its own settings.
fn add_dialects(schema: &mut Value) {
    let mut known = Map::new();
    for dialect in outhaul_dialects::ALL {
        let mut own = dialect.config_schema().to_value();
        adopt_definitions(schema, dialect.id(), &mut own);
        let mut section = schema["$defs"]["DialectSection"].clone();
        let properties = own.get_mut("properties").and_then(Value::as_object_mut);
        for (key, value) in properties.map(std::mem::take).unwrap_or_default() {
            section["properties"][key] = value;
        }
        section["additionalProperties"] = json!(false);
        known.insert(dialect.id().to_owned(), section);
    }
    let mut dialects = json!({ "type": "object", "additionalProperties": false });
    dialects["description"] = schema["properties"]["dialects"]["description"].clone();
    dialects["properties"] = Value::Object(known);
    schema["properties"]["dialects"] = dialects;
    if let Some(definitions) = schema["$defs"].as_object_mut() {
        definitions.shift_remove("DialectSection");
    }
}

/// Moves a dialect's own definitions into the whole, under names that cannot clash.
fn adopt_definitions(schema: &mut Value, id: &str, own: &mut Value) {
    let definitions = own.as_object_mut().and_then(|own| own.shift_remove("$defs"));
    rename_references(own, id);
    let Some(Value::Object(definitions)) = definitions else { return };
    for (name, mut definition) in definitions {
        rename_references(&mut definition, id);
        schema["$defs"][format!("{id}.{name}")] = definition;
    }
}

fn rename_references(schema: &mut Value, id: &str) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                let name = value.as_str().and_then(|text| text.strip_prefix("#/$defs/"));
                match name {
                    Some(name) if key == "$ref" => *value = json!(format!("#/$defs/{id}.{name}")),
                    _ => rename_references(value, id),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, id)),
        _ => {}
    }
}

/// Every key of the tree that the schema does not know.
pub fn unknown_keys(tree: &Tree, schema: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let walk = Walk { tree, root: schema };
    walk.visit(&Place::root(), &tree.value, &[schema], &mut problems);
    problems
}

/// What the schema says about the place a list of keys leads to; several where it has variants.
pub fn find<'a>(root: &'a Value, keys: &[String]) -> Vec<&'a Value> {
    let mut at = variants(root, &[root]);
    for key in keys {
        at = variants(root, &children(&at, key));
    }
    at
}

/// The keys that the schema knows at a place.
pub fn known_keys(root: &Value, at: &[&Value]) -> BTreeSet<String> {
    let variants = variants(root, at);
    let objects = variants.iter().filter_map(|schema| schema.get("properties")?.as_object());
    objects.flat_map(|properties| properties.keys().cloned()).collect()
}

struct Walk<'a> {
    tree: &'a Tree,
    root: &'a Value,
}

impl Walk<'_> {
    fn visit(&self, place: &Place, value: &Value, schemas: &[&Value], problems: &mut Vec<Problem>) {
        let schemas = variants(self.root, schemas);
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let place = place.key(key);
                    let below = children(&schemas, key);
                    if !below.is_empty() {
                        self.visit(&place, value, &below, problems);
                    } else if schemas.iter().any(|schema| is_closed(schema)) {
                        let known = known_keys(self.root, &schemas);
                        let hint = hint(key, known.iter().map(String::as_str));
                        problems.push(self.tree.problem(&place, format!("unknown key{hint}")));
                    }
                }
            }
            Value::Array(items) => {
                let below: Vec<_> =
                    schemas.iter().filter_map(|schema| schema.get("items")).collect();
                for (index, item) in items.iter().enumerate() {
                    self.visit(&place.item(index), item, &below, problems);
                }
            }
            _ => {}
        }
    }
}

/// Follows references and lays open alternatives.
fn variants<'a>(root: &'a Value, schemas: &[&'a Value]) -> Vec<&'a Value> {
    let mut open: Vec<&'a Value> = schemas.to_vec();
    let mut flat = Vec::new();
    while let Some(schema) = open.pop() {
        flat.push(schema);
        let reference = schema.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|text| text.strip_prefix('#'));
        open.extend(target.and_then(|pointer| root.pointer(pointer)));
        for word in ["anyOf", "oneOf", "allOf"] {
            open.extend(schema.get(word).and_then(Value::as_array).into_iter().flatten());
        }
    }
    flat
}

/// What the schemas say about the value of `key`.
fn children<'a>(schemas: &[&'a Value], key: &str) -> Vec<&'a Value> {
    let named: Vec<_> =
        schemas.iter().filter_map(|schema| schema.get("properties")?.get(key)).collect();
    if !named.is_empty() {
        return named;
    }
    let index = key.parse::<usize>().is_ok();
    let items = schemas.iter().filter_map(|schema| schema.get("items").filter(|_| index));
    let others = schemas.iter().filter_map(|schema| schema.get("additionalProperties"));
    items.chain(others.filter(|schema| schema.is_object())).collect()
}

fn is_closed(schema: &Value) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false))
        || schema.get("unevaluatedProperties") == Some(&Value::Bool(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1 cargo test -p outhaul` writes the file anew.
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.schema.json");
        let text = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &text).expect("the docs folder is writable");
        }
        let committed = std::fs::read_to_string(path).expect("docs/config.schema.json is there");
        assert!(text == committed, "run: UPDATE=1 cargo test -p outhaul committed_schema");
    }

    #[test]
    fn the_documentation_names_every_key() {
        let text = include_str!("../../../../docs/configuration.md");
        let schema = schema();
        let sections = schema["$defs"].as_object().expect("definitions");
        // A dialect's own keys stand in its own documentation.
        for (name, section) in sections.iter().filter(|(name, _)| !name.contains('.')) {
            let keys = section["properties"].as_object();
            for key in keys.into_iter().flat_map(|keys| keys.keys()) {
                assert!(text.contains(&format!("`{key}`")), "{name}.{key}");
            }
        }
    }
}
