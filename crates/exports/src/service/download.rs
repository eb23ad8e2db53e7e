//! Download an artifact, or a range of it.

use super::{Exports, require};
use crate::export::{Export, State};
use crate::flow::ByteStream;
use crate::manifest::Artifact;
use crate::principal::{Principal, Role, TenantId};
use crate::{ArtifactId, Error, ErrorKind, Result};

/// Which bytes of an artifact, as a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to the last, both included; the end of the file when absent.
    From(u64, Option<u64>),
    /// The last so many.
    Last(u64),
}

impl ByteRange {
    /// The range in a file of `length` bytes as first and one past the last; `None` when it holds
    /// none of them.
    pub fn within(self, length: u64) -> Option<std::ops::Range<u64>> {
        let range = match self {
            Self::From(first, last) => {
                first..last.map_or(length, |last| last.saturating_add(1)).min(length)
            }
            Self::Last(count) => length.saturating_sub(count)..length,
        };
        (range.start < range.end).then_some(range)
    }
}

/// A file that may be read.
pub struct Download {
    /// Of which export.
    pub export: Export,
    /// Which file.
    pub artifact: Artifact,
}

impl Exports {
    /// Finds a published file of the principal's tenant.
    ///
    /// # Errors
    /// `NotFound` for unknown, foreign and unpublished ones alike; `Expired` to the owner of a
    /// file whose time is over.
    pub async fn find_file(&self, who: &Principal, id: ArtifactId) -> Result<Download> {
        require(who, Role::Reader)?;
        self.find_file_of(&who.tenant, id).await
    }

    /// The bytes of a file: checked block by block while they are sent.
    ///
    /// # Errors
    /// `Expired` when the bytes are gone; `Unavailable` when the store is away.
    pub async fn read_file(
        &self,
        file: &Download,
        range: std::ops::Range<u64>,
    ) -> Result<ByteStream> {
        let opened = self.parts.artifacts.open(&file.artifact, range).await;
        if let Err(error) = &opened
            && *error.kind() == ErrorKind::Expired
        {
            // The store answers, and the file that we promised is not in it.
            tracing::error!(
                export = %file.export.id,
                artifact = %file.artifact.id,
                error = error.chain(),
                "a file of a live export is missing"
            );
        }
        opened
    }

    pub(super) async fn find_file_of(&self, tenant: &TenantId, id: ArtifactId) -> Result<Download> {
        let found = self.parts.jobs.artifact(tenant, id).await?;
        let (export, artifact) = found.ok_or_else(|| Error::not_found("file"))?;
        let over = export.files_expire_at.is_none_or(|at| at <= self.now());
        if over || export.state != State::Completed {
            return Err(Error::new(ErrorKind::Expired, "the file's time is over"));
        }
        Ok(Download { export, artifact })
    }
}

#[cfg(test)]
mod tests {
    use super::ByteRange::{From, Last};

    #[test]
    fn ranges_end_with_the_file() {
        let cases = [
            (From(0, None), Some(0..10)),
            (From(3, Some(5)), Some(3..6)),
            (From(3, Some(99)), Some(3..10)),
            (From(9, Some(u64::MAX)), Some(9..10)),
            (From(10, None), None),
            (From(5, Some(4)), None),
            (Last(3), Some(7..10)),
            (Last(99), Some(0..10)),
            (Last(0), None),
        ];
        for (range, expected) in cases {
            assert_eq!(range.within(10), expected, "{range:?}");
        }
        assert_eq!(From(0, None).within(0), None);
    }
}
