//! The compound file around an encrypted workbook (Microsoft, "Compound File Binary File Format",
//! version 3), written front to back once the length of the package is known: the directory and the
//! small streams, the package, the table of sectors. Its tree of names never changes, so it stands
//! here as data (Microsoft, "Office Document Cryptography Structure", 2.1 and 2.3.4).

use crate::error::{Error, Result};
use crate::pack::FileWriter;

const SECTOR: usize = 512;
const SMALL_SECTOR: usize = 64;
/// Streams shorter than this stand in small sectors.
const SMALL_STREAM_MAX: usize = 4_096;

/// Numbers of a sector, of a table of sectors, and of names in the head of the file.
const NUMBERS: usize = SECTOR / 4;
const TABLES_IN_HEAD: usize = 109;

const FREE: u32 = 0xFFFF_FFFF;
const END: u32 = 0xFFFF_FFFE;
const TABLE: u32 = 0xFFFF_FFFD;
const TABLES: u32 = 0xFFFF_FFFC;
const NONE: u32 = FREE;

/// A stream of version 3 is at most 2 GiB.
const PACKAGE_BYTES_MAX: u64 = 2 << 30;

/// Kinds of entries of the directory.
const STORAGE: u8 = 1;
const STREAM: u8 = 2;
const ROOT: u8 = 5;

/// An entry of the directory: its name, kind and colour, then its neighbours and its first child by
/// their places. Names are sorted by their length, then by their letters.
struct Entry {
    name: &'static str,
    kind: u8,
    black: bool,
    left: u32,
    right: u32,
    child: u32,
}

const fn entry(name: &'static str, kind: u8, black: bool, [left, right, child]: [u32; 3]) -> Entry {
    Entry { name, kind, black, left, right, child }
}

const PACKAGE: usize = 2;
const ENTRIES: [Entry; 11] = [
    entry("Root Entry", ROOT, true, [NONE, NONE, 1]),
    entry("EncryptionInfo", STREAM, true, [3, 2, NONE]),
    entry("EncryptedPackage", STREAM, false, [NONE, NONE, NONE]),
    entry("\u{6}DataSpaces", STORAGE, false, [NONE, NONE, 5]),
    entry("Version", STREAM, true, [NONE, NONE, NONE]),
    entry("DataSpaceMap", STREAM, true, [4, 6, NONE]),
    entry("DataSpaceInfo", STORAGE, true, [NONE, 8, 7]),
    entry("StrongEncryptionDataSpace", STREAM, true, [NONE, NONE, NONE]),
    entry("TransformInfo", STORAGE, false, [NONE, NONE, 9]),
    entry("StrongEncryptionTransform", STORAGE, true, [NONE, NONE, 10]),
    entry("\u{6}Primary", STREAM, true, [NONE, NONE, NONE]),
];
const DIRECTORY_SECTORS: usize = ENTRIES.len().div_ceil(SECTOR / 128);

/// The refusal of a workbook that does not fit.
pub(super) fn too_large() -> Error {
    Error::Schema {
        format: "xlsx",
        problem: "an encrypted workbook holds at most 2 GiB; filter the rows, or use csv in an \
                  encrypted zip archive"
            .into(),
    }
}

/// A compound file in the making.
pub(super) struct Container {
    /// Directory, table of small sectors and small sectors.
    front: Vec<u8>,
    small_sectors: usize,
    /// Bytes of the package, and those written.
    package: u64,
    written: u64,
    tables: usize,
    table_lists: usize,
}

impl Container {
    /// A file with this description and a package of so many bytes.
    ///
    /// # Errors
    /// `Schema` when the package does not fit.
    pub(super) fn new(info: &[u8], package: u64) -> Result<Self> {
        if package > PACKAGE_BYTES_MAX {
            return Err(too_large());
        }
        let small =
            [(1, info.to_vec()), (4, version()), (5, map()), (7, definition()), (10, transform())];
        let (mut stream, mut table) = (Vec::new(), Vec::new());
        let mut places = [(END, 0); ENTRIES.len()];
        for (entry, content) in &small {
            if content.len() >= SMALL_STREAM_MAX {
                return Err(Error::Usage("the description of the encryption is too long"));
            }
            let first = table.len() as u32;
            places[*entry] = (first, content.len() as u64);
            stream.extend_from_slice(content);
            stream.resize(stream.len().next_multiple_of(SMALL_SECTOR), 0);
            let sectors = content.len().div_ceil(SMALL_SECTOR) as u32;
            table.extend((first + 1..first + sectors).chain([END]));
        }
        if table.len() > NUMBERS {
            return Err(Error::Usage("the description of the encryption is too long"));
        }
        let small_first = DIRECTORY_SECTORS as u32 + 1;
        let small_sectors = stream.len().div_ceil(SECTOR);
        places[0] = (small_first, stream.len() as u64);
        let package_first = small_first + small_sectors as u32;
        places[PACKAGE] = (package_first, package);

        let mut front = directory(&places);
        table.resize(NUMBERS, FREE);
        front.extend(table.into_iter().flat_map(u32::to_le_bytes));
        stream.resize(small_sectors * SECTOR, 0);
        front.extend_from_slice(&stream);

        let sectors = front.len() / SECTOR + package.div_ceil(SECTOR as u64) as usize;
        let (tables, table_lists) = tables(sectors);
        Ok(Self { front, small_sectors, package, written: 0, tables, table_lists })
    }

