//! Rows to the items of one array. What of a row does not change with its values is made once: the
//! key of each column, with the comma before it.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::document::Document;
use super::options::{Nulls, Numbers, Row};
use crate::cells::embed::{Embedder, is_json};
use crate::cells::json::{Inside, Json, Rules};
use crate::cells::{self, Buf, Column, quote};
use crate::error::{Error, Result};
use crate::options::{FormatOptions, ValueOptions};
use crate::report::{Tally, WarningKind, Warnings};
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch, Verbatim};

/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 1_024;

pub(super) struct JsonEncoder {
    head: Vec<u8>,
    tail: Vec<u8>,
    /// What stands between two rows.
    between: &'static [u8],
    /// What a row begins and ends with.
    brackets: [u8; 2],
    names: Vec<String>,
    /// What stands before each value: `,"name":`, or a comma.
    keys: Vec<Vec<u8>>,
    /// Columns whose texts are JSON.
    embedded: Vec<bool>,
    /// What a null is; nothing when it is left out, with its key.
    null: Option<Vec<u8>>,
    values: ValueOptions,
    safe_numbers: bool,
    /// Nulls are left out of nested objects, too.
    omit_deep: bool,
    strings: bool,
}

/// A column of a batch.
enum Member<'a> {
    Value(Json<'a>),
    Embedded(Column<'a>, Embedder),
    /// Whatever it is, a string.
    Text(Column<'a>),
}

impl JsonEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        let json = &options.json;
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        check_names(&names, json.row)?;
        let document = Document::read(&json.document, schema)?;
        let line_end = if json.lines { "\n" } else { "" };
        let key = |name: &String| {
            let mut key = Buf::default();
            key.byte(b',');
            if json.row == Row::Object {
                quote::quoted(&mut key, name.as_bytes());
                key.byte(b':');
            }
            key.as_slice().to_vec()
        };
        Ok(Self {
            head: format!("{}[{line_end}", document.before).into_bytes(),
            tail: format!("{line_end}]{}{line_end}", document.after).into_bytes(),
            between: if json.lines { b",\n" } else { b"," },
            brackets: match json.row {
                Row::Object => *b"{}",
                Row::Array => *b"[]",
            },
            keys: names.iter().map(key).collect(),
            names,
            embedded: schema.fields().iter().map(|field| is_json(field)).collect(),
            null: null(json.nulls, json.row, &options.values)?,
            values: options.values.clone(),
            safe_numbers: json.numbers == Numbers::Text,
            omit_deep: json.nulls == Nulls::OmitDeep,
            strings: json.strings,
        })
    }

    fn members<'a>(&self, batch: &'a RecordBatch) -> Result<Vec<Member<'a>>> {
        let rules = Rules {
            values: &self.values,
            safe_numbers: self.safe_numbers,
            omit_nulls: self.omit_deep,
        };
        let columns = self.names.iter().zip(batch.columns()).zip(&self.embedded);
        columns
            .map(|((name, array), embedded)| {
                let column = || Column::resolve(name, array, &self.values);
                Ok(match (self.strings, embedded) {
                    (true, _) => Member::Text(column()?),
                    (false, true) => Member::Embedded(column()?, Embedder::default()),
                    (false, false) => Member::Value(Json::resolve(name, array, rules)?),
                })
            })
            .collect()
    }

    fn rows(
        &self,
        batch: &RecordBatch,
        first_row: u64,
        out: &mut Buf,
        tallies: &mut [Tally],
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut members = self.members(batch)?;
        let [open, close] = self.brackets;
        for row in 0..batch.num_rows() {
            if row % ROWS_PER_LOOK == 0 && stop() {
                return Err(Error::Cancelled);
            }
            if first_row + row as u64 > 0 {
                out.slice(self.between);
            }
            let start = out.len();
            for (at, (key, member)) in self.keys.iter().zip(&mut members).enumerate() {
                if member.is_null(row) {
                    if let Some(null) = &self.null {
                        out.slice(key);
                        out.slice(null);
                    }
                    continue;
                }
                out.slice(key);
                if !member.write(row, out) {
                    tallies[at].note(WarningKind::InvalidJson, first_row + row as u64);
                }
            }
            // The comma before the first value becomes the bracket.
            if out.len() == start {
                out.byte(open);
            } else {
                out.replace(start, open);
            }
            out.byte(close);
        }
        Ok(())
    }
}

