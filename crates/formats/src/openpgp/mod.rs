//! Whole files encrypted to a customer's OpenPGP key, as the last step behind the packing:
//!
//! ```text
//! gpg --output items.csv.gz --decrypt items.csv.gz.pgp
//! ```
//!
//! A file is one binary message: the key's packet, then a version 1 container (AES-256, with the
//! code that detects every change) around the literal data. Nothing is compressed in it, because the
//! packing has done that, and nothing is signed. A message that was not made to its end has neither
//! an end nor that code, and does not open. Single values are encrypted in `seal`.

mod key;
mod stream;

pub use key::PublicKey;
pub(crate) use key::is_block;
pub(crate) use stream::Encrypted;

/// Media type of an encrypted file.
pub const MEDIA_TYPE: &str = "application/pgp-encrypted";

/// File name of the encrypted file whose content has this name. Programs that decrypt take the
/// ending away to find the content's.
pub fn file_name(content: &str) -> String {
    format!("{content}.pgp")
}

#[cfg(test)]
pub(crate) mod tests;
