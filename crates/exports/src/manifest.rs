//! What an export produced: its files, with everything needed to prove them whole.

use arrow_schema::{FieldRef, Schema};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ArtifactId;
use crate::catalog::FieldType;
use crate::session::Mark;

/// The list of an export's artifacts. It is written once, when the export completes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The moment whose data the files show, as exactly as the source can tell.
    pub snapshot: SnapshotNote,
    /// The files, in the order of the queries and of their parts.
    pub artifacts: Vec<Artifact>,
    /// Up to where each query has read, in their order, for an export in a session; nothing for a
    /// query that gives all of its rows each time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Option<Mark>>,
}

impl Manifest {
    /// Rows in all files.
    pub fn rows(&self) -> u64 {
        self.artifacts.iter().map(|artifact| artifact.rows).sum()
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.artifacts.iter().map(|artifact| artifact.bytes).sum()
    }
}

/// Which moment the data shows, and how firmly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotNote {
    /// When the snapshot was taken.
    pub taken_at: DateTime<Utc>,
    /// What the source guarantees, in a sentence.
    pub guarantee: String,
    /// What sources call the moment, those that have a name for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceSnapshot>,
}

/// A moment in the words of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSnapshot {
    /// The name of the source.
    pub source: String,
    /// What it calls the moment, such as the text of a database's snapshot.
    pub id: String,
    /// When that was, by the source's own clock.
    pub at: DateTime<Utc>,
}

/// A finished file. Published artifacts never change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its id.
    pub id: ArtifactId,
    /// Which query it answers, counted from 0.
    pub query: u32,
    /// Which part of the query's rows it holds, where they are split over several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Where its bytes are in the artifact store. It names the attempt that wrote it.
    pub key: String,
    /// File name for whoever downloads it, made by us.
    pub file_name: String,
    /// Media type, without a character set.
    pub media_type: String,
    /// Whether the bytes are text in UTF-8.
    pub text: bool,
    /// Rows of data, headings not counted.
    pub rows: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// CRC-32 of each block of [`BLOCK_BYTES`], the last one shorter: so that a range can be
    /// checked before it is sent.
    pub block_crc32: Vec<u32>,
    /// Names and types of the columns.
    pub columns: Vec<ColumnNote>,
}

/// Length of a block that carries a checksum of its own.
pub const BLOCK_BYTES: u64 = 1024 * 1024;

/// A column as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnNote {
    /// Its heading.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Whether values may be missing.
    pub nullable: bool,
}

impl ColumnNote {
    /// The columns of a schema.
    pub fn of(schema: &Schema) -> Vec<Self> {
        let note = |field: &FieldRef| Self {
            name: field.name().clone(),
            field_type: FieldType::of_column(field),
            nullable: field.is_nullable(),
        };
        schema.fields().iter().map(note).collect()
    }
}

/// Something that the reader of a file must know: a value that the format could not carry as it
/// is, rows that go on in another sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A word for programs, such as `text_truncated`.
    pub code: String,
    /// A sentence for people, without cell values.
    pub message: String,
    /// How many times it happened.
    pub count: u64,
}
