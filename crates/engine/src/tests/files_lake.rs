//! A folder of files, read where it lies and through an S3 server on this machine: the same cases,
//! the same answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use futures::{StreamExt, TryStreamExt};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use object_store::ObjectStoreExt;
use object_store::path::Path as ObjectPath;
use outhaul_exports::Result;
use outhaul_exports::ports::{Engine, RunLimits};
use outhaul_exports::query::Query;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;

use super::kit::{Answer, collect, write_file};
use crate::OwnSource;
use crate::sources::SourceConfig;
use crate::sources::files::{Config, FileFormat};

pub(super) const KEY: &str = "AKIDEXAMPLE";
/// The key of the account that every Azurite has.
const PUBLISHED: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
pub(super) const SECRET: &str = "wJalrXUtnFEMI-hunter2";

/// An S3 server that serves the folders of a folder as buckets. It checks signatures.
pub(super) struct S3 {
    pub(super) at: SocketAddr,
    /// What it was asked for: methods and paths.
    pub(super) asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl S3 {
    pub(super) async fn start(folder: &Path) -> Self {
        let files = s3s_fs::FileSystem::new(folder).expect("a folder");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            loop {
                let Ok((socket, _)) = listener.accept().await else { return };
                let (service, log) = (service.clone(), Arc::clone(&log));
                let noted = service_fn(move |request: Request<Incoming>| {
                    let line = format!("{} {}", request.method(), request.uri());
                    log.lock().expect("nobody panicked").push(line);
                    hyper::service::Service::call(&service, request)
                });
                let connection = server.serve_connection(TokioIo::new(socket), noted).into_owned();
                tokio::spawn(connection);
            }
        });
        Self { at, asked, task }
    }

    pub(super) fn options(&self) -> BTreeMap<String, String> {
        let endpoint = format!("http://{}", self.at);
        [
            ("endpoint", endpoint.as_str()),
            ("allow_http", "true"),
            ("region", "us-east-1"),
            ("access_key_id", KEY),
            ("secret_access_key", SECRET),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }

    /// What it was asked for since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("nobody panicked"))
    }
}

/// Files in a folder that is a bucket, too.
pub(super) struct Lake {
    pub(super) dir: TempDir,
    pub(super) server: S3,
}

/// Where the files of a lake are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Disk,
    S3,
}

impl Lake {
    pub(super) async fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        std::fs::create_dir_all(dir.path().join("bucket/lake")).expect("a folder");
        let server = S3::start(dir.path()).await;
        Self { dir, server }
    }

    pub(super) fn path(&self, path: &str) -> std::path::PathBuf {
        let path = self.dir.path().join("bucket/lake").join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        path
    }

    pub(super) fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(path), bytes).expect("it is written");
    }

    pub(super) fn config(&self, place: Place) -> Config {
        let url = match place {
            Place::Disk => self.path("x").parent().expect("a folder").display().to_string(),
            Place::S3 => "s3://bucket/lake".to_owned(),
        };
        let options = match place {
            Place::Disk => BTreeMap::new(),
            Place::S3 => self.server.options(),
        };
        let config = serde_json::json!({"name": "main", "url": url, "options": options});
        serde_json::from_value(config).expect("a configuration")
    }

    pub(super) fn limits(&self) -> RunLimits {
        RunLimits {
            memory_bytes: 256 << 20,
            spill_bytes: 1 << 30,
            spill_dir: self.dir.path().to_owned(),
            threads: 2,
        }
    }

    /// What an SQL query over all tables answers.
    pub(super) async fn sql(&self, place: Place, text: &str) -> Result<Answer> {
        self.answer(&SourceConfig::Files(self.config(place)), text).await
    }

    pub(super) async fn answer(&self, config: &SourceConfig, text: &str) -> Result<Answer> {
        let own = OwnSource::open(config).await?;
        let snapshot = own.engine.begin(&own.scope, &self.limits()).await?;
        let answer = collect(snapshot.as_ref(), &Query::Sql { text: text.to_owned() }).await;
        // Why a table is not there is told to whoever names it.
        answer.map_err(|error| own.left_out.into_iter().next().map_or(error, |left| left.why))
    }
}

/// A table, a query over it, and the rows that are answered or a part of the error.
struct Case {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    sql: &'static str,
    answer: std::result::Result<&'static str, &'static str>,
}

