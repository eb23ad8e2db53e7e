//! The members of a JSON object, taken one by one with the type they must have.
//!
//! An error names the member by its pointer and says what was expected and what came; an unknown
//! key is answered with the nearest known one. A member that is `null` counts as absent.

use outhaul_exports::catalog::hint;
use serde_json::{Map, Value};

use super::json::{escape_pointer, kind_of, on_one_line, shown};

/// A member that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", on_one_line(.path))]
pub struct MemberError {
    /// Pointer (RFC 6901) to it from the top of the body.
    pub path: String,
    /// What is wrong, in a sentence.
    pub message: String,
}

impl MemberError {
    /// An error about the member at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

type Result<T> = std::result::Result<T, MemberError>;

/// An object whose members are being taken.
pub struct Members {
    map: Map<String, Value>,
    path: String,
}

impl Members {
    /// The members of the body itself.
    pub fn of_body(map: Map<String, Value>) -> Self {
        Self { map, path: String::new() }
    }

    /// The members of a value inside the body, at `path`.
    ///
    /// # Errors
    /// When it is no object.
    pub fn of(value: Value, path: impl Into<String>) -> Result<Self> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            other => Err(mismatch(path, "an object", &other)),
        }
    }

    /// Refuses a key that is not one of `known`.
    ///
    /// # Errors
    /// Names the first such key, and the nearest of the known ones.
    pub fn refuse_unknown(&self, known: &[&str]) -> Result<()> {
        let Some(key) = self.map.keys().find(|key| !known.contains(&key.as_str())) else {
            return Ok(());
        };
        let near = hint(key, known.iter().copied());
        let near = if near.is_empty() { format!(" (known: {})", known.join(", ")) } else { near };
        Err(MemberError::new(
            self.at(key),
            format!("there is no member named {}{near}", shown(key)),
        ))
    }

    /// The pointer to a member.
    pub fn at(&self, key: &str) -> String {
        format!("{}/{}", self.path, escape_pointer(&key.chars().take(64).collect::<String>()))
    }

    /// An error about a member.
    pub fn wrong(&self, key: &str, message: impl Into<String>) -> MemberError {
        MemberError::new(self.at(key), message)
    }

    /// Any value.
    pub fn value(&mut self, key: &str) -> Option<Value> {
        self.map.shift_remove(key).filter(|value| !value.is_null())
    }

    /// A text.
    ///
    /// # Errors
    /// When it is something else; so do the others.
    pub fn text(&mut self, key: &str) -> Result<Option<String>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(mismatch(self.at(key), "a text", &other)),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// Also when it is absent.
    pub fn required_text(&mut self, key: &str) -> Result<String> {
        self.text(key)?.ok_or_else(|| self.wrong(key, format!("{key} is required")))
    }

    /// True or false.
    ///
    /// # Errors
    /// See [`Self::text`].
    pub fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(mismatch(self.at(key), "true or false", &other)),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// See [`Self::text`].
    pub fn count(&mut self, key: &str) -> Result<Option<u64>> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(count) => Ok(Some(count)),
                None if value.is_number() => {
                    Err(self.wrong(key, format!("a whole number from 0 is expected, not {value}")))
                }
                None => Err(mismatch(self.at(key), "a whole number from 0", &value)),
            },
        }
    }

    /// A list.
    ///
    /// # Errors
    /// See [`Self::text`].
    pub fn list(&mut self, key: &str) -> Result<Option<Vec<Value>>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(mismatch(self.at(key), "a list", &other)),
        }
    }

    /// An object.
    ///
    /// # Errors
    /// See [`Self::text`].
    pub fn object(&mut self, key: &str) -> Result<Option<Self>> {
        self.value(key).map(|value| Self::of(value, self.at(key))).transpose()
    }

    /// One of a list of words.
    ///
    /// # Errors
    /// See [`Self::text`]; the words are listed when it is none of them.
    pub fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                let text = format!("{} is not one of: {}", shown(&text), known.join(", "));
                Err(self.wrong(key, text))
            }
        }
    }

    /// What has not been taken.
    pub fn rest(self) -> Map<String, Value> {
        self.map
    }
}

fn mismatch(path: String, expected: &str, found: &Value) -> MemberError {
    MemberError::new(path, format!("{expected} is expected, not {}", kind_of(found)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: Value) -> Members {
        Members::of(value, "/queries/0").expect("it is an object")
    }

    #[test]
    fn members_have_their_types() {
        let mut all = members(json!({"a": "x", "b": true, "c": 7, "d": [1], "e": {}, "n": null}));
        assert_eq!(all.text("a"), Ok(Some("x".to_owned())));
        assert_eq!(all.flag("b"), Ok(Some(true)));
        assert_eq!(all.count("c"), Ok(Some(7)));
        assert_eq!(all.list("d"), Ok(Some(vec![json!(1)])));
        assert!(matches!(all.object("e"), Ok(Some(_))));
        assert_eq!((all.text("n"), all.text("absent")), (Ok(None), Ok(None)));
        assert!(all.rest().is_empty());
    }

    #[test]
    fn errors_name_the_member() {
        type Take = fn(&mut Members) -> Result<()>;
        let cases: &[(Value, Take, &str)] = &[
            (
                json!({"a": 1}),
                |m| m.text("a").map(drop),
                "/queries/0/a: a text is expected, not a number",
            ),
            (json!({}), |m| m.required_text("a").map(drop), "/queries/0/a: a is required"),
            (
                json!({"a": "true"}),
                |m| m.flag("a").map(drop),
                "/queries/0/a: true or false is expected, not a text",
            ),
            (
                json!({"a": -1}),
                |m| m.count("a").map(drop),
                "/queries/0/a: a whole number from 0 is expected, not -1",
            ),
            (
                json!({"a": 1.5}),
                |m| m.count("a").map(drop),
                "/queries/0/a: a whole number from 0 is expected, not 1.5",
            ),
            (
                json!({"a": "1"}),
                |m| m.count("a").map(drop),
                "/queries/0/a: a whole number from 0 is expected, not a text",
            ),
            (
                json!({"a": {}}),
                |m| m.list("a").map(drop),
                "/queries/0/a: a list is expected, not an object",
            ),
            (
                json!({"a": []}),
                |m| m.object("a").map(drop),
                "/queries/0/a: an object is expected, not a list",
            ),
            (
                json!({"a": "zap"}),
                |m| m.choice("a", &[("zip", 1), ("gzip", 2)]).map(drop),
                "/queries/0/a: \"zap\" is not one of: zip, gzip",
            ),
            (
                json!({"feilds": 1}),
                |m| m.refuse_unknown(&["fields", "where"]),
                "/queries/0/feilds: there is no member named \"feilds\" (did you mean fields?)",
            ),
            (
                json!({"a/b": 1}),
                |m| m.refuse_unknown(&["fields", "where"]),
                "/queries/0/a~1b: there is no member named \"a/b\" (known: fields, where)",
            ),
            (
                json!({"a\nb": 1}),
                |m| m.refuse_unknown(&["c"]),
                "/queries/0/a\\nb: there is no member named \"a\\nb\" (known: c)",
            ),
        ];
        for (value, take, expected) in cases {
            let error = take(&mut members(value.clone())).expect_err("it is wrong");
            assert_eq!(error.to_string(), *expected);
        }
    }
}
