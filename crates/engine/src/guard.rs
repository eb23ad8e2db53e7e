//! A catalog object as a table of one run: what it is called in the catalog, what its values are
//! there, and only the rows of the run's scope.
//!
//! There are two views of an object. Queries of the neutral form see its fields and, under names
//! that no catalog can give, the columns by which it is joined. SQL text sees its fields only,
//! and of a sensitive field only the mask.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, ToDFSchema};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    BinaryExpr, Expr, Operator, ScalarUDF, TableProviderFilterPushDown, TableType, when,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    self as physical, BinaryExpr as PhysicalBinary, InListExpr, IsNotNullExpr, IsNullExpr, Literal,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::scalar::ScalarValue;
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::MASK;
use outhaul_exports::session::Mark;
use outhaul_exports::{Error, Result};

use crate::barrier::{Admission, ROW, TenantBarrierExec, Wall};
use crate::error::said;
use crate::member::Way;
use crate::read::{ReadField, Reading, reading};
use crate::sources::{ScanAsk, Table};

/// Name of the column that says whether a row is deleted.
pub(crate) const DELETED: &str = "#deleted";

/// The type of text in the view of an object.
const TEXT: DataType = DataType::Utf8View;

/// Digits after the point of decimals in members of JSON, at least.
const MEMBER_SCALE: u8 = 9;

/// Name under which a physical column is joined by.
pub(crate) fn join_name(column: &str) -> String {
    format!("#join:{column}")
}

/// Who looks.
#[derive(Debug, Clone)]
pub(crate) enum View {
    /// The neutral query.
    Select {
        /// The physical columns that its relations need.
        joined: BTreeSet<String>,
        /// Whether the rows are counted, so that their order can be kept.
        counted: bool,
    },
    /// SQL text.
    Sql,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Guard {
    object: Arc<Object>,
    table: Arc<dyn Table>,
    tenant: Admission,
    narrower: Vec<Admission>,
    columns: Vec<Exposed>,
    schema: SchemaRef,
    /// The column by which deleted rows are left out, in the view of SQL text. This is no matter
    /// of security, so it is done above the barrier.
    live_by: Option<usize>,
    /// About how many rows there are, where the order of joins may go by it: SQL text names its
    /// tables in any order.
    about: Option<u64>,
    /// Since when the scan itself leaves out what did not change.
    since: Option<Arc<Mark>>,
    /// The column with the time of a row's last change, and from when on rows were held back.
    held: Option<(usize, DateTime<Utc>)>,
}

impl View {
    /// What a field is called. SQL text has no case, and its planner sees lower case only.
    fn name(&self, field: &str) -> String {
        match self {
            Self::Select { .. } => field.to_owned(),
            Self::Sql => field.to_ascii_lowercase(),
        }
    }
}

/// One column of the view.
#[derive(Debug)]
struct Exposed {
    /// Index of its physical column; of no meaning for a count.
    physical: usize,
    /// The way to its value in there.
    way: Way,
    how: How,
    /// Whether it is declared as JSON, and not masked.
    json: bool,
}

#[derive(Debug)]
enum How {
    AsIs,
    Read(Arc<ScalarUDF>),
    Masked,
    Deleted,
    /// The count of the row.
    Row,
    /// The source does not have it. Only a query that needs it fails.
    Absent(String),
}

impl Guard {
    /// Binds an object to its table, as this scope may see it.
    ///
    /// # Errors
    /// `Invalid` when the table has no tenant column.
    pub(crate) fn new(
        object: Arc<Object>,
        table: Arc<dyn Table>,
        scope: &TenantScope,
        view: &View,
    ) -> Result<Self> {
        let tenant =
            admission(&object, table.as_ref(), &object.tenant_column, &[scope.value().to_owned()])?;
        let mut narrower = Vec::new();
        for (column, values) in
            [(&object.entity_column, scope.entities()), (&object.org_column, scope.orgs())]
        {
            if let (Some(column), Some(values)) = (column, values) {
                narrower.push(admission(&object, table.as_ref(), column, values)?);
            }
        }
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for (field, exposed) in exposed_fields(&object, table.as_ref(), view)
            .into_iter()
            .chain(hidden_columns(&object, table.as_ref(), view))
        {
            fields.push(field);
            columns.push(exposed);
        }
        let schema = Arc::new(Schema::new(fields));
        let live_by = match (view, &object.deleted_column) {
            (View::Sql, Some(column)) => Some(column_of(&object, table.as_ref(), column)?),
            _ => None,
        };
        let about = match view {
            View::Sql => table.rows_at_most(&tenant).or_else(|| table.rows()),
            View::Select { .. } => None,
        };
        Ok(Self {
            object,
            table,
            tenant,
            narrower,
            columns,
            schema,
            live_by,
            about,
            since: None,
            held: None,
        })
    }

