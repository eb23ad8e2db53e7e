//! What an archive's directory has to remember of each entry until the end, packed tightly: an
//! archive may have hundreds of thousands of entries, and nothing else of them stays in memory.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Bytes that are taken from the system at once. A record never lies across two pages.
const PAGE_BYTES: usize = 64 * 1024;

/// An entry that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) name: &'a str,
    pub(super) offset: u64,
    pub(super) packed_bytes: u64,
    pub(super) raw_bytes: u64,
    pub(super) crc32: u32,
    pub(super) encrypted: bool,
}

/// Records in the order of the entries.
#[derive(Debug, Default)]
pub(super) struct Records {
    pages: Vec<Vec<u8>>,
    count: u64,
}

impl Records {
    pub(super) fn push(&mut self, record: &Record<'_>) {
        // Three numbers of at most ten bytes, the rest fixed.
        let most = record.name.len() + 40;
        let room = self.pages.last().map_or(0, |page| page.capacity() - page.len());
        if room < most {
            self.pages.push(Vec::with_capacity(PAGE_BYTES.max(most)));
        }
        let Some(page) = self.pages.last_mut() else { return };
        // Names are shorter than 32 KiB: see `EntryName`.
        let head = (record.name.len() as u16) << 1 | u16::from(record.encrypted);
        page.extend_from_slice(&head.to_le_bytes());
        page.extend_from_slice(record.name.as_bytes());
        page.extend_from_slice(&record.crc32.to_le_bytes());
        for value in [record.offset, record.packed_bytes, record.raw_bytes] {
            put_short(page, value);
        }
        self.count += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        self.pages.iter().flat_map(|page| {
            let mut rest = page.as_slice();
            std::iter::from_fn(move || take(&mut rest))
        })
    }
}

/// The next record of a page; nothing behind the last.
fn take<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let head = u16::from_le_bytes(*rest.split_off(..2)?.first_chunk()?);
    let name = rest.split_off(..usize::from(head >> 1))?;
    let crc32 = u32::from_le_bytes(*rest.split_off(..4)?.first_chunk()?);
    let mut number = || take_short(rest);
    Some(Record {
        offset: number()?,
        packed_bytes: number()?,
        raw_bytes: number()?,
        name: std::str::from_utf8(name).ok()?,
        crc32,
        encrypted: head & 1 == 1,
    })
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put_short(page: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        page.push(value as u8 | 0x80);
        value >>= 7;
    }
    page.push(value as u8);
}

fn take_short(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The names that are taken, in any case, as hashes of 128 bits: two names of one archive that fall
/// together are not to be expected, and a customer cannot make them, because each archive's hashes
/// are its own.
#[derive(Debug, Default)]
pub(super) struct Taken {
    hashes: HashSet<u128>,
    by: [RandomState; 2],
}

impl Taken {
    /// Takes a name; whether it was free.
    pub(super) fn take(&mut self, name: &str) -> bool {
        let folded = name.to_lowercase();
        let [high, low] = [0, 1].map(|at: usize| self.by[at].hash_one(&folded));
        self.hashes.insert(u128::from(high) << 64 | u128::from(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were() {
        let long = "n".repeat(30_000);
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), 1 << 62, u64::MAX];
        let names = ["a", "files/c_photo/1-Straße.jpg", &long];
        let record = |at: usize| Record {
            name: names[at % names.len()],
            offset: numbers[at % numbers.len()],
            packed_bytes: numbers[(at + 1) % numbers.len()],
            raw_bytes: numbers[(at + 3) % numbers.len()],
            crc32: at as u32 * 77,
            encrypted: at % 2 == 1,
        };
        let mut records = Records::default();
        (0..1_000).for_each(|at| records.push(&record(at)));
        assert_eq!(records.count(), 1_000);
        assert!(records.pages.len() > 100);
        assert!(records.iter().eq((0..1_000).map(record)));
    }

    #[test]
    fn names_are_taken_once_in_any_case() {
        let mut taken = Taken::default();
        assert!(taken.take("Ä/b") && taken.take("ä/c"));
        assert!(!taken.take("ä/B"));
    }
}
