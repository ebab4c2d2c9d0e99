//! A TCP peer at addresses that no kernel owns, whose packets may be what no kernel would send: fragments, chains of
//! extension headers, stacks of VLAN tags.

use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket,
};
use nix::sys::time::TimeVal;

use super::spoof::{self, checksum};
use crate::netns::{INTERFACE, Net, SERVER_V4, SERVER_V6, v4, v6};
use crate::wait::now;

/// Host number of the peer.
pub const RAW: u8 = 77;
const MAC: [u8; 6] = [2, 0, 0, 0, 0, RAW];

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_millis(700);

/// What segments are hidden in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disguise {
    /// Nothing.
    None,
    /// So many priority tags.
    Tags(usize),
    /// Two fragments, the last one first.
    Fragments,
    /// So many destination options headers; IPv6 only.
    Destinations(usize),
}

/// The peer's packet socket, in the world.
#[derive(Debug)]
pub struct RawPeer {
    wire: OwnedFd,
    server_mac: [u8; 6],
    port: u16,
    identification: u32,
}

/// A segment as it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Whether over IPv6.
    pub is_v6: bool,
    /// The peer's port.
    pub source: u16,
    /// The server's port.
    pub destination: u16,
    /// Sequence and acknowledgement number.
    pub numbers: (u32, u32),
    /// Control bits.
    pub flags: u8,
    /// Payload.
    pub data: &'a [u8],
}

impl RawPeer {
    /// Opens it; the server learns where its addresses are.
    ///
    /// # Errors
    /// If `ip` or the kernel refuses.
    pub fn new(net: &Net) -> Result<Self> {
        let mac = MAC.map(|byte| format!("{byte:02x}")).join(":");
        for address in [v4(RAW), v6(RAW)] {
            net.server
                .ip(&format!("neigh replace {address} lladdr {mac} dev {INTERFACE} nud permanent\n"))?;
        }
        let server_mac = net.server.enter(|| spoof::mac_of(INTERFACE))?;
        let wire = net.world.enter(open)?;
        Ok(Self { wire, server_mac, port: 20_000, identification: 1 })
    }

    /// A port that was not used before.
    pub const fn next_port(&mut self) -> u16 {
        self.port += 1;
        self.port
    }

    /// An identification that was not used before.
    pub const fn next_identification(&mut self) -> u32 {
        self.identification += 1;
        self.identification
    }

