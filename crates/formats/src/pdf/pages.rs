//! The serial half: rows to pages. A page is written when the next row does not fit on it, and
//! only its number is kept; what is known at the end alone (how many pages there are, which glyphs
//! were used) is written at the end.

use std::sync::Arc;

use super::embed;
use super::encoder::{Plan, Rows};
use super::fonts::{STYLES, Style, Used};
use super::layout::{Heading, Layout, SLOT_SIZE, face, length, units};
use super::lock::Lock;
use super::object::{Objects, Ref, push_number};
use super::options::Slot;
use super::text::{Block, Room, Setter};
use crate::cells::Buf;
use crate::error::{Error, Result};
use crate::pack::{FileWriter, Password};
use crate::report::{WarningKind, Warnings};
use crate::{Assembler, Body, Piece};

/// Pages under one node of the tree of pages.
const PAGES_PER_NODE: usize = 64;

/// Width of the lines around cells, their grey, and that of the headings' ground.
const GRID: &[u8] = b"0.4 w 0.7 G ";
const GROUND: &[u8] = b"0.92 g ";

/// The objects that others name before they are written.
#[derive(Clone, Copy)]
struct Known {
    root: Ref,
    info: Ref,
    pages: Ref,
    resources: Ref,
    fonts: [Ref; 2],
}

/// The page that is being filled.
struct Page {
    /// Upper edge of the table, and of its first row.
    table: i32,
    first: i32,
    /// Lower edge of the last row.
    at: i32,
    /// Lower edges of the rows.
    edges: Vec<i32>,
    ops: Vec<u8>,
}

/// One document in the making.
pub(super) struct Pages {
    plan: Arc<Plan>,
    password: Option<Password>,
    objects: Objects,
    known: Known,
    layout: Option<Arc<Layout>>,
    page: Option<Page>,
    /// Nodes of the tree with their pages; the last one is being filled.
    nodes: Vec<(Ref, Vec<Ref>)>,
    /// Objects that say how many pages there are, one for each page.
    totals: Vec<Ref>,
    written: usize,
    used: Used,
    warnings: Warnings,
}

impl Pages {
    pub(super) fn new(plan: Arc<Plan>, password: Option<Password>) -> Self {
        let mut objects = Objects::new();
        let known = Known {
            root: objects.reserve(),
            info: objects.reserve(),
            pages: objects.reserve(),
            resources: objects.reserve(),
            fonts: [objects.reserve(), objects.reserve()],
        };
        Self {
            plan,
            password,
            objects,
            known,
            layout: None,
            page: None,
            nodes: Vec::new(),
            totals: Vec::new(),
            written: 0,
            used: Used::default(),
            warnings: Warnings::default(),
        }
    }

    /// The layout, of no rows at all when none came.
    fn layout(&mut self) -> Result<Arc<Layout>> {
        if let Some(layout) = &self.layout {
            return Ok(layout.clone());
        }
        let layout = self.plan.lay_out(&vec![0; self.plan.names.len()])?;
        self.used.merge(&layout.used);
        self.warnings.merge(layout.warnings.clone());
        self.layout = Some(layout.clone());
        Ok(layout)
    }

    /// Begins a page: what stands above the table, and its headings.
    fn begin(&self, layout: &Layout) -> Page {
        let mut ops = Vec::new();
        let mut at = layout.top;
        if self.written == 0 {
            at = stack(&layout.above, layout, at, &mut ops);
        }
        let table = at;
        if let Some(names) = &layout.names {
            at -= names.height;
            ops.extend_from_slice(GROUND);
            rectangle(layout.left, at, layout.width(), names.height, &mut ops);
            ops.extend_from_slice(b"f 0 g ");
            begin_text(Style::Bold, layout.size, layout.left, table, &mut ops);
            ops.extend_from_slice(&names.ops);
            ops.extend_from_slice(b"ET\n");
        }
        begin_text(Style::Regular, layout.size, layout.left, at, &mut ops);
        Page { table, first: at, at, edges: Vec::new(), ops }
    }

