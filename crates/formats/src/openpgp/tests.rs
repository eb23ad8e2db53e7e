//! Encrypted files open with the secret key and with nothing else, and never look whole when they
//! are not.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use chrono::{DateTime, TimeZone as _, Utc};
use pgp::composed::{
    ArmorOptions, EncryptionCaps, KeyType, Message, SecretKeyParamsBuilder, SignedPublicKey,
    SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::types::Password;

use super::*;
use crate::error::Error;
use crate::pack::{self, EntryName};
use crate::{Entry, Pipeline, PipelineOptions, Report};

pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 8, 1, 0, 0, 0).unwrap()
}

/// A secret key, and its public key as customers register it.
pub(crate) fn pair(encrypts: bool) -> (SignedSecretKey, String) {
    let mut builder = SecretKeyParamsBuilder::default();
    builder
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(true)
        .primary_user_id("Exports <exports@example.com>".into());
    if encrypts {
        let subkey = SubkeyParamsBuilder::default()
            .key_type(KeyType::ECDH(ECCCurve::Curve25519Legacy))
            .can_encrypt(EncryptionCaps::All)
            .build()
            .unwrap();
        builder.subkey(subkey);
    }
    let secret = builder.build().unwrap().generate(rand_08::thread_rng()).unwrap();
    let public = SignedPublicKey::from(secret.clone());
    let text = public.to_armored_string(ArmorOptions::default()).unwrap();
    (secret, text)
}

/// What a message says to whoever has that key.
fn open(secret: &SignedSecretKey, message: &[u8]) -> Result<Vec<u8>, String> {
    let refused = |why: pgp::errors::Error| why.to_string();
    let message = Message::from_bytes(message).map_err(refused)?;
    let mut message = message.decrypt(&Password::empty(), secret).map_err(refused)?;
    message.as_data_vec().map_err(|why| why.to_string())
}

/// A sink that keeps what it is given, up to so many bytes, and then fails.
#[derive(Clone)]
struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Kept {
    fn new(room: usize) -> Self {
        Self { bytes: Arc::default(), room }
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes.lock().unwrap())
    }
}

