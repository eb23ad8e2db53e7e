//! Rows to the `<row>` elements of a sheet, deflated where they are made. Which values become
//! numbers, dates and booleans, and which stay text because a spreadsheet would change them, is
//! decided here.

use std::path::PathBuf;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::options::{LongText, XlsxOptions};
use super::package::{LockedPackage, Workbook};
use super::text::CellText;
use super::{SHEET_COLUMNS_MAX, SHEETS_MAX, TEXT_UNITS_MAX};
use crate::cells::time::{self, DAY_SECONDS};
use crate::cells::{self, Buf, Column, Escape, Kind, Scale, digits};
use crate::error::{Error, Result};
use crate::options::{FormatOptions, ValueOptions};
use crate::pack::Password;
use crate::report::{Tally, WarningKind, Warnings};
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch};

/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 512;

/// A spreadsheet's number is a binary double and shows at most 15 digits: the first integer that
/// has more.
const FIRST_OF_16_DIGITS: u64 = 1_000_000_000_000_000;

/// From 12 digits on, a cell without a format shows an integer in powers of ten.
const FIRST_OF_12_DIGITS: u64 = 100_000_000_000;

/// Days between 1899-12-30, which the 1900 calendar counts from, and 1970-01-01. The calendar has
/// a 1900-02-29 that never was, so that only days from 1900-03-01 on have a true number.
const SERIAL_OF_1970: i64 = 25_569;
const FIRST_SERIAL: i64 = 61;
const LAST_SERIAL: i64 = 2_958_465;

const NANOS_OF_MILLI: u32 = 1_000_000;

pub(super) struct XlsxEncoder {
    workbook: Workbook,
    names: Vec<String>,
    /// `<c r="AB` for each column.
    references: Vec<Vec<u8>>,
    values: ValueOptions,
    options: XlsxOptions,
    /// What opens the workbook, and where its encrypted bytes wait.
    lock: Option<(Password, PathBuf)>,
}

impl XlsxEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        options.xlsx.check()?;
        let columns = schema.fields().len();
        let refuse = |problem: String| Err(Error::Schema { format: "xlsx", problem });
        if columns == 0 {
            return refuse("there is no column to write; select at least one".into());
        }
        if columns > SHEET_COLUMNS_MAX {
            return refuse(format!(
                "{columns} columns do not fit in a sheet, which has {SHEET_COLUMNS_MAX}; \
                 select fewer or use csv"
            ));
        }
        if let Some(password) = &options.password {
            super::lock::check(password)?;
        }
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let references: Vec<_> =
            (0..columns).map(|at| format!("<c r=\"{}", column_letters(at)).into_bytes()).collect();
        let workbook = Workbook::new(&options.xlsx, &names, &references);
        Ok(Self {
            workbook,
            names,
            references,
            values: options.values.clone(),
            options: options.xlsx.clone(),
            lock: options.password.clone().map(|password| {
                (password, options.spill_dir.clone().unwrap_or_else(std::env::temp_dir))
            }),
        })
    }

    /// Refuses rows that lie behind the last sheet that a workbook may have.
    fn check_sheets(&self, first_row: u64) -> Result<()> {
        let rows = self.options.rows_per_sheet;
        if first_row / rows < SHEETS_MAX {
            return Ok(());
        }
        Err(Error::Schema {
            format: "xlsx",
            problem: format!(
                "the rows fill more than {SHEETS_MAX} sheets of {rows} rows; set a larger \
                 xlsx.rows_per_sheet, filter the rows, or use csv"
            ),
        })
    }

    fn rows(&self, batch: &RecordBatch, first_row: u64, run: &mut Run<'_>) -> Result<()> {
        let mut columns = Column::resolve_all(batch, &self.values)?;
        let header = u64::from(self.options.header);
        for row in 0..batch.num_rows() {
            if row.is_multiple_of(ROWS_PER_LOOK) && (run.stop)() {
                return Err(Error::Cancelled);
            }
            let data_row = first_row + row as u64;
            let sheet_row = data_row % self.options.rows_per_sheet + header + 1;
            run.number.clear();
            digits::unsigned(&mut run.number, sheet_row);
            run.number.byte(b'"');
            run.out.fixed(b"<row r=\"");
            run.out.slice(run.number.as_slice());
            run.out.byte(b'>');
            for (at, column) in columns.iter_mut().enumerate() {
                if column.is_null(row) && run.text.null.is_empty() {
                    continue;
                }
                run.out.slice(&self.references[at]);
                run.out.slice(run.number.as_slice());
                if let Some(warning) = cell(column, row, run.out, &mut run.text) {
                    run.tallies[at].note(warning, data_row);
                }
                if std::mem::take(&mut run.text.too_long) {
                    self.long_text(at, data_row, &mut run.tallies[at])?;
                }
            }
            run.out.fixed(b"</row>");
        }
        Ok(())
    }

    #[cold]
    fn long_text(&self, column: usize, row: u64, tally: &mut Tally) -> Result<()> {
        if self.options.long_text == LongText::Refuse {
            return Err(Error::Value {
                column: self.names[column].clone(),
                row: row + 1,
                problem: format!(
                    "the text has more than the {TEXT_UNITS_MAX} characters that an Excel cell \
                     holds; shorten it in the query, use csv, or set xlsx.long_text to \"cut\""
                ),
            });
        }
        tally.note(WarningKind::TextCut, row);
        Ok(())
    }
}

