//! The functions of MySQL in the engine's words.
//!
//! Each is written so that it answers what MySQL answers, which is often not what the engine's
//! function of that name does: `concat` with a null is null, `length` counts bytes, the days of a
//! week begin with Sunday. What the engine has no means for is refused by name.

mod aggregates;
mod dates;
mod numbers;
mod texts;

use sqlparser::ast::{
    CastKind, CeilFloorKind, DataType, DateTimeField, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, ObjectName, ObjectNamePart, Spanned,
    TrimWhereField,
};

use super::error::{Mistake, Place, Result, SqlError, candidates, shown};
use super::value::{Kind, Value};
use super::writer::Writer;

/// Every function that is known, for those who misspell one.
const NAMES: &[&str] = &[
    "abs",
    "adddate",
    "avg",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "concat_ws",
    "convert",
    "count",
    "curdate",
    "current_date",
    "current_timestamp",
    "date",
    "date_add",
    "date_format",
    "date_sub",
    "datediff",
    "day",
    "dayname",
    "dayofmonth",
    "dayofweek",
    "dayofyear",
    "exp",
    "extract",
    "floor",
    "from_unixtime",
    "greatest",
    "group_concat",
    "hour",
    "if",
    "ifnull",
    "instr",
    "isnull",
    "last_day",
    "lcase",
    "least",
    "left",
    "length",
    "ln",
    "locate",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "max",
    "mid",
    "min",
    "minute",
    "mod",
    "month",
    "monthname",
    "now",
    "nullif",
    "nvl",
    "pi",
    "pow",
    "power",
    "quarter",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "second",
    "sign",
    "sqrt",
    "std",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "str_to_date",
    "subdate",
    "substr",
    "substring",
    "sum",
    "sysdate",
    "time_to_sec",
    "timestamp",
    "timestampdiff",
    "to_days",
    "trim",
    "truncate",
    "ucase",
    "unix_timestamp",
    "upper",
    "utc_timestamp",
    "var_pop",
    "var_samp",
    "variance",
    "week",
    "weekday",
    "weekofyear",
    "year",
];

/// A call, with its arguments as they were read.
pub(super) struct Call<'e> {
    /// In lower case.
    name: String,
    at: Place,
    args: Vec<&'e Expr>,
}

impl Call<'_> {
    fn count(&self, writer: &Writer<'_>, least: usize, most: usize) -> Result<()> {
        if (least..=most).contains(&self.args.len()) {
            return Ok(());
        }
        let wanted = match (least, most) {
            (one, same) if one == same => format!("{one}"),
            (least, usize::MAX) => format!("{least} or more"),
            (least, most) => format!("{least} to {most}"),
        };
        let noun = if wanted == "1" { "argument" } else { "arguments" };
        let text = format!("{} takes {wanted} {noun}, not {}", self.name, self.args.len());
        writer.error(Mistake::NotOffered, self.at, text)
    }
}

