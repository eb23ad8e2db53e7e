//! The objects of a PDF file (ISO 32000-2, 7.3 and 7.5), written front to back: each is written
//! once, its place is remembered, and the table of places stands at the end. What the objects mean
//! is decided elsewhere.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::lock::Lock;
use crate::error::{Error, Result};
use crate::pack::FileWriter;

/// The exchange of time for size that the pipeline's own default makes.
const LEVEL: u32 = 2;

/// Number of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ref(u32);

impl std::fmt::Display for Ref {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} 0 R", self.0)
    }
}

/// The objects of one file.
pub(super) struct Objects {
    /// Where each object begins; 0 for those that are not written yet.
    places: Vec<u64>,
    lock: Option<Lock>,
}

impl Objects {
    pub(super) fn new() -> Self {
        Self { places: Vec::new(), lock: None }
    }

    /// Encrypts everything that is written from here on.
    pub(super) fn lock(&mut self, lock: Lock) {
        self.lock = Some(lock);
    }

    /// Writes what a file begins with.
    pub(super) fn head(&self, file: &mut FileWriter<'_>) -> Result<()> {
        let version = if self.lock.is_some() { "2.0" } else { "1.7" };
        file.bytes(format!("%PDF-{version}\n").as_bytes())?;
        // Bytes beyond ASCII tell that the file is no text.
        file.bytes(b"%\xE2\xE3\xCF\xD3\n")
    }

    /// A number for an object that is written later.
    pub(super) fn reserve(&mut self) -> Ref {
        self.places.push(0);
        Ref(self.places.len() as u32)
    }

    fn begin(&mut self, Ref(number): Ref, file: &mut FileWriter<'_>) -> Result<()> {
        self.places[number as usize - 1] = file.raw_bytes();
        file.bytes(format!("{number} 0 obj\n").as_bytes())
    }

    /// Writes an object.
    pub(super) fn object(
        &mut self,
        object: Ref,
        content: &str,
        file: &mut FileWriter<'_>,
    ) -> Result<()> {
        self.begin(object, file)?;
        file.bytes(content.as_bytes())?;
        file.bytes(b"\nendobj\n")
    }

    /// Writes a stream. `entries` are those of its dictionary but length and filter.
    pub(super) fn stream(
        &mut self,
        object: Ref,
        entries: &str,
        data: &[u8],
        file: &mut FileWriter<'_>,
    ) -> Result<()> {
        let mut deflater = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
        deflater.write_all(data).map_err(Error::Sink)?;
        let mut bytes = deflater.finish().map_err(Error::Sink)?;
        if let Some(lock) = &self.lock {
            bytes = lock.encrypt(&bytes);
        }
        self.begin(object, file)?;
        let length = bytes.len();
        file.bytes(
            format!("<<{entries}/Filter/FlateDecode/Length {length}>>\nstream\n").as_bytes(),
        )?;
        file.bytes(&bytes)?;
        file.bytes(b"\nendstream\nendobj\n")
    }

    /// A text as it stands in an object.
    pub(super) fn text(&self, text: &str) -> String {
        let mut bytes = vec![0xFE, 0xFF];
        bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        self.bytes(&bytes)
    }

    /// A string of bytes as it stands in an object.
    pub(super) fn bytes(&self, bytes: &[u8]) -> String {
        match &self.lock {
            Some(lock) => hex(&lock.encrypt(bytes)),
            None => hex(bytes),
        }
    }

    /// Writes the table of places and what a reader begins with.
    pub(super) fn tail(mut self, root: Ref, info: Ref, file: &mut FileWriter<'_>) -> Result<()> {
        let mut locked = String::new();
        if let Some(lock) = self.lock.take() {
            let object = self.reserve();
            self.object(object, lock.dictionary(), file)?;
            let id = hex(lock.id());
            locked = format!("/Encrypt {object}/ID[{id}{id}]");
        }
        let start = file.raw_bytes();
        let size = self.places.len() + 1;
        let mut table = format!("xref\n0 {size}\n0000000000 65535 f \n").into_bytes();
        for place in &self.places {
            table.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
        }
        file.bytes(&table)?;
        file.bytes(
            format!(
                "trailer\n<</Size {size}/Root {root}/Info {info}{locked}>>\nstartxref\n{start}\n%%EOF\n"
            )
            .as_bytes(),
        )
    }
}

/// Bytes as a string of hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + 2);
    text.push('<');
    text.extend(bytes.iter().map(|byte| format!("{byte:02X}")));
    text.push('>');
    text
}

/// Writes hundredths as a decimal number and a blank.
pub(super) fn push_number(ops: &mut Vec<u8>, hundredths: i32) {
    if hundredths < 0 {
        ops.push(b'-');
    }
    let (whole, rest) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
    let mut digits = [0; 10];
    let mut at = digits.len();
    let mut left = whole;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    ops.extend_from_slice(&digits[at..]);
    if rest > 0 {
        ops.extend_from_slice(&[b'.', b'0' + (rest / 10) as u8]);
        if rest % 10 > 0 {
            ops.push(b'0' + (rest % 10) as u8);
        }
    }
    ops.push(b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (hundredths, text) in [
            (0, "0 "),
            (5, "0.05 "),
            (-50, "-0.5 "),
            (1_234, "12.34 "),
            (-120_000, "-1200 "),
            (i32::MAX, "21474836.47 "),
        ] {
            let mut ops = Vec::new();
            push_number(&mut ops, hundredths);
            assert_eq!(String::from_utf8(ops).unwrap(), text);
        }
    }
}
