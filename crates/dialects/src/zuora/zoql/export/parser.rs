//! Export ZOQL text to tree, by recursive descent.
//!
//! The grammar is that of Zuora's documentation ("Export ZOQL"), with the limits that keep a
//! hostile query from costing more than its text: nesting is counted, chains and lists are
//! bounded. Every error says what was found, what was expected, and where. Names are not looked up
//! here.

use outhaul_exports::limits;

use super::ast::{
    Aggregate, Comparison, Condition, DateFunction, Expr, ExprKind, Item, Limit, Literal, Located,
    Name, Operand, Order, Path, Query,
};
use crate::zuora::zoql::error::shown;
use crate::zuora::zoql::lexer::{Token, TokenKind, tokens};
use crate::zuora::zoql::{DEPTH_MAX, Position, TERMS_MAX, ZoqlError, ZoqlErrorKind};

/// The most expressions in GROUP BY (Zuora documentation, "Export ZOQL").
const GROUPS_MAX: usize = 5;
/// The most names in a dotted path; longer ones cannot name anything.
const PATH_MAX: usize = 16;
/// The longest column name that AS may give, in characters.
const ALIAS_MAX: usize = 255;
/// The largest number in LIMIT.
const LIMIT_MAX: u64 = 1_000_000_000_000;

/// Words that cannot begin a field or name an object, because they begin something else.
const RESERVED: [&str; 18] = [
    "select", "from", "where", "and", "or", "not", "like", "is", "null", "as", "having", "limit",
    "asc", "desc", "in", "between", "true", "false",
];

/// The clauses after FROM, in their order.
const CLAUSES: [&str; 5] = ["where", "group by", "having", "order by", "limit"];

type Result<T> = std::result::Result<T, ZoqlError>;

/// Reads one query.
///
/// # Errors
/// `Syntax`, `Limit`, `Value` or `DistinctWithoutCount`, with the place.
pub fn parse(text: &str) -> Result<Query> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let query = parser.query()?;
    Ok(query)
}