    /// Sends an IP packet behind these tags.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn send(&self, packet: &[u8], tags: &[(u16, u16)]) -> Result<()> {
        let mut frame = [self.server_mac, MAC].concat();
        for (kind, control) in tags {
            frame.extend(kind.to_be_bytes());
            frame.extend(control.to_be_bytes());
        }
        frame.extend(if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] });
        frame.extend(packet);
        let sent = send(self.wire.as_raw_fd(), &frame, MsgFlags::empty())?;
        ensure!(sent == frame.len(), "a frame was cut off");
        Ok(())
    }

    /// Sends a segment in a disguise.
    ///
    /// # Errors
    /// As for [`Self::send`].
    pub fn send_segment(&mut self, sent: &Sent<'_>, disguise: Disguise) -> Result<()> {
        let tcp = segment(sent);
        let identification = self.next_identification();
        let whole =
            |bytes: &[u8]| if sent.is_v6 { ipv6(6, bytes) } else { ipv4(bytes, (identification, 0, false)) };
        match disguise {
            Disguise::None => self.send(&whole(&tcp), &[]),
            Disguise::Tags(count) => self.send(&whole(&tcp), &vec![(0x8100, 0); count]),
            Disguise::Destinations(count) => {
                let headers = destinations(count, 6);
                self.send(&ipv6(if count == 0 { 6 } else { 60 }, &[headers, tcp].concat()), &[])
            }
            // Of IPv6, the first fragment must hold the TCP header (RFC 7112); what has no more is whole.
            Disguise::Fragments if sent.is_v6 && tcp.len() <= 24 => {
                self.send(&fragment(true, &tcp, (identification, 0, false)), &[])
            }
            Disguise::Fragments => {
                // The first holds the TCP header and no more: what a reader looks for is in the other.
                let at = 24.min(tcp.len() - 1) & !7;
                for (offset, more, bytes) in [(at, false, &tcp[at..]), (0, true, &tcp[..at])] {
                    self.send(&fragment(sent.is_v6, bytes, (identification, offset, more)), &[])?;
                }
                Ok(())
            }
        }
    }

    /// Sends a request over a connection of its own; whether the server answered.
    ///
    /// # Errors
    /// If a frame cannot be sent or read.
    pub fn request(
        &mut self,
        is_v6: bool,
        destination: u16,
        disguise: Disguise,
        data: &[u8],
    ) -> Result<bool> {
        let source = self.next_port();
        let sent = Sent { is_v6, source, destination, numbers: (1_000, 0), flags: SYN, data: &[] };
        self.send_segment(&sent, disguise)?;
        let Some((sequence, _)) = self.answer(is_v6, source, SYN | ACK)? else { return Ok(false) };
        let sent = Sent { numbers: (1_001, sequence.wrapping_add(1)), flags: ACK, ..sent };
        self.send_segment(&sent, disguise)?;
        self.send_segment(&Sent { flags: PSH | ACK, data, ..sent }, disguise)?;
        let Some((sequence, length)) = self.answer(is_v6, source, FIN)? else { return Ok(false) };
        let acknowledge = sequence.wrapping_add(length).wrapping_add(1);
        let numbers = (1_001_u32.wrapping_add(data.len() as u32), acknowledge);
        self.send_segment(&Sent { numbers, flags: RST | ACK, ..sent }, disguise)?;
        Ok(true)
    }

    /// The next segment to one of the peer's ports with these control bits, if one comes soon: its sequence number and
    /// the length of its payload.
    ///
    /// # Errors
    /// If a frame cannot be read.
    pub fn answer(&self, is_v6: bool, port: u16, flags: u8) -> Result<Option<(u32, u32)>> {
        let end = now() + ANSWER;
        while now() < end {
            let Some((to, found)) = self.next(is_v6)? else { continue };
            if to == port && found.flags & flags == flags {
                return Ok(Some((found.sequence, found.length)));
            }
        }
        Ok(None)
    }

    /// The ports among these two that the server accepted a connection from. The second one's was opened last and is
    /// always accepted, so that nobody waits for what will not come.
    ///
    /// # Errors
    /// If not even the second one is answered.
    pub fn accepted(&self, is_v6: bool, port: u16, marker: u16) -> Result<bool> {
        let end = now() + Duration::from_secs(3);
        let mut accepted = false;
        while now() < end {
            match self.next(is_v6)? {
                Some((to, found)) if found.flags == SYN | ACK && to == port => accepted = true,
                Some((to, found)) if found.flags == SYN | ACK && to == marker => return Ok(accepted),
                _ => {}
            }
        }
        bail!("the server does not answer")
    }

    fn next(&self, is_v6: bool) -> Result<Option<(u16, Found)>> {
        let mut frame = [0; 2_048];
        let length = match recv(self.wire.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(length) => length,
            Err(nix::Error::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(frame.get(..length).and_then(|frame| found(frame, is_v6)))
    }
}

struct Found {
    flags: u8,
    sequence: u32,
    length: u32,
}

fn found(frame: &[u8], is_v6: bool) -> Option<(u16, Found)> {
    let packet = frame.strip_prefix(&MAC)?.get(8..)?;
    let (start, end) = match (packet.first()? >> 4, is_v6) {
        (4, false) if *packet.get(9)? == 6 => (20, usize::from(u16::from_be_bytes([packet[2], packet[3]]))),
        (6, true) if *packet.get(6)? == 6 => {
            (40, 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]])))
        }
        _ => return None,
    };
    let tcp = packet.get(start..end)?;
    let header = tcp.get(..20)?;
    let length = tcp.len() - usize::from(header[12] >> 4) * 4;
    let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let port = u16::from_be_bytes([header[2], header[3]]);
    Some((port, Found { flags: header[13] & 0x17, sequence, length: length as u32 }))
}

