//! Values of the neutral query as expressions.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Column as Name;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions::datetime::expr_fn::{date_part, to_local_time};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, cast, lit, when};
use datafusion::scalar::ScalarValue;
use outhaul_exports::query::{Aggregate, DatePart, Expr as Value, Literal, Path};
use outhaul_exports::{Error, ErrorKind, Result};

use super::number::Number;
use super::without::without;
use super::{Scope, named, unchecked};
use crate::error::planning;
use crate::exact;
use crate::guard::DELETED;

impl Scope<'_> {
    /// A value over the rows of the plan, or over its groups where it has been grouped.
    pub(super) fn value(&self, value: &Value) -> Result<Expr> {
        if let Some(groups) = &self.groups {
            if let Some(at) = groups.keys.iter().position(|key| key == value) {
                return Ok(named("g", at));
            }
            if let Some(at) = groups.aggregates.iter().position(|call| call == value) {
                return Ok(named("a", at));
            }
        }
        match value {
            Value::Field(path) if self.groups.is_none() => self.field(path),
            Value::Field(_) => Err(unchecked("a field that is not grouped")),
            Value::Literal(value) => Ok(Expr::Literal(literal(value)?, None)),
            Value::Aggregate { .. } => Err(unchecked("an aggregate in a condition on rows")),
            Value::DatePart { part, of, zone } => self.date_part(*part, of, zone),
            Value::Convert { amount, currency, to, rates } => {
                self.convert(amount, currency, to, rates)
            }
            Value::Coalesce(list) => {
                let list =
                    list.iter().map(|value| self.value(value)).collect::<Result<Vec<_>>>()?;
                Ok(coalesce(list))
            }
            Value::JsonWithout { of, keys } => {
                let field = self.field(of)?;
                match self.type_of(&field)? {
                    DataType::Utf8View => {
                        let object = &self.guards[0].object().name;
                        Ok(without(field, object, &of.to_string(), keys))
                    }
                    _ => {
                        let text = "members of a nested value cannot be left out one by one";
                        Err(Error::new(ErrorKind::Unsupported, text))
                    }
                }
            }
            Value::IsDeleted => {
                let known = self.guards[0].object().deleted_column.is_some();
                let column = Expr::Column(Name::new(Some(self.joins.base_alias()), DELETED));
                // Not `IS TRUE`, which a plan says is never missing and its operator that it may be.
                Ok(if known { coalesce(vec![column, lit(false)]) } else { lit(false) })
            }
            Value::AsNumber(of) => Ok(cast(self.value(of)?, DataType::Int64)),
        }
    }

    fn field(&self, path: &Path) -> Result<Expr> {
        let at = self.joins.position(&path.relations).ok_or_else(|| unchecked("a path"))?;
        let object = self.guards[at].object();
        let field = object.require_field(&path.field)?;
        Ok(Expr::Column(Name::new(Some(self.joins.alias(at)), &field.name)))
    }

    pub(super) fn type_of(&self, value: &Expr) -> Result<DataType> {
        value.get_type(self.schema.as_ref()).map_err(planning)
    }

    fn date_part(&self, part: DatePart, of: &Value, zone: &str) -> Result<Expr> {
        let of = self.value(of)?;
        // A calendar date is the same everywhere; a moment is read in the zone.
        let local = match self.type_of(&of)? {
            DataType::Date32 => of,
            DataType::Timestamp(unit, _) => {
                let zone = DataType::Timestamp(unit, Some(check_zone(zone)?.into()));
                to_local_time(vec![cast(of, zone)])
            }
            DataType::Null => cast(of, DataType::Date32),
            other => return Err(unchecked(&format!("a part of a {other}"))),
        };
        let name = match part {
            DatePart::Date => return Ok(cast(local, DataType::Date32)),
            DatePart::Year => "year",
            DatePart::Quarter => "quarter",
            DatePart::Month => "month",
            DatePart::Week => "week",
        };
        Ok(cast(date_part(lit(name), local), DataType::Int64))
    }

    /// `CASE currency WHEN 'EUR' THEN amount * rate ... END`, with exact decimals.
    fn convert(
        &self,
        amount: &Value,
        currency: &Value,
        to: &str,
        rates: &[(String, String)],
    ) -> Result<Expr> {
        let (amount, currency) = (self.value(amount)?, self.value(currency)?);
        let amount = match self.type_of(&amount)? {
            DataType::Decimal128(_, _) => amount,
            DataType::Int64 => cast(amount, DataType::Decimal128(19, 0)),
            DataType::Null => cast(amount, DataType::Decimal128(1, 0)),
            _ => {
                let text = "only whole numbers and decimals are converted to another currency";
                return Err(Error::invalid("convert", text));
            }
        };
        let mut known = Vec::with_capacity(rates.len() + 1);
        for (from, rate) in rates {
            known.push((from.as_str(), Number::parse(rate)?.literal()));
        }
        if !known.iter().any(|(from, _)| *from == to) {
            known.push((to, Number::whole(1).literal()));
        }
        let widest = widest(known.iter().map(|(_, rate)| rate.data_type()));
        let mut cases: Vec<(Expr, Expr)> = Vec::with_capacity(known.len());
        for (from, rate) in known {
            let rate = rate.cast_to(&widest).map_err(planning)?;
            let is = currency.clone().eq(text(from));
            cases.push((is, amount.clone() * Expr::Literal(rate, None)));
        }
        let mut cases = cases.into_iter();
        // Cannot fail because the wanted currency itself is always there.
        let (is, then) = cases.next().ok_or_else(|| unchecked("no rates"))?;
        let mut case = when(is, then);
        for (is, then) in cases {
            case = case.when(is, then);
        }
        case.end().map_err(planning)
    }
}

