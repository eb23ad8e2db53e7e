//! Rows to `<tr>` elements. Characters that HTML has no place for become U+FFFD and are counted.

use arrow_schema::SchemaRef;

use super::{Caption, HtmlOptions};
use crate::cells::{self, Buf, Column, Escape};
use crate::error::{Error, Result};
use crate::options::{FormatOptions, ValueOptions};
use crate::report::{Tally, WarningKind, Warnings};
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch, Verbatim};

/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 1_024;

/// The only style: constant, so that nothing of the data is in it. Blanks and line ends of a text
/// are shown as they are.
const STYLE: &str = "table{border-collapse:collapse}th,td{border:1px solid #999;padding:2px 6px;\
text-align:left;vertical-align:top;white-space:pre-wrap}th{background:#eee}";

const TABLE_END: &[u8] = b"</tbody>\n</table>\n";
const PAGE_END: &[u8] = b"</tbody>\n</table>\n</body>\n</html>\n";

pub(super) struct HtmlEncoder {
    head: Vec<u8>,
    tail: &'static [u8],
    names: Vec<String>,
    values: ValueOptions,
}

impl HtmlEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        if schema.fields().is_empty() {
            return Err(Error::Schema {
                format: "html",
                problem: "there is no column to write; select at least one".into(),
            });
        }
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(Self {
            head: head(&names, &options.html),
            tail: if options.html.page { PAGE_END } else { TABLE_END },
            names,
            values: options.values.clone(),
        })
    }
}

/// All that stands in front of the first row.
fn head(names: &[String], options: &HtmlOptions) -> Vec<u8> {
    let mut escaper = Escaper::new("");
    let mut head = Buf::default();
    // A title has to hold more than blanks.
    let title = match options.title.trim() {
        "" => "Export",
        title => title,
    };
    if options.page {
        head.slice(
            b"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>",
        );
        escaper.text(&mut head, title.as_bytes());
        head.slice(b"</title>\n<style>");
        head.slice(STYLE.as_bytes());
        head.slice(b"</style>\n</head>\n<body>\n");
    }
    head.slice(b"<table>\n");
    let caption: &[u8] = match options.caption {
        Caption::None => b"",
        Caption::Top => b"<caption>",
        Caption::Bottom => b"<caption style=\"caption-side:bottom\">",
    };
    if !caption.is_empty() {
        head.slice(caption);
        escaper.text(&mut head, title.as_bytes());
        head.slice(b"</caption>\n");
    }
    if options.header {
        head.slice(b"<thead>\n<tr>");
        for name in names {
            head.slice(b"<th scope=\"col\">");
            escaper.text(&mut head, name.as_bytes());
            head.slice(b"</th>");
        }
        head.slice(b"</tr>\n</thead>\n");
    }
    head.slice(b"<tbody>\n");
    head.as_slice().to_vec()
}

impl Encoder for HtmlEncoder {
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
                out.fixed(b"<tr>");
                for (column, tally) in columns.iter_mut().zip(&mut tallies) {
                    out.fixed(b"<td>");
                    column.write(row, &mut out, &mut escaper);
                    out.fixed(b"</td>");
                    if std::mem::take(&mut escaper.replaced) {
                        tally.note(WarningKind::CharactersReplaced, first_row + row as u64);
                    }
                }
                out.fixed(b"</tr>\n");
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
        Box::new(Verbatim { head: self.head.clone(), tail: self.tail })
    }
}

/// Escaping of text in element content.
struct Escaper {
    null: Vec<u8>,
    replaced: bool,
}

/// Bytes that need a closer look: markup, control characters, and the first bytes of characters
/// among which HTML forbids some (C1 controls, noncharacters).
const LOOK: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte < 0x20 && byte != 0x09 && byte != 0x0A)
            || matches!(byte as u8, b'&' | b'<' | b'>' | b'"' | b'\'' | 0x7F | 0xC2 | 0xEF)
            || byte >= 0xF0;
        byte += 1;
    }
    table
};

impl Escaper {
    fn new(null: &str) -> Self {
        let mut escaper = Self { null: Vec::new(), replaced: false };
        let mut text = Buf::default();
        escaper.text(&mut text, null.as_bytes());
        escaper.null = text.as_slice().to_vec();
        escaper
    }

    #[inline(never)]
    fn text_rare(&mut self, out: &mut Buf, text: &[u8]) {
        for letter in String::from_utf8_lossy(text).chars() {
            match letter {
                '&' => out.fixed(b"&amp;"),
                '<' => out.fixed(b"&lt;"),
                '>' => out.fixed(b"&gt;"),
                '"' => out.fixed(b"&quot;"),
                '\'' => out.fixed(b"&#39;"),
                // A bare carriage return is read as a line feed; only the reference keeps it.
                '\r' => out.fixed(b"&#13;"),
                letter if is_forbidden(letter) => {
                    self.replaced = true;
                    out.slice("\u{fffd}".as_bytes());
                }
                letter => out.slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
}

/// Control characters but tab and line ends, and the noncharacters of Unicode.
fn is_forbidden(letter: char) -> bool {
    let code = letter as u32;
    (letter.is_control() && !matches!(letter, '\t' | '\n' | '\r'))
        || (0xFDD0..=0xFDEF).contains(&code)
        || code & 0xFFFE == 0xFFFE
}

impl Escape for Escaper {
    #[inline(always)]
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        if text.iter().any(|byte| LOOK[usize::from(*byte)]) {
            self.text_rare(out, text);
        } else {
            out.slice(text);
        }
    }

    fn null(&mut self, out: &mut Buf) {
        out.slice(&self.null);
    }
}
