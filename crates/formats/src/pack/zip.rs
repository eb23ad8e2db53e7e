//! A zip archive written front to back (PKWARE APPNOTE 6.3): sizes and checksums follow each
//! entry's bytes in a data descriptor, the directory stands at the end. ZIP64 records appear where
//! a size, an offset or the number of entries needs them, and only there, because some old readers
//! refuse them. Every entry is a deflate stream, also when its bytes are stored, so that a reader
//! that reads front to back sees where it ends.
//!
//! With a password each entry's stream is encrypted; how, is in `password`.

use super::deflate::{LAST_BLOCK, Sum};
use super::name::EntryName;
use super::password::{Cipher, Password};
use super::records::{Record, Records, Taken};
use crate::error::{Error, Result};

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;

/// Sizes are in a descriptor (bit 3); the name is UTF-8 (bit 11).
const FLAGS: u16 = 1 << 3 | 1 << 11;
/// The entry is encrypted (bit 0).
const ENCRYPTED: u16 = 1;
const DEFLATE: u16 = 8;
/// AES; the method behind it stands in an extra field.
const AES: u16 = 99;
/// That field (WinZip's specification, "AES extra data field"): seven bytes of AE-2 of the vendor
/// AE, 256 bits, deflate.
const AES_EXTRA: [u8; 11] = [0x01, 0x99, 7, 0, 2, 0, b'A', b'E', 3, DEFLATE as u8, 0];
const VERSION: u16 = 20;
const VERSION_AES: u16 = 51;
const VERSION_64: u16 = 45;
/// 1980-01-01 00:00, the earliest date of the format: the same rows give the same bytes.
const DOS_DATE: u16 = 1 << 5 | 1;
/// A regular file that its owner may write and everybody may read, made on Unix.
const ATTRIBUTES: u32 = 0o100_644 << 16;
const MADE_BY_UNIX: u16 = 3 << 8;
/// Bytes of the directory that are handed on at once.
const PIECE_BYTES: usize = 64 * 1024;
const MAX_32: u64 = 0xFFFF_FFFF;
const MAX_16: u64 = 0xFFFF;

/// The directory of an archive in the making. It makes the bytes between the deflate blocks; its
/// caller writes them, and tells where it stands by `position`.
#[derive(Debug, Default)]
pub struct Directory {
    entries: Records,
    names: Taken,
    open: Option<Open>,
    password: Option<Password>,
}

#[derive(Debug)]
struct Open {
    name: EntryName,
    offset: u64,
    data_offset: u64,
    cipher: Option<Cipher>,
}

impl Directory {
    /// The directory of an archive whose entries are encrypted, where there is a password.
    pub(crate) fn new(password: Option<Password>) -> Self {
        Self { password, ..Self::default() }
    }

    /// Bytes that begin an entry at `position`.
    ///
    /// # Errors
    /// `EntryName` when the archive has an entry of that name; case does not matter, because on
    /// some systems the second would overwrite the first.
    pub fn begin(&mut self, name: EntryName, position: u64) -> Result<Vec<u8>> {
        if self.open.is_some() {
            return Err(Error::Usage("the entry before is still open"));
        }
        if !self.names.take(name.as_str()) {
            return Err(Error::EntryName(format!("\"{}\" is there twice", name.as_str())));
        }
        let cipher = self.password.as_ref().map(Cipher::begin).transpose()?;
        let (version, flags, method) = kind(cipher.is_some());
        let extra: &[u8] = if cipher.is_some() { &AES_EXTRA } else { &[] };
        let mut bytes = Vec::with_capacity(80 + name.as_str().len());
        put32(&mut bytes, LOCAL);
        put16(&mut bytes, version);
        put16(&mut bytes, flags);
        put16(&mut bytes, method);
        put16(&mut bytes, 0);
        put16(&mut bytes, DOS_DATE);
        bytes.extend_from_slice(&[0; 12]);
        put16(&mut bytes, name.as_str().len() as u16);
        put16(&mut bytes, extra.len() as u16);
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(extra);
        let data_offset = position + bytes.len() as u64;
        let cipher = cipher.map(|(cipher, head)| {
            bytes.extend_from_slice(&head);
            cipher
        });
        self.open = Some(Open { name, offset: position, data_offset, cipher });
        Ok(bytes)
    }

    /// A block of the open entry as it stands in the archive: as it is, or encrypted. Outside of
    /// archives it is as it is, too.
    pub(crate) fn seal<'b>(&'b mut self, block: &'b [u8]) -> Result<&'b [u8]> {
        match self.open.as_mut().and_then(|open| open.cipher.as_mut()) {
            Some(cipher) => cipher.seal(block),
            None => Ok(block),
        }
    }

