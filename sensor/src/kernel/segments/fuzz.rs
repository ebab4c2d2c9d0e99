//! Fuzz entry: rings with arbitrary bytes.

use memmap2::MmapOptions;
use sensor_common::abi::{Block, CHUNK, MirrorHeader};

use super::{Blocks, Ring, merge};

/// Rings that the input is distributed over, of one block each.
const RINGS: usize = 2;

/// Takes the write position of each ring (two bytes each), the number of records wanted, and the time (a power of two);
/// the rest is the rings' content. Reads them until nothing is left, passes each record to `visit`, and asserts that
/// none is longer or younger than allowed, and that everything written is consumed.
///
/// # Panics
/// If one of these does not hold.
pub fn records(data: &[u8], mut visit: impl FnMut(&MirrorHeader, &[u8])) {
    let Some(([a, b, c, d, most, time], bytes)) = data.split_first_chunk::<6>() else { return };
    let size = size_of::<Block>();
    let Ok(mut memory) = MmapOptions::new().len(RINGS.saturating_mul(size)).map_anon() else { return };
    let half = bytes.len().div_ceil(RINGS).max(1);
    for (part, place) in bytes.chunks(half).zip(memory.chunks_mut(size)) {
        place.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
    }
    let blocks = Blocks { memory: memory.into(), of_ring: 1 };
    let written = [[*a, *b], [*c, *d]].map(u16::from_le_bytes);
    let mut rings: Vec<Ring> = (0_usize..)
        .zip(written)
        .map(|(cpu, written)| Ring { cpu, written: written.into(), ..Ring::default() })
        .collect();
    let now = 1_u64.wrapping_shl(u32::from(*time));
    let most = usize::from(*most).max(1);
    loop {
        let done = merge(
            &mut rings,
            &blocks,
            (now, most),
            |_ring| {},
            |header, payload| {
                assert!(
                    payload.len() <= CHUNK as usize && header.captured <= CHUNK,
                    "a record is a chunk at most"
                );
                assert!(header.time <= now, "what is younger waits");
                visit(header, payload);
            },
        );
        assert!(done <= most, "no more than wanted");
        let is_in_bounds = |ring: &Ring| ring.read <= ring.written && ring.released == ring.read;
        assert!(rings.iter().all(is_in_bounds), "{rings:?}");
        if done == 0 {
            break;
        }
    }
    // A ring ends where its next record is too young or incomplete.
    let is_done =
        |ring: &Ring| ring.read == ring.written || blocks.header(ring).is_none_or(|header| header.time > now);
    assert!(rings.iter().all(is_done), "{rings:?}");
}
