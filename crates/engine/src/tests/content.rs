//! The contents of files that rows refer to: whose they are, what is never read, what is said.

use std::collections::{BTreeMap, HashMap};
use std::path::Path as DiskPath;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use outhaul_exports::catalog::Catalog;
use outhaul_exports::ports::{Content, Engine, RunLimits, Snapshot};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{Path, Query, Select};
use outhaul_exports::testing::sample;
use outhaul_exports::{Error, ErrorKind, Result, SystemClock};
use tempfile::TempDir;

use super::files_lake::{Lake, Place};
use crate::DataFusionEngine;
use crate::sources::SourceConfig;
use crate::sources::files::Config;

const CATALOG: &str = r#"
    [[objects]]
    name = "visit"
    plural = "visits"
    source = "main"
    table = "visits"
    key = ["id"]
    tenant_column = "org"

    [[objects.fields]]
    name = "id"
    type = "text"

    [[objects.fields]]
    name = "photo"
    type = "text"
    file = { source = "files", folder = "kept/{tenant}" }

    [[objects.fields]]
    name = "form"
    type = "text"
    file = { source = "files", folder = "forms", shared = true }
"#;

#[derive(serde::Deserialize)]
struct Objects {
    objects: Vec<outhaul_exports::catalog::raw::RawObject>,
}

fn config(name: &str, url: String) -> Config {
    Config {
        name: name.into(),
        url,
        format: None,
        delimiter: None,
        decimal_digits: 6,
        overlap_secs: 300,
        options: BTreeMap::new(),
    }
}

struct World {
    dir: TempDir,
    engine: DataFusionEngine,
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new().expect("a folder");
        let root = dir.path().join("files");
        std::fs::create_dir(&root).expect("a folder");
        let files = config("files", root.display().to_string());
        Self::over(dir, files, HashMap::new())
    }

    fn over(
        dir: TempDir,
        files: Config,
        stores: HashMap<String, Arc<dyn object_store::ObjectStore>>,
    ) -> Self {
        for folder in ["rows", "spill"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        std::fs::write(dir.path().join("rows/visits.csv"), "id,photo,form,org\n").expect("a table");
        let objects: Objects = toml::from_str(CATALOG).expect("a catalog");
        let catalog = Arc::new(Catalog::check(objects.objects).expect("a sound catalog"));
        let rows = config("main", dir.path().join("rows").display().to_string());
        let configs = vec![SourceConfig::Files(rows), SourceConfig::Files(files)];
        let clock = Arc::new(SystemClock);
        let engine = DataFusionEngine::with_stores(catalog, configs, stores, clock);
        Self { dir, engine: engine.expect("an engine") }
    }

    fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("files")
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    async fn snapshot(&self, tenant: &str) -> Box<dyn Snapshot> {
        let limits = RunLimits {
            memory_bytes: 64 << 20,
            spill_bytes: 1 << 20,
            spill_dir: self.dir.path().join("spill"),
            threads: 1,
        };
        let scope = TenantScope::of(&sample::tenant(tenant));
        self.engine.begin(&scope, &limits).await.expect("a snapshot")
    }

    async fn content(&self, tenant: &str, field: &str, reference: &str) -> Result<Content> {
        let query = Query::Select(Box::new(Select::of("visit")));
        self.snapshot(tenant).await.content(&query, &Path::own(field), reference).await
    }

    async fn read(&self, tenant: &str, field: &str, reference: &str) -> Result<Vec<u8>> {
        whole(self.content(tenant, field, reference).await?).await
    }
}

async fn whole(content: Content) -> Result<Vec<u8>> {
    let pieces: Vec<_> = content.stream.try_collect().await?;
    let bytes = pieces.concat();
    assert_eq!(bytes.len() as u64, content.bytes);
    Ok(bytes)
}

fn kind(result: Result<Vec<u8>>) -> ErrorKind {
    match result {
        Ok(bytes) => panic!("{} bytes were read", bytes.len()),
        Err(error) => error.kind().clone(),
    }
}

