//! In-memory ports, fakes and a settable clock, for the tests of every room.

mod clock;
pub mod sample;

pub use clock::TestClock;
pub use sample::{catalog, export, noon, principal, tenant};
