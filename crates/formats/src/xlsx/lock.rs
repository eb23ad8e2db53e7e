//! Encryption of a whole workbook with a password, as Excel does it: "agile" encryption with
//! AES-256 and SHA-512 (Microsoft, "Office Document Cryptography Structure", 2.3.4.10 to 2.3.4.15).
//! The package is encrypted in segments with a random key, the key with the password, and a code
//! over everything tells a wrong byte. Both end up in a compound file, which `container` writes.
//!
//! Such a file says at its beginning how long it is, so it cannot be written front to back: what is
//! encrypted waits, in memory while it is small, else in a file without a name in the folder for
//! spilled bytes. Nothing waits there in the clear.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockEncryptMut, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use rand_08::RngCore;
use sha2::{Digest, Sha512};
use tempfile::SpooledTempFile;

use super::container;
use super::package::Target;
use crate::error::{Error, Result};
use crate::pack::{FileWriter, Password};

/// Bytes that are encrypted together.
const SEGMENT_BYTES: usize = 4_096;

/// Bytes of a cipher block, and of a salt.
const BLOCK_BYTES: usize = 16;

/// Rounds of the hash of the password, as many as Excel makes.
const SPINS: u32 = 100_000;

/// Characters of a password that Excel takes.
const PASSWORD_CHARS_MAX: usize = 255;

/// Encrypted bytes that wait in memory.
const MEMORY_BYTES_MAX: usize = 8 << 20;

/// Bytes that are copied together.
const COPY_BYTES: usize = 256 << 10;

/// What the keys of the parts are made with (same source, 2.3.4.13 and 2.3.4.14).
const VERIFIER_INPUT: [u8; 8] = [0xFE, 0xA7, 0xD2, 0x76, 0x3B, 0x4B, 0x9E, 0x79];
const VERIFIER_VALUE: [u8; 8] = [0xD7, 0xAA, 0x0F, 0x6D, 0x30, 0x61, 0x34, 0x4E];
const PACKAGE_KEY: [u8; 8] = [0x14, 0x6E, 0x0B, 0xE7, 0xAB, 0xAC, 0xD0, 0xD6];
const CODE_KEY: [u8; 8] = [0x5F, 0xB2, 0xAD, 0x01, 0x0C, 0xB9, 0xE1, 0xF6];
const CODE_VALUE: [u8; 8] = [0xA0, 0x67, 0x7F, 0x02, 0xB2, 0x2C, 0x84, 0x33];

/// Refuses passwords that Excel cannot be given.
///
/// # Errors
/// `Option`, with the limit.
pub(super) fn check(password: &Password) -> Result<()> {
    if password.reveal().encode_utf16().count() <= PASSWORD_CHARS_MAX {
        return Ok(());
    }
    Err(Error::Option {
        option: "password",
        problem: format!("Excel takes passwords of at most {PASSWORD_CHARS_MAX} characters"),
    })
}

/// A package that is being encrypted.
pub(super) struct Lock {
    secrets: Secrets,
    spool: SpooledTempFile,
    /// Bytes that do not fill a segment yet.
    waiting: Vec<u8>,
    segments: u32,
    bytes: u64,
}

/// The random parts, and what became of the password.
struct Secrets {
    salt: [u8; BLOCK_BYTES],
    key: [u8; 32],
    code_key: [u8; 64],
    password_salt: [u8; BLOCK_BYTES],
    password_hash: [u8; 64],
}

impl Lock {
    /// Begins a package that this password opens. `folder` takes what does not fit in memory.
    pub(super) fn new(password: &Password, folder: &Path) -> Self {
        let password_salt = random();
        Self {
            secrets: Secrets {
                salt: random(),
                key: random(),
                code_key: random(),
                password_hash: spin(password, &password_salt),
                password_salt,
            },
            spool: tempfile::spooled_tempfile_in(MEMORY_BYTES_MAX, folder),
            waiting: Vec::with_capacity(SEGMENT_BYTES),
            segments: 0,
            bytes: 0,
        }
    }

    /// Encrypts what waits as the next segment.
    fn segment(&mut self) -> Result<()> {
        let start = derived(&self.secrets.salt, &self.segments.to_le_bytes());
        self.waiting.resize(self.waiting.len().next_multiple_of(BLOCK_BYTES), 0);
        let sealed = encrypt(&self.secrets.key, &start, &self.waiting);
        self.waiting.clear();
        self.spool.write_all(&sealed)?;
        self.segments = self.segments.checked_add(1).ok_or_else(container::too_large)?;
        Ok(())
    }

    /// Writes the compound file.
    ///
    /// # Errors
    /// `Schema` when the workbook is too large for one, `Sink` when a file fails.
    pub(super) fn finish(mut self, file: &mut FileWriter<'_>) -> Result<()> {
        if self.segments == 0 {
            // A stream of less would have to stand among the small ones. Its length says where the
            // workbook ends.
            self.waiting.resize(SEGMENT_BYTES, 0);
        }
        if !self.waiting.is_empty() {
            self.segment()?;
        }
        let length = self.bytes.to_le_bytes();
        let sealed = self.spool.stream_position()?;
        // A code takes a key of any length.
        let mut code = Hmac::<Sha512>::new_from_slice(&self.secrets.code_key)
            .map_err(|_| Error::Usage("a code takes a key of any length"))?;
        code.update(&length);
        each(&mut self.spool, |bytes| {
            code.update(bytes);
            Ok(())
        })?;
        let info = self.secrets.describe(&code.finalize().into_bytes());
        let mut container = container::Container::new(&info, length.len() as u64 + sealed)?;
        container.head(file)?;
        container.package(&length, file)?;
        each(&mut self.spool, |bytes| container.package(bytes, file))?;
        container.finish(file)
    }
}

