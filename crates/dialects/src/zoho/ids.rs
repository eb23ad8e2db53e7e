//! Ids: decimal numbers that fit a signed 64-bit integer, as this vendor's SDKs keep them.
//!
//! Orgs, workspaces, views and columns have no numbers of their own: theirs are made of their names,
//! so that they stay the same over restarts and machines. A job's number is drawn, and its export's
//! id is made of it: whoever shows the number finds the export without a table of both.

use chrono::{DateTime, Utc};
use outhaul_exports::ExportId;
use outhaul_exports::access::sha256_hex;
use outhaul_exports::id::secret;
use outhaul_exports::principal::TenantId;

/// The year 2024: jobs' numbers count from here, in 41 bits of milliseconds.
const EPOCH_MILLIS: u64 = 1_704_067_200_000;
/// Bits below the milliseconds, drawn at random.
const RANDOM_BITS: u32 = 22;
/// Ids made of names have eighteen digits, like the vendor's own.
const NAMED: std::ops::Range<u64> = 100_000_000_000_000_000..1_000_000_000_000_000_000;

/// The id of a thing with that name. `kind` keeps things of one name apart.
pub fn named(kind: &str, name: &str) -> u64 {
    let hash = sha256_hex(&format!("{kind}\n{name}"));
    // Cannot fail because a hash begins with sixteen hexadecimal digits.
    let number = u64::from_str_radix(&hash[..16], 16).unwrap_or_default();
    NAMED.start + number % (NAMED.end - NAMED.start)
}

/// A job's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobNumber(u64);

impl JobNumber {
    /// A new one.
    pub fn draw(now: DateTime<Utc>) -> Self {
        let millis = now.timestamp_millis().max(0).cast_unsigned().saturating_sub(EPOCH_MILLIS);
        // Cannot fail because a secret is hexadecimal.
        let random = u64::from_str_radix(&secret(8), 16).unwrap_or_default() >> (64 - RANDOM_BITS);
        // 41 bits of milliseconds last until the year 2093.
        let most = (1 << (63 - RANDOM_BITS)) - 1;
        Self((millis.min(most) << RANDOM_BITS) | random)
    }

    /// Reads one: digits, at most nineteen, below 2^63.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse::<u64>().ok().filter(|_| digits)?;
        i64::try_from(number).ok().map(|_| Self(number))
    }

    /// The id of its export.
    pub fn export(self, tenant: &TenantId) -> ExportId {
        let millis = (self.0 >> RANDOM_BITS) + EPOCH_MILLIS;
        ExportId::derived(millis, &format!("zoho\n{tenant}\n{}", self.0))
    }
}

impl std::fmt::Display for JobNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use outhaul_exports::testing;

    use super::*;

    #[test]
    fn numbers_fit_and_lead_to_one_export() {
        let (acme, globex) = (TenantId::from("acme"), TenantId::from("globex"));
        let one = JobNumber::draw(testing::noon());
        let text = one.to_string();
        assert!(text.parse::<i64>().is_ok_and(|number| number > 0), "{text}");
        assert_eq!(JobNumber::parse(&text), Some(one));
        assert_eq!(one.export(&acme), one.export(&acme));
        assert_ne!(one.export(&acme), one.export(&globex));
        assert_ne!(one.export(&acme), JobNumber::draw(testing::noon()).export(&acme));
        // Exports sort by their creation.
        let later = JobNumber::draw(testing::noon() + chrono::TimeDelta::seconds(1));
        assert!(one < later && one.export(&acme) < later.export(&acme));
    }

    #[test]
    fn what_is_no_number_of_a_job_is_none() {
        for text in
            ["", "-1", "+1", "1e3", "12 ", "9223372036854775808", "00000000000000000001", "١"]
        {
            assert_eq!(JobNumber::parse(text), None, "{text}");
        }
        assert!(JobNumber::parse("9223372036854775807").is_some());
    }

    #[test]
    fn names_have_numbers_of_eighteen_digits() {
        assert_eq!(named("view", "acme\nAccount"), named("view", "acme\nAccount"));
        assert_ne!(named("view", "acme\nAccount"), named("column", "acme\nAccount"));
        for name in 0..1_000 {
            assert_eq!(named("view", &name.to_string()).to_string().len(), 18);
        }
    }
}
