//! The dialect through its door: the real router over the use cases, a store in memory, and a
//! clock that stands still.

mod bad_input;
mod deleted;
mod downloads;
mod jobs;
mod limits;
mod matrix;
mod notify;
mod openapi;
mod series;
mod submit;
mod wire;
