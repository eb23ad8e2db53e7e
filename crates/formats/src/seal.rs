//! Encrypting single values for whoever may read them: the cells of a sealed column leave the
//! server only as messages to the customer's public key, an age X25519 recipient or an OpenPGP
//! key. Each cell is one message in base64 on one line, so that it fits every format:
//!
//! ```text
//! echo VALUE | base64 -d | age -d -i key.txt
//! echo VALUE | base64 -d | gpg -d
//! ```
//!
//! Private keys never come here, and nothing is decrypted. Whole files are encrypted in `openpgp`.

use std::io::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};

use crate::Chunk;
use crate::cells::{Buf, Column, Escape};
use crate::error::{Error, Result};
use crate::openpgp::{self, PublicKey};
use crate::options::ValueOptions;

/// Longest key text that is looked at, in bytes; large RSA keys with many signatures stay below.
pub const KEY_BYTES_MAX: usize = 256 * 1024;

/// A public key to which values are encrypted.
#[derive(Debug, Clone)]
pub struct Recipient(Key);

#[derive(Debug, Clone)]
enum Key {
    Age(age::x25519::Recipient),
    Pgp(PublicKey),
}

impl Recipient {
    /// Reads an age recipient (`age1...`) or an OpenPGP public key block. `now` decides whether an
    /// OpenPGP key has expired.
    ///
    /// # Errors
    /// `RecipientKey` says what the text is not, and what to register instead.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self> {
        let refuse = |problem: &str| Err(Error::RecipientKey(problem.to_owned()));
        let text = public_text(text)?;
        if is_age(text) {
            return match age::x25519::Recipient::from_str(text) {
                Ok(key) => Ok(Self(Key::Age(key))),
                Err(why) => refuse(&format!("not a whole age X25519 recipient ({why})")),
            };
        }
        if openpgp::is_block(text) {
            return PublicKey::of_block(text, now).map(|key| Self(Key::Pgp(key)));
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
            Key::Age(key) => seal_age(key, value).map_err(Error::RecipientKey),
            Key::Pgp(key) => key.encrypt(value),
        };
        message.map(|bytes| BASE64.encode(bytes))
    }
}

/// The text of a key without what stands around it, unless it is too long or of a private one.
pub(crate) fn public_text(text: &str) -> Result<&str> {
    let refuse = |problem: &str| Err(Error::RecipientKey(problem.to_owned()));
    let text = text.trim();
    if text.len() > KEY_BYTES_MAX {
        return refuse("it is longer than 256 KiB; export the one key that is meant");
    }
    if text.contains("PRIVATE KEY") || text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY") {
        return refuse("this is a private key: keep it, and register the public one");
    }
    Ok(text)
}

/// Whether the text is meant to be an age recipient.
pub(crate) fn is_age(text: &str) -> bool {
    text.starts_with("age1")
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
