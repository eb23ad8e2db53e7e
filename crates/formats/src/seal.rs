//! Encrypting single values for whoever may read them: the cells of a sealed column leave the
//! server only as messages to the customer's public key, an age X25519 recipient or an OpenPGP
//! key. Each cell is one message in base64 on one line, so that it fits every format:
//!
//! ```text
//! echo VALUE | base64 -d | age -d -i key.txt
//! echo VALUE | base64 -d | gpg -d
//! ```
//!
//! Private keys never come here, and nothing is decrypted. Encrypting whole files is a packing and
//! not here either.

use std::io::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use pgp::composed::{Deserializable as _, MessageBuilder, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::KeyDetails as _;

use crate::Chunk;
use crate::cells::{Buf, Column, Escape};
use crate::error::{Error, Result};
use crate::options::ValueOptions;

/// Longest key text that is looked at, in bytes; large RSA keys with many signatures stay below.
const KEY_BYTES_MAX: usize = 256 * 1024;

/// A public key to which values are encrypted.
#[derive(Debug, Clone)]
pub struct Recipient(Key);

#[derive(Debug, Clone)]
enum Key {
    Age(age::x25519::Recipient),
    Pgp(Arc<PgpKey>),
}

#[derive(Debug)]
enum PgpKey {
    Primary(SignedPublicKey),
    Sub(SignedPublicSubKey),
}

impl Recipient {
    /// Reads an age recipient (`age1...`) or an OpenPGP public key block. `now` decides whether an
    /// OpenPGP key has expired.
    ///
    /// # Errors
    /// `RecipientKey` says what the text is not, and what to register instead.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self> {
        let refuse = |problem: &str| Err(Error::RecipientKey(problem.to_owned()));
        let text = text.trim();
        if text.len() > KEY_BYTES_MAX {
            return refuse("it is longer than 256 KiB; export the one key that is meant");
        }
        if text.contains("PRIVATE KEY") || text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY") {
            return refuse("this is a private key: keep it, and register the public one");
        }
        if text.starts_with("age1") {
            return match age::x25519::Recipient::from_str(text) {
                Ok(key) => Ok(Self(Key::Age(key))),
                Err(why) => refuse(&format!("not a whole age X25519 recipient ({why})")),
            };
        }
        if text.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            return pgp_key(text, now).map(|key| Self(Key::Pgp(Arc::new(key))));
        }
        refuse(
            "use an age recipient (age1...) or an OpenPGP public key block \
             (-----BEGIN PGP PUBLIC KEY BLOCK-----)",
        )
    }

    /// Which kind of key it is, for people.
    pub fn kind(&self) -> &'static str {
        match self.0 {
            Key::Age(_) => "age",
            Key::Pgp(_) => "OpenPGP",
        }
    }

    /// Encrypts one value. The same value gives another text each time.
    ///
    /// # Errors
    /// `RecipientKey` when the key cannot encrypt after all.
    pub fn seal(&self, value: &[u8]) -> Result<String> {
        let message = match &self.0 {
            Key::Age(key) => seal_age(key, value),
            Key::Pgp(key) => seal_pgp(key, value),
        };
        message.map(|bytes| BASE64.encode(bytes)).map_err(Error::RecipientKey)
    }
}

fn seal_age(key: &age::x25519::Recipient, value: &[u8]) -> Result<Vec<u8>, String> {
    let recipients = std::iter::once(key as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|why| why.to_string())?;
    let mut message = Vec::with_capacity(value.len() + 256);
    let mut stream = encryptor.wrap_output(&mut message).map_err(|why| why.to_string())?;
    stream.write_all(value).map_err(|why| why.to_string())?;
    stream.finish().map_err(|why| why.to_string())?;
    Ok(message)
}

fn seal_pgp(key: &PgpKey, value: &[u8]) -> Result<Vec<u8>, String> {
    let mut random = rand_08::thread_rng();
    // Version 1 containers are what every OpenPGP program of the last twenty years reads.
    let mut builder = MessageBuilder::from_bytes("", value.to_vec())
        .seipd_v1(&mut random, SymmetricKeyAlgorithm::AES256);
    match key {
        PgpKey::Primary(key) => builder.encrypt_to_key(&mut random, key),
        PgpKey::Sub(key) => builder.encrypt_to_key(&mut random, key),
    }
    .map_err(|why| why.to_string())?;
    builder.to_vec(&mut random).map_err(|why| why.to_string())
}

