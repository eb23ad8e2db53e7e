//! Reads small zip archives by their directories (PKWARE APPNOTE 6.3), and by nothing of ours.

use std::io::Read;

/// The entries in the order of the directory, each with its bytes, compared with its checksum.
pub fn unzip(zip: &[u8]) -> Vec<(String, Vec<u8>)> {
    let end = zip.len() - 22;
    assert_eq!(&zip[end..end + 4], b"PK\x05\x06", "the end of a directory without a comment");
    let number = |at: usize, len: usize| {
        zip[at..at + len].iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
    };
    let mut at = number(end + 16, 4);
    let mut entries = Vec::new();
    for _ in 0..number(end + 10, 2) {
        assert_eq!(&zip[at..at + 4], b"PK\x01\x02");
        let (packed, raw, name_len) = (number(at + 20, 4), number(at + 24, 4), number(at + 28, 2));
        let (extra, comment, local) = (number(at + 30, 2), number(at + 32, 2), number(at + 42, 4));
        let name = String::from_utf8(zip[at + 46..at + 46 + name_len].to_vec()).expect("UTF-8");
        let data = local + 30 + number(local + 26, 2) + number(local + 28, 2);
        let mut bytes = Vec::new();
        flate2::read::DeflateDecoder::new(&zip[data..data + packed])
            .read_to_end(&mut bytes)
            .expect("a deflate stream");
        let mut sum = flate2::Crc::new();
        sum.update(&bytes);
        assert_eq!((bytes.len(), sum.sum() as usize), (raw, number(at + 16, 4)), "{name}");
        entries.push((name, bytes));
        at += 46 + name_len + extra + comment;
    }
    entries
}
