//! JSON objects in text without some of their members, for queries that leave out parts of a field.
//!
//! What is no JSON object has no members and stays; what is no JSON at all ends the attempt, because
//! nobody can tell whether it holds what must not go out.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringViewBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use outhaul_exports::query::KeyPattern;
use serde_json::value::RawValue;

use crate::error::Fault;

/// The function's name in plans.
pub(super) const NAME: &str = "json_without";

/// The text of `of` without the members that the patterns name.
pub(super) fn without(of: Expr, object: &str, field: &str, keys: &[KeyPattern]) -> Expr {
    let function = ScalarUDF::from(JsonWithout {
        object: object.to_owned(),
        field: field.to_owned(),
        keys: keys.to_vec(),
        signature: Signature::any(1, Volatility::Immutable),
    });
    Arc::new(function).call(vec![of])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonWithout {
    /// For the message about a value that is no JSON; so is the field.
    object: String,
    field: String,
    keys: Vec<KeyPattern>,
    signature: Signature,
}

impl ScalarUDFImpl for JsonWithout {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(self.strip(&arrays.remove(0))?))
    }
}

impl JsonWithout {
    fn strip(&self, texts: &ArrayRef) -> Result<ArrayRef> {
        let mut out = StringViewBuilder::with_capacity(texts.len());
        for text in texts.as_string_view() {
            out.append_option(text.map(|text| self.stripped(text)).transpose()?);
        }
        Ok(Arc::new(out.finish()))
    }

    fn stripped(&self, text: &str) -> Result<String> {
        if !text.trim_start().starts_with('{') {
            return match serde_json::from_str::<&RawValue>(text) {
                Ok(_) => Ok(text.to_owned()),
                Err(_) => Err(self.not_json()),
            };
        }
        // Values are kept as they are written: no number is read.
        let mut members: std::collections::BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(text).map_err(|_| self.not_json())?;
        members.retain(|key, _| !self.keys.iter().any(|pattern| pattern.matches(key)));
        let mut out = String::with_capacity(text.len());
        out.push('{');
        for (at, (key, value)) in members.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            // Cannot fail because a text is always JSON.
            out.push_str(&serde_json::to_string(key).unwrap_or_default());
            out.push(':');
            out.push_str(value.get());
        }
        out.push('}');
        Ok(out)
    }

    fn not_json(&self) -> datafusion::error::DataFusionError {
        let (object, field) = (self.object.clone(), self.field.clone());
        Fault::Value { object, field, wanted: "JSON value" }.carried()
    }
}
