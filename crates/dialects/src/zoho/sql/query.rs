//! Queries: SELECT with all of its clauses, UNION and its like, and what is counted off at the end.
//!
//! The result's columns are called what the client called them. Inside, every column of a query is
//! called by a name of ours (`c1`, `c2`).

use std::collections::HashSet;

use outhaul_exports::limits;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned,
    WildcardAdditionalOptions,
};

use super::error::{Mistake, Place, Result, shown};
use super::headings::Source;
use super::language::Tokens;
use super::scope::{Column, Look, Output, Scope, Table};
use super::value::{Kind, Literal, Rank, Value, name};
use super::writer::{Clause, Writer};
use crate::zoho::names::folded;

/// SELECTs joined by UNION and the like.
const OPERANDS_MAX: usize = 100;

/// What the columns of a written query are called in the engine's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// By their headings: the result's.
    Headings,
    /// By names of ours.
    Own,
}

/// A column of a written query.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) heading: String,
    pub(super) kind: Kind,
}

/// A written query.
#[derive(Debug)]
pub(super) struct MadeQuery {
    pub(super) text: String,
    pub(super) columns: Vec<Made>,
}

impl Naming {
    pub(super) fn of(self, at: usize, heading: &str) -> String {
        match self {
            Self::Headings => name(heading),
            Self::Own => name(&format!("c{}", at + 1)),
        }
    }
}

