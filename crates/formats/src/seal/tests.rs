//! Sealed values open with the private key, and with nothing else.

use std::io::Read;

use arrow_array::cast::AsArray;
use arrow_array::{Array, Int64Array, StringArray};
use pgp::composed::Message;
use pgp::types::Password;

use super::*;
use crate::openpgp::tests::{now, pair};

fn open_age(identity: &age::x25519::Identity, sealed: &str) -> Vec<u8> {
    let bytes = BASE64.decode(sealed).unwrap();
    let decryptor = age::Decryptor::new(&bytes[..]).unwrap();
    let mut value = Vec::new();
    let identity = std::iter::once(identity as &dyn age::Identity);
    decryptor.decrypt(identity).unwrap().read_to_end(&mut value).unwrap();
    value
}

#[test]
fn age_values_open_with_the_identity() {
    let identity = age::x25519::Identity::generate();
    let recipient = Recipient::parse(&format!(" {}\n", identity.to_public()), now()).unwrap();
    assert_eq!(recipient.kind(), "age");
    for value in ["", "DE02 1203 0000 0000 2020 51", "ünï\n"] {
        let sealed = recipient.seal(value.as_bytes()).unwrap();
        assert!(!sealed.contains(['\n', '"', ',']));
        assert_eq!(open_age(&identity, &sealed), value.as_bytes());
        assert_ne!(recipient.seal(value.as_bytes()).unwrap(), sealed);
    }
}

#[test]
fn openpgp_values_open_with_the_secret_key() {
    let (secret, public) = pair(true);
    let recipient = Recipient::parse(&public, now()).unwrap();
    assert_eq!(recipient.kind(), "OpenPGP");
    let sealed = recipient.seal(b"021000021").unwrap();
    let bytes = BASE64.decode(sealed).unwrap();
    let mut message =
        Message::from_bytes(&bytes[..]).unwrap().decrypt(&Password::empty(), &secret).unwrap();
    assert_eq!(message.as_data_vec().unwrap(), b"021000021");
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_a_reason() {
    let (_, signing_only) = pair(false);
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let (_, public) = pair(true);
    for (text, reason) in [
        ("", "use an age recipient"),
        ("hello", "use an age recipient"),
        (&recipient[..recipient.len() - 1], "not a whole age"),
        ("AGE-SECRET-KEY-1QQQ", "private key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "private key"),
        (&public[..public.len() / 2], "OpenPGP"),
        (&signing_only, "no valid subkey for encryption"),
        (&"x".repeat(300_000), "longer than 256 KiB"),
    ] {
        let error = Recipient::parse(text, now()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn sealed_columns_become_text_and_nulls_stay() {
    let identity = age::x25519::Identity::generate();
    let recipient = Recipient::parse(&identity.to_public().to_string(), now()).unwrap();
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
        ("account", Arc::new(Int64Array::from(vec![Some(42), None])) as ArrayRef),
        ("iban", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef),
    ])
    .unwrap();
    let sealing = Sealing::new(vec![1, 2], recipient, ValueOptions::default());
    let chunk = Chunk { batches: vec![batch.clone()], rows: 2, first_row: 0 };
    let sealed = sealing.apply(&chunk, &|| false).unwrap();
    let columns = sealed.batches[0].columns();
    assert_eq!(&columns[0], batch.column(0));
    assert_eq!(open_age(&identity, columns[1].as_string::<i32>().value(0)), b"42");
    assert!(columns[1].is_null(1));
    assert_eq!(open_age(&identity, columns[2].as_string::<i32>().value(1)), b"b");
    assert!(matches!(sealing.apply(&chunk, &|| true), Err(Error::Cancelled)));
}
