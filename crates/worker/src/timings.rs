//! How often things happen, and how long things may take, in one value.

use std::time::Duration;

use chrono::TimeDelta;
use outhaul_exports::limits;
use outhaul_exports::notice::Retries;

/// The worker's times. A test makes them short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// How often a lease is renewed.
    pub heartbeat: Duration,
    /// How long a lease lasts. A worker that cannot renew it stops the work at two thirds.
    pub lease: Duration,
    /// How often leases that ended are looked for.
    pub sweep: Duration,
    /// How often work is looked for when nothing says that there is some.
    pub poll: Duration,
    /// How long the end of an attempt is told again to a store that does not answer.
    pub finish_patience: Duration,
    /// How often files whose time is over are looked for.
    pub expire: Duration,
    /// How often records whose time is over are looked for.
    pub purge: Duration,
    /// How often objects that nobody needs are looked for.
    pub orphans: Duration,
    /// How old an object is before anybody asks whether it is needed.
    pub orphan_age: Duration,
    /// How often the counts of exports are told to the metrics.
    pub counts: Duration,
    /// How often messages that are due are looked for when nothing says that there are some.
    pub notice_poll: Duration,
    /// How long sending one mail may take.
    pub notice: Duration,
    /// How often a mail is tried.
    pub notice_retries: Retries,
    /// How long one callback may take.
    pub callback: Duration,
    /// How often a callback is tried.
    pub callback_retries: Retries,
    /// How long one script may take, with all that it waits for.
    pub script: Duration,
    /// How often a script is tried that could not be run.
    pub script_retries: Retries,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            lease: Duration::from_secs(15),
            sweep: Duration::from_secs(2),
            poll: Duration::from_secs(1),
            finish_patience: Duration::from_secs(60),
            expire: Duration::from_secs(30),
            purge: Duration::from_secs(60),
            orphans: Duration::from_secs(300),
            orphan_age: Duration::from_secs(3_600),
            counts: Duration::from_secs(15),
            notice_poll: Duration::from_secs(1),
            notice: Duration::from_secs(30),
            notice_retries: Retries::default(),
            callback: limits::CALLBACK_TIME,
            callback_retries: Retries::default(),
            script: limits::SCRIPT_TIME + limits::SCRIPT_WAITS,
            script_retries: Retries::default(),
        }
    }
}

impl Timings {
    /// The length of a lease for the store.
    pub(crate) fn lease_ttl(&self) -> TimeDelta {
        TimeDelta::from_std(self.lease).unwrap_or(TimeDelta::MAX)
    }

    /// How long after the last renewal the work is stopped.
    pub(crate) fn reach(&self) -> Duration {
        self.lease * 2 / 3
    }
}

/// A pause of about `length`, so that many processes do not all do the same at once.
pub(crate) fn jittered(length: Duration) -> Duration {
    length.mul_f64(rand::random_range(0.75..1.25))
}
