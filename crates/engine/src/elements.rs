//! A table whose rows are the elements of lists that stand in another table's rows.
//!
//! It stands between a source and the wall: every element has all columns of the row that its list
//! is in, so that the wall sees whose it is. In the place of the list stands the element, and one
//! column more has its position. Lists are of a nested type, or JSON in text. What is no JSON is
//! passed on as if it were an element, so that whoever may see it is told of the damage and nobody
//! else is.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringViewBuilder, UInt64Array,
};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::utils::{collect_columns, conjunction};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, split_conjunction};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties, SendableRecordBatchStream,
};
use futures::{TryStreamExt, stream};
use outhaul_exports::catalog::{FieldType, Object, POSITION};
use outhaul_exports::flow::marked_as_json;
use outhaul_exports::{Error, Result};
use serde_json::value::RawValue;

use crate::member::is_text;
use crate::sources::{ScanAsk, Table};

/// An object as its source knows it: columns of which only members, or elements, are fields hold
/// JSON there.
pub(crate) fn stored(object: &Object) -> Cow<'_, Object> {
    let inside = object.fields.iter().any(|field| !field.member.is_empty());
    if !inside && object.elements.is_none() {
        return Cow::Borrowed(object);
    }
    let mut stored = object.clone();
    for field in &mut stored.fields {
        if let (POSITION, Some(list)) = (field.column.as_str(), &object.elements) {
            field.column.clone_from(list);
        }
        if !field.member.is_empty() || Some(&field.column) == object.elements.as_ref() {
            field.field_type = FieldType::Json;
        }
    }
    Cow::Owned(stored)
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ElementsTable {
    inner: Arc<dyn Table>,
    /// The column with the lists.
    list: usize,
    schema: SchemaRef,
}

impl ElementsTable {
    /// The elements of the lists in a column.
    ///
    /// # Errors
    /// `Invalid` when there is no such column, or it holds no lists.
    pub(crate) fn over(inner: Arc<dyn Table>, object: &Object, column: &str) -> Result<Self> {
        let wrong = |what: &str| {
            let text = format!("object {}: {what}", object.name);
            Error::invalid(object.name.clone(), text)
        };
        let columns = inner.schema();
        let list = columns
            .index_of(column)
            .map_err(|_| wrong(&format!("its source has no column {column}")))?;
        let element = |data_type| Field::new(column, data_type, true);
        let element = match columns.field(list).data_type() {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                element(item.data_type().clone())
            }
            text if is_text(text) => marked_as_json(element(DataType::Utf8View)),
            other => {
                return Err(wrong(&format!("column {column} is of type {other}, and no list")));
            }
        };
        let mut fields: Vec<_> = columns.fields().iter().cloned().collect();
        fields[list] = Arc::new(element);
        fields.push(Arc::new(Field::new(POSITION, DataType::Int64, false)));
        Ok(Self { list, schema: Arc::new(Schema::new(fields)), inner })
    }

    /// Index of the column with the positions.
    fn position(&self) -> usize {
        self.schema.fields().len() - 1
    }

    /// What of a predicate speaks of neither lists nor positions: rows are left out unread by it.
    fn of_rows(&self, predicate: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
        let own = [self.list, self.position()];
        let terms = split_conjunction(predicate).into_iter().filter(|term| {
            collect_columns(term).iter().all(|column| !own.contains(&column.index()))
        });
        let terms: Vec<_> = terms.cloned().collect();
        (!terms.is_empty()).then(|| conjunction(terms))
    }
}

