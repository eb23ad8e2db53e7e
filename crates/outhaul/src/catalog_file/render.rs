//! A catalog as TOML: an object a section, a field a line.

use std::fmt::Write as _;

use outhaul_exports::catalog::Cardinality;
use outhaul_exports::catalog::raw::{RawField, RawObject, RawRelation};
use serde_json::Value;

use super::Draft;

/// The text of a catalog file, which [`crate::config::read_catalog`] reads back.
pub fn render(drafts: &[Draft]) -> String {
    let mut out =
        String::from("# What may be exported. Every key is explained in docs/configuration.md.\n");
    if drafts.iter().any(|draft| !draft.reviews.is_empty()) {
        out.push_str(
            "# Lines marked `review` were guessed: look at each, then take the mark away.\n",
        );
    }
    for draft in drafts {
        out.push_str("\n[[objects]]\n");
        // Writing to a text cannot fail.
        let _ = object(&mut out, draft);
    }
    out
}

fn object(out: &mut String, draft: &Draft) -> std::fmt::Result {
    let RawObject { name, plural, label, source, table, key, tenant_column, .. } = &draft.object;
    let raw = &draft.object;
    let texts = [
        ("name", Some(name)),
        ("plural", plural.as_ref()),
        ("label", label.as_ref()),
        ("source", Some(source)),
        ("table", table.as_ref()),
    ];
    for (word, value) in texts {
        line(out, draft, word, value.map(|value| quoted(value)))?;
    }
    let list: Vec<_> = key.iter().map(|name| quoted(name)).collect();
    line(out, draft, "elements", raw.elements.as_deref().map(quoted))?;
    line(out, draft, "key", Some(format!("[{}]", list.join(", "))))?;
    line(out, draft, "tenant_column", Some(quoted(tenant_column)))?;
    for (word, value) in [
        ("created", &raw.created),
        ("updated", &raw.updated),
        ("deleted_column", &raw.deleted_column),
        ("entity_column", &raw.entity_column),
        ("org_column", &raw.org_column),
    ] {
        line(out, draft, word, value.as_deref().map(quoted))?;
    }
    out.push_str("fields = [\n");
    for field in &raw.fields {
        let mark = mark(draft, &format!("fields.{}", field.name));
        writeln!(out, "  {},{mark}", field_line(field))?;
    }
    out.push_str("]\n");
    if raw.relations.is_empty() {
        return Ok(());
    }
    out.push_str("relations = [\n");
    for relation in &raw.relations {
        let mark = mark(draft, &format!("relations.{}", relation.name));
        writeln!(out, "  {},{mark}", relation_line(relation))?;
    }
    out.push_str("]\n");
    Ok(())
}

fn line(out: &mut String, draft: &Draft, word: &str, value: Option<String>) -> std::fmt::Result {
    let Some(value) = value else { return Ok(()) };
    writeln!(out, "{word} = {value}{}", mark(draft, word))
}

fn mark(draft: &Draft, key: &str) -> String {
    draft.why(key).map_or_else(String::new, |why| format!("  # review: {why}"))
}

fn field_line(field: &RawField) -> String {
    // What has its default is left out by the field's own rules.
    match serde_json::to_value(field) {
        Ok(Value::Object(map)) => inline(map.iter()),
        _ => String::new(),
    }
}

fn relation_line(relation: &RawRelation) -> String {
    let mut map = match serde_json::to_value(relation) {
        Ok(Value::Object(map)) => map,
        _ => return String::new(),
    };
    if relation.cardinality == Cardinality::ToOne {
        map.shift_remove("cardinality");
    }
    inline(map.iter())
}

fn inline<'a>(entries: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let entries: Vec<_> =
        entries.map(|(key, value)| format!("{} = {}", key_of(key), toml_of(value))).collect();
    format!("{{ {} }}", entries.join(", "))
}

fn toml_of(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(toml_of).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => inline(map.iter()),
        other => other.to_string(),
    }
}

fn key_of(key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare { key.to_owned() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sections::CatalogFile;
    use crate::config::tree::Tree;
    use crate::config::typed;

    #[test]
    fn what_is_written_reads_back() {
        let mut drafts: Vec<_> =
            crate::demo::data::objects(true).into_iter().map(Draft::sure).collect();
        drafts[0].object.label = Some("A \"label\",\nof two lines".into());
        drafts[0].object.relations[0].cardinality = Cardinality::ToMany;
        drafts[0].object.relations[0].columns =
            [("a column".to_owned(), "Id".to_owned())].into_iter().collect();
        drafts[0].review("key", "why");
        let text = render(&drafts);
        let tree = Tree::read(&text, "t").expect("it is TOML");
        let back: CatalogFile = typed(&tree).expect("it is a catalog");
        let written: Vec<_> = drafts.iter().map(|draft| &draft.object).collect();
        assert_eq!(
            serde_json::to_value(&back.objects).expect("JSON"),
            serde_json::to_value(&written).expect("JSON")
        );
        assert!(text.contains("key = [\"Id\"]  # review: why"), "{text}");
    }
}
