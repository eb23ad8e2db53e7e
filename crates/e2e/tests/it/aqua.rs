//! Zuora's AQuA by clients that nobody here wrote, and by as many at once as there may be.

mod changes;
mod flow;
mod many;
mod tap;
mod zacc;
