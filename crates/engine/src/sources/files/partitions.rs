//! Columns that the names of folders give, as Hive lays tables out: `year=2026/month=01/part-0.csv`.
//!
//! A value is the same for all rows of a file, so that whole folders are left out where a predicate
//! tells that none of their rows is wanted. Nothing of a file is read for it.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::kernels::cast_utils::Parser;
use datafusion::arrow::datatypes::{DataType, Date32Type, Field, FieldRef, Schema, SchemaRef};
use datafusion::error::Result as DfResult;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::scalar::ScalarValue;
use object_store::ObjectMeta;
use object_store::path::Path;
use outhaul_exports::catalog::{FieldType, Object};
use outhaul_exports::{Error, Result};

use super::guess::{Guess, is_date};
use crate::sources::DiscoveredColumn;

/// What Hive and its kin write for a value that is missing.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The names and values of a table's folders, as text.
#[derive(Debug, Clone, Default)]
pub(super) struct Partitions {
    names: Vec<String>,
    /// For each file, in the order of the files, its values in the order of the names.
    values: Vec<Vec<Option<String>>>,
}

/// The columns of a table's folders, with their types.
#[derive(Debug, Clone, Default)]
pub(super) struct FolderColumns {
    pub(super) fields: Vec<FieldRef>,
    /// For each file, its values in the order of the fields.
    values: Vec<Vec<ScalarValue>>,
}

/// Whether a folder's name gives a column.
pub(super) fn is_partition(folder: &str) -> bool {
    folder.split_once('=').is_some_and(|(name, _)| !name.is_empty())
}

impl Partitions {
    /// What the folders of a table's files say.
    ///
    /// # Errors
    /// A sentence about them, when they do not all say the same columns. It names no value.
    pub(super) fn of(folder: &Path, files: &[ObjectMeta]) -> std::result::Result<Self, String> {
        let mut found: Option<Self> = None;
        for file in files {
            let (names, values) = split(folder, &file.location)?;
            let found = found.get_or_insert_with(|| Self { names: names.clone(), values: vec![] });
            if found.names != names {
                let list = |names: &[String]| match names {
                    [] => "no column".to_owned(),
                    names => names.join("/"),
                };
                return Err(format!(
                    "the folders of its files give different columns: some give {}, others {}; \
                     all files must lie equally deep below folders of the same names",
                    list(&found.names),
                    list(&names)
                ));
            }
            found.values.push(values);
        }
        Ok(found.unwrap_or_default())
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The values of one column, in the order of the files.
    pub(super) fn values(&self, name: &str) -> Option<Vec<Option<&str>>> {
        let at = self.names.iter().position(|known| known == name)?;
        Some(self.values.iter().map(|values| values[at].as_deref()).collect())
    }

    /// Refuses a column that the files have, too: which of its values counts, nobody knows.
    pub(super) fn apart<'a>(
        &self,
        object: &str,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        let mut columns = columns.into_iter();
        let Some(twice) = columns.find(|column| self.names.iter().any(|name| name == column))
        else {
            return Ok(());
        };
        let text = format!(
            "object {object}: column {twice} is in its files and in the names of their folders, \
             too; leave it out of the files, or name the folders differently"
        );
        Err(Error::invalid(object, text))
    }

    /// The columns, with the types that an object's fields declare, or that all values have. What
    /// says whose a row is stays text, so that it is compared letter by letter.
    pub(super) fn columns(&self, object: Option<&Object>) -> FolderColumns {
        let types: Vec<DataType> =
            (0..self.names.len()).map(|at| self.of_type(at, object)).collect();
        let field = |(name, data_type): (&String, &DataType)| {
            Arc::new(Field::new(name, data_type.clone(), true))
        };
        let values = self.values.iter().map(|values| {
            let values = values.iter().zip(&types);
            values.map(|(value, data_type)| scalar(value.as_deref(), data_type)).collect()
        });
        FolderColumns {
            fields: self.names.iter().zip(&types).map(field).collect(),
            values: values.collect(),
        }
    }

