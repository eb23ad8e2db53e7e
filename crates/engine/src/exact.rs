//! Sums and means that are right or an error, never silently wrong.
//!
//! DataFusion's own `sum` wraps around when whole numbers or decimals grow too large. These two
//! functions take their place: whole numbers and decimals are added in 256 bits, where no number
//! of rows can overflow, and a result that its type cannot hold is an error. Binary floating point
//! numbers are added as they are.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Decimal256Array, Float64Array,
    Int64Array, UInt64Array,
};
use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type,
    DecimalType, Field, FieldRef, Float64Type, Int64Type, UInt64Type, i256,
};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::error::Fault;

/// Digits after the point that a mean has beyond those of its values.
const MEAN_DIGITS: i8 = 6;

/// Digits behind the point of a mean: some more than its values have, as far as there is room.
fn mean_scale(scale: i8, most: i8) -> i8 {
    (scale + MEAN_DIGITS).min(most).max(scale)
}

/// `sum`, exact.
pub(crate) fn sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Exact::new("sum", Fold::Sum)))
}

/// `avg`, exact up to six digits beyond those of the values, rounded half away from zero.
pub(crate) fn avg() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Exact::new("avg", Fold::Mean)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fold {
    Sum,
    Mean,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    name: &'static str,
    fold: Fold,
    signature: Signature,
    aliases: Vec<String>,
}

impl Exact {
    fn new(name: &'static str, fold: Fold) -> Self {
        let aliases = match fold {
            Fold::Sum => Vec::new(),
            Fold::Mean => vec!["mean".to_owned()],
        };
        Self { name, fold, signature: Signature::user_defined(Volatility::Immutable), aliases }
    }

    fn kind(&self, from: &DataType, to: &DataType) -> Result<Kind> {
        let scale = match from {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
            _ => 0,
        };
        match (from, to) {
            (DataType::Float64, _) => Ok(Kind::Float),
            (DataType::Int64 | DataType::Decimal128(_, _) | DataType::Decimal256(_, _), _) => {
                Ok(Kind::Whole { scale, to: to.clone() })
            }
            (other, _) => Err(DataFusionError::Internal(format!("{} of {other}", self.name))),
        }
    }

