//! Wrong passwords, counted so that none can be tried out: an account with too many is locked for the
//! rest of the minute, whoever asks. Where one was wrong already, an attempt counts from its beginning
//! until the password was right, so that a burst of guesses gets no more of them checked than a row.
//! The counts live in memory: a restart forgives.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use outhaul_exports::access::sha256_hex;

use super::error::{Fault, Kind};

/// Wrong passwords of one account in a minute.
const FAILURES_MAX: u32 = 20;
/// Seconds of the window.
const WINDOW_SECS: i64 = 60;
/// Accounts, known or not, that are counted apart; past it the rest share one count.
const COUNTED_MAX: usize = 10_000;
/// Attempts of one account in hand at once, which do not count as wrong until they are.
const IN_HAND_MAX: u32 = 64;

/// The counts.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<String, Count>>);

#[derive(Debug, Clone, Copy)]
struct Count {
    began: DateTime<Utc>,
    wrong: u32,
    in_hand: u32,
}

/// An attempt that was begun. One that is dropped before its end counts as wrong.
pub struct Attempt<'a> {
    all: &'a Attempts,
    key: String,
    right: bool,
}

impl Attempts {
    /// Begins an attempt for an account of an org.
    ///
    /// # Errors
    /// `AccountLocked` after too many wrong ones; the password must not be looked at then.
    pub fn begin(&self, org: &str, email: &str, now: DateTime<Utc>) -> Result<Attempt<'_>, Fault> {
        // What stands in the field may be a password: it is not kept.
        let mut key = sha256_hex(&format!("{org}\n{email}"));
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |count: &Count| (now - count.began).num_seconds() >= WINDOW_SECS;
        if counts.len() >= COUNTED_MAX && !counts.contains_key(&key) {
            counts.retain(|_, count| count.in_hand > 0 || !is_over(count));
            if counts.len() >= COUNTED_MAX {
                key = String::new();
            }
        }
        let fresh = Count { began: now, wrong: 0, in_hand: 0 };
        let count = counts.entry(key.clone()).or_insert(fresh);
        if is_over(count) {
            *count = Count { in_hand: count.in_hand, ..fresh };
        }
        let burst = count.wrong > 0 && count.wrong + count.in_hand >= FAILURES_MAX;
        if burst || count.in_hand >= IN_HAND_MAX {
            let left = WINDOW_SECS - (now - count.began).num_seconds();
            let reason = "Too many wrong passwords of this account: try again later";
            let wait = u64::try_from(left.max(1)).unwrap_or(1);
            return Err(Fault::new(Kind::AccountLocked, reason).retry_after(wait));
        }
        count.in_hand += 1;
        Ok(Attempt { all: self, key, right: false })
    }
}

impl Attempt<'_> {
    /// Ends it without counting it: the password was right, or could not be looked at.
    pub fn forgive(mut self) {
        self.right = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            count.in_hand = count.in_hand.saturating_sub(1);
            if !self.right {
                count.wrong += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use outhaul_exports::testing::noon;

    use super::*;

    #[test]
    fn wrong_passwords_lock_an_account_for_a_while() {
        let attempts = Attempts::default();
        let now = noon();
        for _ in 0..FAILURES_MAX {
            attempts.begin("acme", "jane", now).expect("it is not locked yet").forgive();
            drop(attempts.begin("acme", "jane", now).expect("it is not locked yet"));
        }
        let locked = attempts.begin("acme", "jane", now).err().expect("it is locked");
        assert_eq!(locked.kind(), Kind::AccountLocked);
        assert!(attempts.begin("globex", "jane", now).is_ok(), "another org's");
        assert!(attempts.begin("acme", "joe", now).is_ok(), "another one");
        let later = now + chrono::TimeDelta::seconds(WINDOW_SECS);
        assert!(attempts.begin("acme", "jane", later).is_ok());
    }

    #[test]
    fn a_burst_is_bounded() {
        let attempts = Attempts::default();
        let all: Vec<_> = (0..1_000).map(|_| attempts.begin("acme", "jane", noon())).collect();
        let begun = all.iter().filter(|attempt| attempt.is_ok()).count();
        assert_eq!(begun, IN_HAND_MAX as usize);
    }
}
