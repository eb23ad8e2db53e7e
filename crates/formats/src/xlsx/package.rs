//! The package around the sheets: a zip archive of XML parts. The parts that list the sheets stand
//! at the end of the archive, because only then is it known how many there are; readers find parts
//! by name, not by place.

use std::path::PathBuf;

use super::lock::Lock;
use super::options::XlsxOptions;
use super::text::escape;
use crate::cells::{Buf, Escape};
use crate::error::{Error, Result};
use crate::pack::deflate::Sum;
use crate::pack::{Block, Deflater, Directory, EntryName, FileWriter, Level, Password};
use crate::report::{WarningKind, Warnings};
use crate::xlsx::text::CellText;
use crate::{Assembler, Body, Piece};

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const SHEETML: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// Cell styles by index: 0 plain, 1 date, 2 date and time, 3 time of day, 4 all digits of a long
/// integer, 5 header.
const STYLES: &str = "<numFmts count=\"3\">\
<numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\"/>\
<numFmt numFmtId=\"165\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/>\
<numFmt numFmtId=\"166\" formatCode=\"hh:mm:ss\"/></numFmts>\
<fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font>\
<font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>\
<fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill>\
<fill><patternFill patternType=\"gray125\"/></fill></fills>\
<borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
<cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
<cellXfs count=\"6\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>\
<xf numFmtId=\"164\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>\
<xf numFmtId=\"165\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>\
<xf numFmtId=\"166\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>\
<xf numFmtId=\"1\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>\
<xf numFmtId=\"0\" fontId=\"1\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyFont=\"1\"/></cellXfs>\
<cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles>";

const SHEET_TAIL: &[u8] = b"</sheetData></worksheet>";

/// Where the bytes of a package go.
pub(super) trait Target {
    /// Takes bytes of the package.
    ///
    /// # Errors
    /// `Sink` when they were not taken.
    fn bytes(&mut self, bytes: &[u8]) -> Result<()>;

    /// Bytes of the package so far.
    fn raw_bytes(&self) -> u64;
}

impl Target for FileWriter<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        FileWriter::bytes(self, bytes)
    }

    fn raw_bytes(&self) -> u64 {
        FileWriter::raw_bytes(self)
    }
}

/// What every assembler of one encoder shares.
pub(super) struct Workbook {
    sheet_head: Vec<u8>,
    sheet_name: String,
    rows_per_sheet: u64,
}

impl Workbook {
    pub(super) fn new(options: &XlsxOptions, names: &[String], references: &[Vec<u8>]) -> Self {
        let mut head = Buf::default();
        head.slice(XML.as_bytes());
        head.slice(format!("<worksheet xmlns=\"{MAIN}\">").as_bytes());
        if options.header {
            // The header stays in view while the rows scroll.
            head.slice(
                b"<sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" \
                topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews>",
            );
        }
        head.slice(b"<sheetData>");
        if options.header {
            let mut text = CellText::default();
            head.slice(b"<row r=\"1\">");
            for (name, reference) in names.iter().zip(references) {
                head.slice(reference);
                head.slice(b"1\" s=\"5\"");
                text.text(&mut head, name.as_bytes());
            }
            head.slice(b"</row>");
        }
        Self {
            sheet_head: head.as_slice().to_vec(),
            sheet_name: options.sheet.clone(),
            rows_per_sheet: options.rows_per_sheet,
        }
    }

    pub(super) fn assembler(&self) -> Package {
        Package {
            sheet_head: self.sheet_head.clone(),
            sheet_name: self.sheet_name.clone(),
            rows_per_sheet: self.rows_per_sheet,
            sheets: 0,
            directory: Directory::default(),
            sum: Sum::default(),
            deflater: Deflater::default(),
            warnings: Warnings::default(),
        }
    }
}

/// One workbook in the making.
pub(super) struct Package {
    sheet_head: Vec<u8>,
    sheet_name: String,
    rows_per_sheet: u64,
    /// Sheets begun; the last one is open.
    sheets: u64,
    directory: Directory,
    sum: Sum,
    deflater: Deflater,
    warnings: Warnings,
}

impl Package {
    fn begin(&mut self, name: &str, file: &mut impl Target) -> Result<()> {
        let bytes = self.directory.begin(EntryName::new(name)?, file.raw_bytes())?;
        self.sum = Sum::default();
        file.bytes(&bytes)
    }

    fn block(&mut self, block: &Block, file: &mut impl Target) -> Result<()> {
        self.sum.add(block);
        file.bytes(block.as_slice())
    }

    fn bytes(&mut self, bytes: &[u8], file: &mut impl Target) -> Result<()> {
        let block = self.deflater.block(bytes, Level::FAST, Buf::default())?;
        self.block(&block, file)
    }

    fn end(&mut self, file: &mut impl Target) -> Result<()> {
        let bytes = self.directory.end(&self.sum, file.raw_bytes())?;
        file.bytes(&bytes)
    }

    fn part(&mut self, name: &str, content: &str, file: &mut impl Target) -> Result<()> {
        self.begin(name, file)?;
        self.bytes(format!("{XML}{content}").as_bytes(), file)?;
        self.end(file)
    }

    fn begin_sheet(&mut self, file: &mut impl Target) -> Result<()> {
        self.sheets += 1;
        self.begin(&format!("xl/worksheets/sheet{}.xml", self.sheets), file)?;
        let head = std::mem::take(&mut self.sheet_head);
        self.bytes(&head, file)?;
        self.sheet_head = head;
        Ok(())
    }

