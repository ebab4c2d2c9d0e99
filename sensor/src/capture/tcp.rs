//! The parts of a TCP header that only the receiver uses: options, window, checksum.

use std::net::IpAddr;

use super::segment::Segment;

/// The parts of a TCP header that determine whether its receiver accepts the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpHeader<'a> {
    /// Data offset and reserved bits: byte 12.
    pub data_offset: u8,
    /// Window, not scaled.
    pub window: u16,
    /// Checksum.
    pub checksum: u16,
    /// Options, as on the wire; incomplete if the capture was truncated.
    pub options: &'a [u8],
}

impl Default for TcpHeader<'_> {
    /// No options, the widest window.
    fn default() -> Self {
        Self { data_offset: 5 << 4, window: u16::MAX, checksum: 0, options: &[] }
    }
}

/// What is known about a segment's checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Integrity {
    /// It is correct.
    #[default]
    Holds,
    /// It has yet to be verified.
    Unverified,
    /// The same; or the sender's card was to complete it, and it covers only the pseudo header.
    UnverifiedOrPartial,
    /// It cannot be verified: the segment is incomplete.
    Unverifiable,
}

/// Whether a checksum is correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Holds,
    /// It is not, so the receiver drops the segment.
    Fails,
    /// Unknown.
    Unknown,
}

impl Segment<'_> {
    /// Whether the checksum is correct (RFC 9293, section 3.1); computed if it was unknown.
    #[must_use]
    pub fn verify(&self) -> Verdict {
        let may_be_partial = match self.integrity {
            Integrity::Holds => return Verdict::Holds,
            Integrity::Unverifiable => return Verdict::Unknown,
            Integrity::Unverified => false,
            Integrity::UnverifiedOrPartial => true,
        };
        let options = usize::from(self.header.data_offset >> 4).saturating_mul(4).saturating_sub(20);
        if self.payload.len() != self.length as usize || self.header.options.len() != options {
            return Verdict::Unknown;
        }
        let pseudo = self.pseudo_header();
        if may_be_partial && fold(pseudo) == self.header.checksum {
            return Verdict::Holds;
        }
        // The options are a multiple of four bytes, so the payload starts at an even offset.
        let sum = add_bytes(add_bytes(self.add_fixed_header(pseudo), self.header.options), self.payload);
        if fold(sum) == 0xffff { Verdict::Holds } else { Verdict::Fails }
    }

    /// RFC 9293, section 3.1, and RFC 8200, section 8.1.
    fn pseudo_header(&self) -> u64 {
        let length =
            u64::from(self.length).saturating_add(self.header.options.len() as u64).saturating_add(20);
        let addresses = [self.source, self.destination].into_iter().fold(0, |sum, end| match end.address() {
            IpAddr::V4(address) => add_bytes(sum, &address.octets()),
            IpAddr::V6(address) => add_bytes(sum, &address.octets()),
        });
        addresses.saturating_add(6).saturating_add(length >> 16).saturating_add(length & 0xffff)
    }

    fn add_fixed_header(&self, sum: u64) -> u64 {
        let long = |number: u32| u64::from(number >> 16).saturating_add(u64::from(number & 0xffff));
        [
            u64::from(self.source.port()),
            u64::from(self.destination.port()),
            long(self.sequence),
            long(self.acknowledgement),
            u64::from(self.header.data_offset) << 8 | u64::from(self.flags.0),
            u64::from(self.header.window),
            u64::from(self.header.checksum),
            u64::from(self.urgent),
        ]
        .into_iter()
        .fold(sum, u64::saturating_add)
    }
}

