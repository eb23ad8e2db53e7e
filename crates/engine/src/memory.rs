//! How the operators of a run share its memory.
//!
//! DataFusion's fair pool lets operators that can spill take everything; then the merge of what
//! they spilled, which cannot spill itself, finds nothing left and the query fails although its
//! disk is empty. Here, spilling operators share a part of the memory in equal shares, and the
//! rest is for those that cannot spill.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    /// All of it. Bytes.
    size: usize,
    /// What spilling operators may use together. Bytes.
    spill_most: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    spillers: usize,
    by_spillers: usize,
    by_others: usize,
}

impl SharedMemory {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, spill_most: size / 10 * 6, used: Mutex::new(Used::default()) }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        // Three numbers cannot be left half changed.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shared memory of {} bytes", self.size)
    }
}

impl MemoryPool for SharedMemory {
    fn name(&self) -> &'static str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.used().spillers += 1;
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            let mut used = self.used();
            used.spillers = used.spillers.saturating_sub(1);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut used = self.used();
        if reservation.consumer().can_spill() {
            used.by_spillers += additional;
        } else {
            used.by_others += additional;
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, less: usize) {
        let mut used = self.used();
        if reservation.consumer().can_spill() {
            used.by_spillers = used.by_spillers.saturating_sub(less);
        } else {
            used.by_others = used.by_others.saturating_sub(less);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut used = self.used();
        let (wanted, available) = if reservation.consumer().can_spill() {
            let most = self.spill_most.min(self.size.saturating_sub(used.by_others));
            (reservation.size() + additional, most / used.spillers.max(1))
        } else {
            (additional, self.size.saturating_sub(used.by_others + used.by_spillers))
        };
        if wanted > available {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} asks for {additional} bytes more than its {}; {available} bytes are left of \
                 {self}",
                reservation.consumer().name(),
                reservation.size(),
            )));
        }
        if reservation.consumer().can_spill() {
            used.by_spillers += additional;
        } else {
            used.by_others += additional;
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        let used = self.used();
        used.by_spillers + used.by_others
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.size)
    }
}
