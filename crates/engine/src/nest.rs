//! Lists of related rows, put into the rows that they belong to.
//!
//! Both sides come in the order of one key: one goes along both at once, and holds the elements of
//! some thousand rows at most. A key that comes twice, or out of its order, is an error: which row
//! its elements belong to could not be told.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, StructArray, new_empty_array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, FieldRef, Fields, SchemaRef, SortOptions};
use datafusion::arrow::compute::concat;
use datafusion::arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use futures::{StreamExt, stream};
use outhaul_exports::flow::{BatchStream, marked_as_json};
use outhaul_exports::{Error, ErrorKind, Result, limits};

use crate::error::running;

/// Elements of the lists of one batch, about.
const ELEMENTS_MAX: usize = 32 * 1024;

/// A list that may run.
#[derive(Debug)]
pub(crate) struct List {
    /// The column of the result.
    pub(crate) field: FieldRef,
    /// The members of an element.
    members: Fields,
    /// The elements: members, then the key, ascending.
    pub(crate) plan: Arc<dyn ExecutionPlan>,
}

impl List {
    pub(crate) fn new(
        label: String,
        plan: Arc<dyn ExecutionPlan>,
        names: &[String],
        json: &[bool],
    ) -> Self {
        let columns = plan.schema();
        let members = columns.fields().iter().zip(names).zip(json).map(|((column, name), json)| {
            let field = Field::new(name, column.data_type().clone(), true);
            if *json { marked_as_json(field) } else { field }
        });
        let members: Fields = members.collect();
        let item = Field::new_list_field(DataType::Struct(members.clone()), false);
        let field = Field::new(label, DataType::List(Arc::new(item)), true);
        Self { field: Arc::new(field), members, plan }
    }
}

/// The rows with their lists. The column `key` of a batch is what both sides are ordered by; those
/// before it go on, and the lists after them.
pub(crate) fn nested(
    rows: BatchStream,
    key: usize,
    lists: Vec<List>,
    schema: SchemaRef,
    context: &Arc<TaskContext>,
) -> Result<BatchStream> {
    let lists = lists.into_iter().map(|list| Cursor::begin(list, context));
    let lists = lists.collect::<Result<Vec<_>>>()?;
    let nest = Nest { rows, key, lists, schema, keys: None, batch: None, last: None };
    let next = |mut nest: Nest| async move {
        match nest.next().await {
            Ok(Some(batch)) => Some((Ok(batch), Some(nest))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    };
    let batches = stream::unfold(Some(nest), move |nest| async move { next(nest?).await });
    // Who reads them may ask once more behind their end.
    Ok(batches.fuse().boxed())
}

/// The rows on one side, and where one is on the other.
struct Nest {
    rows: BatchStream,
    key: usize,
    lists: Vec<Cursor>,
    schema: SchemaRef,
    keys: Option<Keys>,
    /// Rows that are not done yet, their keys, and how many are done.
    batch: Option<(RecordBatch, Rows, usize)>,
    /// The key of the row before.
    last: Option<OwnedRow>,
}

impl Nest {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (batch, keys, first) = match self.batch.take() {
            Some(rest) => rest,
            None => {
                let Some(batch) = self.rows.next().await.transpose()? else { return Ok(None) };
                let keys = Keys::of(&mut self.keys, batch.column(self.key))?;
                (batch, keys, 0)
            }
        };
        let mut gathered: Vec<_> = self.lists.iter().map(|_| Gathered::default()).collect();
        let mut row = first;
        let mut most = 0;
        while row < batch.num_rows() && most < ELEMENTS_MAX {
            let nothing = batch.column(self.key).is_null(row);
            self.in_order(&keys, row, nothing)?;
            for (list, gathered) in self.lists.iter_mut().zip(&mut gathered) {
                if !nothing {
                    list.gather(&keys, row, gathered).await?;
                }
                gathered.end_row();
                most = most.max(gathered.count);
            }
            row += 1;
        }
        let done = batch.slice(first, row - first);
        let mut columns = done.columns()[..self.key].to_vec();
        for (list, gathered) in self.lists.iter().zip(gathered) {
            columns.push(gathered.list(list)?);
        }
        if row < batch.num_rows() {
            self.batch = Some((batch, keys, row));
        }
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(row - first));
        let nested = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        nested.map(Some).map_err(wrong)
    }

    /// Nulls come last, and have no elements.
    fn in_order(&mut self, keys: &Rows, row: usize, nothing: bool) -> Result<()> {
        if nothing {
            return Ok(());
        }
        let key = keys.row(row);
        match self.last.as_ref().map(|last| last.row().cmp(&key)) {
            None | Some(Ordering::Less) => {
                self.last = Some(key.owned());
                Ok(())
            }
            Some(Ordering::Equal) => Err(Error::unavailable(
                "source_data: the field by which lists of related rows are found has one value \
                 twice; correct the data, or the relation in the catalog",
            )),
            Some(Ordering::Greater) => {
                Err(Error::internal("rows are not in the order of their key"))
            }
        }
    }
}

