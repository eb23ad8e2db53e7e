//! Rows to blocks. A block is its number of rows, its length, its bytes and the file's marker; the
//! same rows give the same blocks whoever encodes them.

use std::io;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use sha2::{Digest, Sha256};

use super::options::Codec;
use super::schema;
use super::values::{self, Node, Notes};
use crate::cells::{self, Buf};
use crate::error::{Error, Result};
use crate::options::{FormatOptions, ValueOptions};
use crate::pack::deflate::LAST_BLOCK;
use crate::report::{Tally, WarningKind, Warnings};
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch, Verbatim};

/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 1_024;

/// First bytes of a file.
const MAGIC: &[u8; 4] = b"Obj\x01";

/// Bytes of the marker behind each block.
const MARKER_BYTES: usize = 16;

/// The library's default: smaller than our deflate in half its time. Level 1 takes two thirds of
/// the time for a seventh more bytes.
const ZSTD_LEVEL: i32 = 3;

pub(super) struct AvroEncoder {
    head: Vec<u8>,
    marker: [u8; MARKER_BYTES],
    names: Vec<String>,
    values: ValueOptions,
    codec: Codec,
}

impl AvroEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        if schema.fields().is_empty() {
            return Err(Error::Schema {
                format: "avro",
                problem: "there is no column to write; select at least one".into(),
            });
        }
        let codec = options.avro.codec;
        let schema_json = schema::schema(schema, &options.values)?.to_string();
        let mut head = Buf::default();
        head.fixed(MAGIC);
        values::long(&mut head, 2);
        for (key, value) in [("avro.schema", schema_json.as_str()), ("avro.codec", codec.name())] {
            values::bytes(&mut head, key.as_bytes());
            values::bytes(&mut head, value.as_bytes());
        }
        values::long(&mut head, 0);
        // Any sixteen bytes do. A digest of what stands before them makes them the same for the same
        // file, and hard to meet in data.
        let digest = Sha256::digest(head.as_slice());
        let mut marker = [0; MARKER_BYTES];
        marker.copy_from_slice(&digest[..MARKER_BYTES]);
        head.slice(&marker);
        Ok(Self {
            head: head.as_slice().to_vec(),
            marker,
            names: schema.fields().iter().map(|field| field.name().clone()).collect(),
            values: options.values.clone(),
            codec,
        })
    }

    fn rows(
        &self,
        batch: &RecordBatch,
        first_row: u64,
        out: &mut Buf,
        tallies: &mut [Tally],
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut nodes = Vec::with_capacity(self.names.len());
        for (name, array) in self.names.iter().zip(batch.columns()) {
            nodes.push(Node::resolve(name, array, &self.values)?);
        }
        let mut notes = Notes::default();
        for row in 0..batch.num_rows() {
            if row % ROWS_PER_LOOK == 0 && stop() {
                return Err(Error::Cancelled);
            }
            for (at, node) in nodes.iter_mut().enumerate() {
                node.write(row, out, &mut notes);
                if notes.cut || notes.outside {
                    let data_row = first_row + row as u64;
                    if notes.outside {
                        return Err(values::outside(&self.names[at], data_row));
                    }
                    tallies[at].note(WarningKind::TimeCut, data_row);
                    notes = Notes::default();
                }
            }
        }
        Ok(())
    }

    /// The block of `scratch.text`, without what stands before and behind its bytes.
    fn compress(&self, scratch: &mut Scratch) -> Result<Buf> {
        let mut into = std::mem::take(&mut scratch.spare);
        into.clear();
        let raw = scratch.text.as_slice();
        match self.codec {
            Codec::None => into.slice(raw),
            Codec::Deflate => {
                into = scratch.deflater.block(raw, scratch.level, into)?.into_bytes();
                into.fixed(&LAST_BLOCK);
            }
            Codec::Snappy => {
                let room = into.room(snap::raw::max_compress_len(raw.len()));
                let len = snap::raw::Encoder::new()
                    .compress(raw, room)
                    .map_err(|error| io::Error::other(error.to_string()))?;
                into.advance(len);
                into.fixed(&crc32fast::hash(raw).to_be_bytes());
            }
            Codec::Zstd => {
                let room = into.room(zstd::zstd_safe::compress_bound(raw.len()));
                let len = zstd::bulk::compress_to_buffer(raw, room, ZSTD_LEVEL)?;
                into.advance(len);
            }
        }
        Ok(into)
    }
}

impl Encoder for AvroEncoder {
    fn encode(
        &self,
        chunk: &Chunk,
        scratch: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        let mut raw = std::mem::take(&mut scratch.text);
        raw.clear();
        let mut tallies = vec![Tally::default(); self.names.len()];
        let mut first_row = chunk.first_row;
        for batch in &chunk.batches {
            self.rows(batch, first_row, &mut raw, &mut tallies, stop)?;
            first_row += batch.num_rows() as u64;
        }
        let mut warnings = Warnings::default();
        for (name, tally) in self.names.iter().zip(&tallies) {
            tally.tell(name, &mut warnings);
        }
        scratch.text = raw;
        let mut block = self.compress(scratch)?;
        let mut begin = Buf::default();
        values::long(&mut begin, chunk.rows as i64);
        values::long(&mut begin, block.len() as i64);
        block.prepend(begin.as_slice());
        block.slice(&self.marker);
        Ok(Piece {
            rows: chunk.rows,
            first_row: chunk.first_row,
            body: Body::Bytes(block),
            warnings,
        })
    }

