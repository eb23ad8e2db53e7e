//! What stands around the rows: a JSON text with a place for them, checked before the first row, so
//! that a document that was begun can be ended.

use arrow_schema::SchemaRef;
use serde::de::IgnoredAny;

use crate::cells::{Buf, quote};
use crate::error::{Error, Result};

/// Bytes of the longest document without its rows.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// The two sides of the rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Up to the array's bracket.
    pub(super) before: String,
    /// Behind the array's bracket.
    pub(super) after: String,
}

impl Document {
    /// Reads the text, and puts the names of the columns where they belong.
    ///
    /// # Errors
    /// `Option` when it would be no JSON, or has not one place for the rows.
    pub(super) fn read(text: &str, schema: &SchemaRef) -> Result<Self> {
        if text.len() > DOCUMENT_BYTES_MAX {
            return refuse(format!("it is longer than {DOCUMENT_BYTES_MAX} bytes"));
        }
        let (mut sides, mut quoted, mut rest) = (vec![String::new()], false, text);
        while let Some(letter) = rest.chars().next() {
            let side = sides.last_mut().ok_or(Error::Usage("a document has no side"))?;
            let taken = match letter {
                '$' if !quoted && rest.starts_with("$rows") => {
                    sides.push(String::new());
                    "$rows".len()
                }
                '$' if !quoted && rest.starts_with("$columns") => {
                    side.push_str(&names(schema));
                    "$columns".len()
                }
                // An escape of two characters, the second of which may be a quotation mark.
                '\\' if quoted => {
                    let taken = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                    side.push_str(&rest[..taken]);
                    taken
                }
                letter => {
                    quoted ^= letter == '"';
                    side.push(letter);
                    letter.len_utf8()
                }
            };
            rest = &rest[taken..];
        }
        let [before, after] = <[String; 2]>::try_from(sides).or_else(|sides| {
            let found = sides.len() - 1;
            refuse(format!(
                "$rows stands for the rows and is there once, outside of strings; it is there \
                 {found} times"
            ))
        })?;
        // The parser's message would count columns of a text that nobody wrote.
        if serde_json::from_str::<IgnoredAny>(&format!("{before}[]{after}")).is_err() {
            let problem = "with an array in place of $rows (and of $columns) it is no JSON: write \
                           it as in {\"data\":$rows}";
            return refuse(problem.to_owned());
        }
        Ok(Self { before, after })
    }
}

fn refuse<T>(problem: String) -> Result<T> {
    Err(Error::Option { option: "json.document", problem })
}

/// The names of the columns as an array.
fn names(schema: &SchemaRef) -> String {
    let mut out = Buf::default();
    out.byte(b'[');
    for (at, field) in schema.fields().iter().enumerate() {
        if at > 0 {
            out.byte(b',');
        }
        quote::quoted(&mut out, field.name().as_bytes());
    }
    out.byte(b']');
    String::from_utf8_lossy(out.as_slice()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn read(text: &str) -> Result<Document> {
        let fields = ["a", "say \"hi\""].map(|name| Field::new(name, DataType::Utf8, true));
        Document::read(text, &Arc::new(Schema::new(fields.to_vec())))
    }

    #[test]
    fn the_places_are_found_outside_of_strings_only() {
        for (text, before, after) in [
            ("$rows", "", ""),
            ("{\"data\":$rows}", "{\"data\":", "}"),
            ("{\"$rows\":$rows , \"b\":\"\\\"$rows\"}", "{\"$rows\":", " , \"b\":\"\\\"$rows\"}"),
            ("[\"\\\\\",$rows]", "[\"\\\\\",", "]"),
            (
                "[$columns,$rows,$columns]",
                "[[\"a\",\"say \\\"hi\\\"\"],",
                ",[\"a\",\"say \\\"hi\\\"\"]]",
            ),
            ("{\"é\":$rows}", "{\"é\":", "}"),
        ] {
            let document = read(text).unwrap();
            assert_eq!((document.before.as_str(), document.after.as_str()), (before, after));
        }
    }

    #[test]
    fn what_would_be_no_json_is_refused() {
        for text in [
            "",
            "{}",
            "\"$rows\"",
            "[$rows,$rows]",
            "{\"data\":$rows",
            "{data:$rows}",
            "{$rows:1}",
            "$rows $rows2",
            "$rowsx",
            "[$rows,$row]",
            "1$rows",
            "[\"$rows,\\\"]",
            "[$rows,\"\\",
            "$rows,",
            "é$rows",
        ] {
            let error = read(text).unwrap_err();
            assert!(matches!(error, Error::Option { option: "json.document", .. }), "{text}");
        }
        assert!(read(&format!("[$rows,\"{}\"]", "x".repeat(1 << 20))).is_err());
    }
}