impl Writer<'_> {
    /// Writes something out of a text whose headings are needed.
    pub(super) fn sourced<T>(
        &mut self,
        tokens: &Tokens<'_>,
        write: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.sources.push(Source::of(tokens));
        let out = write(self);
        self.sources.pop();
        out
    }

    pub(super) fn query(&mut self, query: &Query, naming: Naming) -> Result<MadeQuery> {
        self.deeper(Place::START, |writer| writer.query_inside(query, naming))
    }

    fn query_inside(&mut self, query: &Query, naming: Naming) -> Result<MadeQuery> {
        let foreign = query.fetch.is_some()
            || !query.locks.is_empty()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        if foreign {
            return self.not_offered(query.span(), "FETCH, FOR, SETTINGS, FORMAT or a pipe");
        }
        let before = match &query.with {
            Some(with) => self.define(with)?,
            None => self.with.len(),
        };
        let order: &[OrderByExpr] = match &query.order_by {
            None => &[],
            Some(order) => match (&order.kind, &order.interpolate) {
                (OrderByKind::Expressions(keys), None) => keys,
                _ => return self.not_offered(query.span(), "ORDER BY ALL"),
            },
        };
        if order.len() > limits::ORDER_BY_MAX {
            let text = format!("ORDER BY has more than {} keys", limits::ORDER_BY_MAX);
            return self.error(Mistake::NotConvertible, query.span(), text);
        }
        let mut made = match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, order, naming)?,
            body => {
                let made = self.body(body, naming)?;
                self.ordered_as_a_whole(made, order, naming)?
            }
        };
        if let Some(limit) = &query.limit_clause {
            made.text.push_str(&self.limit(limit)?);
        }
        self.with.truncate(before);
        Ok(made)
    }

    fn limit(&mut self, clause: &LimitClause) -> Result<String> {
        let (limit, offset) = match clause {
            LimitClause::LimitOffset { limit, offset, limit_by } if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            LimitClause::OffsetCommaLimit { offset, limit } => (Some(limit), Some(offset)),
            LimitClause::LimitOffset { .. } => return self.not_offered(Place::START, "LIMIT BY"),
        };
        let mut text = String::new();
        for (word, count) in [("LIMIT", limit), ("OFFSET", offset)] {
            let Some(count) = count else { continue };
            let number = match self.expr(count)?.literal {
                Some(Literal::Number(digits)) => digits.parse::<u64>().ok(),
                _ => None,
            };
            let number = number.and_then(|number| i64::try_from(number).ok());
            let Some(number) = number else {
                let text = format!("{word} takes a whole number");
                return self.error(Mistake::NotOffered, count.span(), text);
            };
            text.push_str(&format!(" {word} {number}"));
        }
        Ok(text)
    }

    // UNION and the like.

    fn body(&mut self, body: &SetExpr, naming: Naming) -> Result<MadeQuery> {
        match body {
            SetExpr::Select(select) => self.select(select, &[], naming),
            SetExpr::Query(query) => {
                let made = self.query(query, naming)?;
                Ok(MadeQuery { text: format!("({})", made.text), ..made })
            }
            SetExpr::SetOperation { .. } => self.set_operation(body, naming),
            SetExpr::Values(_) | SetExpr::Table(_) => {
                self.not_offered(body.span(), "VALUES or TABLE")
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.not_offered(body.span(), "Changing data")
            }
        }
    }

    fn set_operation(&mut self, body: &SetExpr, naming: Naming) -> Result<MadeQuery> {
        let mut rest = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = first {
            rest.push((op, set_quantifier, right.as_ref()));
            if rest.len() >= OPERANDS_MAX {
                let text = format!("More than {OPERANDS_MAX} SELECTs are joined");
                return self.error(Mistake::NotConvertible, Place::START, text);
            }
            first = left;
        }
        rest.reverse();
        let mut made = self.body(first, naming)?;
        for (op, quantifier, operand) in rest {
            let word = match op {
                SetOperator::Union => "UNION",
                SetOperator::Except | SetOperator::Minus => "EXCEPT",
                SetOperator::Intersect => "INTERSECT",
            };
            let all = match quantifier {
                SetQuantifier::All => " ALL",
                SetQuantifier::Distinct | SetQuantifier::None => "",
                _ => return self.not_offered(operand.span(), "BY NAME"),
            };
            // The names of the first SELECT are those of all.
            let mut other =
                self.deeper(Place::START, |writer| writer.body(operand, Naming::Own))?;
            if let SetExpr::SetOperation { .. } = operand {
                other.text = format!("({})", other.text);
            }
            if other.columns.len() != made.columns.len() {
                let text = format!(
                    "The SELECTs that {word} joins have {} and {} columns",
                    made.columns.len(),
                    other.columns.len()
                );
                return self.error(Mistake::NotOffered, operand.span(), text);
            }
            made.text = format!("{} {word}{all} {}", made.text, other.text);
            for (column, other) in made.columns.iter_mut().zip(&other.columns) {
                column.kind = column.kind.or(other.kind);
            }
        }
        Ok(made)
    }

    /// ORDER BY behind UNION and the like: by the columns of the result.
    fn ordered_as_a_whole(
        &mut self,
        mut made: MadeQuery,
        order: &[OrderByExpr],
        naming: Naming,
    ) -> Result<MadeQuery> {
        if order.is_empty() {
            return Ok(made);
        }
        let outputs = made.columns.iter().enumerate().map(|(at, column)| Output {
            heading: column.heading.clone(),
            chosen: true,
            qualified: None,
            value: Value::atom(naming.of(at, &column.heading), column.kind),
        });
        let look = Look::OutputsFirst;
        let scope = Scope { outputs: outputs.collect(), look, ..Scope::default() };
        self.scopes.push(scope);
        let text = self.order(order);
        self.scopes.pop();
        made.text.push_str(&text?);
        Ok(made)
    }

    // SELECT.

    fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        naming: Naming,
    ) -> Result<MadeQuery> {
        self.check_select(select)?;
        self.scopes.push(Scope::default());
        let clause = self.clause;
        let made = self.select_inside(select, order, naming);
        self.clause = clause;
        self.scopes.pop();
        made
    }

    fn check_select(&self, select: &Select) -> Result<()> {
        let foreign = select.top.is_some()
            || select.exclude.is_some()
            || select.into.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || !select.named_window.is_empty()
            || select.qualify.is_some()
            || select.value_table_mode.is_some()
            || select.select_modifiers.is_some();
        if foreign {
            let what = "SELECT INTO, TOP, QUALIFY or another clause that is not MySQL's";
            return self.not_offered(select.select_token.0.span, what);
        }
        Ok(())
    }

    fn select_inside(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        naming: Naming,
    ) -> Result<MadeQuery> {
        self.clause = Clause::Rows;
        let from = self.from(&select.from)?;
        self.clause = Clause::Selected;
        let outputs = self.projection(select)?;
        let outputs = self.distinct_headings(select, outputs)?;
        let items = outputs.iter().enumerate().map(|(at, output)| {
            format!("{} AS {}", output.value.text, naming.of(at, &output.heading))
        });
        let items: Vec<_> = items.collect();
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => "",
            Some(Distinct::Distinct) => "DISTINCT ",
            Some(Distinct::On(_)) => {
                return self.not_offered(select.select_token.0.span, "DISTINCT ON");
            }
        };
        let mut text = format!("SELECT {distinct}{}", items.join(", "));
        if !from.is_empty() {
            text.push_str(&format!(" FROM {from}"));
        }
        self.clause = Clause::Rows;
        if let Some(condition) = &select.selection {
            text.push_str(&format!(" WHERE {}", self.condition(condition)?.text));
        }
        let made =
            |output: &Output| Made { heading: output.heading.clone(), kind: output.value.kind };
        let columns = outputs.iter().map(made).collect();
        self.with_look(Look::ThenOutputs, |scope| scope.outputs = outputs);
        text.push_str(&self.groups(&select.group_by)?);
        self.clause = Clause::Groups;
        if let Some(condition) = &select.having {
            self.with_look(Look::AggregatesFirst, |_| {});
            text.push_str(&format!(" HAVING {}", self.condition(condition)?.text));
        }
        self.with_look(Look::OutputsFirst, |_| {});
        text.push_str(&self.order(order)?);
        Ok(MadeQuery { text, columns })
    }

    fn with_look(&mut self, look: Look, change: impl FnOnce(&mut Scope)) {
        if let Some(scope) = self.scopes.last_mut() {
            change(scope);
            scope.look = look;
        }
    }

    fn groups(&mut self, groups: &GroupByExpr) -> Result<String> {
        let GroupByExpr::Expressions(keys, modifiers) = groups else {
            return self.not_offered(groups.span(), "GROUP BY ALL");
        };
        if !modifiers.is_empty() {
            return self.not_offered(groups.span(), "WITH ROLLUP");
        }
        if keys.len() > limits::GROUP_BY_MAX {
            let text = format!("GROUP BY has more than {} keys", limits::GROUP_BY_MAX);
            return self.error(Mistake::NotConvertible, groups.span(), text);
        }
        let mut texts = Vec::with_capacity(keys.len());
        for key in keys {
            let value = match self.ordinal(key)? {
                Some(at) => {
                    let outputs = self.scopes.last().map(|scope| &scope.outputs);
                    outputs.and_then(|outputs| outputs.get(at)).map(|output| output.value.clone())
                }
                None => None,
            };
            let value = match value {
                Some(value) => value,
                None => self.expr(key)?,
            };
            if value.aggregate {
                let text = "An aggregate has no place in GROUP BY";
                return self.error(Mistake::Aggregate, key.span(), text);
            }
            texts.push(value.text);
        }
        Ok(if texts.is_empty() { String::new() } else { format!(" GROUP BY {}", texts.join(", ")) })
    }

    /// The column that a number in ORDER BY or GROUP BY means, from 0.
    fn ordinal(&self, key: &Expr) -> Result<Option<usize>> {
        let Expr::Value(value) = key else { return Ok(None) };
        let sqlparser::ast::Value::Number(digits, false) = &value.value else { return Ok(None) };
        let count = self.scopes.last().map_or(0, |scope| scope.outputs.len());
        match digits.parse::<usize>() {
            Ok(at) if (1..=count).contains(&at) => Ok(Some(at - 1)),
            _ => {
                let text = format!("There is no column {}: there are {count}", shown(digits));
                self.error(Mistake::Column, value.span, text)
            }
        }
    }

    fn order(&mut self, keys: &[OrderByExpr]) -> Result<String> {
        let mut texts = Vec::with_capacity(keys.len());
        for key in keys {
            let output = match &key.expr {
                Expr::Identifier(name) => self.scopes.last().and_then(|scope| scope.output(name)),
                expr => self.ordinal(expr)?,
            };
            let text = match output {
                Some(at) => (at + 1).to_string(),
                None => self.order_key(&key.expr)?,
            };
            texts.push(format!("{text} {}", self.direction(key)?));
        }
        Ok(if texts.is_empty() { String::new() } else { format!(" ORDER BY {}", texts.join(", ")) })
    }

    fn order_key(&mut self, expr: &Expr) -> Result<String> {
        let clause = std::mem::replace(&mut self.clause, Clause::Groups);
        let value = self.expr(expr);
        self.clause = clause;
        let value = value?;
        // A bare number would be taken for that of a column.
        Ok(if value.literal.is_some() { format!("coalesce({})", value.text) } else { value.text })
    }

    /// Nulls are the least, as in MySQL.
    pub(super) fn direction(&self, key: &OrderByExpr) -> Result<String> {
        if key.with_fill.is_some() {
            return self.not_offered(key.expr.span(), "WITH FILL");
        }
        let ascending = key.options.asc.unwrap_or(true);
        let word = if ascending { "ASC" } else { "DESC" };
        let nulls = if key.options.nulls_first.unwrap_or(ascending) { "FIRST" } else { "LAST" };
        Ok(format!("{word} NULLS {nulls}"))
    }

    // Columns.

    fn projection(&mut self, select: &Select) -> Result<Vec<Output>> {
        let at = select.select_token.0.span;
        let written = self.sources.last();
        let written = written.and_then(|source| source.items(at.start, select.projection.len()));
        let mut outputs = Vec::new();
        for (at, item) in select.projection.iter().enumerate() {
            match item {
                SelectItem::ExprWithAlias { expr, alias } => {
                    if alias.value.trim().is_empty() {
                        let text = "A column's name is empty";
                        return self.error(Mistake::NotOffered, alias.span, text);
                    }
                    let value = self.expr(expr)?;
                    let heading = alias.value.clone();
                    outputs.push(Output { heading, chosen: true, qualified: None, value });
                }
                SelectItem::UnnamedExpr(expr) => {
                    let value = self.expr(expr)?;
                    outputs.push(match self.plain_column(expr) {
                        Some((table, column)) => plain_output(&table, &column, value),
                        None => {
                            let written = written.as_ref().and_then(|items| items.get(at)).cloned();
                            let heading = written.unwrap_or_else(|| shown(&expr.to_string()));
                            Output { heading, chosen: false, qualified: None, value }
                        }
                    });
                }
                SelectItem::Wildcard(options) => {
                    self.plain_star(options)?;
                    self.star(None, &mut outputs);
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(table),
                    options,
                ) => {
                    self.plain_star(options)?;
                    let at = self.starred_table(table)?;
                    self.star(Some(at), &mut outputs);
                }
                _ => return self.not_offered(item.span(), "This column"),
            }
            if outputs.len() > limits::COLUMNS_MAX {
                let text = format!("There are more than {} columns", limits::COLUMNS_MAX);
                return self.error(Mistake::NotConvertible, at_select(select), text);
            }
        }
        if outputs.is_empty() {
            let text = "There is nothing for * to stand for: no table is named";
            return self.error(Mistake::NoTable, at_select(select), text);
        }
        Ok(outputs)
    }

    fn plain_star(&self, options: &WildcardAdditionalOptions) -> Result<()> {
        let plain = WildcardAdditionalOptions {
            wildcard_token: options.wildcard_token.clone(),
            ..WildcardAdditionalOptions::default()
        };
        match *options == plain {
            true => Ok(()),
            false => {
                let what = "* with EXCEPT, EXCLUDE, REPLACE or RENAME";
                self.not_offered(options.wildcard_token.0.span, what)
            }
        }
    }

    fn starred_table(&self, written: &sqlparser::ast::ObjectName) -> Result<usize> {
        let found = match written.0.as_slice() {
            [sqlparser::ast::ObjectNamePart::Identifier(part)] => {
                let scope = self.scopes.last();
                scope.and_then(|scope| scope.tables.iter().position(|table| table.is(part)))
            }
            _ => None,
        };
        match found {
            Some(at) => Ok(at),
            None => {
                let text = format!("There is no table {}", shown(&written.to_string()));
                self.error(Mistake::Table, written.span(), text)
            }
        }
    }

    /// What `*` stands for: the columns of all tables, or of one.
    fn star(&self, only: Option<usize>, outputs: &mut Vec<Output>) {
        let Some(scope) = self.scopes.last() else { return };
        if only.is_none() {
            outputs.extend(scope.merged.iter().map(|column| Output {
                heading: column.title().to_owned(),
                chosen: false,
                qualified: None,
                value: column.value(),
            }));
        }
        for (at, table) in scope.tables.iter().enumerate() {
            if only.is_some_and(|only| only != at) {
                continue;
            }
            let columns = table.columns.iter().filter(|column| column.starred);
            let columns = columns.filter(|column| only.is_some() || !column.merged);
            outputs.extend(columns.map(|column| plain_output(table, column, column.value())));
        }
    }

    /// The table and column that an expression is, where it is nothing else.
    fn plain_column(&self, expr: &Expr) -> Option<(Table, Column)> {
        let scope = self.scopes.last()?;
        let found = |table: &Table, column: &Column| (table.clone_names(), column.clone());
        match expr {
            Expr::Nested(inner) => match inner.as_ref() {
                name @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => {
                    self.plain_column(name)
                }
                _ => None,
            },
            Expr::Identifier(written) => {
                let merged = scope.merged.iter().find(|merged| {
                    merged
                        .names
                        .iter()
                        .any(|n| super::scope::case(written).matches(&written.value, n))
                });
                if let Some(merged) = merged {
                    return Some((Table { names: vec![], columns: vec![] }, merged.clone()));
                }
                let columns = scope.tables.iter().filter_map(|table| {
                    Some((table, table.column(written).filter(|column| !column.merged)?))
                });
                // Only one can be meant: the expression was written before.
                let is_shown = |column: &Column| {
                    let case = super::scope::case(written);
                    column.names.first().is_some_and(|name| case.matches(&written.value, name))
                };
                let columns: Vec<_> = columns.collect();
                let shown = columns.iter().find(|(_, column)| is_shown(column));
                shown.or(columns.first()).map(|(table, column)| found(table, column))
            }
            Expr::CompoundIdentifier(names) => {
                let [table_name, column_name] = names.as_slice() else { return None };
                let table = scope.tables.iter().find(|table| table.is(table_name))?;
                table.column(column_name).map(|column| found(table, column))
            }
            _ => None,
        }
    }

    /// Headings that are all distinct. Plain columns of one name are told apart by their tables;
    /// names that the client chose, and expressions, are its own to tell apart.
    fn distinct_headings(&self, select: &Select, mut outputs: Vec<Output>) -> Result<Vec<Output>> {
        let twice = repeated(&outputs);
        if twice.is_empty() {
            return Ok(outputs);
        }
        for output in &mut outputs {
            if twice.contains(&folded(&output.heading))
                && let Some(qualified) = output.qualified.take()
            {
                output.heading = qualified;
            }
        }
        let twice = repeated(&outputs);
        let Some(output) = outputs.iter().find(|output| twice.contains(&folded(&output.heading)))
        else {
            return Ok(outputs);
        };
        let verb = if output.chosen { "chosen" } else { "used" };
        let text = format!(
            "The column name \"{}\" is {verb} twice: give one of the columns another one with AS",
            shown(&output.heading)
        );
        self.error(Mistake::Twice, at_select(select), text)
    }

    /// A query as a value, or as a part of a condition.
    pub(super) fn subquery(&mut self, expr: &Expr) -> Result<Value> {
        if self.language == super::error::Language::Criteria {
            return self.not_offered(expr.span(), "A sub-query in a criteria");
        }
        let clause = self.clause;
        let value = self.subquery_inside(expr);
        self.clause = clause;
        value
    }

    fn subquery_inside(&mut self, expr: &Expr) -> Result<Value> {
        match expr {
            Expr::Subquery(query) => {
                let made = self.query(query, Naming::Own)?;
                let [column] = made.columns.as_slice() else {
                    let text = format!("A sub-query here has 1 column, not {}", made.columns.len());
                    return self.error(Mistake::NotOffered, expr.span(), text);
                };
                Ok(Value::atom(format!("({})", made.text), column.kind))
            }
            Expr::Exists { subquery, negated } => {
                let made = self.query(subquery, Naming::Own)?;
                let (not, rank) = if *negated { ("NOT ", Rank::Not) } else { ("", Rank::Compare) };
                Ok(Value::new(format!("{not}EXISTS ({})", made.text), rank, Kind::Boolean))
            }
            Expr::InSubquery { expr: inner, subquery, negated } => {
                let value = self.expr(inner)?;
                let made = self.query(subquery, Naming::Own)?;
                let [column] = made.columns.as_slice() else {
                    let text =
                        format!("The sub-query of IN has 1 column, not {}", made.columns.len());
                    return self.error(Mistake::NotOffered, expr.span(), text);
                };
                let value = value.beside(column.kind).map_err(|text| self.refused(inner, text))?;
                let not = if *negated { "NOT " } else { "" };
                let text = format!("{} {not}IN ({})", value.operand(), made.text);
                Ok(Value::new(text, Rank::Compare, Kind::Boolean).made_of([&value]))
            }
            _ => self.not_offered(expr.span(), "This"),
        }
    }
}

fn at_select(select: &Select) -> Place {
    select.select_token.0.span.into()
}

fn plain_output(table: &Table, column: &Column, value: Value) -> Output {
    let heading = column.title().to_owned();
    let title = table.title();
    let qualified = (!title.is_empty()).then(|| format!("{title}.{heading}"));
    Output { heading, chosen: false, qualified, value }
}

/// The headings that stand more than once, without regard to case.
fn repeated(outputs: &[Output]) -> HashSet<String> {
    let mut seen = HashSet::new();
    let names = outputs.iter().map(|output| folded(&output.heading));
    names.filter(|name| !seen.insert(name.clone())).collect()
}
