//! Writes a parsed text anew, in the engine's SQL, node by node from a list of what is known.
//!
//! What is not on the list is refused by name. Names are looked up and written as the catalog's,
//! literals are quoted anew, and every expression that goes into the result was written here: no
//! character of the client's text gets through in any other way.

use std::collections::HashMap;

use outhaul_exports::catalog::Catalog;
use outhaul_exports::limits;
use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Spanned, UnaryOperator, Value as Written, ValueWithSpan,
};

use super::Saved;
use super::error::{Language, Mistake, Place, Result, SqlError, candidates, shown};
use super::headings::Source;
use super::query::Made;
use super::scope::{Found, Scope, case};
use super::value::{Kind, Rank, Value, number};
use crate::zoho::names::DisplayNames;

/// Bytes that all values of a text may have, those inside others counted again.
const WRITTEN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Nodes inside each other.
const DEPTH_MAX: usize = 3 * limits::NESTING_MAX;

/// Where in a statement something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    /// Among the columns of a SELECT.
    Selected,
    /// Where rows are chosen: no aggregate may stand there.
    Rows,
    /// In HAVING or ORDER BY.
    Groups,
}

/// Whose names a text may use.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) names: &'a DisplayNames,
    pub(super) saved: &'a [Saved<'a>],
}

/// A query that others may name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    /// What the engine's text calls it.
    pub(super) own: String,
    pub(super) columns: Vec<Made>,
}

