//! Whole queries as one statement of the database.
//!
//! An optimized plan becomes SQL when every one of its nodes and expressions can be said so that it
//! means exactly what it means here: texts compare by their bytes, a missing value is the greatest
//! where it is sorted so, sums are exact. What is not known to be the same (floating point numbers,
//! means, functions, casts that can fail) is not said, and the query is then run here, over scans.
//!
//! No tenant sees another's rows by it: each table stands in the statement as a query of its own
//! that admits the tenant's rows only, and as nothing that is said can fail on any value, it does not
//! matter in which order the database does it.

mod expression;
mod query;

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::{DFSchema, NullEquality};
use datafusion::logical_expr::logical_plan::{FetchType, SkipType};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Join, JoinType, Limit, LogicalPlan, Operator, Projection, Sort,
    SortExpr, TableScan,
};
use datafusion::physical_plan::ExecutionPlan;

use self::expression::{Columns, compared};
use self::query::{Query, Same, Value};
use super::read::{Reading, Statement, rows};
use super::session::Session;
use super::table::PostgresTable;
use super::types::{Column, Form};
use crate::barrier::Admission;
use crate::guard::{Guard, RemoteObject};
use crate::sources::database::{StatementExec, lazy};

/// A plan that asks the database for the whole of a query; `None` where it cannot be asked.
pub(super) fn whole(
    table: &PostgresTable,
    query: &LogicalPlan,
    batch_rows: usize,
) -> Option<Arc<dyn ExecutionPlan>> {
    let mut writer = Writer { session: &table.session, tables: 0 };
    let query_of = writer.query(query)?;
    let schema: SchemaRef = Arc::new(query.schema().as_arrow().clone());
    let columns = query_of.columns.iter().zip(schema.fields()).map(|(value, field)| {
        let column = Column::computed(field.name(), value.form);
        (column.form.data_type() == *field.data_type()).then_some(column)
    });
    let columns: Arc<[Column]> = columns.collect::<Option<Vec<_>>>()?.into();
    let text = query_of.text(|_, value| value.sql.clone());
    let (session, object) = (Arc::clone(&table.session), table.object.clone());
    let heading = Arc::clone(&schema);
    let statements: Arc<[Statement]> =
        Arc::new([Statement { query: text.clone(), repeats: false }]);
    let open = move || {
        let reading = Reading {
            session: Arc::clone(&session),
            object: object.clone(),
            statements: Arc::clone(&statements),
            columns: Arc::clone(&columns),
            schema: Arc::clone(&heading),
            batch_rows,
        };
        lazy(async move { Ok(rows(reading).await) })
    };
    Some(Arc::new(StatementExec::new(&table.source, text, schema, open)))
}

/// Writes the nodes of a plan.
struct Writer<'a> {
    /// The one moment that all tables must be of.
    session: &'a Arc<Session>,
    /// How many things in FROM have a name.
    tables: usize,
}

