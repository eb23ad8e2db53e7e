//! From expressions of a plan to SQL, where both mean exactly the same and neither can fail.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::{AggregateFunction, InList, Like};
use datafusion::logical_expr::{BinaryExpr, Case, Cast, Expr, Operator};
use datafusion::scalar::ScalarValue;

use super::super::sql;
use super::super::types::Form;
use super::query::{Same, Value};

/// What the columns of expressions are.
pub(super) struct Columns<'a> {
    pub(super) schema: &'a DFSchema,
    pub(super) values: &'a [Value],
}

/// How a value of this type is read, and where it compares as here; `None` for others.
pub(super) fn form_of(data_type: &DataType) -> Option<(Form, Same)> {
    Some(match data_type {
        DataType::Boolean => (Form::Bool, Same::Order),
        DataType::Int64 => (Form::Whole(8), Same::Order),
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            (Form::Decimal { precision: *precision, scale: *scale }, Same::Order)
        }
        DataType::Date32 => (Form::Date, Same::Order),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
            (Form::Timestamp, Same::Order)
        }
        DataType::Utf8View => (Form::Text, Same::Order),
        _ => return None,
    })
}

/// The type by which values of a form are written.
fn written(form: Form) -> Option<&'static str> {
    Some(match form {
        Form::Bool => "bool",
        Form::Whole(_) => "int8",
        Form::Decimal { .. } => "numeric",
        Form::Date => "date",
        Form::Timestamp => "timestamptz",
        Form::Text => "text",
        _ => return None,
    })
}

impl Columns<'_> {
    pub(super) fn value(&self, expr: &Expr) -> Option<Value> {
        match expr {
            Expr::Alias(alias) => self.value(&alias.expr),
            Expr::Column(column) => {
                let at = self.schema.maybe_index_of_column(column)?;
                Some(self.values[at].clone())
            }
            Expr::Literal(value, _) => literal(value),
            Expr::Cast(cast) => self.widened(cast),
            Expr::Case(case) => self.case(case),
            Expr::ScalarFunction(call) if call.func.name() == "coalesce" => {
                let values = call.args.iter().map(|arg| self.value(arg));
                let values = values.collect::<Option<Vec<_>>>()?;
                let same = alike(&values)?;
                let texts: Vec<_> = values.iter().map(|value| value.sql.as_str()).collect();
                Some(Value { sql: format!("COALESCE({})", texts.join(", ")), ..same })
            }
            _ => {
                let (form, same) = form_of(&DataType::Boolean)?;
                Some(Value { sql: self.condition(expr)?, form, same })
            }
        }
    }

    /// A truth value.
    pub(super) fn condition(&self, expr: &Expr) -> Option<String> {
        let of = |inner: &Expr, said: &str| Some(format!("({} {said})", self.value(inner)?.sql));
        match expr {
            Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_) => {
                let value = self.value(expr)?;
                (value.form == Form::Bool).then_some(value.sql)
            }
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: op @ (Operator::And | Operator::Or),
                right,
            }) => Some(format!("({} {op} {})", self.condition(left)?, self.condition(right)?)),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                compared(&self.value(left)?, *op, &self.value(right)?)
            }
            Expr::Not(inner) => Some(format!("(NOT {})", self.condition(inner)?)),
            Expr::IsNull(inner) => of(inner, "IS NULL"),
            Expr::IsNotNull(inner) => of(inner, "IS NOT NULL"),
            Expr::IsTrue(inner) => of(inner, "IS TRUE"),
            Expr::IsFalse(inner) => of(inner, "IS FALSE"),
            Expr::IsUnknown(inner) => of(inner, "IS UNKNOWN"),
            Expr::IsNotTrue(inner) => of(inner, "IS NOT TRUE"),
            Expr::IsNotFalse(inner) => of(inner, "IS NOT FALSE"),
            Expr::IsNotUnknown(inner) => of(inner, "IS NOT UNKNOWN"),
            Expr::Between(between) => {
                let (value, low) = (self.value(&between.expr)?, self.value(&between.low)?);
                let from = compared(&value, Operator::GtEq, &low)?;
                let to = compared(&value, Operator::LtEq, &self.value(&between.high)?)?;
                let not = if between.negated { "NOT " } else { "" };
                Some(format!("({not}({from} AND {to}))"))
            }
            Expr::InList(list) => self.listed(list),
            Expr::Like(like) => self.like(like),
            _ => None,
        }
    }

    fn listed(&self, list: &InList) -> Option<String> {
        let value = self.value(&list.expr)?;
        let any = list.list.iter().map(|item| compared(&value, Operator::Eq, &self.value(item)?));
        let any = any.collect::<Option<Vec<_>>>()?;
        let not = if list.negated { "NOT " } else { "" };
        (!any.is_empty()).then(|| format!("({not}({}))", any.join(" OR ")))
    }

    fn like(&self, like: &Like) -> Option<String> {
        let value = self.value(&like.expr)?;
        let pattern = self.value(&like.pattern)?;
        // A backslash at the wrong place is an error there and none here.
        let plain = matches!(&*like.pattern, Expr::Literal(p, _)
            if p.try_as_str().flatten().is_some_and(|p| !p.contains('\\')));
        let text = value.form == Form::Text && value.same == Same::Order;
        let not = if like.negated { "NOT " } else { "" };
        (plain && text && like.escape_char.is_none() && !like.case_insensitive)
            .then(|| format!("({} {not}LIKE {} COLLATE \"C\")", value.sql, pattern.sql))
    }

    fn case(&self, case: &Case) -> Option<Value> {
        if case.expr.is_some() {
            return None;
        }
        let mut text = String::from("CASE");
        let mut values = Vec::new();
        for (when, then) in &case.when_then_expr {
            let then = self.value(then)?;
            text += &format!(" WHEN {} THEN {}", self.condition(when)?, then.sql);
            values.push(then);
        }
        if let Some(other) = &case.else_expr {
            let other = self.value(other)?;
            text += &format!(" ELSE {}", other.sql);
            values.push(other);
        }
        Some(Value { sql: format!("({text} END)"), ..alike(&values)? })
    }

    /// A cast that only makes room.
    fn widened(&self, cast: &Cast) -> Option<Value> {
        let value = self.value(&cast.expr)?;
        let (form, same) = form_of(cast.field.data_type())?;
        let fits = match (value.form, form) {
            (from, to) if from == to => true,
            (
                Form::Decimal { precision, scale },
                Form::Decimal { precision: more, scale: finer },
            ) => finer >= scale && more.cast_signed() - finer >= precision.cast_signed() - scale,
            (Form::Whole(_), Form::Decimal { precision, scale }) => {
                precision.cast_signed() - scale >= 19
            }
            _ => false,
        };
        let same = same.min(value.same);
        let sql = if value.form == form { value.sql } else { format!("{}::numeric", value.sql) };
        fits.then_some(Value { sql, form, same })
    }

    /// An aggregate whose result is of this type.
    pub(super) fn aggregate(&self, call: &AggregateFunction, of: &DataType) -> Option<Value> {
        let (form, same) = form_of(of)?;
        let rest = &call.params;
        if rest.filter.is_some() || !rest.order_by.is_empty() || rest.null_treatment.is_some() {
            return None;
        }
        let [arg] = rest.args.as_slice() else { return None };
        let name = call.func.name();
        let distinct = if rest.distinct { "DISTINCT " } else { "" };
        if name == "count" && matches!(arg, Expr::Literal(value, _) if !value.is_null()) {
            return (!rest.distinct).then(|| Value { sql: "count(*)".into(), form, same });
        }
        let value = self.value(arg)?;
        let sql = match name {
            "count" if value.same >= Same::Equality || !rest.distinct => {
                format!("count({distinct}{})", value.sql)
            }
            "min" | "max" if value.same == Same::Order && value.form == form => match form {
                // There is no least truth value.
                Form::Bool => return None,
                Form::Text => format!("{name}({})", value.ordered()),
                _ => format!("{name}({})", value.sql),
            },
            "sum" if matches!(value.form, Form::Whole(_) | Form::Decimal { .. }) => {
                let to = written(form)?;
                format!("sum({distinct}{})::{to}", value.sql)
            }
            _ => return None,
        };
        Some(Value { sql, form, same })
    }
}

