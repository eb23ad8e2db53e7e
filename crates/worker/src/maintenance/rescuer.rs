//! Queues again what a worker was at that fell silent.
//!
//! A lease ends by the clock on the wall, because all processes can read that one; the worker that
//! holds it counts by a clock that is never set. When the clock on the wall is set (or the machine
//! slept), leases seem to be over whose workers live. So the rescuer compares the two each time:
//! after a leap it rescues nobody for the length of a lease, in which whoever lives renews its
//! leases by the new time. At first it waits as long: it cannot know of a leap before.

use std::sync::PoisonError;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::{Duty, House};

pub(super) const DUTY: Duty =
    Duty { name: "rescuer", every: |timings| timings.sweep, run: |house| Box::pin(rescue(house)) };

async fn rescue(house: &House) -> outhaul_exports::Result<u64> {
    let now = house.clock.now();
    let waits = {
        let mut watch = house.memory.rescuer.lock().unwrap_or_else(PoisonError::into_inner);
        watch.look(now, Instant::now(), house.timings.lease)
    };
    if waits {
        return Ok(0);
    }
    let rescued = house.jobs.rescue(now, &[]).await?;
    if rescued > 0 {
        tracing::warn!(exports = rescued, "exports whose worker fell silent are queued again");
    }
    Ok(rescued)
}

/// Notices when the clock on the wall leaps.
#[derive(Debug, Default)]
pub(super) struct Watch {
    last: Option<(DateTime<Utc>, Instant)>,
    waits_until: Option<Instant>,
}

impl Watch {
    /// Whether leases cannot be judged at present.
    fn look(&mut self, wall: DateTime<Utc>, steady: Instant, lease: Duration) -> bool {
        let Some((wall_before, steady_before)) = self.last.replace((wall, steady)) else {
            self.waits_until = Some(steady + lease);
            return true;
        };
        let passed = TimeDelta::from_std(steady.duration_since(steady_before)).unwrap_or_default();
        let leap = wall - wall_before - passed;
        // A worker stops when two thirds of its lease have passed without a renewal, so the lease
        // of one that works lasts longer than this.
        if leap.abs().to_std().is_ok_and(|leap| leap >= lease / 3) {
            tracing::warn!(seconds = leap.num_seconds(), "the clock was set");
            self.waits_until = Some(steady + lease);
        }
        self.waits_until.is_some_and(|until| steady < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_is_waited_out_and_a_slow_look_is_none() {
        let lease = Duration::from_secs(15);
        let (wall, steady) = (DateTime::UNIX_EPOCH, Instant::now());
        let mut watch = Watch::default();
        let mut look = |wall_secs: i64, steady_secs: u64| {
            let steady = steady + Duration::from_secs(steady_secs);
            watch.look(wall + TimeDelta::seconds(wall_secs), steady, lease)
        };
        assert!(look(0, 0), "the clock may have leapt just before");
        assert!(look(14, 14));
        assert!(!look(15, 15));
        // Both went on for long: the look was late, and time passed for everybody.
        assert!(!look(100, 100));
        assert!(!look(106, 102), "too little to end the lease of one that works");
        assert!(look(111, 102), "a leap of five seconds");
        assert!(look(125, 116));
        assert!(!look(126, 117), "after one lease it judges again");
        assert!(!look(123, 118), "set back by too little to make leases seem to be of before");
        assert!(look(26, 118), "set back: leases of before seem to last for ever");
        assert!(look(40, 132));
        assert!(!look(41, 133));
    }
}
