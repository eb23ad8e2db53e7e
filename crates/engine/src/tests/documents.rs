//! Documents: members of nested values, elements of lists as rows, and lists of related rows. What
//! is nested in Parquet and what is JSON in text give the same.

use std::fmt::Write as _;
use std::path::Path as FilePath;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema};
use datafusion::arrow::json::ReaderBuilder;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::catalog::raw::RawObject;
use outhaul_exports::ports::{Engine as _, RunLimits};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{
    Compare, Condition, Expr, Literal, OrderBy, Query, RelatedList, Select,
};
use outhaul_exports::testing::sample;
use outhaul_exports::{ErrorKind, Result};
use tempfile::TempDir;

use super::kit::{Answer, collect, column, exists, field, select, write_file};
use crate::DataFusionEngine;
use crate::sources::files::FileFormat;

const CATALOG: &str = r##"
[[objects]]
name = "Visit"
source = "main"
table = "visits"
key = ["Id"]
tenant_column = "tenant"
fields = [
    { name = "Id", column = "id", type = "text" },
    { name = "VitalsPulse", column = "vitals", member = ["pulse"], type = "integer", document = "Vitals" },
    { name = "VitalsTaken", column = "vitals", member = ["by", "name"], type = "text", document = "Vitals" },
    { name = "VitalsRate", column = "vitals", member = ["rate"], type = "decimal", document = "Vitals" },
    { name = "Measured", column = "vitals", type = "json" },
]
relations = [
    { name = "Items", target = "Item", columns = { id = "id" }, cardinality = "to_many" },
    { name = "Notes", target = "Note", columns = { id = "visit" }, cardinality = "to_many" },
]

[[objects]]
name = "Item"
source = "main"
table = "visits"
elements = "items"
key = ["VisitId", "Position"]
tenant_column = "tenant"
fields = [
    { name = "VisitId", column = "id", type = "text" },
    { name = "Position", column = "#position", type = "integer" },
    { name = "Name", column = "items", member = ["name"], type = "text" },
    { name = "Count", column = "items", member = ["count"], type = "integer" },
]

[[objects]]
name = "Tag"
source = "main"
table = "visits"
elements = "tags"
key = ["VisitId", "Position"]
tenant_column = "tenant"
fields = [
    { name = "VisitId", column = "id", type = "text" },
    { name = "Position", column = "#position", type = "integer" },
    { name = "Tag", column = "tags", type = "text" },
]

[[objects]]
name = "Note"
source = "main"
table = "notes"
key = ["Number"]
tenant_column = "tenant"
fields = [
    { name = "Number", column = "number", type = "integer" },
    { name = "Visit", column = "visit", type = "text" },
    { name = "Text", column = "text", type = "text" },
]
"##;

/// The visits of two tenants in one file, and their notes, in no order.
fn lines(visits: usize) -> (String, String) {
    let (mut all, mut notes) = (String::new(), String::new());
    for n in (0..visits).rev() {
        for tenant in ["ta", "tb"] {
            let vitals = match n % 4 {
                0 => "null".to_owned(),
                1 => r#"{"pulse":null,"by":null,"rate":null}"#.to_owned(),
                _ => format!(
                    r#"{{"pulse":{},"by":{{"name":"{tenant} é {n}"}},"rate":{n}.25}}"#,
                    60 + n
                ),
            };
            let items = match n % 5 {
                0 => "null".to_owned(),
                k => {
                    let item = |i: usize| format!(r#"{{"name":"{tenant}-{n}-{i}","count":{i}}}"#);
                    format!("[{}]", (0..k - 1).map(item).collect::<Vec<_>>().join(","))
                }
            };
            let id = format!("v{n:04}");
            let _ = writeln!(
                all,
                r#"{{"tenant":"{tenant}","id":"{id}","vitals":{vitals},"items":{items},"tags":["\u00e9 {n}",null]}}"#
            );
            for k in (0..n % 3).rev() {
                let number = n * 10 + k;
                let _ = writeln!(
                    notes,
                    r#"{{"tenant":"{tenant}","number":{number},"visit":"{id}","text":"{tenant} {k}"}}"#
                );
            }
        }
    }
    notes += "{\"tenant\":\"ta\",\"number\":99999,\"visit\":null,\"text\":\"of none\"}\n";
    notes += "{\"tenant\":\"ta\",\"number\":99998,\"visit\":\"v9999\",\"text\":\"lost\"}\n";
    (all, notes)
}

/// The same rows with types of their own.
fn parquet(dir: &FilePath, visits: &str) {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let whole = |name: &str| Field::new(name, DataType::Int64, true);
    let record = |name: &str, fields: Vec<Field>| {
        Field::new(name, DataType::Struct(Fields::from(fields)), true)
    };
    let rate = Field::new("rate", DataType::Decimal128(10, 2), true);
    let vitals = record("vitals", vec![whole("pulse"), record("by", vec![text("name")]), rate]);
    let item = record("item", vec![text("name"), whole("count")]);
    let items = Field::new("items", DataType::List(Arc::new(item)), true);
    let tags = Field::new("tags", DataType::new_list(DataType::Utf8, true), true);
    let schema = Arc::new(Schema::new(vec![text("tenant"), text("id"), vitals, items, tags]));
    let reader =
        ReaderBuilder::new(Arc::clone(&schema)).build(visits.as_bytes()).expect("a reader");
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("rows")).collect();
    let all = concat_batches(&schema, &batches).expect("one batch");
    write_file(&dir.join("visits.parquet"), &all, FileFormat::Parquet);
}

