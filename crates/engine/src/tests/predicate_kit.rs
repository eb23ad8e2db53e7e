//! A check that any source of rows can be put to: what it leaves out for a predicate is nothing that
//! the predicate lets pass.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal,
};
use datafusion::physical_plan::{collect, displayable};
use datafusion::scalar::ScalarValue;

use crate::sources::{ScanAsk, Table};

/// Asks the table for rows under so many random predicates, of the shapes that `guard` lets through,
/// over the values that it holds and `more`; answers how many of them made it leave rows out.
pub(super) async fn check_predicates(
    table: &dyn Table,
    more: &[ScalarValue],
    seed: u64,
    rounds: usize,
) -> usize {
    let schema = Arc::clone(table.schema());
    let all = rows(table, None).await.0;
    let mut random = Random(seed);
    let mut pruned = 0;
    for round in 0..rounds {
        let predicate = predicate(&mut random, &schema, &all, more, 3);
        let (some, statement) = rows(table, Some(Arc::clone(&predicate))).await;
        let (expected, got) = (passing(&all, &predicate), passing(&some, &predicate));
        assert_eq!(got, expected, "seed {seed}, round {round}: {predicate}\n{statement}");
        pruned += usize::from(some.num_rows() < all.num_rows());
    }
    pruned
}

async fn rows(table: &dyn Table, pruning: Option<Arc<dyn PhysicalExpr>>) -> (RecordBatch, String) {
    let columns = (0..table.schema().fields().len()).collect();
    let ask = ScanAsk { columns, pruning, partitions: 1, batch_rows: 8, since: None, held: None };
    let plan = table.scan(&ask).expect("a plan");
    let text = displayable(plan.as_ref()).indent(false).to_string();
    let batches = collect(plan, Arc::new(TaskContext::default())).await;
    let batches = batches.unwrap_or_else(|error| panic!("{error}: {text}"));
    (concat_batches(table.schema(), &batches).expect("batches of one schema"), text)
}

fn passing(batch: &RecordBatch, predicate: &Arc<dyn PhysicalExpr>) -> Vec<String> {
    let verdict = predicate.evaluate(batch).and_then(|v| v.into_array(batch.num_rows()));
    let verdict = verdict.expect("it cannot fail");
    let passed = filter_record_batch(batch, verdict.as_boolean()).expect("rows");
    let options = FormatOptions::default().with_null("NULL");
    let columns = passed.columns().iter();
    let columns: Vec<_> = columns
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("a type"))
        .collect();
    let row = |at| columns.iter().map(|c| c.value(at).to_string()).collect::<Vec<_>>().join("|");
    let mut rows: Vec<_> = (0..passed.num_rows()).map(row).collect();
    rows.sort();
    rows
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("small") % most
    }
}

fn predicate(
    random: &mut Random,
    schema: &SchemaRef,
    rows: &RecordBatch,
    more: &[ScalarValue],
    depth: usize,
) -> Arc<dyn PhysicalExpr> {
    if depth > 0 && random.below(2) == 0 {
        let op = [Operator::And, Operator::Or][random.below(2)];
        let left = predicate(random, schema, rows, more, depth - 1);
        let right = predicate(random, schema, rows, more, depth - 1);
        return Arc::new(BinaryExpr::new(left, op, right));
    }
    let comparable = |at: &usize| !schema.field(*at).data_type().is_floating();
    let at = random.below(schema.fields().len());
    let field = schema.field(at);
    let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
    if !comparable(&at) || random.below(8) == 0 {
        return match random.below(2) {
            0 => Arc::new(IsNullExpr::new(column)),
            _ => Arc::new(IsNotNullExpr::new(column)),
        };
    }
    if random.below(4) == 0 {
        let values = (0..random.below(4)).map(|_| value(random, at, field.data_type(), rows, more));
        let values = values.collect();
        return Arc::new(InListExpr::try_new(column, values, false, schema).expect("a list"));
    }
    let op = [
        Operator::Eq,
        Operator::Eq,
        Operator::NotEq,
        Operator::Lt,
        Operator::LtEq,
        Operator::Gt,
        Operator::GtEq,
    ][random.below(7)];
    let value = value(random, at, field.data_type(), rows, more);
    Arc::new(BinaryExpr::new(column, op, value))
}

/// One that the column holds, or one of its type that it perhaps does not hold.
fn value(
    random: &mut Random,
    at: usize,
    data_type: &DataType,
    rows: &RecordBatch,
    more: &[ScalarValue],
) -> Arc<dyn PhysicalExpr> {
    let others: Vec<_> = more.iter().filter(|value| value.data_type() == *data_type).collect();
    let value = if others.is_empty() || random.below(3) > 0 {
        let held = rows.column(at);
        ScalarValue::try_from_array(held, random.below(held.len())).expect("a value")
    } else {
        others[random.below(others.len())].clone()
    };
    Arc::new(Literal::new(value))
}
