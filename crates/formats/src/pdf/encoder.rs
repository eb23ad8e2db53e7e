//! Chunks of rows to rows of a page. The first chunk decides the widths of the columns; threads
//! that have a later one wait for it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};

use super::fonts::{Style, Used};
use super::layout::{Layout, PAD_X, face, units};
use super::lock::Lock;
use super::pages::Pages;
use super::rows::Row;
use super::text::{Block, Room, Setter};
use super::{CELLS_MAX, FORMAT, PdfOptions, SAMPLE_ROWS};
use crate::cells::{self, Buf, Column, Escape};
use crate::error::{Error, Result};
use crate::options::{FormatOptions, ValueOptions};
use crate::pack::Password;
use crate::report::{Tally, WarningKind, Warnings};
use crate::{Assembler, Body, Chunk, Encoder, Piece, Scratch};

/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 128;

/// How often a thread that waits for the layout looks at the stop flag.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Letters of a cell that are looked at for the width of its column.
const WISH_LETTERS_MAX: usize = 500;

/// What the threads and the assembler of one document share.
pub(super) struct Plan {
    pub(super) options: PdfOptions,
    pub(super) names: Vec<String>,
    numeric: Vec<bool>,
    layout: Mutex<Option<Arc<Layout>>>,
    laid_out: Condvar,
}

impl Plan {
    /// Lays out by the wishes of the first rows, unless that has been done.
    pub(super) fn lay_out(&self, wishes: &[i32]) -> Result<Arc<Layout>> {
        let mut slot = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = &*slot {
            return Ok(layout.clone());
        }
        let layout = Arc::new(Layout::new(&self.options, &self.names, &self.numeric, wishes)?);
        *slot = Some(layout.clone());
        self.laid_out.notify_all();
        Ok(layout)
    }

    /// The layout, once the thread with the first rows has made it.
    fn wait(&self, stop: &dyn Fn() -> bool) -> Result<Arc<Layout>> {
        let mut slot = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(layout) = &*slot {
                return Ok(layout.clone());
            }
            if stop() {
                return Err(Error::Cancelled);
            }
            let waited = self.laid_out.wait_timeout(slot, LOOK_EVERY);
            slot = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Rows of one piece.
pub(super) struct Rows {
    pub(super) ops: Vec<u8>,
    /// Where each row's operators end, and its height.
    pub(super) rows: Vec<(usize, i32)>,
    pub(super) used: Used,
}

pub(super) struct PdfEncoder {
    plan: Arc<Plan>,
    values: ValueOptions,
    password: Option<Password>,
}

impl PdfEncoder {
    pub(super) fn new(schema: &SchemaRef, options: &FormatOptions) -> Result<Self> {
        cells::check_types(schema, &options.values)?;
        if schema.fields().is_empty() {
            return Err(Error::Schema {
                format: FORMAT,
                problem: "there is no column to write; select at least one".into(),
            });
        }
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        Layout::check(&options.pdf, &names)?;
        if let Some(password) = &options.password {
            Lock::new(password)?;
        }
        let numeric = schema.fields().iter().map(|field| is_numeric(field.data_type())).collect();
        Ok(Self {
            plan: Arc::new(Plan {
                options: options.pdf.clone(),
                names,
                numeric,
                layout: Mutex::new(None),
                laid_out: Condvar::new(),
            }),
            values: options.values.clone(),
            password: options.password.clone(),
        })
    }

    fn check_cells(&self, chunk: &Chunk) -> Result<()> {
        let columns = self.plan.names.len() as u64;
        if (chunk.first_row + chunk.rows).saturating_mul(columns) <= CELLS_MAX {
            return Ok(());
        }
        Err(Error::Schema {
            format: FORMAT,
            problem: format!(
                "the table has more than {CELLS_MAX} cells, {} rows of {columns} columns, which no \
                 one reads on paper; filter the rows, select fewer columns, or use csv or xlsx",
                CELLS_MAX / columns
            ),
        })
    }

    /// The widths that the cells of the first rows want.
    fn wishes(&self, chunk: &Chunk, text: &mut Buf) -> Result<Vec<i32>> {
        let setter = Setter::new(face(Style::Regular)?);
        let mut plain = Plain(self.values.null.as_bytes());
        let mut wishes = vec![0; self.plan.names.len()];
        let mut left = SAMPLE_ROWS;
        for batch in &chunk.batches {
            let rows = batch.num_rows().min(left);
            left -= rows;
            let mut columns = Column::resolve_all(batch, &self.values)?;
            for (column, wish) in columns.iter_mut().zip(&mut wishes) {
                for row in 0..rows {
                    text.clear();
                    column.write(row, text, &mut plain);
                    let cell = String::from_utf8_lossy(text.as_slice());
                    *wish = setter.wish(&cell, WISH_LETTERS_MAX).max(*wish);
                }
            }
        }
        Ok(wishes)
    }

    fn batch(&self, batch: &RecordBatch, first_row: u64, run: &mut Run<'_>) -> Result<()> {
        let mut columns = Column::resolve_all(batch, &self.values)?;
        let mut plain = Plain(self.values.null.as_bytes());
        for row in 0..batch.num_rows() {
            if row.is_multiple_of(ROWS_PER_LOOK) && (run.stop)() {
                return Err(Error::Cancelled);
            }
            for (at, column) in columns.iter_mut().enumerate() {
                run.text.clear();
                column.write(row, run.text, &mut plain);
                let cell = String::from_utf8_lossy(run.text.as_slice());
                let block = &mut run.blocks[at];
                run.setter.set(&cell, run.rooms[at], &mut run.used, block);
                let data_row = first_row + row as u64;
                if block.cut {
                    run.tallies[at].note(WarningKind::TextCut, data_row);
                }
                if block.boxed {
                    run.tallies[at].note(WarningKind::CharactersBoxed, data_row);
                }
                if block.replaced {
                    run.tallies[at].note(WarningKind::CharactersReplaced, data_row);
                }
            }
            let layout = run.layout;
            let height = run.row.compose(
                run.setter.face,
                layout.size,
                layout.left,
                &layout.columns,
                &run.blocks,
            );
            run.rows.push((run.row.ops.len(), height));
        }
        Ok(())
    }
}

/// True for the columns whose cells stand on the right.
fn is_numeric(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_numeric(values),
        DataType::RunEndEncoded(_, values) => is_numeric(values.data_type()),
        data_type => data_type.is_numeric(),
    }
}

/// What one call of `encode` writes with.
struct Run<'a> {
    layout: &'a Layout,
    text: &'a mut Buf,
    setter: Setter,
    rooms: Vec<Room>,
    blocks: Vec<Block>,
    row: Row,
    rows: Vec<(usize, i32)>,
    used: Used,
    tallies: Vec<Tally>,
    stop: &'a dyn Fn() -> bool,
}