/// Adds 16-bit words in network order, by eight bytes at a time: a sum of wider words folds to the same (RFC 1071,
/// section 2).
fn add_bytes(sum: u64, bytes: &[u8]) -> u64 {
    let (wide, rest) = bytes.as_chunks::<8>();
    let mut total = u128::from(sum);
    for word in wide {
        total = total.wrapping_add(u128::from(u64::from_be_bytes(*word)));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    total = total.wrapping_add(u128::from(u64::from_be_bytes(last)));
    while total >> 48 != 0 {
        total = (total & 0xffff_ffff).wrapping_add(total >> 32);
    }
    u64::try_from(total).unwrap_or(u64::MAX)
}

/// Folds a sum of words to 16 bits.
fn fold(sum: u64) -> u16 {
    let mut sum = sum;
    while sum >> 16 != 0 {
        sum = (sum & 0xffff).wrapping_add(sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

/// The options of a segment, as a receiver reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Timestamp and its echo (RFC 7323, section 3.2).
    pub timestamps: Option<(u32, u32)>,
    /// Shift of the windows to come, at most 14 (RFC 7323, section 2.3).
    pub window_scale: Option<u8>,
    /// Selective acknowledgements are permitted (RFC 2018, section 2).
    pub sack_permitted: bool,
    /// An MD5 signature (RFC 2385).
    pub md5: bool,
    /// An authentication option (RFC 5925).
    pub ao: bool,
    /// Bytes from the first malformed option to the end: one of an impossible length, or a signature of a wrong one. 0
    /// if all are well-formed.
    pub misfit: u8,
}

const TIMESTAMPS: u8 = 8;

impl TcpOptions {
    /// Parses them as Linux does (`tcp_parse_options`): the last of a kind counts, an option of a wrong length is
    /// skipped, and nothing is read after a malformed one.
    #[inline]
    #[must_use]
    pub fn parse(options: &[u8]) -> Self {
        if let &[1, 1, TIMESTAMPS, 10, a, b, c, d, e, f, g, h] = options {
            let timestamps = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
            return Self { timestamps, ..Self::default() };
        }
        Self::parse_any(options)
    }

    fn parse_any(mut options: &[u8]) -> Self {
        let mut found = Self::default();
        while let Some((&kind, rest)) = options.split_first() {
            match kind {
                0 => break,
                1 => options = rest,
                _ => {
                    let left = options.len();
                    let length = rest.first().map_or(0, |length| usize::from(*length));
                    let split = options.split_at_checked(length);
                    let Some((Some(value), behind)) = split.map(|(option, behind)| (option.get(2..), behind))
                    else {
                        found.note_misfit(left);
                        break;
                    };
                    found.note(kind, value, left);
                    options = behind;
                }
            }
        }
        found
    }

    fn note_misfit(&mut self, left: usize) {
        if self.misfit == 0 {
            self.misfit = u8::try_from(left).unwrap_or(u8::MAX);
        }
    }

    fn note(&mut self, kind: u8, value: &[u8], left: usize) {
        match (kind, value) {
            (19 | 29, _) if self.md5 || self.ao => self.note_misfit(left),
            (3, &[shift]) => self.window_scale = Some(shift.min(14)),
            (4, []) => self.sack_permitted = true,
            (TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
                self.timestamps = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
            }
            (19, value) if value.len() == 16 => self.md5 = true,
            // The option's header has four bytes, and something has to follow.
            (29, value) if value.len() > 2 => self.ao = true,
            (19 | 29, _) => self.note_misfit(left),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::{Endpoint, Flags};

    #[test]
    fn options_are_read_as_linux_reads_them() {
        let none = TcpOptions::default();
        let stamped = TcpOptions { timestamps: Some((1, 2)), ..none };
        let table: [(&[u8], TcpOptions); 13] = [
            (&[], none),
            (&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], stamped),
            (&[8, 10, 0, 0, 0, 1, 0, 0, 0, 2], stamped),
            (&[8, 10, 0, 0, 0, 9, 0, 0, 0, 9, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], stamped),
            (&[0, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], none),
            (&[8, 9, 0, 0, 0, 1, 0, 0, 0], none),
            (&[8, 10, 0, 0], TcpOptions { misfit: 4, ..none }),
            (&[2, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], TcpOptions { misfit: 12, ..none }),
            (&[7], TcpOptions { misfit: 1, ..none }),
            (&[3, 3, 99, 4, 2], TcpOptions { window_scale: Some(14), sack_permitted: true, ..none }),
            (&[19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], TcpOptions { md5: true, ..none }),
            (&[29, 4, 1, 1], TcpOptions { misfit: 4, ..none }),
            (&[29, 6, 1, 1, 9, 9, 19, 3, 0], TcpOptions { ao: true, misfit: 3, ..none }),
        ];
        for (bytes, expected) in table {
            assert_eq!(TcpOptions::parse(bytes), expected, "{bytes:?}");
        }
    }

    fn frame(v6: bool, payload: &[u8], options: &[u8]) -> Vec<u8> {
        let builder = etherparse::PacketBuilder::ethernet2([1; 6], [2; 6]);
        let mut frame = Vec::new();
        let tcp = |step: etherparse::PacketBuilderStep<etherparse::IpHeaders>| {
            step.tcp(40_000, 80, 7, 65_535).ack(9).options_raw(options).unwrap()
        };
        let built = if v6 {
            tcp(builder.ipv6([3; 16], [4; 16], 64))
        } else {
            tcp(builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64))
        };
        built.write(&mut frame, payload).unwrap();
        frame
    }

    proptest! {
        #[test]
        fn a_checksum_holds_as_somebody_else_computes_it_and_not_with_a_bit_turned(
            v6: bool,
            payload in prop::collection::vec(any::<u8>(), 0..2_000),
            stamps in 0..3_usize,
            bit in any::<prop::sample::Index>(),
        ) {
            let options = [1_u8, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2].repeat(stamps);
            let frame = frame(v6, &payload, &options);
            let start = if v6 { 54 } else { 34 };
            let check = |frame: &[u8]| {
                let header = &frame[start..];
                let address = |at: usize| -> IpAddr {
                    if v6 {
                        IpAddr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).unwrap())
                    } else {
                        IpAddr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap())
                    }
                };
                let (source, destination) = if v6 { (22, 38) } else { (26, 30) };
                let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
                let long = |at: usize| u32::from(word(at)) << 16 | u32::from(word(at + 2));
                let payload = &header[20 + options.len()..];
                Segment {
                    source: Endpoint::new(address(source), word(0)),
                    destination: Endpoint::new(address(destination), word(2)),
                    sequence: long(4),
                    acknowledgement: long(8),
                    flags: Flags(header[13]),
                    urgent: word(18),
                    length: u32::try_from(payload.len()).unwrap(),
                    payload,
                    integrity: Integrity::Unverified,
                    header: TcpHeader {
                        data_offset: header[12],
                        window: word(14),
                        checksum: word(16),
                        options: &header[20..20 + options.len()],
                    },
                    ..Segment::default()
                }
                .verify()
            };
            prop_assert_eq!(check(&frame), Verdict::Holds);
            let mut turned = frame.clone();
            let bits = (turned.len() - start) * 8;
            let bit = bit.index(bits);
            turned[start + bit / 8] ^= 1 << (bit % 8);
            prop_assert!(check(&turned) != Verdict::Holds || turned[start + 12] != frame[start + 12]);
        }
    }
}
