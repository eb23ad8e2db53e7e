//! How many bytes of chunks may be between the pushes and the file. The queues count chunks, whose
//! size is a format's choice; this counts what they hold, so that neither large chunks nor many
//! threads can fill the memory.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of all chunks that are waiting, being encoded, or encoded and not yet written.
const BYTES_MAX: usize = 64 << 20;

/// The bytes that are taken.
#[derive(Debug, Default)]
pub(super) struct Budget {
    taken: Mutex<usize>,
    changed: Condvar,
}

impl Budget {
    fn taken(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for so many bytes, and takes it. A chunk that is larger than all
    /// of it goes alone. False when `stopped` answers true first.
    pub(super) fn take(&self, bytes: usize, stopped: impl Fn() -> bool) -> bool {
        let mut taken = self.taken();
        while *taken > 0 && *taken + bytes > BYTES_MAX {
            if stopped() {
                return false;
            }
            taken = self.changed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += bytes;
        true
    }

    /// Gives bytes back.
    pub(super) fn give_back(&self, bytes: usize) {
        let mut taken = self.taken();
        *taken = taken.saturating_sub(bytes);
        drop(taken);
        self.changed.notify_all();
    }

    /// Lets those who wait look again whether the work was stopped.
    pub(super) fn wake(&self) {
        // Under the lock, so that nobody is between looking and waiting.
        let taken = self.taken();
        self.changed.notify_all();
        drop(taken);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn one_chunk_always_fits_and_a_second_waits_for_room() {
        let budget = Arc::new(Budget::default());
        assert!(budget.take(BYTES_MAX * 2, || false));
        let other = budget.clone();
        let waiting = thread::spawn(move || other.take(1, || false));
        budget.give_back(BYTES_MAX * 2);
        assert!(waiting.join().unwrap());
        assert!(budget.take(BYTES_MAX - 1, || false));
        assert_eq!(*budget.taken(), BYTES_MAX);
    }

    #[test]
    fn who_waits_is_told_that_the_work_stopped() {
        let budget = Arc::new(Budget::default());
        let stopped = Arc::new(AtomicBool::new(false));
        assert!(budget.take(BYTES_MAX, || false));
        let (other, seen) = (budget.clone(), stopped.clone());
        let waiting = thread::spawn(move || other.take(1, || seen.load(Ordering::Relaxed)));
        stopped.store(true, Ordering::Relaxed);
        budget.wake();
        assert!(!waiting.join().unwrap());
    }
}
