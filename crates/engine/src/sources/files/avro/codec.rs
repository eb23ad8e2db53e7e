//! How the blocks of an Avro file are compressed.

use std::io::Read;

/// The most bytes of one block, before and after it is unpacked.
pub(super) const BLOCK_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What blocks are compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
    Bzip2,
    Xz,
}

impl Codec {
    /// By the name that a file gives.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"" | b"null" => Self::Null,
            b"deflate" => Self::Deflate,
            b"snappy" => Self::Snappy,
            b"zstandard" => Self::Zstandard,
            b"bzip2" => Self::Bzip2,
            b"xz" => Self::Xz,
            _ => return None,
        })
    }

    /// A block as it was before it was compressed.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub(super) fn unpacked(self, block: &[u8]) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::Null => Ok(block.to_vec()),
            Self::Deflate => limited(flate2::read::DeflateDecoder::new(block)),
            Self::Snappy => snappy(block),
            Self::Zstandard => {
                limited(zstd::Decoder::new(block).map_err(|_| "cannot be unpacked")?)
            }
            Self::Bzip2 => limited(bzip2::read::MultiBzDecoder::new(block)),
            Self::Xz => limited(liblzma::read::XzDecoder::new_multi_decoder(block)),
        }
    }
}

fn limited(packed: impl Read) -> Result<Vec<u8>, &'static str> {
    let mut block = Vec::new();
    let most = BLOCK_BYTES_MAX as u64 + 1;
    packed.take(most).read_to_end(&mut block).map_err(|_| "cannot be unpacked")?;
    if block.len() > BLOCK_BYTES_MAX {
        return Err("is larger than a block may be");
    }
    Ok(block)
}

/// A snappy block is followed by the checksum of what it was before, the highest byte first.
fn snappy(block: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (packed, sum) = block.split_last_chunk::<4>().ok_or("is cut short")?;
    let length = snap::raw::decompress_len(packed).map_err(|_| "cannot be unpacked")?;
    if length > BLOCK_BYTES_MAX {
        return Err("is larger than a block may be");
    }
    let block = snap::raw::Decoder::new().decompress_vec(packed);
    let block = block.map_err(|_| "cannot be unpacked")?;
    if crc32fast::hash(&block) != u32::from_be_bytes(*sum) {
        return Err("does not match its checksum");
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_not_larger_than_it_may_be() {
        let zeros = std::io::repeat(0).take(BLOCK_BYTES_MAX as u64 + 1);
        let packed = zstd::encode_all(zeros, 1).expect("it is packed");
        assert!(packed.len() < 1 << 20);
        assert_eq!(Codec::Zstandard.unpacked(&packed), Err("is larger than a block may be"));
        for codec in [Codec::Deflate, Codec::Snappy, Codec::Zstandard, Codec::Bzip2, Codec::Xz] {
            assert!(codec.unpacked(b"\xff\xff\xff\xff\xff rubbish").is_err(), "{codec:?}");
        }
    }
}