#[cfg(unix)]
fn link(from: &DiskPath, to: impl AsRef<DiskPath>) {
    std::os::unix::fs::symlink(to, from).expect("a link");
}

#[tokio::test]
async fn a_tenant_reads_its_own_files_and_nobody_elses() {
    let world = World::new();
    world.put("kept/ta/a/1.jpg", b"of ta");
    world.put("kept/tb/a/1.jpg", b"of tb");
    world.put("kept/tb/only.jpg", b"of tb");
    world.put("forms/f", b"of all");
    world.put("kept/ta/empty", b"");
    let large: Vec<u8> = (0..3_000_000_u32).map(|at| at as u8).collect();
    world.put("kept/ta/large", &large);
    assert_eq!(world.read("ta", "photo", "a/1.jpg").await.expect("a file"), b"of ta");
    assert_eq!(world.read("tb", "photo", "a/1.jpg").await.expect("a file"), b"of tb");
    assert_eq!(world.read("ta", "form", "f").await.expect("a file"), b"of all");
    assert_eq!(world.read("ta", "photo", "empty").await.expect("a file"), b"");
    assert!(world.read("ta", "photo", "large").await.expect("a file") == large);
    for absent in ["only.jpg", "a", "a/1.jpg/x", "A/1.jpg", "tb/only.jpg"] {
        assert_eq!(kind(world.read("ta", "photo", absent).await), ErrorKind::NotFound, "{absent}");
    }
    // A tenant that has no folder has no files.
    assert_eq!(kind(world.read("tc", "photo", "x").await), ErrorKind::NotFound);
    for (field, expected) in [
        ("id", ErrorKind::Unsupported),
        ("other", ErrorKind::UnknownField { name: "other".into() }),
    ] {
        assert_eq!(kind(world.read("ta", field, "x").await), expected);
    }
    let sql = Query::Sql { text: "select 1".into() };
    let refused = world.snapshot("ta").await.content(&sql, &Path::own("photo"), "x").await;
    assert_eq!(refused.err().map(|error| error.kind().clone()), Some(ErrorKind::Unsupported));
}

