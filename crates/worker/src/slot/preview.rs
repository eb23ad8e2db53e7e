//! The first rows of a query as JSON, and the check of a query without rows.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use futures::StreamExt;
use outhaul_exports::limits::{PREVIEW_BYTES_MAX, READ_ROWS_MAX};
use outhaul_exports::manifest::ColumnNote;
use outhaul_exports::ports::{Preview, RunLimits};
use outhaul_exports::principal::TenantScope;
use outhaul_exports::query::{Protection, Query};
use outhaul_exports::{Error, ErrorKind, Result};
use serde_json::Value;

use super::Parts;

/// Plans a query.
pub(super) async fn check(
    parts: &Parts,
    limits: &RunLimits,
    scope: &TenantScope,
    query: &Query,
) -> Result<Vec<ColumnNote>> {
    parts.engine.begin(scope, limits).await?.check(query).await
}

/// Reads the first rows. Values that an export would encrypt are masked.
pub(super) async fn preview(
    parts: &Parts,
    limits: &RunLimits,
    scope: &TenantScope,
    query: Query,
    rows: u64,
) -> Result<Preview> {
    let rows = rows.min(READ_ROWS_MAX);
    let query = shortened(query, rows);
    let snapshot = parts.engine.begin(scope, limits).await?;
    let columns = snapshot.check(&query).await?;
    let mut stream = snapshot.open(&query).await?;
    let mut found = Vec::new();
    let mut bytes = 0;
    while (found.len() as u64) < rows {
        let Some(batch) = stream.batches.next().await.transpose()? else { break };
        let wanted = batch.num_rows().min(rows as usize - found.len());
        for row in rows_of(&batch.slice(0, wanted))? {
            bytes += row.iter().map(text_bytes).sum::<usize>();
            if bytes > PREVIEW_BYTES_MAX {
                let text = "the first rows are too large for a preview: ask for fewer";
                return Err(Error::new(ErrorKind::TooLarge, text));
            }
            found.push(row);
        }
    }
    Ok(Preview { columns, rows: found })
}

fn shortened(mut query: Query, rows: u64) -> Query {
    if let Query::Select(select) = &mut query {
        select.limit = Some(select.limit.map_or(rows, |limit| limit.min(rows)));
        for column in &mut select.columns {
            if column.protection == Protection::Sealed {
                column.protection = Protection::Masked;
            }
        }
    }
    query
}

fn text_bytes(value: &Value) -> usize {
    value.as_str().map_or(8, str::len)
}

fn rows_of(batch: &RecordBatch) -> Result<Vec<Vec<Value>>> {
    let columns: Vec<Vec<Value>> = batch
        .columns()
        .iter()
        .map(values_of)
        .collect::<Result<_, _>>()
        .map_err(|cause| Error::internal("show a value in a preview").with_source(cause))?;
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let row = |_| columns.iter_mut().filter_map(Iterator::next).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

/// Numbers that JSON readers keep exactly, booleans and nulls as such; everything else as text.
fn values_of(array: &ArrayRef) -> Result<Vec<Value>, arrow_schema::ArrowError> {
    macro_rules! numbers {
        ($type:ty) => {
            Ok(array.as_primitive::<$type>().iter().map(Value::from).collect())
        };
    }
    match array.data_type() {
        DataType::Null => Ok(vec![Value::Null; array.len()]),
        DataType::Boolean => Ok(array.as_boolean().iter().map(Value::from).collect()),
        DataType::Int8 => numbers!(Int8Type),
        DataType::Int16 => numbers!(Int16Type),
        DataType::Int32 => numbers!(Int32Type),
        DataType::UInt8 => numbers!(UInt8Type),
        DataType::UInt16 => numbers!(UInt16Type),
        DataType::UInt32 => numbers!(UInt32Type),
        DataType::Int64 => Ok(array.as_primitive::<Int64Type>().iter().map(exact).collect()),
        DataType::Float32 => numbers!(Float32Type),
        DataType::Float64 => numbers!(Float64Type),
        _ => {
            let formatter = ArrayFormatter::try_new(array, &FormatOptions::default())?;
            let text = |at| match array.is_null(at) {
                true => Ok(Value::Null),
                false => Ok(Value::String(formatter.value(at).try_to_string()?)),
            };
            (0..array.len()).map(text).collect()
        }
    }
}

/// Integers that a reader with 64-bit floats would round are given as text.
fn exact(value: Option<i64>) -> Value {
    const SAFE: u64 = 1 << 53;
    match value {
        Some(value) if value.unsigned_abs() > SAFE => Value::String(value.to_string()),
        other => Value::from(other),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Decimal128Array, Int64Array, StringArray};
    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_every_digit() {
        let decimals = Decimal128Array::from(vec![Some(1_050), None])
            .with_precision_and_scale(20, 2)
            .expect("a decimal type");
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("a", Arc::new(Int64Array::from(vec![7, i64::MAX]))),
            ("b", Arc::new(decimals)),
            ("c", Arc::new(StringArray::from(vec![Some("x"), None]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("a batch");
        let rows = rows_of(&batch).expect("they are shown");
        assert_eq!(json!(rows), json!([[7, "10.50", "x"], ["9223372036854775807", null, null]]));
    }
}