/// The decimal type that holds values of all these decimal types.
fn widest(types: impl Iterator<Item = DataType>) -> DataType {
    let (mut whole, mut fraction) = (1, 0);
    for data_type in types {
        if let DataType::Decimal128(precision, scale) = data_type {
            whole = whole.max(precision.cast_signed() - scale);
            fraction = fraction.max(scale);
        }
    }
    DataType::Decimal128((whole + fraction).min(38).cast_unsigned(), fraction)
}

/// An IANA name or an offset.
fn check_zone(zone: &str) -> Result<&str> {
    zone.parse::<datafusion::arrow::array::timezone::Tz>().map(|_| zone).map_err(|cause| {
        Error::invalid("zone", format!("{zone:?} is no time zone")).with_source(cause)
    })
}

/// Text as our columns hold it.
pub(super) fn text(value: &str) -> Expr {
    Expr::Literal(ScalarValue::Utf8View(Some(value.to_owned())), None)
}

pub(super) fn literal(value: &Literal) -> Result<ScalarValue> {
    Ok(match value {
        Literal::Null => ScalarValue::Null,
        Literal::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Literal::Integer(value) => ScalarValue::Int64(Some(*value)),
        Literal::Decimal(value) => Number::parse(value)?.literal(),
        Literal::Text(value) => ScalarValue::Utf8View(Some(value.clone())),
        Literal::Date(value) => {
            let days = value.signed_duration_since(chrono::NaiveDate::default()).num_days();
            let days = i32::try_from(days)
                .map_err(|_| Error::invalid("query", "a date is out of range"))?;
            ScalarValue::Date32(Some(days))
        }
        Literal::Timestamp(value) => {
            ScalarValue::TimestampMicrosecond(Some(value.timestamp_micros()), Some("UTC".into()))
        }
    })
}

/// The type of moments in literals.
pub(super) fn moment() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(super) fn aggregate(function: Aggregate, distinct: bool, of: Expr) -> Expr {
    let function = match function {
        Aggregate::Count => count_udaf(),
        Aggregate::Sum => exact::sum(),
        Aggregate::Avg => exact::avg(),
        Aggregate::Min => min_udaf(),
        Aggregate::Max => max_udaf(),
    };
    let call = AggregateFunction::new_udf(function, vec![of], distinct, None, vec![], None);
    Expr::AggregateFunction(call)
}
