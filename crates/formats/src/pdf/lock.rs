//! Encryption of a whole document with a password: AES-256, revision 6 of the standard security
//! handler (ISO 32000-2, 7.6.4). Every stream and text of the document is encrypted with a random
//! key, and the key with the password. Nobody has the other password, the owner's: it is random.

use aes::cipher::block_padding::{NoPadding, Pkcs7};
use aes::cipher::{BlockEncrypt, BlockEncryptMut, KeyInit, KeyIvInit};
use aes::{Aes128, Aes256};
use rand_08::RngCore;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::object::hex;
use crate::error::{Error, Result};
use crate::pack::Password;

/// Bytes of a password that count; readers cut it there as well.
const PASSWORD_BYTES_MAX: usize = 127;

/// What may be done with a document that is open: everything.
const PERMISSIONS: u32 = 0xFFFF_FFFC;

/// Key and dictionary of an encrypted document.
pub(super) struct Lock {
    key: [u8; 32],
    dictionary: String,
    id: [u8; 16],
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand_08::thread_rng().fill_bytes(&mut bytes);
    bytes
}

impl Lock {
    /// A lock that this password opens.
    ///
    /// # Errors
    /// `Option` when the password cannot be prepared as the standard asks.
    pub(super) fn new(password: &Password) -> Result<Self> {
        let prepared = stringprep::saslprep(password.reveal()).map_err(|_| Error::Option {
            option: "password",
            problem: "a PDF takes no control characters and no mix of writing directions in it"
                .into(),
        })?;
        let user = &prepared.as_bytes()[..prepared.len().min(PASSWORD_BYTES_MAX)];
        let key = random();
        let (user_check, user_key) = keys(user, &[], &key);
        let (owner_check, owner_key) = keys(&random::<32>(), &user_check, &key);
        let mut permissions = [0xFF; 16];
        permissions[..4].copy_from_slice(&PERMISSIONS.to_le_bytes());
        permissions[8..12].copy_from_slice(b"Tadb");
        permissions[12..].copy_from_slice(&random::<4>());
        Aes256::new(&key.into()).encrypt_block((&mut permissions).into());
        let dictionary = format!(
            "<</Filter/Standard/V 5/R 6/Length 256/P {}/U{}/UE{}/O{}/OE{}/Perms{}/EncryptMetadata true\
             /CF<</StdCF<</AuthEvent/DocOpen/CFM/AESV3/Length 32>>>>/StmF/StdCF/StrF/StdCF>>",
            PERMISSIONS as i32,
            hex(&user_check),
            hex(&user_key),
            hex(&owner_check),
            hex(&owner_key),
            hex(&permissions)
        );
        Ok(Self { key, dictionary, id: random() })
    }

    /// The dictionary by which a reader checks the password and finds the key.
    pub(super) fn dictionary(&self) -> &str {
        &self.dictionary
    }

    /// What stands for the document, at random.
    pub(super) fn id(&self) -> &[u8] {
        &self.id
    }

    /// Encrypts a stream or a text.
    pub(super) fn encrypt(&self, bytes: &[u8]) -> Vec<u8> {
        let start = random::<16>();
        let cipher = cbc::Encryptor::<Aes256>::new(&self.key.into(), &start.into());
        let mut out = start.to_vec();
        out.extend(cipher.encrypt_padded_vec_mut::<Pkcs7>(bytes));
        out
    }
}

/// What checks a password, and the document's key encrypted with it (Algorithms 8 and 9).
fn keys(password: &[u8], user_check: &[u8], key: &[u8; 32]) -> ([u8; 48], Vec<u8>) {
    let (check_salt, key_salt) = (random::<8>(), random::<8>());
    let mut check = [0; 48];
    check[..32].copy_from_slice(&hash(password, &check_salt, user_check));
    check[32..40].copy_from_slice(&check_salt);
    check[40..].copy_from_slice(&key_salt);
    let with = hash(password, &key_salt, user_check);
    let cipher = cbc::Encryptor::<Aes256>::new(&with.into(), &[0; 16].into());
    (check, cipher.encrypt_padded_vec_mut::<NoPadding>(key))
}

/// The hash of a password that is slow to guess by (Algorithm 2.B).
fn hash(password: &[u8], salt: &[u8], user_check: &[u8]) -> [u8; 32] {
    const ROUNDS_MIN: u32 = 64;
    const REPEATS: usize = 64;
    let first = Sha256::new().chain_update(password).chain_update(salt).chain_update(user_check);
    let mut key = first.finalize().to_vec();
    let mut round = 0;
    loop {
        let once = [password, key.as_slice(), user_check].concat();
        let mut text = once.repeat(REPEATS);
        let (mut with, mut start) = ([0; 16], [0; 16]);
        with.copy_from_slice(&key[..16]);
        start.copy_from_slice(&key[16..32]);
        let cipher = cbc::Encryptor::<Aes128>::new(&with.into(), &start.into());
        let length = text.len();
        // Sixty-four times anything is whole blocks.
        if cipher.encrypt_padded_mut::<NoPadding>(&mut text, length).is_err() {
            debug_assert!(false, "whole blocks");
        }
        let remainder: u32 = text[..16].iter().map(|byte| u32::from(*byte)).sum::<u32>() % 3;
        key = match remainder {
            0 => Sha256::digest(&text).to_vec(),
            1 => Sha384::digest(&text).to_vec(),
            _ => Sha512::digest(&text).to_vec(),
        };
        round += 1;
        let last = text.last().copied().unwrap_or_default();
        if round >= ROUNDS_MIN && u32::from(last) + 32 <= round {
            break;
        }
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(&key[..32]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_password_or_the_key_is_seen() {
        let lock = Lock::new(&Password::new("correct horse").unwrap()).unwrap();
        let again = Lock::new(&Password::new("correct horse").unwrap()).unwrap();
        assert_ne!(lock.dictionary(), again.dictionary());
        assert!(!lock.dictionary().contains(&hex(&lock.key)[1..65]));
        let sealed = lock.encrypt(b"sixteen bytes---");
        assert_eq!(sealed.len(), 16 + 32);
        assert_ne!(sealed, lock.encrypt(b"sixteen bytes---"));
    }

    #[test]
    fn a_password_that_cannot_be_prepared_is_refused() {
        let error = Lock::new(&Password::new("a\u{7}b").unwrap()).err().unwrap();
        assert!(matches!(error, Error::Option { option: "password", .. }));
        // Longer than counts.
        Lock::new(&Password::new("ü".repeat(200)).unwrap()).unwrap();
    }
}
