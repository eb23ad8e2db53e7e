//! Measures the encoders on rows shaped like TPC-H's lineitem, without a source or a disk:
//! `cargo run --release -p outhaul-formats --example encode_speed [ROWS] [FORMAT]`. With a
//! format only its encoder runs, on one thread, which is what a profiler wants to see.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
};
use outhaul_formats::openpgp::PublicKey;
use outhaul_formats::pack::{EntryName, Level};
use outhaul_formats::{
    Chunk, Entry, FormatOptions, Packing, Pipeline, PipelineOptions, Scratch, format,
};
use pgp::composed::{
    ArmorOptions, EncryptionCaps, KeyType, SecretKeyParamsBuilder, SignedPublicKey,
    SubkeyParamsBuilder,
};
use pgp::crypto::ecc_curve::ECCCurve;

const BATCH_ROWS: usize = 8_192;
const WORDS: [&str; 16] = [
    "furiously",
    "regular",
    "deposits",
    "sleep",
    "quickly",
    "express",
    "packages",
    "carefully",
    "ironic",
    "accounts",
    "blithely",
    "final",
    "pending",
    "requests",
    "above",
    "the",
];

/// A sink that takes everything.
struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A small generator of repeatable noise.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn lineitem(noise: &mut Noise, first: i64) -> RecordBatch {
    let rows = BATCH_ROWS as i64;
    let longs = |noise: &mut Noise, limit| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..rows).map(|_| 1 + noise.below(limit) as i64)))
    };
    let money = |noise: &mut Noise, limit| -> ArrayRef {
        let values = (0..rows).map(|_| i128::from(noise.below(limit)));
        let array = Decimal128Array::from_iter_values(values);
        Arc::new(array.with_precision_and_scale(15, 2).expect("15 and 2 are in range"))
    };
    let dates = |noise: &mut Noise| -> ArrayRef {
        let values = (0..rows).map(|_| 8_036 + noise.below(2_500) as i32);
        Arc::new(Date32Array::from_iter_values(values))
    };
    let pick = |noise: &mut Noise, from: &[&str]| -> ArrayRef {
        let values = (0..rows).map(|_| from[noise.below(from.len() as u64) as usize]);
        Arc::new(StringViewArray::from_iter_values(values.collect::<Vec<_>>()))
    };
    let comments: Vec<String> = (0..rows)
        .map(|_| {
            let count = 2 + noise.below(4) as usize;
            let words: Vec<_> = (0..count).map(|_| WORDS[noise.below(16) as usize]).collect();
            words.join(" ")
        })
        .collect();
    let orders =
        Int64Array::from_iter_values((first..first + rows).map(|row| row / 4 * 8 + row % 4));
    let lines = Int32Array::from_iter_values((0..rows as i32).map(|row| row % 7 + 1));
    let instructs = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"];
    let modes = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"];
    RecordBatch::try_from_iter([
        ("l_orderkey", Arc::new(orders) as ArrayRef),
        ("l_partkey", longs(noise, 200_000)),
        ("l_suppkey", longs(noise, 10_000)),
        ("l_linenumber", Arc::new(lines)),
        ("l_quantity", money(noise, 5_000)),
        ("l_extendedprice", money(noise, 10_000_000)),
        ("l_discount", money(noise, 11)),
        ("l_tax", money(noise, 9)),
        ("l_returnflag", pick(noise, &["A", "N", "R"])),
        ("l_linestatus", pick(noise, &["O", "F"])),
        ("l_shipdate", dates(noise)),
        ("l_commitdate", dates(noise)),
        ("l_receiptdate", dates(noise)),
        ("l_shipinstruct", pick(noise, &instructs)),
        ("l_shipmode", pick(noise, &modes)),
        ("l_comment", Arc::new(StringViewArray::from_iter_values(comments))),
    ])
    .expect("all columns have the same length")
}

