//! Values as files hold them and as an export shows them: whole, or an error that names the field.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::parquet::data_type::{ByteArray, ByteArrayType, Int96, Int96Type};
use datafusion::parquet::file::writer::SerializedFileWriter;
use datafusion::parquet::schema::parser::parse_message_type;
use outhaul_exports::catalog::raw::{RawField, RawObject};
use outhaul_exports::catalog::{Catalog, FieldType};
use outhaul_exports::ports::{Engine as _, RunLimits, Snapshot};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::Query;
use outhaul_exports::testing::sample;
use outhaul_exports::{Error, Result};
use tempfile::TempDir;

use super::kit::{Answer, collect, refused, select, write_file};
use crate::sources::files::FileFormat;
use crate::sources::{SourceConfig, discover, survey};
use crate::{DataFusionEngine, OwnSource};

/// A folder of files, and a catalog with one object `T` over the file `t` in it. Fields whose names
/// begin with `secret` are sensitive.
pub(super) struct Folder {
    pub(super) dir: TempDir,
    fields: Vec<(&'static str, FieldType)>,
    delimiter: &'static str,
}

impl Folder {
    pub(super) fn of(fields: &[(&'static str, FieldType)], files: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("it is written");
        }
        Self { dir, fields: fields.to_vec(), delimiter: "," }
    }

    fn source(&self) -> SourceConfig {
        let url = self.dir.path().display().to_string();
        let config = serde_json::json!({
            "kind": "files", "name": "main", "url": url, "delimiter": self.delimiter
        });
        serde_json::from_value(config).expect("a source")
    }

    fn limits(&self) -> RunLimits {
        RunLimits {
            memory_bytes: 64 << 20,
            spill_bytes: 0,
            spill_dir: self.dir.path().to_owned(),
            threads: 2,
        }
    }

    fn catalog(&self) -> Catalog {
        let field = |(name, field_type): &(&str, FieldType)| RawField {
            name: (*name).to_owned(),
            column: None,
            label: None,
            member: Vec::new(),
            document: None,
            field_type: *field_type,
            nullable: true,
            optional: false,
            sensitive: name.starts_with("secret"),
            file: None,
            currency_field: None,
            values: Vec::new(),
        };
        let object = RawObject {
            name: "T".into(),
            plural: None,
            label: None,
            source: "main".into(),
            table: Some("t".into()),
            elements: None,
            key: vec![self.fields[0].0.to_owned()],
            tenant_column: "tenant".into(),
            created: None,
            updated: None,
            deleted_column: None,
            entity_column: None,
            org_column: None,
            tombstones: None,
            fields: self.fields.iter().map(field).collect(),
            relations: Vec::new(),
        };
        Catalog::check(vec![object]).expect("a sound catalog")
    }

    /// What tenant `ta` sees.
    pub(super) async fn begin(&self) -> Result<Box<dyn Snapshot>> {
        let engine = DataFusionEngine::new(Arc::new(self.catalog()), vec![self.source()])?;
        engine.begin(&TenantScope::of(&sample::tenant("ta")), &self.limits()).await
    }

    /// The rows of tenant `ta`, all fields.
    async fn rows(&self) -> Result<Answer> {
        let snapshot = self.begin().await?;
        let names: Vec<_> = self.fields.iter().map(|(name, _)| *name).collect();
        let query = Query::Select(Box::new(select("T", &names)));
        collect(snapshot.as_ref(), &query).await
    }

    /// The rows of a table as its owner sees them, without a catalog.
    async fn own(&self, table: &str) -> Result<Answer> {
        let own = OwnSource::open(&self.source()).await?;
        let object = own.catalog.require(table)?;
        let names: Vec<_> = object.fields.iter().map(|field| field.name.as_str()).collect();
        let query = Query::Select(Box::new(select(table, &names)));
        let snapshot = own.engine.begin(&own.scope, &self.limits()).await?;
        collect(snapshot.as_ref(), &query).await
    }
}

fn told(error: &Error, secret: &str) {
    assert!(error.to_string().contains("field a"), "{}", error.chain());
    assert!(!error.chain().contains(secret), "no value is told: {}", error.chain());
}

#[tokio::test]
async fn lines_of_json_are_read_as_the_catalog_says() {
    use FieldType as F;
    for (field, value, shown) in [
        (F::Text, r#""x \u00e9""#, Some("x é")),
        (F::Text, "1.50", Some("1.50")),
        (F::Text, "true", Some("true")),
        (F::Text, r#"{"k": [1]}"#, Some(r#"{"k": [1]}"#)),
        (F::Text, "null", Some("NULL")),
        (F::Integer, "7", Some("7")),
        (F::Integer, "7.0", Some("7")),
        (F::Integer, "1.9", None),
        (F::Integer, r#""7""#, Some("7")),
        (F::Integer, r#"{"k": 1}"#, None),
        (F::Decimal, "2.5", Some("2.500000")),
        (F::Decimal, "25e-1", Some("2.500000")),
        (F::Decimal, "2.9999999", None),
        (F::Float, "1e300", Some("1e300")),
        (F::Boolean, "false", Some("false")),
        (F::Boolean, "[]", None),
        (F::Date, r#""2024-02-29""#, Some("2024-02-29")),
        (F::Date, r#""2024-02-29T10:00:00""#, None),
        (F::Timestamp, r#""2024-02-29T10:00:00Z""#, Some("2024-02-29T10:00:00Z")),
        (F::Timestamp, r#""2024-02-29T10:00:00.123456789Z""#, None),
        (F::Timestamp, "1709200800", None),
        (F::Json, r#"{"k": "x",  "n": null}"#, Some(r#"{"k": "x",  "n": null}"#)),
        (F::Json, r#""x""#, Some(r#""x""#)),
        (F::Json, "null", Some("NULL")),
    ] {
        let foreign = r#"{"tenant":"tb","a":{"SECRET":[1]}}"#;
        let text = format!("{foreign}\n\n{{\"tenant\":\"ta\",\"a\":{value}}}\r\n{foreign}");
        let folder = Folder::of(&[("a", field)], &[("t.ndjson", &text)]);
        match (folder.rows().await, shown) {
            (Ok(answer), Some(shown)) => assert_eq!(answer.column(0), [shown], "{value}"),
            (Err(error), None) => told(&error, value.trim_matches('"')),
            (result, _) => panic!("{field:?} {value}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn keys_that_come_late_are_found() {
    use FieldType as F;
    let mut text = String::new();
    for _ in 0..1_500 {
        text.push_str("{\"tenant\":\"ta\",\"a\":{\"k\":1}}\n");
    }
    text.push_str("{\"tenant\":\"ta\",\"a\":{\"k\":1,\"late\":2},\"b\":\"here\"}\n");
    let folder = Folder::of(&[("a", F::Json), ("b", F::Text)], &[("t.ndjson", &text)]);
    let answer = folder.rows().await.expect("rows");
    assert_eq!(answer.rows.len(), 1_501);
    assert_eq!(answer.rows[1_500], [r#"{"k":1,"late":2}"#, "here"]);
    // Without a catalog, too.
    let answer = folder.own("t").await.expect("rows");
    assert_eq!(answer.labels, ["tenant", "a", "b"]);
    assert_eq!(answer.rows[1_500], ["ta", r#"{"k":1,"late":2}"#, "here"]);
}

#[tokio::test]
async fn a_line_that_is_no_json_is_damage_and_is_not_repeated() {
    let text = "{\"tenant\":\"ta\",\"a\":1}\n{\"tenant\":\"tb\",\"a\":\"SECRET\n";
    let folder = Folder::of(&[("a", FieldType::Integer)], &[("t.ndjson", text)]);
    let error = refused(folder.rows().await);
    assert!(error.to_string().contains("object T"), "{}", error.chain());
    assert!(error.chain().contains("byte 22"), "{}", error.chain());
    assert!(!error.chain().contains("SECRET"), "{}", error.chain());
}

#[tokio::test]
async fn text_files_without_a_catalog_keep_what_they_say() {
    let mut late = String::from("zip,n\n");
    for n in 1..2_000 {
        late.push_str(&format!("{n},{n}\n"));
    }
    late.push_str("01234,-5\n");
    let folder = Folder::of(&[], &[("zips.csv", "zip\n01234\n"), ("late.csv", &late)]);
    assert_eq!(folder.own("zips").await.expect("rows").column(0), ["01234"]);
    let answer = folder.own("late").await.expect("rows");
    assert_eq!(answer.rows.last().expect("rows"), &["01234", "-5"]);
    let own = OwnSource::open(&folder.source()).await.expect("it opens");
    let late = own.catalog.require("late").expect("a table");
    let types: Vec<_> = late.fields.iter().map(|field| field.field_type).collect();
    assert_eq!(types, [FieldType::Text, FieldType::Integer]);
}

#[tokio::test]
async fn values_are_separated_as_the_source_says() {
    for (delimiter, text) in [
        (";", "id;name;total\n1;\"a;b\";2,5\n2;c,d;\n"),
        ("\t", "id\tname\ttotal\n1\ta;b\t2,5\n2\tc,d\t\n"),
        (",", "id,name,total\n1,a;b,\"2,5\"\n2,\"c,d\",\n"),
    ] {
        let mut folder = Folder::of(&[], &[("t.csv", text)]);
        folder.delimiter = delimiter;
        let answer = folder.own("t").await.expect("rows");
        let columns = [0, 1, 2].map(|at| answer.column(at).join(" "));
        assert_eq!(columns, ["1 2", "a;b c,d", "2,5 NULL"], "{delimiter:?}");
    }
    let refused = |delimiter: &str| {
        let config = serde_json::json!({ "name": "n", "url": "u", "delimiter": delimiter });
        serde_json::from_value::<crate::sources::files::Config>(config).expect_err(delimiter)
    };
    for delimiter in ["", ";;", "\\t", "\"", "\n", "\r", "\0", "a", "1", "§"] {
        let words = refused(delimiter).to_string();
        assert!(words.contains("is no delimiter: write one ASCII character"), "{words}");
    }
}

#[tokio::test]
async fn headings_that_repeat_are_refused() {
    let folder = Folder::of(&[("id", FieldType::Text)], &[("t.csv", "tenant,id,id\nta,1,2\n")]);
    let error = refused(folder.rows().await);
    assert!(error.to_string().contains("more than one column named \"id\""), "{}", error.chain());
}

/// Writes a Parquet file with two columns, as writers do that know nothing of Arrow.
fn write_int96(path: &std::path::Path, moments: &[Int96]) {
    let schema = "message m { required binary tenant (UTF8); optional int96 a; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    let mut column = group.next_column().expect("it works").expect("a column");
    let tenants = vec![ByteArray::from("ta"); moments.len()];
    column.typed::<ByteArrayType>().write_batch(&tenants, None, None).expect("it is written");
    column.close().expect("it ends");
    let mut column = group.next_column().expect("it works").expect("a column");
    let there = vec![1; moments.len()];
    column.typed::<Int96Type>().write_batch(moments, Some(&there), None).expect("it is written");
    column.close().expect("it ends");
    group.close().expect("it ends");
    writer.close().expect("it ends");
}

#[tokio::test]
async fn moments_of_96_bits_do_not_wrap() {
    // Days of the Julian calendar, and nanoseconds within them.
    let moment = |day: u32, nanos: u64| {
        let mut value = Int96::new();
        value.set_data(nanos as u32, (nanos >> 32) as u32, day);
        value
    };
    let moments = [
        (2_440_588, 1_500_000, "1970-01-01T00:00:00.001500Z"),
        (5_373_484, 86_399_000_000_000, "9999-12-31T23:59:59Z"),
        (2_305_448, 0, "1600-01-01T00:00:00Z"),
    ];
    let folder = Folder::of(&[("a", FieldType::Timestamp)], &[]);
    let values: Vec<_> = moments.iter().map(|(day, nanos, _)| moment(*day, *nanos)).collect();
    write_int96(&folder.dir.path().join("t.parquet"), &values);
    let shown: Vec<_> = moments.iter().map(|(_, _, shown)| *shown).collect();
    assert_eq!(folder.rows().await.expect("rows").column(0), shown);
    assert_eq!(folder.own("t").await.expect("rows").column(1), shown);
}

#[tokio::test]
async fn the_greatest_number_without_a_sign_is_a_decimal() {
    let folder = Folder::of(&[], &[]);
    let column: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 0]));
    let batch = RecordBatch::try_from_iter(vec![("n", column)]).expect("a column");
    write_file(&folder.dir.path().join("t.parquet"), &batch, FileFormat::Parquet);
    let answer = folder.own("t").await.expect("rows");
    assert_eq!(answer.column(0), ["18446744073709551615", "0"]);
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_left_out_and_told_of() {
    let files = [
        ("good.csv", "id\n1\n"),
        ("empty.csv", ""),
        ("bad.parquet", "SECRET"),
        ("ragged.csv", "a,b\n1\n"),
        ("odd.ndjson", "[1]\n"),
    ];
    let folder = Folder::of(&[], &files);
    assert_eq!(folder.own("good").await.expect("rows").column(0), ["1"]);
    let own = OwnSource::open(&folder.source()).await.expect("it opens");
    let left_out: Vec<_> = own.left_out.iter().map(|out| out.table.as_str()).collect();
    assert_eq!(left_out, ["bad.parquet", "empty.csv", "odd.ndjson", "ragged.csv"]);
    for table in ["bad", "empty", "odd", "ragged"] {
        let error = refused(folder.own(table).await);
        assert!(error.to_string().contains(&format!("object {table}.")), "{}", error.chain());
        assert!(!error.to_string().contains("SECRET"), "{error}");
        let query = Query::Sql { text: format!("select count(*) from {table}") };
        let snapshot = own.engine.begin(&own.scope, &folder.limits()).await.expect("it begins");
        let error = refused(collect(snapshot.as_ref(), &query).await);
        assert!(error.to_string().contains(&format!("object {table}.")), "{}", error.chain());
    }
    let chain = refused(folder.own("empty").await).chain();
    assert_eq!(chain.matches("no columns").count(), 1, "{chain}");
    let found = survey(&folder.source()).await.expect("it is read");
    assert_eq!((found.tables.len(), found.left_out.len()), (1, 4));
    assert_eq!(discover(&folder.source()).await.expect("one is good").len(), 1);
    let hopeless = Folder::of(&[], &[("empty.csv", "")]);
    let error = discover(&hopeless.source()).await.expect_err("none is good");
    assert!(error.to_string().contains("no columns"), "{error}");
    let error = OwnSource::open(&hopeless.source()).await.err().expect("none is good");
    assert!(error.to_string().contains("no columns"), "{error}");
}
