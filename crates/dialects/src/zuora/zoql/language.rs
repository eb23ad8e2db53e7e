//! What the two languages do differently where they share code.
//!
//! Only what the shared code has to ask; each grammar is in its own folder.

use std::fmt::Write as _;

/// One of Zuora's two query languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// ZOQL: backslashes escape, and only texts and dates are quoted.
    Zoql,
    /// Export ZOQL: quotes are doubled, a backslash is a character, and any value may be quoted.
    Export,
}

impl Language {
    /// Whether a backslash begins an escape in a quoted text; otherwise a quote is doubled.
    pub(super) fn escapes(self) -> bool {
        self == Self::Zoql
    }

    /// How a quote that belongs to a text is written.
    pub(super) fn inner_quote(self, quote: char) -> String {
        if self.escapes() {
            format!("write \\{quote} for a {quote} that belongs to it")
        } else {
            format!("double a {quote} that belongs to it")
        }
    }

    /// The text in single quotes, as the language writes it.
    pub(super) fn quoted(self, text: &str) -> String {
        if !self.escapes() {
            return format!("'{}'", text.replace('\'', "''"));
        }
        let mut out = String::with_capacity(text.len() + 2);
        out.push('\'');
        for c in text.chars() {
            match ESCAPES.iter().find(|(_, meant)| *meant == c) {
                // Inside single quotes a double one stands for itself.
                Some((letter, _)) if c != '"' => _ = write!(out, "\\{letter}"),
                _ => out.push(c),
            }
        }
        out.push('\'');
        out
    }
}

/// What follows a backslash, and what both together mean (Zuora documentation, "ZOQL").
pub(super) const ESCAPES: [(char, char); 8] = [
    ('b', '\u{8}'),
    ('f', '\u{c}'),
    ('n', '\n'),
    ('r', '\r'),
    ('t', '\t'),
    ('\'', '\''),
    ('"', '"'),
    ('\\', '\\'),
];
