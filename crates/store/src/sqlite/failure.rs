//! What a failure of the database means to the caller.

use outhaul_exports::{Error, ErrorKind};

// Primary result codes, from SQLite's documentation, "Result and Error Codes".
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const IOERR: i32 = 10;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;

/// The error that crosses the port: `Unavailable` for what may pass (a full, locked or read-only
/// disk), `Internal` for the rest.
pub(super) fn unavailable(error: sqlx::Error) -> Error {
    let public = match &error {
        sqlx::Error::Database(_) => match primary_code(&error) {
            Some(FULL) => "the store's disk is full; try again when there is room",
            Some(READONLY) => "the store is read-only at present; try again later",
            Some(BUSY | LOCKED | PROTOCOL | INTERRUPT) => "the store is busy; try again",
            Some(IOERR | CANTOPEN) => "the store's disk does not answer; try again later",
            _ => return Error::internal("the store refused a statement").with_source(error),
        },
        sqlx::Error::PoolTimedOut => "the store is busy; try again",
        sqlx::Error::PoolClosed => "the store is closed",
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => {
            "the store's disk does not answer; try again later"
        }
        _ => return Error::internal("the store answered something else").with_source(error),
    };
    Error::new(ErrorKind::Unavailable, public).with_source(error)
}

/// Whether a row of that key is there already.
pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if e.is_unique_violation())
}

/// SQLite's result code without its extension.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}
