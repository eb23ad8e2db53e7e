//! Ids of instances: 24 hexadecimal digits (Medable documentation, "Handling responses").
//!
//! As the vendor's, they begin with the time in seconds, and sort by it; ours say the milliseconds
//! too, so that an export's own id can be told from the one on the wire without looking it up.

use std::fmt;

use chrono::{DateTime, Utc};
use outhaul_exports::ExportId;
use outhaul_exports::principal::TenantId;
use sha2::{Digest, Sha256};

/// Bits behind the milliseconds, which are random.
const RANDOM_BITS: u32 = 54;

/// An id on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    seconds: u32,
    rest: u64,
}

impl ObjectId {
    /// A new one.
    pub fn draw(now: DateTime<Utc>) -> Self {
        // The seconds of 2106 begin anew; nothing but the order of ids would mind.
        let seconds = now.timestamp().cast_unsigned() & u64::from(u32::MAX);
        let random = u64::from_str_radix(&outhaul_exports::id::secret(8), 16).unwrap_or_default();
        let millis = u64::from(now.timestamp_subsec_millis().min(999));
        Self {
            seconds: u32::try_from(seconds).unwrap_or_default(),
            rest: (millis << RANDOM_BITS) | (random >> (64 - RANDOM_BITS)),
        }
    }

    /// The same for the same words: what is no export has one too.
    pub fn named(kind: &str, text: &str) -> Self {
        let digest = Sha256::digest(format!("{kind}\n{text}"));
        let number =
            |bytes: &[u8]| bytes.iter().fold(0, |n: u64, byte| (n << 8) | u64::from(*byte));
        let seconds = u32::try_from(number(&digest[..4])).unwrap_or_default();
        Self { seconds, rest: number(&digest[4..12]) }
    }

    /// Reads one; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 24 || !text.bytes().all(plain) {
            return None;
        }
        let seconds = u32::from_str_radix(&text[..8], 16).ok()?;
        Some(Self { seconds, rest: u64::from_str_radix(&text[8..], 16).ok()? })
    }

    /// The export of that id.
    pub fn export(self, tenant: &TenantId) -> ExportId {
        let millis = u64::from(self.seconds) * 1_000 + (self.rest >> RANDOM_BITS);
        ExportId::derived(millis, &format!("{tenant}\n{self}"))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:016x}", self.seconds, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use outhaul_exports::testing::noon;

    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let mut last: Option<(ObjectId, ExportId)> = None;
        for millis in [0, 1, 999, 1_000, 86_400_000] {
            let id = ObjectId::draw(noon() + TimeDelta::milliseconds(millis));
            let export = id.export(&"acme".into());
            assert_eq!(ObjectId::parse(&id.to_string()), Some(id));
            assert_ne!(export, id.export(&"globex".into()));
            assert!(last.is_none_or(|last| last.0 < id && last.1 < export), "{id}");
            assert!(last.is_none_or(|last| last.0.to_string() < id.to_string()));
            last = Some((id, export));
        }
        for bad in ["", "0", "0123456789ABCDEF01234567", &"0".repeat(23), &"0".repeat(25)] {
            assert_eq!(ObjectId::parse(bad), None, "{bad}");
        }
    }
}
