//! Who works on what.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::Memory;
use crate::export::{Export, Outcome, Progress, State};
use crate::lease::{Incarnation, LeaseKey};
use crate::ports::{Beat, LeaseAsk};
use crate::{Result, event};

impl Memory {
    pub(super) fn lease(&mut self, ask: &LeaseAsk) -> Vec<Export> {
        let mut leased = Vec::new();
        for _ in 0..ask.most {
            let Some(place) = self.pick(ask.now) else { break };
            let mut export = self.exports[place].clone();
            if export.start(&ask.holder, ask.now, ask.ttl).is_err() {
                break;
            }
            self.turn += 1;
            self.turns.insert(export.tenant.clone(), self.turn);
            self.put(place, export.clone(), event::STARTED, ask.now);
            leased.push(export);
        }
        leased
    }

    /// Of each tenant and dialect the oldest export that is due and whose session is idle, if its
    /// policy lets one more run; of these the one whose tenant was served longest ago.
    fn pick(&self, now: DateTime<Utc>) -> Option<usize> {
        let mut heads = HashMap::new();
        for (place, export) in self.exports.iter().enumerate() {
            let due = export.not_before.is_none_or(|at| at <= now);
            if export.state == State::Queued && due && !self.session_is_busy(export) {
                heads.entry((&export.tenant, &export.dialect)).or_insert(place);
            }
        }
        let turn = |place: usize| self.turns.get(&self.exports[place].tenant).copied().unwrap_or(0);
        let heads = heads.into_values().filter(|&place| self.may_run(&self.exports[place]));
        heads.min_by_key(|&place| (turn(place), place))
    }

    fn may_run(&self, export: &Export) -> bool {
        let running = || self.count_lane(export, |e| e.state == State::Running);
        export.policy.running_max.is_none_or(|most| running() < most)
    }

    /// Whether another export of the same session runs.
    fn session_is_busy(&self, export: &Export) -> bool {
        let Some(session) = &export.spec.session else { return false };
        let same = |e: &Export| {
            e.state == State::Running
                && e.spec.session.as_ref().is_some_and(|other| other.name == session.name)
        };
        self.count_lane(export, same) > 0
    }

    fn held(&self, key: &LeaseKey) -> Option<usize> {
        let held = |e: &Export| e.id == key.export && e.is_held_by(&key.token);
        self.exports.iter().position(held)
    }

    pub(super) fn heartbeat(
        &mut self,
        key: &LeaseKey,
        until: DateTime<Utc>,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Beat {
        let Some(place) = self.held(key) else { return Beat::Lost };
        let export = &mut self.exports[place];
        if let Some(lease) = &mut export.lease {
            lease.until = until;
        }
        export.progress = progress.clone();
        export.updated_at = now;
        self.changed = true;
        if export.cancel_requested { Beat::Cancel } else { Beat::Continue }
    }

    pub(super) fn finish(
        &mut self,
        key: &LeaseKey,
        outcome: Outcome,
        now: DateTime<Utc>,
    ) -> Result<Option<Export>> {
        let Some(place) = self.held(key) else {
            let Outcome::Completed { manifest, .. } = &outcome else { return Ok(None) };
            let published =
                |e: &&Export| e.id == key.export && e.manifest.as_ref() == Some(manifest);
            return Ok(self.exports.iter().find(published).cloned());
        };
        let mut export = self.exports[place].clone();
        export.finish(outcome.clone(), now);
        self.complete_session(&mut export, now)?;
        self.put(place, export.clone(), event::of_finish(&outcome, export.state), now);
        Ok(Some(export))
    }

    pub(super) fn rescue(&mut self, now: DateTime<Utc>, dead: &[Incarnation]) -> u64 {
        let mut rescued = 0;
        for place in 0..self.exports.len() {
            let mut export = self.exports[place].clone();
            let Some(lease) = export.lease.as_ref().filter(|_| export.state == State::Running)
            else {
                continue;
            };
            if lease.is_over(now) || dead.contains(&lease.holder) {
                export.rescue(now);
                self.put(place, export.clone(), event::of_rescue(export.state), now);
                rescued += 1;
            }
        }
        rescued
    }
}
