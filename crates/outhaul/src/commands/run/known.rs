//! What a person is told who names a table or a field that is not there: which ones are.

use outhaul_exports::ErrorKind;
use outhaul_exports::catalog::Catalog;

/// Names that are listed; the others are counted.
const NAMES_SHOWN: usize = 12;

/// Adds the names that there are to an error about one that is not. `object` is the one whose fields
/// were asked for.
pub fn with_names(
    error: anyhow::Error,
    catalog: &Catalog,
    object: Option<&str>,
    source: &str,
) -> anyhow::Error {
    let Some(ours) = error.downcast_ref::<outhaul_exports::Error>() else { return error };
    let names: Vec<&str> = match ours.kind() {
        ErrorKind::UnknownObject { .. } => catalog.objects().map(|o| o.name.as_str()).collect(),
        ErrorKind::UnknownField { .. } => {
            match object.and_then(|name| catalog.require(name).ok()) {
                Some(object) => object.fields.iter().map(|field| field.name.as_str()).collect(),
                None => Vec::new(),
            }
        }
        _ => return error,
    };
    let there = match names.is_empty() {
        true => String::new(),
        false => format!("there are {}; ", listed(&names)),
    };
    let text = format!(
        "{}; {there}`outhaul catalog init {source}` prints every table with its columns",
        ours.public()
    );
    let kind = ours.kind().clone();
    outhaul_exports::Error::new(kind, text).into()
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(listed(&names[..2]), "t0, t1");
        assert!(listed(&names).ends_with("t11 and 8 more"));
    }
}
