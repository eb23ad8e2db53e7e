//! Fakes of the rooms around the use cases: bytes in a map, a planner that knows two kinds of
//! query, three formats. They do what a test can see through, and fail when they are told to.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::catalog::FieldType;
use crate::export::Export;
use crate::flow::ByteStream;
use crate::format::FormatSheet;
use crate::manifest::{Artifact, ColumnNote};
use crate::notice::{Message, ScriptView};
use crate::ports::{
    ArtifactStore, Formats, ObjectKey, Planner, Preview, ScriptCheck, StoredObject, Upload, Written,
};
use crate::principal::TenantScope;
use crate::query::Query;
use crate::spec::FormatChoice;
use crate::{Error, ErrorKind, Result};

/// Artifacts in a map. A reader gets pieces of at most [`FakeArtifacts::PIECE_BYTES`].
#[derive(Debug, Default)]
pub struct FakeArtifacts {
    objects: std::sync::Arc<Mutex<BTreeMap<String, Bytes>>>,
    cut_at: Mutex<Option<Cut>>,
}

/// How a read goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The stream ends with an error after so many bytes of the file.
    Error(u64),
    /// The stream just ends after so many bytes of the file.
    Short(u64),
    /// So many bytes too many come at the end.
    Long(usize),
}

impl FakeArtifacts {
    /// The longest piece of a stream.
    pub const PIECE_BYTES: usize = 1_000;

