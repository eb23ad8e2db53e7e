//! Names and functions of a query, looked up in the catalog and given their types.
//!
//! Names match in any case and come back in the catalog's. A data source is one object and what
//! its relations to single rows lead to, under the names of the relations (Zuora documentation,
//! "Export ZOQL": `BillToContact`, not `Contact`); the object's own fields may carry its name in
//! front. A name that is unknown is reported as the user wrote it.

use outhaul_exports::catalog::{Cardinality, FieldType, Object, hint};
use outhaul_exports::query;

use super::ast::{Aggregate, DateFunction, Expr, ExprKind, Name, Path};
use crate::zuora::zoql::scope::{
    Found, Scope, Typed, has_order, no_such_field, sensitive, type_name,
};
use crate::zuora::zoql::{Position, ZoqlError, ZoqlErrorKind};

type Result<T> = std::result::Result<T, ZoqlError>;

impl<'a> Scope<'a> {
    /// The object behind the name before a dot, and the relations that lead to it.
    pub fn object(&self, name: &Name) -> Result<(&'a Object, Vec<String>, &'a str)> {
        if name.value.eq_ignore_ascii_case(&self.base.name) {
            return Ok((self.base, Vec::new(), &self.base.name));
        }
        self.joined(name)?.ok_or_else(|| {
            let near = hint(&name.value, self.base.relations.iter().map(|r| r.name.as_str()));
            no_such_field(name.at, &format!("{}.*", name.value), &near)
        })
    }

    fn joined(&self, name: &Name) -> Result<Option<(&'a Object, Vec<String>, &'a str)>> {
        let Some(relation) = self.base.relation(&name.value) else {
            return Ok(None);
        };
        if relation.cardinality == Cardinality::ToMany {
            let message = format!(
                "{} leads from one row to many and cannot be joined: select from {} instead",
                relation.name, relation.target
            );
            return Err(ZoqlError::new(ZoqlErrorKind::NoSuchField, name.at, message));
        }
        let target = self.catalog.object(&relation.target).map(AsRef::as_ref);
        Ok(target.map(|target| (target, vec![relation.name.clone()], relation.name.as_str())))
    }

