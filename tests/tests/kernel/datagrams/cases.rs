//! The cases.

use sensor_tests::peers::raw::{destinations, fragment, fragment_header, ipv4, ipv4_with_sum, ipv6};

/// What makes fragments of one datagram: a SYN of 96 bytes.
pub(crate) struct Maker {
    pub(crate) is_v6: bool,
    pub(crate) syn: Vec<u8>,
    pub(crate) identification: u32,
}

impl Maker {
    /// The bytes from one place to another, or as many others.
    pub(crate) fn piece(&self, from: usize, to: usize, more: bool, is_true: bool) -> Vec<u8> {
        let bytes = if is_true { self.syn[from..to].to_vec() } else { vec![b'?'; to - from] };
        fragment(self.is_v6, &bytes, (self.identification, from, more))
    }

    fn part(&self, from: usize, to: usize) -> Vec<u8> {
        self.piece(from, to, to < self.syn.len(), true)
    }

    fn other(&self, from: usize, to: usize) -> Vec<u8> {
        self.piece(from, to, to < self.syn.len(), false)
    }

    /// Any bytes at any place.
    fn odd(&self, offset: usize, length: usize, more: bool) -> Vec<u8> {
        fragment(self.is_v6, &vec![b'?'; length], (self.identification, offset, more))
    }

    fn v6_part(&self, next: u8, from: usize, to: usize) -> Vec<u8> {
        let header = fragment_header(next, (self.identification, from, to < self.syn.len()));
        ipv6(44, &[&header, &self.syn[from..to]].concat())
    }

    /// The part behind headers that end with the fragment header.
    fn behind(&self, first: u8, headers: &[u8], from: usize, to: usize) -> Vec<u8> {
        let header = fragment_header(6, (self.identification, from, to < self.syn.len()));
        ipv6(first, &[headers, &header, &self.syn[from..to]].concat())
    }

    /// A fragment of what is longer than the SYN alone: headers and it.
    fn longer(&self, next: u8, headers: &[u8], from: usize, to: usize) -> Vec<u8> {
        let all = [headers, &self.syn].concat();
        let header = fragment_header(next, (self.identification, from, to < all.len()));
        ipv6(44, &[&header, &all[from..to.min(all.len())]].concat())
    }

    fn with_ecn(&self, ecn: u8, from: usize, to: usize) -> Vec<u8> {
        let mut packet = self.part(from, to);
        if self.is_v6 {
            packet[1] = ecn << 4;
            packet
        } else {
            packet[1] = ecn;
            ipv4_with_sum(packet[..20].to_vec(), &packet[20..])
        }
    }
}

pub(crate) type Shape = fn(&Maker) -> Vec<Vec<u8>>;

