//! The least and the greatest value of a column, which the footer tells so that readers can skip
//! row groups. Found here for the types of which exports are made, a few times as fast as by the
//! library, which compares while it encodes; for all others the library finds them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{self, ArrowPrimitiveType, ByteViewType};
use arrow_array::{Array, ArrayRef, GenericByteViewArray, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

/// The two values as one array of the type of the column; nothing when there are no values, or none
/// of a type that is known here.
pub(super) fn bounds(arrays: &[ArrayRef]) -> Option<ArrayRef> {
    use types::*;
    match arrays.first()?.data_type() {
        DataType::Int8 => of_numbers::<Int8Type>(arrays),
        DataType::Int16 => of_numbers::<Int16Type>(arrays),
        DataType::Int32 => of_numbers::<Int32Type>(arrays),
        DataType::Int64 => of_numbers::<Int64Type>(arrays),
        DataType::UInt8 => of_numbers::<UInt8Type>(arrays),
        DataType::UInt16 => of_numbers::<UInt16Type>(arrays),
        DataType::UInt32 => of_numbers::<UInt32Type>(arrays),
        DataType::UInt64 => of_numbers::<UInt64Type>(arrays),
        DataType::Date32 => of_numbers::<Date32Type>(arrays),
        DataType::Decimal128(..) => of_numbers::<Decimal128Type>(arrays),
        DataType::Timestamp(TimeUnit::Second, _) => of_numbers::<TimestampSecondType>(arrays),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            of_numbers::<TimestampMillisecondType>(arrays)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            of_numbers::<TimestampMicrosecondType>(arrays)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            of_numbers::<TimestampNanosecondType>(arrays)
        }
        DataType::Utf8View => of_views::<StringViewType>(arrays),
        DataType::BinaryView => of_views::<BinaryViewType>(arrays),
        _ => None,
    }
}

fn of_numbers<T: ArrowPrimitiveType>(arrays: &[ArrayRef]) -> Option<ArrayRef>
where
    T::Native: Ord,
{
    let mut found: Option<(T::Native, T::Native)> = None;
    for array in arrays {
        let array = array.as_primitive::<T>();
        let values = array.values();
        let own = match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => least_and_greatest(values.iter().copied()),
            Some(nulls) => least_and_greatest(nulls.valid_indices().map(|row| values[row])),
        };
        found = match (found, own) {
            (Some((least, greatest)), Some((own_least, own_greatest))) => {
                Some((least.min(own_least), greatest.max(own_greatest)))
            }
            (found, own) => found.or(own),
        };
    }
    let (least, greatest) = found?;
    let bounds = PrimitiveArray::<T>::from_iter_values([least, greatest]);
    Some(Arc::new(bounds.with_data_type(arrays.first()?.data_type().clone())))
}

#[inline]
fn least_and_greatest<V: Ord + Copy>(mut values: impl Iterator<Item = V>) -> Option<(V, V)> {
    let first = values.next()?;
    Some(
        values.fold((first, first), |(least, greatest), value| {
            (least.min(value), greatest.max(value))
        }),
    )
}

/// One of the two texts so far.
struct Bound<'a> {
    /// Its view as it stands in the array that is looked at: there an equal view is an equal text.
    view: u128,
    /// Its first four bytes as a number, with zeros behind a shorter one.
    prefix: u32,
    text: &'a [u8],
}

/// No view: there are no texts of this length.
const NO_VIEW: u128 = u128::MAX;

