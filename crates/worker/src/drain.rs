//! Stopping without losing anything: no new work, a grace for what is in hand, then it is given
//! back to the store uncharged.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Tells a worker to stop. Clones tell the same worker.
#[derive(Debug, Clone)]
pub struct Drain(watch::Sender<Option<Instant>>);

impl Default for Drain {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Drain {
    /// No new work from now on; what is in hand has so long to end. A later call can only make the
    /// grace shorter: a second signal passes none.
    pub fn begin(&self, grace: Duration) {
        let until = Instant::now() + grace;
        self.0.send_modify(|over| *over = Some(over.map_or(until, |now| now.min(until))));
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits until it begins.
    pub async fn begun(&self) {
        // The sender lives as long as this.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }

    /// Waits until the grace is over.
    pub(crate) async fn over(&self) {
        let mut changes = self.0.subscribe();
        loop {
            let until = *changes.borrow_and_update();
            tokio::select! {
                () = async {
                    match until {
                        Some(until) => sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                } => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_call_shortens_the_grace() {
        let drain = Drain::default();
        assert!(!drain.has_begun());
        let over = drain.clone();
        let waiting = tokio::spawn(async move { over.over().await });
        drain.begin(Duration::from_secs(3_600));
        drain.begun().await;
        assert!(!waiting.is_finished());
        drain.begin(Duration::ZERO);
        waiting.await.expect("it is over");
        drain.begin(Duration::from_secs(3_600));
        drain.over().await;
    }
}
