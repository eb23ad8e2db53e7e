//! Tests through the door that others use: a query in, rows or an error out.

mod kit;
mod selects;
mod sqls;
