//! Something that is wrong with the configuration, as a sentence with a place.

use std::fmt;

use super::tree::{Origin, Place};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which key.
    pub place: Place,
    /// Where it was written.
    pub origin: Option<Origin>,
    /// What is wrong and what to do.
    pub text: String,
}

impl Problem {
    /// Something wrong at a place.
    pub fn at(place: Place, origin: Option<Origin>, text: String) -> Self {
        Self { place, origin, text }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            f.write_str(&origin.name)?;
            if let Some(line) = origin.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        if !self.place.as_str().is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.text)
    }
}

/// Everything that is wrong, found in one go.
#[derive(Debug, Clone, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a mistake")?,
            count => write!(f, "the configuration has {count} mistakes")?,
        }
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
