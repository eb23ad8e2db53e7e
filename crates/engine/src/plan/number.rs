//! Numbers as they are written, compared exactly with columns of any scale.
//!
//! A literal is never rounded to a column's type, and a column is never widened row by row: where
//! a literal lies between two values that the column can hold, the comparison is moved to the
//! lower one, which gives the same rows.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::scalar::ScalarValue;
use outhaul_exports::query::Compare;
use outhaul_exports::{Error, Result};

/// `mantissa x 10^-scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    mantissa: i128,
    scale: u32,
}

/// A number among the values that a column can hold.
enum Place {
    /// This one, or (not exactly) between this one and the next.
    At { floor: i128, exact: bool },
    /// Above all of them.
    Above,
    /// Below all of them.
    Below,
}

impl Number {
    pub(super) fn whole(value: i64) -> Self {
        Self { mantissa: i128::from(value), scale: 0 }
    }

    /// Reads digits with at most one point and a sign.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            let text = format!("{text:?} is not a number with at most 38 digits");
            Error::invalid("query", text)
        };
        let (negative, digits) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        if all.is_empty()
            || fraction.len() > 38
            || significant.len() > 38
            || !all.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(wrong());
        }
        let mantissa: i128 =
            if significant.is_empty() { 0 } else { significant.parse().map_err(|_| wrong())? };
        let scale = u32::try_from(fraction.len()).map_err(|_| wrong())?;
        Ok(Self { mantissa: if negative { -mantissa } else { mantissa }, scale })
    }

    /// As a value of its own.
    pub(super) fn literal(self) -> ScalarValue {
        let digits = self.mantissa.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
        let precision = digits.max(self.scale).min(38);
        // Cannot fail because both are at most 38.
        let (precision, scale) = (precision.to_le_bytes()[0], self.scale.to_le_bytes()[0]);
        ScalarValue::Decimal128(Some(self.mantissa), precision, scale.cast_signed())
    }

    #[expect(clippy::cast_precision_loss, reason = "it is compared with such numbers")]
    fn float(self) -> f64 {
        let text = format!("{}e-{}", self.mantissa, self.scale);
        text.parse().unwrap_or(self.mantissa as f64)
    }

    fn among(self, scale: i8, least: i128, greatest: i128) -> Place {
        let beyond = if self.mantissa < 0 { Place::Below } else { Place::Above };
        let shift = i64::from(scale) - i64::from(self.scale);
        let ten = |n: i64| u32::try_from(n).ok().and_then(|n| 10_i128.checked_pow(n));
        let (floor, exact) = if shift >= 0 {
            match ten(shift).and_then(|factor| self.mantissa.checked_mul(factor)) {
                Some(value) => (value, true),
                None if self.mantissa == 0 => (0, true),
                None => return beyond,
            }
        } else {
            match ten(-shift) {
                Some(divisor) => {
                    (self.mantissa.div_euclid(divisor), self.mantissa.rem_euclid(divisor) == 0)
                }
                None => (if self.mantissa < 0 { -1 } else { 0 }, self.mantissa == 0),
            }
        };
        if floor > greatest {
            Place::Above
        } else if floor < least {
            Place::Below
        } else {
            Place::At { floor, exact }
        }
    }

    fn place(self, data_type: &DataType) -> Option<Place> {
        match data_type {
            DataType::Int64 => Some(self.among(0, i128::from(i64::MIN), i128::from(i64::MAX))),
            DataType::Decimal128(precision, scale) => {
                let most = 10_i128.pow(u32::from(*precision)) - 1;
                Some(self.among(*scale, -most, most))
            }
            _ => None,
        }
    }

    /// The same number as a value of the column's type; `None` when the column cannot hold it.
    pub(super) fn of_type(self, data_type: &DataType) -> Option<ScalarValue> {
        if data_type.is_floating() {
            return ScalarValue::Float64(Some(self.float())).cast_to(data_type).ok();
        }
        match self.place(data_type)? {
            Place::At { floor, exact: true } => typed(floor, data_type),
            _ => None,
        }
    }

    /// `value op self`, for a value of that type; `None` for types that are no numbers of ours.
    pub(super) fn compare(
        self,
        value: Expr,
        op: Compare,
        data_type: &DataType,
    ) -> Option<DfResult<Expr>> {
        if data_type.is_floating() {
            let literal = Expr::Literal(self.of_type(data_type)?, None);
            return Some(Ok(super::condition::compare(value, op, literal)));
        }
        let always = |answer: bool| when(value.clone().is_not_null(), lit(answer)).end();
        let at = |op: Compare, floor: i128| {
            let literal = Expr::Literal(typed(floor, data_type)?, None);
            Some(Ok(super::condition::compare(value.clone(), op, literal)))
        };
        match (self.place(data_type)?, op) {
            (Place::At { floor, exact: true }, op) => at(op, floor),
            (Place::At { floor, .. }, Compare::Lt | Compare::Le) => at(Compare::Le, floor),
            (Place::At { floor, .. }, Compare::Gt | Compare::Ge) => at(Compare::Gt, floor),
            (_, Compare::Eq) => Some(always(false)),
            (_, Compare::Ne) => Some(always(true)),
            (Place::Above, Compare::Lt | Compare::Le)
            | (Place::Below, Compare::Gt | Compare::Ge) => Some(always(true)),
            (Place::Above | Place::Below, _) => Some(always(false)),
        }
    }
}

fn typed(value: i128, data_type: &DataType) -> Option<ScalarValue> {
    match data_type {
        DataType::Int64 => i64::try_from(value).ok().map(|v| ScalarValue::Int64(Some(v))),
        DataType::Decimal128(precision, scale) => {
            Some(ScalarValue::Decimal128(Some(value), *precision, *scale))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_digit_by_digit() {
        for (text, mantissa, scale) in
            [("0", 0, 0), ("-10.50", -1050, 2), ("+.5", 5, 1), ("7.", 7, 0), ("000.10", 10, 2)]
        {
            assert_eq!(Number::parse(text).expect(text), Number { mantissa, scale });
        }
        for text in ["", "-", "1e3", "1.2.3", "abc", &"9".repeat(39)] {
            assert!(Number::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_between_two_values_is_compared_by_the_lower() {
        let cents = DataType::Decimal128(9, 2);
        let column = || Expr::Column(datafusion::common::Column::new_unqualified("x"));
        for (text, op, plan) in [
            ("1.005", Compare::Lt, "x <= Decimal128(1.00,9,2)"),
            ("1.005", Compare::Ge, "x > Decimal128(1.00,9,2)"),
            ("-1.005", Compare::Gt, "x > Decimal128(-1.01,9,2)"),
            ("1.5", Compare::Eq, "x = Decimal128(1.50,9,2)"),
            ("1.005", Compare::Eq, "CASE WHEN x IS NOT NULL THEN Boolean(false) END"),
            ("99999999", Compare::Lt, "CASE WHEN x IS NOT NULL THEN Boolean(true) END"),
        ] {
            let number = Number::parse(text).expect(text);
            let expr = number.compare(column(), op, &cents).expect("a number").expect("a plan");
            assert_eq!(expr.to_string(), plan, "{text}");
        }
    }
}
