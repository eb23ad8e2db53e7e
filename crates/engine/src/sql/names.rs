//! Binds the names of a statement to the catalog.
//!
//! Names mean the same in any case, quoted or not: the planner only ever sees lower case, and the
//! headings are what the text says or what the catalog says. A table is an object by its name or
//! its plural; `*` is the object's fields without the optional ones.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableAlias, TableFactor,
    TableWithJoins, VisitMut, VisitorMut,
};
use outhaul_exports::catalog::{Catalog, Object};
use outhaul_exports::{Error, ErrorKind, Result};

use super::canonical;

/// What the statement asks for.
pub(super) struct Bound {
    pub(super) objects: Vec<Arc<Object>>,
    pub(super) labels: Option<Vec<String>>,
}

pub(super) fn bind(statement: &mut Statement, catalog: &Catalog) -> Result<Bound> {
    let labels = labels(statement);
    let mut binder = Binder { catalog, with: Vec::new(), objects: Vec::new() };
    if let ControlFlow::Break(error) = statement.visit(&mut binder) {
        return Err(error);
    }
    let objects = binder.objects;
    let canonical = canonical(&objects);
    // What `*` stands for is known only now.
    let labels = match labels {
        Some(labels) => Some(labels),
        None => self::labels(statement),
    };
    let labels = labels.map(|labels| labels.into_iter().map(|label| label.text(&canonical)));
    Ok(Bound { objects, labels: labels.map(Iterator::collect) })
}

/// The heading of one column.
enum Label {
    /// As the text says.
    Said(String),
    /// The name of a field, as the catalog writes it.
    Field(String),
}

impl Label {
    fn text(self, canonical: &HashMap<String, String>) -> String {
        match self {
            Self::Said(text) => text,
            Self::Field(name) => canonical.get(&name.to_ascii_lowercase()).cloned().unwrap_or(name),
        }
    }
}

/// The headings of the statement's columns; `None` while a `*` stands for some of them.
fn labels(statement: &Statement) -> Option<Vec<Label>> {
    let Statement::Query(query) = statement else { return None };
    let mut body = query.body.as_ref();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::Query(query) => body = query.body.as_ref(),
            SetExpr::SetOperation { left, .. } => body = left.as_ref(),
            _ => return None,
        }
    };
    let label = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(Label::Said(alias.value.clone())),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(Label::Field(name.value.clone())),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => {
            names.last().map(|name| Label::Field(name.value.clone()))
        }
        SelectItem::UnnamedExpr(expr) => {
            Some(Label::Said(expr.to_string().chars().take(128).collect()))
        }
        _ => None,
    };
    select.projection.iter().map(label).collect()
}

struct Binder<'a> {
    catalog: &'a Catalog,
    /// Names given by WITH, by the queries that are open.
    with: Vec<HashSet<String>>,
    objects: Vec<Arc<Object>>,
}

fn fold(name: &mut Ident) {
    name.value.make_ascii_lowercase();
}

fn fold_alias(alias: &mut TableAlias) {
    fold(&mut alias.name);
    for column in &mut alias.columns {
        fold(&mut column.name);
    }
}

fn fold_name(name: &mut ObjectName) {
    for part in &mut name.0 {
        if let ObjectNamePart::Identifier(part) = part {
            fold(part);
        }
    }
}

