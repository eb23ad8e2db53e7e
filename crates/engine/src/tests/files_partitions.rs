//! Columns of folders, through the engine: whose rows they are, what the catalog declares of them,
//! and which folders are opened.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::ports::Engine;
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::Query;
use outhaul_exports::testing::sample;
use outhaul_exports::{Error, Result};
use tempfile::TempDir;

use super::kit::{Answer, collect, write_file};
use crate::DataFusionEngine;
use crate::barrier::TenantBarrierExec;
use crate::sources::files::FileFormat;

const CATALOG: &str = r#"
[[objects]]
name = "Event"
source = "main"
table = "events"
key = ["Id"]
tenant_column = "tenant"
fields = [
    { name = "Id", type = "integer" },
    { name = "Text", type = "text" },
    { name = "Year", column = "year", type = "integer" },
    { name = "Month", column = "month", type = "integer" },
    { name = "Day", column = "day", type = "date" },
    { name = "Price", column = "price", type = "decimal" },
]
"#;

#[derive(serde::Deserialize)]
struct Objects {
    objects: Vec<RawObject>,
}

struct Events {
    dir: TempDir,
    engine: DataFusionEngine,
}

impl Events {
    /// Rows of three tenants in folders of their own, in months of two years.
    fn new(format: FileFormat) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let objects: Objects = toml::from_str(CATALOG).expect("a catalog");
        let catalog = Catalog::check(objects.objects).expect("a sound catalog");
        let mut id = 0;
        for tenant in ["ta", "tb", "001"] {
            for (year, month) in [("2025", "12"), ("2026", "01"), ("2026", "02")] {
                let folder = dir.path().join(format!(
                    "events/tenant={tenant}/year={year}/month={month}/day={year}-{month}-03/price=1.50"
                ));
                std::fs::create_dir_all(&folder).expect("a folder");
                let columns: Vec<(&str, ArrayRef)> = vec![
                    ("Id", Arc::new(Int64Array::from(vec![id, id + 1]))),
                    ("Text", Arc::new(StringArray::from(vec![format!("{tenant} {year}"); 2]))),
                ];
                let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
                let file = folder.join(format!("a.{}", format.extensions()[0]));
                write_file(&file, &batch, format);
                id += 2;
            }
        }
        let config = serde_json::json!({"kind": "files", "name": "main", "url": dir.path()});
        let config = serde_json::from_value(config).expect("a configuration");
        let engine = DataFusionEngine::new(Arc::new(catalog), vec![config]).expect("an engine");
        Self { dir, engine }
    }

    fn limits(&self) -> outhaul_exports::ports::RunLimits {
        outhaul_exports::ports::RunLimits {
            memory_bytes: 256 << 20,
            spill_bytes: 1 << 30,
            spill_dir: self.dir.path().to_owned(),
            threads: 2,
        }
    }

    async fn sql(&self, tenant: &str, text: &str) -> Result<Answer> {
        let scope = TenantScope::of(&sample::tenant(tenant));
        let snapshot = self.engine.begin(&scope, &self.limits()).await?;
        collect(snapshot.as_ref(), &Query::Sql { text: text.to_owned() }).await
    }

    /// How many files a query's scan would open.
    async fn opened(&self, tenant: &str, text: &str) -> usize {
        let scope = TenantScope::of(&sample::tenant(tenant));
        let moment = self.engine.moment(&scope, &self.limits()).await.expect("a moment");
        let query = Query::Sql { text: text.to_owned() };
        let plan = moment.ready(&query).await.expect("a plan").0.plan;
        files(&plan)
    }
}

fn files(plan: &Arc<dyn ExecutionPlan>) -> usize {
    if let Some(barrier) = plan.downcast_ref::<TenantBarrierExec>() {
        let behind = barrier.behind();
        if let Some((_, rest)) = behind.split_once("files=") {
            return rest.split(',').next().and_then(|n| n.parse().ok()).expect("a number");
        }
        return behind.matches("/tenant=").count();
    }
    plan.children().into_iter().map(files).sum()
}

