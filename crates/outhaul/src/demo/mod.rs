//! A demonstration that needs nothing: data, configuration, credentials, everything started.
//!
//! All of it is in one folder. What is there already is kept, so that a second start is quick and
//! has the same credentials: the data when it has the same size, the configuration and the secrets
//! always. `demo.json` is written last, when the server answers.

pub mod data;
mod database;
mod folder;
mod secrets;
mod source;

pub use folder::Folder;
pub use secrets::register;
pub use source::{Kind, Wanted};
