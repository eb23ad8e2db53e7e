//! The built program, as a person at a terminal meets it.

mod client;
mod demo;
mod files;
mod program;
mod sessions;