    /// The same, with a scan that leaves out what did not change since.
    ///
    /// # Errors
    /// `Invalid` when the column with the time of the last change is not there, and needed.
    pub(crate) fn with_since(mut self, mark: Mark) -> Result<Self> {
        let updated = self.object.updated.as_deref().and_then(|name| self.object.field(name));
        if let (Some(time), Some(field)) = (mark.held_from, updated) {
            self.held = Some((column_of(&self.object, self.table.as_ref(), &field.column)?, time));
        }
        self.since = Some(Arc::new(mark));
        Ok(self)
    }

    /// What a query of a database must say for this object, where the database answers whole queries;
    /// `None` where it does not, or the rows are counted or of an increment.
    pub(crate) fn remote(&self) -> Option<RemoteObject<'_>> {
        let remote = self.table.remote()?;
        if self.since.is_some() {
            return None;
        }
        let admissions = std::iter::once(&self.tenant).chain(&self.narrower);
        // What the table's wrapper adds is the same in every row, and admitted.
        let admissions = admissions.filter(|a| Some(a.column) != remote.added).collect();
        Some(RemoteObject { guard: self, table: remote.table, admissions })
    }

    /// Where its rows are.
    pub(crate) fn table(&self) -> &Arc<dyn Table> {
        &self.table
    }

    pub(crate) fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// Whether a column is a field of JSON in text, as it is.
    pub(crate) fn is_json(&self, column: &str) -> bool {
        let at = self.schema.index_of(column);
        at.is_ok_and(|at| self.columns[at].json && *self.schema.field(at).data_type() == TEXT)
    }

    /// How many rows of the scope there may be. Never too few.
    pub(crate) fn rows_at_most(&self) -> Option<u64> {
        self.table.rows_at_most(&self.tenant)
    }

