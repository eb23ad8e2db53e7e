//! What the files of an export are called: their objects in the store, and for whoever downloads
//! them.

use outhaul_exports::lease::LeaseKey;
use outhaul_exports::ports::ObjectKey;
use outhaul_exports::principal::TenantId;
use outhaul_exports::query::Query;
use outhaul_exports::spec::ExportSpec;
use outhaul_formats::pack::EntryName;
use outhaul_formats::{Packing, openpgp};

/// The object of a part of the query's rows, counted from 0; whole queries have one part. Only the
/// lease and these places name it, so that whoever cleans up after an attempt needs no list.
pub(crate) fn object_key(
    tenant: &TenantId,
    lease: &LeaseKey,
    query: usize,
    part: usize,
) -> ObjectKey {
    let file = format!("{query:04}-{part:05}");
    ObjectKey { tenant: tenant.clone(), lease: lease.clone(), file }
}

/// The names of an export's unpacked files, in the order of its queries, no two of them equal in
/// any case.
pub(crate) fn entry_names(spec: &ExportSpec, extension: &str) -> Vec<EntryName> {
    let mut names: Vec<EntryName> = Vec::with_capacity(spec.queries.len());
    for query in &spec.queries {
        let label = match (&query.name, &spec.label, &query.query) {
            (Some(name), ..) => name,
            (None, Some(label), _) if spec.queries.len() == 1 => label,
            (None, _, Query::Select(select)) => &select.object,
            (None, ..) => "export",
        };
        let mut name = EntryName::from_label(label, extension);
        let mut count = 1;
        while names.iter().any(|known| same(known, &name)) {
            count += 1;
            // The count leads, because the end of a long label is cut.
            name = EntryName::from_label(&format!("{count}-{label}"), extension);
        }
        names.push(name);
    }
    names
}

/// The name of a part of an unpacked file.
pub(crate) fn part_name(whole: &EntryName, part: &str) -> EntryName {
    let (stem, extension) = whole.as_str().rsplit_once('.').unwrap_or((whole.as_str(), ""));
    // A label is cut at its end, where the part stands.
    let room = EntryName::LABEL_CHARS_MAX.saturating_sub(part.len() + 1);
    let stem: String = stem.chars().take(room).collect();
    EntryName::from_label(&format!("{stem}-{part}"), extension)
}

/// The name of the file as it is downloaded: packed, and encrypted where it is.
pub(crate) fn file_name(entry: &EntryName, packing: Packing, encrypted: bool) -> String {
    let packed = packing.file_name(entry.as_str());
    if encrypted { openpgp::file_name(&packed) } else { packed }
}

fn same(a: &EntryName, b: &EntryName) -> bool {
    a.as_str().to_lowercase() == b.as_str().to_lowercase()
}

#[cfg(test)]
mod tests {
    use outhaul_exports::spec::QuerySpec;
    use outhaul_exports::testing;

    use super::*;

    fn names(label: Option<&str>, queries: &[Option<&str>]) -> Vec<String> {
        let mut spec = testing::export("acme", testing::noon()).spec;
        let query = spec.queries[0].query.clone();
        spec.label = label.map(str::to_owned);
        spec.queries = queries
            .iter()
            .map(|name| QuerySpec { name: name.map(str::to_owned), query: query.clone() })
            .collect();
        entry_names(&spec, "csv").iter().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn files_are_named_after_what_the_customer_wrote() {
        assert_eq!(names(None, &[None]), ["Invoice.csv"]);
        assert_eq!(names(Some("All of May"), &[None]), ["All_of_May.csv"]);
        assert_eq!(names(Some("May"), &[Some("one"), None]), ["one.csv", "Invoice.csv"]);
        assert_eq!(
            names(None, &[Some("a"), Some("A"), Some("a")]),
            ["a.csv", "2-A.csv", "3-a.csv"]
        );
        assert_eq!(names(Some("../../etc/passwd"), &[None]), ["_.._etc_passwd.csv"]);
        let name = EntryName::from_label("All of May", "csv");
        assert_eq!(file_name(&name, Packing::Gzip, false), "All_of_May.csv.gz");
        assert_eq!(file_name(&name, Packing::Gzip, true), "All_of_May.csv.gz.pgp");
        assert_eq!(file_name(&name, Packing::Zip, true), "All_of_May.zip.pgp");
        assert_eq!(file_name(&name, Packing::None, true), "All_of_May.csv.pgp");
        let long = "x".repeat(300);
        let both = names(None, &[Some(&long), Some(&long)]);
        assert_ne!(both[0], both[1]);
    }
}
