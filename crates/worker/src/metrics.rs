//! The names of everything this room measures, with what they mean, for whoever installs a
//! recorder.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};

use crate::publish::Ending;
use crate::{maintenance, notifier};

/// Describes all metrics of this room to the installed recorder, and shows the counters at zero:
/// one that appears with its first event hides that event from whoever watches its rise.
pub fn describe(dialects: &[&'static str]) {
    describe_all();
    for name in ["heartbeat_failures_total", "finish_refused_total", "finish_failures_total"] {
        counter!(format!("outhaul_{name}")).increment(0);
    }
    for cause in DEATHS {
        counter!("outhaul_slot_deaths_total", "cause" => *cause).increment(0);
    }
    notifier::begin_counters();
    for duty in maintenance::ALL {
        counter!("outhaul_housekeeping_total", "duty" => duty.name).increment(0);
        counter!("outhaul_housekeeping_failures_total", "duty" => duty.name).increment(0);
    }
    for dialect in dialects {
        counter!("outhaul_exported_rows_total", "dialect" => *dialect).increment(0);
        counter!("outhaul_exported_bytes_total", "dialect" => *dialect).increment(0);
        for ending in Ending::ALL {
            let labels = [("dialect", *dialect), ("ending", ending.name())];
            counter!("outhaul_attempts_total", &labels).increment(0);
        }
    }
}

/// Why slots end, as the counter of their deaths names it.
const DEATHS: &[&str] = &["memory", "silence", "garbled", "exit", "idle", "run_time", "plan_time"];

fn describe_all() {
    describe_gauge!("outhaul_exports", "exports, by dialect and state");
    describe_gauge!(
        "outhaul_oldest_queued_age_seconds",
        Unit::Seconds,
        "how long ago the export was created that has been queued the longest; 0 without one"
    );
    describe_gauge!("outhaul_slots_ready", "slots that wait for work, by bench (run, plan)");
    describe_gauge!(
        "outhaul_artifact_volume_free_bytes",
        Unit::Bytes,
        "room left where artifacts are, where that can be told"
    );
    describe_counter!("outhaul_attempts_total", "attempts that ended, by dialect and ending");
    describe_histogram!(
        "outhaul_attempt_seconds",
        Unit::Seconds,
        "how long attempts took, by dialect and ending"
    );
    describe_counter!("outhaul_exported_rows_total", "rows of completed exports, by dialect");
    describe_counter!(
        "outhaul_exported_bytes_total",
        Unit::Bytes,
        "bytes of completed exports, by dialect"
    );
    describe_counter!(
        "outhaul_slot_deaths_total",
        "slots that ended or were killed, by cause (memory, silence, garbled, exit, idle, run_time, \
         plan_time)"
    );
    describe_counter!("outhaul_heartbeat_failures_total", "renewals of leases that failed");
    describe_counter!("outhaul_finish_refused_total", "ends of attempts whose lease was lost");
    describe_counter!("outhaul_finish_failures_total", "ends of attempts that were not stored");
    describe_counter!(
        "outhaul_notices_total",
        "attempts to send a message about an export, by kind (mail, callback, script) and result \
         (sent, retried, given_up)"
    );
    describe_counter!("outhaul_housekeeping_total", "things that housekeepers did, by duty");
    describe_counter!("outhaul_housekeeping_failures_total", "failures of housekeepers, by duty");
}
