//! The contents of files that rows refer to.
//!
//! A field of the catalog may name a folder of a source of files; its values are then paths below
//! that folder. A row must not be able to name anything else: what is not a plain relative path is
//! refused before a store sees it, the tenant's own value stands in the folder's name where the
//! catalog says so, and the source sees to it that no link leads out.

use outhaul_exports::catalog::{Catalog, FileFolder};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{Path, Query};
use outhaul_exports::{Error, Result};

/// Bytes of the longest reference.
const REFERENCE_BYTES_MAX: usize = 1_024;

/// Bytes of the longest part of one: what common file systems take for one name.
const PART_BYTES_MAX: usize = 255;

/// What stands for the tenant in a folder.
const TENANT: &str = "{tenant}";

/// Where a file is, below the root of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilePath {
    /// The parts of the folder that no path may leave.
    pub(crate) folder: Vec<String>,
    /// The parts of the path below it; at least one.
    pub(crate) below: Vec<String>,
}

/// Where the files are that a field of the query's object refers to.
///
/// # Errors
/// `UnknownObject` and `UnknownField`; `Unsupported` for SQL and for a field that refers to none.
pub(crate) fn folder<'c>(
    catalog: &'c Catalog,
    query: &Query,
    field: &Path,
) -> Result<&'c FileFolder> {
    let Query::Select(select) = query else {
        return Err(Error::unsupported("SQL cannot be exported with the contents of files"));
    };
    let mut object = catalog.require(&select.object)?;
    for relation in &field.relations {
        object = catalog.require(&object.require_relation(relation)?.target)?;
    }
    object.require_field(&field.field)?.file.as_ref().ok_or_else(|| {
        let (object, field) = (&object.name, &field.field);
        Error::unsupported(format!("field {field} of {object} does not refer to files"))
    })
}

impl FilePath {
    /// The path of a reference for a tenant.
    ///
    /// # Errors
    /// `Invalid` for a reference that is no plain relative path; `Unsupported` when the tenant's
    /// value cannot be the name of a folder.
    pub(crate) fn of(folder: &FileFolder, scope: &TenantScope, reference: &str) -> Result<Self> {
        let mut parts = Vec::new();
        for part in folder.folder.split('/').filter(|part| !part.is_empty() && *part != ".") {
            let part = match part.contains(TENANT) {
                true => {
                    if scope.value().contains('/') || refusal(scope.value()).is_some() {
                        let text = "the tenant has no files: its value is no name of a folder";
                        return Err(Error::unsupported(text));
                    }
                    part.replace(TENANT, scope.value())
                }
                false => part.to_owned(),
            };
            if part == ".." {
                return Err(Error::unsupported("the folder of the files leaves its source"));
            }
            parts.push(part);
        }
        match refusal(reference) {
            Some(reason) => Err(Error::invalid("reference", reason)),
            None => {
                let below = reference.split('/').map(str::to_owned).collect();
                Ok(Self { folder: parts, below })
            }
        }
    }
}

/// Why a text is not the relative path of a file; never what it says.
fn refusal(reference: &str) -> Option<&'static str> {
    if reference.is_empty() {
        return Some("the reference is empty");
    }
    if reference.len() > REFERENCE_BYTES_MAX {
        return Some("the reference is longer than the path of a file");
    }
    if reference.starts_with('/') || is_drive(reference) {
        return Some("the reference is an absolute path");
    }
    if reference.chars().any(|letter| letter == '\\' || letter.is_control()) {
        return Some("the reference holds a backslash or a control character");
    }
    if is_encoded(reference) {
        return Some("the reference holds a percent-encoded character");
    }
    for part in reference.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return Some("a part of the reference is empty, . or ..");
        }
        if part.len() > PART_BYTES_MAX {
            return Some("a part of the reference is longer than the name of a file");
        }
    }
    None
}

/// Whether it begins with the letter of a drive.
fn is_drive(reference: &str) -> bool {
    matches!(reference.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// Whether something on the way to a store might read another character in it.
fn is_encoded(reference: &str) -> bool {
    let bytes = reference.as_bytes();
    bytes.windows(3).any(|three| {
        three[0] == b'%' && three[1].is_ascii_hexdigit() && three[2].is_ascii_hexdigit()
    })
}

#[cfg(test)]
mod tests {
    use outhaul_exports::principal::TenantId;
    use outhaul_exports::testing;

    use super::*;

    fn scope(value: &str) -> TenantScope {
        let mut tenant = testing::tenant("acme");
        value.clone_into(&mut tenant.value);
        assert_eq!(tenant.id, TenantId::from("acme"));
        TenantScope::of(&tenant)
    }

    fn folder(folder: &str) -> FileFolder {
        FileFolder { source: "main".into(), folder: folder.into(), shared: false }
    }

    #[test]
    fn only_plain_relative_paths_are_paths() {
        let (long, parts) = ("x".repeat(256), "abc/".repeat(300) + "d");
        for hostile in [
            "",
            "/",
            "/etc/passwd",
            "//host/x",
            "..",
            "../b/x",
            "a/../../b",
            "a/..",
            ".",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "..\\b",
            "a\\b",
            "\\\\host\\x",
            "C:x",
            "c:/windows",
            "a\0b",
            "a\nb",
            "a\u{85}b",
            "%2e%2e/b",
            "..%2fb",
            "a%00",
            "%252e",
            &long,
            &parts,
        ] {
            let refused = FilePath::of(&folder("f"), &scope("ta"), hostile);
            let error = refused.expect_err(hostile);
            assert!(matches!(error.kind(), outhaul_exports::ErrorKind::Invalid { .. }), "{error}");
        }
        for plain in ["a", "a/b.jpg", "..a", "a..", "100%.pdf", "Straße 1/ü ö", "~x", "$(x)", "-"]
        {
            FilePath::of(&folder("f"), &scope("ta"), plain).expect(plain);
        }
    }

    #[test]
    fn the_tenant_stands_in_the_folder_and_cannot_change_it() {
        let path = FilePath::of(&folder("/files//{tenant}/x-{tenant}/"), &scope("ta"), "p/q");
        let path = path.expect("a path");
        assert_eq!(path.folder, ["files", "ta", "x-ta"]);
        assert_eq!(path.below, ["p", "q"]);
        for value in ["", "..", ".", "a/b", "/", "..\\x", "a\0"] {
            let refused = FilePath::of(&folder("files/{tenant}"), &scope(value), "p");
            let kind = refused.expect_err(value).kind().clone();
            assert_eq!(kind, outhaul_exports::ErrorKind::Unsupported, "{value:?}");
        }
        assert!(FilePath::of(&folder("files/../x"), &scope("ta"), "p").is_err());
        assert_eq!(FilePath::of(&folder(""), &scope("ta"), "p").expect("a path").folder.len(), 0);
    }
}