    fn plan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let wanted: Vec<usize> =
            projection.map_or_else(|| (0..self.columns.len()).collect(), Clone::clone);
        for &at in &wanted {
            if let How::Absent(text) = &self.columns[at].how {
                return Err(said(Error::invalid(self.object.name.clone(), text.clone())));
            }
        }
        let is_count = |at: &usize| matches!(self.columns[*at].how, How::Row);
        let counted = wanted.iter().any(is_count);
        let mut needed: Vec<usize> =
            wanted.iter().filter(|at| !is_count(at)).map(|&at| self.columns[at].physical).collect();
        needed.extend(self.live_by);
        needed.sort_unstable();
        needed.dedup();
        let mut rows = self.barrier(session, &needed, filters, counted)?;
        let names = rows.schema();
        let schema = names.as_ref().clone().to_dfschema()?;
        if let Some(live) = self.live()? {
            let live = session.create_physical_expr(live, &schema)?;
            rows = Arc::new(FilterExec::try_new(live, rows)?);
        }
        let mut columns = Vec::with_capacity(wanted.len());
        for at in wanted {
            let exposed = &self.columns[at];
            if is_count(&at) {
                columns.push((physical::col(ROW, &names)?, ROW.to_owned()));
                continue;
            }
            let name = self.table.schema().field(exposed.physical).name();
            let value = exposed.value(self.table.schema().field(exposed.physical))?;
            let value: Arc<dyn PhysicalExpr> = match value {
                None => physical::col(name, &names)?,
                Some(value) => session.create_physical_expr(value, &schema)?,
            };
            columns.push((value, self.schema.field(at).name().clone()));
        }
        Ok(Arc::new(ProjectionExec::try_new(columns, rows)?))
    }

    fn barrier(
        &self,
        session: &dyn Session,
        needed: &[usize],
        filters: &[Expr],
        counted: bool,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let mut columns = needed.to_vec();
        for admission in std::iter::once(&self.tenant).chain(&self.narrower) {
            if !columns.contains(&admission.column) {
                columns.push(admission.column);
            }
        }
        // Cannot fail because the column was just added.
        let place = |a: &Admission| columns.iter().position(|&c| c == a.column).unwrap_or(0);
        let narrower: Vec<_> = self.narrower.iter().map(|a| (a, place(a))).collect();
        let tenant_at = place(&self.tenant);
        let mut pruning = self.tenant.predicate(self.tenant.column)?;
        for filter in filters {
            if let Some(filter) = self.pruning(filter) {
                pruning = Arc::new(PhysicalBinary::new(pruning, Operator::And, filter));
            }
        }
        let batch_rows = session.config().batch_size();
        let scan = self.table.scan(&ScanAsk {
            columns: columns.clone(),
            pruning: Some(pruning),
            partitions: session.config().target_partitions(),
            batch_rows,
            since: self.since.clone(),
            held: self.held,
        })?;
        let wall = Wall {
            object: &self.object.name,
            table: Arc::clone(&self.table),
            tenant: (&self.tenant, tenant_at),
            narrower,
            keep: (0..needed.len()).collect(),
            counted,
            batch_rows,
            about: self.about,
        };
        Ok(Arc::new(TenantBarrierExec::over(scan, wall)?))
    }

    /// A condition of the customer's by which parts of files may be left out unread: only such as
    /// cannot fail on any value, so that foreign values cannot be told by it. `None` for others.
    fn pruning(&self, filter: &Expr) -> Option<Arc<dyn PhysicalExpr>> {
        match filter {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: op @ (Operator::And | Operator::Or),
                right,
            }) => {
                let (left, right) = (self.pruning(left)?, self.pruning(right)?);
                Some(Arc::new(PhysicalBinary::new(left, *op, right)))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (column, op, value) = match (left.as_ref(), right.as_ref()) {
                    (Expr::Column(column), Expr::Literal(value, _)) => (column, *op, value),
                    (Expr::Literal(value, _), Expr::Column(column)) => (column, op.swap()?, value),
                    _ => return None,
                };
                let comparison = matches!(
                    op,
                    Operator::Eq
                        | Operator::NotEq
                        | Operator::Lt
                        | Operator::LtEq
                        | Operator::Gt
                        | Operator::GtEq
                );
                let (column, data_type) = self.physical(column)?;
                // What a file says of its floats leaves out that some are no numbers.
                if !comparison || data_type.is_floating() || value.data_type() != data_type {
                    return None;
                }
                Some(Arc::new(PhysicalBinary::new(column, op, literal(value))))
            }
            Expr::IsNull(inner) => Some(Arc::new(IsNullExpr::new(self.column(inner)?))),
            Expr::IsNotNull(inner) => Some(Arc::new(IsNotNullExpr::new(self.column(inner)?))),
            Expr::InList(list) if !list.negated => {
                let Expr::Column(column) = list.expr.as_ref() else { return None };
                let (column, data_type) = self.physical(column)?;
                if data_type.is_floating() {
                    return None;
                }
                let values = list.list.iter().map(|value| match value {
                    Expr::Literal(value, _) if value.data_type() == data_type => {
                        Some(literal(value))
                    }
                    _ => None,
                });
                let values = values.collect::<Option<Vec<_>>>()?;
                let list = InListExpr::try_new(column, values, false, self.table.schema()).ok()?;
                Some(Arc::new(list))
            }
            _ => None,
        }
    }

    /// Deleted rows are left out by this, over the physical columns, in the view of SQL text.
    fn live(&self) -> DfResult<Option<Expr>> {
        let Some(at) = self.live_by else { return Ok(None) };
        let field = self.table.schema().field(at);
        let column = Expr::Column(Column::new_unqualified(field.name()));
        Ok(Some(Expr::Not(Box::new(is_deleted(column, field.data_type())?))))
    }

    fn column(&self, expr: &Expr) -> Option<Arc<dyn PhysicalExpr>> {
        let Expr::Column(column) = expr else { return None };
        Some(self.physical(column)?.0)
    }

    /// The physical column behind a field, if the field is nothing but that column.
    fn physical(&self, column: &Column) -> Option<(Arc<dyn PhysicalExpr>, DataType)> {
        let exposed = &self.columns[self.schema.index_of(&column.name).ok()?];
        let field = self.table.schema().field(exposed.physical);
        (exposed.way.is_whole() && matches!(exposed.how, How::AsIs)).then(|| {
            let column = physical::Column::new(field.name(), exposed.physical);
            (Arc::new(column) as Arc<dyn PhysicalExpr>, field.data_type().clone())
        })
    }
}