/// What one call of `encode` writes with.
struct Run<'a> {
    out: &'a mut Buf,
    text: CellText,
    number: Buf,
    tallies: Vec<Tally>,
    stop: &'a dyn Fn() -> bool,
}

impl Encoder for XlsxEncoder {
    fn encode(
        &self,
        chunk: &Chunk,
        scratch: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        self.check_sheets(chunk.first_row)?;
        scratch.text.clear();
        let mut run = Run {
            out: &mut scratch.text,
            text: CellText { null: self.values.null.clone().into(), too_long: false },
            number: Buf::default(),
            tallies: vec![Tally::default(); self.names.len()],
            stop,
        };
        let mut first_row = chunk.first_row;
        for batch in &chunk.batches {
            self.rows(batch, first_row, &mut run)?;
            first_row += batch.num_rows() as u64;
        }
        let mut warnings = Warnings::default();
        for (name, tally) in self.names.iter().zip(&run.tallies) {
            tally.tell(name, &mut warnings);
        }
        let spare = std::mem::take(&mut scratch.spare);
        let block = scratch.deflater.block(scratch.text.as_slice(), scratch.level, spare)?;
        Ok(Piece {
            rows: chunk.rows,
            first_row: chunk.first_row,
            body: Body::Deflated(block),
            warnings,
        })
    }

    fn assembler(&self) -> Box<dyn Assembler> {
        let package = self.workbook.assembler();
        match self.lock.clone() {
            None => Box::new(package),
            Some((password, folder)) => Box::new(LockedPackage::new(package, password, folder)),
        }
    }

    fn section_rows(&self) -> Option<u64> {
        Some(self.options.rows_per_sheet)
    }

    fn verbatim(&self) -> bool {
        false
    }
}

/// Column letters: A to Z, AA to ZZ, AAA to XFD.
fn column_letters(mut at: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(b'A' + (at % 26) as u8);
        if at < 26 {
            break;
        }
        at = at / 26 - 1;
    }
    letters.iter().rev().map(|letter| char::from(*letter)).collect()
}

/// Writes a cell behind its reference. Answers what is different from the source, if anything.
#[inline(always)]
fn cell(
    column: &mut Column<'_>,
    row: usize,
    out: &mut Buf,
    text: &mut CellText,
) -> Option<WarningKind> {
    if column.is_null(row) {
        text.null(out);
        return None;
    }
    match &mut column.kind {
        Kind::Text(texts) => text.text(out, texts.get(row)),
        Kind::I64(values) => return integer(out, values[row], text),
        Kind::I32(values) => return integer(out, values[row].into(), text),
        Kind::D128(values, scale) => return decimal(out, values[row], *scale, text),
        Kind::Date32(values) => return date(out, values[row].into(), text),
        _ => return cell_rare(column, row, out, text),
    }
    None
}

