//! Field paths such as `Account.Name`, resolved against the catalog. Pure.

use outhaul_exports::catalog::{Cardinality, Catalog, Field, Object, hint};
use outhaul_exports::limits::RELATION_DEPTH_MAX;
use outhaul_exports::query::Path;

use super::error::Problem;
use crate::kit::json::shown;

/// The field that a path names, from the rows of `base`.
///
/// # Errors
/// `unknown_field` with the nearest name; `invalid_request` for a path that is too long or leads
/// to many rows.
pub fn resolve<'a>(
    catalog: &'a Catalog,
    base: &'a Object,
    text: &str,
) -> Result<(Path, &'a Field), Problem> {
    let parts: Vec<&str> = text.split('.').collect();
    let (&last, ways) = parts.split_last().unwrap_or((&"", &[]));
    if ways.len() > RELATION_DEPTH_MAX {
        let detail = format!("{} follows more than {RELATION_DEPTH_MAX} relations", shown(text));
        return Err(Problem::invalid("", detail));
    }
    let mut object = base;
    let mut relations = Vec::new();
    for way in ways {
        let Some(relation) = object.relation(way) else {
            return Err(no_relation(base, object, way, text));
        };
        if relation.cardinality == Cardinality::ToMany {
            let detail = format!(
                "{} leads from one {} to many rows: query {} instead",
                relation.name, object.name, relation.target
            );
            return Err(Problem::invalid("", detail));
        }
        relations.push(relation.name.clone());
        object = catalog.require(&relation.target)?;
    }
    match object.field(last) {
        Some(field) => Ok((Path { relations, field: field.name.clone() }, field)),
        None => Err(no_field(object, last, text)),
    }
}

fn no_relation(base: &Object, object: &Object, way: &str, text: &str) -> Problem {
    let own = text.split_once('.').map_or("", |(_, rest)| rest);
    let near = match way.eq_ignore_ascii_case(&base.name) && base.name == object.name {
        true => format!(" (its own fields are named without it: {})", shown(own)),
        false => hint(way, object.relations.iter().map(|relation| relation.name.as_str())),
    };
    let detail = format!(
        "there is no field named {}: {} has no relation {}{near}",
        shown(text),
        object.name,
        shown(way)
    );
    unknown(detail)
}

fn no_field(object: &Object, name: &str, text: &str) -> Problem {
    // People look for a foreign key where the relation starts; it is the target's key.
    let stem = name.len().checked_sub(2).and_then(|at| name.split_at_checked(at));
    let key = stem.filter(|(_, tail)| tail.eq_ignore_ascii_case("id"));
    let near = match key.and_then(|(stem, _)| object.relation(stem)) {
        Some(relation) => format!(" (did you mean {}.Id?)", relation.name),
        None => hint(name, object.fields.iter().map(|field| field.name.as_str())),
    };
    unknown(format!("there is no field named {} in {}{near}", shown(text), object.name))
}

fn unknown(detail: String) -> Problem {
    Problem::new(http::StatusCode::BAD_REQUEST, "unknown_field", detail)
}