    fn end_sheet(&mut self, file: &mut impl Target) -> Result<()> {
        self.bytes(SHEET_TAIL, file)?;
        self.end(file)
    }

    fn workbook(&self) -> String {
        let mut name = Buf::default();
        escape(&mut name, self.sheet_name.as_bytes());
        let name = String::from_utf8_lossy(name.as_slice()).into_owned();
        let sheets: String = (1..=self.sheets)
            .map(|at| {
                let number = if at == 1 { String::new() } else { format!(" {at}") };
                format!("<sheet name=\"{name}{number}\" sheetId=\"{at}\" r:id=\"rId{at}\"/>")
            })
            .collect();
        format!(
            "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><bookViews><workbookView/></bookViews>\
             <sheets>{sheets}</sheets></workbook>"
        )
    }

    fn workbook_relations(&self) -> String {
        let sheets: String = (1..=self.sheets)
            .map(|at| {
                format!(
                    "<Relationship Id=\"rId{at}\" Type=\"{OFFICE}/worksheet\" \
                     Target=\"worksheets/sheet{at}.xml\"/>"
                )
            })
            .collect();
        let styles = self.sheets + 1;
        format!(
            "<Relationships xmlns=\"{PACKAGE}/relationships\">{sheets}<Relationship \
             Id=\"rId{styles}\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/></Relationships>"
        )
    }

    fn content_types(&self) -> String {
        let sheets: String = (1..=self.sheets)
            .map(|at| {
                format!(
                    "<Override PartName=\"/xl/worksheets/sheet{at}.xml\" \
                     ContentType=\"{SHEETML}.worksheet+xml\"/>"
                )
            })
            .collect();
        format!(
            "<Types xmlns=\"{PACKAGE}/content-types\"><Default Extension=\"rels\" \
             ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
             <Override PartName=\"/xl/workbook.xml\" ContentType=\"{SHEETML}.sheet.main+xml\"/>\
             <Override PartName=\"/xl/styles.xml\" ContentType=\"{SHEETML}.styles+xml\"/>\
             {sheets}</Types>"
        )
    }

    /// Writes what stands before the first row.
    fn open(&mut self, file: &mut impl Target) -> Result<()> {
        // Programs that guess a file's type look at the name of its first part.
        let root = format!(
            "<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" \
             Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
        );
        self.part("_rels/.rels", &root, file)?;
        self.part(
            "xl/styles.xml",
            &format!("<styleSheet xmlns=\"{MAIN}\">{STYLES}</styleSheet>"),
            file,
        )?;
        self.begin_sheet(file)
    }

    /// Writes the next rows.
    fn rows(&mut self, piece: Piece, file: &mut impl Target) -> Result<Option<Buf>> {
        let Body::Deflated(block) = piece.body else {
            return Err(Error::Usage("a workbook was given a foreign piece"));
        };
        let sheet = piece.first_row / self.rows_per_sheet + 1;
        if sheet != self.sheets {
            self.end_sheet(file)?;
            self.begin_sheet(file)?;
            self.warnings.note(WarningKind::FurtherSheet, "", piece.first_row);
        }
        self.block(&block, file)?;
        Ok(Some(block.into_buf()))
    }

    /// Writes what stands after the last row.
    fn close(&mut self, file: &mut impl Target) -> Result<Warnings> {
        self.end_sheet(file)?;
        let (workbook, relations, types) =
            (self.workbook(), self.workbook_relations(), self.content_types());
        self.part("xl/workbook.xml", &workbook, file)?;
        self.part("xl/_rels/workbook.xml.rels", &relations, file)?;
        self.part("[Content_Types].xml", &types, file)?;
        let directory = std::mem::take(&mut self.directory);
        file.bytes(&directory.finish(file.raw_bytes())?)?;
        Ok(std::mem::take(&mut self.warnings))
    }
}

impl Assembler for Package {
    fn start(&mut self, file: &mut FileWriter<'_>) -> Result<()> {
        self.open(file)
    }

    fn append(&mut self, piece: Piece, file: &mut FileWriter<'_>) -> Result<Option<Buf>> {
        self.rows(piece, file)
    }

    fn finish(&mut self, file: &mut FileWriter<'_>) -> Result<Warnings> {
        self.close(file)
    }
}

/// One workbook in the making that is encrypted whole.
pub(super) struct LockedPackage {
    package: Package,
    password: Password,
    folder: PathBuf,
    lock: Option<Lock>,
}

impl LockedPackage {
    pub(super) fn new(package: Package, password: Password, folder: PathBuf) -> Self {
        Self { package, password, folder, lock: None }
    }

    fn lock(&mut self) -> Result<(&mut Package, &mut Lock)> {
        let lock = self.lock.as_mut().ok_or(Error::Usage("a workbook is not begun"))?;
        Ok((&mut self.package, lock))
    }
}

impl Assembler for LockedPackage {
    fn start(&mut self, _: &mut FileWriter<'_>) -> Result<()> {
        self.lock = Some(Lock::new(&self.password, &self.folder));
        let (package, lock) = self.lock()?;
        package.open(lock)
    }

    fn append(&mut self, piece: Piece, _: &mut FileWriter<'_>) -> Result<Option<Buf>> {
        let (package, lock) = self.lock()?;
        package.rows(piece, lock)
    }

    fn finish(&mut self, file: &mut FileWriter<'_>) -> Result<Warnings> {
        let (package, lock) = self.lock()?;
        let warnings = package.close(lock)?;
        if let Some(lock) = self.lock.take() {
            lock.finish(file)?;
        }
        Ok(warnings)
    }
}
