//! A store that remembers in memory: what the conformance suite compares a real store with, and
//! what the tests of other rooms stand on. One mutex, plain loops, nothing clever.
//!
//! It keeps every promise of the ports but one: it forgets everything when it is dropped.

mod access;
mod jobs;
mod leases;
mod outbox;
mod sessions;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::access::{AccessToken, Credential, Link, LinkKey};
use crate::export::{Export, State};
use crate::notice::Message;
use crate::ports::Event;
use crate::principal::TenantId;
use crate::session::Session;
use crate::{Error, ExportId, Result};

/// Remembers exports, credentials, tokens and links in memory.
#[derive(Debug)]
pub struct MemoryStore {
    memory: Mutex<Memory>,
    changes: watch::Sender<u64>,
    exports_away: AtomicBool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let (memory, exports_away) = (Mutex::default(), AtomicBool::new(false));
        Self { memory, changes: watch::Sender::new(0), exports_away }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every call about exports is answered `Unavailable`, or no longer. Credentials,
    /// tokens and links stay in reach.
    pub fn set_exports_away(&self, away: bool) {
        self.exports_away.store(away, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exports, unless they are away.
    fn reach(&self) -> Result<MutexGuard<'_, Memory>> {
        if self.exports_away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the store is away"));
        }
        Ok(self.lock())
    }

    /// Runs `work` alone, and tells who waits for changes when it wrote an event or said so.
    fn write<T>(&self, work: impl FnOnce(&mut Memory) -> Result<T>) -> Result<T> {
        let mut memory = self.reach()?;
        memory.changed = false;
        let done = work(&mut memory);
        let changed = memory.changed;
        drop(memory);
        if changed {
            self.changes.send_modify(|n| *n += 1);
        }
        done
    }
}

#[derive(Debug, Default)]
struct Memory {
    /// In the order of their insertion.
    exports: Vec<Export>,
    keys: HashMap<(TenantId, String, String), KeyRow>,
    /// When each tenant was served last, as a count of servings.
    turns: HashMap<TenantId, u64>,
    turn: u64,
    events: Vec<EventRow>,
    /// In the order in which they were made.
    messages: Vec<Message>,
    sequence: u64,
    credentials: Vec<Credential>,
    tokens: Vec<AccessToken>,
    links: Vec<Link>,
    sessions: Vec<Session>,
    link_key: Option<LinkKey>,
    changed: bool,
}

#[derive(Debug)]
struct KeyRow {
    export: ExportId,
    fingerprint: String,
    expires_at: DateTime<Utc>,
}

#[derive(Debug)]
struct EventRow {
    tenant: TenantId,
    /// When it may be forgotten, once its export is.
    forget_at: DateTime<Utc>,
    event: Event,
}

impl Memory {
    fn find(&self, tenant: &TenantId, id: ExportId) -> Option<usize> {
        self.exports.iter().position(|export| export.id == id && export.tenant == *tenant)
    }

    /// Refuses an export that becomes active while its policy's places are taken.
    fn admit(&self, export: &Export) -> Result<()> {
        let place = export.policy.place(export.spec.session.is_some());
        let shares = |e: &Export| place.of.is_none_or(|of| of == e.spec.session.is_some());
        place.admit(self.count_lane(export, |e| e.state.is_active() && shares(e)))
    }

    /// How many exports of the lane (tenant and dialect) of `like` are such.
    fn count_lane(&self, like: &Export, such: impl Fn(&Export) -> bool) -> u32 {
        let lane = |e: &&Export| e.tenant == like.tenant && e.dialect == like.dialect;
        let count = self.exports.iter().filter(lane).filter(|e| such(e)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn note(&mut self, export: &Export, kind: &str, state: State, at: DateTime<Utc>) {
        self.changed = true;
        self.sequence += 1;
        let event =
            Event { sequence: self.sequence, at, export: export.id, state, kind: kind.to_owned() };
        let (tenant, forget_at) = (export.tenant.clone(), export.record_expires_at);
        self.events.push(EventRow { tenant, forget_at, event });
    }

    /// Stores the export at its place, with the event of its transition and the messages that tell
    /// of it.
    fn put(&mut self, place: usize, export: Export, kind: &str, at: DateTime<Utc>) {
        self.note(&export, kind, export.state, at);
        self.tell(self.exports[place].state, &export, at);
        self.exports[place] = export;
    }
}
