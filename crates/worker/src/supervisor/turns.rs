//! Who plans next: first come, first served, but no tenant has all planners at work, and only a few
//! of each may wait. A tenant with many slow previews keeps itself waiting and nobody else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use outhaul_exports::limits::PLANS_WAITING_MAX;
use outhaul_exports::principal::TenantId;
use outhaul_exports::{Error, Result};
use tokio::sync::watch;

/// Turns at a number of planners.
pub(super) struct Turns {
    line: watch::Sender<Line>,
    next: AtomicU64,
}

impl Turns {
    pub(super) fn new(planners: usize) -> Arc<Self> {
        let line = watch::Sender::new(Line::new(planners));
        Arc::new(Self { line, next: AtomicU64::new(0) })
    }

    /// Waits for a turn. It is over when the answer is dropped.
    ///
    /// # Errors
    /// `Unavailable`, at once, when too many of that tenant wait already.
    pub(super) async fn take(self: &Arc<Self>, tenant: &TenantId) -> Result<Turn> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut joined = false;
        self.line.send_modify(|line| joined = line.join(number, tenant));
        if !joined {
            let text =
                "too many queries of this tenant wait to be planned: try again in some seconds";
            return Err(Error::unavailable(text));
        }
        // From here on it leaves the line however this ends.
        let turn = Turn { turns: self.clone(), number };
        // The sender lives as long as the turn.
        let _ = self.line.subscribe().wait_for(|line| line.has_turn(number)).await;
        Ok(turn)
    }
}

/// A turn, or a place in the line.
pub(super) struct Turn {
    turns: Arc<Turns>,
    number: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.line.send_modify(|line| line.leave(self.number));
    }
}

/// Who is at work and who waits, by number.
#[derive(Debug)]
struct Line {
    planners: usize,
    at_work: Vec<(u64, TenantId)>,
    waiting: VecDeque<(u64, TenantId)>,
}

impl Line {
    fn new(planners: usize) -> Self {
        Self { planners, at_work: Vec::new(), waiting: VecDeque::new() }
    }

    /// The most that one tenant may have at work.
    fn share(&self) -> usize {
        self.planners.saturating_sub(1).max(1)
    }

    /// Takes a place; whether there was one.
    fn join(&mut self, number: u64, tenant: &TenantId) -> bool {
        self.waiting.push_back((number, tenant.clone()));
        self.go_on();
        let waiting = self.waiting.iter().filter(|(_, other)| other == tenant).count();
        if waiting > PLANS_WAITING_MAX {
            self.waiting.retain(|(other, _)| *other != number);
            return false;
        }
        true
    }

    fn has_turn(&self, number: u64) -> bool {
        self.at_work.iter().any(|(other, _)| *other == number)
    }

    fn leave(&mut self, number: u64) {
        self.at_work.retain(|(other, _)| *other != number);
        self.waiting.retain(|(other, _)| *other != number);
        self.go_on();
    }

    /// Gives the planners that are free to those who came first and may have one.
    fn go_on(&mut self) {
        while self.at_work.len() < self.planners {
            let busy = |tenant: &TenantId| self.at_work.iter().filter(|(_, t)| t == tenant).count();
            let next = self.waiting.iter().position(|(_, t)| busy(t) < self.share());
            let Some(next) = next.and_then(|place| self.waiting.remove(place)) else { return };
            self.at_work.push(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_work(line: &Line) -> Vec<u64> {
        line.at_work.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn one_tenant_leaves_a_planner_to_the_others() {
        let (acme, globex) = (TenantId::from("acme"), TenantId::from("globex"));
        let mut line = Line::new(3);
        for number in 0..5 {
            assert!(line.join(number, &acme));
        }
        assert_eq!(at_work(&line), [0, 1]);
        assert!(line.join(5, &globex));
        assert!(line.join(6, &globex));
        assert_eq!(at_work(&line), [0, 1, 5], "the last planner is for another tenant");
        // In the order in which they came, as far as the shares let them.
        line.leave(1);
        assert_eq!(at_work(&line), [0, 5, 2]);
        line.leave(5);
        assert_eq!(at_work(&line), [0, 2, 6]);
        // One that went away while it waited holds up nobody.
        line.leave(3);
        line.leave(0);
        assert_eq!(at_work(&line), [2, 6, 4]);
    }

    #[test]
    fn a_few_wait_and_a_single_planner_serves_all() {
        let acme = TenantId::from("acme");
        let mut line = Line::new(1);
        let places = 1 + u64::try_from(PLANS_WAITING_MAX).expect("a small number");
        for number in 0..places {
            assert!(line.join(number, &acme));
        }
        assert!(!line.join(places, &acme));
        assert!(line.join(places + 1, &TenantId::from("globex")), "others may wait still");
        for number in 0..places {
            assert_eq!(at_work(&line), [number]);
            line.leave(number);
        }
        assert_eq!(at_work(&line), [places + 1]);
    }
}
