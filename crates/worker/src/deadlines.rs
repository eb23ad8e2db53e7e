//! How long an attempt may go on: as a whole, and for each of its queries.

use std::time::Duration;

use outhaul_exports::export::{Failure, Progress};
use outhaul_exports::policy::Policy;
use tokio::time::Instant;

/// When an attempt is stopped.
pub(crate) struct Deadlines {
    run: Option<(Instant, Duration)>,
    query: Option<(Instant, Duration)>,
    queries_done: u32,
}

impl Deadlines {
    /// From `now` on.
    pub(crate) fn begin(policy: &Policy, now: Instant) -> Self {
        let from_now = |most: Option<Duration>| most.map(|most| (now + most, most));
        let (run, query) = (from_now(policy.run_max()), from_now(policy.query_max()));
        Self { run, query, queries_done: 0 }
    }

    /// What the attempt says of itself at that moment: each query has its own time.
    pub(crate) fn see(&mut self, progress: &Progress, now: Instant) {
        if progress.queries_done > self.queries_done {
            self.queries_done = progress.queries_done;
            self.query = self.query.map(|(_, most)| (now + most, most));
        }
    }

    /// The earliest one.
    pub(crate) fn next(&self) -> Option<Instant> {
        [self.run, self.query].into_iter().flatten().map(|(at, _)| at).min()
    }

    /// What is said of an attempt that passed the earliest one.
    pub(crate) fn overran(&self) -> Failure {
        metrics::counter!("outhaul_slot_deaths_total", "cause" => "run_time").increment(1);
        let of_run = self.run.map(|(at, most)| (at, most, "export"));
        let of_query = self.query.map(|(at, most)| (at, most, "query"));
        let first = [of_run, of_query].into_iter().flatten().min_by_key(|(at, ..)| *at);
        let (seconds, what) = first.map_or((0, "export"), |(_, most, what)| (most.as_secs(), what));
        let text = format!("the {what} took longer than {seconds} seconds: divide it");
        let code = if what == "query" { "query_time_limit" } else { "run_time_limit" };
        Failure::new(code, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(run: Option<u64>, query: Option<u64>) -> Policy {
        Policy {
            active_max: None,
            session_active_max: None,
            running_max: None,
            run_secs_max: run,
            query_secs_max: query,
            file_kept_secs: 1,
            record_kept_secs: 1,
            queries_max: 50,
            storage_bytes_max: None,
        }
    }

    #[test]
    fn each_query_has_its_own_time_within_that_of_the_run() {
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        assert_eq!(Deadlines::begin(&policy(None, None), began).next(), None);
        let mut both = Deadlines::begin(&policy(Some(25), Some(10)), began);
        assert_eq!(both.next(), Some(at(10)));
        assert_eq!(both.overran().code, "query_time_limit");
        both.see(&Progress { rows_read: 5, ..Progress::default() }, at(9));
        assert_eq!(both.next(), Some(at(10)), "rows alone give no more time");
        both.see(&Progress { queries_done: 1, ..Progress::default() }, at(9));
        assert_eq!(both.next(), Some(at(19)));
        both.see(&Progress { queries_done: 2, ..Progress::default() }, at(18));
        assert_eq!(both.next(), Some(at(25)), "the run's own");
        let failure = both.overran();
        assert_eq!(failure.code, "run_time_limit");
        assert_eq!(failure.message, "the export took longer than 25 seconds: divide it");
    }
}