#[async_trait]
impl Table for ElementsTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn text_scale(&self) -> u8 {
        self.inner.text_scale()
    }

    async fn still_there(&self) -> DfResult<()> {
        self.inner.still_there().await
    }

    fn scan(&self, ask: &ScanAsk) -> DfResult<Arc<dyn ExecutionPlan>> {
        let of_rows = |at: &usize| *at != self.position();
        let mut columns: Vec<usize> = ask.columns.iter().copied().filter(of_rows).collect();
        let list = columns.iter().position(|&at| at == self.list).unwrap_or_else(|| {
            columns.push(self.list);
            columns.len() - 1
        });
        let inner = ScanAsk {
            pruning: ask.pruning.as_ref().and_then(|predicate| self.of_rows(predicate)),
            partitions: ask.partitions,
            batch_rows: ask.batch_rows,
            since: ask.since.clone(),
            held: ask.held,
            columns,
        };
        let rows = self.inner.scan(&inner)?;
        let places = ask.columns.iter().map(|&at| match at {
            at if at == self.position() => Place::Position,
            at if at == self.list => Place::Element,
            // Cannot fail because every other column was asked for.
            at => Place::Of(inner.columns.iter().position(|&c| c == at).unwrap_or(0)),
        });
        let schema = Arc::new(self.schema.project(&ask.columns)?);
        let places = places.collect();
        Ok(Arc::new(ElementsExec::over(rows, list, places, schema, ask.batch_rows)))
    }
}

/// Where a column of the result comes from.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The column of the row with the list.
    Of(usize),
    Element,
    Position,
}

/// Makes rows of elements.
#[derive(Debug)]
struct ElementsExec {
    rows: Arc<dyn ExecutionPlan>,
    exploded: Arc<Exploded>,
    properties: Arc<PlanProperties>,
}

/// What becomes of a batch.
#[derive(Debug)]
struct Exploded {
    list: usize,
    places: Vec<Place>,
    schema: SchemaRef,
    batch_rows: usize,
}

impl ElementsExec {
    fn over(
        rows: Arc<dyn ExecutionPlan>,
        list: usize,
        places: Vec<Place>,
        schema: SchemaRef,
        batch_rows: usize,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(rows.output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let exploded = Exploded { list, places, schema, batch_rows };
        Self { rows, exploded: Arc::new(exploded), properties: Arc::new(properties) }
    }
}

impl DisplayAs for ElementsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ElementsExec: list={}", self.rows.schema().field(self.exploded.list).name())
    }
}

