//! Capture files for fixtures.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

pub(super) const ORDERS: [Order; 2] = [Order::Little, Order::Big];

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    pub(super) fn u32(self, value: u32) -> [u8; 4] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    pub(super) fn u64(self, value: u64) -> [u8; 8] {
        if self == Self::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
}

/// A captured packet to be.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) nanos: u64,
    pub(super) bytes: Vec<u8>,
    /// Bytes on the wire.
    pub(super) original: u32,
}

impl Packet {
    pub(super) fn new(nanos: u64, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let original = length(&bytes);
        Self { nanos, bytes, original }
    }

    /// The same, cut to a snap length.
    pub(super) fn cut(mut self, snap: usize) -> Self {
        self.bytes.truncate(snap);
        self
    }
}

pub(super) fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// A pcap file header.
pub(super) fn pcap_header(order: Order, magic: u32, snap: u32, link: u32) -> Vec<u8> {
    let mut out = order.u32(magic).to_vec();
    out.extend_from_slice(&order.u16(2));
    out.extend_from_slice(&order.u16(4));
    for word in [0, 0, snap, link] {
        out.extend_from_slice(&order.u32(word));
    }
    out
}

/// A pcap file.
pub(super) fn pcap(order: Order, nanos: bool, link: u16, packets: &[Packet]) -> Vec<u8> {
    let magic = if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let mut out = pcap_header(order, magic, 262_144, u32::from(link));
    for packet in packets {
        let fraction = packet.nanos % 1_000_000_000 / if nanos { 1 } else { 1_000 };
        let seconds = u32::try_from(packet.nanos / 1_000_000_000).unwrap();
        for word in [seconds, u32::try_from(fraction).unwrap(), length(&packet.bytes), packet.original] {
            out.extend_from_slice(&order.u32(word));
        }
        out.extend_from_slice(&packet.bytes);
    }
    out
}

/// A pcapng file, block by block.
pub(super) struct Ng {
    order: Order,
    pub(super) bytes: Vec<u8>,
}

impl Ng {
    pub(super) fn new(order: Order) -> Self {
        Self { order, bytes: Vec::new() }.section(order)
    }

    pub(super) fn section(mut self, order: Order) -> Self {
        self.order = order;
        let version = [order.u16(1), order.u16(0)].concat();
        self.block(0x0a0d_0d0a, &[&order.u32(0x1a2b_3c4d)[..], &version, &[0xff; 8]].concat())
    }

    pub(super) fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let padded = body.len().next_multiple_of(4);
        let length = self.order.u32(u32::try_from(padded + 12).unwrap());
        self.bytes.extend_from_slice(&self.order.u32(kind));
        self.bytes.extend_from_slice(&length);
        self.bytes.extend_from_slice(body);
        self.bytes.resize(self.bytes.len() + padded - body.len(), 0);
        self.bytes.extend_from_slice(&length);
        self
    }

    pub(super) fn options(&self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (code, value) in options {
            out.extend_from_slice(&self.order.u16(*code));
            out.extend_from_slice(&self.order.u16(u16::try_from(value.len()).unwrap()));
            out.extend_from_slice(value);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            out.extend_from_slice(&[0; 4]);
        }
        out
    }

    pub(super) fn interface(self, link: u16, snap: u32, options: &[(u16, &[u8])]) -> Self {
        let head = [self.order.u16(link), [0; 2]].concat();
        let options = self.options(options);
        let body = [&head[..], &self.order.u32(snap), &options].concat();
        self.block(1, &body)
    }

    /// An enhanced packet block; `time` counts units of its interface.
    pub(super) fn enhanced(
        self,
        interface: u32,
        time: u64,
        packet: &Packet,
        options: &[(u16, &[u8])],
    ) -> Self {
        let interface = self.order.u32(interface);
        self.packet(6, interface, time, packet, options)
    }

    /// A packet block of the first drafts.
    pub(super) fn old(self, interface: u16, time: u64, packet: &Packet, options: &[(u16, &[u8])]) -> Self {
        // The other half counts dropped packets.
        let [a, b] = self.order.u16(interface);
        self.packet(2, [a, b, 9, 9], time, packet, options)
    }

    fn packet(
        self,
        kind: u32,
        interface: [u8; 4],
        time: u64,
        packet: &Packet,
        options: &[(u16, &[u8])],
    ) -> Self {
        let (high, low) = (u32::try_from(time >> 32).unwrap(), u32::try_from(time & 0xffff_ffff).unwrap());
        let mut body = interface.to_vec();
        for word in [high, low, length(&packet.bytes), packet.original] {
            body.extend_from_slice(&self.order.u32(word));
        }
        body.extend_from_slice(&packet.bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend_from_slice(&self.options(options));
        self.block(kind, &body)
    }

    pub(super) fn simple(self, packet: &Packet) -> Self {
        let body = [&self.order.u32(packet.original)[..], &packet.bytes].concat();
        self.block(3, &body)
    }

    /// Interface statistics with these options.
    pub(super) fn statistics(self, interface: u32, options: &[(u16, &[u8])]) -> Self {
        let options = self.options(options);
        let body = [&self.order.u32(interface)[..], &[0; 8], &options].concat();
        self.block(5, &body)
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
