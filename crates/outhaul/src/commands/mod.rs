//! The commands, one file each.

pub mod catalog;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod exports;
pub mod keys;
pub mod run;
pub mod serve;
pub mod sessions;
pub mod verify;
pub mod worker;