fn open() -> Result<OwnedFd> {
    let wire = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
    let all = nix::ifaddrs::getifaddrs()?.filter(|one| one.interface_name == INTERFACE);
    let link = all.filter_map(|one| one.address?.as_link_addr().copied()).next();
    bind(wire.as_raw_fd(), &link.context("no interface")?)?;
    setsockopt(&wire, ReceiveTimeout, &TimeVal::new(0, 50_000))?;
    Ok(wire)
}

/// A TCP segment with its checksum.
#[must_use]
pub fn segment(sent: &Sent<'_>) -> Vec<u8> {
    let mut tcp = [sent.source.to_be_bytes(), sent.destination.to_be_bytes()].concat();
    tcp.extend(sent.numbers.0.to_be_bytes());
    tcp.extend(sent.numbers.1.to_be_bytes());
    tcp.extend([5 << 4, sent.flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend(sent.data);
    let [from, to] = addresses(sent.is_v6);
    let length = (tcp.len() as u32).to_be_bytes();
    let sum = checksum(&[&from[..], &to, &length, &[0, 0, 0, 6], &tcp].concat());
    tcp.splice(16..18, sum.to_be_bytes());
    tcp
}

/// An IPv4 packet: identification, offset, and whether fragments follow.
#[must_use]
pub fn ipv4(bytes: &[u8], (identification, offset, more): (u32, usize, bool)) -> Vec<u8> {
    let total = (20 + bytes.len()) as u16;
    let field = (offset / 8) as u16 | u16::from(more) << 13;
    let mut header = [&[0x45, 0][..], &total.to_be_bytes(), &(identification as u16).to_be_bytes()].concat();
    header.extend(field.to_be_bytes());
    header.extend([64, 6, 0, 0]);
    let [from, to] = addresses(false);
    header.extend([from, to].concat());
    ipv4_with_sum(header, bytes)
}

/// The packet of a header whose checksum is 0, with the right one.
#[must_use]
pub fn ipv4_with_sum(mut header: Vec<u8>, bytes: &[u8]) -> Vec<u8> {
    header.splice(10..12, [0, 0]);
    let sum = checksum(&header).to_be_bytes();
    header.splice(10..12, sum);
    header.extend(bytes);
    header
}

/// An IPv6 packet.
#[must_use]
pub fn ipv6(first: u8, bytes: &[u8]) -> Vec<u8> {
    let [high, low] = (bytes.len() as u16).to_be_bytes();
    let [from, to] = addresses(true);
    [&[0x60, 0, 0, 0, high, low, first, 64][..], &from, &to, bytes].concat()
}

/// A fragment of a TCP segment: identification, offset, and whether others follow.
#[must_use]
pub fn fragment(is_v6: bool, bytes: &[u8], place: (u32, usize, bool)) -> Vec<u8> {
    if is_v6 { ipv6(44, &[fragment_header(6, place), bytes.to_vec()].concat()) } else { ipv4(bytes, place) }
}

/// IPv6's fragment header.
#[must_use]
pub fn fragment_header(next: u8, (identification, offset, more): (u32, usize, bool)) -> Vec<u8> {
    let field = (offset as u16 | u16::from(more)).to_be_bytes();
    [&[next, 0][..], &field, &identification.to_be_bytes()].concat()
}

/// Destination options headers with nothing but padding.
#[must_use]
pub fn destinations(count: usize, last: u8) -> Vec<u8> {
    (1..=count).flat_map(|n| [if n < count { 60 } else { last }, 0, 1, 4, 0, 0, 0, 0]).collect()
}

/// The peer's address, and the server's.
fn addresses(is_v6: bool) -> [Vec<u8>; 2] {
    let pair = if is_v6 { [v6(RAW), SERVER_V6] } else { [v4(RAW), SERVER_V4] };
    pair.map(|address| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    })
}