    /// The field that a path names.
    pub fn field(&self, path: &Path) -> Result<Found<'a>> {
        let (at, written) = written(path);
        match path.0.as_slice() {
            [name] => self
                .base
                .field(&name.value)
                .map(|field| self.own(field))
                .ok_or_else(|| no_such_field(at, &written, &self.own_hint(&name.value))),
            [object, name] => self.qualified(object, name, &written),
            _ => {
                let advice = " (a field is written Field or Object.Field, with one dot at most)";
                Err(no_such_field(at, &written, advice))
            }
        }
    }

    fn qualified(&self, object: &Name, name: &Name, written: &str) -> Result<Found<'a>> {
        let is_base = object.value.eq_ignore_ascii_case(&self.base.name);
        if is_base && let Some(field) = self.base.field(&name.value) {
            return Ok(self.own(field));
        }
        match self.joined(object)? {
            Some((target, relations, relation)) => match target.field(&name.value) {
                Some(field) => Ok(Found {
                    field,
                    path: query::Path { relations, field: field.name.clone() },
                    label: format!("{relation}.{}", field.name),
                }),
                None => {
                    let near = hint(&name.value, target.fields.iter().map(|f| f.name.as_str()));
                    Err(no_such_field(object.at, written, &near))
                }
            },
            None if is_base => Err(no_such_field(object.at, written, &self.own_hint(&name.value))),
            None => {
                let near = hint(&object.value, self.base.relations.iter().map(|r| r.name.as_str()));
                Err(no_such_field(object.at, written, &near))
            }
        }
    }

    /// An expression of the select list, where a sensitive field may stand alone.
    pub fn selected(&self, expr: &Expr) -> Result<Typed> {
        match &expr.value {
            ExprKind::Field(path) => Ok(Typed::from(self.field(path)?)),
            ExprKind::CountAll => Ok(Typed {
                expr: aggregate(Aggregate::Count, false, None),
                field_type: FieldType::Integer,
                label: "count(*)".to_owned(),
                sensitive: false,
            }),
            ExprKind::Aggregate { function, distinct, field } => {
                self.aggregate(expr.at, *function, *distinct, field)
            }
            ExprKind::DatePart { function, field } => self.date_part(expr.at, *function, field),
        }
    }

    /// An expression of any other clause, where no sensitive field may stand.
    pub fn searched(&self, expr: &Expr, clause: &str) -> Result<Typed> {
        let typed = self.selected(expr)?;
        if typed.sensitive {
            return Err(sensitive(expr.at, &typed.label, clause));
        }
        Ok(typed)
    }

    fn aggregate(
        &self,
        at: Position,
        function: Aggregate,
        distinct: bool,
        field: &Path,
    ) -> Result<Typed> {
        let of = Typed::from(self.field(field)?);
        let name = function.name();
        if of.sensitive {
            return Err(sensitive(written(field).0, &of.label, name));
        }
        let fits = match function {
            Aggregate::Count => true,
            Aggregate::Sum | Aggregate::Avg => of.field_type.is_numeric(),
            Aggregate::Min | Aggregate::Max => has_order(of.field_type),
        };
        if !fits {
            let wanted = match function {
                Aggregate::Sum | Aggregate::Avg => "numbers",
                _ => "numbers, texts, dates and datetimes",
            };
            let message = format!(
                "{name} works on {wanted}, and {} is a {}",
                of.label,
                type_name(of.field_type)
            );
            return Err(ZoqlError::new(ZoqlErrorKind::Type, at, message));
        }
        let field_type = match function {
            Aggregate::Count => FieldType::Integer,
            // A mean of whole numbers is seldom whole.
            Aggregate::Avg if of.field_type == FieldType::Integer => FieldType::Decimal,
            _ => of.field_type,
        };
        let distinct_text = if distinct { "distinct " } else { "" };
        Ok(Typed {
            expr: aggregate(function, distinct, Some(of.expr)),
            field_type,
            label: format!("{name}({distinct_text}{})", of.label),
            sensitive: false,
        })
    }

    fn date_part(&self, at: Position, function: DateFunction, field: &Path) -> Result<Typed> {
        let of = Typed::from(self.field(field)?);
        let name = function.name();
        if of.sensitive {
            return Err(sensitive(written(field).0, &of.label, name));
        }
        if !matches!(of.field_type, FieldType::Date | FieldType::Timestamp) {
            let message = format!(
                "{name} works on dates and datetimes, and {} is a {}",
                of.label,
                type_name(of.field_type)
            );
            return Err(ZoqlError::new(ZoqlErrorKind::Type, at, message));
        }
        let (part, field_type) = match function {
            DateFunction::Date => (query::DatePart::Date, FieldType::Date),
            DateFunction::Year => (query::DatePart::Year, FieldType::Integer),
            DateFunction::Month => (query::DatePart::Month, FieldType::Integer),
            DateFunction::Quarter => (query::DatePart::Quarter, FieldType::Integer),
            // The documentation does not tell the two apart; both count as ISO 8601 does.
            DateFunction::Week | DateFunction::WeekOfYear => {
                (query::DatePart::Week, FieldType::Integer)
            }
        };
        Ok(Typed {
            expr: self.part(part, of.expr),
            field_type,
            label: format!("{name}({})", of.label),
            sensitive: false,
        })
    }

    /// A part of a date, on the tenant's calendar.
    pub fn part(&self, part: query::DatePart, of: query::Expr) -> query::Expr {
        query::Expr::DatePart {
            part,
            of: Box::new(of),
            zone: self.zones.calendar.name().to_owned(),
        }
    }
}

fn aggregate(function: Aggregate, distinct: bool, of: Option<query::Expr>) -> query::Expr {
    let function = match function {
        Aggregate::Count => query::Aggregate::Count,
        Aggregate::Sum => query::Aggregate::Sum,
        Aggregate::Avg => query::Aggregate::Avg,
        Aggregate::Min => query::Aggregate::Min,
        Aggregate::Max => query::Aggregate::Max,
    };
    query::Expr::Aggregate { function, distinct, of: of.map(Box::new) }
}

/// The path as it was written, and where.
fn written(path: &Path) -> (Position, String) {
    (path.0.first().map_or(Position::START, |name| name.at), path.to_string())
}
