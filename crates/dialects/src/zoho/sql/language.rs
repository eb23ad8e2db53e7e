//! From text to a tree: how the text is cut into tokens, and the bounds within which it is parsed.
//!
//! Names may stand in double quotes or backticks and text stands in single quotes, as in Zoho
//! Analytics; the rest is read as MySQL reads it. The parser is a library's, made for whole
//! databases. It bounds how deep a text nests, but not how long a chain is (`1 + 1 + ...` becomes a
//! tree as deep as it is long, and whoever walks or drops that overflows the stack), and it tries
//! some constructs twice, so that a mistake deep inside can take a time that doubles with each
//! level. Both are bounded here, before and while it runs. Nothing here knows the catalog.

use std::any::TypeId;
use std::cell::Cell;

use outhaul_exports::limits;
use sqlparser::ast::{BinaryOperator, Expr, Query};
use sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace};

use super::CHARACTERS_MAX;
use super::error::{Language, Mistake, Place, Result, SqlError, shown};

/// Keywords and operators on the way to the deepest place of a text, at most. Each may be a level of
/// the tree; a term of a chain has three or four.
const LEVELS_MAX: usize = 5 * limits::CHAIN_TERMS_MAX;
/// How often the parser may read nested tables anew.
const REREADS_MAX: usize = 64;
/// How often the parser may begin an expression, for each token.
const BEGINNINGS_PER_TOKEN: usize = 16;

/// The rules by which a text is read.
#[derive(Debug)]
struct Rules {
    /// How many more expressions the parser may begin.
    fuel: Cell<usize>,
}

impl Dialect for Rules {
    fn dialect(&self) -> TypeId {
        // The parser asks some of its questions by the type.
        TypeId::of::<MySqlDialect>()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '$'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.is_identifier_start(ch)
            || ch.is_ascii_digit()
            || !ch.is_ascii() && ch.is_alphanumeric()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"' || ch == '`'
    }

    /// `a--1` is a subtraction, and not the beginning of a comment.
    fn requires_single_line_comment_whitespace(&self) -> bool {
        true
    }

