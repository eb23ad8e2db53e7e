//! ZOQL text to tree.
//!
//! The grammar is `select F1,F2 from Object [where C ((and|or) C)*]` (Zuora documentation, "ZOQL").
//! Most mistakes are pieces of richer languages, Export ZOQL among them: those are recognised, and
//! refused with a sentence that says what to do without them. Names are not looked up here.

use outhaul_exports::limits;

use super::CONDITIONS_MAX;
use super::ast::{Condition, Filter, Name, Query, Test};
use crate::zuora::zoql::lexer::TokenKind;
use crate::zuora::zoql::reader::Reader;
use crate::zuora::zoql::{Language, Position, ZoqlError};

/// Words that cannot be names, because they are something else.
const RESERVED: [&str; 9] =
    ["select", "from", "where", "and", "or", "like", "null", "true", "false"];

/// Words after an object that begin what would join another one.
const JOINS: [&str; 6] = ["join", "inner", "left", "right", "full", "cross"];

type Result<T> = std::result::Result<T, ZoqlError>;

/// Reads one query.
///
/// # Errors
/// `Syntax`, `Limit` or `Value`, with the place.
pub fn parse(text: &str) -> Result<Query> {
    let read = Reader::new(text, Language::Zoql, &RESERVED)?;
    Parser { read }.query()
}

struct Parser {
    read: Reader,
}

impl Parser {
    fn query(&mut self) -> Result<Query> {
        self.read.begin()?;
        let fields = self.fields()?;
        if !self.read.take_word("from") {
            return Err(self.after_field());
        }
        if let TokenKind::Symbol("(") = self.read.peek() {
            return Err(parentheses(self.read.at()));
        }
        let object = self.read.name("the name of an object")?;
        let filter = if self.read.take_word("where") { Some(self.filter()?) } else { None };
        if self.read.end()? {
            return Ok(Query { fields, object, filter });
        }
        Err(self.after_clause(filter.is_some()))
    }

    fn fields(&mut self) -> Result<Vec<Name>> {
        let mut fields = Vec::new();
        loop {
            self.read.bounded(fields.len(), limits::COLUMNS_MAX, "fields in the select list")?;
            let at = self.read.at();
            if *self.read.peek() == TokenKind::Symbol("*") {
                return Err(refused(at, "'*' is not allowed", "list the fields one by one"));
            }
            if self.read.is_word(self.read.next, "distinct")
                && matches!(self.read.kind(self.read.next + 1), TokenKind::Word(word)
                    if !word.eq_ignore_ascii_case("from"))
            {
                return Err(refused(at, "'distinct' is not allowed", "leave it out"));
            }
            fields.push(self.field("a field")?);
            if !self.read.take_symbol(",") {
                return Ok(fields);
            }
        }
    }

    /// One name, neither qualified nor called.
    fn field(&mut self, expected: &str) -> Result<Name> {
        let at = self.read.at();
        match (self.read.peek(), self.read.kind(self.read.next + 1)) {
            (TokenKind::Symbol("("), _) => Err(parentheses(at)),
            (TokenKind::Word(word), TokenKind::Symbol("(")) if !self.read.is_reserved(word) => {
                Err(refused(at, "Functions are not allowed", "use fields alone"))
            }
            (TokenKind::Word(_), TokenKind::Symbol(".")) => {
                let advice = "write a field of the object by its name alone, such as Name";
                Err(refused(at, "Names with dots are not allowed", advice))
            }
            _ => self.read.name(expected),
        }
    }

    /// What is wrong where FROM or another field should follow a field.
    fn after_field(&self) -> ZoqlError {
        if self.read.is_word(self.read.next, "as") {
            return refused(self.read.at(), "'as' is not allowed", "leave the column's name out");
        }
        self.read.unexpected("',' or 'from'")
    }