    /// Writes the page that is full, or the last one.
    fn end(&mut self, layout: &Layout, last: bool, file: &mut FileWriter<'_>) -> Result<()> {
        let Some(mut page) = self.page.take() else { return Ok(()) };
        page.ops.extend_from_slice(b"ET\n");
        if self.plan.options.grid {
            let lines = grid(&page, layout);
            page.ops.extend_from_slice(&lines);
        }
        if last {
            stack(&layout.below, layout, page.at, &mut page.ops);
        }
        self.written += 1;
        let number = self.written;
        self.slots(layout, number, None, &mut page.ops)?;
        let content = self.objects.reserve();
        self.objects.stream(content, "", &page.ops, file)?;
        let mut contents = content.to_string();
        if self.counts_pages() {
            let total = self.objects.reserve();
            self.totals.push(total);
            contents = format!("[{content} {total}]");
        }
        let node = match self.nodes.last() {
            Some((node, pages)) if pages.len() < PAGES_PER_NODE => *node,
            _ => {
                let node = self.objects.reserve();
                self.nodes.push((node, Vec::with_capacity(PAGES_PER_NODE)));
                node
            }
        };
        let object = self.objects.reserve();
        self.objects.object(
            object,
            &format!("<</Type/Page/Parent {node}/Contents {contents}>>"),
            file,
        )?;
        if let Some((_, pages)) = self.nodes.last_mut() {
            pages.push(object);
        }
        Ok(())
    }

    fn counts_pages(&self) -> bool {
        self.plan.options.slots().iter().any(|(_, slot)| **slot == Slot::PageOfTotal)
    }

    /// Writes the lines above and below a page: with a total, only what needs it, else the rest.
    fn slots(
        &mut self,
        layout: &Layout,
        number: usize,
        total: Option<usize>,
        ops: &mut Vec<u8>,
    ) -> Result<()> {
        let plan = self.plan.clone();
        let options = &plan.options;
        let mut setter = Setter::new(face(Style::Regular)?);
        let mut block = Block::default();
        let width = layout.page.0 - 2 * layout.left.min(layout.page.0 / 4);
        let room =
            Room { width: units(setter.face, width / 3, SLOT_SIZE), lines: 1, size: SLOT_SIZE };
        for (place, (_, slot)) in options.slots().into_iter().enumerate() {
            let text = match (slot, total) {
                (Slot::PageOfTotal, Some(total)) => format!("{number} / {total}"),
                (Slot::PageOfTotal, None) | (_, Some(_)) | (Slot::Blank, _) => continue,
                (Slot::Title, _) => options.title.clone(),
                (Slot::Date, _) => options.date.clone(),
                (Slot::Page, _) => number.to_string(),
                (Slot::Text(text), _) => text.clone(),
            };
            setter.set(&text.replace(['\n', '\r'], " "), room, &mut self.used, &mut block);
            if number == 1 {
                self.warn(&block);
            }
            let Some((line, show)) = block.iter().next() else { continue };
            let wide = length(setter.face, line.width, SLOT_SIZE);
            let right = layout.left + layout.width();
            let x = match place % 3 {
                0 => layout.left,
                1 => (layout.left + right - wide) / 2,
                _ => right - wide,
            };
            let y = if place < 3 {
                layout.top + SLOT_SIZE / 2
            } else {
                layout.bottom - SLOT_SIZE - SLOT_SIZE / 4
            };
            begin_text(Style::Regular, SLOT_SIZE, x, y, ops);
            ops.extend_from_slice(show);
            ops.extend_from_slice(b" ET\n");
        }
        Ok(())
    }

    fn warn(&mut self, block: &Block) {
        for (wrong, kind) in [
            (block.cut, WarningKind::TextCut),
            (block.boxed, WarningKind::CharactersBoxed),
            (block.replaced, WarningKind::CharactersReplaced),
        ] {
            if wrong {
                self.warnings.note(kind, "", 0);
            }
        }
    }

    /// Writes what is known at the end alone.
    fn finish_document(&mut self, layout: &Layout, file: &mut FileWriter<'_>) -> Result<()> {
        let count = self.written;
        for (number, object) in (1..).zip(std::mem::take(&mut self.totals)) {
            let mut ops = Vec::new();
            self.slots(layout, number, Some(count), &mut ops)?;
            self.objects.stream(object, "", &ops, file)?;
        }
        let Known { root, info, pages, resources, fonts } = self.known;
        let mut named = String::new();
        for (style, font) in STYLES.into_iter().zip(fonts) {
            if embed::embed(style, font, &self.used, &mut self.objects, file)? {
                named.push_str(&format!("/F{} {font}", style as usize));
            }
        }
        self.objects.object(resources, &format!("<</Font<<{named}>>>>"), file)?;
        let list = |objects: &mut dyn Iterator<Item = Ref>| {
            objects.map(|object| object.to_string()).collect::<Vec<_>>().join(" ")
        };
        for (node, children) in &self.nodes {
            let content = format!(
                "<</Type/Pages/Parent {pages}/Count {}/Kids[{}]>>",
                children.len(),
                list(&mut children.iter().copied())
            );
            self.objects.object(*node, &content, file)?;
        }
        let mut media = Vec::new();
        push_number(&mut media, layout.page.0);
        push_number(&mut media, layout.page.1);
        let kids = list(&mut self.nodes.iter().map(|(node, _)| *node));
        self.objects.object(
            pages,
            &format!(
                "<</Type/Pages/Count {count}/Kids[{kids}]/MediaBox[0 0 {}]/Resources {resources}>>",
                String::from_utf8_lossy(&media).trim_end()
            ),
            file,
        )?;
        self.objects.object(
            root,
            &format!("<</Type/Catalog/Pages {pages}/ViewerPreferences<</DisplayDocTitle true>>>>"),
            file,
        )?;
        let options = &self.plan.options;
        let title = if options.title.is_empty() { "Export" } else { &options.title };
        let content = format!(
            "<</Title{}/Producer{}>>",
            self.objects.text(title),
            self.objects.text("Outhaul")
        );
        self.objects.object(info, &content, file)
    }
}

