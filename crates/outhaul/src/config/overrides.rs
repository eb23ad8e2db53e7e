//! Environment variables that change the configuration: `OUTHAUL__SECTION__KEY=value`.
//!
//! Names are matched without regard to case; an element of a list is named by its number, counted
//! from 0 (`OUTHAUL__SOURCES__0__URL`). A value is TOML where the key is not a text.

use outhaul_exports::catalog::hint;
use serde_json::{Map, Value};

use super::problem::Problem;
use super::schema;
use super::tree::{Origin, Place, Tree};

/// What every such variable begins with.
pub const PREFIX: &str = "OUTHAUL__";

/// Lays the variables over the tree.
pub fn apply(
    tree: &mut Tree,
    schema: &Value,
    variables: impl Iterator<Item = (String, String)>,
) -> Vec<Problem> {
    let mut ours: Vec<_> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    ours.iter().filter_map(|(name, text)| apply_one(tree, schema, name, text).err()).collect()
}

fn apply_one(tree: &mut Tree, schema: &Value, name: &str, text: &str) -> Result<(), Problem> {
    let origin = Origin { name: name.to_owned(), line: None };
    let wrong =
        |place: &Place, text: String| Problem::at(place.clone(), Some(origin.clone()), text);
    let keys: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
    let mut place = Place::root();
    for (depth, key) in keys.iter().enumerate() {
        let known = schema::find(schema, &keys[..=depth]);
        let index = key.parse::<usize>().ok();
        place = index.map_or_else(|| place.key(key), |index| place.item(index));
        if known.is_empty() {
            let around = schema::known_keys(schema, &schema::find(schema, &keys[..depth]));
            let hint = hint(key, around.iter().map(String::as_str));
            return Err(wrong(&place, format!("unknown key{hint}")));
        }
    }
    let value = parse(text, &schema::find(schema, &keys));
    put(&mut tree.value, &keys, value).map_err(|text| wrong(&place, text))?;
    tree.set_origin(place, origin);
    Ok(())
}

/// A text where a text is wanted, else TOML.
fn parse(text: &str, wanted: &[&Value]) -> Value {
    let is_text = |schema: &&Value| match schema.get("type") {
        Some(Value::String(word)) => word == "string",
        Some(Value::Array(words)) => words.iter().any(|word| word == "string"),
        _ => schema.get("enum").is_some() || schema.get("const").is_some(),
    };
    let wants_other = |schema: &&Value| match schema.get("type") {
        Some(Value::String(word)) => !matches!(word.as_str(), "string" | "null"),
        _ => false,
    };
    if wanted.iter().any(is_text) && !wanted.iter().any(wants_other) {
        return Value::String(text.to_owned());
    }
    let read = Tree::read(&format!("value = {text}"), "").ok();
    let value = read.and_then(|tree| tree.value.get("value").cloned());
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn put(at: &mut Value, keys: &[String], value: Value) -> Result<(), String> {
    let [key, rest @ ..] = keys else {
        *at = value;
        return Ok(());
    };
    if let Value::Array(items) = at {
        let count = items.len();
        let item = key.parse::<usize>().ok().and_then(|index| items.get_mut(index));
        let item =
            item.ok_or_else(|| format!("there is no element {key}; the list has {count}"))?;
        return put(item, rest, value);
    }
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    let Value::Object(map) = at else { return Ok(()) };
    // A key of the file may be written in another case than the variable can say.
    let name = map.keys().find(|known| known.eq_ignore_ascii_case(key)).unwrap_or(key).clone();
    put(map.entry(name).or_insert(Value::Null), rest, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_with(variables: &[(&str, &str)]) -> (Tree, Vec<Problem>) {
        let text = "[[tenants]]\nid = 'a'\n";
        let mut tree = Tree::read(text, "t.toml").expect("good TOML");
        let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let problems = apply(&mut tree, &schema::schema(), variables);
        (tree, problems)
    }

    #[test]
    fn variables_lie_over_the_file() {
        let (tree, problems) = tree_with(&[
            ("OUTHAUL__SERVER__LISTEN", "0.0.0.0:1"),
            ("OUTHAUL__WORKER__SLOTS", "7"),
            ("OUTHAUL__WORKER__MEMORY", "1 GiB"),
            ("OUTHAUL__LOG__FORMAT", "json"),
            ("OUTHAUL__SERVER__BASE_URL", "8080"),
            ("OUTHAUL__TENANTS__0__ENTITIES", "['x', 'y']"),
            ("OTHER__SERVER__LISTEN", "ignored"),
        ]);
        assert_eq!(problems, []);
        assert_eq!(tree.value["server"]["listen"], "0.0.0.0:1");
        assert_eq!(tree.value["worker"]["slots"], 7);
        assert_eq!(tree.value["worker"]["memory"], "1 GiB");
        assert_eq!(tree.value["log"]["format"], "json");
        assert_eq!(tree.value["server"]["base_url"], "8080", "a text stays a text");
        assert_eq!(tree.value["tenants"][0]["entities"][1], "y");
    }

    #[test]
    fn an_unknown_variable_is_refused_with_the_nearest_key() {
        let (_, problems) = tree_with(&[("OUTHAUL__SERVER__LISTN", "x")]);
        let text = "OUTHAUL__SERVER__LISTN: server.listn: unknown key (did you mean listen?)";
        assert_eq!(problems[0].to_string(), text);
        let (_, problems) = tree_with(&[("OUTHAUL__TENANTS__3__ID", "x")]);
        assert!(problems[0].to_string().contains("the list has 1"), "{}", problems[0]);
    }
}
