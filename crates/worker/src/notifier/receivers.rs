//! How the receivers of callbacks are, so that one that hangs does not hold all places of the lane.
//!
//! A host that did not answer, or only after seconds, is visited by one message at a time for a
//! while; other messages to it are put off at once, as if they had found nobody in. A host that
//! answers in time is visited by as many as there are places. What is known here is forgotten with
//! the process: it costs a few seconds to learn it again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An answer that took longer than this was slow.
const SLOW: Duration = Duration::from_secs(3);
/// How long a host counts as unwell after it was found so.
const UNWELL: Duration = Duration::from_secs(60);
/// Hosts that are remembered; past that those are forgotten that nobody visits.
const HOSTS_MAX: usize = 10_000;

/// What is known of hosts.
#[derive(Debug, Default)]
pub struct Receivers(Mutex<HashMap<String, Receiver>>);

#[derive(Debug, Default)]
struct Receiver {
    /// Messages that are there now.
    visits: usize,
    /// Until when it counts as unwell.
    unwell_until: Option<Instant>,
}

impl Receivers {
    /// Lets a message visit the host, or says that it has to be put off.
    pub(super) fn visit(&self, host: &str) -> Option<Visit<'_>> {
        self.visit_at(host, Instant::now())
    }

    fn visit_at(&self, host: &str, now: Instant) -> Option<Visit<'_>> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS_MAX {
            hosts.retain(|_, receiver| receiver.visits > 0);
        }
        let receiver = hosts.entry(host.to_owned()).or_default();
        let is_unwell = receiver.unwell_until.is_some_and(|until| now < until);
        if is_unwell && receiver.visits > 0 {
            return None;
        }
        receiver.visits += 1;
        Some(Visit { receivers: self, host: host.to_owned(), begun: now, is_over: false })
    }

    fn leave(&self, host: &str, is_well: bool, now: Instant) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(receiver) = hosts.get_mut(host) else { return };
        receiver.visits = receiver.visits.saturating_sub(1);
        receiver.unwell_until = (!is_well).then(|| now + UNWELL);
        if is_well && receiver.visits == 0 {
            hosts.remove(host);
        }
    }
}

/// A message at a host. Dropping it is leaving without an answer.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    receivers: &'a Receivers,
    host: String,
    begun: Instant,
    is_over: bool,
}

impl Visit<'_> {
    /// It is over.
    pub(super) fn end(self, has_answered: bool) {
        self.end_at(has_answered, Instant::now());
    }

    fn end_at(mut self, has_answered: bool, now: Instant) {
        let is_well = has_answered && now.duration_since(self.begun) < SLOW;
        self.receivers.leave(&self.host, is_well, now);
        self.is_over = true;
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.receivers.leave(&self.host, false, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_hangs_is_visited_by_one_at_a_time_until_it_answers() {
        let receivers = Receivers::default();
        let now = Instant::now();
        let visits: Vec<_> =
            (0..8).map(|_| receivers.visit_at("a", now).expect("it is well")).collect();
        for visit in visits {
            visit.end_at(false, now);
        }
        let probe = receivers.visit_at("a", now).expect("one at a time");
        assert!(receivers.visit_at("a", now).is_none());
        receivers.visit_at("b", now).expect("others are not concerned").end_at(true, now);
        probe.end_at(true, now + SLOW);
        let now = now + SLOW;
        let probe = receivers.visit_at("a", now).expect("it was slow");
        assert!(receivers.visit_at("a", now).is_none());
        probe.end_at(true, now);
        let first = receivers.visit_at("a", now).expect("it is well again");
        let second = receivers.visit_at("a", now).expect("for everybody");
        drop(first);
        assert!(receivers.visit_at("a", now).is_none(), "whoever was dropped had no answer");
        second.end_at(false, now);
        let later = now + UNWELL;
        let held = (receivers.visit_at("a", later), receivers.visit_at("a", later));
        assert!(held.0.is_some() && held.1.is_some(), "it may be well again");
    }
}
