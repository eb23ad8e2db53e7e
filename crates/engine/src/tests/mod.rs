//! Tests through the door that others use: a query in, rows or an error out.

mod barriers;
mod content;
mod documents;

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
mod mysql;
mod mysql_kit;
mod mysql_moment;
mod mysql_predicates;
mod oracle;
mod postgres;
mod postgres_increments;
mod postgres_kit;
mod predicate_kit;
mod selects;
mod sqlite;
mod sqls;
mod values;
