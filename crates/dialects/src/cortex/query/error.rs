//! What is wrong with a query argument, where, and by which of Cortex's codes.
//!
//! The fault that carries it is written elsewhere; one error type for all arguments, so that a
//! client always learns a place and a reason.

use std::fmt;

/// Which kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The argument cannot be read, or asks for what is not offered.
    Argument,
    /// A property that is not known.
    Property,
}

/// An argument that is refused; the status on the wire is 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// Which kind of mistake it is.
    pub mistake: Mistake,
    /// Where: for an argument the way to the part that is wrong, such as `where.$or.1.c_name.$gt`;
    /// for a property its path behind the object's name, such as `c_invoice.c_nmae`.
    pub path: String,
    /// Why, as a sentence. It names the nearest candidates where a name is not known.
    pub reason: String,
}

impl QueryError {
    pub(super) fn argument(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { mistake: Mistake::Argument, path: path.into(), reason: reason.into() }
    }

    pub(super) fn property(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { mistake: Mistake::Property, path: path.into(), reason: reason.into() }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl std::error::Error for QueryError {}

pub(super) type Result<T, E = QueryError> = std::result::Result<T, E>;

/// A text as it may stand in a message: on one line, and not long.
pub(in crate::cortex) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 100;
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_MAX {
            out.push_str("...");
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// `; did you mean a, b or c?` with the nearest of the known names, or nothing where none is near.
pub(super) fn candidates<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> String {
    const NAMED_MAX: usize = 3;
    const NEAR: f64 = 0.8;
    /// Nobody means a longer name, and comparing costs its length times that of every known one.
    const COMPARED_BYTES_MAX: usize = 200;
    if written.len() > COMPARED_BYTES_MAX {
        return String::new();
    }
    // The prefix that all names share would make them all alike.
    let bare = |name: &str| name.strip_prefix("c_").unwrap_or(name).to_ascii_lowercase();
    let written = bare(written);
    let score = |name: &str| strsim::jaro_winkler(&written, &bare(name));
    let mut near: Vec<_> = known.map(|name| (score(name), name)).filter(|n| n.0 >= NEAR).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let names: Vec<_> = near.iter().take(NAMED_MAX).map(|(_, name)| *name).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => format!("; did you mean {only}?"),
        Some((last, rest)) => format!("; did you mean {} or {last}?", rest.join(", ")),
    }
}
