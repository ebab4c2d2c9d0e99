//! Segments from the kernel's mirror.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

use sensor_common::abi::{MirrorDirection, MirrorHeader};

use super::segment::{Direction, Endpoint, Flags, Segment};
use crate::clock::KernelClock;
use crate::kernel::address_of;

/// The segment of a record of the mirror. The header is the kernel's own, so what it says of
/// lengths is only made to fit the bytes that came with it.
#[must_use]
pub fn segment<'a>(header: &MirrorHeader, payload: &'a [u8], clock: KernelClock) -> Segment<'a> {
    let captured = usize::try_from(header.captured.min(header.length)).unwrap_or(usize::MAX);
    let is_ingress = header.direction == MirrorDirection::Ingress as u8;
    Segment {
        time: clock.civil(header.time),
        source: Endpoint::new(address_of(header.source), header.source_port),
        destination: Endpoint::new(address_of(header.destination), header.destination_port),
        interface: header.ifindex,
        direction: Some(if is_ingress { Direction::Ingress } else { Direction::Egress }),
        sequence: header.sequence,
        acknowledgement: header.acknowledgement,
        flags: Flags(header.flags),
        urgent: header.urgent,
        length: header.length,
        payload: payload.get(..captured).unwrap_or(payload),
    }
}

#[cfg(test)]
mod tests {
    use sensor_common::abi::ClientKey;

    use super::*;
    use crate::clock;

    #[test]
    fn a_header_that_lies_gives_no_more_than_there_is() {
        let clock = clock::kernel_clock();
        for (length, captured, expected) in [(5, 5, 3), (2, 9, 2), (9, 2, 2), (0, 0, 0)] {
            let header = MirrorHeader {
                length,
                captured,
                source: ClientKey::from_v4(0x0102_0304),
                ..Default::default()
            };
            let segment = segment(&header, b"abc", clock);
            assert_eq!(segment.payload.len(), expected, "{length} {captured}");
            assert!(segment.payload.len() <= segment.length as usize);
            assert_eq!(segment.source.to_string(), "1.2.3.4:0");
        }
    }
}