    fn package_sectors(&self) -> usize {
        self.package.div_ceil(SECTOR as u64) as usize
    }

    /// Number of the first table of sectors.
    fn first_table(&self) -> u32 {
        (self.front.len() / SECTOR + self.package_sectors()) as u32
    }

    /// Writes what stands before the package.
    pub(super) fn head(&self, file: &mut FileWriter<'_>) -> Result<()> {
        let first_table = self.first_table();
        let first_list = match self.table_lists {
            0 => END,
            _ => first_table + self.tables as u32,
        };
        let mut head = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
        head.resize(24, 0);
        // Versions, byte order, sizes of sectors as powers of two.
        for number in [0x3E_u16, 3, 0xFFFE, 9, 6, 0, 0, 0] {
            head.extend(number.to_le_bytes());
        }
        for number in [
            0,
            self.tables as u32,
            0,
            0,
            SMALL_STREAM_MAX as u32,
            DIRECTORY_SECTORS as u32,
            1,
            first_list,
            self.table_lists as u32,
        ] {
            head.extend(number.to_le_bytes());
        }
        for at in 0..TABLES_IN_HEAD {
            let number = if at < self.tables { first_table + at as u32 } else { FREE };
            head.extend(number.to_le_bytes());
        }
        file.bytes(&head)?;
        file.bytes(&self.front)
    }

    /// Writes bytes of the package.
    pub(super) fn package(&mut self, bytes: &[u8], file: &mut FileWriter<'_>) -> Result<()> {
        self.written += bytes.len() as u64;
        file.bytes(bytes)
    }

    /// Writes what stands behind the package.
    pub(super) fn finish(self, file: &mut FileWriter<'_>) -> Result<()> {
        if self.written != self.package {
            return Err(Error::Usage("a package has other bytes than were announced"));
        }
        let rest = self.package.next_multiple_of(SECTOR as u64) - self.package;
        file.bytes(&vec![0; rest as usize])?;
        let mut table = Vec::with_capacity(SECTOR);
        for sector in 0..(self.tables * NUMBERS) as u32 {
            table.extend(self.behind(sector).to_le_bytes());
            if table.len() == SECTOR {
                file.bytes(&table)?;
                table.clear();
            }
        }
        let first = self.first_table();
        for list in 0..self.table_lists {
            let mut numbers = Vec::with_capacity(SECTOR);
            for place in 0..NUMBERS - 1 {
                let at = TABLES_IN_HEAD + list * (NUMBERS - 1) + place;
                let number = if at < self.tables { first + at as u32 } else { FREE };
                numbers.extend(number.to_le_bytes());
            }
            let last = list + 1 == self.table_lists;
            let next = if last { END } else { first + (self.tables + list + 1) as u32 };
            numbers.extend(next.to_le_bytes());
            file.bytes(&numbers)?;
        }
        Ok(())
    }

    /// The sector that follows one in its stream.
    fn behind(&self, sector: u32) -> u32 {
        let mut end = 0;
        for (sectors, last) in [
            (DIRECTORY_SECTORS, END),
            (1, END),
            (self.small_sectors, END),
            (self.package_sectors(), END),
            (self.tables, TABLE),
            (self.table_lists, TABLES),
        ] {
            end += sectors as u32;
            if sector < end {
                let chained = last == END && sector + 1 < end;
                return if chained { sector + 1 } else { last };
            }
        }
        FREE
    }
}

