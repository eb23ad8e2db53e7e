//! The stored form of an export: the columns that statements ask for, and the whole export as one
//! JSON document with the number of its form.
//!
//! Form 1 is the serialised `Export`. A form that was ever released stays readable for ever;
//! `fixtures/` holds examples of each. Adding a field with a default keeps the form; anything else
//! makes a new one, with a way from the old.

use chrono::{DateTime, Utc};
use outhaul_exports::export::{Export, State};
use outhaul_exports::{Error, Result};

/// The form that is written.
pub(crate) const FORM: i64 = 1;

/// What is written of an export.
#[derive(Debug)]
pub(crate) struct Row {
    pub id: String,
    pub tenant: String,
    pub dialect: String,
    pub state: &'static str,
    pub running_max: Option<i64>,
    pub due_at: i64,
    pub cancel_requested: bool,
    pub lease_token: Option<String>,
    pub lease_holder: Option<String>,
    pub lease_until: Option<i64>,
    pub label: Option<String>,
    pub session: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub files_expire_at: Option<i64>,
    pub record_expires_at: i64,
    pub progress: String,
    pub form: i64,
    pub body: String,
}

impl Row {
    /// The row of an export.
    pub fn of(export: &Export) -> Result<Self> {
        let lease = export.lease.as_ref().filter(|_| export.state == State::Running);
        Ok(Self {
            id: export.id.to_string(),
            tenant: export.tenant.to_string(),
            dialect: export.dialect.clone(),
            state: export.state.name(),
            running_max: export.policy.running_max.map(i64::from),
            due_at: export.not_before.map_or(0, not_before),
            cancel_requested: export.cancel_requested,
            lease_token: lease.map(|lease| lease.token.0.clone()),
            lease_holder: lease.map(|lease| lease.holder.0.clone()),
            lease_until: lease.map(|lease| not_before(lease.until)),
            label: export.spec.label.as_deref().map(fold),
            session: export.spec.session.as_ref().map(|session| session.name.clone()),
            created_at: millis(export.created_at),
            updated_at: millis(export.updated_at),
            files_expire_at: export.files_expire_at.map(not_before),
            record_expires_at: not_before(export.record_expires_at),
            progress: to_json(&export.progress)?,
            form: FORM,
            body: to_json(export)?,
        })
    }
}

/// What is read of an export.
#[derive(Debug)]
pub(crate) struct Stored {
    pub form: i64,
    pub body: String,
    pub updated_at: i64,
    pub lease_until: Option<i64>,
    pub progress: String,
}

impl Stored {
    /// The export of a row.
    pub fn read(self) -> Result<Export> {
        if self.form != FORM {
            return Err(Error::internal(format!(
                "a stored export has the unknown form {}",
                self.form
            )));
        }
        let mut export: Export = from_json(&self.body)?;
        export.updated_at = moment(self.updated_at)?;
        export.progress = from_json(&self.progress)?;
        if let (Some(lease), Some(until)) = (&mut export.lease, self.lease_until) {
            lease.until = moment(until)?;
        }
        Ok(export)
    }
}

/// A label, or a part of one, as it is searched: in any case.
pub(crate) fn fold(label: &str) -> String {
    label.to_lowercase()
}

/// A moment in milliseconds.
pub(crate) fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

/// A moment in milliseconds, rounded up: what may not happen before it is not due too early.
pub(crate) fn not_before(at: DateTime<Utc>) -> i64 {
    let rest = at.timestamp_subsec_nanos() % 1_000_000;
    millis(at) + i64::from(rest > 0)
}

/// The moment of a column.
pub(crate) fn moment(millis: i64) -> Result<DateTime<Utc>> {
    let bad = || Error::internal(format!("a stored time is out of range: {millis}"));
    DateTime::from_timestamp_millis(millis).ok_or_else(bad)
}

/// A value as it is stored.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::internal("a value cannot be stored").with_source(e))
}

