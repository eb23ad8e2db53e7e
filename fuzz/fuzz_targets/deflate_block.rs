//! The encoder of the default level: what it makes is inflated to what it was given, by another
//! implementation; it never grows by more than its frames, and a block does not depend on what was
//! compressed before it.
//!
//! The first byte says how the rest becomes the input: as it is, or as orders to write noise, to
//! repeat what stands a distance back, or to repeat one byte, which reach long and far inputs.
#![no_main]

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};
use libfuzzer_sys::fuzz_target;
use outhaul_formats::Buf;
use outhaul_formats::pack::{Deflater, Level};

/// Longest input that orders make, in bytes.
const INPUT_BYTES_MAX: usize = 300_000;
/// Fewest bytes of input to one stored block, and the bytes of its frame.
const STORED_BYTES_MIN: usize = 65_000;
const FRAME_BYTES: usize = 5;

thread_local! {
    /// Used again and again, as a thread that encodes does.
    static USED: RefCell<Deflater> = RefCell::default();
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let raw = if first & 1 == 0 { rest.to_vec() } else { ordered(rest) };
    let packed = USED.with_borrow_mut(|used| deflate(used, &raw));
    assert_eq!(deflate(&mut Deflater::default(), &raw), packed, "it depends on what was before");
    let frames = raw.len().div_ceil(STORED_BYTES_MIN) + 1;
    assert!(packed.len() <= raw.len() + frames * FRAME_BYTES, "{} bytes", packed.len());
    assert!(inflate(&packed, raw.len()) == raw, "{} bytes are not what they were", raw.len());
});

fn deflate(deflater: &mut Deflater, raw: &[u8]) -> Vec<u8> {
    let block = deflater.block(raw, Level::FAST, Buf::default()).expect("the encoder cannot fail");
    assert_eq!(block.raw_bytes(), raw.len() as u64);
    block.as_slice().to_vec()
}

fn inflate(packed: &[u8], len: usize) -> Vec<u8> {
    let stream = [packed, &[3, 0]].concat();
    let mut raw = Vec::with_capacity(len + 1);
    let status = Decompress::new(false)
        .decompress_vec(&stream, &mut raw, FlushDecompress::Finish)
        .expect("a valid stream");
    assert_eq!(status, Status::StreamEnd);
    raw
}

/// Three bytes are an order: what, and two of a length or a distance.
fn ordered(orders: &[u8]) -> Vec<u8> {
    let mut raw: Vec<u8> = Vec::new();
    let mut noise = 0x9E37_79B9u32;
    for order in orders.as_chunks::<3>().0 {
        let number = usize::from(u16::from_le_bytes([order[1], order[2]]));
        let len = 1 + usize::from(order[0] >> 2) * 5;
        match order[0] & 3 {
            0 => raw.extend((0..number).map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })),
            1 => raw.extend(std::iter::repeat_n(order[1], len * usize::from(order[2]))),
            2 => raw.extend_from_slice(&order[1..]),
            _ => {
                let distance = number.clamp(1, raw.len().max(1));
                for _ in 0..len.min(raw.len() * len) {
                    raw.push(raw[raw.len() - distance]);
                }
            }
        }
        if raw.len() > INPUT_BYTES_MAX {
            break;
        }
    }
    raw.truncate(INPUT_BYTES_MAX);
    raw
}
