//! The names of what happens to an export, and which one a change deserves.
//!
//! Every store writes one event for every transition, in the transition's own transaction; which
//! kind it is, is decided here, so that all stores tell the same story.

use crate::export::{Export, Outcome, State};

/// A new export was accepted.
pub const SUBMITTED: &str = "submitted";
/// A worker took a lease on it.
pub const STARTED: &str = "started";
/// Its files are published.
pub const COMPLETED: &str = "completed";
/// It ended without files.
pub const FAILED: &str = "failed";
/// It is queued again after an error, or by the client's wish.
pub const RETRIED: &str = "retried";
/// It killed its slot and is queued again.
pub const CRASHED: &str = "crashed";
/// Its worker gave it back before the work was done.
pub const RELEASED: &str = "released";
/// Its worker vanished, and it is queued again.
pub const RESCUED: &str = "rescued";
/// Its cancellation was asked for while it ran.
pub const CANCEL_REQUESTED: &str = "cancel_requested";
/// It was cancelled.
pub const CANCELLED: &str = "cancelled";
/// Its files' time is over.
pub const EXPIRED: &str = "expired";
/// Its record was deleted by the client.
pub const REMOVED: &str = "removed";

/// The kind of an attempt's end: `requeued` where the export is queued again, else what it became.
fn kind_of_end(after: State, requeued: &'static str) -> &'static str {
    match after {
        State::Queued => requeued,
        State::Running => STARTED,
        State::Completed => COMPLETED,
        State::Failed => FAILED,
        State::Cancelled => CANCELLED,
        State::Expired => EXPIRED,
    }
}

/// What the end of an attempt is called, by its outcome and the state it led to.
pub fn of_finish(outcome: &Outcome, after: State) -> &'static str {
    let requeued = match outcome {
        Outcome::Retry(_) => RETRIED,
        Outcome::Crashed(_) => CRASHED,
        _ => RELEASED,
    };
    kind_of_end(after, requeued)
}

/// What a rescue is called, by the state it led to.
pub fn of_rescue(after: State) -> &'static str {
    kind_of_end(after, RESCUED)
}

/// What a change by the client is called; `None` when nothing happened that is worth an event.
pub fn of_change(before: &Export, after: &Export) -> Option<&'static str> {
    if before.state != after.state {
        return Some(kind_of_end(after.state, RETRIED));
    }
    (after.cancel_requested && !before.cancel_requested).then_some(CANCEL_REQUESTED)
}

/// The state that the last event of a deleted export shows: one that waited will never run.
pub fn state_when_removed(before: State) -> State {
    match before {
        State::Queued => State::Cancelled,
        other => other,
    }
}