/// Both families.
pub(crate) const FRAGMENTS: &[(&str, Shape)] = &[
    ("two", |m| vec![m.part(0, 24), m.part(24, 96)]),
    ("two, the last one first", |m| vec![m.part(24, 96), m.part(0, 24)]),
    ("three, the middle one last", |m| vec![m.part(0, 24), m.part(48, 96), m.part(24, 48)]),
    ("one is missing", |m| vec![m.part(0, 24), m.part(48, 96)]),
    ("the first, twice", |m| vec![m.part(0, 24), m.part(0, 24), m.part(24, 96)]),
    ("the first, then with other content", |m| vec![m.part(0, 24), m.other(0, 24), m.part(24, 96)]),
    ("other content first", |m| vec![m.other(0, 24), m.part(0, 24), m.part(24, 96)]),
    ("the last, twice", |m| vec![m.part(24, 96), m.other(24, 96), m.part(0, 24)]),
    ("within what is known", |m| vec![m.part(0, 32), m.other(8, 16), m.part(32, 96)]),
    ("across two that came in order", |m| {
        vec![m.part(0, 32), m.part(32, 64), m.other(16, 48), m.part(64, 96)]
    }),
    ("two that came in order, whole", |m| {
        vec![m.part(0, 32), m.part(32, 64), m.other(0, 64), m.part(64, 96)]
    }),
    ("the second of two", |m| vec![m.part(0, 32), m.part(32, 64), m.other(32, 64), m.part(64, 96)]),
    ("across two that came in reverse", |m| {
        vec![m.part(64, 96), m.part(32, 64), m.other(48, 72), m.part(0, 32)]
    }),
    ("across two, the first of which came last", |m| {
        vec![m.part(32, 64), m.part(0, 32), m.other(16, 48), m.part(64, 96)]
    }),
    ("more over the first", |m| vec![m.part(0, 24), m.part(0, 32), m.part(32, 96)]),
    ("an overlap", |m| vec![m.part(0, 32), m.part(24, 96)]),
    ("an overlap, then the rest", |m| vec![m.part(0, 32), m.part(24, 48), m.part(48, 96)]),
    ("an overlap, then all again", |m| vec![m.part(0, 32), m.part(24, 48), m.part(0, 32), m.part(32, 96)]),
    ("a last one, then a longer one", |m| vec![m.odd(24, 24, false), m.part(24, 96), m.part(0, 24)]),
    ("a last one, then a shorter one", |m| vec![m.part(24, 96), m.odd(24, 24, false), m.part(0, 24)]),
    ("a last one, another, then all again", |m| {
        vec![m.odd(24, 24, false), m.part(24, 96), m.part(0, 24), m.part(24, 96)]
    }),
    ("a last one behind the last", |m| vec![m.part(24, 96), m.odd(120, 8, false), m.part(0, 24)]),
    ("a middle one behind the last", |m| vec![m.part(24, 96), m.odd(120, 8, true), m.part(0, 24)]),
    ("a middle one behind, before the last", |m| vec![m.odd(120, 8, true), m.part(24, 96), m.part(0, 24)]),
    ("a first one of 29 bytes, then the rest", |m| vec![m.odd(0, 29, true), m.part(0, 24), m.part(24, 96)]),
    ("29 bytes of which 24 count", |m| vec![m.piece(0, 29, true, true), m.part(24, 96)]),
    ("nothing, at the start", |m| vec![m.odd(0, 0, true), m.part(0, 24), m.part(24, 96)]),
    ("nothing, in the middle", |m| vec![m.part(0, 24), m.odd(24, 0, true), m.part(24, 96)]),
    ("nothing, at the end", |m| vec![m.part(0, 24), m.piece(24, 96, true, true), m.odd(96, 0, false)]),
    ("five bytes, then all", |m| vec![m.odd(0, 5, true), m.part(0, 24), m.part(24, 96)]),
    ("beyond 64 KiB", |m| vec![m.part(0, 24), m.odd(65_528, 16, false), m.part(24, 96)]),
    ("beyond 64 KiB, and others follow", |m| vec![m.part(0, 24), m.odd(65_528, 16, true), m.part(24, 96)]),
    ("the very end of 64 KiB", |m| vec![m.part(0, 24), m.odd(65_528, 7, false), m.part(24, 96)]),
    ("tiny ones", |m| (0..12).map(|n| m.part(n * 8, n * 8 + 8)).collect()),
    ("a tiny first one, then a whole one", |m| vec![m.odd(0, 8, true), m.part(0, 24), m.part(24, 96)]),
    ("congestion met by one", |m| vec![m.with_ecn(2, 0, 24), m.with_ecn(3, 24, 96)]),
    ("one that cannot tell congestion", |m| vec![m.with_ecn(2, 0, 24), m.with_ecn(0, 24, 96)]),
    ("congestion met by one that cannot tell", |m| vec![m.with_ecn(0, 0, 24), m.with_ecn(3, 24, 96)]),
    ("both ways to tell congestion", |m| vec![m.with_ecn(1, 0, 24), m.with_ecn(2, 24, 96)]),
];

