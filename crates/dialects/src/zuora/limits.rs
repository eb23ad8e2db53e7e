//! How often one may ask, and how many requests may be in hand.
//!
//! Zuora tells a client about both with every answer: `ratelimit-limit`, `-remaining` and `-reset`
//! for the requests of a minute, an hour and a day, `Concurrency-Limit-*` for those in hand
//! (Zuora documentation, "Rate limits" and "Concurrent request limits"). Its windows are fixed
//! spans of time that begin with a first request, which is what `N;w=60` and a single reset say,
//! so they are counted like that here. The counts live in memory: a restart forgives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// Failed sign-ins of one public id in a minute; further ones are not even checked.
pub const FAILURES_PER_MINUTE: u64 = 20;
/// Whose requests are counted apart; past it the rest share one count.
const COUNTED_MAX: usize = 10_000;

/// A span of time and how many requests fit into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its length in seconds.
    pub secs: u32,
    /// The most requests.
    pub most: u64,
}

/// Requests counted by who makes them.
pub struct Windows {
    windows: Vec<Window>,
    counts: Mutex<HashMap<String, Vec<Count>>>,
}

#[derive(Clone, Copy)]
struct Count {
    began: DateTime<Utc>,
    used: u64,
}

/// Where somebody stands, for the headers of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether the request may go on.
    pub allowed: bool,
    /// The value of `ratelimit-limit`: the limit of the window that is nearest to its end, then
    /// all windows.
    pub limit: String,
    /// Requests left in that window.
    pub remaining: u64,
    /// Seconds until that window begins anew.
    pub reset: u64,
}

impl Windows {
    /// Counts against these windows; none: nothing is limited.
    pub fn new(windows: Vec<Window>) -> Self {
        Self { windows, counts: Mutex::default() }
    }

    /// Counts a request and says where `who` stands after it; `None` where nothing is limited.
    /// A refused request is not counted.
    pub fn take(&self, who: &str, now: DateTime<Utc>) -> Option<Standing> {
        if self.windows.is_empty() {
            return None;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let who = self.place_for(&mut counts, who, now);
        let fresh = vec![Count { began: now, used: 0 }; self.windows.len()];
        let own = counts.entry(who.to_owned()).or_insert(fresh);
        for (window, count) in self.windows.iter().zip(own.iter_mut()) {
            if left(window, count, now) == 0 {
                *count = Count { began: now, used: 0 };
            }
        }
        let allowed = self.windows.iter().zip(own.iter()).all(|(w, c)| c.used < w.most);
        if allowed {
            own.iter_mut().for_each(|count| count.used += 1);
        }
        // The window that will stop the client first; of a full one, that which lasts longest.
        let nearest = self.windows.iter().zip(own.iter()).min_by_key(|(window, count)| {
            (window.most - count.used, std::cmp::Reverse(left(window, count, now)))
        });
        let (window, count) = nearest?;
        Some(Standing {
            allowed,
            limit: self.header(window.most),
            remaining: window.most - count.used,
            reset: left(window, count, now),
        })
    }

    /// Takes back what was counted for `who` at `taken_at`, unless its window is over.
    pub fn give_back(&self, who: &str, taken_at: DateTime<Utc>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let who = if counts.contains_key(who) { who } else { "" };
        for count in counts.get_mut(who).into_iter().flatten() {
            if count.began <= taken_at {
                count.used = count.used.saturating_sub(1);
            }
        }
    }

    fn header(&self, nearest: u64) -> String {
        let mut text = nearest.to_string();
        for window in &self.windows {
            text.push_str(&format!(", {};w={}", window.most, window.secs));
        }
        text
    }

    /// Whose count it is: the asker's own, or the common one when there are too many.
    fn place_for<'a>(
        &self,
        counts: &mut HashMap<String, Vec<Count>>,
        who: &'a str,
        now: DateTime<Utc>,
    ) -> &'a str {
        if counts.len() >= COUNTED_MAX && !counts.contains_key(who) {
            let over = |all: &Vec<Count>| {
                self.windows.iter().zip(all).all(|(window, count)| left(window, count, now) == 0)
            };
            counts.retain(|_, all| !over(all));
            if counts.len() >= COUNTED_MAX {
                return "";
            }
        }
        who
    }
}

