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

/// Level 3, the library's default, takes half as long again for a tenth of the size.
const ZSTD_LEVEL: i32 = 1;

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