/// An object whose database answers whole queries.
pub(crate) struct RemoteObject<'a> {
    guard: &'a Guard,
    /// Its table, for its source.
    pub(crate) table: &'a dyn Any,
    /// Which rows may be read, by columns of the table: each of them must hold.
    pub(crate) admissions: Vec<&'a Admission>,
}

impl RemoteObject<'_> {
    /// The value of a column of the view, over the physical columns by their names; `None` for one
    /// that only this program can make.
    pub(crate) fn value(&self, at: usize) -> Option<Expr> {
        let exposed = &self.guard.columns[at];
        let physical = self.guard.table.schema().field(exposed.physical);
        match exposed.how {
            _ if !exposed.way.is_whole() => None,
            How::AsIs => Some(Expr::Column(Column::new_unqualified(physical.name()))),
            How::Masked | How::Deleted => exposed.value(physical).ok().flatten(),
            How::Read(_) | How::Row | How::Absent(_) => None,
        }
    }

    /// A further condition on its rows, over the physical columns.
    pub(crate) fn live(&self) -> DfResult<Option<Expr>> {
        self.guard.live()
    }

    /// The physical columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.guard.table.schema()
    }
}

fn literal(value: &ScalarValue) -> Arc<dyn PhysicalExpr> {
    Arc::new(Literal::new(value.clone()))
}

impl Exposed {
    /// The value of the column over the physical columns; `None` for the physical column itself.
    fn value(&self, physical: &Field) -> DfResult<Option<Expr>> {
        let column = || self.way.from(Expr::Column(Column::new_unqualified(physical.name())));
        Ok(match &self.how {
            How::AsIs if !self.way.is_whole() => Some(column()),
            How::AsIs | How::Row | How::Absent(_) => None,
            How::Read(function) => Some(function.call(vec![column()])),
            How::Masked => Some(mask(column())?),
            How::Deleted => Some(is_deleted(column(), physical.data_type())?),
        })
    }
}

/// The mask for what is there, nothing for what is not.
pub(crate) fn mask(value: Expr) -> DfResult<Expr> {
    let masked = Expr::Literal(ScalarValue::Utf8View(Some(MASK.to_owned())), None);
    when(value.is_not_null(), masked).end()
}

/// A boolean that is true, a time that is set, a number other than zero.
fn is_deleted(column: Expr, data_type: &DataType) -> DfResult<Expr> {
    Ok(match data_type {
        DataType::Boolean => column.is_true(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let no = ["", "0", "f", "F", "n", "N", "no", "No", "NO", "false", "False", "FALSE"];
            let no = no.iter().map(|no| {
                let value = ScalarValue::from(*no).cast_to(data_type)?;
                Ok(Expr::Literal(value, None))
            });
            column.clone().is_not_null().and(column.in_list(no.collect::<DfResult<_>>()?, true))
        }
        number if number.is_numeric() => {
            let zero = ScalarValue::new_zero(number)?;
            column.clone().is_not_null().and(column.not_eq(Expr::Literal(zero, None)))
        }
        _ => column.is_not_null(),
    })
}

fn admission(
    object: &Object,
    table: &dyn Table,
    column: &str,
    values: &[String],
) -> Result<Admission> {
    let at = column_of(object, table, column)?;
    let data_type = table.schema().field(at).data_type().clone();
    let admission =
        Admission { column: at, name: column.to_owned(), data_type, values: values.to_vec() };
    if admission.literals().is_err() {
        let text =
            format!("object {}: column {column} is not of the type of its tenants", object.name);
        return Err(Error::invalid(object.name.clone(), text));
    }
    Ok(admission)
}

fn column_of(object: &Object, table: &dyn Table, column: &str) -> Result<usize> {
    table.schema().index_of(column).map_err(|_| {
        let text = format!("object {}: its source has no column {column}", object.name);
        Error::invalid(object.name.clone(), text)
    })
}

