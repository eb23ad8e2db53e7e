//! Rows to comma-separated lines. The row loop is the product's hottest: per cell one jump on the
//! column's kind, digits made in registers, and for text one scan for bytes that need quoting.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::options::{CsvOptions, Quoting};
use crate::cells::{self, Buf, Column, Escape};
use crate::error::{Error, Result};
use crate::options::{FormatOptions, ValueOptions};
use crate::report::Warnings;
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch, Verbatim};

/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 1_024;

/// First bytes of a text that make a spreadsheet run it. The full-width forms of `= + - @` are
/// compared as text below.
const FORMULA_STARTS: &[u8] = b"=+-@\t\r\n";
const WIDE_FORMULA_STARTS: [&str; 4] = ["＝", "＋", "－", "＠"];

pub(super) struct CsvEncoder {
    head: Vec<u8>,
    values: ValueOptions,
    quoting: Quoting,
    quoter: Quoter,
    line_end: &'static [u8],
}

impl CsvEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        let CsvOptions { line_end, quoting, header, bom, spreadsheet_safe, .. } = options.csv;
        let delimiter = options.csv.check(&options.values.null)?;
        if schema.fields().is_empty() {
            return Err(Error::Schema {
                format: "csv",
                problem: "there is no column to write; select at least one".into(),
            });
        }
        // A line of one empty field is an empty line, which readers skip: the row would be lost.
        let sole = schema.fields().len() == 1;
        let null = match options.values.null.as_bytes() {
            b"" if sole => vec![quoting.mark(); 2],
            text => text.to_vec(),
        };
        let mut quoter = Quoter {
            delimiter,
            null,
            null_text: options.values.null.clone().into(),
            spreadsheet_safe,
            mark: quoting.mark(),
        };
        let mut head = Buf::default();
        if bom {
            head.fixed(&[0xEF, 0xBB, 0xBF]);
        }
        if header {
            for (place, field) in schema.fields().iter().enumerate() {
                if place > 0 {
                    head.byte(delimiter);
                }
                let name = field.name().as_bytes();
                match quoting {
                    Quoting::Needed => quoter.text(&mut head, name),
                    Quoting::All | Quoting::AllSingle => quoter.quoted_cell(&mut head, name),
                }
            }
            head.slice(line_end.bytes());
        }
        Ok(Self {
            head: head.as_slice().to_vec(),
            values: options.values.clone(),
            quoting,
            quoter,
            line_end: line_end.bytes(),
        })
    }

    fn rows(&self, batch: &RecordBatch, out: &mut Buf, stop: &dyn Fn() -> bool) -> Result<()> {
        let mut columns = Column::resolve_all(batch, &self.values)?;
        let Some((first, others)) = columns.split_first_mut() else {
            return Err(Error::Usage("a batch without columns was pushed"));
        };
        let mut quoter = self.quoter.clone();
        for row in 0..batch.num_rows() {
            if row % ROWS_PER_LOOK == 0 && stop() {
                return Err(Error::Cancelled);
            }
            first.write(row, out, &mut quoter);
            for column in others.iter_mut() {
                out.byte(quoter.delimiter);
                column.write(row, out, &mut quoter);
            }
            self.end_line(out);
        }
        Ok(())
    }

    /// The same with all fields quoted: each is made apart and then quoted.
    fn quoted_rows(
        &self,
        batch: &RecordBatch,
        out: &mut Buf,
        cell: &mut Buf,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut columns = Column::resolve_all(batch, &self.values)?;
        let mut quoter = self.quoter.clone();
        for row in 0..batch.num_rows() {
            if row % ROWS_PER_LOOK == 0 && stop() {
                return Err(Error::Cancelled);
            }
            for (place, column) in columns.iter_mut().enumerate() {
                if place > 0 {
                    out.byte(quoter.delimiter);
                }
                if column.is_null(row) {
                    quoter.null(out);
                    continue;
                }
                cell.clear();
                let mut marked = Marked { is_text: false };
                column.write(row, cell, &mut marked);
                if marked.is_text {
                    quoter.quoted_cell(out, cell.as_slice());
                } else {
                    quoted(out, quoter.mark, b"", cell.as_slice());
                }
            }
            self.end_line(out);
        }
        Ok(())
    }

    #[inline(always)]
    fn end_line(&self, out: &mut Buf) {
        match self.line_end {
            b"\n" => out.byte(b'\n'),
            b"\r" => out.byte(b'\r'),
            _ => out.fixed(b"\r\n"),
        }
    }
}

impl Encoder for CsvEncoder {
    fn encode(
        &self,
        chunk: &Chunk,
        scratch: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        let mut out = std::mem::take(&mut scratch.spare);
        out.clear();
        for batch in &chunk.batches {
            match self.quoting {
                Quoting::Needed => self.rows(batch, &mut out, stop)?,
                Quoting::All | Quoting::AllSingle => {
                    self.quoted_rows(batch, &mut out, &mut scratch.text, stop)?;
                }
            }
        }
        Ok(Piece {
            rows: chunk.rows,
            first_row: chunk.first_row,
            body: Body::Bytes(out),
            warnings: Warnings::default(),
        })
    }

