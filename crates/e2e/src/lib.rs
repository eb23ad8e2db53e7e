//! Drives the built program as its users do: over HTTP, with signals, with foreign clients.
//!
//! Nothing here knows the inside of the server. A test starts `outhaul demo` in a folder of its
//! own, reads the credentials that it leaves there, and talks to loopback.

pub mod native;
pub mod node;
pub mod python;
pub mod server;
pub mod source;
pub mod vendor;

pub use server::Server;
pub use source::Source;