fn exposed_fields(object: &Object, table: &dyn Table, view: &View) -> Vec<(Field, Exposed)> {
    let physical = table.schema();
    let fields = object.fields.iter().map(|field| {
        let name = view.name(&field.name);
        let Ok(at) = physical.index_of(&field.column) else {
            let text = format!(
                "object {}: field {} has no column in the source any more",
                object.name, field.name
            );
            return absent(&name, TEXT, text);
        };
        let element = object.elements.as_ref() == Some(&field.column);
        let (way, from) = match Way::to(&object.name, field, physical.field(at), element) {
            Ok(found) => found,
            Err(why) => {
                let text =
                    format!("object {}: the column of field {} {why}", object.name, field.name);
                return absent(&name, TEXT, text);
            }
        };
        if field.sensitive && matches!(view, View::Sql) {
            let masked = Field::new(name, TEXT, true);
            return (masked, Exposed { physical: at, way, how: How::Masked, json: false });
        }
        // What is read from JSON is text, whatever the types of the source are.
        let least = if way.is_whole() { 0 } else { MEMBER_SCALE };
        let text_scale = table.text_scale().max(least);
        let (data_type, how) = match reading(&from, field.field_type, text_scale) {
            Reading::AsIs => (from.clone(), How::AsIs),
            Reading::To(to) => {
                let function =
                    ReadField::function(&object.name, &field.name, field.field_type, to.clone());
                (to, How::Read(function))
            }
            Reading::Never(why) => {
                let text =
                    format!("object {}: the column of field {} {why}", object.name, field.name);
                return absent(&name, TEXT, text);
            }
        };
        let json = field.field_type == FieldType::Json;
        (Field::new(name, data_type, true), Exposed { physical: at, way, how, json })
    });
    fields.collect()
}

fn absent(name: &str, data_type: DataType, text: String) -> (Field, Exposed) {
    let field = Field::new(name, data_type, true);
    (field, Exposed { physical: 0, way: Way::default(), how: How::Absent(text), json: false })
}

fn hidden_columns(object: &Object, table: &dyn Table, view: &View) -> Vec<(Field, Exposed)> {
    let physical = table.schema();
    let View::Select { joined, counted } = view else { return Vec::new() };
    let mut hidden = Vec::new();
    if *counted {
        let field = Field::new(ROW, DataType::UInt64, true);
        hidden.push((
            field,
            Exposed { physical: 0, way: Way::default(), how: How::Row, json: false },
        ));
    }
    if let Some(column) = &object.deleted_column {
        hidden.push(match physical.index_of(column) {
            Ok(at) => {
                let field = Field::new(DELETED, DataType::Boolean, true);
                (
                    field,
                    Exposed { physical: at, way: Way::default(), how: How::Deleted, json: false },
                )
            }
            Err(_) => {
                let text = format!("object {}: its source has no column {column}", object.name);
                absent(DELETED, DataType::Boolean, text)
            }
        });
    }
    hidden.extend(joined.iter().map(|column| match physical.index_of(column) {
        Ok(at) => {
            let data_type = physical.field(at).data_type().clone();
            let field = Field::new(join_name(column), data_type, true);
            (field, Exposed { physical: at, way: Way::default(), how: How::AsIs, json: false })
        }
        Err(_) => {
            let text = format!(
                "object {}: its source has no column {column}, by which it is related",
                object.name
            );
            absent(&join_name(column), TEXT, text)
        }
    }));
    hidden
}

#[async_trait]
impl TableProvider for Guard {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DfResult<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| match self.pruning(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        self.plan(session, projection, filters)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::col;

    use super::*;

    #[test]
    fn what_marks_a_deleted_row_depends_on_the_type() {
        for (data_type, said) in [
            (DataType::Boolean, "d IS TRUE"),
            (DataType::Int32, "d IS NOT NULL AND d != Int32(0)"),
            (DataType::Float64, "d IS NOT NULL AND d != Float64(0)"),
            (DataType::Decimal128(1, 0), "d IS NOT NULL AND d != Decimal128(0,1,0)"),
            (DataType::Date32, "d IS NOT NULL"),
        ] {
            let marked = is_deleted(col("d"), &data_type).expect("a condition");
            assert_eq!(marked.to_string(), said, "{data_type}");
        }
    }
}
