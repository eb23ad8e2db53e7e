//! Documents out of rows: a column for each member, nested where the tree of the export nests.
//!
//! Nothing is copied but what is new: texts around a value, and names of entries. What becomes of
//! nulls is the format's to say.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::types::Int8Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int8Array, RecordBatch, RecordBatchOptions, StringArray,
    StructArray,
};
use arrow_buffer::NullBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use futures::StreamExt;
use outhaul_exports::document::{Archive, Documents, FileProperty, Member, Node};
use outhaul_exports::flow::{RowStream, marked_as_json};
use outhaul_exports::{Error, Result};

use super::archive::entry_of;

/// The name of the entry with the content that a row refers to.
pub(super) type EntryOf = fn(file: &FileProperty, owner: &str, reference: &str) -> String;

/// The same rows as documents.
///
/// # Errors
/// `Internal` when the tree names columns that are not there.
pub(super) fn documents(
    rows: RowStream,
    documents: &Documents,
    archive: Option<&Archive>,
) -> Result<RowStream> {
    let tree = Tree {
        members: documents.members.clone(),
        files: archive.map_or_else(Vec::new, |archive| archive.files.clone()),
        entry: entry_of(archive.unwrap_or(&Archive::default())),
    };
    let fields = tree.fields(&tree.members, &rows.schema)?;
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let own = Arc::clone(&schema);
    let batches = rows.batches.map(move |batch| {
        let batch = batch?;
        let columns = tree.columns(&tree.members, &batch)?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&own), columns, &options).map_err(wrong)
    });
    Ok(RowStream { schema, batches: Box::pin(batches), ..rows })
}

struct Tree {
    members: Vec<Member>,
    files: Vec<FileProperty>,
    entry: EntryOf,
}

impl Tree {
    fn fields(&self, members: &[Member], rows: &Schema) -> Result<Fields> {
        members.iter().map(|member| self.field(member, rows)).collect()
    }

    fn field(&self, Member { name, node }: &Member, rows: &Schema) -> Result<FieldRef> {
        let constant = || Field::new_dictionary(name, DataType::Int8, DataType::Utf8, true);
        let field = match node {
            Node::Column(at) => {
                let column = rows.fields().get(*at).ok_or_else(not_there)?;
                column.as_ref().clone().with_name(name).with_nullable(true)
            }
            Node::Text(_) => constant(),
            // A column of constants is marked as JSON as one of plain texts is.
            Node::Lost { .. } => marked_as_json(constant()),
            Node::Around { .. } | Node::FileName(_) | Node::Entry(_) => {
                Field::new(name, DataType::Utf8, true)
            }
            Node::Document { members, .. } => {
                Field::new(name, DataType::Struct(self.fields(members, rows)?), true)
            }
        };
        Ok(Arc::new(field))
    }

    fn columns(&self, members: &[Member], rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        members.iter().map(|member| self.column(member, rows)).collect()
    }

    fn column(&self, Member { node, .. }: &Member, rows: &RecordBatch) -> Result<ArrayRef> {
        Ok(match node {
            Node::Column(at) => Arc::clone(column(rows, *at)?),
            Node::Text(text) => constant(text, rows.num_rows(), |_| true)?,
            Node::Lost { named, found, json } => {
                let (named, found) = (column(rows, *named)?, column(rows, *found)?);
                let lost = |row| is_there(named, row) && !is_there(found, row);
                constant(json, rows.num_rows(), lost)?
            }
            Node::Around { before, column: at, after } => {
                let values = texts(column(rows, *at)?)?;
                made(&values, |_, value| format!("{before}{value}{after}"))
            }
            Node::FileName(at) => {
                let paths = texts(column(rows, *at)?)?;
                made(&paths, |_, path| path.rsplit('/').next().unwrap_or_default().to_owned())
            }
            Node::Entry(at) => {
                let file = self.files.get(*at).ok_or_else(not_there)?;
                let owners = texts(column(rows, file.owner)?)?;
                let references = texts(column(rows, file.reference)?)?;
                made(&references, |row, reference| {
                    let owner = if owners.is_null(row) { "" } else { owners.value(row) };
                    (self.entry)(file, owner, reference)
                })
            }
            Node::Document { present, members } => {
                let DataType::Struct(fields) = self
                    .field(&Member { name: String::new(), node: node.clone() }, &rows.schema())?
                    .data_type()
                    .clone()
                else {
                    return Err(not_there());
                };
                let members = self.columns(members, rows)?;
                let nulls = match present {
                    Some(at) => column(rows, *at)?.logical_nulls(),
                    None => any_there(&members, rows.num_rows()),
                };
                let nested =
                    StructArray::try_new_with_length(fields, members, nulls, rows.num_rows());
                Arc::new(nested.map_err(wrong)?)
            }
        })
    }
}

