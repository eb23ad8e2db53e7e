//! A table at one moment: what a scan of it asks the database for.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::logical_expr::{LogicalPlan, Operator};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use outhaul_exports::session::Mark;
use tokio_postgres::SimpleQueryMessage;

use super::describe::{Leaf, Relation};
use super::mark::{self, Horizon};
use super::pushdown;
use super::read::{Reading, Statement, failure, rows};
use super::session::{Session, VERSION_RANGES};
use super::types::Column;
use crate::error::said;
use crate::sources::database::{Compare, StatementExec, conditions, lazy};
use crate::sources::{RemoteTable, ScanAsk, Since, Table};

/// Bytes of a range of blocks. The rows of one must find room in the queue of a lane.
const RANGE_BYTES: i64 = 2 * 1024 * 1024;

/// See the module.
pub(super) struct PostgresTable {
    pub(super) source: String,
    pub(super) session: Arc<Session>,
    pub(super) object: String,
    pub(super) relation: Relation,
    pub(super) leaves: Vec<Leaf>,
    pub(super) columns: Vec<Column>,
    pub(super) schema: SchemaRef,
    pub(super) decimal_digits: u8,
}

impl std::fmt::Debug for PostgresTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresTable({})", self.relation.quoted())
    }
}

/// The schema of columns as they are read.
pub(super) fn schema_of(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(&column.name, column.form.data_type(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

impl Compare for PostgresTable {
    fn operand(&self, column: usize) -> String {
        super::sql::name(&self.columns[column].name)
    }

    fn comparison(&self, column: usize, op: Operator, value: &ScalarValue) -> Option<String> {
        self.columns[column].comparison(op, value)
    }
}

/// What is asked of each leaf of a table.
#[derive(Clone)]
struct Ask {
    columns: String,
    conditions: Vec<String>,
    since: Option<Horizon>,
    /// The condition on rows that come although they did not change since.
    held: Option<String>,
}

impl Ask {
    fn query(&self, leaf: &Leaf, more: &[String]) -> String {
        let mut conditions = more.to_vec();
        let changed = self.since.iter().filter_map(|since| since.condition(leaf.oid));
        conditions.extend(changed.map(|changed| match &self.held {
            Some(held) => format!("({changed} OR {held})"),
            None => changed,
        }));
        conditions.extend(self.conditions.iter().cloned());
        let only = if leaf.is_heap { "ONLY " } else { "" };
        let filter = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        format!("SELECT {} FROM {only}{}{filter}", self.columns, leaf.name)
    }
}

#[async_trait]
impl Table for PostgresTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn text_scale(&self) -> u8 {
        self.decimal_digits
    }

    fn since(&self, mark: &Mark) -> outhaul_exports::Result<Since> {
        mark::since(mark, &self.session.moment, &self.relation, &self.leaves, &self.object)
    }

    fn remote(&self) -> Option<RemoteTable<'_>> {
        Some(RemoteTable { table: self, added: None })
    }

    fn is_unique(&self, columns: &[&str]) -> bool {
        self.relation.is_unique(columns)
    }

    fn whole(&self, query: &LogicalPlan, batch_rows: usize) -> Option<Arc<dyn ExecutionPlan>> {
        pushdown::whole(self, query, batch_rows)
    }

    fn scan(&self, ask: &ScanAsk) -> Result<Arc<dyn ExecutionPlan>> {
        let columns: Arc<[Column]> =
            ask.columns.iter().map(|&at| self.columns[at].clone()).collect();
        let schema = Arc::new(self.schema.project(&ask.columns)?);
        let asked = columns.iter().map(|column| column.asked(&super::sql::name(&column.name)));
        let asked: Vec<_> = asked.collect();
        let since = ask.since.as_deref().map(|mark| Horizon::of(mark, &self.relation)).transpose();
        let held = ask.held.map(|(column, from)| self.held(column, from)).transpose()?;
        let asked = Ask {
            columns: asked.join(", "),
            conditions: ask.pruning.iter().flat_map(|p| conditions(p, self)).collect(),
            // Where the held ones cannot be asked for, all rows are.
            since: since.map_err(said)?.flatten().filter(|_| held != Some(None)),
            held: held.flatten(),
        };
        let shown = self.leaves.iter().map(|leaf| asked.query(leaf, &[]));
        let shown = shown.collect::<Vec<_>>().join("; ");
        let (session, object) = (Arc::clone(&self.session), self.object.clone());
        let leaves: Arc<[Leaf]> = self.leaves.iter().cloned().collect();
        let (batch_rows, heading) = (ask.batch_rows, Arc::clone(&schema));
        let open = move || {
            let (session, object) = (Arc::clone(&session), object.clone());
            let (leaves, asked) = (Arc::clone(&leaves), asked.clone());
            let (columns, schema) = (Arc::clone(&columns), Arc::clone(&heading));
            lazy(async move {
                let statements = statements(&session, &leaves, &asked).await;
                let statements = statements.map_err(|cause| said(failure(&object, cause)))?.into();
                let reading = Reading { session, object, statements, columns, schema, batch_rows };
                Ok(rows(reading).await)
            })
        };
        Ok(Arc::new(StatementExec::new(&self.source, shown, schema, open)))
    }
}

impl PostgresTable {
    /// The condition on rows that changed at a time or later, by the column that says so; `None`
    /// where the database compares it in another way.
    fn held(&self, column: usize, from: DateTime<Utc>) -> Result<Option<String>> {
        let from = ScalarValue::TimestampMicrosecond(Some(from.timestamp_micros()), None);
        let from = from.cast_to(self.schema.field(column).data_type())?;
        Ok(self.columns[column].comparison(Operator::GtEq, &from))
    }
}

/// The statements that read all leaves.
async fn statements(
    session: &Session,
    leaves: &[Leaf],
    ask: &Ask,
) -> Result<Vec<Statement>, tokio_postgres::Error> {
    let mut statements = Vec::new();
    for leaf in leaves {
        let whole = ask.query(leaf, &[]);
        let long = leaf.is_heap && leaf.bytes > RANGE_BYTES && session.version >= VERSION_RANGES;
        if long && reads_all(session, &whole).await? {
            let ranges = ranges(leaf.bytes, session.block_bytes);
            let queries = ranges.into_iter().map(|range| ask.query(leaf, &[range]));
            statements.extend(queries.map(|query| Statement { query, repeats: true }));
        } else {
            statements.push(Statement { query: whole, repeats: false });
        }
    }
    Ok(statements)
}

/// Whether the database would read the whole table for it, so that reading it in ranges costs no
/// more. Where an index leads to few rows, it knows better.
async fn reads_all(session: &Session, query: &str) -> Result<bool, tokio_postgres::Error> {
    let answer = session.client().simple_query(&format!("EXPLAIN (FORMAT JSON) {query}")).await?;
    let text = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let plan: serde_json::Value =
        text.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
    let mut node = &plan[0]["Plan"];
    if node["Node Type"] == "Gather" {
        node = &node["Plans"][0];
    }
    Ok(node["Node Type"] == "Seq Scan")
}

/// Conditions that divide a table's blocks. The last one has no end: rows may have been added since
/// the size was looked at, in this snapshot too.
fn ranges(bytes: i64, block_bytes: i64) -> Vec<String> {
    let blocks = bytes / block_bytes;
    let step = (RANGE_BYTES / block_bytes).max(1);
    let mut ranges = Vec::new();
    let mut start = 0;
    while start + step < blocks {
        ranges.push(format!("ctid >= '({start},0)' AND ctid < '({},0)'", start + step));
        start += step;
    }
    ranges.push(format!("ctid >= '({start},0)'"));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_leave_no_block_out() {
        let block = 8192;
        let step = RANGE_BYTES / block;
        let first = format!("ctid >= '(0,0)' AND ctid < '({step},0)'");
        for (blocks, count) in [(0, 1), (1, 1), (step, 1), (step + 1, 2), (step * 3, 3)] {
            let ranges = ranges(blocks * block, block);
            assert_eq!(ranges.len(), usize::try_from(count).expect("few"), "{blocks}");
            assert!(!ranges.last().expect("one").contains('<'), "{ranges:?}");
            assert!(count == 1 || ranges[0] == first, "{ranges:?}");
        }
    }
}
