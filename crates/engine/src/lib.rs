//! How rows are found: DataFusion behind the ports of `exports`.
//!
//! This room is the only one that names DataFusion. It turns a query and a tenant's scope into a
//! stream of batches, within limits. It knows nothing of jobs, files, HTTP or vendors.
//!
//! What it promises:
//! * every scan of every plan stands behind a [`barrier`] that lets only rows of the scope pass,
//!   and a plan in which one does not is refused;
//! * a customer's expression is evaluated on rows of the customer's scope only;
//! * error texts hold no cells, no paths and no plans;
//! * a result is exact or an error: sums, decimals and whole numbers do not wrap around.
//!
//! What it does not promise: that DataFusion stays within its memory pool, or stops when told.
//! That is why a slot is a process of its own.
//!
//! Where to look: [`guard`] binds an object to a scope, [`plan`] and [`sql`] make logical plans,
//! [`session`] limits them, [`stream`] runs them, [`sources`] reads.

mod barrier;
mod checked;
mod content;
mod elements;
mod engine;
mod error;
mod exact;
mod functions;
mod guard;
mod member;
mod memory;
mod nest;
mod own;
mod plan;
mod read;
mod session;
pub mod sources;
mod sql;
mod stream;
#[cfg(test)]
mod tests;

pub use engine::DataFusionEngine;
pub use own::OwnSource;
