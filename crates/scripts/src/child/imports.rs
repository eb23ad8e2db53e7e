//! The import declarations at the head of a script.
//!
//! A script is the body of a function, so that `return` is allowed at its top; a function has no
//! imports. Those at its head are read here, blanked out so that every line and column stays, and
//! become parameters of a function around it. `import` anywhere else is refused.

use crate::host::Module;
use crate::outcome::Refusal;

/// A script without its imports.
pub(super) struct Imports {
    /// The source, spaces where the imports were.
    pub body: String,
    /// Patterns for parameters, and the names of the modules that are to be handed over for them.
    pub bindings: Vec<(String, String)>,
    /// Where the first of them is.
    pub first: Option<(u32, u32)>,
}

/// Reads the head of a script.
pub(super) fn read(source: &str, modules: &[Module]) -> Result<Imports, Refusal> {
    let mut head = Head { chars: source.chars().collect(), at: 0, modules };
    let mut imports =
        Imports { body: String::with_capacity(source.len()), bindings: Vec::new(), first: None };
    let mut blanks: Vec<(usize, usize)> = Vec::new();
    head.skip_blank()?;
    head.skip_directive();
    loop {
        head.skip_blank()?;
        let start = head.at;
        if !head.is_declaration() {
            break;
        }
        imports.first.get_or_insert_with(|| head.position(start));
        head.declaration(&mut imports.bindings)?;
        blanks.push((start, head.at));
    }
    let mut blanks = blanks.into_iter().peekable();
    for (index, character) in head.chars.iter().enumerate() {
        while blanks.next_if(|(_, to)| *to <= index).is_some() {}
        let blank = blanks.peek().is_some_and(|(from, _)| *from <= index);
        imports.body.push(if blank && !is_newline(*character) { ' ' } else { *character });
    }
    Ok(imports)
}

struct Head<'a> {
    chars: Vec<char>,
    at: usize,
    modules: &'a [Module],
}