impl Assembler for Pages {
    fn start(&mut self, file: &mut FileWriter<'_>) -> Result<()> {
        if let Some(password) = &self.password {
            self.objects.lock(Lock::new(password)?);
        }
        self.objects.head(file)
    }

    fn append(&mut self, piece: Piece, file: &mut FileWriter<'_>) -> Result<Option<Buf>> {
        let Body::Other(body) = piece.body else {
            return Err(Error::Usage("a document was given a foreign piece"));
        };
        let rows = body.downcast::<Rows>();
        let rows = rows.map_err(|_| Error::Usage("a document was given a foreign piece"))?;
        let layout = self.layout()?;
        self.used.merge(&rows.used);
        let mut start = 0;
        for (end, height) in &rows.rows {
            if self.page.as_ref().is_some_and(|page| page.at - height < layout.bottom) {
                self.end(&layout, false, file)?;
            }
            let mut page = self.page.take().unwrap_or_else(|| self.begin(&layout));
            page.ops.extend_from_slice(&rows.ops[start..*end]);
            page.at -= height;
            page.edges.push(page.at);
            self.page = Some(page);
            start = *end;
        }
        Ok(None)
    }

    fn finish(&mut self, file: &mut FileWriter<'_>) -> Result<Warnings> {
        let layout = self.layout()?;
        let below: i32 = layout.below.iter().map(|text| text.row.height).sum();
        if self.page.as_ref().is_some_and(|page| page.at - below < layout.bottom) {
            self.end(&layout, false, file)?;
        }
        if self.page.is_none() {
            self.page = Some(self.begin(&layout));
        }
        self.end(&layout, true, file)?;
        self.finish_document(&layout, file)?;
        let objects = std::mem::replace(&mut self.objects, Objects::new());
        objects.tail(self.known.root, self.known.info, file)?;
        Ok(std::mem::take(&mut self.warnings))
    }
}

/// Writes texts under one another; answers where the last one ends.
fn stack(texts: &[Heading], layout: &Layout, mut at: i32, ops: &mut Vec<u8>) -> i32 {
    for text in texts {
        begin_text(text.style, text.size, layout.left, at, ops);
        ops.extend_from_slice(&text.row.ops);
        ops.extend_from_slice(b"ET\n");
        at -= text.row.height;
    }
    at
}

fn begin_text(style: Style, size: i32, x: i32, y: i32, ops: &mut Vec<u8>) {
    ops.extend_from_slice(format!("BT/F{} ", style as usize).as_bytes());
    push_number(ops, size);
    ops.extend_from_slice(b"Tf ");
    push_number(ops, x);
    push_number(ops, y);
    ops.extend_from_slice(b"Td\n");
}

fn rectangle(x: i32, y: i32, width: i32, height: i32, ops: &mut Vec<u8>) {
    for number in [x, y, width, height] {
        push_number(ops, number);
    }
    ops.extend_from_slice(b"re ");
}

/// The lines around the cells of a page.
fn grid(page: &Page, layout: &Layout) -> Vec<u8> {
    let mut ops = GRID.to_vec();
    if page.at == page.table {
        return ops;
    }
    let right = layout.left + layout.width();
    let mut line = |from: (i32, i32), to: (i32, i32)| {
        push_number(&mut ops, from.0);
        push_number(&mut ops, from.1);
        ops.extend_from_slice(b"m ");
        push_number(&mut ops, to.0);
        push_number(&mut ops, to.1);
        ops.extend_from_slice(b"l ");
    };
    line((layout.left, page.table), (right, page.table));
    if page.first != page.table {
        line((layout.left, page.first), (right, page.first));
    }
    for edge in &page.edges {
        line((layout.left, *edge), (right, *edge));
    }
    for column in &layout.columns {
        line((column.left, page.table), (column.left, page.at));
    }
    line((right, page.table), (right, page.at));
    ops.extend_from_slice(b"S\n");
    ops
}
