//! What every artifact store must do, whatever lies beneath it. Both stores run all of it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use outhaul_exports::lease::{LeaseKey, LeaseToken};
use outhaul_exports::manifest::{Artifact, BLOCK_BYTES};
use outhaul_exports::ports::{ArtifactStore, ObjectKey, Written};
use outhaul_exports::principal::TenantId;
use outhaul_exports::{ArtifactId, ErrorKind, ExportId, Result, testing};

use crate::{LocalArtifacts, ObjectArtifacts};

const DAMAGED: &str = "the stored file is damaged; create the export again";
const BLOCK: usize = BLOCK_BYTES as usize;

/// Changes the stored bytes of a key behind the store's back.
type Tamper = Box<dyn Fn(&str, &dyn Fn(&mut Vec<u8>)) + Send + Sync>;

/// A store under test, and the way to break what it holds.
struct Bench {
    store: Arc<dyn ArtifactStore>,
    tamper: Tamper,
}

fn local() -> (tempfile::TempDir, Bench) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("artifacts");
    let store = Arc::new(LocalArtifacts::open(&root).expect("it opens"));
    let tamper = move |key: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = root.join(key);
        let mut bytes = std::fs::read(&path).expect("it is there");
        change(&mut bytes);
        std::fs::write(&path, bytes).expect("it is written");
    };
    (folder, Bench { store, tamper: Box::new(tamper) })
}

fn memory() -> Bench {
    use futures::{FutureExt, TryFutureExt};
    use object_store::{ObjectStoreExt, memory::InMemory};
    let inner = Arc::new(InMemory::new());
    let store = Arc::new(ObjectArtifacts::new(inner.clone(), "some/prefix".into()));
    let tamper = move |key: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = object_store::path::Path::from(format!("some/prefix/{key}"));
        let bytes = inner.get(&path).and_then(|got| got.bytes()).now_or_never();
        let mut bytes = bytes.expect("memory never waits").expect("it is there").to_vec();
        change(&mut bytes);
        let put = inner.put(&path, bytes.into()).now_or_never();
        put.expect("memory never waits").expect("it is written");
    };
    Bench { store, tamper: Box::new(tamper) }
}

macro_rules! both {
    ($($case:ident),+ $(,)?) => { $(
        mod $case {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn local() {
                let (_folder, bench) = super::local();
                super::$case(bench).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn object() {
                super::$case(super::memory()).await;
            }
        }
    )+ };
}

both!(
    what_is_written_is_read,
    every_range_is_read,
    nothing_is_visible_before_the_end,
    given_up_leaves_nothing,
    dropped_leaves_nothing_visible,
    a_published_object_never_changes,
    what_is_not_there,
    every_flipped_byte_is_detected,
    wrong_lengths_are_detected,
    a_damage_is_said_at_once_until_it_is_put_right,
    listing_goes_on_where_it_stopped,
    hostile_keys_are_refused,
    a_probe_leaves_nothing,
);

fn key_of(file: &str) -> ObjectKey {
    let export = ExportId::new(testing::noon());
    let lease = LeaseKey { export, token: LeaseToken::random() };
    ObjectKey { tenant: TenantId::from("acme"), lease, file: file.into() }
}

fn data(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

async fn a_probe_leaves_nothing(bench: Bench) {
    for _ in 0..2 {
        bench.store.probe().await.expect("it works");
        let found = bench.store.list(None, DateTime::<Utc>::MAX_UTC, 10).await;
        assert_eq!(found.expect("it lists"), []);
    }
}

async fn store_as(store: &Arc<dyn ArtifactStore>, key: &ObjectKey, bytes: &[u8]) -> Artifact {
    let mut upload = store.create(key).await.expect("it begins");
    for piece in bytes.chunks(300_001) {
        upload.write(Bytes::copy_from_slice(piece)).await.expect("it is written");
    }
    artifact(key, upload.finish().await.expect("it ends"))
}

pub(crate) fn artifact(key: &ObjectKey, written: Written) -> Artifact {
    Artifact {
        id: ArtifactId::random(),
        query: 0,
        part: None,
        key: key.path(),
        file_name: "x.csv".into(),
        media_type: "text/csv".into(),
        text: true,
        rows: 1,
        bytes: written.bytes,
        sha256: written.sha256,
        block_crc32: written.block_crc32,
        columns: Vec::new(),
    }
}

async fn read(
    store: &dyn ArtifactStore,
    artifact: &Artifact,
    range: Range<u64>,
) -> Result<Vec<u8>> {
    let stream = store.open(artifact, range).await?;
    let pieces: Vec<Bytes> = stream.try_collect().await?;
    Ok(pieces.concat())
}

fn far_future() -> DateTime<Utc> {
    DateTime::from_timestamp(32_503_680_000, 0).expect("a valid time")
}

async fn what_is_written_is_read(bench: Bench) {
    for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 5] {
        let bytes = data(length);
        let artifact = store_as(&bench.store, &key_of("0000.csv"), &bytes).await;
        assert_eq!(artifact.bytes, length as u64);
        assert_eq!(artifact.block_crc32.len(), length.div_ceil(BLOCK));
        assert_eq!(bench.store.size(&artifact.key).await.expect("a size"), Some(length as u64));
        let whole = read(&*bench.store, &artifact, 0..length as u64).await.expect("it is read");
        assert!(whole == bytes, "{length} bytes differ");
    }
}

async fn every_range_is_read(bench: Bench) {
    let length = 6 * BLOCK + 777;
    let bytes = data(length);
    let artifact = store_as(&bench.store, &key_of("0000.csv"), &bytes).await;
    let edges = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK, 5 * BLOCK - 3, length - 1, length];
    for (at, &from) in edges.iter().enumerate() {
        for &to in &edges[at..] {
            let got =
                read(&*bench.store, &artifact, from as u64..to as u64).await.expect("a range");
            assert!(got == bytes[from..to], "{from}..{to} differs");
        }
    }
    assert!(read(&*bench.store, &artifact, 5..length as u64 + 1).await.is_err());
}