impl Head<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn position(&self, at: usize) -> (u32, u32) {
        position(self.chars.iter().take(at).copied())
    }

    fn refuse<T>(&self, at: usize, message: impl Into<String>) -> Result<T, Refusal> {
        let (line, column) = self.position(at);
        Err(Refusal { message: message.into(), line: Some(line), column: Some(column) })
    }

    /// Skips white space, ends of statements and comments.
    fn skip_blank(&mut self) -> Result<(), Refusal> {
        loop {
            self.skip_space()?;
            if self.peek(0) != Some(';') {
                return Ok(());
            }
            self.at += 1;
        }
    }

    /// Skips white space and comments; says whether a line ended.
    fn skip_space(&mut self) -> Result<bool, Refusal> {
        let mut line_ended = false;
        while let Some(character) = self.peek(0) {
            match (character, self.peek(1)) {
                ('/', Some('/')) => {
                    while self.peek(0).is_some_and(|c| !is_newline(c)) {
                        self.at += 1;
                    }
                }
                ('/', Some('*')) => {
                    let start = self.at;
                    self.at += 2;
                    while (self.peek(0), self.peek(1)) != (Some('*'), Some('/')) {
                        if self.at >= self.chars.len() {
                            return self.refuse(start, "SyntaxError: the comment has no end");
                        }
                        line_ended |= self.peek(0).is_some_and(is_newline);
                        self.at += 1;
                    }
                    self.at += 2;
                }
                (space, _) if space.is_whitespace() => {
                    line_ended |= is_newline(space);
                    self.at += 1;
                }
                _ => break,
            }
        }
        Ok(line_ended)
    }

    fn skip_directive(&mut self) {
        for directive in ["'use strict'", "\"use strict\""] {
            let length = directive.len();
            if self.chars.iter().skip(self.at).take(length).copied().eq(directive.chars()) {
                self.at += length;
            }
        }
    }

    /// Whether an import declaration begins here: not `import(...)`, `import.meta` or `important`.
    fn is_declaration(&self) -> bool {
        if !self.word_is("import") {
            return false;
        }
        let rest = self.chars.iter().skip(self.at + "import".len());
        let next = rest.copied().find(|c| !c.is_whitespace());
        !matches!(next, Some('(' | '.') | None)
    }

    fn word_is(&self, word: &str) -> bool {
        let length = word.chars().count();
        self.chars.iter().skip(self.at).take(length).copied().eq(word.chars())
            && !self.peek(length).is_some_and(is_name)
    }

    /// Reads one declaration with its end.
    fn declaration(&mut self, bindings: &mut Vec<(String, String)>) -> Result<(), Refusal> {
        self.at += "import".len();
        self.skip_space()?;
        let mut wholes = Vec::new();
        let mut parts = Vec::new();
        if !matches!(self.peek(0), Some('\'' | '"')) {
            self.clause(&mut wholes, &mut parts)?;
            if !self.word_is("from") {
                return self.refuse(self.at, "SyntaxError: expecting 'from' in the import");
            }
            self.at += "from".len();
            self.skip_space()?;
        }
        let at = self.at;
        let name = self.string()?;
        let known: &[String] = match self.modules.iter().find(|module| module.name == name) {
            Some(module) => &module.functions,
            None => return self.refuse(at, super::no_module(&name, self.modules)),
        };
        let missing = parts.iter().find(|(part, _, _)| !known.contains(part));
        if let Some((part, _, at)) = missing {
            return self.refuse(*at, format!("the module '{name}' has no function '{part}'"));
        }
        bindings.extend(wholes.into_iter().map(|whole| (whole, name.clone())));
        if !parts.is_empty() {
            let pattern: Vec<String> =
                parts.iter().map(|(part, own, _)| format!("{part}:{own}")).collect();
            bindings.push((format!("{{{}}}", pattern.join(",")), name));
        }
        let end = self.at;
        let line_ended = self.skip_space()?;
        match self.peek(0) {
            Some(';') => self.at += 1,
            None => {}
            Some(_) if line_ended => self.at = end,
            Some(_) => return self.refuse(self.at, "SyntaxError: expecting ';' after the import"),
        }
        Ok(())
    }

    /// Reads what is between `import` and `from`.
    fn clause(
        &mut self,
        wholes: &mut Vec<String>,
        parts: &mut Vec<(String, String, usize)>,
    ) -> Result<(), Refusal> {
        if self.peek(0).is_some_and(is_name) {
            wholes.push(self.name()?);
            self.skip_space()?;
            if self.peek(0) != Some(',') {
                return Ok(());
            }
            self.at += 1;
            self.skip_space()?;
        }
        match self.peek(0) {
            Some('*') => {
                self.at += 1;
                self.skip_space()?;
                wholes.push(self.renamed()?.unwrap_or_default());
                if wholes.last().is_some_and(String::is_empty) {
                    return self.refuse(self.at, "SyntaxError: expecting 'as' in the import");
                }
            }
            Some('{') => {
                self.at += 1;
                self.skip_space()?;
                while self.peek(0) != Some('}') {
                    let at = self.at;
                    let part = self.name()?;
                    self.skip_space()?;
                    let own = self.renamed()?;
                    if part == "default" {
                        match own {
                            Some(own) => wholes.push(own),
                            None => return self.refuse(at, "SyntaxError: 'default' needs 'as'"),
                        }
                    } else {
                        parts.push((part.clone(), own.unwrap_or(part), at));
                    }
                    if self.peek(0) == Some(',') {
                        self.at += 1;
                        self.skip_space()?;
                    } else if self.peek(0) != Some('}') {
                        return self.refuse(self.at, "SyntaxError: expecting '}' in the import");
                    }
                }
                self.at += 1;
                self.skip_space()?;
            }
            _ => return self.refuse(self.at, "SyntaxError: the import is not understood"),
        }
        Ok(())
    }

    /// Reads `as name`, if it is there.
    fn renamed(&mut self) -> Result<Option<String>, Refusal> {
        if !self.word_is("as") {
            return Ok(None);
        }
        self.at += "as".len();
        self.skip_space()?;
        let name = self.name()?;
        self.skip_space()?;
        Ok(Some(name))
    }

    fn name(&mut self) -> Result<String, Refusal> {
        let start = self.at;
        while self.peek(0).is_some_and(is_name) {
            self.at += 1;
        }
        let name: String = self.chars.get(start..self.at).unwrap_or_default().iter().collect();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return self.refuse(start, "SyntaxError: expecting a name in the import");
        }
        Ok(name)
    }

    fn string(&mut self) -> Result<String, Refusal> {
        let start = self.at;
        let Some(quote @ ('\'' | '"')) = self.peek(0) else {
            return self.refuse(start, "SyntaxError: expecting the module's name in quotes");
        };
        self.at += 1;
        let mut name = String::new();
        loop {
            match self.peek(0) {
                Some(end) if end == quote => break,
                Some(plain) if !is_newline(plain) && plain != '\\' => name.push(plain),
                _ => return self.refuse(start, "SyntaxError: the module's name has no end"),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(name)
    }
}

/// Line and column, from 1, of the character after these.
pub(crate) fn position(before: impl Iterator<Item = char>) -> (u32, u32) {
    let (mut line, mut column) = (1, 1);
    let mut carriage = false;
    for character in before {
        if is_newline(character) {
            // CR LF is one end of a line.
            if !(carriage && character == '\n') {
                line += 1;
            }
            column = 1;
        } else {
            column += 1;
        }
        carriage = character == '\r';
    }
    (line, column)
}

fn is_newline(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules() -> Vec<Module> {
        let functions = ["get", "post"].map(str::to_owned).to_vec();
        vec![Module { name: "http".to_owned(), functions, calls: 5 }]
    }

    fn bindings(source: &str) -> Vec<(String, String)> {
        read(source, &modules()).map(|imports| imports.bindings).expect("it is good")
    }

    #[test]
    fn all_shapes_are_read() {
        let pair = |pattern: &str| (pattern.to_owned(), "http".to_owned());
        assert_eq!(bindings("import h from 'http'"), [pair("h")]);
        assert_eq!(bindings("// x\n'use strict';/**/import*as h from\"http\";h"), [pair("h")]);
        assert_eq!(
            bindings("import h, { get, post as p, } from 'http'\nimport 'http'"),
            [pair("h"), pair("{get:get,post:p}")]
        );
        assert_eq!(bindings("import { default as d } from 'http'"), [pair("d")]);
        assert_eq!(bindings("important(); import('http')"), []);
        assert_eq!(bindings("import ('http')"), []);
    }

    #[test]
    fn lines_and_columns_stay() {
        let source = "import h\r\nfrom 'http'; h.get()\nimport {get} from 'http'\nget()";
        let imports = read(source, &modules()).expect("it is good");
        assert_eq!(imports.body.chars().count(), source.chars().count());
        let blank = format!("{}\r\n{}", " ".repeat(8), " ".repeat(12));
        // The second is not at the head.
        assert_eq!(imports.body, format!("{blank} h.get()\nimport {{get}} from 'http'\nget()"));
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (source, line, column) in [
            ("import fs from 'fs'", 1, 16),
            ("\nimport {put} from 'http'", 2, 9),
            ("import h from 'http' h()", 1, 22),
            ("import h", 1, 9),
            ("import {get from 'http'", 1, 13),
            ("import * from 'http'", 1, 10),
            ("import h from 'http\n'", 1, 15),
            ("/* import", 1, 1),
        ] {
            let refusal = read(source, &modules()).err().expect(source);
            assert_eq!((refusal.line, refusal.column), (Some(line), Some(column)), "{source}");
        }
    }
}
