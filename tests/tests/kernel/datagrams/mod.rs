//! Which fragments, extension headers and VLAN tags the Linux kernel accepts, and how the same packets are parsed here.
//!
//! Each case is a SYN to a listening socket in a namespace, in some form: the kernel accepted it if it answers. Content
//! counts, too, since the checksum of a SYN with other content is wrong.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "a wrong test may panic"
)]

mod cases;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use cases::{CHAINS, FRAGMENTS, Maker, SHAPES_OF_V4, SHAPES_OF_V6};
use sensor::capture::datagram::Datagrams;
use sensor::clock::Timestamp;
use sensor_common::packet;
use sensor_tests::netns::Net;
use sensor_tests::peers::raw::{RawPeer, Sent, ipv4, ipv6, segment};

const PORT: u16 = 80;
const SYN: u8 = 2;

struct Stage {
    peer: RawPeer,
    datagrams: Datagrams,
    _listeners: [std::net::TcpListener; 2],
    _net: Net,
}

impl Stage {
    fn new() -> Result<Self> {
        let net = Net::new()?;
        let listen =
            |address: &'static str| net.server.enter(|| std::net::TcpListener::bind((address, PORT)));
        let listeners = [listen("10.9.0.1")?, listen("fd00::1")?];
        let peer = RawPeer::new(&net)?;
        Ok(Self { peer, datagrams: Datagrams::default(), _listeners: listeners, _net: net })
    }

    /// A SYN from a new port, and that port.
    fn syn(&mut self, is_v6: bool, data: &[u8]) -> (Vec<u8>, u16) {
        let source = self.peer.next_port();
        (segment(&Sent { is_v6, source, destination: PORT, numbers: (9, 0), flags: SYN, data }), source)
    }

    /// Whether Linux takes a SYN from a port out of packets.
    fn linux(&mut self, is_v6: bool, port: u16, packets: &[Vec<u8>], tags: &[(u16, u16)]) -> Result<bool> {
        for packet in packets {
            self.peer.send(packet, tags)?;
        }
        let (marker, source) = self.syn(is_v6, b"");
        let marker = if is_v6 { ipv6(6, &marker) } else { ipv4(&marker, (0, 0, false)) };
        self.peer.send(&marker, &[])?;
        self.peer.accepted(is_v6, port, source)
    }

    /// Whether a SYN from a port is read out of packets.
    fn ours(&mut self, port: u16, packets: &[Vec<u8>]) -> bool {
        let now = Timestamp::from_unix_micros(1_000_000);
        let taken = packets.iter().filter(|packet| {
            let Ok(Some(plain)) = self.datagrams.take(now, packet, packet.len()) else { return false };
            packet::segment(plain.bytes).is_ok_and(|segment| segment.source_port == port)
        });
        taken.count() > 0
    }

    fn compare(&mut self, is_v6: bool, port: u16, packets: &[Vec<u8>]) -> Result<(bool, bool)> {
        Ok((self.linux(is_v6, port, packets, &[])?, self.ours(port, packets)))
    }
}

#[test]
fn fragments_are_put_together_as_linux_does() -> Result<()> {
    let mut stage = Stage::new()?;
    let (mut differing, mut answers) = (Vec::new(), BTreeSet::new());
    let of_v6 = SHAPES_OF_V6.iter().map(|case| (true, case));
    let both = FRAGMENTS.iter().flat_map(|case| [(false, case), (true, case)]);
    for (is_v6, (name, shape)) in both.chain(SHAPES_OF_V4.iter().map(|case| (false, case))).chain(of_v6) {
        let (syn, port) = stage.syn(is_v6, &[b'x'; 76]);
        let maker = Maker { is_v6, syn, identification: stage.peer.next_identification() };
        let packets = shape(&maker);
        let (linux, ours) = stage.compare(is_v6, port, &packets)?;
        answers.insert(linux);
        if linux != ours {
            differing.push(format!("{name} (IPv6: {is_v6}): Linux {linux}, ours {ours}"));
        }
    }
    ensure!(differing.is_empty(), "{}", differing.join("\n"));
    ensure!(answers.len() == 2, "Linux answers always the same");
    Ok(())
}