async fn nothing_is_visible_before_the_end(bench: Bench) {
    let key = key_of("0000.csv");
    let mut upload = bench.store.create(&key).await.expect("it begins");
    upload.write(Bytes::from(data(3 * BLOCK))).await.expect("it is written");
    assert_eq!(bench.store.size(&key.path()).await.expect("a size"), None);
    upload.finish().await.expect("it ends");
    assert_eq!(bench.store.size(&key.path()).await.expect("a size"), Some(3 * BLOCK as u64));
}

async fn given_up_leaves_nothing(bench: Bench) {
    let key = key_of("0000.csv");
    let mut upload = bench.store.create(&key).await.expect("it begins");
    upload.write(Bytes::from(data(2 * BLOCK))).await.expect("it is written");
    upload.abort().await.expect("it is given up");
    assert_eq!(bench.store.size(&key.path()).await.expect("a size"), None);
    assert!(bench.store.list(None, far_future(), 10).await.expect("a list").is_empty());
}

async fn dropped_leaves_nothing_visible(bench: Bench) {
    let key = key_of("0000.csv");
    let mut upload = bench.store.create(&key).await.expect("it begins");
    upload.write(Bytes::from(data(BLOCK))).await.expect("it is written");
    drop(upload);
    assert_eq!(bench.store.size(&key.path()).await.expect("a size"), None);
}

async fn a_published_object_never_changes(bench: Bench) {
    let key = key_of("0000.csv");
    let artifact = store_as(&bench.store, &key, b"first").await;
    let error = bench.store.create(&key).await.err().expect("it exists");
    assert_eq!(*error.kind(), ErrorKind::Conflict);
    assert_eq!(read(&*bench.store, &artifact, 0..5).await.expect("it is read"), b"first");
}

async fn what_is_not_there(bench: Bench) {
    let key = key_of("0000.csv");
    let artifact = store_as(&bench.store, &key, b"bytes").await;
    bench.store.delete(&artifact.key).await.expect("it is deleted");
    bench.store.delete(&artifact.key).await.expect("deleting twice is no error");
    assert_eq!(bench.store.size(&artifact.key).await.expect("a size"), None);
    let error = read(&*bench.store, &artifact, 0..5).await.expect_err("it is gone");
    assert_eq!(*error.kind(), ErrorKind::Expired);
}