struct Visits {
    dir: TempDir,
    engine: DataFusionEngine,
}

impl Visits {
    fn of(count: usize, nested: bool) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let (visits, notes) = lines(count);
        std::fs::write(dir.path().join("notes.ndjson"), notes).expect("it is written");
        if nested {
            parquet(dir.path(), &visits);
        } else {
            std::fs::write(dir.path().join("visits.ndjson"), visits).expect("it is written");
        }
        let engine = Self::engine(dir.path());
        Self { dir, engine }
    }

    fn engine(dir: &FilePath) -> DataFusionEngine {
        #[derive(serde::Deserialize)]
        struct Objects {
            objects: Vec<RawObject>,
        }
        let objects = toml::from_str::<Objects>(CATALOG).expect("a catalog").objects;
        let catalog = Arc::new(Catalog::check(objects).expect("a sound catalog"));
        let source = serde_json::json!({ "kind": "files", "name": "main", "url": dir });
        let source = serde_json::from_value(source).expect("a source");
        DataFusionEngine::new(catalog, vec![source]).expect("an engine")
    }

    async fn ask(&self, query: Select) -> Result<Answer> {
        let limits = RunLimits {
            memory_bytes: 64 << 20,
            spill_bytes: 1 << 30,
            spill_dir: self.dir.path().to_owned(),
            threads: 2,
        };
        let scope = TenantScope::of(&sample::tenant("ta"));
        let snapshot = self.engine.begin(&scope, &limits).await?;
        collect(snapshot.as_ref(), &Query::Select(Box::new(query))).await
    }
}

fn list(relation: &str, fields: &[&str]) -> RelatedList {
    let columns = fields.iter().map(|name| column(&name.to_lowercase(), field(name)));
    RelatedList {
        label: relation.to_owned(),
        relation: relation.to_owned(),
        columns: columns.collect(),
    }
}

fn ordered(mut query: Select, by: &str) -> Select {
    query.order_by = vec![OrderBy { expr: field(by), descending: false }];
    query
}

fn compare(path: &str, op: Compare, right: Literal) -> Condition {
    Condition::Compare { left: field(path), op, right: Expr::Literal(right) }
}

#[tokio::test]
async fn members_are_fields_like_others() {
    for nested in [false, true] {
        let visits = Visits::of(12, nested);
        let paths = ["Id", "VitalsPulse", "VitalsTaken", "VitalsRate"];
        let answer = visits.ask(ordered(select("Visit", &paths), "Id")).await.expect("rows");
        assert_eq!(answer.rows.len(), 12);
        for (n, row) in answer.rows.iter().enumerate() {
            let there = n % 4 > 1;
            let or_null = |value: String| if there { value } else { "NULL".to_owned() };
            assert_eq!(row[0], format!("v{n:04}"));
            assert_eq!(row[1], or_null((60 + n).to_string()), "{nested}");
            assert_eq!(row[2], or_null(format!("ta é {n}")), "{nested}");
            assert!(row[3].starts_with(&or_null(format!("{n}.25"))), "{nested} {}", row[3]);
        }
        let mut query = ordered(select("Visit", &["Id"]), "VitalsPulse");
        query.filter = Some(Condition::And(vec![
            compare("VitalsPulse", Compare::Gt, Literal::Integer(66)),
            compare("VitalsTaken", Compare::Ne, Literal::Text("ta é 7".into())),
        ]));
        let answer = visits.ask(query).await.expect("rows");
        assert_eq!(answer.column(0), ["v0010", "v0011"], "{nested}");
    }
}

#[tokio::test]
async fn elements_are_rows_of_their_own_and_of_one_tenant() {
    for nested in [false, true] {
        let visits = Visits::of(12, nested);
        let query = select("Item", &["VisitId", "Position", "Name", "Count"]);
        let answer = visits.ask(query).await.expect("rows").sorted();
        let mut expected = Vec::new();
        for n in 0..12_usize {
            for i in 0..(n % 5).saturating_sub(1) {
                let (at, name) = (i.to_string(), format!("ta-{n}-{i}"));
                expected.push(vec![format!("v{n:04}"), at.clone(), name, at]);
            }
        }
        assert_eq!(answer.rows, expected, "{nested}");
        let mut query = ordered(select("Visit", &["Id"]), "Id");
        query.filter =
            Some(exists("Items", Some(compare("Count", Compare::Ge, Literal::Integer(2))), false));
        let answer = visits.ask(query).await.expect("rows");
        assert_eq!(answer.column(0), ["v0004", "v0009"], "{nested}");
    }
}

