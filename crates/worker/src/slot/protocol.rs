//! What a supervisor and a slot say to each other: one JSON value a line, requests on the slot's
//! standard input, answers on its standard output.
//!
//! The first line is a [`Setup`], answered by [`Answer::Hello`]. Then the slot takes one piece of
//! work at a time; only [`Request::Cancel`] may come before it has answered. A run answers with
//! [`Answer::Progress`] at least every half second, also when nothing moves, so that silence means
//! that the process is stuck. The end of the input ends the slot at once.

use std::path::PathBuf;

use outhaul_exports::export::{Failure, Progress};
use outhaul_exports::lease::LeaseKey;
use outhaul_exports::manifest::{ColumnNote, Manifest, Warning};
use outhaul_exports::ports::Preview;
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::Query;
use outhaul_exports::spec::ExportSpec;
use outhaul_exports::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::storage::Quota;

/// Changes with every change of the messages: both sides are the same binary, and a server whose
/// file was replaced under it must find out.
pub const VERSION: u32 = 4;

/// Bytes of the longest request. An export of 50 queries with full lists stays below.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of the longest answer. A manifest carries a checksum for every MiB of the files.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The first line: what the slot may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// [`VERSION`].
    pub version: u32,
    /// Bytes of memory for the engine's operators.
    pub memory_bytes: u64,
    /// Bytes of memory for the process; past them it is killed.
    pub hard_memory_bytes: u64,
    /// Folder for spill files, for this slot alone. It is emptied at the start.
    pub spill_dir: PathBuf,
    /// Bytes of spill files.
    pub spill_bytes: u64,
    /// Threads that work.
    pub threads: usize,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Plan a query.
    Check {
        /// Whose rows.
        scope: TenantScope,
        /// What is asked for.
        query: Query,
    },
    /// Answer the first rows of a query.
    Preview {
        /// Whose rows.
        scope: TenantScope,
        /// What is asked for.
        query: Query,
        /// The most rows.
        rows: u64,
    },
    /// Run an export.
    Run(Box<Run>),
    /// Stop what is being done. Ignored when nothing is.
    Cancel,
}

/// An attempt of an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Under which lease; it names the files.
    pub lease: LeaseKey,
    /// Whose rows.
    pub scope: TenantScope,
    /// What is asked for.
    pub spec: ExportSpec,
    /// How much its files may take.
    pub quota: Option<Quota>,
}

/// What the slot says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is ready.
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// How far the run is.
    Progress(Progress),
    /// The columns of a checked query.
    Checked(Vec<ColumnNote>),
    /// The first rows of a query.
    Previewed(Preview),
    /// A check or a preview came to nothing.
    Refused(Refusal),
    /// All files of the run are written and whole.
    Done {
        /// The files.
        manifest: Manifest,
        /// What their reader must know.
        warnings: Vec<Warning>,
        /// The last figures.
        progress: Progress,
    },
    /// The work was stopped, as it was asked to be.
    Cancelled,
    /// The run failed.
    Failed {
        /// Why.
        failure: Failure,
        /// Everything about it for the log.
        internal: String,
        /// What is to become of the export.
        decision: Decision,
    },
}

/// What is to become of an export whose attempt failed. Chosen where the error is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may succeed later.
    Retry,
    /// It cannot succeed.
    Fail,
}

/// An [`Error`] as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    kind: Kind,
    public: String,
    internal: String,
}

/// The kinds that an engine answers; all others are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Invalid { field: String },
    UnknownObject { name: String },
    UnknownField { name: String },
    Unsupported,
    TooLarge,
    Unavailable,
    Forbidden,
    Internal,
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Invalid { field } => Kind::Invalid { field: field.clone() },
            ErrorKind::UnknownObject { name } => Kind::UnknownObject { name: name.clone() },
            ErrorKind::UnknownField { name } => Kind::UnknownField { name: name.clone() },
            ErrorKind::Unsupported => Kind::Unsupported,
            ErrorKind::TooLarge => Kind::TooLarge,
            ErrorKind::Unavailable => Kind::Unavailable,
            ErrorKind::Forbidden => Kind::Forbidden,
            ErrorKind::NotFound
            | ErrorKind::Expired
            | ErrorKind::Conflict
            | ErrorKind::KeyReused
            | ErrorKind::Unauthenticated
            | ErrorKind::LimitExceeded { .. }
            | ErrorKind::Internal => Kind::Internal,
        };
        Self { kind, public: error.public().to_owned(), internal: error.chain() }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.kind {
            Kind::Invalid { field } => ErrorKind::Invalid { field },
            Kind::UnknownObject { name } => ErrorKind::UnknownObject { name },
            Kind::UnknownField { name } => ErrorKind::UnknownField { name },
            Kind::Unsupported => ErrorKind::Unsupported,
            Kind::TooLarge => ErrorKind::TooLarge,
            Kind::Unavailable => ErrorKind::Unavailable,
            Kind::Forbidden => ErrorKind::Forbidden,
            Kind::Internal => return Self::internal(refusal.internal),
        };
        Self::new(kind, refusal.public).with_internal(refusal.internal)
    }
}

#[cfg(test)]
mod tests {
    use outhaul_exports::limits::NESTING_MAX;
    use outhaul_exports::query::{Compare, Condition, Expr, Literal, Select};
    use outhaul_exports::testing;

    use super::*;

    #[test]
    fn errors_travel_with_their_kind() {
        let internal = Error::internal("secret").with_source(std::io::Error::other("cable"));
        for error in [
            Error::invalid("where", "no"),
            Error::new(ErrorKind::UnknownField { name: "X".into() }, "there is no field X"),
            Error::unsupported("not here"),
            Error::unavailable("later"),
            internal,
        ] {
            let line = serde_json::to_string(&Refusal::from(&error)).expect("it is written");
            let back: Refusal = serde_json::from_str(&line).expect("it is read");
            let back = Error::from(back);
            assert_eq!((back.kind(), back.public()), (error.kind(), error.public()));
            assert!(back.chain().contains(&error.chain()));
        }
    }

    #[test]
    fn the_deepest_query_travels() {
        let leaf = || Condition::Compare {
            left: Expr::Coalesce(vec![Expr::own("Id")]),
            op: Compare::Eq,
            right: Expr::Literal(Literal::Text("x".into())),
        };
        let mut deep = leaf();
        for level in 0..NESTING_MAX {
            deep = match level % 3 {
                0 => Condition::And(vec![leaf(), deep]),
                1 => Condition::Or(vec![leaf(), deep]),
                _ => Condition::Not(Box::new(deep)),
            };
        }
        let mut select = Select::of("Invoice");
        select.filter = Some(deep);
        let query = Query::Select(Box::new(select));
        let scope = TenantScope::of(&testing::tenant("acme"));
        let request = Request::Check { scope, query };
        let line = serde_json::to_string(&request).expect("it is written");
        let back: Request = serde_json::from_str(&line).expect("it is read");
        assert_eq!(back, request);
    }
}