impl VisitorMut for Binder<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let mut names = HashSet::new();
        for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            fold_alias(&mut table.alias);
            names.insert(table.alias.name.value.clone());
        }
        self.with.push(names);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.with.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let Err(error) = self.expand(select) {
            return ControlFlow::Break(error);
        }
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => fold(alias),
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => fold_name(name),
                _ => {}
            }
        }
        for window in &mut select.named_window {
            fold(&mut window.0);
        }
        for table in &mut select.from {
            fold_using(table);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
        match table {
            TableFactor::Table { name, alias, .. } => match self.bind_table(name, alias) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            },
            TableFactor::Derived { alias, .. } => {
                alias.iter_mut().for_each(fold_alias);
                ControlFlow::Continue(())
            }
            TableFactor::NestedJoin { alias, table_with_joins } => {
                alias.iter_mut().for_each(fold_alias);
                fold_using(table_with_joins);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Identifier(name) => fold(name),
            Expr::CompoundIdentifier(names) => names.iter_mut().for_each(fold),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn fold_using(table: &mut TableWithJoins) {
    for join in &mut table.joins {
        if let JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) = &mut join.join_operator
            && let JoinConstraint::Using(names) = constraint
        {
            names.iter_mut().for_each(fold_name);
        }
    }
}

impl Binder<'_> {
    fn is_with(&self, name: &str) -> bool {
        self.with.iter().any(|names| names.contains(name))
    }

    /// The object that a table's name means; `None` for a name given by WITH.
    fn object(&self, name: &ObjectName) -> Result<Option<Arc<Object>>> {
        let unknown = || {
            let name = name.to_string();
            let text = format!("there is no object named {name}");
            Error::new(ErrorKind::UnknownObject { name }, text)
        };
        let [ObjectNamePart::Identifier(part)] = name.0.as_slice() else { return Err(unknown()) };
        if self.is_with(&part.value.to_ascii_lowercase()) {
            return Ok(None);
        }
        if let Some(object) = self.catalog_object(name) {
            return Ok(Some(object));
        }
        self.catalog.require(&part.value).map(|object| Some(Arc::clone(object)))
    }

    fn bind_table(&mut self, name: &mut ObjectName, alias: &mut Option<TableAlias>) -> Result<()> {
        let object = self.object(name)?;
        alias.iter_mut().for_each(fold_alias);
        let Some(object) = object else {
            fold_name(name);
            // Before the query of that name is planned, the name still means the object.
            if let Some(object) = self.catalog_object(name) {
                self.offer(object);
            }
            return Ok(());
        };
        if alias.is_none()
            && let Some(ObjectNamePart::Identifier(written)) = name.0.first()
        {
            // Columns are qualified by the name as it was written, singular or plural.
            let mut written = written.clone();
            fold(&mut written);
            *alias = Some(TableAlias { explicit: true, name: written, columns: vec![], at: None });
        }
        *name = ObjectName::from(vec![Ident::with_quote('"', object.name.to_ascii_lowercase())]);
        self.offer(object);
        Ok(())
    }

    fn offer(&mut self, object: Arc<Object>) {
        if !self.objects.iter().any(|known| known.name == object.name) {
            self.objects.push(object);
        }
    }

    fn catalog_object(&self, name: &ObjectName) -> Option<Arc<Object>> {
        let [ObjectNamePart::Identifier(part)] = name.0.as_slice() else { return None };
        let plural = self.catalog.object_by_plural(&part.value);
        plural.or_else(|| self.catalog.object(&part.value)).map(Arc::clone)
    }

    /// Writes out what `*` stands for, where it stands for objects' fields.
    fn expand(&self, select: &mut Select) -> Result<()> {
        let mut tables = Vec::new();
        for table in &select.from {
            if table.joins.iter().any(|join| merges_columns(&join.join_operator)) {
                // Shared columns stand in a `*` only once: that is the planner's to say.
                return Ok(());
            }
            let joined = table.joins.iter().map(|join| &join.relation);
            for factor in std::iter::once(&table.relation).chain(joined) {
                tables.push(self.columns_of(factor)?);
            }
        }
        let mut items = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            match &item {
                SelectItem::Wildcard(_) => {
                    if tables.iter().all(Option::is_some) {
                        items.extend(tables.iter().flatten().flat_map(|(_, items)| items.clone()));
                    } else {
                        items.push(item);
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let wanted = name.to_string().replace('"', "").to_ascii_lowercase();
                    match tables.iter().flatten().find(|(alias, _)| *alias == wanted) {
                        Some((_, found)) => items.extend(found.clone()),
                        None => items.push(item),
                    }
                }
                _ => items.push(item),
            }
        }
        select.projection = items;
        Ok(())
    }

    /// The name of a table in its query, and its columns; `None` for what is no object.
    fn columns_of(&self, factor: &TableFactor) -> Result<Option<(String, Vec<SelectItem>)>> {
        let TableFactor::Table { name, alias, .. } = factor else { return Ok(None) };
        let Some(object) = self.object(name)? else { return Ok(None) };
        let alias = match alias {
            Some(alias) if alias.columns.is_empty() => alias.name.value.to_ascii_lowercase(),
            Some(_) => return Ok(None),
            None => name.to_string().replace('"', "").to_ascii_lowercase(),
        };
        let items = object.default_fields().map(|field| {
            let names = [alias.clone(), field.name.to_ascii_lowercase()];
            let names = names.map(|name| Ident::with_quote('"', name));
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names.to_vec()))
        });
        let items = items.collect();
        Ok(Some((alias, items)))
    }
}

fn merges_columns(operator: &JoinOperator) -> bool {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => {
            matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
        }
        JoinOperator::CrossJoin(_) => false,
        // Of a semi-join only one side's columns are seen.
        _ => true,
    }
}