    fn of_type(&self, at: usize, object: Option<&Object>) -> DataType {
        let name = &self.names[at];
        let owned = object.is_some_and(|object| {
            let marks = [&object.entity_column, &object.org_column];
            object.tenant_column == *name || marks.into_iter().flatten().any(|mark| mark == name)
        });
        let mut declared = object
            .iter()
            .flat_map(|object| &object.fields)
            .filter(|field| field.column == *name)
            .map(|field| field.field_type);
        let wanted = match (owned, declared.next()) {
            (true, _) => FieldType::Text,
            (false, Some(first)) if declared.all(|other| other == first) => first,
            (false, Some(_)) => FieldType::Text,
            (false, None) => self.guess(at),
        };
        let wanted = match wanted {
            FieldType::Integer => DataType::Int64,
            FieldType::Date => DataType::Date32,
            // Others are read from text, as those of text files are.
            _ => DataType::Utf8View,
        };
        // A value that is not what is declared fails whoever reads it, and nobody else.
        let mut values = self.values.iter().filter_map(|values| values[at].as_deref());
        if values.all(|value| !scalar(Some(value), &wanted).is_null()) {
            wanted
        } else {
            DataType::Utf8View
        }
    }

    fn guess(&self, at: usize) -> FieldType {
        let mut guess = Guess::default();
        for value in self.values.iter().filter_map(|values| values[at].as_deref()) {
            guess.csv(value, 0);
        }
        match guess.field_type() {
            known @ (FieldType::Integer | FieldType::Date) => known,
            _ => FieldType::Text,
        }
    }

    /// The columns for somebody who has no catalog yet.
    pub(super) fn discovered(&self) -> Vec<DiscoveredColumn> {
        let fields = self.columns(None).fields;
        let column = |(at, field): (usize, &FieldRef)| DiscoveredColumn {
            name: field.name().clone(),
            column_type: field.data_type().to_string(),
            field_type: FieldType::of(field.data_type()),
            nullable: self.values.iter().any(|values| values[at].is_none()),
            label: None,
        };
        fields.iter().enumerate().map(column).collect()
    }
}

/// The columns and values that a file's folders give.
fn split(
    folder: &Path,
    file: &Path,
) -> std::result::Result<(Vec<String>, Vec<Option<String>>), String> {
    let parts: Vec<_> = file.prefix_match(folder).into_iter().flatten().collect();
    let mut names: Vec<String> = Vec::new();
    let mut values = Vec::new();
    for part in parts.iter().take(parts.len().saturating_sub(1)) {
        let part = part.as_ref();
        let Some((name, value)) = part.split_once('=').filter(|_| is_partition(part)) else {
            continue;
        };
        let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
            return Err("the name of one of its folders is not percent-encoded UTF-8".to_owned());
        };
        if names.contains(&name) {
            return Err(format!("its files lie below more than one folder that gives {name}"));
        }
        names.push(name);
        values.push((value != NULL).then_some(value));
    }
    Ok((names, values))
}

/// Takes `%3A` for a colon. What only looks like that stands for itself.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|&digit| (digit as char).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                // Cannot fail because two hexadecimal digits are a byte.
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// A value of a type; null where it is missing or is not of that type.
fn scalar(value: Option<&str>, data_type: &DataType) -> ScalarValue {
    match data_type {
        DataType::Int64 => {
            let digits = |value: &&str| value.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            ScalarValue::Int64(value.filter(digits).and_then(|value| value.parse().ok()))
        }
        DataType::Date32 => {
            let day = value.filter(|value| is_date(value)).and_then(Date32Type::parse);
            ScalarValue::Date32(day)
        }
        _ => ScalarValue::Utf8View(value.map(ToOwned::to_owned)),
    }
}

