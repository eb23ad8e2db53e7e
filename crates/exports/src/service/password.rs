//! Checks passwords. Hashing one is slow and takes some memory on purpose, so a few are checked at
//! once, some more wait, and the rest is sent away; and it takes as long for a user who does not
//! exist, so that the time of an answer does not tell which users there are.

use std::sync::LazyLock;

use tokio::sync::Semaphore;

use crate::access::SecretHash;
use crate::limits::{PASSWORD_CHECKS_MAX, PASSWORD_CHECKS_WAITING_MAX};
use crate::{Error, Result, id};

static CHECKS: Checks = Checks::new(PASSWORD_CHECKS_MAX, PASSWORD_CHECKS_WAITING_MAX);

/// What is compared when there is no such user: the hash of a password that nobody knows.
static NOBODY: LazyLock<SecretHash> = LazyLock::new(|| SecretHash::of_password(&id::secret(16)));

/// Whether `shown` is the password behind `known`.
///
/// # Errors
/// `Unavailable` when too many others wait for theirs; `Internal` when the check itself was broken
/// off.
pub(super) async fn matches(known: Option<SecretHash>, shown: &str) -> Result<bool> {
    let shown = shown.to_owned();
    CHECKS.check(move || known.as_ref().unwrap_or(&NOBODY).matches(&shown)).await
}

/// Bounds the checks that are made and that wait.
struct Checks {
    /// A place for each that is made or waits.
    places: Semaphore,
    at_once: Semaphore,
}

impl Checks {
    const fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            places: Semaphore::const_new(at_once + waiting),
            at_once: Semaphore::const_new(at_once),
        }
    }

    async fn check(&'static self, work: impl FnOnce() -> bool + Send + 'static) -> Result<bool> {
        let broken = |error: &dyn std::fmt::Display| Error::internal(format!("password: {error}"));
        let place = self.places.try_acquire().map_err(|_| {
            Error::unavailable("too many clients sign in at this moment: try again in some seconds")
        })?;
        let turn = self.at_once.acquire().await.map_err(|error| broken(&error))?;
        // Both go with the work, which goes on when the client that asked for it is gone.
        let work = move || {
            let _kept = (place, turn);
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| broken(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};

    use futures::FutureExt;

    use super::*;
    use crate::ErrorKind;

    #[tokio::test]
    async fn only_a_known_password_matches() {
        let known = || Some(SecretHash::of_password("s3cret"));
        assert!(matches(known(), "s3cret").await.expect("it is checked"));
        assert!(!matches(known(), "secret").await.expect("it is checked"));
        assert!(!matches(None, "s3cret").await.expect("it is checked"));
        assert!(matches!(*NOBODY, SecretHash::Argon2id(_)), "it costs what a user's costs");
    }

    #[tokio::test]
    async fn clients_that_go_away_buy_no_more_checks() {
        static CHECKS: Checks = Checks::new(2, 3);
        let begun = Arc::new(AtomicUsize::new(0));
        let (begins, has_begun) = mpsc::sync_channel(32);
        let (end, may_end) = mpsc::sync_channel::<()>(1);
        let may_end = Arc::new(std::sync::Mutex::new(may_end));
        let work = || {
            let (begun, begins, may_end) = (begun.clone(), begins.clone(), may_end.clone());
            move || {
                begun.fetch_add(1, Ordering::SeqCst);
                begins.send(()).expect("somebody listens");
                let _ = may_end.lock().expect("nobody panicked").recv();
                true
            }
        };
        for _ in 0..20 {
            // Asked, and given up at once.
            assert!(CHECKS.check(work()).now_or_never().is_none());
        }
        assert_eq!(CHECKS.at_once.available_permits(), 0, "two are still made");
        has_begun.recv().expect("the first begins");
        has_begun.recv().expect("the second begins");
        assert_eq!(begun.load(Ordering::SeqCst), 2, "the others never had a turn");

        // Three wait, and the next one is told so at once.
        let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(CHECKS.check(work()))).collect();
        while CHECKS.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = CHECKS.check(work()).now_or_never().expect("it does not wait");
        assert_eq!(*refused.expect_err("there is no place").kind(), ErrorKind::Unavailable);
        drop(end);
        for one in waiting {
            assert!(one.await.expect("no panic").expect("it is checked"));
        }
    }
}
