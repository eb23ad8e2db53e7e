//! What sources that are databases share: a predicate as SQL text, the node of a plan that streams
//! what a statement answers, batches in the making, and connections that are used by turns. It knows
//! no database by name.

mod cells;
mod exec;
mod literal;
mod predicate;
mod turns;

pub(super) use cells::{Cells, NoPlace, Rows};
pub(super) use exec::{BatchStream, StatementExec, lazy};
pub(super) use literal::{day, moment, number};
pub(super) use predicate::{Compare, conditions};
pub(super) use turns::{Outlet, Reader, Stop, Turns, in_turn};