/// Tables that number so many sectors and themselves, and the lists of tables beyond the head's.
fn tables(sectors: usize) -> (usize, usize) {
    let (mut tables, mut lists) = (0, 0);
    loop {
        let all = (sectors + tables + lists).div_ceil(NUMBERS);
        let more = all.saturating_sub(TABLES_IN_HEAD).div_ceil(NUMBERS - 1);
        if (all, more) == (tables, lists) {
            return (tables, lists);
        }
        (tables, lists) = (all, more);
    }
}

/// The directory, with the first sector and the length of each stream.
fn directory(places: &[(u32, u64); ENTRIES.len()]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DIRECTORY_SECTORS * SECTOR);
    for (entry, (first, length)) in ENTRIES.iter().zip(places) {
        let start = bytes.len();
        let units: Vec<u16> = entry.name.encode_utf16().collect();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.resize(start + 64, 0);
        bytes.extend((units.len() as u16 * 2 + 2).to_le_bytes());
        bytes.extend([entry.kind, u8::from(entry.black)]);
        for neighbour in [entry.left, entry.right, entry.child] {
            bytes.extend(neighbour.to_le_bytes());
        }
        // No class, no flags, no times.
        bytes.resize(start + 116, 0);
        let first = if entry.kind == STORAGE { 0 } else { *first };
        bytes.extend(first.to_le_bytes());
        bytes.extend(length.to_le_bytes());
    }
    while bytes.len() < DIRECTORY_SECTORS * SECTOR {
        let start = bytes.len();
        bytes.resize(start + 68, 0);
        bytes.extend([0xFF; 12]);
        bytes.resize(start + 128, 0);
    }
    bytes
}

/// A text with its length, filled up to four bytes (2.1.2).
fn text(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut bytes = (units.len() as u32).to_le_bytes().to_vec();
    bytes.extend(units);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn numbers<const N: usize>(numbers: [u32; N]) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Which versions read and write this (2.1.5).
fn version() -> Vec<u8> {
    [text("Microsoft.Container.DataSpaces"), numbers([1, 1, 1])].concat()
}

/// Which stream is encrypted, and how (2.1.6).
fn map() -> Vec<u8> {
    let content =
        [numbers([1, 0]), text("EncryptedPackage"), text("StrongEncryptionDataSpace")].concat();
    [numbers([8, 1, content.len() as u32 + 4]), content].concat()
}

/// What is done with it (2.1.7).
fn definition() -> Vec<u8> {
    [numbers([8, 1]), text("StrongEncryptionTransform")].concat()
}

/// What that is (2.1.8 and 2.1.9).
fn transform() -> Vec<u8> {
    let id = text("{FF9A3F03-56EF-4613-BDD5-5A41C1D07246}");
    [
        numbers([id.len() as u32 + 8, 1]),
        id,
        text("Microsoft.Container.EncryptionTransform"),
        numbers([1, 1, 1]),
        numbers([0, 0, 0, 4]),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_tables_for_all_sectors_and_for_themselves() {
        for sectors in [1, 127, 128, 13_000, 13_843, 13_844, 14_000, 4_200_000] {
            let (tables, lists) = tables(sectors);
            assert!(tables * NUMBERS >= sectors + tables + lists);
            assert!(tables <= TABLES_IN_HEAD + lists * (NUMBERS - 1));
        }
        assert_eq!(tables(126), (1, 0));
        assert_eq!(tables(128), (2, 0));
    }

    #[test]
    fn names_stand_where_they_are_looked_for() {
        // Sorted by length and then by letters, and each reached once.
        let mut seen = Vec::new();
        fn walk(at: u32, seen: &mut Vec<u32>) {
            let Some(entry) = ENTRIES.get(at as usize) else { return };
            let key = |at: u32| (ENTRIES[at as usize].name.len(), ENTRIES[at as usize].name);
            if entry.left != NONE {
                assert!(key(entry.left) < key(at));
            }
            if entry.right != NONE {
                assert!(key(entry.right) > key(at));
            }
            seen.push(at);
            for next in [entry.left, entry.right, entry.child] {
                walk(next, seen);
            }
        }
        walk(0, &mut seen);
        seen.sort_unstable();
        assert_eq!(seen, (0..ENTRIES.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn more_than_a_file_holds_is_refused() {
        assert!(Container::new(b"info", PACKAGE_BYTES_MAX).is_ok());
        let error = Container::new(b"info", PACKAGE_BYTES_MAX + 1).err().unwrap().to_string();
        assert!(error.contains("at most 2 GiB"), "{error}");
    }
}
