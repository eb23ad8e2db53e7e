//! What went wrong in the database, for whoever asked for an object. The server's own words, which
//! may hold values, are for the log.

use outhaul_exports::Error;
use sqlx::mysql::MySqlDatabaseError;

/// What to say where a server's number means something; numbers of MySQL ("Server Error Message
/// Reference") and of MariaDB ("MariaDB Error Codes").
const TOLD: &[(&[u16], &str)] = &[
    (
        &[1969, 3024],
        "source_timeout: {whose}: the database ended a statement that took too long; select fewer \
         rows, or let it take longer (statement_secs)",
    ),
    (
        &[1317],
        "source_stopped: {whose}: somebody stopped the statement in the database; the export can be \
         tried again",
    ),
    (
        &[1205, 1213, 3572],
        "source_locked: {whose}: somebody else holds a lock on the table; the export can be tried \
         again",
    ),
    (
        &[1142, 1143, 1227, 1345, 1370],
        "source_refused: {whose}: the database does not let its user read the table",
    ),
    (
        &[1051, 1054, 1109, 1146, 1412],
        "source_changed: {whose}: the table was changed while it was read; the export can be tried \
         again",
    ),
    (
        &[1044, 1045, 1049, 1130, 1251, 1275, 1524, 1698, 1862, 3118, 3159, 3955, 4151],
        "source_refused: {whose}: the database refuses the connection: its name, user or password is \
         wrong, or the connection must be encrypted",
    ),
    (
        &[1040, 1203, 1226],
        "source_busy: {whose}: the database takes no further connection; the export can be tried \
         again",
    ),
    (
        &[1356],
        "source_data: {whose}: its view names a table or column that is not there, or that its \
         definer may not read",
    ),
];

/// Numbers of a connection that the server has ended.
const ENDED: &[u16] = &[1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169, 4031];

/// See the module. `whose` is such as `object Invoice`.
pub(super) fn failure(whose: &str, cause: sqlx::Error) -> Error {
    let away = || format!("the database of {whose} cannot be reached at the moment");
    let text = match &cause {
        sqlx::Error::Database(error) => {
            let number = error.try_downcast_ref::<MySqlDatabaseError>().map(|e| e.number());
            let number = number.unwrap_or_default();
            match TOLD.iter().find(|(numbers, _)| numbers.contains(&number)) {
                Some((_, text)) => text.replace("{whose}", whose),
                None if ENDED.contains(&number) => away(),
                None => format!("the database failed while it read {whose}"),
            }
        }
        sqlx::Error::Io(error) => match error.get_ref() {
            Some(cause) if cause.is::<rustls::Error>() => unsafe_to(whose),
            _ => away(),
        },
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => unsafe_to(whose),
        // A way to log in that sends the password is not gone without encryption.
        sqlx::Error::Protocol(text) if text.contains("caching_sha2") || text.contains("sha256") => {
            format!(
                "source_refused: {whose}: its database lets its user in over an encrypted connection \
                 only: set tls of the source to verified or unverified"
            )
        }
        _ => format!("the database failed while it read {whose}"),
    };
    Error::unavailable(text).with_source(cause)
}

fn unsafe_to(whose: &str) -> String {
    format!(
        "source_refused: {whose}: the connection to its database cannot be encrypted as the source is \
         configured (tls, ca_file)"
    )
}
