//! Rows to lines of JSON. Everything about a column that does not change is made once: its key with
//! the comma and the colon around it, and the rule of its values.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::options::{Nulls, Numbers};
use crate::cells::embed::{Embedder, is_json};
use crate::cells::json::{Json, Rules};
use crate::cells::{self, Buf, Column, quote};
use crate::error::{Error, Result};
use crate::options::{FormatOptions, ValueOptions};
use crate::report::{Tally, WarningKind, Warnings};
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch, Verbatim};

/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 1_024;

pub(super) struct NdjsonEncoder {
    names: Vec<String>,
    /// `,"name":` for each column.
    keys: Vec<Vec<u8>>,
    /// Columns whose texts are JSON.
    embedded: Vec<bool>,
    values: ValueOptions,
    safe_numbers: bool,
    /// Nulls are left out of nested objects, too.
    omit_deep: bool,
    omit_nulls: bool,
}

/// A column of a batch.
enum Member<'a> {
    Value(Json<'a>),
    Embedded(Column<'a>, Embedder),
}

impl NdjsonEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        let refuse = |problem: String| Err(Error::Schema { format: "ndjson", problem });
        if schema.fields().is_empty() {
            return refuse("there is no column to write; select at least one".into());
        }
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return refuse(format!(
                "two columns are called \"{twice}\", and an object has each key once; give one of \
                 them another name"
            ));
        }
        let key = |name: &String| {
            let mut key = Buf::default();
            key.byte(b',');
            quote::quoted(&mut key, name.as_bytes());
            key.byte(b':');
            key.as_slice().to_vec()
        };
        Ok(Self {
            keys: names.iter().map(key).collect(),
            names,
            embedded: schema.fields().iter().map(|field| is_json(field)).collect(),
            values: options.values.clone(),
            safe_numbers: options.ndjson.numbers == Numbers::Text,
            omit_nulls: options.ndjson.nulls != Nulls::Write,
            omit_deep: options.ndjson.nulls == Nulls::OmitDeep,
        })
    }

    fn members<'a>(&self, batch: &'a RecordBatch) -> Result<Vec<Member<'a>>> {
        let rules = Rules {
            values: &self.values,
            safe_numbers: self.safe_numbers,
            omit_nulls: self.omit_deep,
        };
        let mut members = Vec::with_capacity(self.names.len());
        for ((name, array), embedded) in self.names.iter().zip(batch.columns()).zip(&self.embedded)
        {
            members.push(match embedded {
                true => {
                    let column = Column::resolve(name, array, &self.values)?;
                    Member::Embedded(column, Embedder::default())
                }
                false => Member::Value(Json::resolve(name, array, rules)?),
            });
        }
        Ok(members)
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
        for row in 0..batch.num_rows() {
            if row % ROWS_PER_LOOK == 0 && stop() {
                return Err(Error::Cancelled);
            }
            let start = out.len();
            for (at, (key, member)) in self.keys.iter().zip(&mut members).enumerate() {
                if self.omit_nulls && member.is_null(row) {
                    continue;
                }
                out.slice(key);
                match member {
                    Member::Value(json) => json.write(row, out),
                    Member::Embedded(column, embedder) => {
                        column.write(row, out, embedder);
                        if embedder.take_refused() {
                            tallies[at].note(WarningKind::InvalidJson, first_row + row as u64);
                        }
                    }
                }
            }
            // The comma before the first key becomes the brace.
            if out.len() == start {
                out.byte(b'{');
            } else {
                out.replace(start, b'{');
            }
            out.fixed(b"}\n");
        }
        Ok(())
    }
}

impl Member<'_> {
    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Value(json) => json.is_null(row),
            Self::Embedded(column, _) => column.is_null(row),
        }
    }
}

impl Encoder for NdjsonEncoder {
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
        Box::new(Verbatim { head: Vec::new(), tail: b"" })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::*;
    use arrow_schema::{DataType, Field, Fields, Schema};
    use serde_json::Value;

