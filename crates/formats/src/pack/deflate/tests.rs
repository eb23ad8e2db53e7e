//! What every level makes is inflated by another implementation; what only the encoder of the
//! default level has to keep is asked for here too.

use std::io::Read;

use proptest::prelude::*;

use super::bits::Rest;
use super::fast::{Fast, write_part};
use super::matches::{Finder, PART_BYTES_MAX, Part, Sequence};
use super::symbols::{DISTANCES, LENGTH_MAX};
use super::*;

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    flate2::read::DeflateDecoder::new(bytes).read_to_end(&mut raw).unwrap();
    raw
}

#[test]
fn blocks_join_into_one_stream_with_one_checksum() {
    let mut noise = 1u32;
    let parts: Vec<Vec<u8>> = [0usize, 1, 10, 65_535, 65_536, 300_000, 1_000_000]
        .iter()
        .map(|len| {
            (0..*len)
                .map(|at| {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if at % 3 == 0 { (noise >> 24) as u8 } else { b'a' + (at % 7) as u8 }
                })
                .collect()
        })
        .collect();
    for level in 0..=9 {
        let mut deflater = Deflater::default();
        let (mut stream, mut all, mut sum) = (Vec::new(), Vec::new(), Sum::default());
        let mut spare = Buf::default();
        for part in &parts {
            let block = deflater.block(part, Level(level), spare).unwrap();
            sum.add(&block);
            stream.extend_from_slice(block.as_slice());
            all.extend_from_slice(part);
            spare = block.into_buf();
        }
        stream.extend_from_slice(&LAST_BLOCK);
        assert!(inflate(&stream) == all, "level {level}");
        assert_eq!(sum.crc32(), crc32fast::hash(&all));
        assert_eq!(sum.raw_bytes, all.len() as u64);
    }
}

#[test]
fn levels_outside_one_to_nine_are_refused() {
    assert!(Level::new(0).is_err());
    assert!(Level::new(10).unwrap_err().to_string().contains("1 (fastest) to 9"));
}

fn fast(raw: &[u8]) -> Vec<u8> {
    let mut into = Buf::default();
    Fast::default().compress(raw, &mut into);
    into.as_slice().to_vec()
}

/// Compresses, inflates, and answers the compressed bytes.
#[track_caller]
fn check(raw: &[u8]) -> Vec<u8> {
    let packed = fast(raw);
    let mut stream = packed.clone();
    stream.extend_from_slice(&LAST_BLOCK);
    assert!(inflate(&stream) == raw, "{} bytes are not what they were", raw.len());
    assert!(packed.len() <= bound(raw.len()), "{} became {}", raw.len(), packed.len());
    packed
}

/// Most bytes that so many can become: all stored, and an empty block to end on a byte.
fn bound(bytes: usize) -> usize {
    let stored_blocks = bytes.div_ceil(PART_BYTES_MAX - LENGTH_MAX - 2);
    bytes + 5 * stored_blocks + 5
}

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut noise = seed | 1;
    let byte = |_| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise >> 32) as u8
    };
    (0..len).map(byte).collect()
}

#[test]
fn borders_of_parts_and_of_the_window_are_whole() {
    let (noise, text) = (random(1, 140_000), b"one,two,2024-01-31,4.25\n".repeat(6_000));
    let borders = [32_768, PART_BYTES_MAX - LENGTH_MAX - 2, PART_BYTES_MAX, 65_536, 131_072];
    let lens = (0..80).chain(borders.iter().flat_map(|border| border - 34..=border + 34));
    for len in lens {
        check(&noise[..len]);
        check(&text[..len]);
        check(&vec![b'x'; len]);
    }
    assert!(fast(b"").is_empty());
}

#[test]
fn what_repeats_far_back_is_found_to_the_last_byte_of_the_window() {
    for distance in [1_000, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537] {
        let mut raw = random(distance as u64, 100);
        raw.resize(distance, 0);
        raw.extend_from_within(..100);
        raw.extend_from_slice(&[1; 64]);
        check(&raw);
        let (mut finder, mut part, mut start, mut found) =
            (Finder::default(), Part::default(), 0, 0);
        while start < raw.len() {
            start = finder.part(&raw, start, &mut part);
            let far = |sequence: &&Sequence| usize::from(sequence.distance) + 1 == distance;
            found += part.sequences().iter().filter(far).map(|far| far.length).sum::<u16>();
        }
        assert_eq!(found, if distance <= 32_768 { 100 } else { 0 }, "distance {distance}");
    }
}

#[test]
fn random_bytes_grow_by_their_frames_only_and_do_not_hide_what_follows() {
    let noise = random(7, 1 << 20);
    assert_eq!(check(&noise).len(), noise.len() + 5 * 17);
    let mut mixed = noise[..300_000].to_vec();
    mixed.extend_from_slice(&b"2024-01-31,OPEN,EUR\n".repeat(20_000));
    assert!(check(&mixed).len() < 310_000);
}

