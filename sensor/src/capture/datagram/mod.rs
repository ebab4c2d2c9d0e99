//! Datagrams that are parsed whole: IP fragments, IPv4 with options, and IPv6 with extension headers.
//!
//! A sender can use them to hide a request from a sensor that parses less than the receiver, and to show a sensor that
//! parses more a request that the receiver drops. So these are the rules of Linux, established by experiment on 6.18
//! (`tests/tests/kernel/datagrams`): which chains of headers it follows, which options stop it, which fragments it
//! reassembles. The result is a plain frame for the parsers that read all other frames.
//!
//! Unknown to the sensor: whether the receiver has enabled source routes, segment routing or mobility, all off by
//! default; and how many fragments of other protocols, which the mirror does not copy, came between two IPv4 fragments
//! (`net.ipv4.ipfrag_max_dist`).

mod chain;
mod header;
mod options;
mod queue;
mod reassembly;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::clock::Timestamp;
use chain::Chain;
use header::{Part, Read};
use reassembly::Reassembly;

/// Why a datagram or fragment yields no segment. The receiver drops it, unless the reason says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The IP header is wrong: its length, its checksum.
    Header,
    /// IPv4 options that stop the receiver; or extension headers whose order, options or routing header do.
    Extension,
    /// It turned out not to be TCP. The receiver may well accept it.
    NotTcp,
    /// Fragments overlap, do not end where they said, or exceed the maximum datagram: all of them are dropped.
    Overlap,
    /// A duplicate, or a fragment that is ignored.
    Ignored,
    /// The TCP checksum of the reassembled datagram is wrong.
    Checksum,
    /// Not all of it was captured, so it could not be read. The receiver may have accepted it.
    Cut,
    /// There was no room for it. The receiver may have accepted it.
    Room,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Header,
        Self::Extension,
        Self::NotTcp,
        Self::Overlap,
        Self::Ignored,
        Self::Checksum,
        Self::Cut,
        Self::Room,
    ];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Extension => "extension",
            Self::NotTcp => "not_tcp",
            Self::Overlap => "overlap",
            Self::Ignored => "ignored",
            Self::Checksum => "checksum",
            Self::Cut => "cut",
            Self::Room => "room",
        }
    }
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatagramCounters {
    /// Segments behind options or extension headers.
    pub whole: u64,
    /// Segments put together from fragments.
    pub assembled: u64,
    /// Datagrams whose fragments did not all arrive in time.
    pub incomplete: u64,
    /// Copies in the ring whose pieces do not belong together.
    pub torn: u64,
    refused: [u64; Refusal::ALL.len()],
}

impl DatagramCounters {
    /// Datagrams and fragments that yielded nothing for this reason.
    #[must_use]
    pub fn refused(&self, why: Refusal) -> u64 {
        self.refused.get(why as usize).copied().unwrap_or_default()
    }

    fn refuse(&mut self, why: Refusal) {
        if let Some(count) = self.refused.get_mut(why as usize) {
            *count = count.saturating_add(1);
        }
    }
}

/// Bounds. Linux allows 4 MiB per family, in which it counts at least some 700 bytes per fragment: whatever fits there
/// fits here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramConfig {
    /// Maximum datagrams being reassembled.
    pub max_datagrams: usize,
    /// Maximum bytes waiting; each fragment counts 128 more.
    pub max_bytes: usize,
}

impl Default for DatagramConfig {
    fn default() -> Self {
        Self { max_datagrams: 32_768, max_bytes: 8 << 20 }
    }
}

/// A frame with an Ethernet header, an IP header without options or extension headers, and a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    /// Its captured bytes.
    pub bytes: &'a [u8],
    /// Bytes on the wire.
    pub wire: usize,
}

/// Parses such datagrams.
#[derive(Debug, Default)]
pub struct Datagrams {
    reassembly: Reassembly,
    counters: DatagramCounters,
    plain: Vec<u8>,
}

impl Datagrams {
    /// With these bounds.
    #[must_use]
    pub fn new(config: DatagramConfig) -> Self {
        Self { reassembly: Reassembly::new(config), ..Self::default() }
    }

