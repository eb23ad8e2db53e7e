//! Rows to elements. The tags of each column are made once.

use std::collections::HashSet;

use arrow_schema::SchemaRef;

use super::options::{Columns, Element, Nulls, XmlOptions};
use super::text::{Escaper, attribute};
use super::{name, options};
use crate::cells::{self, Column};
use crate::error::{Error, Result};
use crate::options::{FormatOptions, ValueOptions};
use crate::report::{Tally, WarningKind, Warnings};
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch, Verbatim};

/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 1_024;

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// Elements around the rows, at most.
const AROUND_MAX: usize = 16;

pub(super) struct XmlEncoder {
    head: Vec<u8>,
    tail: Vec<u8>,
    row: Tags,
    columns: Vec<Tags>,
    names: Vec<String>,
    omit_nulls: bool,
    values: ValueOptions,
}

/// What stands before and behind an element's content.
struct Tags {
    open: Vec<u8>,
    close: Vec<u8>,
}

impl XmlEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        let xml = &options.xml;
        check(xml)?;
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        if names.is_empty() {
            return refuse("there is no column to write; select at least one".into());
        }
        let columns = match xml.columns {
            Columns::Elements => elements(&names)?,
            Columns::Named => {
                names.iter().map(|name| named(&xml.column, name)).collect::<Result<_>>()?
            }
        };
        let line_end = if xml.lines { "\n" } else { "" };
        let mut head = String::new();
        if xml.declaration {
            head.push_str(DECLARATION);
            head.push_str(line_end);
        }
        let mut tail = String::new();
        for element in &xml.around {
            head.push_str(&opening(element)?);
        }
        for element in xml.around.iter().rev() {
            tail.push_str(&format!("</{}>", element.name));
        }
        let close = format!("</{}>{line_end}", xml.row).into_bytes();
        Ok(Self {
            head: (head + line_end).into_bytes(),
            tail: (tail + line_end).into_bytes(),
            row: Tags { open: format!("<{}>", xml.row).into_bytes(), close },
            columns,
            names,
            omit_nulls: xml.nulls == Nulls::Omit,
            values: options.values.clone(),
        })
    }
}