async fn every_flipped_byte_is_detected(bench: Bench) {
    let length = 3 * BLOCK + 4_321;
    let artifact = store_as(&bench.store, &key_of("0000.csv"), &data(length)).await;
    for at in 0..50 {
        let place = at * (length - 1) / 49;
        let bit = 1u8 << (at % 8);
        let flip = |bytes: &mut Vec<u8>| bytes[place] ^= bit;
        (bench.tamper)(&artifact.key, &flip);
        let whole = read(&*bench.store, &artifact, 0..length as u64).await;
        assert!(whole.is_err(), "a flip at {place} was not seen");
        let near = place as u64..(place as u64 + 1);
        assert!(read(&*bench.store, &artifact, near).await.is_err(), "range at {place}");
        (bench.tamper)(&artifact.key, &flip);
    }
    assert!(read(&*bench.store, &artifact, 0..length as u64).await.is_ok());
    // A wrong digest with right checksums of blocks holds back the end.
    let wrong = Artifact { sha256: "00".repeat(32), ..artifact };
    let mut stream = bench.store.open(&wrong, 0..length as u64).await.expect("it opens");
    let mut got = 0;
    let error = loop {
        match stream.try_next().await {
            Ok(Some(piece)) => got += piece.len(),
            Ok(None) => panic!("it looked whole"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.public(), DAMAGED);
    assert!(got < length);
}

async fn wrong_lengths_are_detected(bench: Bench) {
    let artifact = store_as(&bench.store, &key_of("0000.csv"), &data(BLOCK + 10)).await;
    (bench.tamper)(&artifact.key, &|bytes: &mut Vec<u8>| bytes.push(0));
    assert!(read(&*bench.store, &artifact, 0..artifact.bytes).await.is_err());
    (bench.tamper)(&artifact.key, &|bytes: &mut Vec<u8>| bytes.truncate(BLOCK));
    assert!(read(&*bench.store, &artifact, 0..5).await.is_err());
}

async fn a_damage_is_said_at_once_until_it_is_put_right(bench: Bench) {
    let length = 9 * BLOCK as u64;
    let artifact = store_as(&bench.store, &key_of("0000.csv"), &data(9 * BLOCK)).await;
    let flip = |bytes: &mut Vec<u8>| bytes[8 * BLOCK] ^= 1;
    (bench.tamper)(&artifact.key, &flip);
    // The first reader gets what comes before the damage.
    assert!(bench.store.open(&artifact, 0..length).await.is_ok());
    assert!(read(&*bench.store, &artifact, 0..length).await.is_err());
    for range in [0..length, 0..5] {
        let refused = bench.store.open(&artifact, range).await.err().expect("it is known");
        assert_eq!((refused.kind(), refused.public()), (&ErrorKind::Internal, DAMAGED));
    }
    (bench.tamper)(&artifact.key, &flip);
    assert!(read(&*bench.store, &artifact, 0..length).await.is_ok());
    // A length is looked at before anything is sent.
    (bench.tamper)(&artifact.key, &|bytes: &mut Vec<u8>| bytes.push(0));
    let refused = bench.store.open(&artifact, 0..5).await.err().expect("it is too long");
    assert_eq!(refused.public(), DAMAGED);
    (bench.tamper)(&artifact.key, &|bytes: &mut Vec<u8>| bytes.truncate(9 * BLOCK));
    assert!(read(&*bench.store, &artifact, 0..length).await.is_ok());
}

async fn listing_goes_on_where_it_stopped(bench: Bench) {
    let mut expected = Vec::new();
    for file in ["0000.csv", "0001.csv.gz", "0002.zip"] {
        for _ in 0..3 {
            expected.push(store_as(&bench.store, &key_of(file), file.as_bytes()).await.key);
        }
    }
    let long_ago = DateTime::from_timestamp(1_000_000_000, 0).expect("a valid time");
    assert!(bench.store.list(None, long_ago, 100).await.expect("a list").is_empty());
    let mut found = Vec::new();
    loop {
        let after = found.last().map(String::as_str);
        let page = bench.store.list(after, far_future(), 2).await.expect("a page");
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|object| object.key));
    }
    expected.sort();
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
}

async fn hostile_keys_are_refused(bench: Bench) {
    for (tenant, file) in
        [("..", "x"), ("acme", ".."), ("acme", "a/b"), ("acme", ".part-x"), ("", "x")]
    {
        let key = ObjectKey { tenant: TenantId::from(tenant), ..key_of(file) };
        assert!(bench.store.create(&key).await.is_err(), "{tenant} {file}");
    }
    for key in ["/etc/passwd", "../../etc/passwd", "acme/../../x", ""] {
        assert_eq!(bench.store.size(key).await.expect("a size"), None, "{key}");
        bench.store.delete(key).await.expect("it does nothing");
    }
}