    /// Bytes that end the open entry, whose blocks end at `position`.
    ///
    /// # Errors
    /// `Usage` when no entry is open.
    pub(crate) fn end(&mut self, sum: &Sum, position: u64) -> Result<Vec<u8>> {
        let open = self.open.take().ok_or(Error::Usage("no entry is open"))?;
        let encrypted = open.cipher.is_some();
        let mut bytes = match open.cipher {
            None => LAST_BLOCK.to_vec(),
            Some(mut cipher) => {
                let mut bytes = cipher.seal(&LAST_BLOCK)?.to_vec();
                bytes.extend_from_slice(&cipher.finish());
                bytes
            }
        };
        // It would tell what is in an encrypted entry, whose own code replaces it.
        let crc32 = if encrypted { 0 } else { sum.crc32() };
        let packed_bytes = position + bytes.len() as u64 - open.data_offset;
        put32(&mut bytes, DESCRIPTOR);
        put32(&mut bytes, crc32);
        if packed_bytes > MAX_32 || sum.raw_bytes > MAX_32 {
            put64(&mut bytes, packed_bytes);
            put64(&mut bytes, sum.raw_bytes);
        } else {
            put32(&mut bytes, packed_bytes as u32);
            put32(&mut bytes, sum.raw_bytes as u32);
        }
        self.entries.push(&Record {
            name: open.name.as_str(),
            offset: open.offset,
            packed_bytes,
            raw_bytes: sum.raw_bytes,
            crc32,
            encrypted,
        });
        Ok(bytes)
    }

    /// The directory itself, which stands at `position` and ends the archive.
    ///
    /// # Errors
    /// `Usage` when an entry is still open.
    pub fn finish(self, position: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.finish_into(position, |some| {
            bytes.extend_from_slice(some);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// The same, given to `write` piece by piece.
    ///
    /// # Errors
    /// As [`Directory::finish`], and whatever `write` says.
    pub(crate) fn finish_into(
        self,
        position: u64,
        mut write: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        if self.open.is_some() {
            return Err(Error::Usage("the last entry is still open"));
        }
        let mut bytes = Vec::new();
        let mut written = 0;
        for entry in self.entries.iter() {
            entry.central(&mut bytes);
            if bytes.len() >= PIECE_BYTES {
                write(&bytes)?;
                written += bytes.len() as u64;
                bytes.clear();
            }
        }
        let (count, size) = (self.entries.count(), written + bytes.len() as u64);
        if count >= MAX_16 || size >= MAX_32 || position >= MAX_32 {
            end_64(&mut bytes, count, size, position);
        }
        put32(&mut bytes, END);
        put32(&mut bytes, 0);
        put16(&mut bytes, count.min(MAX_16) as u16);
        put16(&mut bytes, count.min(MAX_16) as u16);
        put32(&mut bytes, size.min(MAX_32) as u32);
        put32(&mut bytes, position.min(MAX_32) as u32);
        put16(&mut bytes, 0);
        write(&bytes)
    }
}

impl Record<'_> {
    fn central(&self, bytes: &mut Vec<u8>) {
        let mut extra = Vec::new();
        let mut short = |value: u64| {
            if value >= MAX_32 {
                put64(&mut extra, value);
                MAX_32 as u32
            } else {
                value as u32
            }
        };
        // In the extra field the order is fixed: raw size, packed size, offset.
        let raw_bytes = short(self.raw_bytes);
        let packed_bytes = short(self.packed_bytes);
        let offset = short(self.offset);
        let (least, flags, method) = kind(self.encrypted);
        let version = if extra.is_empty() { least } else { least.max(VERSION_64) };
        put32(bytes, CENTRAL);
        put16(bytes, MADE_BY_UNIX | version);
        put16(bytes, version);
        put16(bytes, flags);
        put16(bytes, method);
        put16(bytes, 0);
        put16(bytes, DOS_DATE);
        put32(bytes, self.crc32);
        put32(bytes, packed_bytes);
        put32(bytes, raw_bytes);
        put16(bytes, self.name.len() as u16);
        let extra_64 = if extra.is_empty() { 0 } else { extra.len() + 4 };
        let extra_aes = if self.encrypted { AES_EXTRA.len() } else { 0 };
        put16(bytes, (extra_64 + extra_aes) as u16);
        bytes.extend_from_slice(&[0; 6]);
        put32(bytes, ATTRIBUTES);
        put32(bytes, offset);
        bytes.extend_from_slice(self.name.as_bytes());
        if !extra.is_empty() {
            put16(bytes, 1);
            put16(bytes, extra.len() as u16);
            bytes.extend_from_slice(&extra);
        }
        if self.encrypted {
            bytes.extend_from_slice(&AES_EXTRA);
        }
    }
}

/// The version that a reader needs, the flags and the method of an entry.
fn kind(encrypted: bool) -> (u16, u16, u16) {
    match encrypted {
        false => (VERSION, FLAGS, DEFLATE),
        true => (VERSION_AES, FLAGS | ENCRYPTED, AES),
    }
}

fn end_64(bytes: &mut Vec<u8>, count: u64, size: u64, position: u64) {
    put32(bytes, END_64);
    put64(bytes, 44);
    put16(bytes, MADE_BY_UNIX | VERSION_64);
    put16(bytes, VERSION_64);
    put64(bytes, 0);
    put64(bytes, count);
    put64(bytes, count);
    put64(bytes, size);
    put64(bytes, position);
    put32(bytes, LOCATOR_64);
    put32(bytes, 0);
    put64(bytes, position + size);
    put32(bytes, 1);
}

fn put16(bytes: &mut Vec<u8>, value: u16) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend_from_slice(&value.to_le_bytes());
}
