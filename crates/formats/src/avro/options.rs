//! Choices of avro.

use serde::{Deserialize, Serialize};

/// How the file is laid out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AvroOptions {
    /// How the blocks are compressed.
    pub codec: Codec,
}

/// How the blocks are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Raw deflate, which every reader has to know.
    #[default]
    Deflate,
    /// Snappy with a CRC-32 of the block.
    Snappy,
    /// Zstandard.
    Zstd,
    /// Not compressed.
    None,
}

impl Codec {
    /// Its name in a file's head (Avro specification, "Required Codecs" and "Optional Codecs").
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Deflate => "deflate",
            Self::Snappy => "snappy",
            Self::Zstd => "zstandard",
            Self::None => "null",
        }
    }
}
