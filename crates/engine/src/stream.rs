//! From a physical plan to the batches that leave this room.
//!
//! Headings are given here, at the very end, because they may repeat and a plan's names may not;
//! and so are the marks of JSON in text, which a plan's operators would keep or lose as they like.
//! Dropping the stream drops the plan's tasks; nothing goes on in the background.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{StreamExt, TryStreamExt, stream};
use outhaul_exports::flow::{RowStream, marked_as_json};
use outhaul_exports::manifest::{ColumnNote, Warning};
use outhaul_exports::{Error, Result};

use crate::error::running;
use crate::nest::{List, nested};

/// A plan that may run.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The plan; every scan in it is behind a barrier.
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    /// The headings, one for each column of the plan.
    pub(crate) labels: Vec<String>,
    /// Which columns are JSON in text.
    pub(crate) json: Vec<bool>,
    /// Lists that follow the columns. The column after those is then the key by which they are found.
    pub(crate) lists: Vec<List>,
    /// How many rows there may be, where it can be told.
    pub(crate) estimated_rows: Option<u64>,
    /// A last column counts the base object's rows. It is checked and does not go on.
    pub(crate) counted: Option<Counted>,
    /// What comes before the rows of the plan, in columns of the same types, uncounted.
    pub(crate) before: Option<Arc<dyn ExecutionPlan>>,
    /// What the reader of the rows must know.
    pub(crate) warnings: Vec<Warning>,
}

/// How the counts of the base object's rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Ascending.
    InOrder,
    /// As another order has it.
    AnyOrder,
}

impl Ready {
    /// The schema of the result.
    fn schema(&self) -> SchemaRef {
        let fields = self.plan.schema();
        let fields = fields.fields().iter().zip(&self.labels).zip(&self.json);
        let field = |((field, label), json): ((&FieldRef, &String), &bool)| {
            let field = Field::new(label, field.data_type().clone(), true);
            if *json { marked_as_json(field) } else { field }
        };
        let lists = self.lists.iter().map(|list| list.field.as_ref().clone());
        Arc::new(Schema::new(fields.map(field).chain(lists).collect::<Vec<_>>()))
    }

    /// The columns of the result, for those who only want to know them.
    pub(crate) fn columns(&self) -> Vec<ColumnNote> {
        ColumnNote::of(&self.schema())
    }

    /// Starts the plan.
    pub(crate) fn start(self, context: Arc<TaskContext>) -> Result<RowStream> {
        let schema = self.schema();
        let estimated_rows = self.estimated_rows;
        let warnings = self.warnings;
        let rows = execute_stream(self.plan, Arc::clone(&context)).map_err(running)?;
        let heading = Arc::clone(&schema);
        let mut count = self.counted.map(Count::of);
        let batches = rows.map(move |batch| {
            let batch = batch.map_err(running)?;
            if let Some(count) = &mut count {
                count.check(&batch)?;
            }
            Ok(batch)
        });
        let batches = match self.lists.is_empty() {
            true => batches.map(move |batch| relabel(&batch?, &heading)).boxed(),
            false => nested(batches.boxed(), self.labels.len(), self.lists, heading, &context)?,
        };
        let heading = Arc::clone(&schema);
        let before = stream::iter(self.before)
            .map(move |plan| execute_stream(plan, Arc::clone(&context)))
            .try_flatten()
            .map(move |batch| relabel(&batch.map_err(running)?, &heading));
        let batches = before.chain(batches);
        Ok(RowStream { schema, estimated_rows, warnings, batches: batches.boxed() })
    }
}

/// The base object's rows that went by: a relation that leads to several rows doubles one.
enum Count {
    /// They come in their order, so a doubled row comes twice in a row.
    Last(Option<u64>),
    /// A bit for each row, in pieces that are made when their first row comes.
    Seen(HashMap<u64, Box<Bits>>),
}

/// 64 Ki rows in 8 KiB.
type Bits = [u64; 1024];

impl Count {
    fn of(counted: Counted) -> Self {
        match counted {
            Counted::InOrder => Self::Last(None),
            Counted::AnyOrder => Self::Seen(HashMap::new()),
        }
    }

    fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        let counts = batch.columns().last().and_then(|c| c.as_primitive_opt::<UInt64Type>());
        let counts = counts.ok_or_else(|| Error::internal("a result is not counted"))?;
        if counts.values().iter().all(|&count| self.is_new(count)) {
            return Ok(());
        }
        Err(Error::unavailable(
            "source_data: a relation of the query that the catalog says leads to one row leads to \
             several; correct the data, or the relation in the catalog",
        ))
    }

    fn is_new(&mut self, count: u64) -> bool {
        match self {
            Self::Last(last) => last.replace(count).is_none_or(|last| last < count),
            Self::Seen(pieces) => {
                let bits = pieces.entry(count >> 16).or_insert_with(|| Box::new([0; 1024]));
                // Cannot fail because 16 bits less 6 are at most 1023.
                let word = &mut bits[(count >> 6) as usize & 1023];
                let bit = 1 << (count & 63);
                let new = *word & bit == 0;
                *word |= bit;
                new
            }
        }
    }
}

/// The columns that have a heading, under their headings.
fn relabel(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns()[..schema.fields().len()].to_vec();
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|cause| Error::internal("a batch is not of its plan's schema").with_source(cause))
}
