//! A query's tokens, one after the other: what the parsers of both languages are built on.
//!
//! It knows words, signs and values, and how to say that something else was expected; which of them
//! may stand where is the business of each grammar.

use super::ast::{Comparison, Literal, Located, Name};
use super::lexer::{Token, TokenKind, tokens};
use super::{Language, Position, ZoqlError, ZoqlErrorKind};

type Result<T> = std::result::Result<T, ZoqlError>;

pub(super) struct Reader {
    tokens: Vec<Token>,
    /// The index of the token that is looked at.
    pub next: usize,
    /// Words that cannot begin a field or name an object, because they begin something else.
    reserved: &'static [&'static str],
}

impl Reader {
    /// A reader at the first token of the text.
    pub fn new(text: &str, language: Language, reserved: &'static [&'static str]) -> Result<Self> {
        Ok(Self { tokens: tokens(text, language)?, next: 0, reserved })
    }

    /// The word that every query begins with.
    pub fn begin(&mut self) -> Result<()> {
        if *self.peek() == TokenKind::End {
            let message = "The query is empty: write one such as select Id from Account";
            return Err(ZoqlError::syntax(self.at(), message));
        }
        self.expect_word("select")
    }

    /// Whether the query ends here, possibly after a semicolon.
    pub fn end(&mut self) -> Result<bool> {
        let closed = self.take_symbol(";");
        match self.peek() {
            TokenKind::End => Ok(true),
            found if closed => {
                let message = format!(
                    "Found {} after the ';' that ends the query: send one query at a time",
                    found.describe()
                );
                Err(ZoqlError::syntax(self.at(), message))
            }
            _ => Ok(false),
        }
    }

    /// A comparison operator, if one stands here.
    pub fn operator(&mut self) -> Option<Comparison> {
        let TokenKind::Symbol(symbol) = self.peek() else {
            return None;
        };
        let found = Comparison::ALL.into_iter().find(|op| op.symbol() == *symbol);
        self.next += usize::from(found.is_some());
        found
    }

    /// After an operator: whether `null` stands here, and if so, whether a value is wanted.
    pub fn null(&mut self, op: Comparison) -> Result<Option<bool>> {
        let at = self.at();
        if !self.take_word("null") {
            return Ok(None);
        }
        match op {
            Comparison::Equal => Ok(Some(false)),
            Comparison::NotEqual => Ok(Some(true)),
            _ => {
                let message =
                    format!("null cannot be compared with {}: use = null or != null", op.symbol());
                Err(ZoqlError::syntax(at, message))
            }
        }
    }

    /// A value, if one stands here.
    pub fn literal(&mut self) -> Result<Option<Located<Literal>>> {
        let at = self.at();
        let literal = match self.peek() {
            TokenKind::Text(text) => Literal::Text(text.clone()),
            TokenKind::Number(digits) => Literal::Number(digits.clone()),
            TokenKind::Moment(text) => Literal::Moment(text.clone()),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("true") => Literal::Boolean(true),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("false") => Literal::Boolean(false),
            TokenKind::Symbol("-") => {
                self.next += 1;
                match self.peek() {
                    TokenKind::Number(digits) => Literal::Number(format!("-{digits}")),
                    _ => return Err(self.unexpected("a number after '-'")),
                }
            }
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(Located::new(literal, at)))
    }

    /// What to say where something stands that is not a value.
    pub fn no_value(&self, expected: &str) -> ZoqlError {
        match (self.peek(), self.kind(self.next + 1)) {
            (TokenKind::Word(word), TokenKind::Text(_)) if !self.is_reserved(word) => {
                let message = format!(
                    "Found {} before a text in quotes: texts, dates and datetimes are written in \
                     single quotes alone",
                    self.peek().describe()
                );
                ZoqlError::syntax(self.at(), message)
            }
            (TokenKind::Quoted(_), _) => {
                self.unexpected("a value; texts are written in single quotes")
            }
            _ => self.unexpected(expected),
        }
    }

    /// What follows LIKE.
    pub fn pattern(&mut self) -> Result<Name> {
        let at = self.at();
        let TokenKind::Text(pattern) = self.peek() else {
            return Err(self.unexpected("a pattern in single quotes"));
        };
        let pattern = Located::new(pattern.clone(), at);
        self.next += 1;
        Ok(pattern)
    }

    /// A word that is no keyword.
    pub fn name(&mut self, expected: &str) -> Result<Name> {
        match self.peek() {
            TokenKind::Word(word) if self.is_reserved(word) => Err(self.unexpected(expected)),
            _ => self.word(expected),
        }
    }

    /// Any word: after a dot, or before one, a keyword is a name like any other.
    pub fn word(&mut self, expected: &str) -> Result<Name> {
        let at = self.at();
        let TokenKind::Word(word) = self.peek() else {
            return Err(self.unexpected(expected));
        };
        let name = Located::new(word.clone(), at);
        self.next += 1;
        Ok(name)
    }

    pub fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(&format!("'{word}'"))) }
    }

    pub fn take_word(&mut self, word: &str) -> bool {
        let taken = self.is_word(self.next, word);
        self.next += usize::from(taken);
        taken
    }

    pub fn take_symbol(&mut self, symbol: &'static str) -> bool {
        let taken = *self.peek() == TokenKind::Symbol(symbol);
        self.next += usize::from(taken);
        taken
    }

    pub fn is_word(&self, at: usize, word: &str) -> bool {
        matches!(self.kind(at), TokenKind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    pub fn peek(&self) -> &TokenKind {
        self.kind(self.next)
    }

    pub fn kind(&self, at: usize) -> &TokenKind {
        self.tokens.get(at).map_or(&TokenKind::End, |token| &token.kind)
    }

    /// Where the next token begins.
    pub fn at(&self) -> Position {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(Position::START, |token| token.at)
    }

    pub fn bounded(&self, count: usize, most: usize, what: &str) -> Result<()> {
        if count < most {
            return Ok(());
        }
        let message = format!("There are more than {most} {what}: at most {most} are allowed");
        Err(ZoqlError::new(ZoqlErrorKind::Limit, self.at(), message))
    }

    pub fn unexpected(&self, expected: &str) -> ZoqlError {
        let message = format!("Found {}, expected {expected}", self.peek().describe());
        ZoqlError::syntax(self.at(), message)
    }

    /// Whether the word is a keyword in this language.
    pub fn is_reserved(&self, word: &str) -> bool {
        self.reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
    }
}
