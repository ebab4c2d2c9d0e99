//! Fuzz entry: raw bytes of the mirror's rings, to segments.

use super::DatagramReader;
use crate::clock;
use crate::kernel::fuzz::records;

/// Reads the input as rings (see [`records`]), and asserts that no segment holds more than it says or than was
/// captured, and that it is the same when it is made again.
///
/// # Panics
/// If one of them does not hold.
pub fn rings(data: &[u8]) {
    let clock = clock::kernel_clock();
    let mut datagrams = DatagramReader::default();
    records(data, |header, bytes| {
        if DatagramReader::reads(header) {
            let segment = datagrams.take(header, bytes, clock);
            let is_sound = segment.is_none_or(|segment| segment.payload.len() <= segment.length as usize);
            assert!(is_sound, "no more than its length");
            return;
        }
        let segment = super::segment(header, bytes, clock);
        assert!(segment.payload.len() <= segment.length as usize, "no more than its length");
        let behind = bytes.get(usize::from(header.options)..).unwrap_or_default();
        assert!(behind.starts_with(segment.payload), "no more than was captured");
        let again = super::segment(header, bytes, clock);
        assert_eq!(format!("{segment:?}"), format!("{again:?}"));
    });
}

#[cfg(test)]
mod tests {
    use bytemuck::bytes_of;
    use proptest::prelude::*;
    use sensor_common::abi::{MirrorHeader, record_size};

    /// Records one after the other, as the kernel writes them.
    fn ring(lengths: &[u16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (time, length) in lengths.iter().enumerate() {
            let captured = u32::from(*length) % 300;
            let header =
                MirrorHeader { time: time as u64, captured, length: captured, ..MirrorHeader::default() };
            let begin = bytes.len();
            bytes.extend_from_slice(bytes_of(&header));
            bytes.resize(begin + usize::try_from(record_size(captured)).unwrap(), b'x');
        }
        bytes
    }

    proptest! {
        #[test]
        fn any_rings(
            lengths in prop::collection::vec(any::<u16>(), 0..20),
            most in any::<u8>(),
            time in 0_u8..64,
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let mut bytes = [ring(&lengths), ring(&lengths)].concat();
            let written = u16::try_from(bytes.len() / 2).unwrap().to_le_bytes();
            for (place, byte) in edits {
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    bytes[place] = byte;
                }
            }
            let head = [written[0], written[1], written[0], written[1], most, time];
            super::rings(&[&head, bytes.as_slice()].concat());
        }
    }
}
