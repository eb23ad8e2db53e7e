//! The names of everything this room measures, with what they mean, for whoever installs a
//! recorder.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Describes all metrics of this room to the installed recorder.
pub fn describe() {
    describe_gauge!("outhaul_exports", "exports, by dialect and state");
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
    describe_counter!("outhaul_housekeeping_total", "things that housekeepers did, by duty");
    describe_counter!("outhaul_housekeeping_failures_total", "failures of housekeepers, by duty");
}