impl Target for Lock {
    fn bytes(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(SEGMENT_BYTES - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == SEGMENT_BYTES {
                self.segment()?;
            }
        }
        Ok(())
    }

    fn raw_bytes(&self) -> u64 {
        self.bytes
    }
}

impl Secrets {
    /// The description by which a reader checks a password and finds the key (same source,
    /// 2.3.4.10).
    fn describe(&self, code: &[u8]) -> Vec<u8> {
        let input: [u8; BLOCK_BYTES] = random();
        let by_password = |purpose: &[u8], data: &[u8]| {
            let mut key = [0; 32];
            let hash =
                Sha512::new().chain_update(self.password_hash).chain_update(purpose).finalize();
            key.copy_from_slice(&hash[..32]);
            STANDARD.encode(encrypt(&key, &self.password_salt, data))
        };
        let by_key = |purpose: &[u8], data: &[u8]| {
            STANDARD.encode(encrypt(&self.key, &derived(&self.salt, purpose), data))
        };
        let cipher = "blockSize=\"16\" keyBits=\"256\" hashSize=\"64\" cipherAlgorithm=\"AES\" \
                      cipherChaining=\"ChainingModeCBC\" hashAlgorithm=\"SHA512\"";
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n\
             <encryption xmlns=\"http://schemas.microsoft.com/office/2006/encryption\" \
             xmlns:p=\"http://schemas.microsoft.com/office/2006/keyEncryptor/password\">\
             <keyData saltSize=\"16\" {cipher} saltValue=\"{salt}\"/>\
             <dataIntegrity encryptedHmacKey=\"{code_key}\" encryptedHmacValue=\"{code}\"/>\
             <keyEncryptors><keyEncryptor \
             uri=\"http://schemas.microsoft.com/office/2006/keyEncryptor/password\">\
             <p:encryptedKey spinCount=\"{SPINS}\" saltSize=\"16\" {cipher} \
             saltValue=\"{password_salt}\" encryptedVerifierHashInput=\"{input}\" \
             encryptedVerifierHashValue=\"{value}\" encryptedKeyValue=\"{key}\"/>\
             </keyEncryptor></keyEncryptors></encryption>",
            salt = STANDARD.encode(self.salt),
            code_key = by_key(&CODE_KEY, &self.code_key),
            code = by_key(&CODE_VALUE, code),
            password_salt = STANDARD.encode(self.password_salt),
            value = by_password(&VERIFIER_VALUE, &Sha512::digest(input)),
            input = by_password(&VERIFIER_INPUT, &input),
            key = by_password(&PACKAGE_KEY, &self.key),
        );
        // Version 4.4, and that it is agile.
        [&[4, 0, 4, 0, 0x40, 0, 0, 0], text.as_bytes()].concat()
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand_08::thread_rng().fill_bytes(&mut bytes);
    bytes
}

/// The hash of a password that is slow to guess by (same source, 2.3.4.11).
fn spin(password: &Password, salt: &[u8]) -> [u8; 64] {
    let mut hash = Sha512::new().chain_update(salt);
    for unit in password.reveal().encode_utf16() {
        hash.update(unit.to_le_bytes());
    }
    let mut hash: [u8; 64] = hash.finalize().into();
    for spin in 0..SPINS {
        hash = Sha512::new().chain_update(spin.to_le_bytes()).chain_update(hash).finalize().into();
    }
    hash
}

/// What a part's encryption begins with (same source, 2.3.4.12).
fn derived(salt: &[u8], purpose: &[u8]) -> [u8; BLOCK_BYTES] {
    let mut start = [0; BLOCK_BYTES];
    let hash = Sha512::new().chain_update(salt).chain_update(purpose).finalize();
    start.copy_from_slice(&hash[..BLOCK_BYTES]);
    start
}

/// Encrypts whole blocks.
fn encrypt(key: &[u8; 32], start: &[u8; BLOCK_BYTES], data: &[u8]) -> Vec<u8> {
    debug_assert!(data.len().is_multiple_of(BLOCK_BYTES), "whole blocks");
    let cipher = cbc::Encryptor::<Aes256>::new(key.into(), start.into());
    cipher.encrypt_padded_vec_mut::<NoPadding>(data)
}

/// Hands on what waits, from its beginning.
fn each(spool: &mut SpooledTempFile, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    spool.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        match spool.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_excel_does_not_take_are_refused() {
        check(&Password::new("x".repeat(255)).unwrap()).unwrap();
        let error = check(&Password::new("x".repeat(256)).unwrap()).unwrap_err();
        assert!(matches!(error, Error::Option { option: "password", .. }));
    }

    #[test]
    fn segments_are_encrypted_apart_and_nothing_waits_in_the_clear() {
        let mut lock = Lock::new(&Password::new("p").unwrap(), &std::env::temp_dir());
        lock.bytes(&[b'x'; SEGMENT_BYTES * 2 + 1]).unwrap();
        assert_eq!((lock.segments, lock.waiting.len()), (2, 1));
        let mut seen = Vec::new();
        each(&mut lock.spool, |bytes| {
            seen.extend_from_slice(bytes);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen.len(), SEGMENT_BYTES * 2);
        assert!(!seen.windows(3).any(|at| at == b"xxx"));
        assert_ne!(seen[..SEGMENT_BYTES], seen[SEGMENT_BYTES..]);
    }
}
