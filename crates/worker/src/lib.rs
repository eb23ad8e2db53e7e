//! Who does the work: takes leases, has exports run by slots, publishes what they made, and keeps
//! house.
//!
//! Two kinds of process live here. A **slot** ([`slot`]) runs one export at a time; it has limits
//! and may die. The **server** supervises slots ([`supervisor`]), holds the leases, talks to the
//! store and publishes ([`runner`]), does the [`maintenance`], and tells people and customers' scripts
//! of exports' ends ([`notifier`]). This room knows neither SQL nor HTTP nor the engine behind its port.
//!
//! A lease is renewed while the work goes on. The work stops when its cancellation is asked for,
//! when the lease is lost, and before it can be: whoever cannot reach the store for two thirds of
//! a lease stops, so that two never write at once for long, and never under the same name at all.

mod attempt;
mod deadlines;
pub mod drain;
pub mod formats;
mod heartbeat;
pub mod maintenance;
pub mod metrics;
pub mod notifier;
mod publish;
pub mod runner;
pub mod slot;
mod storage;
pub mod supervisor;
pub mod timings;

pub use drain::Drain;
pub use formats::InstalledFormats;
pub use maintenance::{House, Memory};
pub use notifier::{Notifier, ScriptViews, Scripts};
pub use runner::{Worker, WorkerParts, resume};
pub use supervisor::{SlotCommand, SlotPool, SlotSettings};
pub use timings::Timings;
