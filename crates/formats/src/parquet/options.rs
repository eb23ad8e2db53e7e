//! Choices of parquet, and their check.

use parquet::basic::{Compression as Codec, GzipLevel, ZstdLevel};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Rows of a row group by default: enough for columns to compress well, and few enough for a
/// reader to read many groups at once.
const ROW_GROUP_ROWS: usize = 122_880;

/// Bounds of that choice. Smaller groups are mostly overhead; larger ones only cost memory.
const ROW_GROUP_ROWS_MIN: usize = 1_000;
const ROW_GROUP_ROWS_MAX: usize = 1_048_576;

/// How the file is laid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParquetOptions {
    /// How the pages are compressed.
    pub compression: Compression,
    /// Rows of a row group, 1,000 to 1,048,576. A group of large values ends earlier.
    pub rows_per_group: usize,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self { compression: Compression::default(), rows_per_group: ROW_GROUP_ROWS }
    }
}

/// How pages are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Zstandard: small and fast; every reader of the last years knows it.
    #[default]
    Zstd,
    /// Snappy: faster and larger, for readers of any age.
    Snappy,
    /// Gzip (deflate): slow, for readers that know no Zstandard.
    Gzip,
    /// Not at all.
    None,
}

impl Compression {
    pub(super) fn codec(self) -> Codec {
        match self {
            Self::Zstd => Codec::ZSTD(ZstdLevel::default()),
            Self::Snappy => Codec::SNAPPY,
            Self::Gzip => Codec::GZIP(GzipLevel::default()),
            Self::None => Codec::UNCOMPRESSED,
        }
    }
}

impl ParquetOptions {
    /// # Errors
    /// `Option` names the one that cannot be honoured.
    pub(super) fn check(&self) -> Result<()> {
        if !(ROW_GROUP_ROWS_MIN..=ROW_GROUP_ROWS_MAX).contains(&self.rows_per_group) {
            return Err(Error::Option {
                option: "parquet.rows_per_group",
                problem: format!(
                    "a row group has {ROW_GROUP_ROWS_MIN} to {ROW_GROUP_ROWS_MAX} rows"
                ),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_too_few_or_too_many_rows_are_refused() {
        for rows_per_group in [0, 999, 1_048_577] {
            let options = ParquetOptions { rows_per_group, ..ParquetOptions::default() };
            assert!(options.check().is_err(), "{rows_per_group}");
        }
        for rows_per_group in [1_000, 1_048_576] {
            let options = ParquetOptions { rows_per_group, ..ParquetOptions::default() };
            options.check().unwrap();
        }
    }

    #[test]
    fn compressions_are_written_in_lower_case() {
        for (text, compression) in [
            ("zstd", Compression::Zstd),
            ("snappy", Compression::Snappy),
            ("gzip", Compression::Gzip),
            ("none", Compression::None),
        ] {
            let json = format!("{{\"compression\": \"{text}\"}}");
            let options: ParquetOptions = serde_json::from_str(&json).unwrap();
            assert_eq!(options.compression, compression);
        }
        assert!(serde_json::from_str::<ParquetOptions>("{\"compression\": \"lz4\"}").is_err());
    }
}