    use super::*;

    fn lines(batch: RecordBatch, options: &FormatOptions) -> String {
        let encoder = NdjsonEncoder::new(&batch.schema(), options).unwrap();
        let chunk = Chunk { rows: batch.num_rows() as u64, batches: vec![batch], first_row: 0 };
        let piece = encoder.encode(&chunk, &mut Scratch::default(), &|| false).unwrap();
        let Body::Bytes(bytes) = piece.body else { panic!("lines are bytes") };
        String::from_utf8(bytes.as_slice().to_vec()).unwrap()
    }

    #[test]
    fn two_columns_of_one_name_are_refused_by_it() {
        let twice = Schema::new(vec![
            Field::new("a", DataType::Int8, true),
            Field::new("b", DataType::Int8, true),
            Field::new("a", DataType::Utf8, true),
        ]);
        let error = NdjsonEncoder::new(&Arc::new(twice), &FormatOptions::default()).err().unwrap();
        assert!(matches!(error, Error::Schema { format: "ndjson", .. }));
        assert!(error.to_string().contains("two columns are called \"a\""), "{error}");
    }

    #[test]
    fn nested_values_are_json_with_the_same_rules_inside() {
        let big = ListArray::from_iter_primitive::<types::Int64Type, _, _>([
            Some(vec![Some(1 << 53), None, Some(5)]),
            None,
        ]);
        let members = Fields::from(vec![
            Field::new("say \"hi\"", DataType::Float64, true),
            Field::new("l", big.data_type().clone(), true),
        ]);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 0.5]));
        let nested: ArrayRef =
            Arc::new(StructArray::new(members, vec![floats, Arc::new(big)], None));
        let keys = PrimitiveArray::<Int32Type>::from(vec![Some(1), None, Some(0)]);
        let indexed: ArrayRef = Arc::new(DictionaryArray::new(keys, nested));
        let batch = RecordBatch::try_from_iter_with_nullable([("d", indexed, true)]).unwrap();
        let mut options = FormatOptions::default();
        let exact = lines(batch.clone(), &options);
        assert_eq!(
            exact,
            "{\"d\":{\"say \\\"hi\\\"\":0.5,\"l\":null}}\n{\"d\":null}\n\
             {\"d\":{\"say \\\"hi\\\"\":\"NaN\",\"l\":[9007199254740992,null,5]}}\n"
        );
        options.ndjson = super::super::NdjsonOptions { numbers: Numbers::Text, nulls: Nulls::Omit };
        let safe = self::lines(batch.clone(), &options);
        let rows: Vec<Value> =
            safe.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // Only members of the row are left out: a nested object keeps its shape.
        assert_eq!(rows[0]["d"]["l"], Value::Null);
        assert!(rows[0]["d"].as_object().unwrap().contains_key("l"));
        assert_eq!(rows[1].as_object().unwrap().len(), 0);
        assert_eq!(rows[2]["d"]["l"][0], "9007199254740992");
        options.ndjson.nulls = Nulls::OmitDeep;
        let deep = self::lines(batch, &options);
        let first: Value = serde_json::from_str(deep.lines().next().unwrap()).unwrap();
        assert_eq!(first["d"].as_object().unwrap().len(), 1, "{deep}");
    }

    #[test]
    fn a_dictionary_of_json_is_embedded_too() {
        let words: DictionaryArray<Int32Type> =
            [Some("{ }"), None, Some("no"), Some("{ }")].into_iter().collect();
        let mark = ("ARROW:extension:name".to_owned(), "arrow.json".to_owned());
        let field = Field::new("j", words.data_type().clone(), true).with_metadata([mark].into());
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(words)]).unwrap();
        let lines = lines(batch, &FormatOptions::default());
        assert_eq!(lines, "{\"j\":{}}\n{\"j\":null}\n{\"j\":\"no\"}\n{\"j\":{}}\n");
    }
}
