//! Segments from the kernel's mirror.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

use sensor_common::abi::{CROSSED, DATAGRAM, MirrorChecksum, MirrorDirection, MirrorHeader, datagram_flags};
use sensor_common::packet;

use super::datagram::{DatagramCounters, Datagrams, Plain};
use super::segment::{Direction, Endpoint, Flags, Segment};
use super::tcp::{Integrity, TcpHeader};
use crate::clock::{KernelClock, Timestamp};
use crate::kernel::address_of;

/// The segment of a mirror record. The kernel itself wrote the header, so its lengths are only clamped to the bytes
/// that came with it.
#[must_use]
pub fn segment<'a>(header: &MirrorHeader, bytes: &'a [u8], clock: KernelClock) -> Segment<'a> {
    let (options, payload) = bytes.split_at_checked(usize::from(header.options)).unwrap_or((bytes, &[]));
    let most = usize::try_from(header.length).unwrap_or(usize::MAX);
    Segment {
        time: clock.civil(header.time),
        source: Endpoint::new(address_of(header.source), header.source_port),
        destination: Endpoint::new(address_of(header.destination), header.destination_port),
        interface: header.ifindex,
        direction: Some(if is_request(header) { Direction::Ingress } else { Direction::Egress }),
        crossed: header.direction & CROSSED != 0,
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

/// Whether a segment record is a client's.
#[must_use]
pub const fn is_request(header: &MirrorHeader) -> bool {
    header.direction & !CROSSED == MirrorDirection::Ingress as u8
}

/// The server's port in a segment record.
#[must_use]
pub const fn server_port(header: &MirrorHeader) -> u16 {
    if is_request(header) { header.destination_port } else { header.source_port }
}

/// An unknown number means nothing.
fn integrity(number: u8) -> Integrity {
    match MirrorChecksum::ALL.into_iter().find(|known| *known as u8 == number) {
        Some(MirrorChecksum::Holds) => Integrity::Holds,
        Some(MirrorChecksum::Unverified) => Integrity::Unverified,
        Some(MirrorChecksum::UnverifiedOrPartial) => Integrity::UnverifiedOrPartial,
        Some(MirrorChecksum::Unverifiable) | None => Integrity::Unverifiable,
    }
}

/// Handles the records that are not segments: pieces of datagrams that were copied unchanged.
#[derive(Debug, Default)]
pub struct DatagramReader {
    datagrams: Datagrams,
    /// The datagram being received.
    copy: Vec<u8>,
    /// When it was seen.
    time: u64,
}

/// Longest datagram: IPv6's, with its header.
const MAX_DATAGRAM: usize = 65_535 + 40;

impl DatagramReader {
    /// Whether a record belongs to it.
    #[must_use]
    pub const fn reads(header: &MirrorHeader) -> bool {
        header.direction == DATAGRAM
    }

    /// Takes a record; returns the segment that it completes.
    pub fn take(&mut self, header: &MirrorHeader, piece: &[u8], clock: KernelClock) -> Option<Segment<'_>> {
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        if header.sequence == 0 {
            self.copy.clear();
            self.time = header.time;
        }
        let place = usize::try_from(header.sequence).unwrap_or(usize::MAX);
        let belongs = self.time == header.time && self.copy.len() == place;
        if !belongs || length > MAX_DATAGRAM || place.saturating_add(piece.len()) > length {
            self.copy.clear();
            self.datagrams.note_torn();
            return None;
        }
        self.copy.extend(piece);
        if self.copy.len() < length {
            return None;
        }
        // Datagrams without a segment are counted there.
        let plain = self.datagrams.take(clock.civil(header.time), &self.copy, length).ok().flatten()?;
        plain_segment(&plain, header, clock)
    }

    /// Drops datagrams that have waited too long.
    pub fn advance(&mut self, now: Timestamp) {
        self.datagrams.expire(now);
    }

    /// Totals.
    #[must_use]
    pub const fn counters(&self) -> DatagramCounters {
        self.datagrams.counters()
    }
}

/// The segment of a plain frame, as the kernel would have recorded it.
fn plain_segment<'a>(plain: &Plain<'a>, header: &MirrorHeader, clock: KernelClock) -> Option<Segment<'a>> {
    let tcp = packet::segment(plain.bytes).ok()?;
    let end = tcp.end.unwrap_or(plain.wire).min(plain.bytes.len());
    let bytes = plain.bytes.get(tcp.options..end)?;
    let options = tcp.payload.saturating_sub(tcp.options);
    let length = u32::try_from(bytes.len().saturating_sub(options)).ok()?;
    let is_aggregate = header.flags & datagram_flags::AGGREGATE != 0;
    let header = MirrorHeader {
        time: header.time,
        source: tcp.source,
        destination: tcp.destination,
        source_port: tcp.source_port,
        destination_port: tcp.destination_port,
        ifindex: header.ifindex,
        sequence: tcp.sequence,
        acknowledgement: tcp.acknowledgement,
        length,
        captured: u32::try_from(bytes.len()).ok()?,
        urgent: tcp.urgent,
        flags: tcp.flags,
        direction: MirrorDirection::Ingress as u8,
        window: tcp.window,
        checksum: tcp.checksum,
        peer_sent: 0,
        data_offset: tcp.data_offset,
        options: u8::try_from(options).ok()?,
        integrity: if is_aggregate { MirrorChecksum::Holds as u8 } else { header.integrity },
        peer_sent_known: 0,
    };
    Some(segment(&header, bytes, clock))
}