#[test]
fn long_repetitions_cost_next_to_nothing() {
    assert!(check(&vec![0; 1 << 20]).len() < 2_000);
    assert!(check(&b"name,12,true\n".repeat(80_000)).len() < 8_000);
}

#[test]
fn every_length_and_every_distance_is_written_as_it_is_read() {
    let history = random(3, 32_768);
    let mut distances: Vec<usize> = (1..=DISTANCES / 2)
        .flat_map(|bits| [1, 2, 3].map(|quarter| (quarter << bits) / 2))
        .flat_map(|base| [base, base + 1])
        .filter(|distance| (1..=32_768).contains(distance))
        .collect();
    distances.extend([1, 32_768]);
    let mut raw = history.clone();
    let mut part = Part::default();
    let mut literals = raw.len();
    for (at, length) in (3..=LENGTH_MAX).enumerate() {
        raw.extend(random(at as u64, at % 6));
        let (begin, distance) = (raw.len(), distances[at % distances.len()]);
        for _ in 0..length {
            raw.push(raw[raw.len() - distance]);
        }
        part.push(&raw, literals, begin, length, (distance - 1) as u16);
        literals = raw.len();
    }
    part.push_last(&raw, literals, raw.len());
    assert!(part.distances[..30].iter().all(|count| *count > 0));
    assert!(part.lengths[3..].iter().all(|count| *count == 1));

    let mut into = Buf::default();
    store(&history, &mut into);
    let rest = write_part(&part, &raw[history.len()..], &mut into, Rest::default());
    assert!(into.len() < raw.len() - 10_000, "{} bytes are not compressed", into.len());
    // An empty stored block, which ends the last byte.
    bits::Bits::write(&mut into, rest, 40, |bits| {
        bits.put(0, 3);
        bits.align();
        bits.bytes(&[0, 0, 0xFF, 0xFF]);
    });
    let mut stream = into.as_slice().to_vec();
    stream.extend_from_slice(&LAST_BLOCK);
    assert!(inflate(&stream) == raw);
}

#[test]
fn frequencies_like_fibonaccis_meet_the_limit_of_the_codes() {
    // No two neighbours repeat often enough to be matches, so that the literals keep their skew.
    let (mut raw, mut counts) = (Vec::new(), (1usize, 1usize));
    for byte in 0..22 {
        raw.extend(std::iter::repeat_n(byte * 11, counts.0));
        counts = (counts.1, counts.0 + counts.1);
    }
    let mut order = random(5, 4 * raw.len()).into_iter();
    for at in (1..raw.len()).rev() {
        let draw = order.by_ref().take(3).fold(0, |draw, byte| draw << 8 | usize::from(byte));
        raw.swap(at, draw % (at + 1));
    }
    check(&raw);
    check(&raw[..PART_BYTES_MAX.min(raw.len()) / 2]);
}

#[test]
fn a_block_does_not_depend_on_what_was_compressed_before() {
    let raw = b"2c92a0c3463b9b5f,18643.30,Acme Cloud Seats\n".repeat(3_000);
    let mut deflater = Deflater::default();
    let mut again = |bytes: &[u8]| {
        deflater.block(bytes, Level::FAST, Buf::default()).unwrap().into_bytes().as_slice().to_vec()
    };
    let first = again(&raw);
    again(&random(9, 200_000));
    again(&raw[7..]);
    assert!(again(&raw) == first);
    assert!(fast(&raw) == first);
}

#[test]
fn bytes_that_do_not_compress_pass_every_level() {
    let noise = random(11, 1 << 20);
    for level in 0..=9 {
        let block = Deflater::default().block(&noise, Level(level), Buf::default()).unwrap();
        let mut stream = block.as_slice().to_vec();
        stream.extend_from_slice(&LAST_BLOCK);
        assert!(inflate(&stream) == noise, "level {level}");
    }
}

/// Bytes as tables have them: fields from a few, repeated, changed, and noise between.
fn tables() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        "[a-z]{1,12}",
        "[0-9]{1,9}",
        "(true|false|NULL|2024-0[1-9]-1[0-9])",
        proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|noise| noise.into_iter().map(char::from).collect()),
    ];
    let rows = proptest::collection::vec(field, 1..30);
    (rows, proptest::collection::vec(any::<(u8, u8)>(), 0..4_000)).prop_map(|(fields, picks)| {
        let mut raw = Vec::new();
        for (field, times) in picks {
            for _ in 0..=times % 4 {
                raw.extend_from_slice(fields[usize::from(field) % fields.len()].as_bytes());
            }
            raw.push(b",\n"[usize::from(times & 1)]);
        }
        raw
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn tables_come_back(raw in tables()) {
        check(&raw);
    }

    #[test]
    fn any_bytes_come_back(raw in proptest::collection::vec(any::<u8>(), 0..3_000)) {
        check(&raw);
    }

    #[test]
    fn any_bytes_of_a_few_come_back(raw in proptest::collection::vec(0u8..4, 0..3_000)) {
        check(&raw);
    }
}
