//! Where artifacts go: the bytes of finished files, on a local disk or in an object store. And how
//! people and programs are told of them: [`mail`] and [`callback`].
//!
//! Both stores hash every byte while it is written (SHA-256 of the whole, CRC-32 of each block)
//! and compare while it is read, before a block leaves. An object appears under its key whole and
//! durable, or not at all. This room does not know what the bytes mean, who may read them, or
//! which of them are still needed.

pub mod callback;
mod damage;
mod digest;
mod error;
mod key;
pub mod local;
pub mod mail;
pub mod object;
mod verify;

#[cfg(test)]
mod conformance;

use std::path::PathBuf;
use std::sync::Arc;

use outhaul_exports::ports::ArtifactStore;
use outhaul_exports::{Error, Result};
use url::Url;

pub use damage::describe_metrics;
pub use local::LocalArtifacts;
pub use object::ObjectArtifacts;

/// Opens the artifact store at `location`: a path or a `file:` URL for a local folder (it is made
/// when it is missing), or `s3://bucket/prefix`, `gs://...`, `az://...` for an object store.
///
/// `options` are the object store's own settings (`region`, `access_key_id`, `endpoint`, ...),
/// with secrets already resolved.
///
/// # Errors
/// `Invalid` for a location or an option that is not understood; `Unavailable` when the folder
/// cannot be made or written.
pub fn open(location: &str, options: &[(String, String)]) -> Result<Arc<dyn ArtifactStore>> {
    let Some(url) = remote_url(location)? else {
        if let Some((name, _)) = options.first() {
            return Err(Error::invalid(
                "artifacts.url",
                format!("a local folder takes no options, but `{name}` is set: remove it"),
            ));
        }
        return Ok(Arc::new(LocalArtifacts::open(local_path(location)?)?));
    };
    Ok(Arc::new(ObjectArtifacts::connect(&url, options)?))
}

/// The location as a URL, unless it names a local folder.
fn remote_url(location: &str) -> Result<Option<Url>> {
    if location.trim().is_empty() {
        let text = "the artifact store's location is empty: give a folder or a URL";
        return Err(Error::invalid("artifacts.url", text));
    }
    if location.starts_with("file:") || !location.contains("://") {
        return Ok(None);
    }
    Url::parse(location).map(Some).map_err(|error| {
        let text = format!("the artifact store's location is not a URL ({error})");
        Error::invalid("artifacts.url", text)
    })
}

fn local_path(location: &str) -> Result<PathBuf> {
    if !location.starts_with("file:") {
        return Ok(PathBuf::from(location));
    }
    // `file:x` and `file://x` would be read as something else than a person means.
    let url = Some(location).filter(|text| text.starts_with("file:///") && text.len() > 8);
    let path = url.and_then(|text| Url::parse(text).ok()?.to_file_path().ok());
    path.ok_or_else(|| {
        let text = "a file URL of a folder looks like file:///var/lib/outhaul/artifacts";
        Error::invalid("artifacts.url", text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_understood_or_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/artifacts");
        for good in [path.display().to_string(), format!("file://{}", path.display())] {
            assert!(open(&good, &[]).is_ok(), "{good}");
        }
        assert!(open("s3://bucket/prefix", &[("region".into(), "eu-west-1".into())]).is_ok());
        let cases = [
            ("", "is empty"),
            ("file:", "looks like"),
            ("file://artifacts", "looks like"),
            ("https://example.com/x", "cannot be written"),
            ("gopher://x/y", "not a kind of object store"),
            ("s3://", "not"),
        ];
        for (bad, part) in cases {
            let error = open(bad, &[]).err().expect(bad);
            assert!(error.public().contains(part), "{bad}: {error}");
        }
    }

    #[test]
    fn options_are_understood_or_refused() {
        let option = [("regoin".to_owned(), "eu-west-1".to_owned())];
        let error = open("s3://bucket", &option).err().expect("a typing error");
        assert!(error.public().contains("`regoin`"), "{error}");
        let folder = tempfile::tempdir().expect("a folder");
        let error = open(&folder.path().display().to_string(), &option).err().expect("refused");
        assert!(error.public().contains("takes no options"), "{error}");
    }
}
