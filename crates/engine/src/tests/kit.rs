//! A small world for tests: three tenants in the same files, every cell marked with its owner.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_avro::writer::AvroWriter;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use futures::TryStreamExt;
use outhaul_exports::catalog::raw::{RawObject, RawRelation};
use outhaul_exports::catalog::{Cardinality, Catalog};
use outhaul_exports::ports::{Engine, RunLimits, Snapshot};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{
    Column, Condition, Expr, Path as FieldPath, Protection, Query, Select,
};
use outhaul_exports::testing::sample;
use outhaul_exports::{Error, Result};
use tempfile::TempDir;

use crate::DataFusionEngine;
use crate::sources::SourceConfig;
use crate::sources::files::{Config, FileFormat};

/// The tenants of every world.
pub(super) const TENANTS: [&str; 3] = ["ta", "tb", "tc"];

/// A data set of all tenants, or of one alone, and an engine over it.
pub(super) struct World {
    pub(super) dir: TempDir,
    pub(super) engine: DataFusionEngine,
}

/// How a world is made.
pub(super) struct Plan<'a> {
    pub(super) tenants: &'a [&'a str],
    pub(super) rows: i64,
    pub(super) format: FileFormat,
    pub(super) files: usize,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self { tenants: &TENANTS, rows: 20, format: FileFormat::Parquet, files: 1 }
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::of(&Plan::default())
    }

    pub(super) fn of(plan: &Plan<'_>) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        std::fs::create_dir(dir.path().join("spill")).expect("a folder");
        for (object, batch) in tables(plan) {
            write_table(&data, object, &batch, plan);
        }
        let engine = Self::engine(&data, Some(plan.format));
        Self { dir, engine }
    }

    pub(super) fn engine(data: &Path, format: Option<FileFormat>) -> DataFusionEngine {
        let config = Config {
            name: "main".into(),
            url: data.display().to_string(),
            format,
            delimiter: None,
            decimal_digits: 6,
            overlap_secs: 300,
            options: BTreeMap::new(),
        };
        DataFusionEngine::new(Arc::new(catalog()), vec![SourceConfig::Files(config)])
            .expect("an engine")
    }

    pub(super) fn limits(&self) -> RunLimits {
        RunLimits {
            memory_bytes: 256 << 20,
            spill_bytes: 1 << 30,
            spill_dir: self.dir.path().join("spill"),
            threads: 2,
        }
    }

    pub(super) async fn begin(&self, tenant: &str) -> Box<dyn Snapshot> {
        let scope = TenantScope::of(&sample::tenant(tenant));
        self.engine.begin(&scope, &self.limits()).await.expect("a snapshot")
    }

    pub(super) async fn run(&self, tenant: &str, query: &Query) -> Result<Answer> {
        let snapshot = self.begin(tenant).await;
        collect(snapshot.as_ref(), query).await
    }

    /// The physical plan of a query.
    pub(super) async fn plan(
        &self,
        tenant: &str,
        query: &Query,
    ) -> Result<Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
        let scope = TenantScope::of(&sample::tenant(tenant));
        let moment = self.engine.moment(&scope, &self.limits()).await?;
        Ok(moment.ready(query).await?.0.plan)
    }

    pub(super) async fn select(&self, tenant: &str, select: &Select) -> Result<Answer> {
        self.run(tenant, &Query::Select(Box::new(select.clone()))).await
    }

    pub(super) async fn sql(&self, tenant: &str, text: &str) -> Result<Answer> {
        self.run(tenant, &Query::Sql { text: text.to_owned() }).await
    }
}

/// The sample catalog, with relations to many rows.
pub(super) fn catalog() -> Catalog {
    let mut objects = toml::from_str::<Objects>(CATALOG).expect("a catalog").objects;
    for (object, name, target, columns) in [
        ("Account", "Contacts", "Contact", vec![("Id", "AccountId")]),
        ("Account", "Invoices", "Invoice", vec![("Id", "AccountId")]),
        ("Account", "Children", "Account", vec![("Id", "ParentId")]),
        (
            "Invoice",
            "Alike",
            "Invoice",
            vec![("AccountId", "AccountId"), ("Status", "Status"), ("Comments", "Comments")],
        ),
    ] {
        let object = objects.iter_mut().find(|o| o.name == object).expect("an object");
        object.relations.push(RawRelation {
            name: name.to_owned(),
            label: None,
            target: target.to_owned(),
            columns: columns.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect(),
            cardinality: Cardinality::ToMany,
            embedded: false,
        });
    }
    Catalog::check(objects).expect("a sound catalog")
}

