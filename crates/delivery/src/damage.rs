//! Which artifacts this process found damaged, so that whoever comes next is told at once and does
//! not download half a file again and again. Only the place of the damage is remembered: the next
//! reader looks there first, and a file that was put right is served again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outhaul_exports::manifest::{Artifact, BLOCK_BYTES};
use outhaul_exports::ports::ObjectKey;
use outhaul_exports::{Error, Result};

use crate::error;
use crate::verify::Bytewise;

/// Damaged artifacts that are remembered; beyond them the first are forgotten.
const REMEMBERED_MAX: usize = 10_000;

const DAMAGED: &str = "outhaul_damaged_artifacts_total";

/// Describes the metrics of this room to the installed recorder, and shows them at zero.
pub fn describe_metrics() {
    metrics::describe_counter!(
        DAMAGED,
        "artifacts that were found to differ from what was published"
    );
    metrics::counter!(DAMAGED).increment(0);
}

/// Where an artifact differs from what was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its length.
    Length,
    /// The checksum of a block.
    Block(usize),
    /// The digest of the whole.
    Digest,
}

/// The damaged artifacts by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Damages(Arc<Mutex<BTreeMap<String, Place>>>);

impl Damages {
    /// Remembers a damage, says it once to the operator, and answers the error for the reader.
    pub(crate) fn found(&self, key: &str, place: Place, how: &str) -> Error {
        let mut known = self.lock();
        if known.insert(key.to_owned(), place).is_none() {
            let export = ObjectKey::parse(key).map(|object| object.lease.export.to_string());
            let export = export.unwrap_or_default();
            tracing::error!(export, artifact_key = key, how, "an artifact is damaged");
            metrics::counter!(DAMAGED).increment(1);
        }
        if known.len() > REMEMBERED_MAX {
            known.pop_first();
        }
        error::damaged(key, how)
    }

    /// Forgets a file that is no more.
    pub(crate) fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    /// Looks at the place where this artifact, whose length is right, was damaged when it was read
    /// last.
    ///
    /// # Errors
    /// When it still is; or as the store.
    pub(crate) async fn look_again(
        &self,
        object: &dyn Bytewise,
        artifact: &Artifact,
    ) -> Result<()> {
        let Some(place) = self.lock().get(&artifact.key).copied() else { return Ok(()) };
        match place {
            Place::Length => {}
            Place::Block(block) => {
                let from = block as u64 * BLOCK_BYTES;
                let bytes = object.read(from..(from + BLOCK_BYTES).min(artifact.bytes)).await?;
                let found = tokio::task::spawn_blocking(move || crc32fast::hash(&bytes)).await;
                if artifact.block_crc32.get(block) != Some(&found.map_err(error::panicked)?) {
                    return Err(error::damaged(&artifact.key, "it was found so before"));
                }
            }
            Place::Digest => {
                return Err(error::damaged(&artifact.key, "its SHA-256 differed before"));
            }
        }
        self.forget(&artifact.key);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