    fn assembler(&self) -> Box<dyn Assembler> {
        Box::new(Verbatim { head: self.head.clone(), tail: b"" })
    }

    /// Compressed blocks are not compressed again by a packing.
    fn verbatim(&self) -> bool {
        self.codec == Codec::None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
    use arrow_array::*;
    use arrow_schema::{DataType, Field, Fields, Schema};

    use super::super::reading;
    use super::*;

    fn encoded(batch: RecordBatch, options: &FormatOptions) -> Result<Vec<u8>> {
        let encoder = AvroEncoder::new(&batch.schema(), options)?;
        let chunk = Chunk { rows: batch.num_rows() as u64, batches: vec![batch], first_row: 0 };
        let piece = encoder.encode(&chunk, &mut Scratch::default(), &|| false)?;
        let Body::Bytes(block) = piece.body else { panic!("a block is bytes") };
        Ok([encoder.head.as_slice(), block.as_slice()].concat())
    }

    fn one(array: impl Array + 'static) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("c", Arc::new(array) as ArrayRef, true)])
            .unwrap()
    }

    #[test]
    fn nested_values_are_arrays_records_and_maps() {
        let mut lists = ListBuilder::new(Int64Builder::new());
        lists.append_value([Some(1), None]);
        lists.append_value([]);
        lists.append_null();
        let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        maps.keys().append_value("a b");
        maps.values().append_null();
        maps.append(true).unwrap();
        maps.append(true).unwrap();
        maps.append(false).unwrap();
        let inner = |name: &str| {
            let fields = Fields::from(vec![Field::new(name, DataType::Int8, true)]);
            let values: ArrayRef = Arc::new(Int8Array::from(vec![Some(7), None, Some(9)]));
            StructArray::new(fields, vec![values], Some(vec![true, true, false].into()))
        };
        let (inner, other) = (inner("a b"), inner("x"));
        let outer = Fields::from(vec![
            Field::new("c-d", inner.data_type().clone(), true),
            Field::new("c.d", other.data_type().clone(), true),
        ]);
        let outer = StructArray::new(outer, vec![Arc::new(inner), Arc::new(other)], None);
        // The values of a dictionary may be nested and null themselves.
        let keys = Int32Array::from(vec![Some(2), None, Some(0)]);
        let words: ArrayRef = Arc::new(outer.clone());
        let indexed = DictionaryArray::new(keys, words);
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("l", Arc::new(lists.finish()) as ArrayRef, true),
            ("m", Arc::new(maps.finish()) as ArrayRef, true),
            ("s", Arc::new(outer) as ArrayRef, true),
            ("d", Arc::new(indexed) as ArrayRef, true),
        ])
        .unwrap();
        let lines = reading::lines(encoded(batch, &FormatOptions::default()).unwrap());
        let lines: Vec<_> = lines.lines().collect();
        assert!(lines[0].contains(
            r#"{"name":"s","type":["null",{"type":"record","name":"Row_s","fields":[{"name":"c_d","type":["null",{"type":"record","name":"Row_s_c_d","fields":[{"name":"a_b","type":["null","int"],"doc":"a b"}]}],"doc":"c-d"},{"name":"c_d_2","#
        ), "{}", lines[0]);
        assert_eq!(
            lines[1..],
            [
                r#"{"l":[1,null],"m":{"a b":null},"s":{"c_d":{"a_b":7},"c_d_2":{"x":7}},"d":{"c_d":null,"c_d_2":null}}"#,
                r#"{"l":[],"m":{},"s":{"c_d":{"a_b":null},"c_d_2":{"x":null}},"d":null}"#,
                r#"{"l":null,"m":null,"s":{"c_d":null,"c_d_2":null},"d":{"c_d":{"a_b":7},"c_d_2":{"x":7}}}"#,
            ]
        );
    }

    #[test]
    fn a_moment_that_avro_cannot_hold_fails_and_is_named() {
        let seconds = |value| one(TimestampSecondArray::from(vec![Some(0), None, Some(value)]));
        let options = FormatOptions::default();
        assert!(encoded(seconds(i64::MAX / 1_000_000), &options).is_ok());
        let error = encoded(seconds(i64::MAX / 1_000_000 + 1), &options).unwrap_err();
        assert!(matches!(&error, Error::Value { column, row: 3, .. } if column == "c"), "{error}");
        let day = one(Date64Array::from(vec![i64::MAX]));
        assert!(matches!(encoded(day, &options), Err(Error::Value { row: 1, .. })));
    }

    #[test]
    fn the_head_depends_on_the_columns_and_the_codec_alone() {
        let field = Field::new("c", DataType::Utf8, true);
        let marked = field.clone().with_metadata(HashMap::from([("a".into(), "b".into())]));
        let mut options = FormatOptions::default();
        let head = |field, options: &FormatOptions| {
            let schema = Arc::new(Schema::new(vec![field]));
            AvroEncoder::new(&schema, options).unwrap().head
        };
        let plain = head(field.clone(), &options);
        assert_eq!(plain, head(marked, &options));
        options.avro.codec = Codec::Zstd;
        let other = head(field, &options);
        let marker = |head: &[u8]| head[head.len() - MARKER_BYTES..].to_vec();
        assert_ne!(marker(&plain), marker(&other));
    }
}