    fn assembler(&self) -> Box<dyn Assembler> {
        Box::new(Verbatim { head: self.head.clone(), tail: b"" })
    }
}

/// Tells texts from numbers while a cell is made apart: only texts can be formulas.
struct Marked {
    is_text: bool,
}

impl Escape for Marked {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        self.is_text = true;
        out.slice(text);
    }

    fn null(&mut self, _: &mut Buf) {}
}

/// Quoting of texts.
#[derive(Debug, Clone)]
struct Quoter {
    delimiter: u8,
    null: Vec<u8>,
    null_text: Vec<u8>,
    spreadsheet_safe: bool,
    mark: u8,
}

impl Quoter {
    fn prefix(&self, text: &[u8]) -> &'static [u8] {
        let formula = self.spreadsheet_safe
            && text.first().is_some_and(|first| {
                FORMULA_STARTS.contains(first)
                    || WIDE_FORMULA_STARTS.iter().any(|wide| text.starts_with(wide.as_bytes()))
            });
        if formula { b"'" } else { b"" }
    }

    fn quoted_cell(&self, out: &mut Buf, text: &[u8]) {
        quoted(out, self.mark, self.prefix(text), text);
    }
}

impl Escape for Quoter {
    #[inline(always)]
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        // A text that looks like a null is quoted, and so is one that begins with a byte order
        // mark, which a reader would drop from the start of the file.
        if needs_quotes(text, self.delimiter)
            || text.first().is_none_or(|first| *first == 0xEF)
            || self.spreadsheet_safe
            || text == self.null_text
        {
            return self.text_rare(out, text);
        }
        out.slice(text);
    }

    #[inline(always)]
    fn null(&mut self, out: &mut Buf) {
        out.slice(&self.null);
    }
}

impl Quoter {
    #[inline(never)]
    fn text_rare(&self, out: &mut Buf, text: &[u8]) {
        let prefix = self.prefix(text);
        let quote = needs_quotes(text, self.delimiter)
            || text.starts_with("\u{feff}".as_bytes())
            || (text == self.null_text || text.is_empty());
        if quote {
            quoted(out, b'"', prefix, text);
        } else {
            out.slice(prefix);
            out.slice(text);
        }
    }
}

fn quoted(out: &mut Buf, mark: u8, prefix: &[u8], text: &[u8]) {
    out.byte(mark);
    out.slice(prefix);
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == mark) {
        out.slice(&rest[..=at]);
        out.byte(mark);
        rest = &rest[at + 1..];
    }
    out.slice(rest);
    out.byte(mark);
}

/// True when a text has the delimiter, a quotation mark or a line end.
#[inline(always)]
fn needs_quotes(text: &[u8], delimiter: u8) -> bool {
    let len = text.len();
    if len >= 16 {
        let mut at = 0;
        while at + 16 <= len {
            if lanes_16(&text[at..at + 16], delimiter) {
                return true;
            }
            at += 16;
        }
        // The last, overlapping, sixteen.
        lanes_16(&text[len - 16..], delimiter)
    } else if len >= 8 {
        lanes_8(&text[..8], delimiter) || lanes_8(&text[len - 8..], delimiter)
    } else {
        text.iter().any(|byte| *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r'))
    }
}

/// Sixteen comparisons without a branch, which compilers turn into vector instructions.
#[inline(always)]
fn lanes_16(text: &[u8], delimiter: u8) -> bool {
    text.iter().fold(false, |hit, &byte| {
        hit | (byte == delimiter) | (byte == b'"') | (byte == b'\n') | (byte == b'\r')
    })
}

#[inline(always)]
fn lanes_8(text: &[u8], delimiter: u8) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let Some(bytes) = text.first_chunk::<8>() else { return true };
    let word = u64::from_le_bytes(*bytes);
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let equal = |byte: u8| zeros(word ^ (ONES * u64::from(byte)));
    (equal(delimiter) | equal(b'"') | equal(b'\n') | equal(b'\r')) & HIGHS != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scan_finds_each_special_byte_at_each_place() {
        for len in 0..70 {
            let plain = vec![b'x'; len];
            assert!(!needs_quotes(&plain, b';'));
            for at in 0..len {
                for special in *b";\"\n\r" {
                    let mut text = plain.clone();
                    text[at] = special;
                    assert!(needs_quotes(&text, b';'), "{special} at {at} of {len}");
                }
                for harmless in [b',', 0, 0x80, 0xFF, b'\t', b'\x0b', b'!', b'#'] {
                    let mut text = plain.clone();
                    text[at] = harmless;
                    assert!(!needs_quotes(&text, b';'), "{harmless} at {at} of {len}");
                }
            }
        }
    }
}
