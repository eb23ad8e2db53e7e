//! Catalog files: guessed from a source's own schema, and written as TOML that a person reads.
//!
//! A guess is never silent: whatever is not plain from the schema is marked `# review`.

pub mod guess;
pub mod render;

pub use guess::guess;
pub use render::render;

use outhaul_exports::catalog::raw::RawObject;

/// An object as it was guessed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The object.
    pub object: RawObject,
    /// What a person must look at: the key of the object, and why.
    pub reviews: Vec<(String, String)>,
}

impl Draft {
    /// An object that needs no review.
    pub fn sure(object: RawObject) -> Self {
        Self { object, reviews: Vec::new() }
    }

    fn review(&mut self, key: impl Into<String>, why: &str) {
        let key = key.into();
        match self.reviews.iter_mut().find(|(marked, _)| *marked == key) {
            Some((_, known)) => *known = format!("{known}; {why}"),
            None => self.reviews.push((key, why.to_owned())),
        }
    }

    /// Why that key must be looked at.
    pub fn why(&self, key: &str) -> Option<&str> {
        self.reviews.iter().find(|(marked, _)| marked == key).map(|(_, why)| why.as_str())
    }
}
