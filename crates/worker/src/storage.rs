//! How much a tenant's stored files may take, and what is said when they would take more.

use outhaul_exports::export::Failure;
use serde::{Deserialize, Serialize};

/// The bound of a tenant's stored files in a dialect, and what they took when it was looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Bytes that may be stored.
    pub bytes_max: u64,
    /// Bytes that are.
    pub stored_bytes: u64,
}

impl Quota {
    /// What is said of an export whose files have so many bytes, if that is too many.
    pub(crate) fn refusal(self, bytes: u64) -> Option<Failure> {
        let Self { bytes_max, stored_bytes } = self;
        if stored_bytes.saturating_add(bytes) <= bytes_max {
            return None;
        }
        let text = format!(
            "the files of this export take {bytes} bytes or more, {stored_bytes} bytes are stored \
             already, and no more than {bytes_max} may be: delete exports that are not needed, or \
             ask for less"
        );
        Some(Failure::new("storage_full", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_exactly_is_let_in() {
        let quota = Quota { bytes_max: 100, stored_bytes: 60 };
        assert_eq!(quota.refusal(40), None);
        let failure = quota.refusal(41).expect("it is too much");
        assert_eq!(failure.code, "storage_full");
        for figure in ["41 bytes", "60 bytes", "100 may"] {
            assert!(failure.message.contains(figure), "{}", failure.message);
        }
        assert!(quota.refusal(u64::MAX).is_some());
    }
}
