//! Medable Cortex's Export API: by clients that nobody here wrote, documents with their files in every
//! format, queues of two orgs, and customers' scripts.

mod client;
mod clients;
mod queue;
mod scripts;
mod visits;