    /// Puts an object there.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.lock().insert(key.to_owned(), bytes.into());
    }

    /// Keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Makes every later read go wrong, or right again.
    pub fn cut(&self, cut: Option<Cut>) {
        *self.cut_at.lock().unwrap_or_else(PoisonError::into_inner) = cut;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ArtifactStore for FakeArtifacts {
    async fn create(&self, key: &ObjectKey) -> Result<Box<dyn Upload>> {
        Ok(Box::new(FakeUpload {
            objects: self.objects.clone(),
            key: key.path(),
            bytes: Vec::new(),
        }))
    }

    async fn open(&self, artifact: &Artifact, range: Range<u64>) -> Result<ByteStream> {
        let gone = || Error::new(ErrorKind::Expired, "the file is gone");
        let whole = self.lock().get(&artifact.key).cloned().ok_or_else(gone)?;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
        let mut end = place(range.end);
        let start = place(range.start).min(end);
        let cut = *self.cut_at.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tail: Vec<Result<Bytes>> = Vec::new();
        match cut {
            Some(Cut::Error(at)) => {
                end = end.min(place(at)).max(start);
                tail.push(Err(Error::internal("a block differs from its checksum")));
            }
            Some(Cut::Short(at)) => end = end.min(place(at)).max(start),
            Some(Cut::Long(more)) => tail.push(Ok(Bytes::from(vec![b'!'; more]))),
            None => {}
        }
        let bytes = whole.slice(start..end);
        let pieces: Vec<Result<Bytes>> = (0..bytes.len())
            .step_by(Self::PIECE_BYTES)
            .map(|at| Ok(bytes.slice(at..bytes.len().min(at + Self::PIECE_BYTES))))
            .chain(tail)
            .collect();
        Ok(stream::iter(pieces).boxed())
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.lock().get(key).map(|bytes| bytes.len() as u64))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.lock().remove(key);
        Ok(())
    }

    async fn list(
        &self,
        after: Option<&str>,
        before: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<StoredObject>> {
        let objects = self.lock();
        let page = objects.iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
        let stored = page.map(|(key, bytes)| StoredObject {
            key: key.clone(),
            bytes: bytes.len() as u64,
            modified_at: before,
        });
        Ok(stored.take(most).collect())
    }

    async fn free_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

struct FakeUpload {
    objects: std::sync::Arc<Mutex<BTreeMap<String, Bytes>>>,
    key: String,
    bytes: Vec<u8>,
}

#[async_trait]
impl Upload for FakeUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Written> {
        let written = Written {
            bytes: self.bytes.len() as u64,
            sha256: hex::encode(Sha256::digest(&self.bytes)),
            block_crc32: Vec::new(),
        };
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(self.key, self.bytes.into());
        Ok(written)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A planner that plans nothing: text that holds `BROKEN` is refused, everything else is fine and
/// has one column.
#[derive(Debug, Default)]
pub struct FakePlanner {
    asked: Mutex<Vec<(TenantScope, Query)>>,
    away: AtomicBool,
}

impl FakePlanner {
    /// Every query that was checked or previewed, and for whom.
    pub fn asked(&self) -> Vec<(TenantScope, Query)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on it plans nothing, or does again.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn columns(&self, scope: &TenantScope, query: &Query) -> Result<Vec<ColumnNote>> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("no planner is free"));
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push((scope.clone(), query.clone()));
        let (field, text) = match query {
            Query::Sql { text } => ("query", Some(text)),
            Query::Select(select) => ("where", select.where_sql.as_ref()),
        };
        if text.is_some_and(|text| text.contains("BROKEN")) {
            return Err(Error::invalid(field, format!("{field} cannot be read: BROKEN")));
        }
        let note = |name: &str| ColumnNote {
            name: name.to_owned(),
            field_type: FieldType::Text,
            nullable: true,
        };
        Ok(match query {
            Query::Sql { .. } => vec![note("column")],
            Query::Select(select) => select.columns.iter().map(|c| note(&c.label)).collect(),
        })
    }
}

#[async_trait]
impl Planner for FakePlanner {
    async fn check(&self, scope: &TenantScope, query: &Query) -> Result<Vec<ColumnNote>> {
        self.columns(scope, query)
    }

    async fn preview(&self, scope: &TenantScope, query: &Query, rows: u64) -> Result<Preview> {
        let columns = self.columns(scope, query)?;
        let row: Vec<_> = columns.iter().map(|column| column.name.as_str().into()).collect();
        let rows = usize::try_from(rows.min(2)).unwrap_or_default();
        Ok(Preview { rows: vec![row; rows], columns })
    }
}

/// Nine formats. Each takes the option `header`, and those of [`OPTIONS`]; their values are not
/// looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakeFormats;

/// Options by format, as the real formats have them.
const OPTIONS: &[(&str, &[&str])] = &[
    ("csv", &["delimiter", "line_end", "quoting", "bom"]),
    ("json", &["document", "row", "lines", "strings", "nulls"]),
    ("ndjson", &["nulls"]),
    ("xml", &["columns", "around", "declaration", "lines", "nulls"]),
    ("xlsx", &["sheet"]),
    ("html", &["title", "caption", "page"]),
    (
        "pdf",
        &[
            "title",
            "description",
            "date",
            "paper",
            "orientation",
            "margins",
            "title_at",
            "description_at",
            "widths",
            "header_left",
            "header_center",
            "header_right",
            "footer_left",
            "footer_center",
            "footer_right",
        ],
    ),
];

impl Formats for FakeFormats {
    fn sheets(&self) -> Vec<FormatSheet> {
        let xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        let sheets = [
            ("csv", "CSV", "text/csv", true),
            ("html", "HTML", "text/html", true),
            ("xlsx", "Excel", xlsx, false),
            ("pdf", "PDF", "application/pdf", false),
            ("json", "JSON", "application/json", true),
            ("ndjson", "NDJSON", "application/x-ndjson", true),
            ("xml", "XML", "application/xml", true),
            ("avro", "Avro", "application/avro", false),
            ("parquet", "Parquet", "application/vnd.apache.parquet", false),
        ];
        sheets
            .map(|(id, label, media_type, text)| FormatSheet {
                id: id.to_owned(),
                label: label.to_owned(),
                media_type: media_type.to_owned(),
                extension: id.to_owned(),
                text,
                takes_password: ["xlsx", "pdf"].contains(&id),
            })
            .to_vec()
    }

    fn check(&self, choice: &FormatChoice) -> Result<()> {
        if self.sheet(&choice.id).is_none() {
            return Err(Error::invalid("format", format!("there is no format {}", choice.id)));
        }
        let mut own = OPTIONS.iter().filter(|(id, _)| *id == choice.id);
        let own = own.next().map(|(_, keys)| *keys).unwrap_or_default();
        let is_known = |key: &str| key == "header" || own.contains(&key);
        match choice.options.keys().find(|key| !is_known(key)) {
            Some(key) => Err(Error::invalid(format!("options.{key}"), "there is no such option")),
            None => Ok(()),
        }
    }

    fn check_encryption_key(&self, key: &str, _: DateTime<Utc>) -> Result<()> {
        if key.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            return Ok(());
        }
        Err(Error::invalid("encryption", "not an OpenPGP public key block"))
    }
}

/// Takes every text for a script but one with `@@` in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakeScripts;

#[async_trait]
impl ScriptCheck for FakeScripts {
    async fn check(&self, source: &str) -> Result<()> {
        let Some((line, column)) = (1..).zip(source.lines()).find_map(|(line, text)| {
            let at = text.find("@@")?;
            Some((line, text[..at].chars().count() + 1))
        }) else {
            return Ok(());
        };
        let text = format!("unexpected token '@@' (line {line}, column {column})");
        Err(Error::invalid("notices.script", text))
    }
}

/// Shows scripts the export's id and state, and an error for a failed one.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakeScriptView;

#[async_trait]
impl ScriptView for FakeScriptView {
    async fn globals(&self, export: &Export, message: &Message) -> Result<Value> {
        let err = export.failure.as_ref().map(|failure| failure.code.clone());
        let of = json!({ "_id": export.id.to_string(), "state": export.state.name() });
        Ok(json!({
            "script": {
                "_id": message.id.to_string(),
                "arguments": { "export": of, "err": err },
                "org": { "code": export.tenant.to_string() },
            }
        }))
    }
}
