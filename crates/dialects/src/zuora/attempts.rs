//! Attempts to sign in with a public id and a secret, counted so that secrets cannot be tried out.
//!
//! An attempt is counted when it begins, and the count is given back when the secret was right or
//! could not be looked at; one that nobody waited for stays counted. So a burst of guesses gets as
//! many of them checked as a slow row of guesses does. Attempts in hand that would pass the number
//! together are not refused but wait for each other: a client that sends many requests at once
//! with the right secret must not be taken for one who guesses.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use outhaul_exports::access::sha256_hex;
use outhaul_exports::{ErrorKind, Exports};
use tokio::sync::Notify;

use super::errors::{Refusal, Trouble};
use super::limits::{FAILURES_PER_MINUTE, Window, Windows};

/// Bytes of an id or secret; a longer one is none of ours.
const SECRET_BYTES_MAX: usize = 1_024;

/// The counts, for each id, known or not.
pub struct Attempts {
    counts: Windows,
    in_hand: Mutex<HashMap<String, u32>>,
    ended: Notify,
}

/// One attempt in hand.
pub struct Attempt<'a> {
    all: &'a Attempts,
    id: String,
    began: DateTime<Utc>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            counts: Windows::new(vec![Window { secs: 60, most: FAILURES_PER_MINUTE }]),
            in_hand: Mutex::default(),
            ended: Notify::new(),
        }
    }
}

impl Attempts {
    /// Begins an attempt, when there is room for it.
    ///
    /// # Errors
    /// `TooManyRequests` past the number, and the secret must not even be looked at then;
    /// `Unauthenticated` for an overlong id or secret.
    pub async fn begin(
        &self,
        exports: &Exports,
        public: &str,
        secret: &str,
    ) -> Result<Attempt<'_>, Refusal> {
        if public.len().max(secret.len()) > SECRET_BYTES_MAX {
            return Err(Refusal::unauthenticated());
        }
        // Ids are not kept: they may be secrets that were put into the wrong field.
        let id = sha256_hex(public);
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // Heard from here on, so that no end between the look and the wait is missed.
            ended.as_mut().enable();
            match self.try_begin(&id, exports.now()) {
                Ok(attempt) => return Ok(attempt),
                Err(Full::Waiting) => ended.await,
                Err(Full::Over { reset_secs }) => {
                    let text = "Too many failed sign-ins with this id; try again later";
                    return Err(
                        Refusal::new(Trouble::TooManyRequests, text).retry_after(reset_secs)
                    );
                }
            }
        }
    }

    fn try_begin(&self, id: &str, now: DateTime<Utc>) -> Result<Attempt<'_>, Full> {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        match self.counts.take(id, now) {
            Some(standing) if !standing.allowed => match in_hand.contains_key(id) {
                true => Err(Full::Waiting),
                false => Err(Full::Over { reset_secs: standing.reset }),
            },
            _ => {
                *in_hand.entry(id.to_owned()).or_default() += 1;
                Ok(Attempt { all: self, id: id.to_owned(), began: now })
            }
        }
    }
}

/// Why an attempt does not begin.
enum Full {
    /// Others are in hand that may turn out to be no failures.
    Waiting,
    /// The number of failures is reached.
    Over { reset_secs: u64 },
}

impl Attempt<'_> {
    /// Ends it. A failure stays counted, unless it says nothing about the secret.
    pub fn end(self, failure: Option<&ErrorKind>) {
        if failure != Some(&ErrorKind::Unauthenticated) {
            self.all.counts.give_back(&self.id, self.began);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut in_hand = self.all.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_hand.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                in_hand.remove(&self.id);
            }
        }
        drop(in_hand);
        self.all.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use outhaul_exports::testing::{self, World};

    use super::*;

    fn world() -> World {
        World::new("native", testing::sample::policy(), vec![testing::tenant("acme")])
    }

    /// As many attempts at once, each of which is in hand until the others have begun, and ends
    /// like this. How many were let in to be checked.
    async fn burst(attempts: &Attempts, world: &World, count: u64, end: Option<ErrorKind>) -> u64 {
        let one = async || {
            let Ok(attempt) = attempts.begin(&world.exports, "joe", "guess").await else {
                return 0;
            };
            tokio::task::yield_now().await;
            attempt.end(end.as_ref());
            1
        };
        join_all((0..count).map(|_| one())).await.iter().sum()
    }

    #[tokio::test]
    async fn a_burst_of_guesses_is_checked_no_more_than_a_row() {
        let (attempts, world) = (Attempts::default(), world());
        let wrong = Some(ErrorKind::Unauthenticated);
        assert_eq!(burst(&attempts, &world, 5_000, wrong.clone()).await, FAILURES_PER_MINUTE);
        assert_eq!(burst(&attempts, &world, 1, None).await, 0);
        assert!(attempts.begin(&world.exports, "jane", "secret").await.is_ok(), "another id");
        world.clock.advance(chrono::TimeDelta::seconds(60));
        assert_eq!(burst(&attempts, &world, 30, wrong).await, FAILURES_PER_MINUTE);
    }

    #[tokio::test]
    async fn a_burst_with_the_right_secret_waits_and_passes() {
        let (attempts, world) = (Attempts::default(), world());
        assert_eq!(burst(&attempts, &world, 500, None).await, 500);
        assert_eq!(burst(&attempts, &world, 500, Some(ErrorKind::Unavailable)).await, 500);
        assert!(attempts.in_hand.lock().is_ok_and(|in_hand| in_hand.is_empty()));
    }

    #[tokio::test]
    async fn who_hangs_up_stays_counted() {
        let (attempts, world) = (Attempts::default(), world());
        for _ in 0..FAILURES_PER_MINUTE {
            drop(attempts.begin(&world.exports, "joe", "guess").await);
        }
        assert_eq!(burst(&attempts, &world, 1, None).await, 0);
    }
}
