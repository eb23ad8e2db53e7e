//! Counts requests that are being answered, so that a server that stops can wait for those that
//! had begun before, and tells those that would not end by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use outhaul_dialects::kit::stopping::Stopping;
use tokio::sync::Notify;

/// The count.
#[derive(Clone, Default)]
pub struct Flights(Arc<Inner>);

#[derive(Default)]
struct Inner {
    draining: AtomicBool,
    stopping: Stopping,
    /// Requests that began before the server was told to stop.
    early: AtomicUsize,
    landed: Notify,
}

/// One request, until its answer's last byte is sent or given up.
pub struct Flight {
    flights: Option<Flights>,
}

impl Flights {
    /// A request begins.
    pub fn begin(&self) -> Flight {
        if self.is_draining() {
            return Flight { flights: None };
        }
        self.0.early.fetch_add(1, Ordering::SeqCst);
        Flight { flights: Some(self.clone()) }
    }

    /// Whether the server was told to stop.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// The server is told to stop.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
        self.0.stopping.0.cancel();
    }

    /// What tells an answer that the server stops.
    pub fn stopping(&self) -> Stopping {
        self.0.stopping.clone()
    }

    /// Waits until every request that began before has been answered.
    pub async fn landed(&self) {
        loop {
            let landed = self.0.landed.notified();
            if self.0.early.load(Ordering::SeqCst) == 0 {
                return;
            }
            landed.await;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let Some(flights) = &self.flights else { return };
        if flights.0.early.fetch_sub(1, Ordering::SeqCst) == 1 {
            flights.0.landed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_requests_that_began_before_are_waited_for() {
        let flights = Flights::default();
        let early = flights.begin();
        flights.drain();
        let _late = flights.begin();
        let waiting = tokio::spawn({
            let flights = flights.clone();
            async move { flights.landed().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(early);
        waiting.await.expect("it ends");
    }
}