    fn kind_of(&self, args: &AccumulatorArgs) -> Result<Kind> {
        self.kind(args.expr_fields[0].data_type(), args.return_field.data_type())
    }
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [from] = types else {
            return Err(DataFusionError::Plan(format!("{} takes one value", self.name)));
        };
        let from = match from {
            DataType::Dictionary(_, inner) => inner.as_ref(),
            other => other,
        };
        Ok(vec![match from {
            DataType::UInt64 => DataType::Decimal128(20, 0),
            DataType::Null => DataType::Int64,
            integer if integer.is_integer() => DataType::Int64,
            float if float.is_floating() => DataType::Float64,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
            DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => from.clone(),
            other => {
                let text = format!("{} works on numbers, not on {other}", self.name);
                return Err(DataFusionError::Plan(text));
            }
        }])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match (self.fold, &types[0]) {
            (_, DataType::Float64) => DataType::Float64,
            (Fold::Sum, DataType::Int64) => DataType::Int64,
            (Fold::Sum, DataType::Decimal256(_, scale)) => {
                DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale)
            }
            (Fold::Sum, DataType::Decimal128(_, scale)) => {
                DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale)
            }
            (Fold::Mean, DataType::Decimal128(_, scale)) => {
                DataType::Decimal128(DECIMAL128_MAX_PRECISION, mean_scale(*scale, 37))
            }
            (Fold::Mean, DataType::Decimal256(_, scale)) => {
                DataType::Decimal256(DECIMAL256_MAX_PRECISION, mean_scale(*scale, 75))
            }
            (Fold::Mean, DataType::Int64) => {
                DataType::Decimal128(DECIMAL128_MAX_PRECISION, MEAN_DIGITS)
            }
            (_, other) => {
                return Err(DataFusionError::Plan(format!("{} of {other}", self.name)));
            }
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let kind = self.kind(args.input_fields[0].data_type(), args.return_field.data_type())?;
        let sum = kind.state();
        let name = |part: &str| format!("{}[{part}]", args.name);
        Ok(if args.is_distinct {
            let item = Arc::new(Field::new_list_field(sum, true));
            vec![Arc::new(Field::new(name("values"), DataType::List(item), true))]
        } else {
            vec![
                Arc::new(Field::new(name("sum"), sum, true)),
                Arc::new(Field::new(name("count"), DataType::UInt64, true)),
            ]
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let kind = self.kind_of(&args)?;
        Ok(if args.is_distinct {
            Box::new(Distinct { fold: self.fold, kind, seen: HashSet::new() })
        } else {
            Box::new(One(Groups::new(self.fold, kind)))
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(self.fold, self.kind_of(&args)?)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// What is added up.
#[derive(Debug, Clone)]
enum Kind {
    /// Whole numbers of units of `10^-scale`, with the type of the result.
    Whole { scale: i8, to: DataType },
    /// Binary floating point.
    Float,
}

impl Kind {
    fn state(&self) -> DataType {
        match self {
            Self::Whole { scale, .. } => DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale),
            Self::Float => DataType::Float64,
        }
    }

    fn states(&self, sums: Vec<Option<Value>>) -> Result<ArrayRef> {
        Ok(match self {
            Self::Whole { scale, .. } => {
                let sums = sums.into_iter().map(|sum| sum.map(Value::whole));
                let array: Decimal256Array = sums.collect();
                Arc::new(array.with_precision_and_scale(DECIMAL256_MAX_PRECISION, *scale)?)
            }
            Self::Float => {
                let sums = sums.into_iter().map(|sum| sum.map(Value::float));
                Arc::new(sums.collect::<Float64Array>())
            }
        })
    }

    fn results(&self, fold: Fold, sums: Vec<(Value, u64)>) -> Result<ArrayRef> {
        let Self::Whole { scale, to } = self else {
            let values = sums.into_iter().map(|(sum, count)| {
                let sum = sum.float();
                #[expect(clippy::cast_precision_loss, reason = "a mean of floating point numbers")]
                let mean = sum / count as f64;
                (count > 0).then_some(if fold == Fold::Mean { mean } else { sum })
            });
            return Ok(Arc::new(values.collect::<Float64Array>()));
        };
        let values = sums
            .into_iter()
            .map(|(sum, count)| match (count, fold) {
                (0, _) => Ok(None),
                (_, Fold::Sum) => Ok(Some(sum.whole())),
                (_, Fold::Mean) => mean(sum.whole(), count, *scale, to).map(Some),
            })
            .collect::<Result<Vec<Option<i256>>>>()?;
        typed(values, to)
    }
}

/// Results in their type, or an error when one does not fit.
fn typed(values: Vec<Option<i256>>, to: &DataType) -> Result<ArrayRef> {
    let overflow = || Fault::Overflow { operation: "a sum" }.carried();
    Ok(match to {
        DataType::Int64 => {
            let narrow = |value: i256| value.to_i128().and_then(|v| i64::try_from(v).ok());
            let values = values.into_iter().map(|v| v.map(|v| narrow(v).ok_or_else(overflow)));
            let values = values.map(Option::transpose).collect::<Result<Vec<_>>>()?;
            Arc::new(Int64Array::from(values))
        }
        DataType::Decimal128(precision, scale) => {
            let narrow = |value: i256| {
                let value = value.to_i128()?;
                Decimal128Type::is_valid_decimal_precision(value, *precision).then_some(value)
            };
            let values = values.into_iter().map(|v| v.map(|v| narrow(v).ok_or_else(overflow)));
            let values = values.map(Option::transpose).collect::<Result<Vec<_>>>()?;
            Arc::new(Decimal128Array::from(values).with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Decimal256(precision, scale) => {
            let fits =
                |value: &i256| Decimal256Type::is_valid_decimal_precision(*value, *precision);
            if !values.iter().flatten().all(fits) {
                return Err(overflow());
            }
            Arc::new(Decimal256Array::from(values).with_precision_and_scale(*precision, *scale)?)
        }
        other => return Err(DataFusionError::Internal(format!("a sum as {other}"))),
    })
}

/// The mean with the digits of its type, rounded half away from zero.
fn mean(sum: i256, count: u64, scale: i8, to: &DataType) -> Result<i256> {
    let overflow = || Fault::Overflow { operation: "a mean" }.carried();
    let digits = match to {
        DataType::Decimal128(_, wide) | DataType::Decimal256(_, wide) => wide - scale,
        _ => 0,
    };
    let ten = i256::from_i128(10);
    let mut scaled = sum;
    for _ in 0..digits {
        scaled = scaled.checked_mul(ten).ok_or_else(overflow)?;
    }
    let count = i256::from_i128(i128::from(count));
    let (quotient, rest) = (
        scaled.checked_div(count).ok_or_else(overflow)?,
        scaled.checked_rem(count).ok_or_else(overflow)?,
    );
    let twice = rest.wrapping_abs().wrapping_mul(i256::from_i128(2));
    if twice < count {
        return Ok(quotient);
    }
    let away = if sum < i256::ZERO { i256::MINUS_ONE } else { i256::ONE };
    quotient.checked_add(away).ok_or_else(overflow)
}

/// A sum: units, or the bits of a floating point number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Whole(i256),
    Float(f64),
}

impl Value {
    fn whole(self) -> i256 {
        match self {
            Self::Whole(value) => value,
            Self::Float(_) => i256::ZERO,
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Float(value) => value,
            Self::Whole(_) => 0.0,
        }
    }

    fn add(&mut self, other: Self) {
        *self = match (*self, other) {
            (Self::Float(a), Self::Float(b)) => Self::Float(a + b),
            // 2^64 values of 38 digits are far from 2^255.
            (a, b) => Self::Whole(a.whole().wrapping_add(b.whole())),
        };
    }

    fn subtract(&mut self, other: Self) {
        *self = match (*self, other) {
            (Self::Float(a), Self::Float(b)) => Self::Float(a - b),
            (a, b) => Self::Whole(a.whole().wrapping_sub(b.whole())),
        };
    }
}

/// Calls `each` with the row and value of everything that is not null.
fn for_each(values: &ArrayRef, mut each: impl FnMut(usize, Value)) -> Result<()> {
    let nulls = values.logical_nulls();
    let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let rows = 0..values.len();
    match values.data_type() {
        DataType::Int64 => {
            let values = values.as_primitive::<Int64Type>();
            rows.filter(|&row| valid(row)).for_each(|row| {
                each(row, Value::Whole(i256::from_i128(i128::from(values.value(row)))));
            });
        }
        DataType::Decimal128(_, _) => {
            let values = values.as_primitive::<Decimal128Type>();
            rows.filter(|&row| valid(row))
                .for_each(|row| each(row, Value::Whole(i256::from_i128(values.value(row)))));
        }
        DataType::Decimal256(_, _) => {
            let values = values.as_primitive::<Decimal256Type>();
            rows.filter(|&row| valid(row))
                .for_each(|row| each(row, Value::Whole(values.value(row))));
        }
        DataType::Float64 => {
            let values = values.as_primitive::<Float64Type>();
            rows.filter(|&row| valid(row))
                .for_each(|row| each(row, Value::Float(values.value(row))));
        }
        other => return Err(DataFusionError::Internal(format!("a sum of {other}"))),
    }
    Ok(())
}

/// Sums by group.
struct Groups {
    fold: Fold,
    kind: Kind,
    sums: Vec<Value>,
    counts: Vec<u64>,
}

impl Groups {
    fn new(fold: Fold, kind: Kind) -> Self {
        Self { fold, kind, sums: Vec::new(), counts: Vec::new() }
    }

    fn grow(&mut self, groups: usize) {
        let zero = match self.kind {
            Kind::Whole { .. } => Value::Whole(i256::ZERO),
            Kind::Float => Value::Float(0.0),
        };
        if groups > self.sums.len() {
            self.sums.resize(groups, zero);
            self.counts.resize(groups, 0);
        }
    }

    fn take(&mut self, emit: EmitTo) -> (Vec<Value>, Vec<u64>) {
        (emit.take_needed(&mut self.sums), emit.take_needed(&mut self.counts))
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total);
        for_each(&values[0], |row, value| {
            if filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row)) {
                self.sums[groups[row]].add(value);
                self.counts[groups[row]] += 1;
            }
        })
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let (sums, counts) = self.take(emit);
        self.kind.results(self.fold, sums.into_iter().zip(counts).collect())
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, counts) = self.take(emit);
        let sums = self.kind.states(sums.into_iter().map(Some).collect())?;
        Ok(vec![sums, Arc::new(UInt64Array::from(counts))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.grow(total);
        let counts = states[1].as_primitive::<UInt64Type>();
        for_each(&states[0], |row, sum| {
            self.sums[groups[row]].add(sum);
            self.counts[groups[row]] += counts.value(row);
        })
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut rows = Self::new(self.fold, self.kind.clone());
        let groups: Vec<usize> = (0..values[0].len()).collect();
        rows.update_batch(values, &groups, filter, groups.len())?;
        rows.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Value>() + self.counts.capacity() * size_of::<u64>()
    }
}

/// One sum: a single group.
struct One(Groups);

impl std::fmt::Debug for One {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("exact sum")
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(values, &vec![0; values[0].len()], None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.grow(1);
        let sums = vec![(self.0.sums[0], self.0.counts[0])];
        ScalarValue::try_from_array(&self.0.kind.results(self.0.fold, sums)?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.grow(1);
        let sum = self.0.kind.states(vec![Some(self.0.sums[0])])?;
        Ok(vec![ScalarValue::try_from_array(&sum, 0)?, ScalarValue::from(self.0.counts[0])])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states, &vec![0; states[0].len()], 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.grow(1);
        for_each(&values[0], |_, value| {
            self.0.sums[0].subtract(value);
            self.0.counts[0] -= 1;
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

/// A sum in which equal values count once.
#[derive(Debug)]
struct Distinct {
    fold: Fold,
    kind: Kind,
    /// Units, or bits of floating point numbers.
    seen: HashSet<i256>,
}

impl Distinct {
    fn see(&mut self, values: &ArrayRef) -> Result<()> {
        for_each(values, |_, value| {
            self.seen.insert(match value {
                Value::Whole(value) => value,
                Value::Float(value) => i256::from_i128(i128::from(value.to_bits())),
            });
        })
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        self.seen.iter().map(|&seen| match self.kind {
            Kind::Whole { .. } => Value::Whole(seen),
            Kind::Float => {
                let bits = seen.to_i128().and_then(|bits| u64::try_from(bits).ok());
                Value::Float(f64::from_bits(bits.unwrap_or_default()))
            }
        })
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.see(&values[0])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = Groups::new(self.fold, self.kind.clone());
        total.grow(1);
        for value in self.values() {
            total.sums[0].add(value);
            total.counts[0] += 1;
        }
        One(total).evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.capacity() * (size_of::<i256>() + 1)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.kind.states(self.values().map(Some).collect())?;
        let values = (0..values.len())
            .map(|at| ScalarValue::try_from_array(&values, at))
            .collect::<Result<Vec<_>>>()?;
        let list = ScalarValue::new_list_nullable(&values, &self.kind.state());
        Ok(vec![ScalarValue::List(list)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states[0].as_list::<i32>();
        for list in lists.iter().flatten() {
            self.see(&list)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_rounded_half_away_from_zero() {
        let to = DataType::Decimal128(38, 2);
        for (sum, count, hundredths) in [(10, 3, 333), (-10, 3, -333), (5, 8, 63), (-5, 8, -63)] {
            let mean = mean(i256::from_i128(sum), count, 0, &to).expect("small numbers");
            assert_eq!(mean, i256::from_i128(hundredths), "{sum}/{count}");
        }
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error() {
        let mut one = One(Groups::new(Fold::Sum, Kind::Whole { scale: 0, to: DataType::Int64 }));
        let values: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 1]));
        one.update_batch(&[values]).expect("adding");
        assert!(one.evaluate().is_err());
        let values: ArrayRef = Arc::new(Int64Array::from(vec![-1]));
        one.update_batch(&[values]).expect("adding");
        assert_eq!(one.evaluate().expect("it fits again"), ScalarValue::Int64(Some(i64::MAX)));
    }
}