impl FolderColumns {
    /// The columns of the files, and then those of the folders.
    pub(super) fn after(&self, files: &Schema) -> SchemaRef {
        let fields = files.fields().iter().chain(&self.fields).cloned();
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The values of a file.
    pub(super) fn of(&self, file: usize) -> Vec<ScalarValue> {
        self.values.get(file).cloned().unwrap_or_default()
    }

    /// Which of so many files may have rows that satisfy a predicate over the table's schema: those
    /// whose folders' values satisfy all of its parts that need nothing else.
    pub(super) fn kept(
        &self,
        files: usize,
        predicate: Option<&Arc<dyn PhysicalExpr>>,
    ) -> DfResult<Vec<usize>> {
        let mut kept: Vec<usize> = (0..files).collect();
        let Some(predicate) = predicate.filter(|_| !self.fields.is_empty()) else {
            return Ok(kept);
        };
        let schema = Arc::new(Schema::new(self.fields.clone()));
        let columns = (0..self.fields.len()).map(|at| {
            ScalarValue::iter_to_array(self.values.iter().map(|values| values[at].clone()))
        });
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns.collect::<DfResult<_>>()?)?;
        for part in split_conjunction(predicate) {
            let of_folders = |column: &Column| schema.index_of(column.name()).is_ok();
            if !collect_columns(part).iter().all(of_folders) {
                continue;
            }
            let part = reassign_expr_columns(Arc::clone(part), &schema)?;
            let wanted = part.evaluate(&rows)?.into_array(files)?;
            let wanted = wanted.as_boolean();
            kept.retain(|&at| wanted.is_valid(at) && wanted.value(at));
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn files(paths: &[&str]) -> Vec<ObjectMeta> {
        let file = |path: &&str| ObjectMeta {
            location: Path::parse(path).expect("a path"),
            last_modified: DateTime::<Utc>::UNIX_EPOCH,
            size: 1,
            e_tag: None,
            version: None,
        };
        paths.iter().map(file).collect()
    }

    fn of(paths: &[&str]) -> std::result::Result<Partitions, String> {
        Partitions::of(&Path::from("t"), &files(paths))
    }

    #[test]
    fn names_of_folders_are_columns() {
        for (paths, columns, last) in [
            (&["t/a.csv", "t/sub/b.csv"][..], "", ""),
            (&["t/year=2026/a.csv", "t/year=2027/b.csv"], "year:Int64", "2027"),
            (&["t/month=01/a.csv", "t/month=12/b.csv"], "month:Utf8View", "12"),
            (&["t/d=2026-01-02/a.csv"], "d:Date32", "2026-01-02"),
            (&["t/d=2026-01-02/a.csv", "t/d=later/a.csv"], "d:Utf8View", "later"),
            (&["t/x=1/a.csv", "t/x=__HIVE_DEFAULT_PARTITION__/a.csv"], "x:Int64", ""),
            (&["t/a%20b=%C3%A9%3A%zz/a.csv"], "a b:Utf8View", "é:%zz"),
            (&["t/x=a=b/a.csv"], "x:Utf8View", "a=b"),
            (&["t/x=/a.csv"], "x:Utf8View", ""),
            (&["t/=x/a.csv"], "", ""),
            (&["t/x=9223372036854775808/a.csv"], "x:Utf8View", "9223372036854775808"),
        ] {
            let found = of(paths).expect("partitions").columns(None);
            let shown = found.fields.iter().map(|f| format!("{}:{}", f.name(), f.data_type()));
            assert_eq!(shown.collect::<Vec<_>>().join(" "), columns, "{paths:?}");
            let value = found.of(paths.len() - 1).first().map(|value| match value.is_null() {
                true => String::new(),
                false => value.to_string(),
            });
            assert_eq!(value.unwrap_or_default(), last, "{paths:?}");
        }
    }

    #[test]
    fn folders_that_do_not_agree_are_refused() {
        for (paths, says) in [
            (&["t/y=1/a.csv", "t/y=1/m=2/a.csv"][..], "some give y, others y/m"),
            (&["t/a.csv", "t/y=1/a.csv"], "some give no column, others y"),
            (&["t/y=1/m=1/a.csv", "t/m=1/y=1/a.csv"], "some give y/m, others m/y"),
            (&["t/y=1/y=2/a.csv"], "more than one folder that gives y"),
            (&["t/y=%ff/a.csv"], "not percent-encoded UTF-8"),
        ] {
            let error = of(paths).expect_err("they do not agree");
            assert!(error.contains(says), "{error}");
        }
    }
}