impl Write for Kept {
    fn write(&mut self, given: &[u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap();
        let taken = given.len().min(self.room - bytes.len());
        bytes.extend_from_slice(&given[..taken]);
        match taken {
            0 => Err(io::Error::new(io::ErrorKind::StorageFull, "no space left")),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn rows(count: i32) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..count));
    let texts = (0..count).map(|n| format!("row {n}, \"{}\"", n * 7_919 % 10_007));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    RecordBatch::try_from_iter([("n", numbers), ("text", texts)]).unwrap()
}

fn pipeline(options: PipelineOptions, sink: &Kept) -> Pipeline {
    let name = EntryName::from_label("rows", options.format.extension());
    let mut pipeline = Pipeline::new(options, Box::new(sink.clone())).unwrap();
    pipeline.begin(Entry { name, schema: rows(1).schema(), sealing: None }).unwrap();
    pipeline
}

fn write(options: PipelineOptions) -> (Vec<u8>, Report) {
    let sink = Kept::new(usize::MAX);
    let mut pipeline = pipeline(options, &sink);
    for _ in 0..3 {
        pipeline.push(rows(2_000)).unwrap();
    }
    let progress = pipeline.progress();
    let report = pipeline.finish().unwrap();
    assert_eq!(progress.bytes(), report.bytes_written);
    (sink.take(), report)
}

#[test]
fn every_format_and_packing_opens_to_the_plain_file() {
    let (secret, public) = pair(true);
    let (stranger, _) = pair(true);
    let key = PublicKey::parse(&public, now()).unwrap();
    for format in crate::ALL {
        for &packing in pack::ALL {
            let plain = PipelineOptions { packing, threads: 2, ..PipelineOptions::new(*format) };
            let sealed = PipelineOptions { encryption: Some(key.clone()), ..plain.clone() };
            let ((plain, of_plain), (message, of_message)) = (write(plain), write(sealed));
            assert_eq!(open(&secret, &message).unwrap(), plain, "{} {packing:?}", format.id());
            assert_eq!(of_message.rows, 6_000);
            assert_eq!(of_message.bytes_written, message.len() as u64);
            assert_eq!(of_message.bytes_uncompressed, of_plain.bytes_uncompressed);
            open(&stranger, &message).unwrap_err();
        }
    }
}

#[test]
fn every_length_ends_well() {
    let (secret, public) = pair(true);
    let key = PublicKey::parse(&public, now()).unwrap();
    let borders =
        [0, 1, 511, 512, 8_191, 8_192, 8_193, 131_053, 131_063, 131_072, 131_073, 262_144];
    for length in borders.into_iter().chain([1_000_003]) {
        let content: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
        let sink = Kept::new(usize::MAX);
        let mut encrypted = Encrypted::new(key.clone(), Box::new(sink.clone())).unwrap();
        for part in content.chunks(70_001) {
            encrypted.write(part).unwrap();
        }
        let bytes = encrypted.finish().unwrap();
        let message = sink.take();
        assert_eq!(bytes, message.len() as u64);
        assert!(message.len() < content.len() + 1_000, "{length}: {}", message.len());
        assert!(open(&secret, &message).unwrap() == content, "{length}");
    }
}

#[test]
fn what_is_cut_or_changed_does_not_open() {
    let (secret, public) = pair(true);
    let key = PublicKey::parse(&public, now()).unwrap();
    let options =
        PipelineOptions { encryption: Some(key), ..PipelineOptions::new(&crate::csv::Csv) };
    let (message, _) = write(options);
    open(&secret, &message).unwrap();
    for kept in [0, 1, 100, 131_072, message.len() / 2, message.len() - 22, message.len() - 1] {
        assert!(open(&secret, &message[..kept]).is_err(), "{kept} of {}", message.len());
    }
    for at in [message.len() / 2, message.len() - 30, message.len() - 1] {
        let mut changed = message.clone();
        changed[at] ^= 1;
        assert!(open(&secret, &changed).is_err(), "{at} of {}", message.len());
    }
}

#[test]
fn a_sink_that_fails_is_named_and_what_it_took_does_not_open() {
    let (secret, public) = pair(true);
    let key = PublicKey::parse(&public, now()).unwrap();
    let options = PipelineOptions {
        encryption: Some(key),
        threads: 2,
        ..PipelineOptions::new(&crate::csv::Csv)
    };
    let (whole, _) = write(options.clone());
    // At the first byte, in the middle, and before the last one, which only the end writes.
    for room in [0, 1_000, 100_000, whole.len() - 1] {
        let sink = Kept::new(room);
        let mut pipeline = pipeline(options.clone(), &sink);
        let fault = (0..3).find_map(|_| pipeline.push(rows(2_000)).err());
        let fault = fault.unwrap_or_else(|| pipeline.finish().unwrap_err());
        assert!(
            matches!(&fault, Error::Sink(why) if why.kind() == io::ErrorKind::StorageFull),
            "{room}: {fault}"
        );
        let taken = sink.take();
        assert!(taken.len() <= room && open(&secret, &taken).is_err());
    }
}

#[test]
fn what_is_given_up_does_not_open() {
    let (secret, public) = pair(true);
    let key = PublicKey::parse(&public, now()).unwrap();
    for count in [10, 50_000] {
        let options = PipelineOptions {
            encryption: Some(key.clone()),
            ..PipelineOptions::new(&crate::csv::Csv)
        };
        let cancel = options.cancel.clone();
        let sink = Kept::new(usize::MAX);
        let mut cancelled = pipeline(options.clone(), &sink);
        cancelled.push(rows(count)).unwrap();
        cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(matches!(cancelled.finish(), Err(Error::Cancelled)));
        assert!(open(&secret, &sink.take()).is_err());

        cancel.store(false, std::sync::atomic::Ordering::Relaxed);
        let mut dropped = pipeline(options, &sink);
        dropped.push(rows(count)).unwrap();
        drop(dropped);
        // All threads have ended with it: nobody else has the sink.
        assert_eq!(Arc::strong_count(&sink.bytes), 1);
        assert!(open(&secret, &sink.take()).is_err());
    }
}

/// A sink that breaks down.
struct Trap;

impl Write for Trap {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("a trap")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_is_a_fault_like_any_other() {
    let (_, public) = pair(true);
    let key = PublicKey::parse(&public, now()).unwrap();
    let mut encrypted = Encrypted::new(key, Box::new(Trap)).unwrap();
    let fault = (0..100).find_map(|_| encrypted.write(&[7; 100_000]).err());
    assert!(matches!(fault, Some(Error::Panicked("encrypting"))), "{fault:?}");
}

#[test]
fn only_an_openpgp_key_that_encrypts_is_taken() {
    let (_, public) = pair(true);
    let (_, signing_only) = pair(false);
    let age = age::x25519::Identity::generate().to_public().to_string();
    for (text, reason) in [
        (age.as_str(), "register an OpenPGP public key block"),
        ("hello", "not an OpenPGP public key block"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "private key"),
        (&public[..public.len() / 2], "not a whole OpenPGP"),
        (&signing_only, "no valid subkey for encryption"),
    ] {
        let error = PublicKey::parse(text, now()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    PublicKey::parse(&format!("\n {public} \n"), now()).unwrap();
}
