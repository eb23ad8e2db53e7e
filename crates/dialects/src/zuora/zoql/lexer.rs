//! A query as tokens, each with its place.
//!
//! White space is ASCII only, names are ASCII only, and there are no comments. A quote inside a
//! quoted text is doubled in Export ZOQL and follows a backslash in ZOQL (Zuora documentation,
//! "Export ZOQL" and "ZOQL"). Every text that is not in the language is refused with the place of
//! its first wrong character; a text that is never closed is reported where it opens.

use super::error::shown;
use super::language::ESCAPES;
use super::{CHARACTERS_MAX, Language, Position, ZoqlError, ZoqlErrorKind};

/// The most digits of a number: what an exact decimal of 128 bits holds.
const DIGITS_MAX: usize = 38;

/// One token of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it begins.
    pub at: Position,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or keyword, as written.
    Word(String),
    /// Digits, with at most one decimal point between digits; never signed.
    Number(String),
    /// A date or datetime without quotes, not yet checked; only in ZOQL.
    Moment(String),
    /// A text in single quotes, with doubled quotes and escapes made what they mean.
    Text(String),
    /// A text in double quotes, with doubled quotes and escapes made what they mean.
    Quoted(String),
    /// Punctuation or an operator.
    Symbol(&'static str),
    /// The end of the query; always the last token.
    End,
}

impl TokenKind {
    /// How a message names the token.
    pub fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("'{}'", shown(word)),
            Self::Number(digits) => format!("the number {}", shown(digits)),
            Self::Moment(text) => format!("the datetime {}", shown(text)),
            Self::Text(text) => format!("the text '{}'", shown(text)),
            Self::Quoted(text) => format!("the text \"{}\"", shown(text)),
            Self::Symbol(symbol) => format!("'{symbol}'"),
            Self::End => "the end of the query".to_owned(),
        }
    }
}

/// The longest symbols come first, so that `<=` is not read as `<` and `=`.
const SYMBOLS: [&str; 14] =
    ["!=", "<=", ">=", "<>", "==", "<", ">", "=", ",", ".", "(", ")", "*", ";"];

/// Reads the whole text.
///
/// # Errors
/// `Limit` for a text of more than [`CHARACTERS_MAX`] characters; `Syntax` for a character or
/// quote that does not belong; `Value` for a malformed number.
pub fn tokens(text: &str, language: Language) -> Result<Vec<Token>, ZoqlError> {
    let characters = text.chars().count();
    if characters > CHARACTERS_MAX {
        let message = format!(
            "The query has {characters} characters; at most {CHARACTERS_MAX} are allowed. \
             Select fewer fields or split the filter"
        );
        return Err(ZoqlError::new(ZoqlErrorKind::Limit, Position::START, message));
    }
    let mut lexer = Lexer { rest: text, at: Position::START, language };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.token()?;
        let done = token.kind == TokenKind::End;
        tokens.push(token);
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    at: Position,
    language: Language,
}