/// The newest subkey for encryption that is bound, not revoked and not expired; else the primary
/// key, when it says that it encrypts.
fn pgp_key(text: &str, now: DateTime<Utc>) -> Result<PgpKey> {
    let refuse = |problem: &str| Error::RecipientKey(problem.to_owned());
    let (key, _) = SignedPublicKey::from_string(text)
        .map_err(|_| refuse("not a whole OpenPGP public key block"))?;
    let primary = &key.primary_key;
    let revoked = |signature: &Signature| signature.verify_key(primary).is_ok();
    if key.details.revocation_signatures.iter().any(revoked) {
        return Err(refuse("this OpenPGP key is revoked"));
    }
    let self_signatures = || {
        let users = key.details.users.iter().flat_map(|user| &user.signatures);
        users.chain(&key.details.direct_signatures)
    };
    if newest(self_signatures().filter(|signature| is_by(signature, &key)))
        .is_some_and(|signature| is_expired(primary.created_at().as_secs(), signature, now))
    {
        return Err(refuse("this OpenPGP key has expired"));
    }
    let fit = key.public_subkeys.iter().filter(|subkey| {
        let of = |kind| move |signature: &&Signature| signature.typ() == Some(kind);
        let revocations = subkey.signatures.iter().filter(of(SignatureType::SubkeyRevocation));
        let bindings = subkey.signatures.iter().filter(of(SignatureType::SubkeyBinding));
        subkey.key.algorithm().can_encrypt()
            && revocations.count() == 0
            && newest(bindings).is_some_and(|binding| {
                binding.verify_subkey_binding(primary, &subkey.key).is_ok()
                    && may_encrypt(binding)
                    && !is_expired(subkey.key.created_at().as_secs(), binding, now)
            })
    });
    if let Some(subkey) = fit.max_by_key(|subkey| subkey.key.created_at().as_secs()) {
        return Ok(PgpKey::Sub(subkey.clone()));
    }
    let primary_fits = primary.algorithm().can_encrypt()
        && newest(self_signatures().filter(|signature| is_by(signature, &key)))
            .is_some_and(may_encrypt);
    if primary_fits {
        return Ok(PgpKey::Primary(key));
    }
    Err(refuse("this OpenPGP key has no valid subkey for encryption"))
}

fn is_by(signature: &Signature, key: &SignedPublicKey) -> bool {
    let id = key.primary_key.legacy_key_id();
    signature.issuer_key_id().contains(&&id)
        || signature.issuer_fingerprint().contains(&&key.primary_key.fingerprint())
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created().map_or(0, |at| at.as_secs()))
}

fn may_encrypt(signature: &Signature) -> bool {
    let flags = signature.key_flags();
    flags.encrypt_comms() || flags.encrypt_storage()
}

fn is_expired(created: u32, signature: &Signature, now: DateTime<Utc>) -> bool {
    signature.key_expiration_time().is_some_and(|lifetime| {
        let lifetime = i64::from(lifetime.as_secs());
        // A lifetime of 0 means that the key does not expire (RFC 9580).
        lifetime > 0 && i64::from(created) + lifetime <= now.timestamp()
    })
}

/// Which columns of a file are sealed, and for whom.
#[derive(Debug, Clone)]
pub struct Sealing {
    columns: Vec<usize>,
    recipient: Recipient,
    values: ValueOptions,
}

impl Sealing {
    /// Columns by their place in the schema. Their values become text by `values` first.
    pub fn new(columns: Vec<usize>, recipient: Recipient, values: ValueOptions) -> Self {
        Self { columns, recipient, values }
    }

    /// The schema of the sealed rows: sealed columns are text.
    ///
    /// # Errors
    /// `Usage` when a column does not exist.
    pub fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        if self.columns.iter().any(|column| *column >= schema.fields().len()) {
            return Err(Error::Usage("a sealed column is not in the schema"));
        }
        crate::cells::check_types(schema, &self.values)?;
        let fields: Vec<_> = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| {
                if self.columns.contains(&at) {
                    Arc::new(Field::new(field.name(), DataType::Utf8, field.is_nullable()))
                } else {
                    field.clone()
                }
            })
            .collect();
        Ok(Arc::new(Schema::new(fields)))
    }

    /// The chunk with its sealed columns encrypted. Nulls stay null.
    ///
    /// # Errors
    /// `Seal` when a value could not be encrypted, `Cancelled` when `stop` answers true.
    pub fn apply(&self, chunk: &Chunk, stop: &dyn Fn() -> bool) -> Result<Chunk> {
        let batches =
            chunk.batches.iter().map(|batch| self.batch(batch, stop)).collect::<Result<_>>()?;
        Ok(Chunk { batches, rows: chunk.rows, first_row: chunk.first_row })
    }

    fn batch(&self, batch: &RecordBatch, stop: &dyn Fn() -> bool) -> Result<RecordBatch> {
        let schema = self.schema(&batch.schema())?;
        let mut columns = batch.columns().to_vec();
        for &at in &self.columns {
            let name = schema.field(at).name();
            columns[at] = self.column(name, &columns[at], stop)?;
        }
        RecordBatch::try_new(schema, columns)
            .map_err(|source| Error::Convert { column: "sealed".to_owned(), source })
    }

    fn column(&self, name: &str, array: &ArrayRef, stop: &dyn Fn() -> bool) -> Result<ArrayRef> {
        let mut column = Column::resolve(name, array, &self.values)?;
        let mut sealed = StringBuilder::new();
        let mut text = Buf::default();
        for row in 0..array.len() {
            if stop() {
                return Err(Error::Cancelled);
            }
            if column.is_null(row) {
                sealed.append_null();
                continue;
            }
            text.clear();
            column.write(row, &mut text, &mut Plain);
            let value = self
                .recipient
                .seal(text.as_slice())
                .map_err(|why| Error::Seal { column: name.to_owned(), problem: why.to_string() })?;
            sealed.append_value(value);
        }
        Ok(Arc::new(sealed.finish()))
    }
}

/// Texts go into the message as they are.
struct Plain;

impl Escape for Plain {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        out.slice(text);
    }

    fn null(&mut self, _: &mut Buf) {}
}

#[cfg(test)]
mod tests;