impl Writer<'_> {
    fn name(&mut self) -> String {
        self.tables += 1;
        format!("t{}", self.tables)
    }

    fn query(&mut self, plan: &LogicalPlan) -> Option<Query> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.query(&alias.input),
            LogicalPlan::Projection(projection) => self.projected(projection),
            LogicalPlan::Filter(filter) => self.filtered(filter),
            LogicalPlan::Aggregate(aggregate) => self.grouped(aggregate),
            LogicalPlan::Sort(sort) => self.sorted(sort),
            LogicalPlan::Limit(limit) => self.limited(limit),
            LogicalPlan::Join(join) => self.joined(join),
            _ => None,
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Option<Query> {
        let provider = source_as_provider(&scan.source).ok()?;
        let object = provider.downcast_ref::<Guard>()?.remote()?;
        let table = object.table.downcast_ref::<PostgresTable>()?;
        if !Arc::ptr_eq(&table.session, self.session) {
            return None;
        }
        let name = self.name();
        let physical: Vec<_> = table.columns.iter().map(|column| value(column, &name)).collect();
        let schema = DFSchema::try_from(object.schema().as_ref().clone()).ok()?;
        let columns = Columns { schema: &schema, values: &physical };
        let shown = match &scan.projection {
            Some(shown) => shown.clone(),
            None => (0..provider.schema().fields().len()).collect(),
        };
        let shown = shown.into_iter().map(|at| columns.value(&object.value(at)?));
        let shown = shown.collect::<Option<Vec<_>>>()?;
        let mut query = Query::of(format!("{} AS {name}", table.relation.quoted()), shown);
        query.filter = admitted(&object, &physical)?;
        if let Some(live) = object.live().ok()? {
            query.filter.push(columns.condition(&live)?);
        }
        // A wall for readers: what is said of rows is said of the tenant's.
        let name = self.name();
        let (from, columns) = query.nested(&name);
        Some(Query::of(from, columns))
    }

    fn projected(&mut self, projection: &Projection) -> Option<Query> {
        let query = self.query(&projection.input)?;
        let columns = Columns { schema: projection.input.schema(), values: &query.columns };
        let columns = projection.expr.iter().map(|expr| columns.value(expr));
        Some(Query { columns: columns.collect::<Option<_>>()?, ..query })
    }

    fn filtered(&mut self, filter: &Filter) -> Option<Query> {
        let mut query = self.query(&filter.input)?;
        if query.groups.is_some() || query.is_cut() {
            query = self.nested(query)?;
        }
        let columns = Columns { schema: filter.input.schema(), values: &query.columns };
        query.filter.push(columns.condition(&filter.predicate)?);
        Some(query)
    }

    fn grouped(&mut self, aggregate: &Aggregate) -> Option<Query> {
        let mut query = self.query(&aggregate.input)?;
        if !query.is_cut() {
            // Groups have no order.
            query.order.clear();
        }
        if query.groups.is_some() || query.is_cut() {
            query = self.nested(query)?;
        }
        let columns = Columns { schema: aggregate.input.schema(), values: &query.columns };
        let keys = aggregate.group_expr.iter().map(|key| columns.value(key));
        let keys = keys.collect::<Option<Vec<_>>>()?;
        if keys.iter().any(|key| key.same == Same::Nowhere) {
            return None;
        }
        let fields = aggregate.schema.fields().iter().skip(keys.len());
        let calls = aggregate.aggr_expr.iter().zip(fields).map(|(call, field)| {
            let call = if let Expr::Alias(alias) = call { &alias.expr } else { call };
            let Expr::AggregateFunction(call) = call else { return None };
            columns.aggregate(call, field.data_type())
        });
        let calls = calls.collect::<Option<Vec<_>>>()?;
        // A number in GROUP BY would be a place in the list of columns; expressions are not.
        query.groups = Some(keys.iter().map(|key| format!("({})", key.sql)).collect());
        query.columns = keys.into_iter().chain(calls).collect();
        Some(query)
    }

    fn sorted(&mut self, sort: &Sort) -> Option<Query> {
        let mut query = self.query(&sort.input)?;
        if query.is_cut() {
            query = self.nested(query)?;
        }
        let columns = Columns { schema: sort.input.schema(), values: &query.columns };
        let key = |key: &SortExpr| {
            let value = columns.value(&key.expr)?;
            let way = if key.asc { "ASC" } else { "DESC" };
            let nulls = if key.nulls_first { "FIRST" } else { "LAST" };
            let ordered = format!("({}) {way} NULLS {nulls}", value.ordered());
            (value.same == Same::Order).then_some(ordered)
        };
        query.order = sort.expr.iter().map(key).collect::<Option<_>>()?;
        query.limit = sort.fetch;
        Some(query)
    }

    fn limited(&mut self, limit: &Limit) -> Option<Query> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (limit.get_skip_type().ok()?, limit.get_fetch_type().ok()?)
        else {
            return None;
        };
        let mut query = self.query(&limit.input)?;
        // A sort below knows how many rows it must find: those that are skipped, too.
        let room = fetch.map(|fetch| fetch.saturating_add(skip));
        if query.offset > 0 || query.limit.is_some_and(|most| room.is_none_or(|room| most < room)) {
            return None;
        }
        (query.offset, query.limit) = (skip, fetch);
        Some(query)
    }

    fn joined(&mut self, join: &Join) -> Option<Query> {
        let (left, right) = (self.query(&join.left)?, self.query(&join.right)?);
        if join.null_equality != NullEquality::NullEqualsNothing || join.null_aware {
            return None;
        }
        let (left, right) = (self.side(left)?, self.side(right)?);
        let mut on = Vec::new();
        for (here, there) in &join.on {
            let here = Columns { schema: join.left.schema(), values: &left.1 }.value(here)?;
            let there = Columns { schema: join.right.schema(), values: &right.1 }.value(there)?;
            on.push(compared(&here, Operator::Eq, &there)?);
        }
        let both: Vec<_> = left.1.iter().chain(&right.1).cloned().collect();
        if let Some(filter) = &join.filter {
            let schema = join.left.schema().join(join.right.schema()).ok()?;
            on.push(Columns { schema: &schema, values: &both }.condition(filter)?);
        }
        let on = if on.is_empty() { "true".to_owned() } else { on.join(" AND ") };
        let (word, columns) = match join.join_type {
            JoinType::Inner => ("JOIN", both),
            JoinType::Left => ("LEFT JOIN", both),
            JoinType::Right => ("RIGHT JOIN", both),
            JoinType::LeftSemi => return Some(existing(left, &right.0, &on, "EXISTS")),
            JoinType::LeftAnti => return Some(existing(left, &right.0, &on, "NOT EXISTS")),
            JoinType::RightSemi => return Some(existing(right, &left.0, &on, "EXISTS")),
            JoinType::RightAnti => return Some(existing(right, &left.0, &on, "NOT EXISTS")),
            _ => return None,
        };
        Some(Query::of(format!("{} {word} {} ON {on}", left.0, right.0), columns))
    }

    /// A query as one side of a join, whose own order is of no account.
    fn side(&mut self, mut query: Query) -> Option<(String, Vec<Value>)> {
        if !query.is_cut() {
            query.order.clear();
        }
        let name = self.name();
        Some(query.nested(&name))
    }

    /// The query as the rows of another.
    fn nested(&mut self, query: Query) -> Option<Query> {
        // An order would be lost, but for which rows a limit takes.
        if !query.order.is_empty() && !query.is_cut() {
            return None;
        }
        let name = self.name();
        let (from, columns) = query.nested(&name);
        Some(Query::of(from, columns))
    }
}

