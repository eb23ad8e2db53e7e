//! Packed bytes as other readers see them, and names that must not leave their archive.

use std::io::Read;
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn packed(packing: Packing, files: &[(&str, &[u8])]) -> Vec<u8> {
    let kept = Kept::default();
    let mut packer = Packer::new(packing, None, Sink::Plain(Box::new(kept.clone())));
    for (name, content) in files {
        let mut file = packer.begin(EntryName::new(name).unwrap(), Level::FAST).unwrap();
        for part in content.chunks(1_000) {
            file.bytes(part).unwrap();
        }
        assert_eq!(file.finish().unwrap(), content.len() as u64);
    }
    let bytes = packer.finish().unwrap();
    let all = kept.0.lock().unwrap().clone();
    assert_eq!(bytes, all.len() as u64);
    all
}

#[test]
fn gzip_is_one_member_that_a_foreign_reader_opens() {
    let content = b"some content, some content\n".repeat(1_000);
    let bytes = packed(Packing::Gzip, &[("a.csv", &content)]);
    let mut read = Vec::new();
    // Not the multi-member reader: everything has to be in the first member.
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut read).unwrap();
    assert_eq!(read, content);
    let empty = packed(Packing::Gzip, &[("a.csv", b"")]);
    read.clear();
    flate2::read::GzDecoder::new(&empty[..]).read_to_end(&mut read).unwrap();
    assert!(read.is_empty());
}

#[test]
fn a_second_file_needs_zip() {
    for packing in [Packing::None, Packing::Gzip] {
        let mut packer = Packer::new(packing, None, Sink::Plain(Box::new(Kept::default())));
        packer.begin(EntryName::new("a").unwrap(), Level::FAST).unwrap().finish().unwrap();
        assert!(packer.begin(EntryName::new("b").unwrap(), Level::FAST).is_err());
    }
}

#[test]
fn a_name_is_taken_once_whatever_its_case() {
    let mut packer = Packer::new(Packing::Zip, None, Sink::Plain(Box::new(Kept::default())));
    packer.begin(EntryName::new("A.csv").unwrap(), Level::FAST).unwrap().finish().unwrap();
    let error = packer.begin(EntryName::new("a.CSV").unwrap(), Level::FAST).err().unwrap();
    assert!(error.to_string().contains("there twice"));
}

#[test]
fn packings_are_found_by_id() {
    assert_eq!(Packing::parse("GZIP").unwrap(), Packing::Gzip);
    assert!(Packing::parse("rar").unwrap_err().to_string().contains("none, gzip, zip"));
    assert_eq!(Packing::Gzip.file_name("a.csv"), "a.csv.gz");
    assert_eq!(Packing::Zip.file_name("a.b.csv"), "a.b.zip");
}

/// Reads the little-endian numbers of a zip record.
fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    bytes[at..at + width].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[test]
fn large_archives_get_zip64_records_and_small_ones_do_not() {
    let mut sum = Sum::default();
    sum.raw_bytes = 5 << 30;
    let far = 6u64 << 30;
    let mut directory = Directory::default();
    directory.begin(EntryName::new("small").unwrap(), 0).unwrap();
    assert_eq!(directory.end(&Sum::default(), 35).unwrap().len(), 2 + 16);
    let local = directory.begin(EntryName::new("large").unwrap(), far).unwrap();
    let data = far + local.len() as u64;
    let end = directory.end(&sum, data + (1 << 30)).unwrap();
    // The last block, then a descriptor with sizes of eight bytes.
    assert_eq!(end.len(), 2 + 24);
    assert_eq!(number(&end, 10, 8), (1 << 30) + 2);
    assert_eq!(number(&end, 18, 8), 5 << 30);
    let position = data + (1 << 30) + end.len() as u64;
    let bytes = directory.finish(position).unwrap();
    // The second record of the directory: markers in place of numbers, an extra field with both.
    let second = 46 + "small".len();
    assert_eq!(number(&bytes, 30, 2), 0);
    assert_eq!(number(&bytes, second + 24, 4), 0xFFFF_FFFF);
    assert_eq!(number(&bytes, second + 42, 4), 0xFFFF_FFFF);
    let extra = second + 46 + "large".len();
    assert_eq!(number(&bytes, extra, 2), 1);
    assert_eq!(number(&bytes, extra + 2, 2), 16);
    assert_eq!(number(&bytes, extra + 4, 8), 5 << 30);
    assert_eq!(number(&bytes, extra + 12, 8), far);
    let end_64 = extra + 20;
    assert_eq!(number(&bytes, end_64, 4), 0x0606_4b50);
    assert_eq!(number(&bytes, end_64 + 48, 8), position);
    assert_eq!(number(&bytes, end_64 + 56 + 8, 8), position + end_64 as u64);
    let small = packed(Packing::Zip, &[("a", b"x")]);
    assert!(!small.windows(4).any(|four| number(four, 0, 4) == 0x0606_4b50));
}

#[test]
fn more_than_65535_entries_get_zip64_records() {
    let mut directory = Directory::default();
    let mut position = 0;
    for at in 0..65_536 {
        position +=
            directory.begin(EntryName::new(&at.to_string()).unwrap(), position).unwrap().len()
                as u64;
        position += directory.end(&Sum::default(), position).unwrap().len() as u64;
    }
    let bytes = directory.finish(position).unwrap();
    let end = bytes.len() - 22;
    assert_eq!(number(&bytes, end + 10, 2), 0xFFFF);
    let end_64 = end - 20 - 56;
    assert_eq!(number(&bytes, end_64, 4), 0x0606_4b50);
    assert_eq!(number(&bytes, end_64 + 32, 8), 65_536);
}