#[derive(serde::Deserialize)]
struct Objects {
    objects: Vec<RawObject>,
}

const CATALOG: &str = include_str!("../../../exports/src/testing/catalog.toml");

/// A condition on related rows.
pub(super) fn exists(relation: &str, filter: Option<Condition>, negated: bool) -> Condition {
    Condition::Exists { relation: relation.to_owned(), filter: filter.map(Box::new), negated }
}

/// The result of a query as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) labels: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Answer {
    pub(super) fn sorted(mut self) -> Self {
        self.rows.sort();
        self
    }

    pub(super) fn column(&self, at: usize) -> Vec<&str> {
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }

    pub(super) fn text(&self) -> String {
        let rows = self.rows.iter().map(|row| row.join("|"));
        std::iter::once(self.labels.join("|")).chain(rows).collect::<Vec<_>>().join("\n")
    }
}

pub(super) async fn collect(snapshot: &dyn Snapshot, query: &Query) -> Result<Answer> {
    let stream = snapshot.open(query).await?;
    let labels = stream.schema.fields().iter().map(|f| f.name().clone()).collect();
    let batches: Vec<RecordBatch> = stream.batches.try_collect().await?;
    let mut rows = Vec::new();
    for batch in &batches {
        let options = FormatOptions::default().with_null("NULL");
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("a type"))
            .collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect());
        }
    }
    Ok(Answer { labels, rows })
}

/// A query for fields by their paths, such as `Account.Name`.
pub(super) fn select(object: &str, paths: &[&str]) -> Select {
    let mut select = Select::of(object);
    select.columns = paths.iter().map(|path| column(path, field(path))).collect();
    select
}

pub(super) fn column(label: &str, expr: Expr) -> Column {
    Column { label: label.to_owned(), expr, protection: Protection::Plain }
}

pub(super) fn field(path: &str) -> Expr {
    let mut parts: Vec<String> = path.split('.').map(ToOwned::to_owned).collect();
    let field = parts.pop().expect("a field");
    Expr::Field(FieldPath { relations: parts, field })
}

pub(super) fn refused(result: Result<Answer>) -> Error {
    match result {
        Ok(answer) => panic!("it was answered: {}", answer.text()),
        Err(error) => error,
    }
}