fn cell_rare(
    column: &mut Column<'_>,
    row: usize,
    out: &mut Buf,
    text: &mut CellText,
) -> Option<WarningKind> {
    match &mut column.kind {
        Kind::Bool(values) => {
            out.fixed(if values.value(row) {
                b" t=\"b\"><v>1</v></c>"
            } else {
                b" t=\"b\"><v>0</v></c>"
            });
            None
        }
        Kind::I8(values) => integer(out, values[row].into(), text),
        Kind::I16(values) => integer(out, values[row].into(), text),
        Kind::U8(values) => integer(out, values[row].into(), text),
        Kind::U16(values) => integer(out, values[row].into(), text),
        Kind::U32(values) => integer(out, values[row].into(), text),
        Kind::U64(values) => match i64::try_from(values[row]) {
            Ok(value) => integer(out, value, text),
            Err(_) => as_text(out, text, WarningKind::NumberAsText, |cell| {
                digits::unsigned(cell, values[row]);
            }),
        },
        Kind::F16(values) => float(out, text, values[row].is_finite(), |cell| {
            cells::float32(cell, values[row].to_f32());
        }),
        Kind::F32(values) => float(out, text, values[row].is_finite(), |cell| {
            cells::float32(cell, values[row]);
        }),
        Kind::F64(values) => float(out, text, values[row].is_finite(), |cell| {
            cells::float64(cell, values[row]);
        }),
        Kind::D32(values, scale) => decimal(out, values[row].into(), *scale, text),
        Kind::D64(values, scale) => decimal(out, values[row].into(), *scale, text),
        Kind::D256(values, scale) => match values[row].to_i128() {
            Some(value) => decimal(out, value, *scale, text),
            None => as_text(out, text, WarningKind::NumberAsText, |cell| {
                cells::decimal_256(cell, values[row], *scale);
            }),
        },
        Kind::Date64(values) => date(out, values[row].div_euclid(86_400_000), text),
        Kind::Time32(values, per_second) => time_of_day(out, values[row].into(), *per_second),
        Kind::Time64(values, per_second) => time_of_day(out, values[row], *per_second),
        Kind::Stamp(values, stamp) => {
            let (day, second, nanos, _) = stamp.wall(values[row]);
            if is_in_calendar(day) {
                timestamp(out, day, second, nanos)
            } else {
                as_text(out, text, WarningKind::DateAsText, |cell| stamp.write(cell, values[row]))
            }
        }
        Kind::Indexed(keys, inner) => {
            let at = keys[row];
            cell(inner, at, out, text)
        }
        _ => {
            column.write(row, out, text);
            None
        }
    }
}

#[cold]
fn as_text(
    out: &mut Buf,
    text: &mut CellText,
    why: WarningKind,
    write: impl FnOnce(&mut Buf),
) -> Option<WarningKind> {
    let mut cell = Buf::default();
    write(&mut cell);
    text.text(out, cell.as_slice());
    Some(why)
}

#[inline(always)]
fn number(out: &mut Buf, write: impl FnOnce(&mut Buf)) {
    out.fixed(b"><v>");
    write(out);
    out.fixed(b"</v></c>");
}

#[inline(always)]
fn integer(out: &mut Buf, value: i64, text: &mut CellText) -> Option<WarningKind> {
    match value.unsigned_abs() {
        FIRST_OF_16_DIGITS.. => {
            as_text(out, text, WarningKind::NumberAsText, |cell| digits::signed(cell, value))
        }
        // Style 4 shows all digits.
        FIRST_OF_12_DIGITS.. => {
            out.fixed(b" s=\"4\"");
            number(out, |out| digits::signed(out, value));
            None
        }
        _ => {
            number(out, |out| digits::signed(out, value));
            None
        }
    }
}