impl Case {
    fn judge(&self, place: &str, found: Result<Answer>) {
        match (self.answer, found) {
            (Ok(rows), Ok(answer)) => assert_eq!(answer.text(), rows, "{}: {place}", self.name),
            (Err(says), Err(error)) => {
                assert!(error.to_string().contains(says), "{}: {place}: {error}", self.name);
            }
            (_, Ok(answer)) => panic!("{}: {place}: {}", self.name, answer.text()),
            (_, Err(error)) => panic!("{}: {place}: {}", self.name, error.chain()),
        }
    }
}

const CASES: &[Case] = &[
    Case {
        name: "a file",
        files: &[("t.csv", "a,b\n1,x\n2,y\n")],
        sql: "SELECT a, b FROM t ORDER BY a",
        answer: Ok("a|b\n1|x\n2|y"),
    },
    Case {
        name: "a folder, in the order of its names, without what is hidden",
        files: &[
            ("t/b.csv", "a\n3\n"),
            ("t/a.csv", "a\n1\n2\n"),
            ("t/_SUCCESS", ""),
            ("t/.c.csv", "a\n9\n"),
            ("t/deeper/c.csv", "a\n4\n"),
        ],
        sql: "SELECT a FROM t",
        answer: Ok("a\n1\n2\n3\n4"),
    },
    Case {
        name: "lines of JSON",
        files: &[("t.ndjson", "{\"a\":1}\n{\"a\":2,\"b\":[1, 2]}\n")],
        sql: "SELECT a, b FROM t WHERE b IS NOT NULL",
        answer: Ok("a|b\n2|[1, 2]"),
    },
    Case {
        name: "folders that are columns",
        files: &[
            ("t/year=2026/month=01/a.csv", "a\n1\n"),
            ("t/year=2026/month=02/a.csv", "a\n2\n"),
            ("t/year=2027/month=01/a.csv", "a\n3\n"),
        ],
        sql: "SELECT year + 1 AS y, month, a FROM t WHERE year = 2026 ORDER BY a",
        answer: Ok("y|month|a\n2027|01|1\n2027|02|2"),
    },
    Case {
        name: "folders of lines of JSON",
        files: &[
            ("t/day=2026-01-31/a.ndjson", "{\"a\":1}\n"),
            ("t/day=2026-02-01/a.ndjson", "{\"a\":2}\n{\"b\":0}\n"),
        ],
        sql: "SELECT day, a, b FROM t WHERE day > DATE '2026-01-31'",
        answer: Ok("day|a|b\n2026-02-01|2|NULL\n2026-02-01|NULL|0"),
    },
    Case {
        name: "a value that is missing, and one with signs",
        files: &[
            ("t/x=__HIVE_DEFAULT_PARTITION__/a.csv", "a\n1\n"),
            ("t/x=a b%2Fc%3D%C3%A9/a.csv", "a\n2\n"),
        ],
        sql: "SELECT x, a FROM t ORDER BY a",
        answer: Ok("x|a\nNULL|1\na b/c=é|2"),
    },
    Case {
        name: "a column in the files and in the folders",
        files: &[("t/a=1/x.csv", "a,b\n1,2\n")],
        sql: "SELECT a FROM t",
        answer: Err("column a is in its files and in the names of their folders"),
    },
    Case {
        name: "the same of lines of JSON",
        files: &[("t/a=1/x.ndjson", "{\"b\":1}\n{\"a\":2}\n")],
        sql: "SELECT a FROM t",
        answer: Err("column a is in its files and in the names of their folders"),
    },
    Case {
        name: "folders that are not equally deep",
        files: &[("t/y=1/a.csv", "a\n1\n"), ("t/y=1/m=2/a.csv", "a\n1\n")],
        sql: "SELECT a FROM t",
        answer: Err("some give y"),
    },
    Case {
        name: "several formats",
        files: &[("t/a.csv", "a\n1\n"), ("t/b.ndjson", "{}")],
        sql: "SELECT a FROM t",
        answer: Err("several formats"),
    },
    Case {
        name: "an Avro file that is none",
        files: &[("t.avro", "Objects are no object container files")],
        sql: "SELECT a FROM t",
        answer: Err("damaged or not in its format"),
    },
    Case {
        name: "an Avro file without a byte",
        files: &[("t.avro", "")],
        sql: "SELECT a FROM t",
        answer: Err("damaged or not in its format"),
    },
    Case {
        name: "a Parquet file that is none",
        files: &[("t.parquet", "PAR1 and nothing else")],
        sql: "SELECT a FROM t",
        answer: Err("damaged or not in its format"),
    },
    Case {
        name: "a Parquet file whose footer is longer than the file",
        files: &[("t.parquet", "PAR1 no more than this PAR1")],
        sql: "SELECT a FROM t",
        answer: Err("damaged or not in its format"),
    },
    Case {
        name: "nothing",
        files: &[("readme.txt", "")],
        sql: "SELECT a FROM t",
        answer: Err("holds no"),
    },
];

