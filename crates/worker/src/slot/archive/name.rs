//! What entries of an archive are called.
//!
//! The data shows the names before a file is read, and far from where it is; so a name follows from
//! the property, the owner and the reference alone. No two of them share one, in any case: where
//! what is readable in a name does not tell them apart for sure, a digest in its middle does.

use outhaul_exports::ExportId;
use outhaul_exports::document::{Archive, FileProperty};
use outhaul_exports::spec::ExportSpec;
use outhaul_formats::pack::EntryName;
use sha2::{Digest, Sha256};

use crate::slot::documents::EntryOf;

/// Bytes of the parts of a name. Together they stay below what an entry's name may have.
const PROPERTY_BYTES_MAX: usize = 60;
const OWNER_BYTES_MAX: usize = 60;
const LAST_BYTES_MAX: usize = 90;

/// Letters of a digest.
const DIGEST_CHARS: usize = 16;

/// How the entries of an archive's files are named.
pub(in crate::slot) fn entry_of(archive: &Archive) -> EntryOf {
    // Inside `files.zip` everything is a file.
    if archive.together { entry_together } else { entry_apart }
}

/// The name of the rows in an archive: the client's for them, else the export's id.
pub(in crate::slot) fn data_entry(
    spec: &ExportSpec,
    export: ExportId,
    extension: &str,
) -> EntryName {
    let name = spec.queries.first().and_then(|query| query.name.clone());
    EntryName::from_label(&name.unwrap_or_else(|| format!("export-{export}")), extension)
}

fn entry_apart(file: &FileProperty, owner: &str, reference: &str) -> String {
    format!("files/{}", entry_together(file, owner, reference))
}

fn entry_together(file: &FileProperty, owner: &str, reference: &str) -> String {
    let folder = EntryName::part(&file.name, PROPERTY_BYTES_MAX);
    let last = reference.rsplit('/').next().unwrap_or_default();
    if folder == file.name && is_plain_owner(owner) && is_plain_last(reference) {
        return format!("{folder}/{owner}-{last}");
    }
    let whole = digest(&file.name, owner, reference);
    let digest: String = whole.iter().map(|byte| format!("{byte:02x}")).take(8).collect();
    let owner = EntryName::part(owner, OWNER_BYTES_MAX);
    let last = EntryName::part(last, LAST_BYTES_MAX);
    format!("{folder}/{owner}-{digest}-{last}")
}

/// What tells a file of a row from all others.
pub(super) fn digest(property: &str, owner: &str, reference: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in [property, owner, reference] {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}

/// Whether no other owner looks like it: the first hyphen of a name ends an owner.
fn is_plain_owner(owner: &str) -> bool {
    (1..=OWNER_BYTES_MAX).contains(&owner.len())
        && owner.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether no other reference looks like it, nor a name with a digest.
fn is_plain_last(reference: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    // A digest anywhere in it could be that of another name.
    let digest =
        |part: &str| part.len() == DIGEST_CHARS && part.bytes().all(|b| b.is_ascii_hexdigit());
    (1..=LAST_BYTES_MAX).contains(&reference.len())
        && reference.bytes().all(plain)
        && !reference.starts_with('.')
        && !reference.ends_with('.')
        && !reference.split('-').any(digest)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use outhaul_exports::query::Path;

    use super::*;

    fn file(name: &str) -> FileProperty {
        FileProperty { field: Path::own(name), reference: 1, owner: 0, name: name.into() }
    }

    #[test]
    fn plain_names_are_readable_and_others_carry_a_digest() {
        let archive = |together| Archive { files: vec![file("c_photo")], together };
        let apart = entry_of(&archive(false));
        assert_eq!(apart(&file("c_photo"), "5f1e", "a_1.jpg"), "files/c_photo/5f1e-a_1.jpg");
        let together = entry_of(&archive(true));
        assert_eq!(together(&file("c_photo"), "5f1e", "a_1.jpg"), "c_photo/5f1e-a_1.jpg");
        let name = apart(&file("c_photo"), "A-1", "2024/05/Röntgen 1.PDF");
        let (before, after) = ("files/c_photo/A-1-", "-Röntgen_1.PDF");
        assert!(name.starts_with(before) && name.ends_with(after), "{name}");
        assert_eq!(name.len(), before.len() + DIGEST_CHARS + after.len());
        let id = ExportId::new(outhaul_exports::testing::noon());
        let mut spec =
            outhaul_exports::testing::export("acme", outhaul_exports::testing::noon()).spec;
        spec.queries[0].name = None;
        assert_eq!(data_entry(&spec, id, "json").as_str(), format!("export-{id}.json"));
        spec.queries[0].name = Some("visits".to_owned());
        assert_eq!(data_entry(&spec, id, "csv").as_str(), "visits.csv");
    }

    #[test]
    fn no_two_files_share_a_name_and_every_name_is_one() {
        let long = "x".repeat(400);
        let wide = "𠜎".repeat(300);
        let texts = [
            "a",
            "A",
            "ä",
            "a-b",
            "b",
            "b-c",
            "c",
            "a_b",
            "a b",
            "",
            "con",
            "..",
            "../x",
            "x",
            "/x",
            "a/x",
            "b/x",
            "x/",
            "x.jpg",
            "X.jpg",
            ".x",
            "x.",
            "0123456789abcdef-x",
            "\0",
            "%2e",
            "a\\b",
            &long,
            &wide,
        ];
        let digest: String =
            digest("p", "a", "b/x").iter().map(|b| format!("{b:02x}")).take(8).collect();
        let posing = format!("{digest}-x");
        let texts: Vec<&str> = texts.into_iter().chain([posing.as_str()]).collect();
        let mut seen = HashMap::new();
        for property in ["p", "P 1", "p_1", "../p", "nul"] {
            let file = file(property);
            for owner in &texts {
                for reference in &texts {
                    let name = entry_apart(&file, owner, reference);
                    EntryName::new(&name).unwrap_or_else(|error| panic!("{name}: {error}"));
                    let of = (property, owner, reference);
                    if let Some(other) = seen.insert(name.to_lowercase(), of) {
                        panic!("{of:?} and {other:?} are both {name}");
                    }
                }
            }
        }
    }
}
