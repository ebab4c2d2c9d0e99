//! A TCP client in user space, at an address that no kernel owns, whose segments can be wrong in any way.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket,
};
use nix::sys::time::TimeVal;

use super::spoof::{checksum, link_address, mac_of};
use crate::packet::flags::{ACK, FIN, PSH, RST, SYN};
use crate::wait::now;

/// What is wrong with a segment, or rather with its packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// The TCP checksum.
    pub checksum: bool,
    /// The checksum of the IPv4 header.
    pub ip_checksum: bool,
    /// The IP header says more bytes than there are.
    pub ip_length: bool,
    /// The frame is addressed to somebody else.
    pub other_host: bool,
    /// Options of IPv4, a multiple of four bytes: the receiver may drop the packet for them.
    pub ip_options: &'static [u8],
}

/// A segment to send. [`RawTcp::next`] makes one that is in order.
#[derive(Clone, Debug)]
pub struct Out {
    /// Control bits.
    pub flags: u8,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
    /// What else.
    pub wrong: Wrong,
}

/// One connection.
#[derive(Debug)]
pub struct RawTcp {
    wire: OwnedFd,
    macs: ([u8; 6], [u8; 6]),
    source: (IpAddr, u16),
    server: (IpAddr, u16),
    /// The next byte to send.
    pub sequence: u32,
    /// The next byte expected.
    pub acknowledgement: u32,
    /// The clock of its timestamps, where it sends any.
    pub stamp: Option<u32>,
    echo: u32,
    /// What the server sent.
    pub received: Vec<u8>,
    /// The control bits of all that it sent.
    pub seen: u8,
}

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl RawTcp {
    /// Opens a connection from an interface of this thread's namespace.
    ///
    /// # Errors
    /// If sockets are refused, or the server does not answer.
    pub fn connect(
        interface: &str,
        server_mac: [u8; 6],
        source: (IpAddr, u16),
        server: (IpAddr, u16),
        stamps: bool,
    ) -> io::Result<Self> {
        let mut raw = Self::unconnected(interface, server_mac, source, server)?;
        raw.stamp = stamps.then_some(100_000);
        let mut syn = raw.next(SYN, b"");
        syn.acknowledgement = 0;
        // A segment size, and a window that is not scaled.
        syn.options.extend([2, 4, 5, 0xb4]);
        raw.send(&syn)?;
        raw.sequence = raw.sequence.wrapping_add(1);
        raw.wait("an answer to the SYN", |raw| raw.seen & SYN != 0)?;
        raw.send(&raw.next(ACK, b""))?;
        Ok(raw)
    }

    /// A peer that has not said anything.
    ///
    /// # Errors
    /// If sockets are refused.
    pub fn unconnected(
        interface: &str,
        server_mac: [u8; 6],
        source: (IpAddr, u16),
        server: (IpAddr, u16),
    ) -> io::Result<Self> {
        let all = SockProtocol::EthAll;
        let wire = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, all)?;
        bind(wire.as_raw_fd(), &link_address(interface)?)?;
        setsockopt(&wire, ReceiveTimeout, &TimeVal::new(0, 20_000))?;
        Ok(Self {
            wire,
            macs: (server_mac, mac_of(interface)?),
            source,
            server,
            sequence: u32::from(source.1).wrapping_mul(0x0101_0101),
            acknowledgement: 0,
            stamp: None,
            echo: 0,
            received: Vec::new(),
            seen: 0,
        })
    }

    /// A segment that is in order.
    #[must_use]
    pub fn next(&self, flags: u8, payload: &[u8]) -> Out {
        Out {
            flags,
            sequence: self.sequence,
            acknowledgement: self.acknowledgement,
            options: self.stamp.map(|stamp| self.stamps(stamp)).unwrap_or_default(),
            payload: payload.to_vec(),
            wrong: Wrong::default(),
        }
    }

    /// The option with a timestamp.
    #[must_use]
    pub fn stamps(&self, stamp: u32) -> Vec<u8> {
        [&[1, 1, 8, 10], &stamp.to_be_bytes()[..], &self.echo.to_be_bytes()].concat()
    }

    /// Sends data in order.
    ///
    /// # Errors
    /// If the kernel does not take it.
    pub fn data(&mut self, payload: &[u8]) -> io::Result<()> {
        self.send(&self.next(ACK | PSH, payload))?;
        self.sequence = self.sequence.wrapping_add(u32::try_from(payload.len()).unwrap_or_default());
        Ok(())
    }

    /// Sends a segment as it is.
    ///
    /// # Errors
    /// If the kernel does not take it.
    pub fn send(&self, out: &Out) -> io::Result<()> {
        let frame = self.frame(out);
        let sent = send(self.wire.as_raw_fd(), &frame, MsgFlags::empty())?;
        if sent == frame.len() { Ok(()) } else { Err(io::Error::other("a frame was cut off")) }
    }

    /// Sends bytes as a frame of their own, behind an Ethernet header.
    ///
    /// # Errors
    /// If the kernel does not take it.
    pub fn send_packet(&self, ethertype: u16, packet: &[u8]) -> io::Result<()> {
        let frame = [&self.macs.0[..], &self.macs.1, &ethertype.to_be_bytes(), packet].concat();
        send(self.wire.as_raw_fd(), &frame, MsgFlags::empty()).map(drop).map_err(io::Error::from)
    }

    /// Receives until something is so, acknowledging data.
    ///
    /// # Errors
    /// If it never is.
    pub fn wait(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> io::Result<()> {
        let started = now();
        while !is_so(self) {
            if started.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("the server did not send {what}")));
            }
            self.receive()?;
        }
        Ok(())
    }

    /// Whether the server answers within a moment.
    ///
    /// # Errors
    /// If nothing can be received.
    pub fn is_answered(&mut self, is_so: impl Fn(&Self) -> bool) -> io::Result<bool> {
        let started = now();
        while !is_so(self) && started.elapsed() < Duration::from_millis(500) {
            self.receive()?;
        }
        Ok(is_so(self))
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut frame = [0; 65_536];
        let length = match recv(self.wire.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(length) => length,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Some(segment) = frame.get(..length).and_then(|frame| self.segment_of(frame)) else {
            return Ok(());
        };
        let (sequence, flags) =
            (u32::from_be_bytes([segment[4], segment[5], segment[6], segment[7]]), segment[13]);
        let start = usize::from(segment[12] >> 4) * 4;
        let payload = segment.get(start..).unwrap_or_default();
        self.seen |= flags;
        if let Some([8, 10, _, _, _, _, ..]) = segment.get(22..28) {
            self.echo = u32::from_be_bytes([segment[24], segment[25], segment[26], segment[27]]);
        }
        if flags & SYN != 0 {
            self.acknowledgement = sequence.wrapping_add(1);
        } else if sequence == self.acknowledgement && !payload.is_empty() {
            self.received.extend_from_slice(payload);
            let length = u32::try_from(payload.len()).unwrap_or_default();
            self.acknowledgement = sequence.wrapping_add(length).wrapping_add(u32::from(flags & FIN));
            self.send(&self.next(ACK, b""))?;
        } else if flags & FIN != 0 && sequence == self.acknowledgement {
            self.acknowledgement = sequence.wrapping_add(1);
        }
        Ok(())
    }

    /// The TCP segment of a frame of the server on this connection.
    fn segment_of<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let ip = frame.get(14..)?;
        let (segment, source) = match (frame.get(12..14)?, self.server.0) {
            ([8, 0], IpAddr::V4(server)) if *ip.get(9)? == 6 => {
                let length = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
                let whole = if length == 0 { ip } else { ip.get(..length)? };
                (whole.get(usize::from(ip[0] & 15) * 4..)?, ip.get(12..16)? == server.octets())
            }
            ([0x86, 0xdd], IpAddr::V6(server)) if *ip.get(6)? == 6 => {
                let length = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
                (ip.get(40..40 + length)?, ip.get(8..24)? == server.octets())
            }
            _ => return None,
        };
        let ports = [self.server.1.to_be_bytes(), self.source.1.to_be_bytes()].concat();
        (source && segment.len() >= 20 && segment.get(..4)? == ports).then_some(segment)
    }

    fn frame(&self, out: &Out) -> Vec<u8> {
        let tcp = self.tcp(out);
        let (mut to, from) = self.macs;
        if out.wrong.other_host {
            to[5] ^= 0xff;
        }
        let more = u16::from(out.wrong.ip_length) * 64;
        let length = u16::try_from(tcp.len()).unwrap_or_default() + more;
        match (self.source.0, self.server.0) {
            (IpAddr::V4(source), IpAddr::V4(server)) => {
                let options = out.wrong.ip_options;
                let words = u8::try_from(options.len() / 4).unwrap_or(10);
                let header = u16::from(words) * 4 + 20;
                let mut ip = vec![0x45 + words, 0];
                ip.extend((length + header).to_be_bytes());
                ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
                ip.extend(source.octets());
                ip.extend(server.octets());
                ip.extend(options);
                let sum = checksum(&ip) ^ if out.wrong.ip_checksum { 0x5555 } else { 0 };
                ip[10..12].copy_from_slice(&sum.to_be_bytes());
                [&to[..], &from, &[8, 0], &ip, &tcp].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(server)) => {
                let mut ip = vec![0x60, 0, 0, 0];
                ip.extend(length.to_be_bytes());
                ip.extend([6, 64]);
                ip.extend(source.octets());
                ip.extend(server.octets());
                [&to[..], &from, &[0x86, 0xdd], &ip, &tcp].concat()
            }
            _ => Vec::new(),
        }
    }

    /// The TCP segment, as IP carries it.
    #[must_use]
    pub fn tcp(&self, out: &Out) -> Vec<u8> {
        let mut tcp = [self.source.1.to_be_bytes(), self.server.1.to_be_bytes()].concat();
        tcp.extend(out.sequence.to_be_bytes());
        tcp.extend(out.acknowledgement.to_be_bytes());
        let words = u8::try_from(5 + out.options.len() / 4).unwrap_or(15);
        tcp.extend([words << 4, out.flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(&out.options);
        tcp.extend(&out.payload);
        let length = u32::try_from(tcp.len()).unwrap_or_default();
        let addresses = [self.source.0, self.server.0].map(|address| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        });
        let pseudo =
            [addresses.concat(), length.to_be_bytes().to_vec(), vec![0, 0, 0, 6], tcp.clone()].concat();
        let sum = checksum(&pseudo) ^ if out.wrong.checksum { 0x5555 } else { 0 };
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        tcp
    }
}

impl Drop for RawTcp {
    /// Ends the connection, so that the server does not hold it.
    fn drop(&mut self) {
        drop(self.send(&self.next(RST | ACK, b"")));
    }
}