/// Seconds until a window ends, at least one; 0 when it has. A clock that went back ends it.
fn left(window: &Window, count: &Count, now: DateTime<Utc>) -> u64 {
    let passed = (now - count.began).num_seconds();
    u64::try_from(passed).map_or(0, |passed| u64::from(window.secs).saturating_sub(passed))
}

/// Requests in hand, by tenant.
#[derive(Clone)]
pub struct Concurrency {
    most: u32,
    in_hand: Arc<Mutex<HashMap<String, u32>>>,
}

/// A request in hand; it ends when this is dropped.
pub struct Place {
    concurrency: Concurrency,
    who: String,
}

impl Concurrency {
    /// At most so many at once.
    pub fn new(most: u32) -> Self {
        Self { most, in_hand: Arc::default() }
    }

    /// A place for one more request; `None` when all are taken.
    pub fn enter(&self, who: &str) -> Option<Place> {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let count = in_hand.entry(who.to_owned()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { concurrency: self.clone(), who: who.to_owned() })
    }

    /// The most at once.
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Places that are free.
    pub fn remaining(&self, who: &str) -> u32 {
        let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        self.most - in_hand.get(who).copied().unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut in_hand = self.concurrency.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_hand.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                in_hand.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use outhaul_exports::testing::noon;

    use super::*;

    #[test]
    fn windows_fill_and_begin_anew() {
        let windows =
            Windows::new(vec![Window { secs: 60, most: 2 }, Window { secs: 3_600, most: 3 }]);
        let now = noon();
        let at = |secs| {
            let standing = windows.take("a", now + TimeDelta::seconds(secs)).expect("limited");
            (standing.allowed, standing.remaining, standing.reset)
        };
        assert_eq!(at(0), (true, 1, 60));
        assert_eq!(at(10), (true, 0, 50));
        assert_eq!(at(59), (false, 0, 1));
        assert_eq!(at(60), (true, 0, 3_540));
        assert_eq!(at(3_599), (false, 0, 1));
        // The minute began with the refused request before.
        assert_eq!(at(3_600), (true, 1, 59));
        let other = windows.take("b", now).expect("limited");
        assert_eq!((other.allowed, other.limit.as_str()), (true, "2, 2;w=60, 3;w=3600"));
        assert_eq!(Windows::new(vec![]).take("a", now), None);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_strangers_are_bounded() {
        let windows = Windows::new(vec![Window { secs: 60, most: 5 }]);
        for who in 0..COUNTED_MAX + 50 {
            windows.take(&who.to_string(), noon());
        }
        assert!(windows.counts.lock().is_ok_and(|counts| counts.len() <= COUNTED_MAX + 1));
        windows.give_back("0", noon());
        assert_eq!(windows.take("0", noon()).map(|s| s.remaining), Some(4));
        windows.give_back("0", noon() - TimeDelta::seconds(1));
        assert_eq!(windows.take("0", noon()).map(|s| s.remaining), Some(3));
        let later = noon() + TimeDelta::seconds(60);
        assert_eq!(windows.take("new", later).map(|s| s.remaining), Some(4));
    }

    #[test]
    fn a_place_ends_when_it_is_dropped() {
        let concurrency = Concurrency::new(2);
        let first = concurrency.enter("a");
        let second = concurrency.enter("a");
        assert!(first.is_some() && second.is_some() && concurrency.enter("a").is_none());
        assert_eq!((concurrency.remaining("a"), concurrency.remaining("b")), (0, 2));
        drop(first);
        assert_eq!(concurrency.remaining("a"), 1);
        drop(second);
        assert!(concurrency.in_hand.lock().is_ok_and(|in_hand| in_hand.is_empty()));
    }
}
