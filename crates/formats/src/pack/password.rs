//! Entries of a zip archive that open with a password: AES-256 as WinZip defined it and 7-Zip,
//! libarchive and Python's pyzipper read it (WinZip, "AES Encryption Information: Encryption
//! Specification AE-1 and AE-2"; here AE-2, which shows no checksum of the content).
//!
//! An entry's key comes from the password and a random salt by PBKDF2 with HMAC-SHA-1; its bytes,
//! after compression, go through AES-256 in counter mode, and a code of HMAC-SHA-1 over them tells
//! a wrong byte. Names, sizes and times of entries stay readable: the format has it so. What is
//! written around the bytes stands in `zip`.

use std::fmt;

use aes::Aes256;
use ctr::Ctr128LE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use rand_08::RngCore;
use sha1::Sha1;

use crate::error::{Error, Result};

/// Bytes of the salt before an entry's data; so long for AES-256.
const SALT_BYTES: usize = 16;
/// Bytes behind the salt by which a reader sees a wrong password at once, most of the time.
const VERIFIER_BYTES: usize = 2;
/// Bytes of the code behind an entry's data.
const CODE_BYTES: usize = 10;
/// Bytes of a key of AES-256.
const KEY_BYTES: usize = 32;
/// Rounds of PBKDF2; the format fixes them. So few make guessing cheap: only a long password helps.
const ROUNDS: u32 = 1_000;

/// The password of an output's files. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password, which readers are given as UTF-8.
    ///
    /// # Errors
    /// `Option` for an empty one.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.is_empty() {
            let problem = "a password has at least one character".to_owned();
            return Err(Error::Option { option: "password", problem });
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(...)")
    }
}

/// Encrypts one entry.
pub(super) struct Cipher {
    stream: Ctr128LE<Aes256>,
    code: Hmac<Sha1>,
    /// Encrypted bytes, until the caller has written them.
    sealed: Vec<u8>,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(...)")
    }
}

impl Cipher {
    /// A cipher with a salt of its own, and the bytes that stand before the entry's data.
    pub(super) fn begin(Password(password): &Password) -> Result<(Self, Vec<u8>)> {
        let mut salt = [0; SALT_BYTES];
        rand_08::thread_rng().fill_bytes(&mut salt);
        Self::with_salt(password, &salt)
    }

    fn with_salt(password: &str, salt: &[u8; SALT_BYTES]) -> Result<(Self, Vec<u8>)> {
        let broken = || Error::Usage("a zip entry's keys could not be derived");
        let mut keys = [0; KEY_BYTES * 2 + VERIFIER_BYTES];
        pbkdf2::pbkdf2::<Hmac<Sha1>>(password.as_bytes(), salt, ROUNDS, &mut keys)
            .map_err(|_| broken())?;
        let (key, rest) = keys.split_at(KEY_BYTES);
        let (code_key, verifier) = rest.split_at(KEY_BYTES);
        // The counter's first value is 1, its lowest byte first.
        let first = 1u128.to_le_bytes();
        let cipher = Self {
            stream: Ctr128LE::<Aes256>::new_from_slices(key, &first).map_err(|_| broken())?,
            code: Hmac::<Sha1>::new_from_slice(code_key).map_err(|_| broken())?,
            sealed: Vec::new(),
        };
        Ok((cipher, [salt.as_slice(), verifier].concat()))
    }

    /// The next bytes of the entry, encrypted.
    ///
    /// # Errors
    /// `Usage` past 2^132 bytes.
    pub(super) fn seal(&mut self, bytes: &[u8]) -> Result<&[u8]> {
        self.sealed.clear();
        self.sealed.extend_from_slice(bytes);
        self.stream
            .try_apply_keystream(&mut self.sealed)
            .map_err(|_| Error::Usage("a zip entry is too long to be encrypted"))?;
        self.code.update(&self.sealed);
        Ok(&self.sealed)
    }

    /// The code that stands behind the entry's data.
    pub(super) fn finish(self) -> [u8; CODE_BYTES] {
        let whole = self.code.finalize().into_bytes();
        std::array::from_fn(|at| whole[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The wanted bytes are of Python's hashlib and hmac and of OpenSSL's AES.
    #[test]
    fn the_bytes_are_those_of_other_implementations() {
        let salt = std::array::from_fn(|at| at as u8);
        let (mut cipher, head) = Cipher::with_salt("open sesame é", &salt).unwrap();
        assert_eq!(hex(&head), "000102030405060708090a0b0c0d0e0f7de4");
        let text = b"The rows of an export, and some more of them.";
        let mut sealed = Vec::new();
        for part in [&text[..1], &text[1..20], b"", &text[20..]] {
            sealed.extend_from_slice(cipher.seal(part).unwrap());
        }
        assert_eq!(
            hex(&sealed),
            "504557f1a9fe679d538d137bb225f30645891a1afbbccece6227fd966e99a805b8fe5898328179bd8b9d\
             4ae31c"
        );
        assert_eq!(hex(&cipher.finish()), "f3d802a224114f1b6f6b");
    }

    #[test]
    fn a_salt_is_used_once_and_a_password_is_not_shown() {
        let password = Password::new("open sesame").unwrap();
        let (one, other) = (Cipher::begin(&password).unwrap(), Cipher::begin(&password).unwrap());
        assert_ne!(one.1, other.1);
        assert_eq!(format!("{password:?} {:?}", one.0), "Password(...) Cipher(...)");
        assert!(Password::new("").is_err());
    }
}