/// # Errors
/// `Schema` when there is no column, or when a row as an object would lose one.
fn check_names(names: &[String], row: Row) -> Result<()> {
    let refuse = |problem: String| Err(Error::Schema { format: "json", problem });
    if names.is_empty() {
        return refuse("there is no column to write; select at least one".into());
    }
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) if row == Row::Object => refuse(format!(
            "two columns are called \"{twice}\", and an object has each key once; give one of them \
             another name, or write rows as arrays"
        )),
        _ => Ok(()),
    }
}

/// What a null is written as; `None` leaves it out with its key.
fn null(nulls: Nulls, row: Row, values: &ValueOptions) -> Result<Option<Vec<u8>>> {
    match nulls {
        Nulls::Write => Ok(Some(b"null".to_vec())),
        Nulls::Omit | Nulls::OmitDeep if row == Row::Array => {
            let problem = "a row that is an array needs something in the place of each null: use \
                           write or text";
            Err(Error::Option { option: "json.nulls", problem: problem.to_owned() })
        }
        Nulls::Omit | Nulls::OmitDeep => Ok(None),
        Nulls::Text => {
            let mut text = Buf::default();
            quote::quoted(&mut text, values.null.as_bytes());
            Ok(Some(text.as_slice().to_vec()))
        }
    }
}

impl Member<'_> {
    #[inline(always)]
    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Value(json) => json.is_null(row),
            Self::Embedded(column, _) | Self::Text(column) => column.is_null(row),
        }
    }

    /// Writes a value that is not null. False when it was to be JSON and is none.
    #[inline(always)]
    fn write(&mut self, row: usize, out: &mut Buf) -> bool {
        match self {
            Self::Value(json) => json.write(row, out),
            Self::Text(column) => {
                out.byte(b'"');
                column.write(row, out, &mut Inside);
                out.byte(b'"');
            }
            Self::Embedded(column, embedder) => {
                column.write(row, out, embedder);
                return !embedder.take_refused();
            }
        }
        true
    }
}

impl Encoder for JsonEncoder {
    fn encode(
        &self,
        chunk: &Chunk,
        scratch: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        let mut out = std::mem::take(&mut scratch.spare);
        out.clear();
        let mut tallies = vec![Tally::default(); self.names.len()];
        let mut first_row = chunk.first_row;
        for batch in &chunk.batches {
            self.rows(batch, first_row, &mut out, &mut tallies, stop)?;
            first_row += batch.num_rows() as u64;
        }
        let mut warnings = Warnings::default();
        for (name, tally) in self.names.iter().zip(&tallies) {
            tally.tell(name, &mut warnings);
        }
        Ok(Piece { rows: chunk.rows, first_row: chunk.first_row, body: Body::Bytes(out), warnings })
    }

    fn assembler(&self) -> Box<dyn Assembler> {
        Box::new(Verbatim { head: self.head.clone(), tail: self.tail.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn refused(columns: &[&str], options: &str) -> String {
        let json = serde_json::from_str(options).unwrap();
        let fields: Vec<_> =
            columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        let options = FormatOptions { json, ..FormatOptions::default() };
        let made = JsonEncoder::new(&Arc::new(Schema::new(fields)), &options);
        made.err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_would_lose_a_value_is_refused() {
        for (columns, options, problem) in [
            (&["a", "b", "a"][..], "{}", "two columns are called \"a\""),
            (&[], r#"{"row": "array"}"#, "there is no column"),
            (&["a"], r#"{"row": "array", "nulls": "omit"}"#, "option json.nulls"),
            (&["a"], r#"{"document": "{}"}"#, "option json.document"),
        ] {
            let said = refused(columns, options);
            assert!(said.contains(problem), "{options}: {said}");
        }
        assert_eq!(refused(&["a", "a"], r#"{"row": "array", "nulls": "text"}"#), "");
    }
}