/// Marsaglia's xorshift: the same fragments in every run.
struct Random(u64);

impl Random {
    const fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % bound
    }
}

#[test]
fn random_fragments_are_put_together_as_linux_does() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut differing, mut taken) = (Vec::new(), 0);
    for case in 0..800 {
        let is_v6 = case % 2 == 0;
        let (syn, port) = stage.syn(is_v6, &[b'x'; 52]);
        let maker = Maker { is_v6, syn, identification: stage.peer.next_identification() };
        let mut pieces = Vec::new();
        // A row of fragments that would do, some of them twice or stretched or with other content, in any order.
        let cuts: BTreeSet<usize> =
            [0, 72].into_iter().chain((0..2).map(|_| 24 + random.below(6) * 8)).collect();
        let cuts: Vec<usize> = cuts.into_iter().collect();
        for pair in cuts.windows(2) {
            pieces.push((pair[0], pair[1], true));
        }
        for _ in 0..random.below(3) {
            let from = random.below(9) * 8;
            let to = (from + 8 + random.below(5) * 8).min(72);
            pieces.push((from, to, random.below(3) > 0));
        }
        for place in (1..pieces.len()).rev() {
            pieces.swap(place, random.below(place + 1));
        }
        let packets: Vec<Vec<u8>> =
            pieces.iter().map(|(from, to, is_true)| maker.piece(*from, *to, *to < 72, *is_true)).collect();
        let (linux, ours) = stage.compare(is_v6, port, &packets)?;
        taken += usize::from(linux);
        if linux != ours {
            differing.push(format!("IPv6 {is_v6}, {pieces:?}: Linux {linux}, ours {ours}"));
        }
    }
    ensure!(differing.is_empty(), "{}", differing.join("\n"));
    ensure!((100..700).contains(&taken), "Linux takes {taken} of 800");
    Ok(())
}

#[test]
fn extension_headers_are_followed_as_linux_does() -> Result<()> {
    let mut stage = Stage::new()?;
    let (mut differing, mut answers) = (Vec::new(), BTreeSet::new());
    for (name, chain) in CHAINS {
        let (syn, port) = stage.syn(true, b"");
        let packet = chain(&syn);
        let (linux, ours) = stage.compare(true, port, std::slice::from_ref(&packet))?;
        answers.insert(linux);
        if linux != ours {
            differing.push(format!("{name}: Linux {linux}, ours {ours}"));
        }
    }
    ensure!(differing.is_empty(), "{}", differing.join("\n"));
    ensure!(answers.len() == 2, "Linux answers always the same");
    Ok(())
}

#[test]
fn priority_tags_are_taken_off_as_linux_does() -> Result<()> {
    let mut stage = Stage::new()?;
    for is_v6 in [false, true] {
        for count in [0, 1, 2, 3, 4, 8, 16, packet::MAX_TAGS] {
            for kinds in [[0x8100, 0x8100], [0x88a8, 0x8100]] {
                let (syn, port) = stage.syn(is_v6, b"");
                let packet = if is_v6 { ipv6(6, &syn) } else { ipv4(&syn, (0, 0, false)) };
                let tags: Vec<(u16, u16)> = (0..count).map(|at| (kinds[at % 2], 0)).collect();
                ensure!(
                    stage.linux(is_v6, port, std::slice::from_ref(&packet), &tags)?,
                    "{count} of {kinds:x?}"
                );
                let mut frame = vec![0; 12];
                for (kind, control) in &tags {
                    frame.extend([kind.to_be_bytes(), control.to_be_bytes()].concat());
                }
                frame.extend(if is_v6 { [0x86, 0xdd] } else { [8, 0] });
                frame.extend(&packet);
                let read = packet::segment(&*frame).map(|segment| segment.source_port);
                ensure!(read == Ok(port), "{count} of {kinds:x?}: {read:?}");
            }
        }
    }
    Ok(())
}