    /// Takes a packet from its IP header on, of which `wire` bytes were on the wire. Returns the completed datagram as
    /// a plain frame; `None` if it waits for more fragments.
    ///
    /// # Errors
    /// If it yields no segment, with the reason.
    pub fn take(&mut self, now: Timestamp, packet: &[u8], wire: usize) -> Result<Option<Plain<'_>>, Refusal> {
        self.expire(now);
        match self.read(now, packet, wire) {
            Ok(Some(wire)) => Ok(Some(Plain { bytes: &self.plain, wire })),
            Ok(None) => Ok(None),
            Err(why) => {
                self.counters.refuse(why);
                Err(why)
            }
        }
    }

    /// The bytes of the last plain frame.
    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Drops datagrams whose time has run out.
    pub fn expire(&mut self, now: Timestamp) {
        let incomplete = self.reassembly.expire(now);
        self.counters.incomplete = self.counters.incomplete.saturating_add(incomplete);
    }

    /// The pieces of a copy in the ring did not belong together.
    pub(super) fn note_torn(&mut self) {
        self.counters.torn = self.counters.torn.saturating_add(1);
    }

    /// Totals.
    #[must_use]
    pub const fn counters(&self) -> DatagramCounters {
        self.counters
    }

    /// The length on the wire of the plain frame.
    fn read(&mut self, now: Timestamp, packet: &[u8], wire: usize) -> Result<Option<usize>, Refusal> {
        match header::read(packet, wire)? {
            Read::Whole(whole) => {
                self.counters.whole = self.counters.whole.saturating_add(1);
                let addresses = (whole.source, whole.destination);
                Ok(Some(write_plain(&mut self.plain, addresses, whole.tcp, whole.length)))
            }
            Read::Part(part) => self.put_together(now, &part),
        }
    }

    fn put_together(&mut self, now: Timestamp, part: &Part<'_>) -> Result<Option<usize>, Refusal> {
        let Some(datagram) = self.reassembly.take(now, part)? else { return Ok(None) };
        let end = datagram.bytes.len();
        let Chain::Tcp(start) =
            chain::follow(&datagram.bytes, datagram.protocol, 0, end, chain::Place::Inside)?
        else {
            return Err(Refusal::Extension);
        };
        let tcp = datagram.bytes.get(start..).unwrap_or_default();
        let addresses = (part.key.source, part.key.destination);
        if !is_checksum_right(addresses, tcp) {
            return Err(Refusal::Checksum);
        }
        self.counters.assembled = self.counters.assembled.saturating_add(1);
        Ok(Some(write_plain(&mut self.plain, addresses, tcp, tcp.len())))
    }
}

const ETHERNET: usize = 14;

/// Writes the frame; returns its length with `length` bytes of TCP, of which `tcp` were captured.
fn write_plain(plain: &mut Vec<u8>, addresses: (IpAddr, IpAddr), tcp: &[u8], length: usize) -> usize {
    plain.clear();
    plain.extend([0; 12]);
    // As in aggregates beyond 64 KiB, 0 means the actual length.
    let short = |length: usize| u16::try_from(length).unwrap_or(0).to_be_bytes();
    match addresses {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let [high, low] = short(length.saturating_add(20));
            let mut header = [0x45, 0, high, low, 0, 0, 0, 0, 64, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            header[12..16].copy_from_slice(&source.octets());
            header[16..20].copy_from_slice(&destination.octets());
            let sum = (!fold(sum(0, &header))).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
            plain.extend([8, 0]);
            plain.extend(header);
        }
        (source, destination) => {
            plain.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            plain.extend(short(length));
            plain.extend([6, 64]);
            plain.extend(octets(source));
            plain.extend(octets(destination));
        }
    }
    let headers = plain.len();
    debug_assert!(headers >= ETHERNET, "an Ethernet header comes first");
    plain.extend(tcp);
    headers.saturating_add(length)
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Whether the checksum of a TCP segment is correct (RFC 9293, section 3.1). Fragments always carry a real one: no
/// interface computes it for a part.
fn is_checksum_right((source, destination): (IpAddr, IpAddr), tcp: &[u8]) -> bool {
    let pseudo = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => sum(sum(0, &source.octets()), &destination.octets()),
        _ => sum(sum(0, &octets(source)), &octets(destination)),
    };
    let length = u64::try_from(tcp.len()).unwrap_or(u64::MAX);
    fold(sum(pseudo.saturating_add(6).saturating_add(length), tcp)) == 0xffff
}

/// Adds 16-bit words to a sum, the last padded (RFC 1071).
/// Whether the checksum of an IPv4 header holds (RFC 1071).
#[inline]
pub(super) fn header_holds(header: &[u8]) -> bool {
    fold(sum(0, header)) == 0xffff
}

fn sum(start: u64, bytes: &[u8]) -> u64 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let sum = pairs.iter().fold(start, |sum, pair| sum.saturating_add(u64::from(u16::from_be_bytes(*pair))));
    rest.first().map_or(sum, |last| sum.saturating_add(u64::from(*last) << 8))
}

fn fold(sum: u64) -> u16 {
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff).saturating_add(sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}