/// See the module.
pub(super) struct Writer<'a> {
    pub(super) language: Language,
    pub(super) world: World<'a>,
    pub(super) clause: Clause,
    pub(super) scopes: Vec<Scope>,
    /// Queries that WITH gave a name, the innermost last.
    pub(super) with: Vec<Named>,
    /// The saved queries that were written, by their index.
    pub(super) saved: HashMap<usize, Named>,
    /// The saved queries that are being written.
    pub(super) open: Vec<usize>,
    /// The text of every named query, each after those that it names.
    pub(super) definitions: Vec<String>,
    /// Conditions that the rows of tables must satisfy, by the tables' display names.
    pub(super) filters: &'a [(String, String)],
    /// The texts that are being written, the innermost last.
    pub(super) sources: Vec<Source>,
    /// The tables that were named, by their display names.
    pub(super) tables: Vec<String>,
    /// Of how many tables and named queries the text was told the name.
    pub(super) named: usize,
    depth: usize,
    written: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        language: Language,
        world: World<'a>,
        filters: &'a [(String, String)],
    ) -> Self {
        Self {
            language,
            world,
            clause: Clause::Rows,
            scopes: Vec::new(),
            with: Vec::new(),
            saved: HashMap::new(),
            open: Vec::new(),
            definitions: Vec::new(),
            filters,
            sources: Vec::new(),
            tables: Vec::new(),
            named: 0,
            depth: 0,
            written: 0,
        }
    }

    pub(super) fn error<T>(
        &self,
        mistake: Mistake,
        at: impl Into<Place>,
        message: impl Into<String>,
    ) -> Result<T> {
        Err(self.language.error(mistake, at, message))
    }

    pub(super) fn not_offered<T>(&self, at: impl Into<Place>, what: &str) -> Result<T> {
        self.error(Mistake::NotOffered, at, format!("{what} is not offered"))
    }

    pub(super) fn refused(&self, expr: &Expr, message: impl Into<String>) -> SqlError {
        self.language.error(Mistake::NotConvertible, expr.span(), message)
    }

    /// Counts a level of nesting while something inside is written.
    pub(super) fn deeper<T>(
        &mut self,
        at: Place,
        write: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        if self.depth >= DEPTH_MAX {
            let text = format!("The text nests deeper than {} levels", limits::NESTING_MAX);
            return self.error(Mistake::NotConvertible, at, text);
        }
        self.depth += 1;
        let out = write(self);
        self.depth -= 1;
        out
    }

    /// Writes an expression.
    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Value> {
        let value = self.deeper(Place::START, |writer| writer.node(expr))?;
        self.written += value.text.len();
        if self.written > WRITTEN_BYTES_MAX {
            return Err(
                self.refused(expr, "The text grows too large when its functions are written out")
            );
        }
        Ok(value)
    }

    fn node(&mut self, expr: &Expr) -> Result<Value> {
        match expr {
            Expr::Identifier(name) => self.bare_name(name),
            Expr::CompoundIdentifier(names) => self.full_name(names),
            Expr::Value(value) => self.literal(value),
            Expr::Nested(inner) => self.expr(inner),
            Expr::BinaryOp { .. } => self.chain(expr),
            Expr::UnaryOp { op, expr: inner } => self.unary(expr, *op, inner),
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::InList { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::RLike { .. } => self.predicate(expr),
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                self.subquery(expr)
            }
            Expr::Case { .. } => self.case(expr),
            _ => self.call(expr),
        }
    }

    /// Several expressions.
    pub(super) fn exprs<'e>(
        &mut self,
        list: impl IntoIterator<Item = &'e Expr>,
    ) -> Result<Vec<Value>> {
        list.into_iter().map(|expr| self.expr(expr)).collect()
    }

    /// An expression as a condition.
    pub(super) fn condition(&mut self, expr: &Expr) -> Result<Value> {
        let value = self.expr(expr)?;
        match value.kind {
            Kind::Boolean | Kind::Unknown => Ok(value),
            kind => {
                let text = format!("A condition is expected here, and this is {}", kind.noun());
                Err(self.refused(expr, text))
            }
        }
    }

    fn literal(&self, value: &ValueWithSpan) -> Result<Value> {
        match &value.value {
            Written::SingleQuotedString(text) => Ok(Value::of_text(text)),
            Written::Number(digits, false) => match number(digits) {
                Some(digits) => Ok(Value::of_number(&digits)),
                None => self.error(
                    Mistake::NotConvertible,
                    value.span,
                    format!("{} is no number", shown(digits)),
                ),
            },
            Written::Boolean(true) => Ok(Value::atom("TRUE", Kind::Boolean)),
            Written::Boolean(false) => Ok(Value::atom("FALSE", Kind::Boolean)),
            Written::Null => Ok(Value::null()),
            other => {
                self.not_offered(value.span, &format!("The literal {}", shown(&other.to_string())))
            }
        }
    }

    // Names.

    fn bare_name(&self, written: &Ident) -> Result<Value> {
        for scope in self.scopes.iter().rev() {
            match scope.find(written) {
                Found::Value(value) => return Ok(value),
                Found::Several(tables) => {
                    let text = format!(
                        "The column {} is in several tables: write \"{}\".\"{}\" or that of another one",
                        shown(&written.to_string()),
                        shown(tables.first().map_or("", String::as_str)),
                        shown(&written.value),
                    );
                    return self.error(self.missing_column(), written.span, text);
                }
                Found::Nothing => {}
            }
        }
        self.unknown_column(written, &written.value, self.scopes.iter().flat_map(Scope::names))
    }

    fn full_name(&self, names: &[Ident]) -> Result<Value> {
        let [table_name, column_name] = names else {
            // Cannot be empty because the parser has seen a point.
            let at = names.first().map_or(Place::START, |name| name.span.into());
            let text = "A column is written as \"Table\".\"Column\" or as \"Column\"";
            return self.error(Mistake::Table, at, text);
        };
        let scopes = self.scopes.iter().rev();
        let table = scopes.flat_map(|scope| &scope.tables).find(|table| table.is(table_name));
        let Some(table) = table else { return self.unknown_table(table_name) };
        match table.column(column_name) {
            Some(column) => Ok(column.value()),
            None => {
                let known = table.columns.iter().map(super::scope::Column::title);
                self.unknown_column(column_name, &column_name.value, known)
            }
        }
    }

    pub(super) fn missing_column(&self) -> Mistake {
        match self.clause {
            Clause::Selected => Mistake::SelectedColumn,
            Clause::Rows | Clause::Groups => Mistake::Column,
        }
    }

    pub(super) fn unknown_column<'k, T>(
        &self,
        at: &Ident,
        name: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> Result<T> {
        let near = candidates(name, known);
        let text = format!("There is no column \"{}\"{near}", shown(name));
        self.error(self.missing_column(), at.span, text)
    }

    /// A table that has no part in the text, or none at all.
    fn unknown_table<T>(&self, written: &Ident) -> Result<T> {
        let here = self.scopes.iter().flat_map(|scope| &scope.tables);
        let near = candidates(&written.value, here.map(super::scope::Table::title));
        let name = shown(&written.value);
        let World { catalog, names, saved } = self.world;
        let known = names.find_object(catalog, &written.value, case(written)).is_some()
            || saved.iter().any(|(name, _)| case(written).matches(&written.value, name));
        if known {
            let text = format!("The table \"{name}\" has no part in this{near}");
            self.error(Mistake::ForeignTable, written.span, text)
        } else {
            self.error(Mistake::Table, written.span, format!("There is no table \"{name}\"{near}"))
        }
    }

    // Operators.

    fn unary(&mut self, whole: &Expr, op: UnaryOperator, inner: &Expr) -> Result<Value> {
        match op {
            UnaryOperator::Not => {
                let value = self.condition(inner)?;
                let text = format!("NOT {}", value.within(Rank::Compare));
                Ok(Value::new(text, Rank::Not, Kind::Boolean).made_of([&value]))
            }
            UnaryOperator::Plus | UnaryOperator::Minus => {
                let value = self.expr(inner)?;
                let value = self.as_number(value, inner)?;
                if op == UnaryOperator::Plus {
                    return Ok(value);
                }
                if value.literal.is_some() && !value.text.starts_with('-') {
                    return Ok(Value::of_number(&format!("-{}", value.text)));
                }
                let text = format!("-({})", value.text);
                Ok(Value::new(text, Rank::Sign, value.kind).made_of([&value]))
            }
            _ => self.not_offered(whole.span(), &format!("The operator {op}")),
        }
    }

    /// A chain of operators that bind equally, from the left, without recursion along it.
    fn chain(&mut self, expr: &Expr) -> Result<Value> {
        let mut rest = Vec::new();
        let mut first = expr;
        let tier = tier(expr);
        while let Expr::BinaryOp { left, op, right } = first
            && self::tier(first) == tier
        {
            rest.push((op, right.as_ref()));
            if rest.len() >= limits::CHAIN_TERMS_MAX {
                let text =
                    format!("There are more than {} terms in a chain", limits::CHAIN_TERMS_MAX);
                return self.error(Mistake::NotConvertible, Place::START, text);
            }
            first = left;
        }
        rest.reverse();
        match tier {
            Tier::And | Tier::Or => {
                let (word, rank) =
                    if tier == Tier::And { (" AND ", Rank::And) } else { (" OR ", Rank::Or) };
                let mut terms = vec![self.condition(first)?];
                for (_, term) in rest {
                    terms.push(self.condition(term)?);
                }
                // AND is tighter than OR; the same word needs no brackets.
                let texts: Vec<_> = terms.iter().map(|term| term.within(rank)).collect();
                Ok(Value::new(texts.join(word), rank, Kind::Boolean).made_of(&terms))
            }
            Tier::Compare => {
                let [(op, right)] = rest.as_slice() else {
                    let text = "Comparisons do not follow each other: join them with AND";
                    return Err(self.refused(expr, text));
                };
                self.comparison(op, first, right)
            }
            Tier::Arithmetic => {
                // `INTERVAL 1 DAY + date`
                if let (Expr::Interval(_), [(BinaryOperator::Plus, date), further @ ..]) =
                    (first, rest.as_slice())
                {
                    let value = self.expr(date)?;
                    let mut value = self.shifted(value, first, false)?;
                    for (op, right) in further {
                        value = self.arithmetic(value, first, op, right)?;
                    }
                    return Ok(value);
                }
                let mut value = self.expr(first)?;
                for (op, right) in rest {
                    value = self.arithmetic(value, first, op, right)?;
                }
                Ok(value)
            }
            Tier::None => {
                let Expr::BinaryOp { op, .. } = expr else {
                    return self.not_offered(expr.span(), "This");
                };
                let instead = match op {
                    BinaryOperator::StringConcat => " (write OR, or concat)",
                    _ => "",
                };
                let op = shown(&op.to_string());
                self.error(
                    Mistake::NotOffered,
                    expr.span(),
                    format!("The operator {op} is not offered{instead}"),
                )
            }
        }
    }

    fn arithmetic(
        &mut self,
        left: Value,
        left_expr: &Expr,
        op: &BinaryOperator,
        right_expr: &Expr,
    ) -> Result<Value> {
        if let Expr::Interval(_) = right_expr {
            return match op {
                BinaryOperator::Plus => self.shifted(left, right_expr, false),
                BinaryOperator::Minus => self.shifted(left, right_expr, true),
                _ => self.not_offered(right_expr.span(), "An INTERVAL in other sums"),
            };
        }
        let left = self.as_number(left, left_expr)?;
        let right = self.expr(right_expr)?;
        let right = self.as_number(right, right_expr)?;
        let kind = left.kind.or(right.kind);
        let parts = [left, right];
        let [left, right] = &parts;
        let value = match op {
            BinaryOperator::Plus | BinaryOperator::Minus => {
                let text =
                    format!("{} {op} {}", left.within(Rank::Add), right.within(Rank::Multiply));
                Value::new(text, Rank::Add, kind)
            }
            BinaryOperator::Multiply => {
                let text =
                    format!("{} * {}", left.within(Rank::Multiply), right.within(Rank::Sign));
                Value::new(text, Rank::Multiply, kind)
            }
            BinaryOperator::Divide => divided(left, right),
            BinaryOperator::Modulo => remainder(left, right),
            _ => {
                // The whole part of a quotient.
                let whole = format!("CAST(trunc({}) AS BIGINT)", divided(left, right).text);
                Value::atom(whole, Kind::Integer)
            }
        };
        Ok(value.made_of(&parts))
    }

    /// A value as a number, as far as that is clear.
    pub(super) fn as_number(&self, value: Value, expr: &Expr) -> Result<Value> {
        match value.kind {
            Kind::Boolean => {
                let text = format!("CASE WHEN {} THEN 1 ELSE 0 END", value.text);
                Ok(Value::atom(text, Kind::Integer).made_of([&value]))
            }
            Kind::Text => {
                let fitted =
                    value.beside(Kind::Decimal).map_err(|text| self.refused(expr, text))?;
                if fitted.kind == Kind::Text {
                    let text = "Text is no number: write cast(... as decimal(20, 4)) around it";
                    return Err(self.refused(expr, text));
                }
                Ok(fitted)
            }
            Kind::Date | Kind::Timestamp => {
                let text = "A date is no number: datediff tells the days between two of them, and \
                            date_add moves one";
                Err(self.refused(expr, text))
            }
            Kind::Integer | Kind::Decimal | Kind::Float | Kind::Unknown => Ok(value),
        }
    }
}