impl ExecutionPlan for ElementsExec {
    fn name(&self) -> &'static str {
        "ElementsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.rows]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let (Some(rows), true) = (children.pop(), children.is_empty()) else {
            return Err(DataFusionError::Internal("elements are of one table's lists".into()));
        };
        let Exploded { list, places, schema, batch_rows } = self.exploded.as_ref();
        let schema = Arc::clone(schema);
        Ok(Arc::new(Self::over(rows, *list, places.clone(), schema, *batch_rows)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let rows = self.rows.execute(partition, context)?;
        let exploded = Arc::clone(&self.exploded);
        let schema = Arc::clone(&self.exploded.schema);
        let rows = rows
            .and_then(move |batch| {
                let lists = Lists::of(batch.column(exploded.list));
                let (exploded, mut next) = (Arc::clone(&exploded), 0);
                let pieces = std::iter::from_fn(move || {
                    (next < batch.num_rows()).then(|| {
                        let lists = lists.as_ref().map_err(|error| {
                            DataFusionError::Internal(format!("lists are not read: {error}"))
                        })?;
                        exploded.piece(&batch, lists, &mut next)
                    })
                });
                std::future::ready(Ok(stream::iter(pieces)))
            })
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

impl Exploded {
    /// The elements of the next rows, about a batch of them.
    fn piece(&self, batch: &RecordBatch, lists: &Lists, next: &mut usize) -> DfResult<RecordBatch> {
        let mut elements = lists.elements();
        let (mut rows, mut positions) = (Vec::new(), Vec::new());
        while *next < batch.num_rows() && rows.len() < self.batch_rows {
            let count = elements.take(*next);
            rows.extend(std::iter::repeat_n(*next as u64, count));
            positions.extend(0..i64::try_from(count).unwrap_or(i64::MAX));
            *next += 1;
        }
        let rows = UInt64Array::from(rows);
        let element = elements.finish()?;
        let columns = self.places.iter().map(|place| {
            Ok(match place {
                Place::Of(at) => take(batch.column(*at), &rows, None)?,
                Place::Element => Arc::clone(&element),
                Place::Position => Arc::new(Int64Array::from(positions.clone())),
            })
        });
        let columns = columns.collect::<DfResult<Vec<_>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// The lists of a batch.
enum Lists {
    /// Where each row's list begins, and all elements.
    Nested {
        ranges: Vec<(u64, u64)>,
        values: ArrayRef,
    },
    Json(ArrayRef),
}

impl Lists {
    fn of(column: &ArrayRef) -> DfResult<Self> {
        let ranges = |offsets: &mut dyn Iterator<Item = (u64, u64)>| {
            let there = |(row, range)| if column.is_null(row) { (0, 0) } else { range };
            offsets.enumerate().map(there).collect()
        };
        Ok(match column.data_type() {
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                let pairs = list.value_offsets().windows(2);
                let mut pairs = pairs.map(|pair| (pair[0] as u64, pair[1] as u64));
                Self::Nested { ranges: ranges(&mut pairs), values: Arc::clone(list.values()) }
            }
            DataType::LargeList(_) => {
                let list = column.as_list::<i64>();
                let pairs = list.value_offsets().windows(2);
                let mut pairs = pairs.map(|pair| (pair[0] as u64, pair[1] as u64));
                Self::Nested { ranges: ranges(&mut pairs), values: Arc::clone(list.values()) }
            }
            DataType::FixedSizeList(_, width) => {
                let (list, width) = (column.as_fixed_size_list(), *width as u64);
                let mut pairs = (0..list.len() as u64).map(|row| (row * width, (row + 1) * width));
                Self::Nested { ranges: ranges(&mut pairs), values: Arc::clone(list.values()) }
            }
            _ => Self::Json(cast(column, &DataType::Utf8View)?),
        })
    }

    fn elements(&self) -> Elements<'_> {
        match self {
            Self::Nested { ranges, values } => {
                Elements::Nested { ranges, values, taken: Vec::new() }
            }
            Self::Json(texts) => Elements::Json { texts, taken: StringViewBuilder::new() },
        }
    }
}

/// Elements that are taken from lists, row after row.
enum Elements<'a> {
    Nested { ranges: &'a [(u64, u64)], values: &'a ArrayRef, taken: Vec<u64> },
    Json { texts: &'a ArrayRef, taken: StringViewBuilder },
}

impl Elements<'_> {
    /// Takes those of a row, and says how many there are.
    fn take(&mut self, row: usize) -> usize {
        match self {
            Self::Nested { ranges, taken, .. } => {
                let (begin, end) = ranges[row];
                taken.extend(begin..end);
                (end - begin) as usize
            }
            Self::Json { texts, taken } if texts.is_valid(row) => {
                let text = texts.as_string_view().value(row);
                match serde_json::from_str::<Vec<&RawValue>>(text) {
                    Ok(elements) => {
                        elements.iter().for_each(|element| match element.get() {
                            "null" => taken.append_null(),
                            element => taken.append_value(element),
                        });
                        elements.len()
                    }
                    // JSON that is no list has no elements.
                    Err(_) if serde_json::from_str::<&RawValue>(text).is_ok() => 0,
                    Err(_) => {
                        taken.append_value(text);
                        1
                    }
                }
            }
            Self::Json { .. } => 0,
        }
    }

    fn finish(self) -> DfResult<ArrayRef> {
        Ok(match self {
            Self::Nested { values, taken, .. } => take(values, &UInt64Array::from(taken), None)?,
            Self::Json { mut taken, .. } => Arc::new(taken.finish()),
        })
    }
}