impl Encoder for PdfEncoder {
    fn encode(
        &self,
        chunk: &Chunk,
        scratch: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Result<Piece> {
        self.check_cells(chunk)?;
        let layout = match chunk.first_row {
            0 => self.plan.lay_out(&self.wishes(chunk, &mut scratch.text)?)?,
            _ => self.plan.wait(stop)?,
        };
        let setter = Setter::new(face(Style::Regular)?);
        let room = |width: i32| Room {
            width: units(setter.face, width - 2 * PAD_X, layout.size),
            lines: layout.lines_max,
            size: layout.size,
        };
        let rooms = layout.columns.iter().map(|column| room(column.width)).collect();
        let mut run = Run {
            layout: &layout,
            text: &mut scratch.text,
            rooms,
            setter,
            blocks: vec![Block::default(); self.plan.names.len()],
            row: Row::default(),
            rows: Vec::with_capacity(chunk.rows as usize),
            used: Used::default(),
            tallies: vec![Tally::default(); self.plan.names.len()],
            stop,
        };
        let mut first_row = chunk.first_row;
        for batch in &chunk.batches {
            self.batch(batch, first_row, &mut run)?;
            first_row += batch.num_rows() as u64;
        }
        let mut warnings = Warnings::default();
        for (name, tally) in self.plan.names.iter().zip(&run.tallies) {
            tally.tell(name, &mut warnings);
        }
        let rows = Rows { ops: run.row.ops, rows: run.rows, used: run.used };
        Ok(Piece {
            rows: chunk.rows,
            first_row: chunk.first_row,
            body: Body::Other(Box::new(rows)),
            warnings,
        })
    }

    fn assembler(&self) -> Box<dyn Assembler> {
        Box::new(Pages::new(self.plan.clone(), self.password.clone()))
    }

    fn chunk_rows(&self) -> Option<usize> {
        Some(SAMPLE_ROWS)
    }

    fn verbatim(&self) -> bool {
        false
    }
}

/// Text as it is.
struct Plain<'a>(&'a [u8]);

impl Escape for Plain<'_> {
    fn text(&mut self, out: &mut Buf, text: &[u8]) {
        out.slice(text);
    }

    fn null(&mut self, out: &mut Buf) {
        out.slice(self.0);
    }
}