/// A comparison of two values that are alike.
pub(super) fn compared(left: &Value, op: Operator, right: &Value) -> Option<String> {
    let least = left.same.min(right.same);
    let alike = is_alike(left.form, right.form);
    match op {
        Operator::Eq | Operator::NotEq if alike && least >= Same::Equality => {
            Some(format!("({} {op} {})", left.sql, right.sql))
        }
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
            if alike && least == Same::Order =>
        {
            Some(format!("({} {op} {})", left.sql, right.ordered()))
        }
        Operator::IsDistinctFrom | Operator::IsNotDistinctFrom
            if alike && least >= Same::Equality =>
        {
            Some(format!("({} {op} {})", left.sql, right.sql))
        }
        _ => None,
    }
}

/// Whether values of both forms compare as values of one type.
fn is_alike(left: Form, right: Form) -> bool {
    let decimal = |form| matches!(form, Form::Decimal { .. });
    left == right
        || decimal(left) && decimal(right)
        || matches!((left, right), (Form::Whole(_), Form::Whole(_)))
}

/// What several values have in common, where they are of one form.
fn alike(values: &[Value]) -> Option<Value> {
    let first = values.first()?;
    let least = values.iter().map(|value| value.same).min()?;
    let one = values.iter().all(|value| value.form == first.form);
    one.then(|| Value { sql: String::new(), form: first.form, same: least })
}

fn literal(value: &ScalarValue) -> Option<Value> {
    let (form, same) = form_of(&value.data_type())?;
    let to = written(form)?;
    let text = match value.try_as_str() {
        _ if value.is_null() => "NULL".to_owned(),
        Some(text) => sql::text(text?)?,
        None => sql::literal(value)?,
    };
    Some(Value { sql: format!("{text}::{to}"), form, same })
}
