//! From an error to a failure and a decision: may the export succeed later, or never?

use outhaul_exports::export::Failure;
use outhaul_exports::{Error, ErrorKind};
use outhaul_formats as formats;

use super::protocol::{Answer, Decision};

/// Why a run stopped before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It was asked to.
    Cancelled,
    /// It failed.
    Failed {
        /// Why, for the customer.
        failure: Failure,
        /// Everything, for the log.
        internal: String,
        /// What is to become of the export.
        decision: Decision,
    },
}

impl Stop {
    /// A failure that no error stands behind.
    pub(crate) fn failed(code: &str, message: &str, internal: String) -> Self {
        let failure = Failure::new(code, message);
        Self::Failed { failure, internal, decision: Decision::Fail }
    }
}

impl From<Stop> for Answer {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::Failed { failure, internal, decision } => {
                Self::Failed { failure, internal, decision }
            }
        }
    }
}

/// Words that an error's text may begin with, and what they mean for the export.
const CODES: [(&str, Decision); 7] = [
    // Whoever waits is told at once; a full volume seldom empties itself within a few retries.
    ("storage_full", Decision::Fail),
    ("source_changed", Decision::Retry),
    // A file or a table that is not there does not come back within a few retries.
    ("source_missing", Decision::Fail),
    // The operator's data is at fault, and stays as it is until somebody corrects it.
    ("source_data", Decision::Fail),
    ("memory_limit", Decision::Fail),
    ("spill_limit", Decision::Fail),
    ("row_limit", Decision::Fail),
];

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        let internal = error.chain();
        let coded = error.public().split_once(": ").and_then(|(word, rest)| {
            CODES.iter().find(|(code, _)| *code == word).map(|(code, then)| (*code, *then, rest))
        });
        let (code, decision, message) = match coded {
            Some(coded) => coded,
            None => {
                let (code, decision) = of_kind(error.kind());
                (code, decision, error.public())
            }
        };
        Self::Failed { failure: Failure::new(code, message), internal, decision }
    }
}

fn of_kind(kind: &ErrorKind) -> (&'static str, Decision) {
    match kind {
        ErrorKind::Invalid { .. } => ("invalid_query", Decision::Fail),
        ErrorKind::UnknownObject { .. } => ("unknown_object", Decision::Fail),
        ErrorKind::UnknownField { .. } => ("unknown_field", Decision::Fail),
        ErrorKind::Unsupported => ("unsupported", Decision::Fail),
        ErrorKind::TooLarge => ("too_large", Decision::Fail),
        ErrorKind::Forbidden | ErrorKind::Unauthenticated => ("forbidden", Decision::Fail),
        ErrorKind::Unavailable => ("unavailable", Decision::Retry),
        // An object of this attempt's key cannot exist; the next attempt has another one.
        ErrorKind::Conflict => ("storage_conflict", Decision::Retry),
        ErrorKind::NotFound | ErrorKind::Expired => ("unavailable", Decision::Retry),
        ErrorKind::KeyReused | ErrorKind::LimitExceeded { .. } | ErrorKind::Internal => {
            ("internal_error", Decision::Fail)
        }
    }
}

impl From<formats::Error> for Stop {
    fn from(error: formats::Error) -> Self {
        use formats::Error as E;
        let code = match &error {
            E::Cancelled => return Self::Cancelled,
            E::UnknownFormat { .. } | E::UnknownPacking { .. } | E::Option { .. } => {
                "invalid_format"
            }
            E::Schema { .. } | E::ColumnType { .. } | E::Value { .. } | E::Zone { .. } => {
                "format_limit"
            }
            E::RecipientKey(_) | E::Seal { .. } => "sealing_failed",
            E::Encrypt(_) => "encryption_failed",
            E::Sink(_) | E::Usage(_) | E::EntryName(_) | E::Convert { .. } | E::Panicked(_) => {
                "internal_error"
            }
        };
        let message = match code {
            "internal_error" => "an internal error occurred".to_owned(),
            _ => error.to_string(),
        };
        Self::failed(code, &message, chain(&error))
    }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_kinds_decide() {
        let cases = [
            (
                Error::unavailable("storage_full: artifact volume has 3 MiB free, needed more"),
                ("storage_full", "artifact volume has 3 MiB free, needed more", Decision::Fail),
            ),
            (
                Error::unavailable("memory_limit: the query needs more memory"),
                ("memory_limit", "the query needs more memory", Decision::Fail),
            ),
            (
                Error::unavailable("the source is away: try again"),
                ("unavailable", "the source is away: try again", Decision::Retry),
            ),
            (Error::invalid("where", "bad"), ("invalid_query", "bad", Decision::Fail)),
            (
                Error::internal("a secret"),
                ("internal_error", "an internal error occurred", Decision::Fail),
            ),
        ];
        for (error, expected) in cases {
            let Stop::Failed { failure, decision, .. } = Stop::from(error) else {
                panic!("an error is a failure");
            };
            assert_eq!((failure.code.as_str(), failure.message.as_str(), decision), expected);
        }
    }
}