/// Where an expression stands; not every expression may stand everywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    Select,
    Where,
    GroupBy,
    Having,
    OrderBy,
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn query(&mut self) -> Result<Query> {
        if *self.peek() == TokenKind::End {
            let message = "The query is empty: write one such as select Id from Account";
            return Err(ZoqlError::syntax(self.at(), message));
        }
        self.expect_word("select")?;
        let items = self.items()?;
        if !self.take_word("from") {
            return Err(self.after_items(items.last()));
        }
        let source = self.name("the name of an object")?;
        let mut clauses = 0;
        let filter = if self.clause("where", &mut clauses) {
            Some(self.condition(Clause::Where)?)
        } else {
            None
        };
        let group_by =
            if self.clause("group by", &mut clauses) { self.group_by()? } else { Vec::new() };
        let having = if self.clause("having", &mut clauses) {
            Some(self.condition(Clause::Having)?)
        } else {
            None
        };
        let order_by =
            if self.clause("order by", &mut clauses) { self.order_by()? } else { Vec::new() };
        let limit = if self.clause("limit", &mut clauses) { Some(self.limit()?) } else { None };
        self.end(clauses)?;
        Ok(Query { items, source, filter, group_by, having, order_by, limit })
    }

    /// Whether the clause begins here; then its words are gone past. `clauses` counts how many of
    /// [`CLAUSES`] can no longer follow.
    fn clause(&mut self, clause: &str, clauses: &mut usize) -> bool {
        let present = match clause.split_once(' ') {
            None => self.is_word(self.next, clause),
            Some((first, second)) => {
                self.is_word(self.next, first) && self.is_word(self.next + 1, second)
            }
        };
        if present {
            self.next += clause.split(' ').count();
            *clauses = CLAUSES.iter().position(|known| *known == clause).map_or(0, |at| at + 1);
        }
        present
    }

    fn end(&mut self, clauses: usize) -> Result<()> {
        if self.take_symbol(";") {
            return match self.peek() {
                TokenKind::End => Ok(()),
                found => {
                    let message = format!(
                        "Found {} after the ';' that ends the query: send one query at a time",
                        found.describe()
                    );
                    Err(ZoqlError::syntax(self.at(), message))
                }
            };
        }
        if *self.peek() == TokenKind::End {
            return Ok(());
        }
        let mut expected: String = CLAUSES[clauses..].join(", ");
        if !expected.is_empty() {
            expected.push_str(" or ");
        }
        expected.push_str("the end of the query");
        Err(self.unexpected(&expected))
    }

    fn items(&mut self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            self.bounded(items.len(), limits::COLUMNS_MAX, "items in the select list")?;
            items.push(self.item()?);
            if !self.take_symbol(",") {
                return Ok(items);
            }
        }
    }

    /// What is wrong where FROM or another item should follow this one.
    fn after_items(&self, last: Option<&Item>) -> ZoqlError {
        match last {
            Some(Item::Column { alias: None, .. }) => self.unexpected("',', 'as' or 'from'"),
            Some(Item::All(_) | Item::AllOf(_)) if self.is_word(self.next, "as") => {
                let message = "'*' stands for all columns and cannot be given one name: name the \
                               fields one by one, such as Name as Customer";
                ZoqlError::syntax(self.at(), message)
            }
            _ => self.unexpected("',' or 'from'"),
        }
    }

    fn item(&mut self) -> Result<Item> {
        let at = self.at();
        if self.take_symbol("*") {
            return Ok(Item::All(Located::new((), at)));
        }
        if self.is_word(self.next, "distinct")
            && matches!(self.kind(self.next + 1), TokenKind::Word(word)
                if !word.eq_ignore_ascii_case("from") && !word.eq_ignore_ascii_case("as"))
        {
            return Err(distinct_without_count(at));
        }
        if matches!(self.peek(), TokenKind::Word(_))
            && *self.kind(self.next + 1) == TokenKind::Symbol(".")
            && *self.kind(self.next + 2) == TokenKind::Symbol("*")
        {
            let object = self.word("an object")?;
            self.next += 2;
            return Ok(Item::AllOf(object));
        }
        let expr = self.expr(Clause::Select)?;
        let alias = if self.take_word("as") { Some(self.alias()?) } else { None };
        Ok(Item::Column { expr, alias })
    }

    fn alias(&mut self) -> Result<Name> {
        let at = self.at();
        let text = match self.peek() {
            TokenKind::Quoted(text) => text.clone(),
            TokenKind::Word(word) if !is_reserved(word) => word.clone(),
            _ => return Err(self.unexpected("a column name, bare or in double quotes")),
        };
        if text.is_empty() || text.chars().count() > ALIAS_MAX || text.contains(char::is_control) {
            let message =
                format!("A column name has 1 to {ALIAS_MAX} characters and no control characters");
            return Err(ZoqlError::syntax(at, message));
        }
        self.next += 1;
        Ok(Located::new(text, at))
    }

    fn group_by(&mut self) -> Result<Vec<Expr>> {
        let mut groups = Vec::new();
        loop {
            self.bounded(groups.len(), GROUPS_MAX, "expressions in GROUP BY")?;
            groups.push(self.expr(Clause::GroupBy)?);
            if !self.take_symbol(",") {
                return Ok(groups);
            }
        }
    }

    fn order_by(&mut self) -> Result<Vec<Order>> {
        let mut orders = Vec::new();
        loop {
            self.bounded(orders.len(), limits::ORDER_BY_MAX, "expressions in ORDER BY")?;
            let expr = self.expr(Clause::OrderBy)?;
            let descending = self.take_word("desc");
            if !descending {
                self.take_word("asc");
            }
            orders.push(Order { expr, descending });
            if !self.take_symbol(",") {
                return Ok(orders);
            }
        }
    }

    fn limit(&mut self) -> Result<Limit> {
        let first = self.limit_number()?;
        if self.take_symbol(",") {
            return Ok(Limit { skip: first, rows: self.limit_number()? });
        }
        Ok(Limit { skip: 0, rows: first })
    }

    fn limit_number(&mut self) -> Result<u64> {
        let number = match self.peek() {
            TokenKind::Number(digits) if !digits.contains('.') => digits.parse::<u64>().ok(),
            _ => return Err(self.unexpected("a whole number of rows")),
        };
        match number {
            Some(number) if number <= LIMIT_MAX => {
                self.next += 1;
                Ok(number)
            }
            _ => {
                let message = format!("A number in LIMIT is at most {LIMIT_MAX}");
                Err(ZoqlError::new(ZoqlErrorKind::Limit, self.at(), message))
            }
        }
    }

    /// `term OR term ...`, where a term is `factor AND factor ...`.
    fn condition(&mut self, clause: Clause) -> Result<Condition> {
        let mut terms = vec![self.conjunction(clause)?];
        while self.take_word("or") {
            self.bounded(terms.len(), TERMS_MAX, "terms in one chain of OR")?;
            terms.push(self.conjunction(clause)?);
        }
        Ok(one_or(terms, Condition::Or))
    }

    fn conjunction(&mut self, clause: Clause) -> Result<Condition> {
        let mut terms = vec![self.factor(clause)?];
        while self.take_word("and") {
            self.bounded(terms.len(), TERMS_MAX, "terms in one chain of AND")?;
            terms.push(self.factor(clause)?);
        }
        Ok(one_or(terms, Condition::And))
    }

    /// A predicate, or NOT and parentheses around conditions. These two nest, so they are counted.
    fn factor(&mut self, clause: Clause) -> Result<Condition> {
        let negated = self.is_word(self.next, "not");
        if !negated && *self.peek() != TokenKind::Symbol("(") {
            return self.predicate(clause);
        }
        if self.depth == DEPTH_MAX {
            let message = format!(
                "Parentheses and NOT are nested more than {DEPTH_MAX} deep: write the condition \
                 flatter"
            );
            return Err(ZoqlError::new(ZoqlErrorKind::Limit, self.at(), message));
        }
        self.depth += 1;
        self.next += 1;
        let condition = if negated {
            Condition::Not(Box::new(self.factor(clause)?))
        } else {
            let inner = self.condition(clause)?;
            if !self.take_symbol(")") {
                return Err(self.unexpected("'and', 'or' or ')'"));
            }
            inner
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn predicate(&mut self, clause: Clause) -> Result<Condition> {
        let expr = self.expr(clause)?;
        if self.take_word("is") {
            let negated = self.take_word("not");
            self.expect_word("null")?;
            return Ok(Condition::IsNull { expr, negated });
        }
        let negated = self.take_word("not");
        if self.take_word("like") {
            let at = self.at();
            let TokenKind::Text(pattern) = self.peek() else {
                return Err(self.unexpected("a pattern in single quotes"));
            };
            let pattern = Located::new(pattern.clone(), at);
            self.next += 1;
            return Ok(Condition::Like { expr, negated, pattern });
        }
        for (word, instead) in
            [("in", "write a = 'x' or a = 'y'"), ("between", "write a >= 'x' and a <= 'y'")]
        {
            if self.is_word(self.next, word) {
                let message = format!("There is no operator '{word}': {instead}");
                return Err(ZoqlError::syntax(self.at(), message));
            }
        }
        if negated {
            return Err(self.unexpected("'like'"));
        }
        let op = match self.peek() {
            TokenKind::Symbol(symbol) => {
                Comparison::ALL.into_iter().find(|op| op.symbol() == *symbol)
            }
            _ => None,
        };
        let Some(op) = op else {
            return Err(self.unexpected("=, !=, <, <=, >, >=, 'like', 'not like' or 'is'"));
        };
        self.next += 1;
        self.comparison(clause, expr, op)
    }

    /// What follows the operator: null, a value, or another expression.
    fn comparison(&mut self, clause: Clause, left: Expr, op: Comparison) -> Result<Condition> {
        let at = self.at();
        if self.take_word("null") {
            return match op {
                Comparison::Equal => Ok(Condition::IsNull { expr: left, negated: false }),
                Comparison::NotEqual => Ok(Condition::IsNull { expr: left, negated: true }),
                _ => {
                    let message = format!(
                        "null cannot be compared with {}: use = null or != null",
                        op.symbol()
                    );
                    Err(ZoqlError::syntax(at, message))
                }
            };
        }
        let literal = match self.peek() {
            TokenKind::Text(text) => Some(Literal::Text(text.clone())),
            TokenKind::Number(digits) => Some(Literal::Number(digits.clone())),
            TokenKind::Symbol("-") => Some(self.negative_number()?),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("true") => {
                Some(Literal::Boolean(true))
            }
            TokenKind::Word(word) if word.eq_ignore_ascii_case("false") => {
                Some(Literal::Boolean(false))
            }
            TokenKind::Word(word) if is_reserved(word) => {
                return Err(self.unexpected("a value or a field"));
            }
            TokenKind::Word(_) => None,
            TokenKind::Quoted(_) => {
                return Err(self.unexpected("a value; texts are written in single quotes"));
            }
            _ => return Err(self.unexpected("a value or a field")),
        };
        let right = match literal {
            Some(literal) => {
                self.next += 1;
                Operand::Literal(Located::new(literal, at))
            }
            None => {
                if matches!(self.kind(self.next + 1), TokenKind::Text(_)) {
                    let message = format!(
                        "Found {} before a text in quotes: texts, dates and datetimes are written \
                         in single quotes alone",
                        self.peek().describe()
                    );
                    return Err(ZoqlError::syntax(at, message));
                }
                Operand::Expr(self.expr(clause)?)
            }
        };
        Ok(Condition::Compare { left, op, right })
    }

    /// `-` and a number; leaves the parser at the number.
    fn negative_number(&mut self) -> Result<Literal> {
        self.next += 1;
        match self.peek() {
            TokenKind::Number(digits) => Ok(Literal::Number(format!("-{digits}"))),
            _ => Err(self.unexpected("a number after '-'")),
        }
    }

    fn expr(&mut self, clause: Clause) -> Result<Expr> {
        let at = self.at();
        let expected = match clause {
            Clause::Select => "a field, a function or '*'",
            Clause::Where => "a field, 'not' or '('",
            Clause::Having => "a field, a function, 'not' or '('",
            Clause::GroupBy => "a field or a date function",
            Clause::OrderBy => "a field or a function (columns cannot be named by their number)",
        };
        if let TokenKind::Word(word) = self.peek()
            && *self.kind(self.next + 1) == TokenKind::Symbol("(")
            && !is_reserved(word)
        {
            return self.call(clause);
        }
        Ok(Located::new(ExprKind::Field(self.path(expected)?), at))
    }

    /// A function and its argument.
    fn call(&mut self, clause: Clause) -> Result<Expr> {
        let name = self.word("a function")?;
        self.next += 1; // the '(' that the caller saw
        let is = |known: &str| known.eq_ignore_ascii_case(&name.value);
        let kind = if let Some(function) = Aggregate::ALL.into_iter().find(|f| is(f.name())) {
            let advice = match clause {
                Clause::Where => "cannot be used in WHERE: use HAVING",
                Clause::GroupBy => "cannot be grouped by",
                _ => "",
            };
            if !advice.is_empty() {
                let message = format!("The aggregate '{}' {advice}", name.value);
                return Err(ZoqlError::syntax(name.at, message));
            }
            self.aggregate(function)?
        } else if let Some(function) = DateFunction::ALL.into_iter().find(|f| is(f.name())) {
            if clause == Clause::Where {
                let message = format!(
                    "The function '{}' cannot be used in WHERE: compare the field with a date or \
                     a relative date such as 'today - 7 days'",
                    name.value
                );
                return Err(ZoqlError::syntax(name.at, message));
            }
            ExprKind::DatePart { function, field: self.argument()? }
        } else {
            let message = format!(
                "There is no function named '{}': there are count, sum, avg, min, max, date, year, \
                 month, week, weekofyear and quarter",
                shown(&name.value)
            );
            return Err(ZoqlError::syntax(name.at, message));
        };
        if !self.take_symbol(")") {
            return Err(self.unexpected("')'"));
        }
        Ok(Located::new(kind, name.at))
    }

    fn aggregate(&mut self, function: Aggregate) -> Result<ExprKind> {
        let at = self.at();
        let star = match self.peek() {
            TokenKind::Symbol("*") => true,
            TokenKind::Text(text) => text == "*",
            _ => false,
        };
        if star && function == Aggregate::Count {
            self.next += 1;
            return Ok(ExprKind::CountAll);
        }
        let distinct = self.is_word(self.next, "distinct")
            && !matches!(self.kind(self.next + 1), TokenKind::Symbol(")" | "."));
        if distinct {
            if function != Aggregate::Count {
                return Err(distinct_without_count(at));
            }
            self.next += 1;
        }
        Ok(ExprKind::Aggregate { function, distinct, field: self.argument()? })
    }

    fn argument(&mut self) -> Result<Path> {
        if matches!(self.peek(), TokenKind::Word(_))
            && *self.kind(self.next + 1) == TokenKind::Symbol("(")
        {
            let message = "Functions cannot be nested: give the function a field";
            return Err(ZoqlError::syntax(self.at(), message));
        }
        self.path("a field")
    }

    fn path(&mut self, expected: &str) -> Result<Path> {
        let qualified = *self.kind(self.next + 1) == TokenKind::Symbol(".");
        let first = if qualified { self.word(expected)? } else { self.name(expected)? };
        let mut names = vec![first];
        while self.take_symbol(".") {
            self.bounded(names.len(), PATH_MAX, "names in one field")?;
            names.push(self.word("the name of a field")?);
        }
        Ok(Path(names))
    }

    /// A word that is no keyword.
    fn name(&mut self, expected: &str) -> Result<Name> {
        match self.peek() {
            TokenKind::Word(word) if is_reserved(word) => Err(self.unexpected(expected)),
            _ => self.word(expected),
        }
    }

    /// Any word: after a dot, or before one, a keyword is a name like any other.
    fn word(&mut self, expected: &str) -> Result<Name> {
        let at = self.at();
        let TokenKind::Word(word) = self.peek() else {
            return Err(self.unexpected(expected));
        };
        let name = Located::new(word.clone(), at);
        self.next += 1;
        Ok(name)
    }

    fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(&format!("'{word}'"))) }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let taken = self.is_word(self.next, word);
        self.next += usize::from(taken);
        taken
    }

    fn take_symbol(&mut self, symbol: &'static str) -> bool {
        let taken = *self.peek() == TokenKind::Symbol(symbol);
        self.next += usize::from(taken);
        taken
    }

    fn is_word(&self, at: usize, word: &str) -> bool {
        matches!(self.kind(at), TokenKind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn peek(&self) -> &TokenKind {
        self.kind(self.next)
    }

    fn kind(&self, at: usize) -> &TokenKind {
        self.tokens.get(at).map_or(&TokenKind::End, |token| &token.kind)
    }

    /// Where the next token begins.
    fn at(&self) -> Position {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(Position::START, |token| token.at)
    }

    fn bounded(&self, count: usize, most: usize, what: &str) -> Result<()> {
        if count < most {
            return Ok(());
        }
        let message = format!("There are more than {most} {what}: at most {most} are allowed");
        Err(ZoqlError::new(ZoqlErrorKind::Limit, self.at(), message))
    }

    fn unexpected(&self, expected: &str) -> ZoqlError {
        let message = format!("Found {}, expected {expected}", self.peek().describe());
        ZoqlError::syntax(self.at(), message)
    }
}

fn one_or(mut terms: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        Some(last) => {
            terms.push(last);
            many(terms)
        }
        None => many(terms),
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

fn distinct_without_count(at: Position) -> ZoqlError {
    let message = "DISTINCT can only be used in COUNT, such as count(distinct AccountNumber)";
    ZoqlError::new(ZoqlErrorKind::DistinctWithoutCount, at, message)
}
