//! Checks passwords. Hashing one is slow and takes some memory on purpose, so a few are checked at
//! once and the others wait; and it takes as long for a user who does not exist, so that the time
//! of an answer does not tell which users there are.

use std::sync::LazyLock;

use tokio::sync::Semaphore;

use crate::access::SecretHash;
use crate::limits::PASSWORD_CHECKS_MAX;
use crate::{Error, Result, id};

static AT_ONCE: Semaphore = Semaphore::const_new(PASSWORD_CHECKS_MAX);

/// What is compared when there is no such user: the hash of a password that nobody knows.
static NOBODY: LazyLock<SecretHash> = LazyLock::new(|| SecretHash::of_password(&id::secret(16)));

/// Whether `shown` is the password behind `known`.
///
/// # Errors
/// `Internal` when the check itself was broken off.
pub(super) async fn matches(known: Option<SecretHash>, shown: &str) -> Result<bool> {
    let broken = |error: &dyn std::fmt::Display| Error::internal(format!("password: {error}"));
    let _turn = AT_ONCE.acquire().await.map_err(|error| broken(&error))?;
    let shown = shown.to_owned();
    tokio::task::spawn_blocking(move || known.as_ref().unwrap_or(&NOBODY).matches(&shown))
        .await
        .map_err(|error| broken(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_known_password_matches() {
        let known = || Some(SecretHash::of_password("s3cret"));
        assert!(matches(known(), "s3cret").await.expect("it is checked"));
        assert!(!matches(known(), "secret").await.expect("it is checked"));
        assert!(!matches(None, "s3cret").await.expect("it is checked"));
        assert!(matches!(*NOBODY, SecretHash::Argon2id(_)), "it costs what a user's costs");
    }
}