fn others(maker: &Maker, count: u32) -> Vec<Vec<u8>> {
    let others = (0..count).map(|n| ipv4(b"?.......", (maker.identification + 30_000 + n, 0, true)));
    [maker.part(0, 24)].into_iter().chain(others).chain([maker.part(24, 96)]).collect()
}

/// IPv4 only.
pub(crate) const SHAPES_OF_V4: &[(&str, Shape)] = &[
    ("63 others between", |m| others(m, 63)),
    ("64 others between", |m| others(m, 64)),
    ("64 others between, then all again", |m| {
        let mut packets = others(m, 64);
        packets.push(m.part(0, 24));
        packets
    }),
    ("a wrong header checksum", |m| {
        let mut last = m.part(24, 96);
        last[10] ^= 1;
        vec![m.part(0, 24), last]
    }),
    ("another protocol", |m| {
        let mut last = m.part(24, 96);
        last[9] = 17;
        vec![m.part(0, 24), ipv4_with_sum(last[..20].to_vec(), &last[20..])]
    }),
    ("not to be fragmented", |m| {
        [m.part(0, 24), m.part(24, 96)]
            .map(|mut packet| {
                packet[6] |= 0x40;
                ipv4_with_sum(packet[..20].to_vec(), &packet[20..])
            })
            .to_vec()
    }),
];

const DESTINATION: [u8; 8] = [44, 0, 1, 4, 0, 0, 0, 0];

/// IPv6 only.
pub(crate) const SHAPES_OF_V6: &[(&str, Shape)] = &[
    ("a later one that says UDP", |m| vec![m.v6_part(6, 0, 24), m.v6_part(17, 24, 96)]),
    ("a later one that says UDP, first", |m| vec![m.v6_part(17, 24, 96), m.v6_part(6, 0, 24)]),
    ("a first one that says UDP", |m| vec![m.v6_part(17, 0, 24), m.v6_part(6, 24, 96)]),
    ("headers before both", |m| vec![m.behind(60, &DESTINATION, 0, 24), m.behind(60, &DESTINATION, 24, 96)]),
    ("headers before the first", |m| vec![m.behind(60, &DESTINATION, 0, 24), m.part(24, 96)]),
    ("an option that stops before the last", |m| {
        vec![m.part(0, 24), m.behind(60, &[44, 0, 0x5e, 4, 0, 0, 0, 0], 24, 96)]
    }),
    ("headers behind", |m| {
        vec![m.longer(60, &destinations(2, 6), 0, 40), m.longer(60, &destinations(2, 6), 40, 200)]
    }),
    ("routing behind", |m| vec![m.longer(43, &[6; 1], 0, 0), m.part(0, 24), m.part(24, 96)]),
    ("hop-by-hop behind", |m| {
        let header = [6, 0, 1, 4, 0, 0, 0, 0];
        vec![m.longer(0, &header, 0, 40), m.longer(0, &header, 40, 200)]
    }),
    ("a second fragment header behind", |m| {
        let header = fragment_header(6, (1, 0, false));
        vec![m.longer(44, &header, 0, 40), m.longer(44, &header, 40, 200)]
    }),
    ("headers that go on in the second", |m| {
        vec![m.longer(60, &destinations(9, 6), 0, 40), m.longer(60, &destinations(9, 6), 40, 200)]
    }),
    ("one header that goes on in the second", |m| {
        let header = [&[6, 1, 1, 5][..], &[0; 5], &[0x1e, 5, 0, 0, 0, 0, 0]].concat();
        vec![m.longer(60, &header, 0, 8), m.longer(60, &header, 8, 200)]
    }),
    ("a TCP header that goes on in the second", |m| vec![m.part(0, 16), m.part(16, 96)]),
    ("200 others between", |m| {
        let others =
            (0..200_u32).map(|n| fragment(true, &[b'?'; 24], (m.identification + 50_000 + n, 0, true)));
        [m.part(0, 24)].into_iter().chain(others).chain([m.part(24, 96)]).collect()
    }),
    ("one without others, of the same identification", |m| {
        let whole = ipv6(44, &[fragment_header(6, (m.identification, 0, false)), m.syn.clone()].concat());
        vec![m.other(0, 24), whole]
    }),
];