impl Lexer<'_> {
    fn token(&mut self) -> Result<Token, ZoqlError> {
        while self.rest.starts_with(|c: char| c.is_ascii_whitespace()) {
            self.advance();
        }
        let at = self.at;
        let kind = match self.rest.chars().next() {
            None => TokenKind::End,
            Some('\'') => TokenKind::Text(self.quoted('\'')?),
            Some('"') => TokenKind::Quoted(self.quoted('"')?),
            Some(c) if is_word_start(c) => TokenKind::Word(self.take_while(is_word_part)),
            Some(_) if self.language.escapes() && begins_moment(self.rest) => {
                TokenKind::Moment(self.take_while(is_moment_part))
            }
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some(c) => self.symbol(c)?,
        };
        Ok(Token { kind, at })
    }

    /// Goes past one character.
    fn advance(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.at.offset += c.len_utf8();
        if c == '\n' {
            self.at.line += 1;
            self.at.column = 1;
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    fn take_while(&mut self, belongs: fn(char) -> bool) -> String {
        let mut taken = String::new();
        while self.rest.starts_with(belongs) {
            taken.extend(self.advance());
        }
        taken
    }

    fn quoted(&mut self, quote: char) -> Result<String, ZoqlError> {
        let opened = self.at;
        self.advance();
        let mut text = String::new();
        loop {
            let at = self.at;
            match self.advance() {
                None => {
                    let message = format!(
                        "The text that opens here is never closed: end it with {quote}, and {}",
                        self.language.inner_quote(quote)
                    );
                    return Err(ZoqlError::syntax(opened, message));
                }
                Some('\0') => {
                    let message = "A text cannot hold the character U+0000: leave it out";
                    return Err(ZoqlError::syntax(at, message));
                }
                Some('\\') if self.language.escapes() => text.push(self.escaped(at)?),
                Some(c) if c != quote => text.push(c),
                Some(_) if self.language.escapes() => {
                    return if self.belongs_to_text(quote) {
                        Err(ZoqlError::syntax(at, bare(quote)))
                    } else {
                        Ok(text)
                    };
                }
                Some(_) if self.rest.starts_with(quote) => text.extend(self.advance()),
                Some(_) => return Ok(text),
            }
        }
    }

    /// What the backslash at `at` and the character after it mean.
    fn escaped(&mut self, at: Position) -> Result<char, ZoqlError> {
        let letter = self.advance();
        if let Some((_, meant)) = ESCAPES.iter().find(|(known, _)| Some(*known) == letter) {
            return Ok(*meant);
        }
        let message = "A backslash in a text begins one of \\b \\f \\n \\r \\t \\' \\\" and \\\\: write \
                       \\\\ for a backslash that belongs to the text";
        Err(ZoqlError::syntax(at, message))
    }

    /// Whether the quote just read was hardly meant to end the text, such as those in 'O'Neil' and
    /// 'O''Neil'.
    fn belongs_to_text(&self, quote: char) -> bool {
        let end = self.rest.find(|c: char| !is_word_part(c)).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        let follows = word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or");
        self.rest.starts_with(quote) || (!word.is_empty() && !follows)
    }

    fn number(&mut self) -> Result<TokenKind, ZoqlError> {
        let at = self.at;
        let wrong = |message: String| Err(ZoqlError::new(ZoqlErrorKind::Value, at, message));
        let mut digits = self.take_while(|c| c.is_ascii_digit());
        if self.rest.starts_with('.') {
            digits.extend(self.advance());
            let fraction = self.take_while(|c| c.is_ascii_digit());
            if fraction.is_empty() {
                return wrong(format!(
                    "The number {} needs a digit after its decimal point: write {0}0 or leave the \
                     point out",
                    shown(&digits)
                ));
            }
            digits.push_str(&fraction);
        }
        if self.rest.starts_with(|c| is_word_part(c) || c == '.') {
            let tail = self.take_while(|c| is_word_part(c) || c == '.');
            return wrong(format!(
                "{} is not a number: write plain decimal digits such as 1500 or 0.25, without an \
                 exponent, prefix or unit",
                shown(&(digits + &tail))
            ));
        }
        if digits.bytes().filter(u8::is_ascii_digit).count() > DIGITS_MAX {
            return wrong(format!(
                "The number {} has more than {DIGITS_MAX} digits",
                shown(&digits)
            ));
        }
        Ok(TokenKind::Number(digits))
    }

    fn symbol(&mut self, c: char) -> Result<TokenKind, ZoqlError> {
        if self.rest.starts_with("--") || self.rest.starts_with("/*") || c == '#' {
            return Err(ZoqlError::syntax(self.at, "Comments are not allowed: leave them out"));
        }
        if c == '-' {
            self.advance();
            return Ok(TokenKind::Symbol("-"));
        }
        match SYMBOLS.iter().find(|symbol| self.rest.starts_with(**symbol)) {
            Some(&("<>" | "==")) => {
                let right = if c == '<' { "'<>': write !=" } else { "'==': write =" };
                Err(ZoqlError::syntax(self.at, format!("There is no operator {right}")))
            }
            Some(symbol) => {
                for _ in 0..symbol.len() {
                    self.advance();
                }
                Ok(TokenKind::Symbol(symbol))
            }
            None => Err(ZoqlError::syntax(self.at, stray(c))),
        }
    }
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_word_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a year and a month begin here: in a language without arithmetic, only a date does so.
fn begins_moment(rest: &str) -> bool {
    let (year, month) = rest.as_bytes().split_at_checked(4).unwrap_or_default();
    year.len() == 4
        && year.iter().all(u8::is_ascii_digit)
        && matches!(month, [b'-', digit, ..] if digit.is_ascii_digit())
}

fn is_moment_part(c: char) -> bool {
    is_word_part(c) || matches!(c, '-' | '+' | ':' | '.')
}

/// What to say about a quote in the midst of a text.
fn bare(quote: char) -> String {
    format!(
        "A {quote} cannot stand alone inside a text: write \\{quote} for one that belongs to it, and \
         a blank after the one that ends it"
    )
}

/// What to say about a character that begins no token.
fn stray(c: char) -> String {
    let advice = match c {
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '`' | '\u{b4}' => {
            "quotes are the plain ' and \""
        }
        c if c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}' => {
            "between words only plain blanks, tabs and line ends are allowed"
        }
        c if c.is_alphanumeric() => "names are made of the letters A to Z, digits and underscores",
        '[' | ']' => "names are written without brackets",
        _ => "it means nothing in this language; inside a text it needs quotes around it",
    };
    let name = if c.is_ascii_graphic() || c.is_alphanumeric() {
        format!("'{c}'")
    } else {
        format!("U+{:04X}", u32::from(c))
    };
    format!("The character {name} cannot stand here: {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let tokens = tokens(text, Language::Export).expect("a good text");
        tokens.into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn places_count_lines_and_characters() {
        let found = tokens("a\r\n\t'é' = b", Language::Export).expect("a good text");
        let places: Vec<_> = found.iter().map(|t| (t.at.offset, t.at.line, t.at.column)).collect();
        assert_eq!(places, [(0, 1, 1), (4, 2, 2), (9, 2, 6), (11, 2, 8), (12, 2, 9)]);
    }

    #[test]
    fn quotes_are_doubled_and_backslashes_are_plain() {
        assert_eq!(kinds(r"'O''Neil\'")[0], TokenKind::Text(r"O'Neil\".into()));
        assert_eq!(kinds(r#""a ""b""""#)[0], TokenKind::Quoted(r#"a "b""#.into()));
        assert_eq!(kinds("''")[0], TokenKind::Text(String::new()));
    }

    #[test]
    fn in_zoql_backslashes_escape() {
        let zoql = |text| tokens(text, Language::Zoql);
        let found = zoql(r#"'\b\f\n\r\t\'\"\\é"'"#).expect("a good text");
        assert_eq!(found[0].kind, TokenKind::Text("\u{8}\u{c}\n\r\t'\"\\é\"".into()));
        for (text, column) in [(r"'a\qb'", 3), (r"'a\", 3), ("'O'Neil'", 3), ("'O''Neil'", 3)] {
            assert_eq!(zoql(text).map_err(|error| error.column), Err(column), "{text}");
        }
        assert_eq!(zoql("'a'and b").expect("a good text").len(), 4);
    }

    #[test]
    fn in_zoql_datetimes_need_no_quotes() {
        let text = ">2012-09-12T05:07:32.5-08:00;";
        let found = tokens(text, Language::Zoql).expect("a good text");
        assert_eq!(found[1].kind, TokenKind::Moment("2012-09-12T05:07:32.5-08:00".into()));
        assert_eq!(found[2].kind, TokenKind::Symbol(";"));
        assert!(tokens(text, Language::Export).is_err());
    }

    #[test]
    fn symbols_are_read_longest_first() {
        let symbols: Vec<_> = kinds("<= < != >= > = - , . ( ) * ;")
            .into_iter()
            .filter_map(|kind| match kind {
                TokenKind::Symbol(symbol) => Some(symbol),
                _ => None,
            })
            .collect();
        assert_eq!(symbols, ["<=", "<", "!=", ">=", ">", "=", "-", ",", ".", "(", ")", "*", ";"]);
    }
}
