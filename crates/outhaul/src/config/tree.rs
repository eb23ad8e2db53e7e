//! The configuration as a tree of values in which every key knows its line.
//!
//! All that needs the place of a key (unknown keys, wrong types, environment overrides, secrets)
//! works on this tree; the typed sections are made from it afterwards.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// Where a value stands, such as `sources[0].url`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Place(String);

impl Place {
    /// The top.
    pub fn root() -> Self {
        Self::default()
    }

    /// A place given as text.
    pub fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The place of a key below this one.
    pub fn key(&self, key: &str) -> Self {
        Self(if self.0.is_empty() { key.to_owned() } else { format!("{}.{key}", self.0) })
    }

    /// The place of an element of this list.
    pub fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The place as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place around this one.
    pub fn parent(&self) -> Option<Self> {
        let end = self.0.rfind(['.', '['])?;
        Some(Self(self.0[..end].to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a value came from, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A file's name, or the name of an environment variable.
    pub name: String,
    /// The line in the file, counted from 1.
    pub line: Option<usize>,
}

/// The tree.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Its values.
    pub value: Value,
    origins: HashMap<Place, Origin>,
}

impl Tree {
    /// Reads TOML text; `name` is the file's name in messages.
    ///
    /// # Errors
    /// The place of a mistake in the syntax.
    pub fn read(text: &str, name: &str) -> Result<Self, Problem> {
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            let origin = Origin { name: name.to_owned(), line };
            Problem::at(Place::root(), Some(origin), error.message().to_owned())
        })?;
        let mut reader = Reader { text, name, origins: HashMap::new() };
        let value = reader.table(&Place::root(), table.get_ref());
        Ok(Self { value, origins: reader.origins })
    }

    /// Where the value at `place`, or the nearest one around it, was written.
    pub fn origin(&self, place: &Place) -> Option<&Origin> {
        let mut place = Some(place.clone());
        while let Some(at) = place {
            if let Some(origin) = self.origins.get(&at) {
                return Some(origin);
            }
            place = at.parent();
        }
        None
    }

    /// Something that is wrong at `place`.
    pub fn problem(&self, place: &Place, text: impl Into<String>) -> Problem {
        Problem::at(place.clone(), self.origin(place).cloned(), text.into())
    }

    /// Says that the value at `place` came from `origin`.
    pub fn set_origin(&mut self, place: Place, origin: Origin) {
        self.origins.insert(place, origin);
    }

    /// Appends the elements of the list `key` of `section` of another file's tree to this one's.
    pub fn append_list(&mut self, section: &str, key: &str, other: &Self) {
        let Some(items) = other.value.get(key).and_then(Value::as_array) else { return };
        let Some(target) = list_in(&mut self.value, section, key) else { return };
        let start = target.len();
        target.extend(items.iter().cloned());
        let from = format!("{key}[");
        for (place, origin) in &other.origins {
            let Some(rest) = place.as_str().strip_prefix(&from) else { continue };
            let Some((index, tail)) = rest.split_once(']') else { continue };
            let Ok(index) = index.parse::<usize>() else { continue };
            let moved = format!("{section}.{key}[{}]{tail}", start + index);
            self.origins.insert(Place(moved), origin.clone());
        }
    }
}

/// The list `section.key`, made where it is missing; `None` where something else stands there.
fn list_in<'a>(value: &'a mut Value, section: &str, key: &str) -> Option<&'a mut Vec<Value>> {
    let section =
        value.as_object_mut()?.entry(section).or_insert_with(|| Value::Object(Map::new()));
    section.as_object_mut()?.entry(key).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()
}

struct Reader<'a> {
    text: &'a str,
    name: &'a str,
    origins: HashMap<Place, Origin>,
}

impl Reader<'_> {
    fn table(&mut self, place: &Place, table: &DeTable<'_>) -> Value {
        let mut map = Map::new();
        for (key, value) in table {
            let place = place.key(key.get_ref());
            self.note(&place, key.span().start);
            map.insert(key.get_ref().to_string(), self.value(&place, value.get_ref()));
        }
        Value::Object(map)
    }

    fn value(&mut self, place: &Place, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => integer(number.as_str(), number.radix()),
            DeValue::Float(number) => number
                .as_str()
                .replace('_', "")
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map_or_else(|| Value::String(number.as_str().to_owned()), Value::Number),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Array(items) => {
                let items = items.iter().enumerate().map(|(index, item)| {
                    let place = place.item(index);
                    self.note(&place, item.span().start);
                    self.value(&place, item.get_ref())
                });
                Value::Array(items.collect())
            }
            DeValue::Table(table) => self.table(place, table),
        }
    }

    fn note(&mut self, place: &Place, at: usize) {
        let origin = Origin { name: self.name.to_owned(), line: Some(line_of(self.text, at)) };
        self.origins.entry(place.clone()).or_insert(origin);
    }
}

fn integer(digits: &str, radix: u32) -> Value {
    let digits = digits.replace('_', "");
    if let Ok(number) = i64::from_str_radix(&digits, radix) {
        return number.into();
    }
    u64::from_str_radix(&digits, radix).map_or(Value::String(digits), Value::from)
}

fn line_of(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_knows_its_line() {
        let text = "[server]\nlisten = 1\n\n[[sources]]\nname = \"a\"\n[[sources]]\n\nname = 'b'\n";
        let tree = Tree::read(text, "t.toml").expect("good TOML");
        let line = |place: &str| tree.origin(&Place::of(place)).and_then(|origin| origin.line);
        assert_eq!(line("server.listen"), Some(2));
        assert_eq!(line("sources[0].name"), Some(5));
        assert_eq!(line("sources[1].name"), Some(8));
        assert_eq!(line("server.other"), Some(1), "the nearest one around it");
    }

    #[test]
    fn a_mistake_in_the_syntax_names_its_line() {
        let problem = Tree::read("[server]\nlisten = \n", "t.toml").expect_err("bad TOML");
        assert!(problem.to_string().starts_with("t.toml:2: "), "{problem}");
    }

    #[test]
    fn another_files_list_is_appended_with_its_lines() {
        let mut tree = Tree::read("[catalog]\nobjects = [{ name = 'A' }]\n", "a").expect("good");
        let other = Tree::read("\n[[objects]]\nname = 'B'\n", "b").expect("good");
        tree.append_list("catalog", "objects", &other);
        assert_eq!(tree.value["catalog"]["objects"][1]["name"], "B");
        let origin = tree.origin(&Place::of("catalog.objects[1].name")).expect("it is known");
        assert_eq!((origin.name.as_str(), origin.line), ("b", Some(3)));
    }
}