/// Every object's rows: those of all tenants, one after another in turn.
pub(super) fn tables(plan: &Plan<'_>) -> Vec<(&'static str, RecordBatch)> {
    let owners: Vec<(String, i64)> = (0..plan.rows)
        .flat_map(|n| plan.tenants.iter().map(move |tenant| ((*tenant).to_owned(), n)))
        .collect();
    let text = |make: &dyn Fn(&str, i64) -> Option<String>| -> ArrayRef {
        Arc::new(owners.iter().map(|(t, n)| make(t, *n)).collect::<StringArray>())
    };
    let marked = |what: &'static str| text(&move |t, n| Some(format!("{what}-{t}-{n}")));
    let sometimes = |what: &'static str, every: i64| {
        text(&move |t, n| (n % every != 0).then(|| format!("{what}-{t}-{n}")))
    };
    let money = |digits: i128| -> ArrayRef {
        let values = owners
            .iter()
            .map(|(_, n)| (n % 7 != 3).then(|| (i128::from(*n) - 5) * digits + i128::from(*n)));
        let values: Decimal128Array = values.collect();
        Arc::new(values.with_precision_and_scale(18, 2).expect("it fits"))
    };
    let moments = |step: i64| -> ArrayRef {
        let values = owners.iter().map(|(_, n)| 1_700_000_000_000_000 + n * step * 1_000_000);
        Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let days = |first: i32| -> ArrayRef {
        Arc::new(
            owners
                .iter()
                .map(|(_, n)| (n % 5 != 4).then(|| first + i32::try_from(*n).expect("small")))
                .collect::<Date32Array>(),
        )
    };
    let numbers: ArrayRef =
        Arc::new(owners.iter().map(|(_, n)| (n % 4 != 1).then_some(n * 3)).collect::<Int64Array>());
    let flags = |every: i64| -> ArrayRef {
        Arc::new(owners.iter().map(|(_, n)| Some(n % every == 0)).collect::<BooleanArray>())
    };
    // Most rows are not deleted; every ninth is.
    let deleted: ArrayRef =
        Arc::new(owners.iter().map(|(_, n)| Some(n % 9 == 8)).collect::<BooleanArray>());
    let currency = text(&|_, n| {
        Some(["USD", "EUR", "GBP"][usize::try_from(n % 3).expect("small")].to_owned())
    });
    let status = text(&|_, n| Some(if n % 2 == 0 { "Draft" } else { "Posted" }.to_owned()));
    let link = |what: &'static str, by: i64| {
        let rows = plan.rows;
        text(&move |t, n| (n % 6 != 5).then(|| format!("{what}-{t}-{}", (n / by) % rows)))
    };
    let tenant = text(&|t, _| Some(t.to_owned()));
    let batch = |columns: Vec<(&str, ArrayRef)>| {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
            .expect("columns of one length")
    };
    vec![
        (
            "Account",
            batch(vec![
                ("tenant", Arc::clone(&tenant)),
                ("Id", marked("Account")),
                ("Name", sometimes("name, \"quoted\" é", 4)),
                ("AccountNumber", marked("A")),
                ("Balance", money(101)),
                ("Mrr", money(7)),
                ("Currency", Arc::clone(&currency)),
                ("BillCycleDay", Arc::clone(&numbers)),
                ("AutoPay", flags(3)),
                ("CreatedDate", moments(3600)),
                ("UpdatedDate", moments(86_400)),
                ("Deleted", Arc::clone(&deleted)),
                ("BillToId", link("Contact", 1)),
                ("SoldToId", link("Contact", 2)),
                ("ParentId", link("Account", 3)),
                ("DefaultPaymentMethodId", link("PaymentMethod", 1)),
            ]),
        ),
        (
            "Contact",
            batch(vec![
                ("Id", marked("Contact")),
                ("FirstName", marked("first")),
                ("LastName", sometimes("last", 3)),
                ("WorkEmail", marked("mail")),
                ("Country", status.clone()),
                ("CreatedDate", moments(60)),
                ("UpdatedDate", moments(61)),
                ("AccountId", link("Account", 1)),
                ("tenant", Arc::clone(&tenant)),
            ]),
        ),
        (
            "PaymentMethod",
            batch(vec![
                ("Id", marked("PaymentMethod")),
                ("Type", status.clone()),
                ("AchAccountNumber", sometimes("secret", 2)),
                ("UpdatedDate", moments(62)),
                ("tenant", Arc::clone(&tenant)),
            ]),
        ),
        (
            "Invoice",
            batch(vec![
                ("Id", marked("Invoice")),
                ("InvoiceNumber", marked("INV")),
                ("Amount", money(1001)),
                ("Balance", money(13)),
                ("Currency", currency),
                ("Status", status),
                ("InvoiceDate", days(19_700)),
                ("DueDate", days(19_730)),
                ("CreatedDate", moments(7200)),
                ("UpdatedDate", moments(100_000)),
                ("Comments", sometimes("comment", 5)),
                ("AccountId", link("Account", 2)),
                ("BillToContactId", link("Contact", 3)),
                ("Deleted", deleted),
                ("tenant", tenant),
            ]),
        ),
    ]
}

fn write_table(data: &Path, object: &str, batch: &RecordBatch, plan: &Plan<'_>) {
    let ending = plan.format.extensions()[0];
    if plan.files == 1 {
        return write_file(&data.join(format!("{object}.{ending}")), batch, plan.format);
    }
    let folder = data.join(object);
    std::fs::create_dir(&folder).expect("a folder");
    let rows = batch.num_rows().div_ceil(plan.files);
    for file in 0..plan.files {
        let first = (file * rows).min(batch.num_rows());
        let part = batch.slice(first, rows.min(batch.num_rows() - first));
        write_file(&folder.join(format!("part-{file:03}.{ending}")), &part, plan.format);
    }
}

pub(super) fn write_file(path: &Path, batch: &RecordBatch, format: FileFormat) {
    let file = std::fs::File::create(path).expect("a file");
    match format {
        FileFormat::Parquet => {
            let properties = WriterProperties::builder()
                .set_max_row_group_row_count(Some(16.max(batch.num_rows() / 50)))
                .build();
            let mut writer =
                ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
            writer.write(batch).expect("a batch");
            writer.close().expect("a footer");
        }
        FileFormat::Avro => {
            let mut writer =
                AvroWriter::new(file, batch.schema().as_ref().clone()).expect("a writer");
            for first in (0..batch.num_rows()).step_by(1000) {
                let rows = batch.slice(first, 1000.min(batch.num_rows() - first));
                writer.write(&rows).expect("a batch");
            }
            writer.finish().expect("an end");
        }
        FileFormat::Csv => {
            WriterBuilder::new().with_header(true).build(file).write(batch).expect("a batch");
        }
        FileFormat::Ndjson => {
            let mut writer = LineDelimitedWriter::new(file);
            writer.write(batch).expect("a batch");
            writer.finish().expect("an end");
        }
    }
}
