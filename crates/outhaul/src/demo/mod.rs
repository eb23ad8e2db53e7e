//! A demonstration that needs nothing: data, configuration, credentials, everything started.

pub mod data;
