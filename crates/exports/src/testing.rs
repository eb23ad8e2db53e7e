//! In-memory ports, fakes and a settable clock, for the tests of every room.

mod clock;
mod fakes;
mod memory;
pub mod sample;
mod urls;
mod world;

pub use clock::TestClock;
pub use fakes::{Cut, FakeArtifacts, FakeFormats, FakePlanner, FakeScriptView, FakeScripts};
pub use memory::MemoryStore;
pub use sample::{catalog, export, noon, principal, tenant};
pub use urls::FORBIDDEN_URLS;
pub use world::World;
