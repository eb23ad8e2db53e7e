//! Tests through the door that others use: a query in, rows or an error out.

mod barriers;

mod exists;
mod files;
mod files_avro;
mod files_far;
mod files_lake;
mod files_partitions;
mod increments;
mod isolation;
mod json;
mod kit;
mod limits;
mod oracle;
mod selects;
mod sqls;
mod values;
