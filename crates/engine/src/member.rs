//! The way to a member inside the values of a column: through nested types by their own access,
//! through JSON in text by reading it.
//!
//! A member that is not there, and one of something that has no members, is no value. What is no
//! JSON at all is damage, and said. Values keep every digit that they are written with.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringViewBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field as Column};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use outhaul_exports::catalog::{Field, FieldType};
use outhaul_exports::flow::is_json_text;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::Fault;

/// The way from a column to the value of a field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    /// Members of nested types, from the outside in.
    nested: Vec<String>,
    /// Reads the rest of the way in JSON text.
    json: Option<Arc<ScalarUDF>>,
}

impl Way {
    /// The way to a field's value in a column, and the type that the value has there; `element` says
    /// whether the column holds elements of lists.
    ///
    /// # Errors
    /// The end of a sentence that says what is not there.
    pub(crate) fn to(
        object: &str,
        field: &Field,
        column: &Column,
        element: bool,
    ) -> std::result::Result<(Self, DataType), String> {
        let mut way = Self::default();
        let mut at = column.data_type();
        // An element of a list in JSON that is no document is what it says, not how it is written.
        if element && is_json_text(column) && field.member.is_empty() {
            way.json = Some(JsonMember::function(object, field, Vec::new()));
            return Ok((way, DataType::Utf8View));
        }
        for (done, name) in field.member.iter().enumerate() {
            match at {
                DataType::Struct(members) => {
                    let member = members.iter().find(|member| member.name() == name);
                    at = member.ok_or_else(|| format!("has no member {name}"))?.data_type();
                    way.nested.push(name.clone());
                }
                text if is_text(text) => {
                    let rest = field.member[done..].to_vec();
                    way.json = Some(JsonMember::function(object, field, rest));
                    return Ok((way, DataType::Utf8View));
                }
                other => return Err(format!("is of type {other}, which has no member {name}")),
            }
        }
        Ok((way, at.clone()))
    }

    /// Whether it is the column's whole value.
    pub(crate) fn is_whole(&self) -> bool {
        self.nested.is_empty() && self.json.is_none()
    }

    /// The value, where the column is.
    pub(crate) fn from(&self, column: Expr) -> Expr {
        let nested = self.nested.iter();
        let reached = nested.fold(column, |value, name| get_field(value, name.as_str()));
        match &self.json {
            Some(function) => function.call(vec![reached]),
            None => reached,
        }
    }
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, inner) => is_text(inner),
        plain => matches!(plain, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

/// Reads a member of JSON in text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonMember {
    /// For the message about a value that is no JSON; so is the field.
    object: String,
    field: String,
    path: Vec<String>,
    /// Whether the member is wanted as JSON, and not as what a text says.
    as_json: bool,
    signature: Signature,
}

impl JsonMember {
    fn function(object: &str, field: &Field, path: Vec<String>) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(Self {
            object: object.to_owned(),
            field: field.name.clone(),
            path,
            as_json: field.field_type == FieldType::Json,
            signature: Signature::any(1, Volatility::Immutable),
        }))
    }

    fn of(&self, text: &str) -> serde_json::Result<Option<String>> {
        let mut value: &RawValue = serde_json::from_str(text)?;
        for name in &self.path {
            if !value.get().starts_with('{') {
                return Ok(None);
            }
            let mut reader = serde_json::Deserializer::from_str(value.get());
            match Named(name).deserialize(&mut reader)? {
                Some(member) => value = member,
                None => return Ok(None),
            }
        }
        match value.get() {
            "null" => Ok(None),
            text if text.starts_with('"') && !self.as_json => serde_json::from_str(text).map(Some),
            text => Ok(Some(text.to_owned())),
        }
    }
}

impl ScalarUDFImpl for JsonMember {
    fn name(&self) -> &'static str {
        "json_member"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let texts: ArrayRef = cast(&arrays[0], &DataType::Utf8View)?;
        let mut out = StringViewBuilder::with_capacity(texts.len());
        for text in texts.as_string_view() {
            let member = text.map(|text| self.of(text)).transpose().map_err(|_| {
                let (object, field) = (self.object.clone(), self.field.clone());
                Fault::Value { object, field, wanted: "member of a JSON value" }.carried()
            })?;
            out.append_option(member.flatten());
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// The member of this name of an object; the last, where there are several.
struct Named<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        object: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        object.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut members: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            if name == self.0 {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_as_they_are_written() {
        let cases = [
            (r#"{"a":{"b":1.10}}"#, &["a", "b"][..], Some("1.10"), Some("1.10")),
            (r#" {"a":"x\ny"} "#, &["a"], Some("x\ny"), Some(r#""x\ny""#)),
            (r#"{"a":null}"#, &["a"], None, None),
            (r#"{"a":1,"a":2}"#, &["a"], Some("2"), Some("2")),
            (r#"{"\u0061":true}"#, &["a"], Some("true"), Some("true")),
            (r#"{"a":[1, 2]}"#, &["a"], Some("[1, 2]"), Some("[1, 2]")),
            (r#"{"a":1}"#, &["a", "b"], None, None),
            (r#"[{"a":1}]"#, &["a"], None, None),
            ("null", &["a"], None, None),
            ("{}", &["a"], None, None),
        ];
        for (text, path, value, json) in cases {
            for (as_json, expected) in [(false, value), (true, json)] {
                let member = JsonMember {
                    object: String::new(),
                    field: String::new(),
                    path: path.iter().map(|name| (*name).to_owned()).collect(),
                    as_json,
                    signature: Signature::any(1, Volatility::Immutable),
                };
                assert_eq!(member.of(text).unwrap().as_deref(), expected, "{text} {path:?}");
                for broken in ["", "{", r#"{"a":}"#, r#"{"a":1}x"#, "{'a':1}"] {
                    assert!(member.of(broken).is_err(), "{broken}");
                }
            }
        }
    }
}