pub(crate) type ChainOf = fn(&[u8]) -> Vec<u8>;

fn chain(first: u8, headers: &[u8], syn: &[u8]) -> Vec<u8> {
    ipv6(first, &[headers, syn].concat())
}

/// One options header with this content, padded to a multiple of eight.
fn options(kind: u8, content: &[u8], syn: &[u8]) -> Vec<u8> {
    let mut header = [&[6, 0], content].concat();
    match (8 - header.len() % 8) % 8 {
        0 => {}
        1 => header.push(0),
        room => header.extend([&[1, room as u8 - 2][..], &vec![0; room - 2]].concat()),
    }
    header[1] = (header.len() / 8 - 1) as u8;
    chain(kind, &header, syn)
}

fn routing(kind: u8, left: u8, syn: &[u8]) -> Vec<u8> {
    chain(43, &[6, 0, kind, left, 0, 0, 0, 0], syn)
}

const FRAGMENT_ONE: [u8; 8] = [6, 0, 0, 0, 0, 0, 0, 9];

/// What leads to a SYN over IPv6.
pub(crate) const CHAINS: &[(&str, ChainOf)] = &[
    ("one destination header", |s| chain(60, &destinations(1, 6), s)),
    ("eight", |s| chain(60, &destinations(8, 6), s)),
    ("nine", |s| chain(60, &destinations(9, 6), s)),
    ("64", |s| chain(60, &destinations(64, 6), s)),
    ("170", |s| chain(60, &destinations(170, 6), s)),
    ("hop-by-hop", |s| chain(0, &destinations(1, 6), s)),
    ("hop-by-hop twice", |s| chain(0, &[&destinations(1, 0)[..], &destinations(1, 6)].concat(), s)),
    ("hop-by-hop second", |s| chain(60, &[&destinations(1, 0)[..], &destinations(1, 6)].concat(), s)),
    ("a fragment that is whole", |s| chain(44, &FRAGMENT_ONE, s)),
    ("two of them", |s| chain(44, &[&[44, 0, 0, 0, 0, 0, 0, 8][..], &FRAGMENT_ONE].concat(), s)),
    ("reserved bits in a fragment header", |s| chain(44, &[6, 9, 0, 6, 0, 0, 0, 9], s)),
    ("headers on both sides of a fragment header", |s| {
        chain(60, &[&destinations(3, 44)[..], &[60, 0, 0, 0, 0, 0, 0, 9], &destinations(9, 6)].concat(), s)
    }),
    ("authentication", |s| chain(51, &[&[6, 4][..], &[0; 22]].concat(), s)),
    ("mobility", |s| chain(135, &[6, 0, 0, 0, 0, 0, 0, 0], s)),
    ("host identity", |s| chain(139, &[6, 0, 0, 0, 0, 0, 0, 0], s)),
    ("Shim6", |s| chain(140, &[6, 0, 0, 0, 0, 0, 0, 0], s)),
    ("no next header", |s| chain(59, &[6, 0, 0, 0, 0, 0, 0, 0], s)),
    ("an unknown option that is skipped", |s| options(60, &[0x1e, 4, 0, 0, 0, 0], s)),
    ("an unknown option that drops", |s| options(60, &[0x5e, 4, 0, 0, 0, 0], s)),
    ("an unknown option that is answered", |s| options(60, &[0x9e, 4, 0, 0, 0, 0], s)),
    ("an unknown option that is answered to unicast", |s| options(60, &[0xde, 4, 0, 0, 0, 0], s)),
    ("an unknown hop-by-hop option that is skipped", |s| options(0, &[0x1e, 4, 0, 0, 0, 0], s)),
    ("an unknown hop-by-hop option that drops", |s| options(0, &[0x5e, 4, 0, 0, 0, 0], s)),
    ("eight options", |s| options(60, &[0x1e, 0].repeat(8), s)),
    ("nine options", |s| options(60, &[0x1e, 0].repeat(9), s)),
    ("eight hop-by-hop options", |s| options(0, &[0x1e, 0].repeat(8), s)),
    ("nine hop-by-hop options", |s| options(0, &[0x1e, 0].repeat(9), s)),
    ("padding that is not zero", |s| options(60, &[1, 4, 0, 0, 0, 1], s)),
    ("padding of single bytes", |s| options(60, &[0; 6], s)),
    ("eight bytes of padding", |s| options(60, &[&[1, 6][..], &[0; 6], &[0x1e, 4, 0, 0, 0, 0]].concat(), s)),
    ("seven bytes of padding", |s| {
        options(60, &[&[1, 5][..], &[0; 5], &[0x1e, 5, 0, 0, 0, 0, 0]].concat(), s)
    }),
    ("two paddings of ten bytes", |s| {
        options(60, &[&[1, 3, 0, 0, 0][..], &[1, 3, 0, 0, 0], &[0x1e, 2, 0, 0]].concat(), s)
    }),
    ("an option beyond its header", |s| chain(60, &[6, 0, 0x1e, 9, 0, 0, 0, 0], s)),
    ("an option of which there is one byte", |s| chain(60, &[6, 0, 0x1e, 3, 0, 0, 0, 0x1e], s)),
    ("a router alert", |s| options(0, &[5, 2, 0, 0, 1, 0], s)),
    ("a router alert of another length", |s| options(0, &[5, 3, 0, 0, 0, 0], s)),
    ("a router alert that is none", |s| options(60, &[5, 3, 0, 0, 0, 0], s)),
    ("a jumbo option", |s| options(0, &[0xc2, 4, 0, 1, 0, 1], s)),
    ("a home address", |s| options(60, &[&[0xc9, 16][..], &[0; 16]].concat(), s)),
    ("IOAM where it must not be", |s| options(0, &[0x31, 4, 0, 0, 0, 0], s)),
    ("IOAM", |s| options(0, &[&[1, 0][..], &[0x31, 2, 0, 0]].concat(), s)),
    ("routing of type 0, gone through", |s| routing(0, 0, s)),
    ("routing of type 0, not gone through", |s| routing(0, 1, s)),
    ("routing of type 2, gone through", |s| routing(2, 0, s)),
    ("routing of type 3, gone through", |s| routing(3, 0, s)),
    ("routing of type 4, gone through", |s| routing(4, 0, s)),
    ("routing of type 4, not gone through", |s| routing(4, 1, s)),
    ("routing of type 253, gone through", |s| routing(253, 0, s)),
    ("routing of type 253, not gone through", |s| routing(253, 1, s)),
    ("a length of 0 behind hop-by-hop options", |s| {
        let mut packet = chain(0, &destinations(1, 6), s);
        packet[4..6].copy_from_slice(&[0, 0]);
        packet
    }),
    ("a length of 0 behind destination options", |s| {
        let mut packet = chain(60, &destinations(1, 6), s);
        packet[4..6].copy_from_slice(&[0, 0]);
        packet
    }),
    ("a length beyond the frame", |s| {
        let mut packet = chain(60, &destinations(1, 6), s);
        packet[5] += 1;
        packet
    }),
    ("bytes behind the datagram", |s| {
        let mut packet = chain(60, &destinations(1, 6), s);
        packet.extend([0; 4]);
        packet
    }),
    ("a header longer than its packet", |s| chain(60, &[6, 32, 1, 4, 0, 0, 0, 0], s)),
];
