//! The query arguments of an export: `where`, `sort`, `paths`, `include` and `expand`, read into the
//! neutral query (Medable documentation, "Querying", "Query operators" and "Property selection").
//!
//! * [`filter`]: `where` becomes a condition;
//! * [`order`]: `sort` becomes an order;
//! * [`selection`]: `paths`, `include` and `expand` become a tree of properties.
//!
//! Every name is resolved against the catalog here, every value has the type of its property, and
//! nothing is kept as text that anybody parses again. How a row is written as a document is not
//! decided here, and `skip`, `limit` and the pipelines of the vendor's lists have no part in an export.

pub(super) mod error;
pub mod filter;
pub mod order;
mod pattern;
mod properties;
pub mod selection;
#[cfg(test)]
mod tests;
mod values;

use outhaul_exports::catalog::{Catalog, Object};
use serde_json::Value;

use super::names::WireNames;
use crate::kit::json;

pub use self::error::{Mistake, QueryError};

use self::error::Result;

/// The longest `where` or `sort`, in bytes: a list of the most values that `$in` takes, as ids.
pub const ARGUMENT_BYTES_MAX: usize = 512 * 1024;
/// Expressions and operators inside each other in `where`.
pub const DEPTH_MAX: usize = 32;
/// Properties named in each of `paths`, `include` and `expand`.
pub const PATHS_MAX: usize = 300;

/// What an argument is read against.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The object that is exported.
    pub object: &'a Object,
    /// Its catalog.
    pub catalog: &'a Catalog,
    /// The names of the catalog on the wire.
    pub names: &'a WireNames,
}

/// Reads an argument that is JSON in a text.
fn parsed(argument: &str, text: &str) -> Result<Value> {
    if text.len() > ARGUMENT_BYTES_MAX {
        let reason = format!("{} bytes given, at most {ARGUMENT_BYTES_MAX} allowed", text.len());
        return Err(QueryError::argument(argument, reason));
    }
    if text.trim().is_empty() {
        let reason = "it is empty: leave it out, or give JSON such as {\"_id\":{\"$gt\":\"1\"}}";
        return Err(QueryError::argument(argument, reason));
    }
    if text.starts_with('\u{feff}') {
        let reason = "it begins with a byte order mark: leave the mark out";
        return Err(QueryError::argument(argument, reason));
    }
    let read = json::parse(text.as_bytes());
    read.map_err(|error| QueryError::argument(argument, format!("it is not sound JSON: {error}")))
}
