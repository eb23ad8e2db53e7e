//! A small reader of object container files for the cases: the schema's fields and each row as one
//! line of JSON. Decimals, dates and times are shown as the whole numbers that stand in the file.

use std::io::Read;

use arrow_buffer::i256;
use serde_json::{Map, Value, json};

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap()
    }

    fn long(&mut self) -> i64 {
        let mut zigzag = 0_u64;
        for shift in (0..).step_by(7) {
            let [byte] = self.array();
            zigzag |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = self.long();
        self.take(len as usize)
    }

    fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    fn value(&mut self, schema: &Value) -> Value {
        let name = match schema {
            Value::Array(branches) => {
                let branch = self.long() as usize;
                return self.value(&branches[branch]);
            }
            Value::Object(schema) => schema["type"].as_str().unwrap(),
            name => name.as_str().unwrap(),
        };
        match name {
            "null" => Value::Null,
            "boolean" => json!(self.array::<1>() == [1]),
            "int" => json!(i32::try_from(self.long()).unwrap()),
            "long" => json!(self.long()),
            "float" => json!(f32::from_le_bytes(self.array()).to_string()),
            "double" => json!(f64::from_le_bytes(self.array()).to_string()),
            "string" => json!(self.text()),
            "bytes" if schema["logicalType"] == "decimal" => {
                let digits = self.bytes();
                let mut all = [if digits[0] & 0x80 == 0 { 0 } else { 0xff }; 32];
                all[32 - digits.len()..].copy_from_slice(digits);
                json!(i256::from_be_bytes(all).to_string())
            }
            "bytes" => json!(self.bytes()),
            "array" => {
                let mut items = Vec::new();
                self.blocks(|bytes| items.push(bytes.value(&schema["items"])));
                Value::Array(items)
            }
            "map" => {
                let mut entries = Map::new();
                self.blocks(|bytes| {
                    let key = bytes.text().to_owned();
                    entries.insert(key, bytes.value(&schema["values"]));
                });
                Value::Object(entries)
            }
            "record" => {
                let mut members = Map::new();
                for field in schema["fields"].as_array().unwrap() {
                    let name = field["name"].as_str().unwrap().to_owned();
                    members.insert(name, self.value(&field["type"]));
                }
                Value::Object(members)
            }
            other => panic!("no rule for {other}"),
        }
    }

    fn blocks(&mut self, mut item: impl FnMut(&mut Self)) {
        loop {
            match self.long() {
                0 => return,
                count => (0..count).for_each(|_| item(self)),
            }
        }
    }
}

/// The schema's fields, and each row, as lines of JSON.
pub(crate) fn lines(file: Vec<u8>) -> String {
    let mut bytes = Bytes(&file);
    assert_eq!(bytes.take(4), b"Obj\x01");
    let mut head = Map::new();
    bytes.blocks(|bytes| {
        let key = bytes.text().to_owned();
        head.insert(key, json!(bytes.text()));
    });
    let schema: Value = serde_json::from_str(head["avro.schema"].as_str().unwrap()).unwrap();
    let marker: [u8; 16] = bytes.array();
    let mut all = format!("{}\n", schema["fields"]);
    while !bytes.0.is_empty() {
        let rows = bytes.long();
        let raw = unpacked(head["avro.codec"].as_str().unwrap(), bytes.bytes());
        assert_eq!(bytes.array(), marker);
        let mut block = Bytes(&raw);
        for _ in 0..rows {
            all.push_str(&format!("{}\n", block.value(&schema)));
        }
        assert!(block.0.is_empty(), "{} bytes left in a block", block.0.len());
    }
    all
}

fn unpacked(codec: &str, packed: &[u8]) -> Vec<u8> {
    match codec {
        "null" => packed.to_vec(),
        "deflate" => {
            let (mut raw, mut reader) = (Vec::new(), flate2::bufread::DeflateDecoder::new(packed));
            reader.read_to_end(&mut raw).unwrap();
            assert_eq!(reader.total_in(), packed.len() as u64);
            raw
        }
        "snappy" => {
            let (packed, crc) = packed.split_at(packed.len() - 4);
            let raw = snap::raw::Decoder::new().decompress_vec(packed).unwrap();
            assert_eq!(crc, crc32fast::hash(&raw).to_be_bytes());
            raw
        }
        "zstandard" => zstd::stream::decode_all(packed).unwrap(),
        other => panic!("no rule for {other}"),
    }
}
