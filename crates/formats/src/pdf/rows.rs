//! Rows as operators that know their place in the row and not the row's on the page: each begins
//! at its upper left corner and ends at that of the next, so that rows can be put under one another
//! as they are (ISO 32000-2, 9.4.2: `Td` moves from the line before).

use super::fonts::Face;
use super::layout::{PAD_X, PAD_Y, leading, length};
use super::object::push_number;
use super::text::Block;

/// Where a column stands, in hundredths of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnBox {
    pub(super) left: i32,
    pub(super) width: i32,
    pub(super) right_aligned: bool,
}

/// A row, or many: operators, and the height of the last one composed.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) ops: Vec<u8>,
    pub(super) height: i32,
}

impl Row {
    /// Adds a row of set cells; answers its height. `origin` is the left edge of the table.
    pub(super) fn compose(
        &mut self,
        face: &Face,
        size: i32,
        origin: i32,
        columns: &[ColumnBox],
        cells: &[Block],
    ) -> i32 {
        let lines = cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0).max(1) as i32;
        let height = lines * leading(size) + 2 * PAD_Y;
        let first = PAD_Y + length(face, face.ascent, size);
        let (mut x, mut y) = (0, 0);
        for (column, cell) in columns.iter().zip(cells) {
            for ((line, ops), down) in cell.iter().zip(0..) {
                if ops.is_empty() {
                    continue;
                }
                let left = if column.right_aligned || line.rtl {
                    column.left + column.width - PAD_X - length(face, line.width, size)
                } else {
                    column.left + PAD_X
                };
                let (to_x, to_y) = (left - origin, -(first + down * leading(size)));
                push_number(&mut self.ops, to_x - x);
                push_number(&mut self.ops, to_y - y);
                self.ops.extend_from_slice(b"Td");
                self.ops.extend_from_slice(ops);
                self.ops.push(b' ');
                (x, y) = (to_x, to_y);
            }
        }
        push_number(&mut self.ops, -x);
        push_number(&mut self.ops, -height - y);
        self.ops.extend_from_slice(b"Td\n");
        height
    }
}