impl Writer<'_> {
    /// What is written with a name and brackets, whatever the parser makes of it.
    pub(super) fn call(&mut self, expr: &Expr) -> Result<Value> {
        let own =
            |name: &str, args: Vec<_>| Call { name: name.to_owned(), at: expr.span().into(), args };
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::Ceil {
                expr: inner,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.scalar(&own("ceil", vec![inner])),
            Expr::Floor {
                expr: inner,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.scalar(&own("floor", vec![inner])),
            Expr::Position { expr: inner, r#in } => self.scalar(&own("locate", vec![inner, r#in])),
            Expr::Substring { expr: inner, substring_from: Some(from), substring_for, .. } => {
                let mut args = vec![inner.as_ref(), from];
                args.extend(substring_for.as_deref());
                self.scalar(&own("substring", args))
            }
            Expr::Trim { trim_where, trim_what, expr: inner, trim_characters: None } => {
                let function = match trim_where {
                    None | Some(TrimWhereField::Both) => "btrim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                self.trimmed(function, inner, trim_what.as_deref())
            }
            Expr::Extract { field, expr: inner, .. } => {
                self.scalar(&own(&field.to_string().to_lowercase(), vec![inner]))
            }
            Expr::Cast {
                kind: CastKind::Cast,
                expr: inner,
                data_type,
                array: false,
                format: None,
            } => self.cast(inner, data_type, expr),
            Expr::Convert {
                is_try: false,
                expr: inner,
                data_type: Some(data_type),
                charset: None,
                styles,
                ..
            } if styles.is_empty() => self.cast(inner, data_type, expr),
            Expr::TypedString(typed) => self.typed(typed),
            Expr::Interval(_) => self.not_offered(
                expr.span(),
                "An INTERVAL that is not added to a date or taken from one",
            ),
            Expr::Tuple(_) => self.not_offered(expr.span(), "A list of values in brackets"),
            Expr::Collate { .. } => self.not_offered(expr.span(), "COLLATE"),
            other => {
                let text = shown(&other.to_string());
                self.error(Mistake::NotOffered, expr.span(), format!("This is not offered: {text}"))
            }
        }
    }

    fn function(&mut self, function: &Function) -> Result<Value> {
        let (name, at) = self.function_name(&function.name)?;
        let plain = function.over.is_none()
            && function.filter.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty()
            && !function.uses_odbc_syntax
            && matches!(function.parameters, FunctionArguments::None);
        if !plain {
            let what = "OVER, FILTER or WITHIN GROUP";
            return self.not_offered(at, what);
        }
        let none =
            FunctionArgumentList { duplicate_treatment: None, args: vec![], clauses: vec![] };
        let list = match &function.args {
            FunctionArguments::None => &none,
            FunctionArguments::List(list) => list,
            FunctionArguments::Subquery(_) => {
                return self.not_offered(at, "A sub-query as an argument");
            }
        };
        if list.args.len() > ARGUMENTS_MAX {
            let text = format!("{name} has more than {ARGUMENTS_MAX} arguments");
            return self.error(Mistake::NotConvertible, at, text);
        }
        if aggregates::is_one(&name) {
            return self.aggregate(&name, at, list);
        }
        if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
            return self.not_offered(at, &format!("DISTINCT or a clause in {name}"));
        }
        let args = self.plain_args(&name, at, list)?;
        self.scalar(&Call { name, at, args })
    }

    fn function_name(&self, name: &ObjectName) -> Result<(String, Place)> {
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(part)] => {
                Ok((part.value.to_ascii_lowercase(), part.span.into()))
            }
            _ => {
                let text = format!("There is no function {}", shown(&name.to_string()));
                self.error(Mistake::NotOffered, name.span(), text)
            }
        }
    }

    fn plain_args<'e>(
        &self,
        name: &str,
        at: Place,
        list: &'e FunctionArgumentList,
    ) -> Result<Vec<&'e Expr>> {
        let plain = |arg: &'e FunctionArg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            _ => self.not_offered(at, &format!("A * or a named argument in {name}")),
        };
        list.args.iter().map(plain).collect()
    }

    /// A function over one row.
    fn scalar(&mut self, call: &Call<'_>) -> Result<Value> {
        for family in [Self::date_function, Self::text_function, Self::number_function] {
            if let Some(value) = family(self, call)? {
                return Ok(value);
            }
        }
        match call.name.as_str() {
            "coalesce" | "ifnull" | "nvl" => {
                let (least, most) = if call.name == "coalesce" { (1, usize::MAX) } else { (2, 2) };
                call.count(self, least, most)?;
                let mut values = self.exprs(call.args.iter().copied())?;
                let kind = self.common(&mut values);
                Ok(engine_call("coalesce", &values, kind))
            }
            "nullif" => {
                call.count(self, 2, 2)?;
                let first = self.expr(call.args[0])?;
                let second = self.expr(call.args[1])?;
                let second = second.beside(first.kind);
                let second = second.map_err(|text| self.refused(call.args[1], text))?;
                let kind = first.kind;
                Ok(engine_call("nullif", &[first, second], kind))
            }
            "if" | "iif" => {
                call.count(self, 3, 3)?;
                let condition = self.condition(call.args[0])?;
                let mut values = self.exprs(call.args[1..].iter().copied())?;
                let kind = self.common(&mut values);
                let text = format!(
                    "CASE WHEN {} THEN {} ELSE {} END",
                    condition.text, values[0].text, values[1].text
                );
                values.push(condition);
                Ok(Value::atom(text, kind).made_of(&values))
            }
            "isnull" => {
                call.count(self, 1, 1)?;
                let value = self.expr(call.args[0])?;
                let text = format!("({} IS NULL)", value.operand());
                Ok(Value::atom(text, Kind::Boolean).made_of([&value]))
            }
            name => {
                let near = candidates(name, NAMES.iter().copied());
                let text = format!("The function {} is not offered{near}", shown(name));
                self.error(Mistake::NotOffered, call.at, text)
            }
        }
    }

    // Types.

    fn cast(&mut self, inner: &Expr, to: &DataType, whole: &Expr) -> Result<Value> {
        let value = self.expr(inner)?;
        Ok(match to {
            DataType::Signed
            | DataType::SignedInteger
            | DataType::Unsigned
            | DataType::UnsignedInteger
            | DataType::Int(_)
            | DataType::Integer(_)
            | DataType::BigInt(_)
            | DataType::SmallInt(_)
            | DataType::TinyInt(_) => {
                // MySQL rounds where the engine would cut.
                let value = self.fit(value, Kind::Decimal, inner)?;
                let cast = match value.kind {
                    Kind::Decimal | Kind::Float => format!("CAST(round({}) AS BIGINT)", value.text),
                    _ => format!("CAST({} AS BIGINT)", value.text),
                };
                Value::atom(cast, Kind::Integer).made_of([&value])
            }
            DataType::Decimal(info) | DataType::Dec(info) | DataType::Numeric(info) => {
                let (precision, scale) = match info {
                    ExactNumberInfo::None => (10, 0),
                    ExactNumberInfo::Precision(precision) => (*precision, 0),
                    ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
                };
                if !(1..=38).contains(&precision) || !(0..=precision.cast_signed()).contains(&scale)
                {
                    let text = "A decimal has 1 to 38 digits, and no more of them behind the point";
                    return Err(self.refused(whole, text));
                }
                let value = self.fit(value, Kind::Decimal, inner)?;
                let text = format!("CAST({} AS DECIMAL({precision}, {scale}))", value.text);
                Value::atom(text, Kind::Decimal).made_of([&value])
            }
            DataType::Float(_)
            | DataType::Double(_)
            | DataType::DoublePrecision
            | DataType::Real => {
                let value = self.fit(value, Kind::Float, inner)?;
                Value::atom(format!("CAST({} AS DOUBLE)", value.text), Kind::Float)
                    .made_of([&value])
            }
            DataType::Char(length)
            | DataType::Varchar(length)
            | DataType::Nvarchar(length)
            | DataType::CharVarying(length)
            | DataType::Character(length)
            | DataType::CharacterVarying(length) => {
                let text = self.as_text(value);
                match length {
                    None => text,
                    Some(length) => {
                        let length = length.to_string();
                        let length: u32 = length.parse().map_err(|_| {
                            self.refused(whole, "The length of the text is no number")
                        })?;
                        Value::atom(format!("left({}, {length})", text.text), Kind::Text)
                            .made_of([&text])
                    }
                }
            }
            DataType::Text | DataType::String(None) => self.as_text(value),
            DataType::Date => self.as_date(value, inner)?,
            DataType::Datetime(_) | DataType::Timestamp(..) => self.as_timestamp(value, inner)?,
            DataType::Boolean | DataType::Bool => {
                let value = self.fit(value, Kind::Boolean, inner)?;
                Value::atom(format!("CAST({} AS BOOLEAN)", value.text), Kind::Boolean)
                    .made_of([&value])
            }
            other => {
                let text = format!("The type {}", shown(&other.to_string()));
                return self.not_offered(whole.span(), &text);
            }
        })
    }

    /// A literal as a value of a kind; other values as they are.
    fn fit(&self, value: Value, kind: Kind, expr: &Expr) -> Result<Value> {
        value.beside(kind).map_err(|text| self.refused(expr, text))
    }

    /// A value as MySQL shows it.
    pub(super) fn as_text(&self, value: Value) -> Value {
        let text = match value.kind {
            Kind::Text => return value,
            Kind::Unknown if value.literal.is_some() => return value,
            Kind::Date => format!("to_char({}, '%Y-%m-%d')", value.text),
            Kind::Timestamp => format!("to_char({}, '%Y-%m-%d %H:%M:%S')", value.text),
            Kind::Boolean => {
                format!("CASE WHEN {0} THEN '1' WHEN NOT ({0}) THEN '0' END", value.text)
            }
            _ => format!("CAST({} AS VARCHAR)", value.text),
        };
        Value::atom(text, Kind::Text).made_of([&value])
    }

    fn wrong_constant(&self, expr: &Expr, name: &str, what: &str) -> SqlError {
        self.language.error(Mistake::NotOffered, expr.span(), format!("{name}: {what}"))
    }
}

/// Arguments of one function.
const ARGUMENTS_MAX: usize = 200;

/// A call of a function of the engine's.
fn engine_call(name: &str, args: &[Value], kind: Kind) -> Value {
    let texts: Vec<_> = args.iter().map(|arg| arg.text.as_str()).collect();
    Value::atom(format!("{name}({})", texts.join(", ")), kind).made_of(args)
}