/// A quotient as MySQL makes it: of whole numbers too it has a fraction, and by zero it is null.
fn divided(left: &Value, right: &Value) -> Value {
    let left_text = match left.kind {
        Kind::Integer => format!("CAST({} AS DECIMAL(20, 0))", left.text),
        Kind::Unknown => format!("1.0 * {}", left.within(Rank::Sign)),
        _ => left.within(Rank::Multiply),
    };
    let kind = match left.kind.or(right.kind) {
        Kind::Integer => Kind::Decimal,
        kind => kind,
    };
    Value::new(format!("{left_text} / nullif({}, 0)", right.text), Rank::Multiply, kind)
}

/// What is left of a division.
pub(super) fn remainder(left: &Value, right: &Value) -> Value {
    let kind = left.kind.or(right.kind);
    let text = format!("{} % nullif({}, 0)", left.within(Rank::Multiply), right.text);
    Value::new(text, Rank::Multiply, kind).made_of([left, right])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Or,
    And,
    Compare,
    Arithmetic,
    None,
}

fn tier(expr: &Expr) -> Tier {
    let Expr::BinaryOp { op, .. } = expr else { return Tier::None };
    match op {
        BinaryOperator::Or => Tier::Or,
        BinaryOperator::And => Tier::And,
        BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::Lt
        | BinaryOperator::LtEq
        | BinaryOperator::Gt
        | BinaryOperator::GtEq
        | BinaryOperator::Spaceship => Tier::Compare,
        // In the order in which they stand in the tree; ranks give each its brackets.
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo
        | BinaryOperator::MyIntegerDivide => Tier::Arithmetic,
        _ => Tier::None,
    }
}