/// Elements that are no documents are what they say, and not how JSON writes it.
#[tokio::test]
async fn plain_elements_are_values() {
    for nested in [false, true] {
        let visits = Visits::of(2, nested);
        let answer = visits.ask(select("Tag", &["VisitId", "Tag"])).await.expect("rows").sorted();
        let row = |visit: &str, tag: &str| vec![visit.to_owned(), tag.to_owned()];
        let expected =
            [row("v0000", "NULL"), row("v0000", "é 0"), row("v0001", "NULL"), row("v0001", "é 1")];
        assert_eq!(answer.rows, expected, "{nested}");
        let mut query = select("Tag", &["VisitId"]);
        query.filter = Some(compare("Tag", Compare::Eq, Literal::Text("é 1".into())));
        assert_eq!(visits.ask(query).await.expect("rows").column(0), ["v0001"], "{nested}");
    }
}

#[tokio::test]
async fn lists_hold_the_rows_that_are_related() {
    for nested in [false, true] {
        let visits = Visits::of(3_000, nested);
        let mut query = ordered(select("Visit", &["Id"]), "Id");
        query.lists = vec![list("Items", &["Name", "Count"]), list("Notes", &["Text"])];
        // Elements of rows that are left out are left out.
        query.filter = Some(compare("Id", Compare::Ne, Literal::Text("v0004".into())));
        query.offset = 1;
        let answer = visits.ask(query).await.expect("rows");
        assert_eq!(answer.labels, ["Id", "Items", "Notes"]);
        assert_eq!(answer.rows.len(), 2_998);
        for row in answer.rows {
            let n: usize = row[0][1..].parse().expect("a number");
            let items = 0..(n % 5).saturating_sub(1);
            let items: Vec<_> =
                items.map(|i| format!("{{name: ta-{n}-{i}, count: {i}}}")).collect();
            assert_eq!(row[1], format!("[{}]", items.join(", ")), "{nested}");
            let notes: Vec<_> = (0..n % 3).map(|k| format!("{{text: ta {k}}}")).collect();
            assert_eq!(row[2], format!("[{}]", notes.join(", ")), "{nested}");
        }
    }
}

#[tokio::test]
async fn what_lists_cannot_be_made_of_is_refused() {
    let visits = Visits::of(4, false);
    let with = |change: fn(&mut Select)| {
        let mut query = ordered(select("Visit", &["Id"]), "Id");
        query.lists = vec![list("Items", &["Name"])];
        change(&mut query);
        query
    };
    let cases: Vec<(Select, &str)> = vec![
        (with(|query| query.order_by.clear()), "the order of the field"),
        (with(|query| query.order_by[0].descending = true), "the order of the field"),
        (with(|query| query.order_by[0].expr = field("VitalsPulse")), "the order of the field"),
        (with(|query| query.lists[0].columns.clear()), "selects nothing"),
        (with(|query| query.lists[0].relation = "Itemz".into()), "did you mean Items"),
        (with(|query| query.lists[0].columns[0].expr = field("Nam")), "did you mean Name"),
        (with(|query| query.group_by = vec![field("Id")]), "no lists"),
        (with(|query| query.lists = vec![query.lists[0].clone(); 21]), "lists"),
    ];
    for (query, says) in cases {
        let error = visits.ask(query).await.expect_err(says);
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
}

#[tokio::test]
async fn damage_is_told_to_whom_it_belongs_and_nobody_else() {
    for (damaged, mine) in [("ta", true), ("tb", false)] {
        let dir = TempDir::new().expect("a temporary folder");
        let csv = format!(
            "tenant,id,vitals,items,tags\nta,v1,\"{{\"\"pulse\"\":1}}\",\"[{{\"\"name\"\":\"\"x\"\"}}]\",[]\n\
             {damaged},v2,{{SECRET,[SECRET,[]\n"
        );
        std::fs::write(dir.path().join("visits.csv"), csv).expect("it is written");
        std::fs::write(dir.path().join("notes.ndjson"), "").expect("it is written");
        let visits = Visits { engine: Visits::engine(dir.path()), dir };
        for query in [select("Visit", &["Id", "VitalsPulse"]), select("Item", &["Name"])] {
            match visits.ask(query).await {
                Ok(answer) => assert!(!mine && answer.rows.len() == 1, "{answer:?}"),
                Err(error) => {
                    assert!(mine && error.to_string().contains("not a member"), "{error}");
                    assert!(!error.chain().contains("SECRET"), "{}", error.chain());
                    assert_ne!(*error.kind(), ErrorKind::Internal);
                }
            }
        }
    }
}
