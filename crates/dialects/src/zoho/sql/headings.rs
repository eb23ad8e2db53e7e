//! What stands above a column that has no name: its text, as the client wrote it.
//!
//! A client that asks for `count(*)` looks for a column of that name in the file, so that a text
//! which was parsed and printed again would not do. The items of a SELECT are found in its tokens.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::language::Tokens;

/// The most characters of such a heading.
const HEADING_CHARS_MAX: usize = 255;

/// A text, and where its tokens are.
#[derive(Debug)]
pub(super) struct Source {
    text: String,
    marks: Vec<Mark>,
    /// Bytes before each character, and before the end.
    offsets: Vec<usize>,
    /// Characters before each line.
    lines: Vec<usize>,
}

/// A token, as far as it matters here.
#[derive(Debug)]
struct Mark {
    start: Location,
    end: Location,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Open,
    Close,
    Comma,
    /// DISTINCT.
    Distinct,
    /// ALL.
    All,
    /// FROM, which also stands in `a IS DISTINCT FROM b`.
    From,
    /// What else ends the items.
    End,
    Other,
}

impl What {
    fn of(token: &Token) -> Self {
        match token {
            Token::LParen => Self::Open,
            Token::RParen => Self::Close,
            Token::Comma => Self::Comma,
            Token::SemiColon => Self::End,
            Token::Word(word) => match word.keyword {
                Keyword::DISTINCT => Self::Distinct,
                Keyword::ALL => Self::All,
                Keyword::FROM => Self::From,
                Keyword::WHERE
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::ORDER
                | Keyword::LIMIT
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::MINUS => Self::End,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

impl Source {
    pub(super) fn of(tokens: &Tokens<'_>) -> Self {
        let text = tokens.text.to_owned();
        let mut offsets = Vec::with_capacity(text.len() + 1);
        let mut lines = vec![0];
        for (at, c) in text.char_indices() {
            offsets.push(at);
            if c == '\n' {
                lines.push(offsets.len());
            }
        }
        offsets.push(text.len());
        let mark = |token: &TokenWithSpan| Mark {
            start: token.span.start,
            end: token.span.end,
            what: What::of(&token.token),
        };
        Self { text, marks: tokens.meaning().map(mark).collect(), offsets, lines }
    }

    fn offset(&self, at: Location) -> Option<usize> {
        let line = self.lines.get(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
        let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
        self.offsets.get(line + column).copied()
    }

    /// The text from one token to before another.
    fn between(&self, first: usize, end: usize) -> Option<String> {
        let last = self.marks.get(end.checked_sub(1)?)?;
        let start = self.offset(self.marks.get(first)?.start)?;
        let text = self.text.get(start..self.offset(last.end)?)?;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(text.chars().take(HEADING_CHARS_MAX).collect())
    }

    /// The texts of the items of the SELECT that begins at a place; `None` where they cannot be
    /// told from what follows.
    pub(super) fn items(&self, select: Location, count: usize) -> Option<Vec<String>> {
        let mut at = self.marks.partition_point(|mark| mark.start < select) + 1;
        while self.marks.get(at).is_some_and(|mark| matches!(mark.what, What::Distinct | What::All))
        {
            at += 1;
        }
        let (mut first, mut depth) = (at, 0_usize);
        let mut items = Vec::new();
        loop {
            let before = self.marks.get(at.wrapping_sub(1)).map(|mark| mark.what);
            match self.marks.get(at).map_or(What::End, |mark| mark.what) {
                What::Close if depth == 0 => break,
                What::Open => depth += 1,
                What::Close => depth -= 1,
                What::Comma if depth == 0 => {
                    items.push(self.between(first, at)?);
                    first = at + 1;
                }
                What::From if depth == 0 && before != Some(What::Distinct) => break,
                What::End if depth == 0 || at >= self.marks.len() => break,
                _ => {}
            }
            at += 1;
        }
        items.push(self.between(first, at)?);
        (items.len() == count).then_some(items)
    }
}
