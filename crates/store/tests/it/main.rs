//! The store's tests: what every store must do, and what only one in a file can be asked.

mod backlog;
mod conformance;
mod durability;
mod kill;
mod model;
mod opening;
mod samples;