/// Checks the names that the options give.
fn check(xml: &XmlOptions) -> Result<()> {
    let wrong = |option, problem: String| Err(Error::Option { option, problem });
    if xml.around.is_empty() || xml.around.len() > AROUND_MAX {
        let problem = format!("give 1 to {AROUND_MAX} elements around the rows");
        return wrong("xml.around", problem);
    }
    let attributes = |element: &options::Element| -> Vec<String> {
        element.attributes.iter().map(|(name, _)| name.clone()).collect()
    };
    for element in &xml.around {
        let attributes = attributes(element);
        let mut names = attributes.iter().chain([&element.name]);
        if let Some(name) = names.find(|name| !name::is_name(name)) {
            return wrong("xml.around", no_name(name));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = attributes.iter().find(|name| !seen.insert(name.as_str())) {
            let problem = format!("{} has two attributes {twice}; leave one out", element.name);
            return wrong("xml.around", problem);
        }
    }
    for (option, name) in [("xml.row", &xml.row), ("xml.column", &xml.column)] {
        if !name::is_name(name) {
            return wrong(option, no_name(name));
        }
    }
    Ok(())
}

fn no_name(name: &str) -> String {
    let shown: String = name.chars().take(40).filter(|letter| !letter.is_control()).collect();
    format!(
        "\"{shown}\" is no name of an element or an attribute: it begins with a letter or _, goes on \
         with letters, digits, _, - and ., and does not begin with xml"
    )
}

fn refuse<T>(problem: String) -> Result<T> {
    Err(Error::Schema { format: "xml", problem })
}

/// The opening tag of an element around the rows.
fn opening(element: &Element) -> Result<String> {
    let mut tag = format!("<{}", element.name);
    for (name, value) in &element.attributes {
        let Some(value) = attribute(value) else {
            let problem = format!("the value of {name} has a character that XML does not have");
            return Err(Error::Option { option: "xml.around", problem });
        };
        tag.push_str(&format!(" {name}=\"{value}\""));
    }
    tag.push('>');
    Ok(tag)
}

/// The tags of columns whose names are those of their elements.
fn elements(columns: &[String]) -> Result<Vec<Tags>> {
    let mut seen = HashSet::new();
    if let Some(twice) = columns.iter().find(|name| !seen.insert(name.as_str())) {
        return refuse(format!(
            "two columns are called \"{twice}\", which would be one element twice; give one of them \
             another name, or set columns to named"
        ));
    }
    let tags = |column: &String| {
        let name = name::of_column(column);
        Tags { open: format!("<{name}>").into_bytes(), close: format!("</{name}>").into_bytes() }
    };
    Ok(columns.iter().map(tags).collect())
}

/// The tags of a column whose name is an attribute.
fn named(element: &str, column: &str) -> Result<Tags> {
    let Some(name) = attribute(column) else {
        return refuse(format!(
            "the name of column {column:?} has a character that XML does not have; give it another \
             name, or set columns to elements"
        ));
    };
    Ok(Tags {
        open: format!("<{element} name=\"{name}\">").into_bytes(),
        close: format!("</{element}>").into_bytes(),
    })
}

impl Encoder for XmlEncoder {
    fn encode(
        &self,
        chunk: &Chunk,
        scratch: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        let mut out = std::mem::take(&mut scratch.spare);
        out.clear();
        let mut escaper = Escaper::new(&self.values.null);
        let mut tallies = vec![Tally::default(); self.names.len()];
        let mut first_row = chunk.first_row;
        for batch in &chunk.batches {
            let mut columns = Column::resolve_all(batch, &self.values)?;
            for row in 0..batch.num_rows() {
                if row % ROWS_PER_LOOK == 0 && stop() {
                    return Err(Error::Cancelled);
                }
                out.slice(&self.row.open);
                for ((column, tags), tally) in
                    columns.iter_mut().zip(&self.columns).zip(&mut tallies)
                {
                    if self.omit_nulls && column.is_null(row) {
                        continue;
                    }
                    out.slice(&tags.open);
                    column.write(row, &mut out, &mut escaper);
                    out.slice(&tags.close);
                    if std::mem::take(&mut escaper.replaced) {
                        tally.note(WarningKind::CharactersReplaced, first_row + row as u64);
                    }
                }
                out.slice(&self.row.close);
            }
            first_row += batch.num_rows() as u64;
        }
        let mut warnings = Warnings::default();
        for (name, tally) in self.names.iter().zip(&tallies) {
            tally.tell(name, &mut warnings);
        }
        Ok(Piece { rows: chunk.rows, first_row: chunk.first_row, body: Body::Bytes(out), warnings })
    }

    fn assembler(&self) -> Box<dyn Assembler> {
        Box::new(Verbatim { head: self.head.clone(), tail: self.tail.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn refused(columns: &[&str], options: &str) -> String {
        let xml = serde_json::from_str(options).unwrap();
        let fields: Vec<_> =
            columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        let options = FormatOptions { xml, ..FormatOptions::default() };
        let made = XmlEncoder::new(&Arc::new(Schema::new(fields)), &options);
        made.err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_would_be_no_document_is_refused() {
        for (columns, options, problem) in [
            (&["a", "a"][..], "{}", "two columns are called \"a\""),
            (&["a\0"], r#"{"columns": "named"}"#, "a character that XML does not have"),
            (&["a"], r#"{"around": []}"#, "option xml.around: give 1 to 16"),
            (&["a"], r#"{"around": [{"name": "a b"}]}"#, "option xml.around: \"a b\" is no name"),
            (&["a"], r#"{"around": [{"name": "a", "attributes": [["x:y", ""]]}]}"#, "\"x:y\""),
            (
                &["a"],
                r#"{"around": [{"name": "a", "attributes": [["x", ""], ["x", ""]]}]}"#,
                "two attributes x",
            ),
            (
                &["a"],
                r#"{"around": [{"name": "a", "attributes": [["x", "\u0001"]]}]}"#,
                "the value of x has a character",
            ),
            (&["a"], r#"{"row": "xml-row"}"#, "option xml.row: \"xml-row\""),
            (&["a"], r#"{"column": ""}"#, "option xml.column: \"\""),
        ] {
            let said = refused(columns, options);
            assert!(said.contains(problem), "{options}: {said}");
        }
        assert_eq!(refused(&["a", "a", "a\n\t"], r#"{"columns": "named"}"#), "");
        assert_eq!(refused(&["a\0", "<"], "{}"), "");
    }
}