#[cfg(test)]
mod tests {
    use sensor_common::abi::ClientKey;

    use super::*;
    use crate::clock;

    #[test]
    fn a_header_that_lies_gives_no_more_than_there_is() {
        let clock = clock::kernel_clock();
        for (length, options, expected) in [(5, 0, 3), (2, 0, 2), (9, 0, 3), (0, 0, 0), (5, 1, 2), (5, 4, 0)]
        {
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
    fn a_direction_says_whose_a_segment_is_on_either_side_of_the_interface() {
        let clock = clock::kernel_clock();
        for (number, direction, crossed) in [
            (MirrorDirection::Ingress as u8, Direction::Ingress, false),
            (MirrorDirection::Egress as u8, Direction::Egress, false),
            (MirrorDirection::Ingress as u8 | CROSSED, Direction::Ingress, true),
            (MirrorDirection::Egress as u8 | CROSSED, Direction::Egress, true),
        ] {
            let header = MirrorHeader { direction: number, ..MirrorHeader::default() };
            let segment = segment(&header, b"", clock);
            assert_eq!((segment.direction, segment.crossed), (Some(direction), crossed), "{number}");
            assert!(!DatagramReader::reads(&header), "{number}");
        }
    }

    #[test]
    fn checksums_are_told_by_number() {
        for known in MirrorChecksum::ALL {
            assert_eq!(integrity(known as u8) == Integrity::Holds, known == MirrorChecksum::Holds);
        }
        assert_eq!(integrity(200), Integrity::Unverifiable);
    }

    /// IPv6, a fragment header, 24 or 32 bytes of a TCP header with options and 12 bytes of payload.
    fn fragments(port: u16) -> [Vec<u8>; 2] {
        let address = |last: u8| [&[0xfd][..], &[0; 14], &[last]].concat();
        let mut tcp =
            [&port.to_be_bytes()[..], &[0, 80, 0, 0, 0, 9, 0, 0, 0, 7, 0x50, 0x18, 1, 0, 0, 0, 0, 0]]
                .concat();
        tcp.extend(b"GET / HTTP/1");
        let pseudo = [&address(2)[..], &address(1), &[0, 0, 0, 32, 0, 0, 0, 6], &tcp].concat();
        let mut sum: u32 =
            pseudo.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        tcp.splice(16..18, (!u16::try_from(sum).unwrap()).to_be_bytes());
        [(0_u16, 24, 1), (24, 32, 0)].map(|(from, to, more)| {
            let part = &tcp[usize::from(from)..to];
            let length = u8::try_from(part.len() + 8).unwrap();
            let [high, low] = (from | more).to_be_bytes();
            let header = [6, 0, high, low, 0, 0, 0, 5];
            [&[0x60, 0, 0, 0, 0, length, 44, 64][..], &address(2), &address(1), &header, part].concat()
        })
    }

    fn record(time: u64, bytes: &[u8], from: usize) -> MirrorHeader {
        MirrorHeader {
            time,
            length: u32::try_from(bytes.len()).unwrap(),
            sequence: u32::try_from(from).unwrap(),
            direction: DATAGRAM,
            ifindex: 3,
            ..Default::default()
        }
    }

    #[test]
    fn copies_are_joined_and_fragments_put_together() {
        let clock = clock::kernel_clock();
        let mut reader = DatagramReader::default();
        let [first, last] = fragments(4_000);
        for (half, rest) in [first.split_at(40), first.split_at(72)] {
            assert!(reader.take(&record(5, &first, 0), half, clock).is_none());
            assert!(rest.is_empty() || reader.take(&record(5, &first, half.len()), rest, clock).is_none());
        }
        let segment = reader.take(&record(6, &last, 0), &last, clock).unwrap();
        assert_eq!((segment.payload, segment.sequence, segment.interface), (&b"GET / HTTP/1"[..], 9, 3));
        assert_eq!(segment.source.to_string(), "[fd00::2]:4000");
        assert_eq!(segment.direction, Some(Direction::Ingress));
        assert_eq!(reader.counters().assembled, 1);
    }

    #[test]
    fn pieces_that_do_not_belong_together_are_counted() {
        let clock = clock::kernel_clock();
        let mut reader = DatagramReader::default();
        let [first, last] = fragments(4_000);
        assert!(reader.take(&record(5, &first, 0), &first[..40], clock).is_none());
        // Another CPU's, one of another time, and one that is longer than it says.
        assert!(reader.take(&record(6, &last, 8), &last[8..], clock).is_none());
        assert!(reader.take(&record(5, &first, 40), &first[40..], clock).is_none());
        let short = MirrorHeader { length: 3, ..record(7, &first, 0) };
        assert!(reader.take(&short, &first, clock).is_none());
        assert_eq!((reader.counters().torn, reader.counters().assembled), (3, 0));
    }
}