    fn supports_limit_comma(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn supports_data_type_signed_suffix(&self) -> bool {
        true
    }

    fn supports_double_ampersand_operator(&self) -> bool {
        true
    }

    fn parse_prefix(&self, _: &mut Parser) -> Option<std::result::Result<Expr, ParserError>> {
        match self.fuel.get().checked_sub(1) {
            Some(rest) => {
                self.fuel.set(rest);
                None
            }
            // The one error that is handed on at once.
            None => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<std::result::Result<u8, ParserError>> {
        is_word_operator(parser).map(|_| Ok(self.prec_value(Precedence::MulDivModOp)))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        precedence: u8,
    ) -> Option<std::result::Result<Expr, ParserError>> {
        let op = is_word_operator(parser)?;
        parser.next_token();
        let right = parser.parse_subexpr(precedence);
        Some(right.map(|right| Expr::BinaryOp {
            left: Box::new(expr.clone()),
            op,
            right: Box::new(right),
        }))
    }
}

/// The operators DIV and MOD.
fn is_word_operator(parser: &Parser) -> Option<BinaryOperator> {
    match &parser.peek_token_ref().token {
        Token::Word(word) if word.keyword == Keyword::DIV => Some(BinaryOperator::MyIntegerDivide),
        Token::Word(word)
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("mod") =>
        {
            Some(BinaryOperator::Modulo)
        }
        _ => None,
    }
}

/// The tokens of a text, within their bounds.
pub(super) struct Tokens<'a> {
    pub(super) text: &'a str,
    language: Language,
    all: Vec<TokenWithSpan>,
}

impl<'a> Tokens<'a> {
    /// # Errors
    /// For a text that is too long, empty, ends within a quotation, or is a chain without an end.
    pub(super) fn of(text: &'a str, language: Language) -> Result<Self> {
        // A character takes four bytes at most.
        if text.len() > 4 * CHARACTERS_MAX || text.chars().count() > CHARACTERS_MAX {
            let message = format!("The text is longer than {CHARACTERS_MAX} characters");
            return Err(language.error(Mistake::Syntax, Place::START, message));
        }
        let rules = Rules { fuel: Cell::new(0) };
        let all = Tokenizer::new(&rules, text).tokenize_with_location();
        let all = all.map_err(|cause| untokenized(language, &cause))?;
        let tokens = Self { text, language, all };
        tokens.check_comments()?;
        if tokens.meaning().next().is_none() {
            return Err(language.error(Mistake::Syntax, Place::START, "The text is empty"));
        }
        tokens.check_levels()?;
        Ok(tokens)
    }

    /// Those that mean something.
    pub(super) fn meaning(&self) -> impl Iterator<Item = &TokenWithSpan> {
        self.all.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
    }

    fn error(&self, mistake: Mistake, at: impl Into<Place>, message: &str) -> SqlError {
        self.language.error(mistake, at, message)
    }

    /// What MySQL would run cannot be passed over.
    fn check_comments(&self) -> Result<()> {
        for token in &self.all {
            if let Token::Whitespace(Whitespace::MultiLineComment(text)) = &token.token
                && text.starts_with('!')
            {
                let message = "Comments that are run (/*! ... */) are not offered";
                return Err(self.error(Mistake::NotOffered, token.span, message));
            }
        }
        Ok(())
    }

    /// Bounds the depth of the tree that the parser will make, and the work it will have.
    fn check_levels(&self) -> Result<()> {
        /// What stands between two brackets, as far as it is known.
        #[derive(Default)]
        struct Open {
            /// Keywords and operators since the last comma.
            here: usize,
            /// The deepest of the closed brackets since the last comma.
            inside: usize,
            /// The deepest before it.
            before: usize,
            /// How often what stands here is read.
            readings: usize,
        }
        let mut open = vec![Open { readings: 1, ..Open::default() }];
        // Keywords and operators on the way here, and brackets that directly follow each other.
        let (mut way, mut run) = (0, 0);
        for token in self.meaning() {
            // Cannot fail because the first one is never closed.
            let is_inside = open.len() > 1;
            let Some(last) = open.last_mut() else { break };
            let mut next_run = 0;
            match &token.token {
                Token::LParen | Token::LBracket | Token::LBrace => {
                    let readings = last.readings;
                    open.push(Open { readings, ..Open::default() });
                    next_run = run + 1;
                }
                Token::RParen | Token::RBracket | Token::RBrace if is_inside => {
                    let closed = open.pop().unwrap_or_default();
                    way -= closed.here;
                    let depth = (closed.here + closed.inside).max(closed.before);
                    if let Some(last) = open.last_mut() {
                        last.inside = last.inside.max(depth + 1);
                    }
                }
                Token::Comma => {
                    last.before = last.before.max(last.here + last.inside);
                    way -= last.here;
                    (last.here, last.inside) = (0, 0);
                }
                Token::Word(word) => {
                    if word.keyword != Keyword::NoKeyword || word.value.eq_ignore_ascii_case("mod")
                    {
                        (last.here, way) = (last.here + 1, way + 1);
                    }
                    if matches!(word.keyword, Keyword::SELECT | Keyword::WITH) && run > 1 {
                        last.readings *= run;
                        if last.readings > REREADS_MAX {
                            return Err(self.too_deep(token.span));
                        }
                    }
                }
                Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => {}
                _ => (last.here, way) = (last.here + 1, way + 1),
            }
            run = next_run;
            if open.last().is_some_and(|last| way + last.inside > LEVELS_MAX) {
                let text =
                    format!("There are more than {} terms in a chain", limits::CHAIN_TERMS_MAX);
                return Err(self.error(Mistake::NotConvertible, token.span, &text));
            }
            if open.len() > 4 * limits::NESTING_MAX {
                return Err(self.too_deep(token.span));
            }
        }
        Ok(())
    }

    fn too_deep(&self, at: impl Into<Place>) -> SqlError {
        let text = format!("The text nests deeper than {} levels", limits::NESTING_MAX);
        self.error(Mistake::NotConvertible, at, &text)
    }

    /// Reads them as one expression.
    pub(super) fn expression(&self) -> Result<Expr> {
        self.parsed(|parser| {
            let expr = parser.parse_expr()?;
            match parser.peek_token_ref().token {
                Token::EOF => Ok(expr),
                _ => parser.expected_ref("the end of the criteria", parser.peek_token_ref()),
            }
        })
    }

    /// Reads them as one query.
    pub(super) fn query(&self) -> Result<Box<Query>> {
        let begins = |token: &Token| match token {
            Token::LParen => true,
            Token::Word(word) => matches!(word.keyword, Keyword::SELECT | Keyword::WITH),
            _ => false,
        };
        if let Some(first) = self.meaning().next()
            && !begins(&first.token)
        {
            let message = "Only a single SELECT statement is offered";
            return Err(self.error(Mistake::NotOffered, first.span, message));
        }
        let mut behind = self.meaning().skip_while(|token| token.token != Token::SemiColon);
        let behind = behind.find(|token| token.token != Token::SemiColon);
        if let Some(second) = behind {
            let message = "Only a single SELECT statement is offered: there is another one";
            return Err(self.error(Mistake::NotOffered, second.span, message));
        }
        self.parsed(|parser| {
            let query = parser.parse_query()?;
            while parser.consume_token(&Token::SemiColon) {}
            match parser.peek_token_ref().token {
                Token::EOF => Ok(query),
                _ => parser.expected_ref("the end of the statement", parser.peek_token_ref()),
            }
        })
    }

    fn parsed<T>(
        &self,
        parse: impl FnOnce(&mut Parser) -> std::result::Result<T, ParserError>,
    ) -> Result<T> {
        let fuel = BEGINNINGS_PER_TOKEN * (self.all.len() + limits::NESTING_MAX);
        let rules = Rules { fuel: Cell::new(fuel) };
        let mut parser = Parser::new(&rules)
            .with_recursion_limit(limits::NESTING_MAX)
            .with_tokens_with_locations(self.all.clone());
        parse(&mut parser).map_err(|cause| match cause {
            ParserError::RecursionLimitExceeded => self.too_deep(Place::START),
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
                unparsed(self.language, &text)
            }
        })
    }
}

fn untokenized(language: Language, cause: &TokenizerError) -> SqlError {
    language.error(Mistake::Syntax, cause.location, shown(&cause.message))
}

/// The parser says the place at the end of its sentence.
fn unparsed(language: Language, text: &str) -> SqlError {
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, place),
        None => (text, ""),
    };
    let place = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Place { line: line.parse().ok()?, column: column.parse().ok()? })
    });
    let message = message.strip_prefix("sql parser error: ").unwrap_or(message);
    language.error(Mistake::Syntax, place.unwrap_or(Place::START), shown(message))
}