/// A stored value.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Error::internal("a stored value cannot be read").with_source(e))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use outhaul_exports::export::{Outcome, Progress};
    use outhaul_exports::lease::Incarnation;
    use outhaul_exports::testing;

    use super::*;

    fn back(row: Row) -> Export {
        let Row { form, body, updated_at, lease_until, progress, .. } = row;
        Stored { form, body, updated_at, lease_until, progress }.read().expect("it was written")
    }

    #[test]
    fn an_export_reads_back_in_every_state() {
        let now = testing::noon();
        let mut export = testing::export("acme", now);
        assert_eq!(back(Row::of(&export).expect("it is sound")), export);
        export.start(&Incarnation::random(), now, TimeDelta::seconds(15)).expect("it is queued");
        assert_eq!(back(Row::of(&export).expect("it is sound")), export);
        let row = Row::of(&export).expect("it is sound");
        assert_eq!((row.state, row.lease_token.is_some()), ("running", true));
        export.finish(Outcome::Released, now);
        assert_eq!(back(Row::of(&export).expect("it is sound")), export);
    }

    #[test]
    fn what_a_heartbeat_wrote_wins_over_the_body() {
        let now = testing::noon();
        let mut export = testing::export("acme", now);
        export.start(&Incarnation::random(), now, TimeDelta::seconds(15)).expect("it is queued");
        let mut row = Row::of(&export).expect("it is sound");
        let later = now + TimeDelta::seconds(5);
        row.progress = to_json(&Progress { rows_read: 7, ..Progress::default() }).expect("plain");
        row.updated_at = millis(later);
        row.lease_until = Some(millis(later));
        let read = back(row);
        assert_eq!((read.progress.rows_read, read.updated_at), (7, later));
        assert_eq!(read.lease.map(|lease| lease.until), Some(later));
    }

    #[test]
    fn an_unknown_form_is_an_error_and_not_a_guess() {
        let row = Row::of(&testing::export("acme", testing::noon())).expect("it is sound");
        let stored = Stored {
            form: FORM + 1,
            body: row.body,
            updated_at: row.updated_at,
            lease_until: None,
            progress: row.progress,
        };
        assert!(stored.read().is_err());
    }

    #[test]
    fn times_are_never_due_too_early() {
        let exact = DateTime::from_timestamp_millis(1_500).expect("a valid time");
        assert_eq!(not_before(exact), 1_500);
        assert_eq!(not_before(exact + TimeDelta::nanoseconds(1)), 1_501);
    }

    /// Every file of form 1 that was ever written still reads.
    #[test]
    fn form_1_still_reads() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1");
        let mut states = Vec::new();
        for file in std::fs::read_dir(folder).expect("the fixtures are there") {
            let path = file.expect("the fixtures are there").path();
            let text = std::fs::read_to_string(&path).expect("the fixtures are there");
            let fixture: Fixture = serde_json::from_str(&text).expect("a fixture is JSON");
            let stored = Stored {
                form: 1,
                body: fixture.body.to_string(),
                updated_at: fixture.updated_at,
                lease_until: fixture.lease_until,
                progress: fixture.progress.to_string(),
            };
            let export = stored.read().unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
            assert_eq!(export.id.to_string(), fixture.expect.id);
            assert_eq!(export.spec.queries.len(), fixture.expect.queries);
            assert_eq!(export.manifest.as_ref().map(|m| m.rows()), fixture.expect.rows);
            assert_eq!(millis(export.updated_at), fixture.updated_at);
            assert_eq!(back(Row::of(&export).expect("it is sound")), export);
            states.push(export.state);
        }
        for state in State::ALL {
            assert!(states.contains(&state), "no fixture is {}", state.name());
        }
    }

    #[derive(serde::Deserialize)]
    struct Fixture {
        expect: Expected,
        updated_at: i64,
        lease_until: Option<i64>,
        progress: serde_json::Value,
        body: serde_json::Value,
    }

    #[derive(serde::Deserialize)]
    struct Expected {
        id: String,
        queries: usize,
        rows: Option<u64>,
    }
}