/// One side of a join, of which rows are kept by whether the other has some for them.
fn existing(kept: (String, Vec<Value>), other: &str, on: &str, word: &str) -> Query {
    let mut query = Query::of(kept.0, kept.1);
    query.filter.push(format!("{word} (SELECT 1 FROM {other} WHERE {on})"));
    query
}

/// A column of a table, under the table's name in the statement.
fn value(column: &Column, table: &str) -> Value {
    let same = match column.form {
        _ if column.is_exact() => Same::Order,
        Form::Uuid => Same::Equality,
        _ => Same::Nowhere,
    };
    let asked = column.asked(&format!("{table}.{}", super::sql::name(&column.name)));
    match column.form {
        // Whole numbers of all lengths are of one form here.
        Form::Whole(2 | 4) => Value { sql: format!("{asked}::int8"), form: Form::Whole(8), same },
        form => Value { sql: asked, form, same },
    }
}

/// The conditions by which the tenant's rows are admitted, and no others.
fn admitted(object: &RemoteObject<'_>, physical: &[Value]) -> Option<Vec<String>> {
    let admits = |admission: &&Admission| {
        let column = &physical[admission.column];
        let any = admission.literals().ok()?.into_iter().map(|value| {
            let schema = DFSchema::empty();
            let none = Columns { schema: &schema, values: &[] };
            let literal = none.value(&Expr::Literal(value, None))?;
            if column.form == Form::Uuid {
                return Some(format!("({}::text = {})", column.sql, literal.sql));
            }
            compared(column, Operator::Eq, &literal)
        });
        let any = any.collect::<Option<Vec<_>>>()?;
        Some(if any.is_empty() { "false".to_owned() } else { format!("({})", any.join(" OR ")) })
    };
    object.admissions.iter().map(admits).collect()
}