#[inline(always)]
fn decimal(out: &mut Buf, value: i128, scale: Scale, text: &mut CellText) -> Option<WarningKind> {
    let magnitude = value.unsigned_abs();
    if scale.digits >= 0 && magnitude < u128::from(FIRST_OF_16_DIGITS) {
        number(out, |out| {
            digits::decimal_u64(out, value < 0, magnitude as u64, scale.digits as usize, true);
        });
        return None;
    }
    decimal_long(out, value, scale, text)
}

/// Decimals of more than 15 digits: still a number when the digits beyond are zeros.
#[cold]
fn decimal_long(
    out: &mut Buf,
    value: i128,
    scale: Scale,
    text: &mut CellText,
) -> Option<WarningKind> {
    let mut magnitude = value.unsigned_abs();
    while magnitude != 0 && magnitude.is_multiple_of(10) {
        magnitude /= 10;
    }
    if magnitude < u128::from(FIRST_OF_16_DIGITS) {
        number(out, |out| cells::decimal_128(out, value, Scale { trim: true, ..scale }));
        return None;
    }
    as_text(out, text, WarningKind::NumberAsText, |cell| cells::decimal_128(cell, value, scale))
}

#[inline(always)]
fn float(
    out: &mut Buf,
    text: &mut CellText,
    finite: bool,
    write: impl FnOnce(&mut Buf),
) -> Option<WarningKind> {
    if finite {
        number(out, write);
        None
    } else {
        as_text(out, text, WarningKind::NumberAsText, write)
    }
}

fn is_in_calendar(day: i64) -> bool {
    (FIRST_SERIAL..=LAST_SERIAL).contains(&(day + SERIAL_OF_1970))
}

#[inline(always)]
fn date(out: &mut Buf, day: i64, text: &mut CellText) -> Option<WarningKind> {
    if is_in_calendar(day) {
        out.fixed(b" s=\"1\"");
        number(out, |out| digits::unsigned(out, (day + SERIAL_OF_1970) as u64));
        None
    } else {
        as_text(out, text, WarningKind::DateAsText, |cell| time::date(cell, day))
    }
}

/// A wall clock as days and their fraction.
fn timestamp(out: &mut Buf, day: i64, second: u32, nanos: u32) -> Option<WarningKind> {
    out.fixed(b" s=\"2\"");
    number(out, |out| {
        digits::unsigned(out, (day + SERIAL_OF_1970) as u64);
        day_fraction(out, second, nanos);
    });
    (!nanos.is_multiple_of(NANOS_OF_MILLI)).then_some(WarningKind::TimestampRounded)
}

/// A time as the fraction of a day that its millisecond begins at. What is finer is cut: a reader
/// keeps the number as a binary double and rounds it to a millisecond, and the last microseconds
/// of a day, or of the calendar, must not become the next. Eleven digits are within a microsecond.
fn day_fraction(out: &mut Buf, second: u32, nanos: u32) {
    let millis = u64::from(second) * 1_000 + u64::from(nanos / NANOS_OF_MILLI);
    // A millisecond is 1 / 86,400,000 of a day: 31,250 / 27 units of the eleventh digit.
    let fraction = (millis * 31_250 + 13) / 27;
    if fraction > 0 {
        out.byte(b'.');
        digits::padded(out, fraction, 11);
    }
}

fn time_of_day(out: &mut Buf, value: i64, per_second: i64) -> Option<WarningKind> {
    let (seconds, nanos) = time::split(value, per_second);
    out.fixed(b" s=\"3\"");
    number(out, |out| {
        out.byte(b'0');
        day_fraction(out, seconds.rem_euclid(DAY_SECONDS) as u32, nanos);
    });
    (!nanos.is_multiple_of(NANOS_OF_MILLI)).then_some(WarningKind::TimestampRounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_lettered_as_in_a_spreadsheet() {
        for (at, letters) in [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (51, "AZ"),
            (52, "BA"),
            (701, "ZZ"),
            (702, "AAA"),
            (16_383, "XFD"),
        ] {
            assert_eq!(column_letters(at), letters);
        }
    }
}
