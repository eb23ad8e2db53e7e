//! What went wrong with the file, for whoever asked for an object. SQLite's own words, which may hold
//! names of the file, are for the log.

use outhaul_exports::Error;

/// What to say where a number means something (SQLite documentation, "Result and Error Codes"); the
/// low byte of an extended code.
const TOLD: &[(u32, &str)] = &[
    (
        5,
        "source_locked: {whose}: another process has its database locked; the export can be tried again",
    ),
    (
        6,
        "source_locked: {whose}: another process has its database locked; the export can be tried again",
    ),
    (
        8,
        "source_refused: {whose}: its database must be written to before it can be read: it is not \
         closed properly, or in WAL mode in a folder that cannot be written to",
    ),
    (
        9,
        "source_timeout: {whose}: a statement took too long and was ended; select fewer rows, or let \
         it take longer (statement_secs)",
    ),
    (10, "the file of the database of {whose} cannot be read at the moment"),
    (11, "source_data: {whose}: the file of its database is damaged"),
    (
        14,
        "source_missing: {whose}: the file of its database is not there, or may not be opened, or is in \
         WAL mode in a folder that cannot be written to",
    ),
    (
        17,
        "source_changed: {whose}: the table was changed while it was read; the export can be tried \
         again",
    ),
    (26, "source_data: {whose}: its file is no SQLite database"),
];

/// See the module. `whose` is such as `object Invoice`.
pub(super) fn failure(whose: &str, cause: sqlx::Error) -> Error {
    let number = cause.as_database_error().and_then(|error| error.code());
    let number = number.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xFF);
    let told = TOLD.iter().find(|(code, _)| number == Some(*code));
    let text = match told {
        Some((_, text)) => text.replace("{whose}", whose),
        None => format!("the database failed while it read {whose}"),
    };
    Error::unavailable(text).with_source(cause)
}
