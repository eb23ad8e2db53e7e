//! The one binary.

mod config;
mod demo;

fn main() {}
