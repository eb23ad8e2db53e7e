//! A bench of warm slots: so many seats, each with a process that waits for work. A process that
//! dies, or has done enough, is replaced in the background; only what is ready can be taken.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outhaul_exports::{Error, Result};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::SlotSettings;
use super::process::Slot;
use super::spawn::Spawner;
use super::spill::SpillRoot;

/// The first pause after a slot did not start; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Seats with warm slots.
pub(crate) struct Bench {
    name: &'static str,
    seats: usize,
    waiting: Mutex<VecDeque<(usize, Slot)>>,
    /// How many wait, and why the last slot did not start.
    state: watch::Sender<State>,
    settings: Arc<SlotSettings>,
    spawner: Spawner,
    spill: Arc<SpillRoot>,
    closing: CancellationToken,
}

#[derive(Debug, Clone, Default)]
struct State {
    ready: usize,
    started: usize,
    failure: Option<String>,
}

impl Bench {
    /// A bench whose seats are being filled.
    pub(super) fn fill(
        name: &'static str,
        seats: usize,
        settings: &Arc<SlotSettings>,
        spawner: &Spawner,
        spill: &Arc<SpillRoot>,
    ) -> Arc<Self> {
        let bench = Arc::new(Self {
            name,
            seats,
            waiting: Mutex::default(),
            state: watch::Sender::default(),
            settings: settings.clone(),
            spawner: spawner.clone(),
            spill: spill.clone(),
            closing: CancellationToken::new(),
        });
        for seat in 0..seats {
            bench.warm(seat);
        }
        bench
    }

    /// Slots that wait.
    pub(crate) fn ready(&self) -> usize {
        self.state.borrow().ready
    }

    /// Changes when a slot begins to wait.
    pub(crate) async fn changed_to_ready(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as the bench.
        let _ = state.wait_for(|state| state.ready > 0).await;
    }

    pub(super) async fn all_ready(&self) -> Result<()> {
        let mut state = self.state.subscribe();
        let seats = self.seats;
        let settled = |state: &State| state.started >= seats || state.failure.is_some();
        let Ok(state) = state.wait_for(settled).await else { return Ok(()) };
        match &state.failure {
            Some(why) => Err(Error::unavailable("slots cannot be started").with_internal(why)),
            None => Ok(()),
        }
    }

    /// A slot that waits, if there is one.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Held> {
        loop {
            let (seat, mut slot) = self.lock().pop_front()?;
            self.count();
            if slot.is_alive() {
                return Some(Held { bench: self.clone(), seat, slot: Some(slot) });
            }
            metrics::counter!("outhaul_slot_deaths_total", "cause" => "idle").increment(1);
            self.warm(seat);
        }
    }

    /// A slot, as soon as one waits.
    pub(crate) async fn take(self: &Arc<Self>) -> Held {
        loop {
            if let Some(held) = self.try_take() {
                return held;
            }
            self.changed_to_ready().await;
        }
    }

    /// Ends the slots that wait and starts no more.
    pub(crate) fn close(&self) {
        self.closing.cancel();
        self.lock().clear();
        self.count();
    }

    fn sit(&self, seat: usize, slot: Slot) {
        if self.closing.is_cancelled() {
            return;
        }
        self.lock().push_back((seat, slot));
        self.count();
    }

    fn count(&self) {
        let ready = self.lock().len();
        metrics::gauge!("outhaul_slots_ready", "bench" => self.name).set(ready as f64);
        self.state.send_modify(|state| state.ready = ready);
    }

    /// Starts a slot for a seat, again and again until it stays.
    fn warm(self: &Arc<Self>, seat: usize) {
        // The task holds the bench only while it works on it, so that dropping the pool ends it.
        let bench = Arc::downgrade(self);
        let closing = self.closing.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let mut pause = PAUSE;
            while let Some(bench) = bench.upgrade() {
                let spill = bench.spill.of(bench.name, seat);
                let starting = Slot::start(&bench.spawner, &bench.settings, spill);
                match closing.run_until_cancelled(starting).await {
                    None => return,
                    Some(Ok(slot)) => {
                        bench.sit(seat, slot);
                        bench.state.send_modify(|state| {
                            state.started += 1;
                            state.failure = None;
                        });
                        return;
                    }
                    Some(Err(error)) => {
                        tracing::error!(error = %error, bench = bench.name, "a slot did not start");
                        let why = Some(error.to_string());
                        bench.state.send_modify(|state| state.failure = why);
                    }
                }
                drop(bench);
                let paused = closing.run_until_cancelled(tokio::time::sleep(pause)).await;
                if paused.is_none() {
                    return;
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(usize, Slot)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// A slot that was taken. Dropped without being given back, it is killed and replaced.
pub(crate) struct Held {
    bench: Arc<Bench>,
    seat: usize,
    slot: Option<Slot>,
}

impl Held {
    /// Puts a slot that has answered back to wait, unless it has done enough.
    pub(crate) fn give_back(mut self) {
        let Some(mut slot) = self.slot.take() else { return };
        let spent = slot.served >= self.bench.settings.reuse_max || slot.is_swollen();
        if spent || !slot.is_alive() {
            drop(slot);
            self.bench.warm(self.seat);
        } else {
            self.bench.sit(self.seat, slot);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.slot.take().is_some() {
            self.bench.warm(self.seat);
        }
    }
}

impl Deref for Held {
    type Target = Slot;
    fn deref(&self) -> &Slot {
        self.slot.as_ref().expect("cannot fail because only give_back and drop take it, at the end")
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Slot {
        self.slot.as_mut().expect("cannot fail because only give_back and drop take it, at the end")
    }
}