/// The rows in which one of the members holds something.
fn any_there(members: &[ArrayRef], rows: usize) -> Option<NullBuffer> {
    let nulls: Vec<_> = members.iter().map(|member| member.logical_nulls()).collect();
    // A member that is always there is enough.
    let nulls: Vec<_> = nulls.into_iter().collect::<Option<_>>()?;
    let there = |row| nulls.iter().any(|nulls: &NullBuffer| nulls.is_valid(row));
    Some((0..rows).map(there).collect::<Vec<bool>>().into())
}

fn column(rows: &RecordBatch, at: usize) -> Result<&ArrayRef> {
    rows.columns().get(at).ok_or_else(not_there)
}

fn is_there(column: &ArrayRef, row: usize) -> bool {
    !column.is_null(row)
}

/// The values as texts.
fn texts(column: &ArrayRef) -> Result<StringArray> {
    let texts = cast(column, &DataType::Utf8).map_err(wrong)?;
    Ok(StringArray::from(texts.to_data()))
}

/// A text made of each value that is there.
fn made(values: &StringArray, text: impl Fn(usize, &str) -> String) -> ArrayRef {
    let mut out = StringBuilder::with_capacity(values.len(), values.value_data().len());
    for (row, value) in values.iter().enumerate() {
        out.append_option(value.map(|value| text(row, value)));
    }
    Arc::new(out.finish())
}

/// The same text in every row where it is wanted.
fn constant(text: &str, rows: usize, wanted: impl Fn(usize) -> bool) -> Result<ArrayRef> {
    let keys: Int8Array = (0..rows).map(|row| wanted(row).then_some(0_i8)).collect();
    let values: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let texts = DictionaryArray::<Int8Type>::try_new(keys, values).map_err(wrong)?;
    Ok(Arc::new(texts))
}

fn not_there() -> Error {
    Error::internal("documents name a column that the rows do not have")
}

fn wrong(cause: ArrowError) -> Error {
    Error::internal("rows do not become documents").with_source(cause)
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;
    use futures::{FutureExt, TryStreamExt, stream};

    use super::*;

    fn member(name: &str, node: Node) -> Member {
        Member { name: name.to_owned(), node }
    }

    /// Rows with an id, a reference, and what the reference leads to.
    pub(super) fn rows() -> RowStream {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let reference: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]));
        let found: ArrayRef = Arc::new(StringArray::from(vec![Some("x/a"), None, None]));
        let batch =
            RecordBatch::try_from_iter([("id", id), ("ref", reference), ("found", found)]).unwrap();
        RowStream {
            schema: batch.schema(),
            estimated_rows: None,
            warnings: Vec::new(),
            batches: Box::pin(stream::iter([Ok(batch)])),
        }
    }

    #[test]
    fn a_tree_becomes_nested_columns() {
        let file = FileProperty {
            field: outhaul_exports::query::Path::own("f"),
            reference: 1,
            owner: 0,
            name: "f".to_owned(),
        };
        let archive = Archive { files: vec![file], together: false };
        let tree = Documents {
            members: vec![
                member("_id", Node::Column(0)),
                member("object", Node::Text("visit".into())),
                member("file", Node::Entry(0)),
                member(
                    "own",
                    Node::Document {
                        present: None,
                        members: vec![member("name", Node::FileName(2))],
                    },
                ),
                member(
                    "creator",
                    Node::Document {
                        present: Some(1),
                        members: vec![
                            member("_id", Node::Column(1)),
                            member(
                                "path",
                                Node::Around {
                                    before: "/accounts/".into(),
                                    column: 1,
                                    after: "!".into(),
                                },
                            ),
                            member(
                                "fault",
                                Node::Lost { named: 1, found: 2, json: "{\"x\":1}".into() },
                            ),
                        ],
                    },
                ),
            ],
        };
        let made = documents(rows(), &tree, Some(&archive)).unwrap();
        let schema = made.schema.clone();
        let batches: Vec<_> = made.batches.try_collect().now_or_never().unwrap().unwrap();
        assert_eq!(batches[0].schema(), schema);
        let shown = arrow_cast::pretty::pretty_format_batches(&batches).unwrap().to_string();
        for line in [
            r#"| 1   | visit  | files/f/1-a | {name: a} | {_id: a, path: /accounts/a!, fault: }"#,
            r#"| 2   | visit  | files/f/2-b |           | {_id: b, path: /accounts/b!, fault: {"x":1}}"#,
            r#"| 3   | visit  |             |           |   "#,
        ] {
            assert!(shown.contains(line), "{line}\n{shown}");
        }
    }
}
