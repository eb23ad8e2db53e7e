//! An OpenPGP public key to which something is encrypted: which part of it encrypts, whether it is
//! still good, and the messages that are made for it. Private keys never come here.

use std::io::Read;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use pgp::composed::{
    Deserializable as _, EncryptionSeipdV1, MessageBuilder, NoEncryption, SignedPublicKey,
    SignedPublicSubKey,
};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::KeyDetails as _;

use crate::error::{Error, Result};
use crate::seal::{is_age, public_text};

/// How the block of a public key begins.
const BLOCK: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// An OpenPGP public key that can encrypt.
#[derive(Debug, Clone)]
pub struct PublicKey(Arc<Key>);

#[derive(Debug)]
enum Key {
    Primary(SignedPublicKey),
    Sub(SignedPublicSubKey),
}

/// A message that is being made.
pub(super) type Builder<R> = MessageBuilder<'static, R, EncryptionSeipdV1>;

/// Whether the text is meant to be an OpenPGP public key.
pub(crate) fn is_block(text: &str) -> bool {
    text.starts_with(BLOCK)
}

impl PublicKey {
    /// Reads a public key block. `now` decides whether the key has expired. A message is made for it
    /// once, so that a key which is accepted is one that encrypts.
    ///
    /// # Errors
    /// `RecipientKey` says what the text is not, and what to register instead; an age recipient is
    /// refused too, because whole files are encrypted by OpenPGP only.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self> {
        let text = public_text(text)?;
        let refuse = |problem: &str| Err(Error::RecipientKey(problem.to_owned()));
        if is_age(text) {
            return refuse(
                "this is an age recipient, to which single values are encrypted but no whole \
                 files: register an OpenPGP public key block",
            );
        }
        if !is_block(text) {
            return refuse(
                "not an OpenPGP public key block: it begins with \
                 -----BEGIN PGP PUBLIC KEY BLOCK----- (`gpg --armor --export KEY`)",
            );
        }
        Self::of_block(text, now)
    }

    /// Reads a text that begins as a public key block.
    pub(crate) fn of_block(text: &str, now: DateTime<Utc>) -> Result<Self> {
        let key = Self(Arc::new(encrypting_key(text, now)?));
        key.encrypt(b"").map(|_| key)
    }

    /// A whole message with this value.
    pub(crate) fn encrypt(&self, value: &[u8]) -> Result<Vec<u8>> {
        let message = MessageBuilder::from_bytes("", value.to_vec());
        let message = self.seal(message)?;
        message.to_vec(rand_08::thread_rng()).map_err(|why| Error::RecipientKey(why.to_string()))
    }

    /// A message with what `content` gives until its end.
    pub(super) fn encrypt_stream<R: Read>(&self, content: R) -> Result<Builder<R>> {
        // RFC 9580, 5.9: the name and the time in a message are not protected, and stay empty.
        self.seal(MessageBuilder::from_reader("", content))
    }

    fn seal<R: Read>(
        &self,
        message: MessageBuilder<'static, R, NoEncryption>,
    ) -> Result<Builder<R>> {
        let mut random = rand_08::thread_rng();
        // Version 1 containers are what every OpenPGP program of the last twenty years reads.
        let mut message = message.seipd_v1(&mut random, SymmetricKeyAlgorithm::AES256);
        match &*self.0 {
            Key::Primary(key) => message.encrypt_to_key(&mut random, key),
            Key::Sub(key) => message.encrypt_to_key(&mut random, key),
        }
        .map_err(|why| Error::RecipientKey(format!("nothing can be encrypted to it ({why})")))?;
        Ok(message)
    }
}

/// The newest subkey for encryption that is bound, not revoked and not expired; else the primary
/// key, when it says that it encrypts.
fn encrypting_key(text: &str, now: DateTime<Utc>) -> Result<Key> {
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
        return Ok(Key::Sub(subkey.clone()));
    }
    let primary_fits = primary.algorithm().can_encrypt()
        && newest(self_signatures().filter(|signature| is_by(signature, &key)))
            .is_some_and(may_encrypt);
    if primary_fits {
        return Ok(Key::Primary(key));
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