    /// What is wrong where the query should end.
    fn after_clause(&self, filtered: bool) -> ZoqlError {
        let (at, next) = (self.read.at(), self.read.next);
        let is = |word: &str| self.read.is_word(next, word);
        let joins =
            *self.read.peek() == TokenKind::Symbol(",") || JOINS.iter().any(|word| is(word));
        if joins && !filtered {
            return refused(at, "Joins are not allowed", "name one object after 'from'");
        }
        if is("order") || is("group") {
            let clause = if is("order") { "'order by'" } else { "'group by'" };
            return refused(at, &format!("{clause} is not allowed"), "leave it out");
        }
        for clause in ["having", "limit"] {
            if is(clause) {
                return refused(at, &format!("'{clause}' is not allowed"), "leave it out");
            }
        }
        self.read.unexpected(if filtered {
            "'and', 'or' or the end of the query"
        } else {
            "'where' or the end of the query"
        })
    }

    /// `C and C or C ...`, where `and` binds tighter.
    fn filter(&mut self) -> Result<Filter> {
        let mut terms = vec![Vec::new()];
        for count in 0.. {
            self.read.bounded(count, CONDITIONS_MAX, "conditions after 'where'")?;
            let condition = self.condition()?;
            if let Some(term) = terms.last_mut() {
                term.push(condition);
            }
            if self.read.take_word("or") {
                terms.push(Vec::new());
            } else if !self.read.take_word("and") {
                break;
            }
        }
        Ok(Filter(terms))
    }

    fn condition(&mut self) -> Result<Condition> {
        let negates = self.read.is_word(self.read.next, "not")
            && matches!(
                self.read.kind(self.read.next + 1),
                TokenKind::Word(_) | TokenKind::Symbol("(")
            );
        if negates {
            let advice = "turn the operators around, such as != for =";
            return Err(refused(self.read.at(), "'not' is not allowed", advice));
        }
        let field = self.field("a field")?;
        let test = self.test()?;
        Ok(Condition { field, test })
    }

    /// What follows the field.
    fn test(&mut self) -> Result<Test> {
        if self.read.take_word("like") {
            return Ok(Test::Like(self.read.pattern()?));
        }
        for (word, advice) in [
            ("is", "write = null or != null"),
            ("not", "turn the operators around, such as != for ="),
            ("in", "write a = 'x' or a = 'y'"),
            ("between", "write a >= 'x' and a <= 'y'"),
        ] {
            if self.read.is_word(self.read.next, word) {
                let message = format!("'{word}' is not allowed in ZOQL: {advice}");
                return Err(ZoqlError::syntax(self.read.at(), message));
            }
        }
        let Some(op) = self.read.operator() else {
            return Err(self.read.unexpected("=, !=, <, <=, >, >= or 'like'"));
        };
        if let Some(negated) = self.read.null(op)? {
            return Ok(Test::IsNull { negated });
        }
        match self.read.literal()? {
            Some(value) => Ok(Test::Compare { op, value }),
            None => Err(self.no_value()),
        }
    }

    /// What is wrong where a value should stand.
    fn no_value(&self) -> ZoqlError {
        let at = self.read.at();
        match (self.read.peek(), self.read.kind(self.read.next + 1)) {
            (TokenKind::Symbol("("), _) => parentheses(at),
            (TokenKind::Word(word), TokenKind::Symbol("(")) if !self.read.is_reserved(word) => {
                refused(at, "Functions are not allowed", "compare with a value")
            }
            (TokenKind::Word(word), after)
                if !self.read.is_reserved(word) && !matches!(after, TokenKind::Text(_)) =>
            {
                let advice = "compare with a value; texts are written in single quotes";
                refused(at, "A field cannot be compared with a field", advice)
            }
            _ => self.read.no_value("a value"),
        }
    }
}

fn parentheses(at: Position) -> ZoqlError {
    let advice = "write the conditions in a row, in which 'and' binds tighter than 'or'";
    refused(at, "Parentheses are not allowed", advice)
}

/// A piece of a richer language, and how to do without it or with that language.
fn refused(at: Position, what: &str, advice: &str) -> ZoqlError {
    let message = format!("{what} in ZOQL: {advice}, or send the query as type zoqlexport");
    ZoqlError::syntax(at, message)
}
