//! The parts that queries of both languages are made of.

use super::{Language, Position};

/// A part of a query and where it was written.
///
/// Two parts are equal when they say the same, wherever they stood in the text: that is what makes
/// "print, then parse" comparable with the tree one started from.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// The part.
    pub value: T,
    /// Where it begins.
    pub at: Position,
}

impl<T> Located<T> {
    pub(crate) fn new(value: T, at: Position) -> Self {
        Self { value, at }
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A name as the user wrote it.
pub type Name = Located<String>;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    pub(crate) const ALL: [Self; 6] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
    ];

    /// The operator as it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A text in single quotes; also how dates are written, and in Export ZOQL, if one likes,
    /// numbers.
    Text(String),
    /// Digits, with a sign and a decimal point where they were written.
    Number(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or datetime without quotes; only ZOQL has it.
    Moment(String),
}

impl Literal {
    /// The literal as the language writes it.
    pub fn written(&self, language: Language) -> String {
        match self {
            Self::Text(text) => language.quoted(text),
            Self::Number(text) | Self::Moment(text) => text.clone(),
            Self::Boolean(truth) => truth.to_string(),
        }
    }
}
