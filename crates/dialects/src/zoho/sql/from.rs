//! The tables of a SELECT, and what joins them.
//!
//! Every table gets a name of ours (`t1`, `t2`), so that no alias of a client's stands in the
//! engine's text. Named queries get one with a blank in it, which no object of a catalog has.

use outhaul_exports::catalog::Object;
use sqlparser::ast::{
    Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Spanned,
    TableAlias, TableFactor, TableWithJoins, With,
};

use super::error::{Language, Mistake, Place, Result, candidates, shown};
use super::language::Tokens;
use super::query::{Made, Naming};
use super::scope::{Column, Table, case};
use super::value::{Kind, name};
use super::writer::{Clause, Named, Writer};

/// Tables and named queries of one text, those of its saved queries included.
const TABLES_MAX: usize = 60;
/// Saved queries inside each other.
const SAVED_DEPTH_MAX: usize = 5;

impl Writer<'_> {
    fn next_name(&mut self, letter: &str, at: Place) -> Result<String> {
        self.named += 1;
        if self.named > TABLES_MAX {
            let text = format!("More than {TABLES_MAX} tables are read");
            return self.error(Mistake::NotConvertible, at, text);
        }
        Ok(format!("{letter}{}", self.named))
    }

    fn here(&mut self) -> Result<&mut super::scope::Scope> {
        let language = self.language;
        self.scopes.last_mut().ok_or_else(|| {
            language.error(Mistake::Syntax, Place::START, "A table stands outside of a SELECT")
        })
    }

    /// Writes a FROM, and puts its tables into the innermost scope.
    pub(super) fn from(&mut self, from: &[TableWithJoins]) -> Result<String> {
        let mut texts = Vec::with_capacity(from.len());
        for tables in from {
            texts.push(self.joined_tables(tables)?);
        }
        Ok(texts.join(", "))
    }

    fn joined_tables(&mut self, tables: &TableWithJoins) -> Result<String> {
        let mut text = self.factor(&tables.relation)?;
        for join in &tables.joins {
            text = format!("{text} {}", self.join(join)?);
        }
        Ok(text)
    }

    fn join(&mut self, join: &Join) -> Result<String> {
        let none = JoinConstraint::None;
        let (words, constraint) = match &join.join_operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) => ("JOIN", on),
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => ("LEFT JOIN", on),
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) => ("RIGHT JOIN", on),
            JoinOperator::FullOuter(on) => ("FULL JOIN", on),
            JoinOperator::CrossJoin(JoinConstraint::None) => ("CROSS JOIN", &none),
            _ => return self.not_offered(join.relation.span(), "This kind of join"),
        };
        let before = self.here()?.tables.len();
        let right = self.factor(&join.relation)?;
        let words = match (words, constraint) {
            ("JOIN", JoinConstraint::None) => "CROSS JOIN",
            (words, _) => words,
        };
        Ok(match constraint {
            JoinConstraint::On(on) => {
                let clause = std::mem::replace(&mut self.clause, Clause::Rows);
                let condition = self.condition(on);
                self.clause = clause;
                format!("{words} {right} ON {}", condition?.text)
            }
            JoinConstraint::Using(columns) => {
                format!("{words} {right} ON {}", self.using(columns, before, words)?)
            }
            JoinConstraint::Natural => {
                return self
                    .not_offered(join.relation.span(), "NATURAL (name the columns with ON)");
            }
            JoinConstraint::None if words == "CROSS JOIN" => format!("{words} {right}"),
            JoinConstraint::None => {
                let text = "A LEFT, RIGHT or FULL JOIN needs ON";
                return self.error(Mistake::Syntax, join.relation.span(), text);
            }
        })
    }

    /// `USING (...)`: the columns are equal, and one column of the result.
    fn using(&mut self, columns: &[ObjectName], before: usize, words: &str) -> Result<String> {
        let mut conditions = Vec::new();
        for column in columns {
            let [ObjectNamePart::Identifier(written)] = column.0.as_slice() else {
                return self.not_offered(column.span(), "A table's name in USING");
            };
            let scope = self.here()?;
            let known = scope.merged.iter().position(|merged| {
                merged.names.iter().any(|name| case(written).matches(&written.value, name))
            });
            let (left, right) = scope.tables.split_at_mut(before);
            let find = |tables: &mut [Table]| {
                let at = tables.iter().position(|table| table.column(written).is_some())?;
                let names = tables[at].column(written)?.names.clone();
                tables[at].columns.iter_mut().find(|column| column.names == names).map(|column| {
                    column.merged = true;
                    column.clone()
                })
            };
            let left = match known {
                Some(known) => Some(scope.merged.remove(known)),
                None => find(left),
            };
            let (Some(left), Some(right)) = (left, find(right)) else {
                let known: Vec<String> = self.here()?.names().map(ToOwned::to_owned).collect();
                let known = known.iter().map(String::as_str);
                return self.unknown_column(written, &written.value, known);
            };
            conditions.push(format!("{} = {}", left.text, right.text));
            let text = match words {
                "RIGHT JOIN" => right.text,
                "FULL JOIN" => format!("coalesce({}, {})", left.text, right.text),
                _ => left.text,
            };
            let merged = Column { text, merged: false, ..left };
            self.here()?.merged.push(merged);
        }
        Ok(conditions.join(" AND "))
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<String> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table(name, alias.as_ref())
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                self.derived(subquery, alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                let place = factor.span().into();
                let text = self.deeper(place, |writer| writer.joined_tables(table_with_joins))?;
                Ok(format!("({text})"))
            }
            _ => self.not_offered(factor.span(), "A table function, a sample, a hint or LATERAL"),
        }
    }

    fn alias<'t>(&self, alias: Option<&'t TableAlias>) -> Result<Option<&'t Ident>> {
        match alias {
            None => Ok(None),
            Some(alias) if alias.columns.is_empty() && alias.at.is_none() => Ok(Some(&alias.name)),
            Some(alias) => self.not_offered(alias.name.span, "An alias with columns"),
        }
    }

    fn table(&mut self, written: &ObjectName, alias: Option<&TableAlias>) -> Result<String> {
        let alias = self.alias(alias)?;
        let [ObjectNamePart::Identifier(part)] = written.0.as_slice() else {
            let text = format!("There is no table {}", shown(&written.to_string()));
            return self.error(Mistake::Table, written.span(), text);
        };
        let is = |name: &str| case(part).matches(&part.value, name);
        if let Some(named) = self.with.iter().rev().find(|named| is(&named.name)).cloned() {
            return self.named_table(&named, alias, part);
        }
        let saved = self.world.saved.iter().position(|(name, _)| is(name));
        if let Some(at) = saved {
            let named = self.saved_query(at, part)?;
            self.used(&named.name);
            return self.named_table(&named, alias, part);
        }
        let world = self.world;
        let object = world.names.find_object(world.catalog, &part.value, case(part));
        let Some(object) = object else {
            let objects = world.catalog.objects().map(|object| world.names.object(object));
            let known = objects.chain(world.saved.iter().map(|(name, _)| *name));
            let near = candidates(&part.value, known);
            let text = format!("There is no table \"{}\"{near}", shown(&part.value));
            return self.error(Mistake::Table, part.span, text);
        };
        let display = world.names.object(object).to_owned();
        self.used(&display);
        let own = self.next_name("t", part.span.into())?;
        let table = self.object_table(object, alias, &own);
        let api_name = name(&object.name);
        let text = match self.filter(&display, object)? {
            None => format!("{api_name} AS {}", name(&own)),
            Some(filter) => {
                let fields = object.fields.iter().map(|field| name(&field.name));
                let fields: Vec<_> = fields.collect();
                let fields = fields.join(", ");
                format!("(SELECT {fields} FROM {api_name} WHERE {filter}) AS {}", name(&own))
            }
        };
        self.here()?.tables.push(table);
        Ok(text)
    }

    fn used(&mut self, table: &str) {
        if !self.tables.iter().any(|used| used == table) {
            self.tables.push(table.to_owned());
        }
    }

    /// The columns of an object under a name of ours.
    fn object_table(&self, object: &Object, alias: Option<&Ident>, own: &str) -> Table {
        let display = self.world.names.object(object).to_owned();
        let names = match alias {
            Some(alias) => vec![alias.value.clone()],
            None => vec![display, object.name.clone(), object.plural.clone()],
        };
        Table { names, columns: self.object_columns(object, Some(own)) }
    }

    pub(super) fn object_columns(&self, object: &Object, own: Option<&str>) -> Vec<Column> {
        let one = |field: &outhaul_exports::catalog::Field| {
            let display = self.world.names.field(object, field).to_owned();
            // A masked value is text, whatever it was.
            let kind = if field.sensitive { Kind::Text } else { field.field_type.into() };
            let column = Column::of(own, vec![display, field.name.clone()], &field.name, kind);
            Column { starred: !field.optional, ..column }
        };
        object.fields.iter().map(one).collect()
    }

    /// The conditions that a table's rows must satisfy, over the table alone.
    fn filter(&self, display: &str, object: &Object) -> Result<Option<String>> {
        let of_table = self.filters.iter().filter(|(table, _)| table == display);
        let mut conditions = Vec::new();
        for (_, criteria) in of_table {
            let world = self.world;
            let condition = super::criteria(criteria, object, world.catalog, world.names)?;
            conditions.push(format!("({condition})"));
        }
        Ok((!conditions.is_empty()).then(|| conditions.join(" AND ")))
    }

    fn named_table(&mut self, named: &Named, alias: Option<&Ident>, at: &Ident) -> Result<String> {
        let own = self.next_name("t", at.span.into())?;
        let title = alias.map_or_else(|| named.name.clone(), |alias| alias.value.clone());
        let columns = made_columns(&named.columns, &own);
        let table = Table { names: vec![title], columns };
        self.here()?.tables.push(table);
        Ok(format!("{} AS {}", name(&named.own), name(&own)))
    }

    fn derived(&mut self, query: &Query, alias: Option<&TableAlias>) -> Result<String> {
        let alias = self.alias(alias)?;
        let at = query.span().into();
        let made = self.apart(at, |writer| writer.query(query, Naming::Own))?;
        let own = self.next_name("t", at)?;
        let title = alias.map_or_else(String::new, |alias| alias.value.clone());
        let table = Table { names: vec![title], columns: made_columns(&made.columns, &own) };
        self.here()?.tables.push(table);
        Ok(format!("({}) AS {}", made.text, name(&own)))
    }

    /// Writes a query that sees none of the tables around it.
    fn apart<T>(&mut self, at: Place, write: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let scopes = std::mem::take(&mut self.scopes);
        let clause = self.clause;
        let out = self.deeper(at, write);
        self.scopes = scopes;
        self.clause = clause;
        out
    }

    /// Writes the queries of a WITH, each of which may name those before it. Answers how many
    /// names there were before.
    pub(super) fn define(&mut self, with: &With) -> Result<usize> {
        let before = self.with.len();
        if with.recursive {
            return self.not_offered(with.with_token.0.span, "WITH RECURSIVE");
        }
        for table in &with.cte_tables {
            let at = &table.alias.name;
            let mut made =
                self.apart(at.span.into(), |writer| writer.query(&table.query, Naming::Own))?;
            let columns = &table.alias.columns;
            if !columns.is_empty() {
                if columns.len() != made.columns.len() {
                    let text = format!(
                        "{} columns are named, and the query has {}",
                        columns.len(),
                        made.columns.len()
                    );
                    return self.error(Mistake::NotOffered, at.span, text);
                }
                for (column, name) in made.columns.iter_mut().zip(columns) {
                    column.heading.clone_from(&name.name.value);
                }
            }
            let own = self.next_name("w ", at.span.into())?;
            self.definitions.push(format!("{} AS ({})", name(&own), made.text));
            self.with.push(Named { name: at.value.clone(), own, columns: made.columns });
        }
        Ok(before)
    }

    /// A saved query under a name of ours; written once.
    pub(super) fn saved_query(&mut self, at: usize, written: &Ident) -> Result<Named> {
        if let Some(named) = self.saved.get(&at) {
            return Ok(named.clone());
        }
        let Some((title, sql)) = self.world.saved.get(at).copied() else {
            return self.error(Mistake::Table, written.span, "There is no such query table");
        };
        if self.open.contains(&at) || self.open.len() >= SAVED_DEPTH_MAX {
            let text = format!(
                "The query table \"{}\" asks for itself, or for more than {SAVED_DEPTH_MAX} others \
                 behind each other",
                shown(title)
            );
            return self.error(Mistake::NotConvertible, written.span, text);
        }
        self.open.push(at);
        let with = std::mem::take(&mut self.with);
        let language = std::mem::replace(&mut self.language, Language::Statement);
        let made = self.apart(written.span.into(), |writer| {
            let tokens = Tokens::of(sql, Language::Statement)?;
            let query = tokens.query()?;
            writer.sourced(&tokens, |writer| writer.query(&query, Naming::Own))
        });
        self.language = language;
        self.with = with;
        self.open.pop();
        let made = made.or_else(|cause| {
            let text = format!("The query table \"{}\" cannot be read: {cause}", shown(title));
            self.error(Mistake::NotConvertible, written.span, text)
        })?;
        let own = self.next_name("w ", written.span.into())?;
        let mut text = made.text;
        let filters: Vec<_> = self.filters.iter().filter(|(table, _)| table == title).collect();
        if !filters.is_empty() {
            let columns = made_columns(&made.columns, "t");
            let table = Table { names: vec![title.to_owned()], columns };
            let mut conditions = Vec::new();
            for (_, criteria) in filters {
                let condition = self.criteria_over(criteria, table.clone())?;
                conditions.push(format!("({condition})"));
            }
            let conditions = conditions.join(" AND ");
            text = format!("SELECT * FROM ({text}) AS {} WHERE {conditions}", name("t"));
        }
        self.definitions.push(format!("{} AS ({text})", name(&own)));
        let named = Named { name: title.to_owned(), own, columns: made.columns };
        self.saved.insert(at, named.clone());
        Ok(named)
    }

    /// A criteria over a table of a query.
    pub(super) fn criteria_over(&self, text: &str, table: Table) -> Result<String> {
        super::condition_over(text, self.world, table)
    }
}

/// The columns of a written query under a name of ours.
fn made_columns(columns: &[Made], own: &str) -> Vec<Column> {
    let one = |(at, made): (usize, &Made)| {
        Column::of(Some(own), vec![made.heading.clone()], &format!("c{}", at + 1), made.kind)
    };
    columns.iter().enumerate().map(one).collect()
}
