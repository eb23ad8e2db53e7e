//! The dialect through its door: the real router over the use cases, a store in memory, and a
//! clock that stands still.

mod bad_input;
mod life;
mod matrix;
mod openapi;
mod wire;