#[tokio::test]
async fn what_leads_out_of_a_folder_is_not_read() {
    let world = World::new();
    world.put("kept/ta/x", b"of ta");
    world.put("kept/tb/x", b"of tb");
    world.put("secret", b"of nobody");
    let outside = world.dir.path().join("outside");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::write(outside.join("x"), b"outside").expect("a file");
    for hostile in [
        "../tb/x",
        "x/../../tb/x",
        "../../secret",
        "/etc/passwd",
        "..\\tb\\x",
        "%2e%2e/tb/x",
        "..%2ftb/x",
        "x\0",
        "./x",
        "",
    ] {
        let refused = kind(world.read("ta", "photo", hostile).await);
        assert!(matches!(refused, ErrorKind::Invalid { .. }), "{hostile:?}: {refused:?}");
    }
    let own = world.root().join("kept/ta");
    link(&own.join("inside"), "x");
    assert_eq!(world.read("ta", "photo", "inside").await.expect("a file"), b"of ta");
    for (name, to) in [
        ("foreign", "../tb/x"),
        ("above", "../../secret"),
        ("absolute", "/etc/passwd"),
        ("through", "inside-out"),
    ] {
        link(&own.join(name), to);
    }
    link(&own.join("inside-out"), outside.join("x"));
    link(&own.join("folder"), &outside);
    link(&own.join("circle"), "circle");
    for reference in ["foreign", "above", "absolute", "through", "inside-out", "folder/x", "circle"]
    {
        let refused = kind(world.read("ta", "photo", reference).await);
        assert_eq!(refused, ErrorKind::Forbidden, "{reference}");
    }
    // A whole tenant's folder that is a link, out or to another tenant's place below the root.
    link(&world.root().join("kept/tc"), &outside);
    assert_eq!(kind(world.read("tc", "photo", "x").await), ErrorKind::Forbidden);
    let made = std::process::Command::new("mkfifo").arg(own.join("pipe")).status();
    assert!(made.expect("mkfifo runs").success());
    assert_eq!(kind(world.read("ta", "photo", "pipe").await), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_not_whole() {
    type Change = fn(&std::fs::File) -> std::io::Result<()>;
    let changes: [(&str, Change); 3] = [
        ("shorter", |file| file.set_len(10)),
        ("longer", |file| file.set_len(4 << 20)),
        ("touched", |file| file.set_modified(std::time::SystemTime::UNIX_EPOCH)),
    ];
    for (name, change) in changes {
        let world = World::new();
        world.put("kept/ta/x", &vec![7; 3 << 20]);
        let mut content = world.content("ta", "photo", "x").await.expect("a file");
        let first = content.stream.try_next().await.expect("it is read").expect("bytes");
        assert!(first.len() < 3 << 20);
        let path = world.root().join("kept/ta/x");
        let file = std::fs::File::options().write(true).open(path).expect("a file");
        change(&file).expect("it is changed");
        let rest: Result<Vec<_>> = content.stream.try_collect().await;
        let error = rest.expect_err(name);
        assert_eq!(error.kind(), &ErrorKind::Conflict, "{name}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_not_a_missing_file() {
    let world = World::new();
    world.put("kept/ta/x", b"x");
    std::fs::rename(world.root(), world.dir.path().join("elsewhere")).expect("it is moved");
    assert_eq!(kind(world.read("ta", "photo", "x").await), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_source_that_nobody_configured_is_refused_at_the_start() {
    let dir = TempDir::new().expect("a folder");
    let objects: Objects = toml::from_str(CATALOG).expect("a catalog");
    let catalog = Arc::new(Catalog::check(objects.objects).expect("a sound catalog"));
    let rows = config("main", dir.path().display().to_string());
    let refused = DataFusionEngine::new(catalog, vec![SourceConfig::Files(rows)]);
    let error: Error = refused.err().expect("it is refused");
    assert!(error.public().contains("no source named files"), "{error}");
}

#[tokio::test]
async fn files_in_memory_and_afar_are_read_as_well() {
    let store = Arc::new(InMemory::new());
    store.put(&"base/kept/ta/p/q.bin".into(), vec![1; 9_000_000].into()).await.expect("it is put");
    let files = config("files", "memory://any/base".into());
    let stores = HashMap::from([("files".to_owned(), store as Arc<dyn object_store::ObjectStore>)]);
    let world = World::over(TempDir::new().expect("a folder"), files, stores);
    assert_eq!(world.read("ta", "photo", "p/q.bin").await.expect("a file"), vec![1; 9_000_000]);
    assert_eq!(kind(world.read("ta", "photo", "p/z.bin").await), ErrorKind::NotFound);
    assert_eq!(kind(world.read("tb", "photo", "p/q.bin").await), ErrorKind::NotFound);

    let lake = Lake::new().await;
    lake.put("kept/ta/q.bin", "far away");
    lake.put("kept/ta/empty", "");
    let at = |changes: &[(&str, &str)]| {
        let mut files = Config { name: "files".into(), ..lake.config(Place::S3) };
        for (key, value) in changes {
            match *key {
                "url" => files.url = (*value).to_owned(),
                key => drop(files.options.insert(key.to_owned(), (*value).to_owned())),
            }
        }
        World::over(TempDir::new().expect("a folder"), files, HashMap::new())
    };
    let world = at(&[]);
    assert_eq!(world.read("ta", "photo", "q.bin").await.expect("a file"), b"far away");
    assert_eq!(world.read("ta", "photo", "empty").await.expect("a file"), b"");
    assert_eq!(kind(world.read("ta", "photo", "none").await), ErrorKind::NotFound);
    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    let closed = format!("http://{}", closed.expect("an address"));
    for changes in [[("secret_access_key", "hunter3")], [("endpoint", closed.as_str())]] {
        let refused = kind(at(&changes).read("ta", "photo", "q.bin").await);
        assert_eq!(refused, ErrorKind::Unavailable, "{changes:?}");
    }
}
