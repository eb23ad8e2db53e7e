//! What sources that are databases share: a predicate as SQL text, and the node of a plan that
//! streams what a statement answers. It knows no database by name.

mod exec;
mod predicate;

pub(super) use exec::{BatchStream, StatementExec, lazy};
pub(super) use predicate::{Compare, conditions};
