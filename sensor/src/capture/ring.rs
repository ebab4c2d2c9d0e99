//! Segments from the kernel's mirror.

use sensor_common::abi::{MirrorChecksum, MirrorDirection, MirrorHeader};

use super::segment::{Direction, Endpoint, Flags, Segment};
use super::tcp::{Integrity, TcpHeader};
use crate::clock::KernelClock;
use crate::kernel::address_of;

/// The segment of a record of the mirror. The header is the kernel's own, so what it says of
/// lengths is only made to fit the bytes that came with it.
#[must_use]
pub fn segment<'a>(header: &MirrorHeader, bytes: &'a [u8], clock: KernelClock) -> Segment<'a> {
    let (options, payload) = bytes.split_at_checked(usize::from(header.options)).unwrap_or((bytes, &[]));
    let most = usize::try_from(header.length).unwrap_or(usize::MAX);
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
        payload: payload.get(..most).unwrap_or(payload),
        header: TcpHeader {
            data_offset: header.data_offset,
            window: header.window,
            checksum: header.checksum,
            options,
        },
        integrity: integrity(header.integrity),
        peer_sent: (header.peer_sent_known != 0).then_some(header.peer_sent),
    }
}

/// A number that is none of the known ones says nothing.
fn integrity(number: u8) -> Integrity {
    match MirrorChecksum::ALL.into_iter().find(|known| *known as u8 == number) {
        Some(MirrorChecksum::Holds) => Integrity::Holds,
        Some(MirrorChecksum::Unverified) => Integrity::Unverified,
        Some(MirrorChecksum::UnverifiedOrPartial) => Integrity::UnverifiedOrPartial,
        Some(MirrorChecksum::Unverifiable) | None => Integrity::Unverifiable,
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
        for (length, options, expected) in [(5, 0, 3), (2, 0, 2), (9, 0, 3), (0, 0, 0), (5, 1, 2), (5, 4, 0)] {
            let header = MirrorHeader {
                length,
                options,
                source: ClientKey::from_v4(0x0102_0304),
                ..Default::default()
            };
            let segment = segment(&header, b"abc", clock);
            assert_eq!(segment.payload.len(), expected, "{length} {options}");
            assert!(segment.payload.len() <= segment.length as usize);
            assert_eq!(segment.source.to_string(), "1.2.3.4:0");
        }
    }

    #[test]
    fn checksums_are_told_by_number() {
        for known in MirrorChecksum::ALL {
            assert_eq!(integrity(known as u8) == Integrity::Holds, known == MirrorChecksum::Holds);
        }
        assert_eq!(integrity(200), Integrity::Unverifiable);
    }
}