#[tokio::test]
async fn the_same_files_are_the_same_wherever_they_are() {
    for case in CASES {
        let lake = Lake::new().await;
        for (path, text) in case.files {
            lake.put(path, text);
        }
        for place in [Place::Disk, Place::S3] {
            let found = lake.sql(place, case.sql).await;
            case.judge(&format!("{place:?}"), found);
        }
    }
}

/// Files of several pieces each, of every format, in one part and in several.
#[tokio::test]
async fn large_files_come_whole_from_afar() {
    let rows = 60_000_i64;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new((0..rows).collect::<Int64Array>())),
        ("text", Arc::new((0..rows).map(|n| Some(format!("{n:0>100}"))).collect::<StringArray>())),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    for format in FileFormat::ALL {
        let lake = Lake::new().await;
        let file = lake.path(&format!("t.{}", format.extensions()[0]));
        write_file(&file, &batch, format);
        for place in [Place::Disk, Place::S3] {
            let query = "SELECT count(*) AS c, sum(n) AS s, count(DISTINCT text) AS d FROM t";
            let answer = lake.sql(place, query).await.expect("rows");
            let sum = rows * (rows - 1) / 2;
            assert_eq!(answer.rows, [[rows, sum, rows].map(|n| n.to_string())], "{format:?}");
            let answer = lake.sql(place, "SELECT n FROM t LIMIT 50000 OFFSET 40000").await;
            let found = answer.expect("rows").rows;
            assert_eq!(found.len(), 20_000, "{format:?}: {place:?}");
            assert!(found.iter().zip(40_000..).all(|(row, n)| row[0] == n.to_string()));
        }
    }
}

/// The same cases in Azure's store, where somebody started Azurite with a container `lake` and says
/// so: `OUTHAUL_TEST_AZURE` is its address, such as `http://127.0.0.1:10000`.
#[tokio::test]
async fn the_same_files_are_the_same_in_azure() {
    let Ok(endpoint) = std::env::var("OUTHAUL_TEST_AZURE") else {
        println!("skipped: OUTHAUL_TEST_AZURE is not set; it is the address of an Azurite");
        return;
    };
    let options = BTreeMap::from([
        ("endpoint", format!("{endpoint}/devstoreaccount1")),
        ("account_name", "devstoreaccount1".to_owned()),
        ("account_key", PUBLISHED.to_owned()),
        ("allow_http", "true".to_owned()),
    ]);
    let url = url::Url::parse("az://lake").expect("a url");
    let (store, _) = object_store::parse_url_opts(&url, &options).expect("a store");
    let config = |folder: &str| -> SourceConfig {
        let config = serde_json::json!({
            "kind": "files", "name": "main", "url": format!("{url}/{folder}"), "options": options,
        });
        serde_json::from_value(config).expect("a configuration")
    };
    let lake = Lake::new().await;
    for (at, case) in CASES.iter().enumerate() {
        let folder = format!("case-{at}");
        for (path, text) in case.files {
            let path = ObjectPath::parse(format!("{folder}/{path}")).expect("a path");
            store.put(&path, (*text).into()).await.expect("it is put");
        }
        let found = lake.answer(&config(&folder), case.sql).await;
        case.judge("Azure", found);
    }
    let text =
        |letter: &str| format!("text\n{}", format!("{}\n", letter.repeat(120)).repeat(150_000));
    let path = ObjectPath::from("changed/t.csv");
    store.put(&path, text("a").into()).await.expect("it is put");
    let own = OwnSource::open(&config("changed")).await.expect("a table");
    let snapshot = own.engine.begin(&own.scope, &lake.limits()).await.expect("a moment");
    let query = Query::Sql { text: "SELECT text FROM t".into() };
    let mut batches = snapshot.open(&query).await.expect("a stream").batches;
    batches.next().await.expect("there are rows").expect("the file is as it was");
    store.put(&path, text("b").into()).await.expect("it is put");
    let error = batches.try_collect::<Vec<_>>().await.expect_err("two versions");
    assert!(error.to_string().starts_with("source_changed"), "{url}: {}", error.chain());
    println!("{url}: {} cases, and a file that changes", CASES.len());
}