fn of_views<T: ByteViewType>(arrays: &[ArrayRef]) -> Option<ArrayRef> {
    let mut found: Option<(Bound<'_>, Bound<'_>)> = None;
    for array in arrays {
        let array: &GenericByteViewArray<T> = array.as_byte_view();
        if let Some((least, greatest)) = &mut found {
            // In another array the same view can be another text.
            (least.view, greatest.view) = (NO_VIEW, NO_VIEW);
        }
        for row in 0..array.len() {
            let view = array.views()[row];
            // In Arrow's layout the length comes first, then the first four bytes of the text.
            let prefix = ((view >> 32) as u32).swap_bytes();
            if let Some((least, greatest)) = &found
                && (view == least.view
                    || view == greatest.view
                    || (prefix > least.prefix && prefix < greatest.prefix))
            {
                continue;
            }
            if array.is_null(row) {
                continue;
            }
            let text: &[u8] = array.value(row).as_ref();
            let bound = || Bound { view, prefix, text };
            match &mut found {
                None => found = Some((bound(), bound())),
                Some((least, _)) if text < least.text => *least = bound(),
                Some((_, greatest)) if text > greatest.text => *greatest = bound(),
                Some(_) => {}
            }
        }
    }
    let (least, greatest) = found?;
    let bounds = [least.text, greatest.text];
    Some(match arrays.first()?.data_type() {
        DataType::Utf8View => {
            // Cannot be replaced: the texts come out of a text array.
            let texts = bounds.map(String::from_utf8_lossy);
            Arc::new(arrow_array::StringViewArray::from_iter_values(texts))
        }
        _ => Arc::new(arrow_array::BinaryViewArray::from_iter_values(bounds)),
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringArray, StringViewArray, TimestampMillisecondArray};

    use super::*;

    #[test]
    fn numbers_are_compared_over_all_arrays_without_nulls() {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(5), None, Some(-3)])),
            Arc::new(Int64Array::from(vec![None::<i64>])),
            Arc::new(Int64Array::from(vec![7, 0])),
        ];
        let found = bounds(&arrays).unwrap();
        assert_eq!(found.as_ref(), &Int64Array::from(vec![-3, 7]) as &dyn Array);
        assert!(bounds(&arrays[1..2]).is_none());
        assert!(bounds(&[]).is_none());
    }

    #[test]
    fn types_keep_their_parameters() {
        let array = TimestampMillisecondArray::from(vec![2, 1]).with_timezone("+02:00");
        let array: ArrayRef = Arc::new(array);
        assert_eq!(bounds(std::slice::from_ref(&array)).unwrap().data_type(), array.data_type());
    }

    #[test]
    fn texts_are_compared_by_all_their_bytes() {
        let long = |last: char| format!("the same beginning of some length {last}");
        let texts = [
            Some(long('b')),
            None,
            Some(long('c')),
            Some(long('a')),
            Some("the".to_owned()),
            Some("the\0".to_owned()),
            Some("thé".to_owned()),
            Some("the same".to_owned()),
        ];
        // Each text as least and as greatest of what is before it and after it.
        for from in 0..texts.len() {
            for to in from + 1..=texts.len() {
                let part = &texts[from..to];
                let array: ArrayRef = Arc::new(StringViewArray::from_iter(part));
                let least = part.iter().flatten().min();
                let greatest = part.iter().flatten().max();
                let wanted =
                    least.zip(greatest).map(|(a, b)| StringViewArray::from_iter_values([a, b]));
                let halves = [
                    array.slice(0, array.len() / 2),
                    array.slice(array.len() / 2, array.len() - array.len() / 2),
                ];
                for arrays in [vec![array], halves.to_vec()] {
                    match (bounds(&arrays), &wanted) {
                        (Some(found), Some(wanted)) => {
                            assert_eq!(found.as_ref(), wanted as &dyn Array);
                        }
                        (found, wanted) => assert!(found.is_none() && wanted.is_none()),
                    }
                }
            }
        }
        let other: ArrayRef = Arc::new(StringArray::from(vec!["left to the library"]));
        assert!(bounds(&[other]).is_none());
    }

    #[test]
    fn texts_at_the_same_place_of_two_arrays_are_two_texts() {
        let at_the_start = |text: &str| -> ArrayRef { Arc::new(StringViewArray::from(vec![text])) };
        let arrays =
            ["the same length, M", "the same length, Z", "the same length, A"].map(at_the_start);
        let found = bounds(&arrays).unwrap();
        let wanted = StringViewArray::from(vec!["the same length, A", "the same length, Z"]);
        assert_eq!(found.as_ref(), &wanted as &dyn Array);
    }
}
