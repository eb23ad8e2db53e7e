//! Which texts may be keys: four parts, none of which can lead out of the store's folder or mean
//! something else to an object store.

use outhaul_exports::ports::ObjectKey;
use outhaul_exports::{Error, Result};

/// How the unfinished remains of an object are named: this, then its last part.
pub(crate) const PART_PREFIX: &str = ".part-";

/// The key as text, if every part of it is safe to store under.
///
/// # Errors
/// `Internal`: keys are made by us, from ids that the configuration has checked.
pub(crate) fn checked(key: &ObjectKey) -> Result<String> {
    let path = key.path();
    if key.file.starts_with('.') || parse(&path).is_none() {
        return Err(Error::internal(format!("{path:?} cannot be the key of an artifact")));
    }
    Ok(path)
}

/// The parts of a stored key; `None` for what is not ours.
pub(crate) fn parse(path: &str) -> Option<[&str; 4]> {
    ObjectKey::parse(path)?;
    let parts: Vec<&str> = path.split('/').collect();
    let parts: [&str; 4] = parts.try_into().ok()?;
    let [folders @ .., file] = &parts;
    let file = file.strip_prefix(PART_PREFIX).unwrap_or(file);
    (folders.iter().all(|part| is_safe(part)) && is_safe(file)).then_some(parts)
}

fn is_safe(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+=@".contains(&b);
    (1..=200).contains(&part.len()) && !part.starts_with('.') && part.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORT: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_four_safe_parts_are_a_key() {
        for good in ["acme/E/t0/0000.csv", "a@b-c.d/E/t0/.part-0000.csv.gz"] {
            assert!(parse(&good.replace('E', EXPORT)).is_some(), "{good}");
        }
        for bad in [
            "",
            "acme",
            "acme/E/t0",
            "acme/E/t0/a/b",
            "../E/t0/x",
            "acme/E/../x",
            "acme/E/t0/..",
            "acme/E/t0/.hidden",
            "acme/E/t0/.part-",
            "acme/E/t0/.part-../x",
            "/E/t0/x",
            "acme/not-an-id/t0/x",
            "acme/E/t0/a b",
            "acme/E/t0/a\\b",
            "acme/E/t0/a\0b",
            "ac%2e/E/t0/x",
        ] {
            assert!(parse(&bad.replace('E', EXPORT)).is_none(), "{bad}");
        }
    }
}