/// Makes keys that compare.
struct Keys(RowConverter);

impl Keys {
    fn of(keys: &mut Option<Self>, column: &ArrayRef) -> Result<Rows> {
        let converter = match keys {
            Some(converter) => converter,
            None => {
                let options = SortOptions { descending: false, nulls_first: false };
                let field = SortField::new_with_options(column.data_type().clone(), options);
                keys.insert(Self(RowConverter::new(vec![field]).map_err(wrong)?))
            }
        };
        converter.0.convert_columns(&[Arc::clone(column)]).map_err(wrong)
    }
}

/// The elements of a list, in the order of their keys.
struct Cursor {
    list: List,
    rows: SendableRecordBatchStream,
    keys: Option<Keys>,
    /// The batch in hand, its keys, and how many of it are done.
    batch: Option<(RecordBatch, Rows, usize)>,
    ended: bool,
}

impl Cursor {
    fn begin(list: List, context: &Arc<TaskContext>) -> Result<Self> {
        let rows = execute_stream(Arc::clone(&list.plan), Arc::clone(context)).map_err(running)?;
        Ok(Self { list, rows, keys: None, batch: None, ended: false })
    }

    /// Takes the elements of a row, and passes over those before it, which belong to rows that
    /// nobody asked for.
    async fn gather(&mut self, keys: &Rows, row: usize, gathered: &mut Gathered) -> Result<()> {
        while self.fill().await? {
            // Cannot fail because it was just filled.
            let Some((batch, own, at)) = &mut self.batch else { return Ok(()) };
            let key = keys.row(row);
            while *at < batch.num_rows() && own.row(*at) < key {
                *at += 1;
            }
            let begin = *at;
            while *at < batch.num_rows() && own.row(*at) == key {
                *at += 1;
            }
            if *at > begin {
                gathered.take(batch, begin, *at - begin)?;
            }
            if *at < batch.num_rows() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether there are elements that are not done.
    async fn fill(&mut self) -> Result<bool> {
        while self.batch.as_ref().is_none_or(|(batch, _, at)| *at == batch.num_rows()) {
            if self.ended {
                return Ok(false);
            }
            let Some(batch) = self.rows.next().await else {
                self.ended = true;
                return Ok(false);
            };
            let batch = batch.map_err(running)?;
            let key = self.list.members.len();
            let keys = Keys::of(&mut self.keys, batch.column(key))?;
            self.batch = Some((batch, keys, 0));
        }
        Ok(true)
    }
}

/// Elements of one list, of some rows.
#[derive(Default)]
struct Gathered {
    pieces: Vec<RecordBatch>,
    lengths: Vec<usize>,
    count: usize,
    of_row: usize,
}

impl Gathered {
    fn take(&mut self, batch: &RecordBatch, first: usize, count: usize) -> Result<()> {
        self.pieces.push(batch.slice(first, count));
        self.count += count;
        self.of_row += count;
        if self.of_row > limits::LIST_ELEMENTS_MAX {
            let most = limits::LIST_ELEMENTS_MAX;
            let text = format!("a list of related rows has more than {most} elements in one row");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        Ok(())
    }

    fn end_row(&mut self) {
        self.lengths.push(std::mem::take(&mut self.of_row));
    }

    fn list(self, cursor: &Cursor) -> Result<ArrayRef> {
        let members = &cursor.list.members;
        let values: ArrayRef = if self.pieces.is_empty() {
            new_empty_array(&DataType::Struct(members.clone()))
        } else {
            let columns = (0..members.len()).map(|at| {
                let pieces: Vec<&dyn Array> =
                    self.pieces.iter().map(|piece| piece.column(at).as_ref()).collect();
                concat(&pieces).map_err(wrong)
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new(members.clone(), columns, None).map_err(wrong)?)
        };
        let DataType::List(item) = cursor.list.field.data_type() else {
            return Err(Error::internal("a list is none"));
        };
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        let list = ListArray::try_new(Arc::clone(item), offsets, values, None).map_err(wrong)?;
        Ok(Arc::new(list))
    }
}

fn wrong(cause: arrow_schema::ArrowError) -> Error {
    Error::internal("lists cannot be put into their rows").with_source(cause)
}