#[tokio::test]
async fn folders_say_whose_rows_they_are_and_are_left_out_unopened() {
    for format in FileFormat::ALL {
        let events = Events::new(format);
        for (tenant, condition, rows, opened) in [
            ("ta", "TRUE", 6, 3),
            ("tb", "Year = 2026", 4, 2),
            ("tb", "Year = 2026 AND Month = 2", 2, 1),
            ("tb", "Month IN (1, 12)", 4, 2),
            ("tb", "Day >= DATE '2026-02-01'", 2, 1),
            ("tb", "Year = 2026 OR Id = 0", 4, 3),
            ("tb", "Price = 1.5", 6, 3),
            ("tb", "Year IS NULL", 0, 0),
            ("001", "TRUE", 6, 3),
            ("1", "TRUE", 0, 0),
            ("nobody", "Year > 0", 0, 0),
        ] {
            let text = format!("SELECT Id, Text, Year FROM Event WHERE {condition}");
            let answer = events.sql(tenant, &text).await.expect("rows");
            assert_eq!(answer.rows.len(), rows, "{format:?} {tenant}: {condition}");
            assert!(answer.rows.iter().all(|row| row[1].starts_with(tenant)), "{answer:?}");
            let found = events.opened(tenant, &text).await;
            assert_eq!(found, opened, "{format:?} {tenant}: {condition}");
        }
        let text = "SELECT Month, Day, Price FROM Event WHERE Month = 1 LIMIT 1";
        let answer = events.sql("ta", text).await.expect("a row");
        assert_eq!(answer.text(), "Month|Day|Price\n1|2026-01-03|1.500000", "{format:?}");
        let counted = events.sql("ta", "SELECT count(*) AS c FROM Event").await.expect("a row");
        assert_eq!(counted.text(), "c\n6", "{format:?}");
    }
}

#[tokio::test]
async fn a_value_that_is_not_what_is_declared_fails_its_own_tenant_only() {
    for format in FileFormat::ALL {
        let events = Events::new(format);
        let from = events.dir.path().join("events/tenant=ta/year=2026");
        let to = events.dir.path().join("events/tenant=ta/year=later");
        std::fs::rename(from, to).expect("it was there");
        let text = "SELECT Id, Year FROM Event WHERE Year = 2026";
        let error = events.sql("ta", text).await.expect_err("it is no number");
        assert!(error.to_string().contains("field Year holds a value that is not"), "{error}");
        assert!(!error.to_string().contains("later"), "{error}");
        assert_eq!(events.sql("tb", text).await.expect("rows").rows.len(), 4, "{format:?}");
    }
}

#[tokio::test]
async fn rows_are_estimated_from_the_folders() {
    let events = Events::new(FileFormat::Parquet);
    let scope = TenantScope::of(&sample::tenant("ta"));
    let snapshot = events.engine.begin(&scope, &events.limits()).await.expect("a snapshot");
    let query = Query::Select(Box::new(super::kit::select("Event", &["Id"])));
    let stream = snapshot.open(&query).await.expect("a stream");
    assert_eq!(stream.estimated_rows, Some(6));
    let rows: Vec<_> = stream.batches.try_collect().await.expect("rows");
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 6);
}

#[tokio::test]
async fn folders_and_files_that_contradict_each_other_are_refused() {
    for format in FileFormat::ALL {
        let events = Events::new(format);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("Id", Arc::new(Int64Array::from(vec![1]))),
            ("Text", Arc::new(StringArray::from(vec!["x"]))),
            ("year", Arc::new(Int64Array::from(vec![2026]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let name = format!("a.{}", format.extensions()[0]);
        let refusal = |error: Error| {
            assert!(!error.to_string().contains("2026"), "{error}");
            error.to_string()
        };
        let folder = "events/tenant=ta/year=2025/month=12/day=2025-12-03/price=1.50";
        let path = events.dir.path().join(folder).join(&name);
        // The first file of all tells the columns of lines of JSON.
        let first = events.dir.path().join(folder.replace("tenant=ta", "tenant=001")).join(&name);
        for path in [&path, &first] {
            write_file(path, &batch, format);
        }
        let text = "SELECT Id FROM Event";
        let said = refusal(events.sql("ta", text).await.expect_err("year is there twice"));
        let told = ["column year is in its files", "headings", "column year is missing"];
        assert!(told.iter().any(|told| said.contains(told)), "{format:?}: {said}");
        let events = Events::new(format);
        write_file(&events.dir.path().join("events").join(&name), &batch, format);
        let said = refusal(events.sql("ta", text).await.expect_err("it lies higher"));
        assert!(said.contains("must lie equally deep"), "{format:?}: {said}");
    }
}
