//! In-memory ports, fakes and a settable clock, for the tests of every room.

mod clock;
mod memory;
pub mod sample;

pub use clock::TestClock;
pub use memory::MemoryStore;
pub use sample::{catalog, export, noon, principal, tenant};
