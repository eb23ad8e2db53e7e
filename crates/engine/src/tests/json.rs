//! Fields that are declared as JSON: text that is marked as such wherever it leaves as it is, and
//! nested values that stay nested.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int64Array, ListArray, MapBuilder, RecordBatch,
    StringArray, StringBuilder, StructArray,
};
use datafusion::arrow::datatypes::{DataType, Int32Type};
use futures::TryStreamExt;
use outhaul_exports::catalog::FieldType;
use outhaul_exports::manifest::ColumnNote;
use outhaul_exports::query::{
    Aggregate, Compare, Condition, Expr, KeyPattern, Literal, OrderBy, Path, Protection, Query,
    Select,
};

use super::kit::{collect, column, field, select, write_file};
use super::values::Folder;
use crate::sources::files::FileFormat;

const FIELDS: &[(&str, FieldType)] = &[
    ("id", FieldType::Integer),
    ("j", FieldType::Json),
    ("k", FieldType::Json),
    ("t", FieldType::Text),
    ("secret", FieldType::Json),
];

const TEXTS: [Option<&str>; 3] = [Some(r#"{"a": [1, "x"]}"#), None, Some("12")];

/// The same rows in every format.
fn folders() -> Vec<Folder> {
    let csv = "tenant,id,j,k,t,secret\n\
               ta,0,\"{\"\"a\"\": [1, \"\"x\"\"]}\",1,a,1\n\
               tb,0,SECRET,1,a,1\n\
               ta,1,,1,a,1\n\
               ta,2,12,1,a,1\n";
    let lines = r#"
{"tenant":"ta","id":0,"j":{"a": [1, "x"]},"k":1,"t":"a","secret":1}
{"tenant":"tb","id":0,"j":"SECRET","k":1,"t":"a","secret":1}
{"tenant":"ta","id":1,"j":null,"k":1,"t":"a","secret":1}
{"tenant":"ta","id":2,"j":12,"k":1,"t":"a","secret":1}
"#;
    let bytes: BinaryArray = TEXTS.iter().map(|text| text.map(str::as_bytes)).collect();
    let columns: [ArrayRef; 2] = [Arc::new(StringArray::from(TEXTS.to_vec())), Arc::new(bytes)];
    let parquet = columns.map(|j| {
        let folder = Folder::of(FIELDS, &[]);
        let text = |of: &str| -> ArrayRef { Arc::new(StringArray::from(vec![of; 3])) };
        let numbers = |of: [i64; 3]| -> ArrayRef { Arc::new(Int64Array::from(of.to_vec())) };
        let batch = RecordBatch::try_from_iter(vec![
            ("tenant", text("ta")),
            ("id", numbers([0, 1, 2])),
            ("j", j),
            ("k", numbers([1; 3])),
            ("t", text("a")),
            ("secret", text("1")),
        ]);
        let batch = batch.expect("columns of one length");
        write_file(&folder.dir.path().join("t.parquet"), &batch, FileFormat::Parquet);
        folder
    });
    let text = [("t.csv", csv), ("t.ndjson", lines)].map(|file| Folder::of(FIELDS, &[file]));
    parquet.into_iter().chain(text).collect()
}

/// The types of a result's columns: those that are told before, and those of its batches.
async fn types(folder: &Folder, query: &Query) -> Vec<FieldType> {
    let snapshot = folder.begin().await.expect("it begins");
    let told = snapshot.check(query).await.expect("it is planned");
    let rows = snapshot.open(query).await.expect("it starts");
    let schema = Arc::clone(&rows.schema);
    assert_eq!(ColumnNote::of(&schema), told);
    for batch in rows.batches.try_collect::<Vec<_>>().await.expect("rows") {
        assert_eq!(batch.schema(), schema);
    }
    for (field, note) in schema.fields().iter().zip(&told) {
        let mark = |key| field.metadata().get(key).map(String::as_str);
        let marks = (mark("ARROW:extension:name"), mark("ARROW:extension:metadata"));
        let json = note.field_type == FieldType::Json;
        assert_eq!(marks, if json { (Some("arrow.json"), Some("")) } else { (None, None) });
        assert_eq!(field.metadata().len(), if json { 2 } else { 0 });
    }
    told.into_iter().map(|note| note.field_type).collect()
}

#[tokio::test]
async fn a_field_of_json_in_text_is_marked_where_it_leaves_as_it_is() {
    use FieldType::{Json, Text};
    let least = Expr::Aggregate {
        function: Aggregate::Min,
        distinct: false,
        of: Some(Box::new(field("j"))),
    };
    let plain = |expr: Expr| (expr, Protection::Plain);
    let coalesce = |a, b| plain(Expr::Coalesce(vec![field(a), field(b)]));
    for folder in folders() {
        for ((expr, protection), expected) in [
            (plain(field("j")), Json),
            (plain(field("k")), Json),
            (plain(field("t")), Text),
            (coalesce("j", "k"), Json),
            (coalesce("j", "t"), Text),
            (plain(least.clone()), Text),
            ((field("j"), Protection::Masked), Text),
            ((field("j"), Protection::Sealed), Text),
            ((field("secret"), Protection::Masked), Text),
        ] {
            let mut query = Select::of("T");
            query.columns = vec![column("a heading", expr)];
            query.columns[0].protection = protection;
            let ask = |query: &Select| Query::Select(Box::new(query.clone()));
            assert_eq!(types(&folder, &ask(&query)).await, [expected], "{query:?}");
            if query.is_aggregate() {
                continue;
            }
            query.order_by = vec![OrderBy { expr: field("id"), descending: true }];
            query.limit = Some(2);
            query.filter = Some(Condition::Compare {
                left: field("id"),
                op: Compare::Gt,
                right: Expr::Literal(Literal::Integer(0)),
            });
            assert_eq!(types(&folder, &ask(&query)).await, [expected], "{query:?}");
        }
        let mut query = select("T", &["j", "id"]);
        query.columns.remove(1);
        query.group_by = vec![field("j")];
        let query = Query::Select(Box::new(query));
        assert_eq!(types(&folder, &query).await, [Json]);
        let snapshot = folder.begin().await.expect("it begins");
        let query = Query::Select(Box::new(select("T", &["j"])));
        let answer = collect(snapshot.as_ref(), &query).await.expect("rows");
        assert_eq!(answer.column(0), [r#"{"a": [1, "x"]}"#, "NULL", "12"]);
    }
}

#[tokio::test]
async fn sql_text_marks_what_is_a_field_and_nothing_else() {
    use FieldType::{Integer, Json, Text};
    for folder in folders() {
        for (text, expected) in [
            ("SELECT * FROM T", &[Integer, Json, Json, Text, Text][..]),
            (
                "SELECT j AS a, x.K, secret, t FROM T x ORDER BY id LIMIT 2",
                &[Json, Json, Text, Text],
            ),
            ("SELECT upper(j), j || k, CAST(j AS VARCHAR), min(j) OVER () FROM T", &[Text; 4]),
            ("SELECT coalesce(j, k), coalesce(j, t), coalesce(j, '1') FROM T", &[Json, Text, Text]),
            ("SELECT CASE WHEN id > 0 THEN j END, nullif(j, k) FROM T", &[Text, Text]),
            ("SELECT max(j), min(k) FROM T", &[Text, Text]),
            ("SELECT j, count(*) FROM T GROUP BY j HAVING count(*) > 0", &[Json, Integer]),
            ("SELECT DISTINCT j FROM T", &[Json]),
            ("SELECT j FROM T UNION ALL SELECT k FROM T", &[Json]),
            ("SELECT j FROM T UNION SELECT t FROM T", &[Text]),
            (
                "WITH x AS (SELECT j AS a, id FROM T) SELECT a, row_number() OVER (ORDER BY id) FROM x",
                &[Json, Integer],
            ),
            ("SELECT y.j, x.t, x.k FROM T x LEFT JOIN T y ON x.id = y.id + 1", &[Json, Text, Json]),
            (
                "SELECT j FROM T x WHERE id IN (SELECT id FROM T) AND EXISTS (SELECT 1 FROM T y WHERE y.id = x.id)",
                &[Json],
            ),
            ("SELECT (SELECT max(j) FROM T), j FROM T", &[Text, Json]),
        ] {
            let query = Query::Sql { text: text.to_owned() };
            // A row's number has no sign and is called a decimal; that is not what is asked here.
            let found = types(&folder, &query).await;
            let said = |t: &FieldType| if *t == FieldType::Decimal { Integer } else { *t };
            assert_eq!(found.iter().map(said).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}

#[tokio::test]
async fn nested_values_stay_nested() {
    let numbers = Int64Array::from(vec![1, 2, 3]);
    let words = StringArray::from(vec![Some("x"), None, Some("z")]);
    let record: ArrayRef = Arc::new(StructArray::from(vec![
        (
            Arc::new(arrow_schema::Field::new("n", DataType::Int64, true)),
            Arc::new(numbers) as ArrayRef,
        ),
        (
            Arc::new(arrow_schema::Field::new("w", DataType::Utf8, true)),
            Arc::new(words) as ArrayRef,
        ),
    ]));
    let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for (key, there) in [("a", true), ("b", false), ("c", true)] {
        if there {
            map.keys().append_value(key);
            map.values().append_value("v");
        }
        map.append(there).expect("as many keys as values");
    }
    let map: ArrayRef = Arc::new(map.finish());
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 2]));
    let owner: ArrayRef = Arc::new(StringArray::from(vec!["ta"; 3]));
    let fields = [
        ("id", FieldType::Integer),
        ("record", FieldType::Json),
        ("list", FieldType::Json),
        ("map", FieldType::Json),
    ];
    let folder = Folder::of(&fields, &[]);
    let batch = RecordBatch::try_from_iter_with_nullable(vec![
        ("tenant", owner, true),
        ("id", ids, true),
        ("record", record, true),
        ("list", list, true),
        ("map", map, true),
    ]);
    let batch = batch.expect("columns of one length");
    write_file(&folder.dir.path().join("t.parquet"), &batch, FileFormat::Parquet);
    let mut query = select("T", &["map", "record", "list"]);
    query.order_by = vec![OrderBy { expr: field("id"), descending: true }];
    query.limit = Some(2);
    let sql = "SELECT map, record, list FROM T ORDER BY id DESC LIMIT 2".to_owned();
    let snapshot = folder.begin().await.expect("it begins");
    for query in [Query::Select(Box::new(query)), Query::Sql { text: sql }] {
        let rows = snapshot.open(&query).await.expect("it starts");
        for (field, note) in rows.schema.fields().iter().zip(ColumnNote::of(&rows.schema)) {
            assert!(field.data_type().is_nested() && field.metadata().is_empty(), "{field}");
            assert_eq!(note.field_type, FieldType::Json);
        }
        let batches: Vec<RecordBatch> = rows.batches.try_collect().await.expect("rows");
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
        let record = batches[0].column(1).as_struct();
        assert!(!record.column_by_name("w").expect("a member").is_null(0));
        let answer = collect(snapshot.as_ref(), &query).await.expect("rows");
        assert_eq!(
            answer.text(),
            "map|record|list\n{c: v}|{n: 3, w: z}|[]\nNULL|{n: 2, w: NULL}|NULL",
        );
    }
}

#[tokio::test]
async fn members_are_left_out_and_the_rest_is_json() {
    let texts = [
        Some(r#"{"b": 1.50, "a": {"b": 2}, "utm_x": null, "utm_": [1]}"#),
        Some(r#" {"b" : "\u00e9"}"#),
        Some("[1, 2]"),
        None,
    ];
    let keys = vec![KeyPattern::Exact("b".into()), KeyPattern::Prefix("utm_".into())];
    let mut query = select("T", &["id"]);
    query.columns = vec![column("j", Expr::JsonWithout { of: Path::own("j"), keys: keys.clone() })];
    let query = Query::Select(Box::new(query));
    let folder = of_texts(&texts);
    assert_eq!(types(&folder, &query).await, [FieldType::Json]);
    let snapshot = folder.begin().await.expect("it begins");
    let answer = collect(snapshot.as_ref(), &query).await.expect("rows");
    assert_eq!(answer.column(0), [r#"{"a":{"b": 2}}"#, "{}", "[1, 2]", "NULL"]);

    // Nobody can tell what is in a value that cannot be read.
    for broken in [r#"{"b": 1"#, "b", ""] {
        let folder = of_texts(&[Some("{}"), Some(broken)]);
        let snapshot = folder.begin().await.expect("it begins");
        let error = collect(snapshot.as_ref(), &query).await.expect_err(broken);
        assert!(error.public().contains('j') && !error.public().contains("{"), "{error}");
    }
}

/// A table whose JSON has these values.
fn of_texts(texts: &[Option<&str>]) -> Folder {
    let folder = Folder::of(&FIELDS[..2], &[]);
    let ids = Int64Array::from_iter_values(0..texts.len() as i64);
    let batch = RecordBatch::try_from_iter_with_nullable(vec![
        ("tenant", Arc::new(StringArray::from(vec!["ta"; texts.len()])) as ArrayRef, false),
        ("id", Arc::new(ids) as ArrayRef, false),
        ("j", Arc::new(StringArray::from(texts.to_vec())) as ArrayRef, true),
    ]);
    let batch = batch.expect("columns of one length");
    write_file(&folder.dir.path().join("t.parquet"), &batch, FileFormat::Parquet);
    folder
}
