//! Export ZOQL text to tree, by recursive descent.
//!
//! The grammar is that of Zuora's documentation ("Export ZOQL"), with the limits that keep a
//! hostile query from costing more than its text: nesting is counted, chains and lists are
//! bounded. Every error says what was found, what was expected, and where. Names are not looked up
//! here.

use outhaul_exports::limits;

use super::ast::{
    Aggregate, Comparison, Condition, DateFunction, Expr, ExprKind, Item, Limit, Located, Name,
    Operand, Order, Path, Query,
};
use crate::zuora::zoql::error::shown;
use crate::zuora::zoql::lexer::TokenKind;
use crate::zuora::zoql::reader::Reader;
use crate::zuora::zoql::{DEPTH_MAX, Language, Position, TERMS_MAX, ZoqlError, ZoqlErrorKind};

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
    let read = Reader::new(text, Language::Export, &RESERVED)?;
    Parser { read, depth: 0 }.query()
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
    read: Reader,
    depth: usize,
}

impl Parser {
    fn query(&mut self) -> Result<Query> {
        self.read.begin()?;
        let items = self.items()?;
        if !self.read.take_word("from") {
            return Err(self.after_items(items.last()));
        }
        let source = self.read.name("the name of an object")?;
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
            None => self.read.is_word(self.read.next, clause),
            Some((first, second)) => {
                self.read.is_word(self.read.next, first)
                    && self.read.is_word(self.read.next + 1, second)
            }
        };
        if present {
            self.read.next += clause.split(' ').count();
            *clauses = CLAUSES.iter().position(|known| *known == clause).map_or(0, |at| at + 1);
        }
        present
    }

    fn end(&mut self, clauses: usize) -> Result<()> {
        if self.read.end()? {
            return Ok(());
        }
        let mut expected: String = CLAUSES[clauses..].join(", ");
        if !expected.is_empty() {
            expected.push_str(" or ");
        }
        expected.push_str("the end of the query");
        Err(self.read.unexpected(&expected))
    }

    fn items(&mut self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            self.read.bounded(items.len(), limits::COLUMNS_MAX, "items in the select list")?;
            items.push(self.item()?);
            if !self.read.take_symbol(",") {
                return Ok(items);
            }
        }
    }

    /// What is wrong where FROM or another item should follow this one.
    fn after_items(&self, last: Option<&Item>) -> ZoqlError {
        match last {
            Some(Item::Column { alias: None, .. }) => self.read.unexpected("',', 'as' or 'from'"),
            Some(Item::All(_) | Item::AllOf(_)) if self.read.is_word(self.read.next, "as") => {
                let message = "'*' stands for all columns and cannot be given one name: name the \
                               fields one by one, such as Name as Customer";
                ZoqlError::syntax(self.read.at(), message)
            }
            _ => self.read.unexpected("',' or 'from'"),
        }
    }

    fn item(&mut self) -> Result<Item> {
        let at = self.read.at();
        if self.read.take_symbol("*") {
            return Ok(Item::All(Located::new((), at)));
        }
        if self.read.is_word(self.read.next, "distinct")
            && matches!(self.read.kind(self.read.next + 1), TokenKind::Word(word)
                if !word.eq_ignore_ascii_case("from") && !word.eq_ignore_ascii_case("as"))
        {
            return Err(distinct_without_count(at));
        }
        if matches!(self.read.peek(), TokenKind::Word(_))
            && *self.read.kind(self.read.next + 1) == TokenKind::Symbol(".")
            && *self.read.kind(self.read.next + 2) == TokenKind::Symbol("*")
        {
            let object = self.read.word("an object")?;
            self.read.next += 2;
            return Ok(Item::AllOf(object));
        }
        let expr = self.expr(Clause::Select)?;
        let alias = if self.read.take_word("as") { Some(self.alias()?) } else { None };
        Ok(Item::Column { expr, alias })
    }

    fn alias(&mut self) -> Result<Name> {
        let at = self.read.at();
        let text = match self.read.peek() {
            TokenKind::Quoted(text) => text.clone(),
            TokenKind::Word(word) if !self.read.is_reserved(word) => word.clone(),
            _ => return Err(self.read.unexpected("a column name, bare or in double quotes")),
        };
        if text.is_empty() || text.chars().count() > ALIAS_MAX || text.contains(char::is_control) {
            let message =
                format!("A column name has 1 to {ALIAS_MAX} characters and no control characters");
            return Err(ZoqlError::syntax(at, message));
        }
        self.read.next += 1;
        Ok(Located::new(text, at))
    }

    fn group_by(&mut self) -> Result<Vec<Expr>> {
        let mut groups = Vec::new();
        loop {
            self.read.bounded(groups.len(), GROUPS_MAX, "expressions in GROUP BY")?;
            groups.push(self.expr(Clause::GroupBy)?);
            if !self.read.take_symbol(",") {
                return Ok(groups);
            }
        }
    }

    fn order_by(&mut self) -> Result<Vec<Order>> {
        let mut orders = Vec::new();
        loop {
            self.read.bounded(orders.len(), limits::ORDER_BY_MAX, "expressions in ORDER BY")?;
            let expr = self.expr(Clause::OrderBy)?;
            let descending = self.read.take_word("desc");
            if !descending {
                self.read.take_word("asc");
            }
            orders.push(Order { expr, descending });
            if !self.read.take_symbol(",") {
                return Ok(orders);
            }
        }
    }

    fn limit(&mut self) -> Result<Limit> {
        let first = self.limit_number()?;
        if self.read.take_symbol(",") {
            return Ok(Limit { skip: first, rows: self.limit_number()? });
        }
        Ok(Limit { skip: 0, rows: first })
    }

    fn limit_number(&mut self) -> Result<u64> {
        let number = match self.read.peek() {
            TokenKind::Number(digits) if !digits.contains('.') => digits.parse::<u64>().ok(),
            _ => return Err(self.read.unexpected("a whole number of rows")),
        };
        match number {
            Some(number) if number <= LIMIT_MAX => {
                self.read.next += 1;
                Ok(number)
            }
            _ => {
                let message = format!("A number in LIMIT is at most {LIMIT_MAX}");
                Err(ZoqlError::new(ZoqlErrorKind::Limit, self.read.at(), message))
            }
        }
    }

    /// `term OR term ...`, where a term is `factor AND factor ...`.
    fn condition(&mut self, clause: Clause) -> Result<Condition> {
        let mut terms = vec![self.conjunction(clause)?];
        while self.read.take_word("or") {
            self.read.bounded(terms.len(), TERMS_MAX, "terms in one chain of OR")?;
            terms.push(self.conjunction(clause)?);
        }
        Ok(one_or(terms, Condition::Or))
    }

    fn conjunction(&mut self, clause: Clause) -> Result<Condition> {
        let mut terms = vec![self.factor(clause)?];
        while self.read.take_word("and") {
            self.read.bounded(terms.len(), TERMS_MAX, "terms in one chain of AND")?;
            terms.push(self.factor(clause)?);
        }
        Ok(one_or(terms, Condition::And))
    }

    /// A predicate, or NOT and parentheses around conditions. These two nest, so they are counted.
    fn factor(&mut self, clause: Clause) -> Result<Condition> {
        let negated = self.read.is_word(self.read.next, "not");
        if !negated && *self.read.peek() != TokenKind::Symbol("(") {
            return self.predicate(clause);
        }
        if self.depth == DEPTH_MAX {
            let message = format!(
                "Parentheses and NOT are nested more than {DEPTH_MAX} deep: write the condition \
                 flatter"
            );
            return Err(ZoqlError::new(ZoqlErrorKind::Limit, self.read.at(), message));
        }
        self.depth += 1;
        self.read.next += 1;
        let condition = if negated {
            Condition::Not(Box::new(self.factor(clause)?))
        } else {
            let inner = self.condition(clause)?;
            if !self.read.take_symbol(")") {
                return Err(self.read.unexpected("'and', 'or' or ')'"));
            }
            inner
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn predicate(&mut self, clause: Clause) -> Result<Condition> {
        let expr = self.expr(clause)?;
        if self.read.take_word("is") {
            let negated = self.read.take_word("not");
            self.read.expect_word("null")?;
            return Ok(Condition::IsNull { expr, negated });
        }
        let negated = self.read.take_word("not");
        if self.read.take_word("like") {
            let pattern = self.read.pattern()?;
            return Ok(Condition::Like { expr, negated, pattern });
        }
        for (word, instead) in
            [("in", "write a = 'x' or a = 'y'"), ("between", "write a >= 'x' and a <= 'y'")]
        {
            if self.read.is_word(self.read.next, word) {
                let message = format!("There is no operator '{word}': {instead}");
                return Err(ZoqlError::syntax(self.read.at(), message));
            }
        }
        if negated {
            return Err(self.read.unexpected("'like'"));
        }
        let Some(op) = self.read.operator() else {
            return Err(self.read.unexpected("=, !=, <, <=, >, >=, 'like', 'not like' or 'is'"));
        };
        self.comparison(clause, expr, op)
    }

    /// What follows the operator: null, a value, or another expression.
    fn comparison(&mut self, clause: Clause, left: Expr, op: Comparison) -> Result<Condition> {
        if let Some(negated) = self.read.null(op)? {
            return Ok(Condition::IsNull { expr: left, negated });
        }
        if let Some(literal) = self.read.literal()? {
            return Ok(Condition::Compare { left, op, right: Operand::Literal(literal) });
        }
        let text_follows = matches!(self.read.kind(self.read.next + 1), TokenKind::Text(_));
        match self.read.peek() {
            TokenKind::Word(word) if !self.read.is_reserved(word) && !text_follows => {
                let right = Operand::Expr(self.expr(clause)?);
                Ok(Condition::Compare { left, op, right })
            }
            _ => Err(self.read.no_value("a value or a field")),
        }
    }

    fn expr(&mut self, clause: Clause) -> Result<Expr> {
        let at = self.read.at();
        let expected = match clause {
            Clause::Select => "a field, a function or '*'",
            Clause::Where => "a field, 'not' or '('",
            Clause::Having => "a field, a function, 'not' or '('",
            Clause::GroupBy => "a field or a date function",
            Clause::OrderBy => "a field or a function (columns cannot be named by their number)",
        };
        if let TokenKind::Word(word) = self.read.peek()
            && *self.read.kind(self.read.next + 1) == TokenKind::Symbol("(")
            && !self.read.is_reserved(word)
        {
            return self.call(clause);
        }
        Ok(Located::new(ExprKind::Field(self.path(expected)?), at))
    }

    /// A function and its argument.
    fn call(&mut self, clause: Clause) -> Result<Expr> {
        let name = self.read.word("a function")?;
        self.read.next += 1; // the '(' that the caller saw
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
        if !self.read.take_symbol(")") {
            return Err(self.read.unexpected("')'"));
        }
        Ok(Located::new(kind, name.at))
    }

    fn aggregate(&mut self, function: Aggregate) -> Result<ExprKind> {
        let at = self.read.at();
        let star = match self.read.peek() {
            TokenKind::Symbol("*") => true,
            TokenKind::Text(text) => text == "*",
            _ => false,
        };
        if star && function == Aggregate::Count {
            self.read.next += 1;
            return Ok(ExprKind::CountAll);
        }
        let distinct = self.read.is_word(self.read.next, "distinct")
            && !matches!(self.read.kind(self.read.next + 1), TokenKind::Symbol(")" | "."));
        if distinct {
            if function != Aggregate::Count {
                return Err(distinct_without_count(at));
            }
            self.read.next += 1;
        }
        Ok(ExprKind::Aggregate { function, distinct, field: self.argument()? })
    }

    fn argument(&mut self) -> Result<Path> {
        if matches!(self.read.peek(), TokenKind::Word(_))
            && *self.read.kind(self.read.next + 1) == TokenKind::Symbol("(")
        {
            let message = "Functions cannot be nested: give the function a field";
            return Err(ZoqlError::syntax(self.read.at(), message));
        }
        self.path("a field")
    }

    fn path(&mut self, expected: &str) -> Result<Path> {
        let qualified = *self.read.kind(self.read.next + 1) == TokenKind::Symbol(".");
        let first = if qualified { self.read.word(expected)? } else { self.read.name(expected)? };
        let mut names = vec![first];
        while self.read.take_symbol(".") {
            self.read.bounded(names.len(), PATH_MAX, "names in one field")?;
            names.push(self.read.word("the name of a field")?);
        }
        Ok(Path(names))
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

fn distinct_without_count(at: Position) -> ZoqlError {
    let message = "DISTINCT can only be used in COUNT, such as count(distinct AccountNumber)";
    ZoqlError::new(ZoqlErrorKind::DistinctWithoutCount, at, message)
}