/// One thread, nothing but the encoder.
fn encoder_alone(id: &str, batches: &[RecordBatch], rows: usize) {
    let format = format(id).expect("the format exists");
    let encoder =
        format.encoder(&batches[0].schema(), &FormatOptions::default()).expect("it takes lineitem");
    let mut scratch = Scratch::default();
    for round in 0..2 {
        let (mut bytes, start) = (0, Instant::now());
        for at in 0..rows / BATCH_ROWS {
            let chunk = Chunk {
                batches: vec![batches[at % batches.len()].clone()],
                rows: BATCH_ROWS as u64,
                first_row: 0,
            };
            let piece = encoder.encode(&chunk, &mut scratch, &|| false).expect("it encodes");
            match piece.body {
                outhaul_formats::Body::Bytes(piece) => {
                    bytes += piece.len();
                    scratch.spare = piece;
                }
                outhaul_formats::Body::Deflated(block) => {
                    bytes += block.raw_bytes() as usize;
                    scratch.spare = block.into_buf();
                }
                outhaul_formats::Body::Other(_) => {}
            }
        }
        if round == 1 {
            let seconds = start.elapsed().as_secs_f64();
            println!(
                "{id:5} encoder alone, 1 thread:   {seconds:6.2} s  {:6.0} MB/s",
                bytes as f64 / seconds / 1e6
            );
        }
    }
}

fn pipeline(
    id: &str,
    packing: Packing,
    level: Level,
    threads: usize,
    batches: &[RecordBatch],
    rows: usize,
    key: Option<&PublicKey>,
) {
    let mut options = PipelineOptions::new(format(id).expect("the format exists"));
    (options.packing, options.level, options.threads) = (packing, level, threads);
    options.encryption = key.cloned();
    let start = Instant::now();
    let mut pipeline = Pipeline::new(options, Box::new(Nowhere)).expect("threads start");
    let name = EntryName::from_label("lineitem", id);
    let entry = Entry { name, schema: batches[0].schema(), sealing: None };
    pipeline.begin(entry).expect("the format takes lineitem");
    for at in 0..rows / BATCH_ROWS {
        pipeline.push(batches[at % batches.len()].clone()).expect("it runs");
    }
    let report = pipeline.finish().expect("it ends");
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{id:5} {:5} {level:?} {threads} threads{}: {seconds:6.2} s  {:6.0} MB/s raw, {:6.1} MB of {:6.1} MB",
        packing.id(),
        if key.is_some() { ", encrypted" } else { "" },
        report.bytes_uncompressed as f64 / seconds / 1e6,
        report.bytes_written as f64 / 1e6,
        report.bytes_uncompressed as f64 / 1e6,
    );
}

/// Somebody's OpenPGP key, whose private half is not kept.
fn encryption_key() -> PublicKey {
    let subkey = SubkeyParamsBuilder::default()
        .key_type(KeyType::ECDH(ECCCurve::Curve25519Legacy))
        .can_encrypt(EncryptionCaps::All)
        .build()
        .expect("a subkey");
    let secret = SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .primary_user_id("speed".into())
        .subkey(subkey)
        .build()
        .expect("a key's parameters")
        .generate(rand_08::thread_rng())
        .expect("a key");
    let public = SignedPublicKey::from(secret);
    let text = public.to_armored_string(ArmorOptions::default()).expect("it is written");
    PublicKey::parse(&text, chrono::DateTime::UNIX_EPOCH).expect("it is taken")
}

fn main() {
    let rows =
        std::env::args().nth(1).map_or(1_000_000, |rows| rows.parse().expect("a number of rows"));
    let mut noise = Noise(88_172_645_463_325_252);
    let batches: Vec<_> = (0..32).map(|at| lineitem(&mut noise, at * BATCH_ROWS as i64)).collect();
    println!("{rows} rows of 16 columns");
    if let Some(id) = std::env::args().nth(2) {
        return encoder_alone(&id, &batches, rows);
    }
    for id in ["csv", "html", "xlsx", "ndjson", "avro"] {
        encoder_alone(id, &batches, rows);
    }
    let key = encryption_key();
    for threads in [1, 2] {
        for key in [None, Some(&key)] {
            for packing in [Packing::None, Packing::Gzip] {
                pipeline("csv", packing, Level::FAST, threads, &batches, rows, key);
            }
        }
        for level in [1, 2, 3, 4, 6] {
            let level = Level::new(level).expect("a level");
            pipeline("csv", Packing::Gzip, level, threads, &batches, rows, None);
        }
        for level in [1, 2, 3] {
            let level = Level::new(level).expect("a level");
            pipeline("xlsx", Packing::None, level, threads, &batches, rows, None);
        }
        pipeline("html", Packing::None, Level::FAST, threads, &batches, rows, None);
    }
}
