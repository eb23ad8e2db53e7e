//! Time is passed in, so that a test can say what time it is.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> DateTime<Utc>;
}

/// The moment `life` after `now`, and at most a century after it: whatever a setting says, there is
/// such a moment.
pub fn after(now: DateTime<Utc>, life: Duration) -> DateTime<Utc> {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now + TimeDelta::from_std(life.min(CENTURY)).unwrap_or_default()
}

/// The machine's clock; the binary is the only place that chooses it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one door to the machine's clock")]
    fn now(&self) -> DateTime<Utc> {
        // Stores keep milliseconds; a time that is finer than what is kept would differ after a
        // restart.
        let now = Utc::now();
        DateTime::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_a_moment_after() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(after(now, Duration::from_secs(5)).timestamp(), 5);
        assert!(after(now, Duration::MAX) > now);
    }
}
