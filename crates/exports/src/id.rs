//! Identifiers: 128 bits, written as 32 lower-case hexadecimal characters.
//!
//! An export's id begins with its time of creation, so that ids sort in creation order; an
//! artifact's is random. An id is never a capability: whoever shows one must also be allowed to
//! see the thing. Secrets come from [`secret`].

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id! {
    /// Names an export.
    ExportId
}
id! {
    /// Names one finished file of an export.
    ArtifactId
}
id! {
    /// Tells a session from others of its name.
    SessionId
}
id! {
    /// Names one message of the outbox.
    MessageId
}

/// The text is not 32 lower-case hexadecimal characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 lower-case hexadecimal characters")]
pub struct NotAnId;

impl ExportId {
    /// A new id, created at `now` (milliseconds lead, 80 random bits follow).
    pub fn new(now: DateTime<Utc>) -> Self {
        let millis = now.timestamp_millis().max(0).cast_unsigned();
        Self((u128::from(millis) << 80) | (rand::random::<u128>() >> 48))
    }
}

impl ExportId {
    /// The id of an export whose dialect names it in another way: the same for the same moment
    /// (milliseconds since 1970) and text.
    pub fn derived(millis: u64, text: &str) -> Self {
        let digest = Sha256::digest(text);
        let tail = digest.iter().take(10).fold(0, |tail, byte| (tail << 8) | u128::from(*byte));
        Self((u128::from(millis & ((1 << 48) - 1)) << 80) | tail)
    }
}

impl ArtifactId {
    /// A new random id.
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl SessionId {
    /// A new random id.
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl MessageId {
    /// A new random id.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The id of what is sent in the course of this message, by its number: the same in each
    /// attempt.
    pub fn part(self, number: u32) -> Self {
        let digest = Sha256::digest(format!("{self} {number}"));
        Self(digest.iter().take(16).fold(0, |id, byte| (id << 8) | u128::from(*byte)))
    }
}

fn parse(text: &str) -> Result<u128, NotAnId> {
    let plain = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !plain {
        return Err(NotAnId);
    }
    u128::from_str_radix(text, 16).map_err(|_| NotAnId)
}

/// A new secret of `bytes` random bytes, in hexadecimal.
pub fn secret(bytes: usize) -> String {
    let mut raw = vec![0u8; bytes];
    rand::fill(&mut raw[..]);
    hex::encode(raw)
}

/// A random UUID in its hyphenated form (36 characters), for credentials' public halves.
pub fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let at = |ms| DateTime::from_timestamp_millis(ms).expect("a valid time");
        let (a, b) = (ExportId::new(at(1_000)), ExportId::new(at(2_000)));
        assert!(a < b && a.to_string() < b.to_string());
        assert_eq!(a.to_string().parse(), Ok(a));
        assert_eq!(a.to_string().len(), 32);
    }

    #[test]
    fn only_the_one_form_is_an_id() {
        let good = "0123456789abcdef0123456789abcdef";
        assert!(good.parse::<ExportId>().is_ok());
        for bad in [
            "",
            "0123",
            "0123456789ABCDEF0123456789abcdef",
            &format!("{good}0"),
            "+123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(bad.parse::<ExportId>(), Err(NotAnId), "{bad}");
        }
    }
}
