//! What two or more dialects need of HTTP, and none of their words.
//!
//! Everything here answers with values and errors that a dialect puts into its own shape; no
//! function writes a dialect's error body. Authentication comes first: [`body::read`] is called
//! with a principal at hand, so that a stranger cannot make the server inflate anything.
//!
//! * [`headers`]: single headers, `Authorization`, `Idempotency-Key`, content types;
//! * [`body`]: request bodies, with gzip and caps;
//! * [`json`] and [`members`]: strict JSON, and its members with types and nearest names;
//! * [`file`]: downloads with ranges and conditions;
//! * [`gzip`]: compressed answers;
//! * [`query`]: query strings;
//! * [`request_id`]: the id under which a request is found in the log;
//! * [`stopping`]: the server's wish to stop.

#[cfg(any(test, feature = "testing"))]
pub mod bad_input;
pub mod body;
pub mod file;
pub mod gzip;
pub mod headers;
pub mod json;
pub mod members;
pub mod query;
pub mod request_id;
pub mod stopping;
