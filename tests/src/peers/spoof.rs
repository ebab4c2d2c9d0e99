//! A flood in which every frame has another source address.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, sendto, socket,
};

use crate::wait;

/// Length of a frame: Ethernet, IPv4, UDP and 18 bytes of payload, the least that Ethernet carries.
const FRAME: usize = 60;
const IP: usize = 14;
const UDP: usize = 34;

/// Sends one UDP frame from each of `count` addresses, `first` and those after it, out of `interface` of this
/// thread's namespace. Returns how many the kernel took.
///
/// # Errors
/// If the interface does not exist or raw sockets are not allowed.
pub fn flood(
    interface: &str,
    destination_mac: [u8; 6],
    target: (Ipv4Addr, u16),
    first: Ipv4Addr,
    count: u32,
) -> io::Result<u64> {
    let link = link_address(interface)?;
    let source_mac = link.addr().unwrap_or_default();
    // Protocol 0: it only sends.
    let raw: OwnedFd = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    let mut frame = template(destination_mac, source_mac, target);
    let mut sent = 0;
    for n in 0..count {
        set_source(&mut frame, Ipv4Addr::from_bits(first.to_bits().wrapping_add(n)));
        sent += u64::from(sendto(raw.as_raw_fd(), &frame, &link, MsgFlags::empty()).is_ok());
    }
    Ok(sent)
}

/// Sends SYNs to a port from `count` addresses again and again, `rate` a second in total, until `stop` is set. Returns
/// how many the kernel took.
///
/// # Errors
/// If the interface does not exist or raw sockets are not allowed.
pub fn syn_flood(
    interface: &str,
    destination_mac: [u8; 6],
    target: (Ipv4Addr, u16),
    (first, count): (Ipv4Addr, u32),
    rate: u32,
    stop: &AtomicBool,
) -> io::Result<u64> {
    let link = link_address(interface)?;
    let source_mac = link.addr().unwrap_or_default();
    let raw: OwnedFd = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    let frames: Vec<Vec<u8>> =
        (0..count).map(|n| syn(destination_mac, source_mac, target, first, n)).collect();
    let start = wait::now();
    let (mut sent, mut taken, mut steps) = (0_u32, 0, 0_u32);
    while !stop.load(Ordering::Relaxed) {
        // In steps of a millisecond, so that no queue on the way overflows.
        let due = (start.elapsed().as_millis() as u64 * u64::from(rate) / 1_000) as u32;
        while sent < due {
            let frame = &frames[(sent % count) as usize];
            taken += u64::from(sendto(raw.as_raw_fd(), frame, &link, MsgFlags::empty()).is_ok());
            sent += 1;
        }
        steps += 1;
        wait::pace_until(start + Duration::from_millis(1) * steps);
    }
    Ok(taken)
}

/// A SYN from the `n`th address after `first`.
fn syn(to: [u8; 6], from: [u8; 6], (address, port): (Ipv4Addr, u16), first: Ipv4Addr, n: u32) -> Vec<u8> {
    let source = Ipv4Addr::from_bits(first.to_bits().wrapping_add(n));
    let mut frame = template(to, from, (address, port)).to_vec();
    frame.truncate(UDP);
    frame[IP + 2..IP + 4].copy_from_slice(&40_u16.to_be_bytes());
    frame[IP + 9] = 6;
    let mut header: [u8; FRAME] = [0; FRAME];
    header[..UDP].copy_from_slice(&frame);
    set_source(&mut header, source);
    let mut tcp = vec![0; 20];
    tcp[..2].copy_from_slice(&(1_024 + (n % 60_000) as u16).to_be_bytes());
    tcp[2..4].copy_from_slice(&port.to_be_bytes());
    tcp[4..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
    tcp[12..14].copy_from_slice(&[0x50, 0x02]);
    tcp[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
    let pseudo = [&source.octets()[..], &address.octets(), &[0, 6, 0, 20]].concat();
    let sum = checksum(&[&pseudo[..], &tcp].concat());
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    [&header[..UDP], &tcp].concat()
}

/// The hardware address of an interface of this thread's namespace.
///
/// # Errors
/// If it does not exist.
pub fn mac_of(interface: &str) -> io::Result<[u8; 6]> {
    link_address(interface)?.addr().ok_or_else(|| io::Error::other("no hardware address"))
}

pub(super) fn link_address(interface: &str) -> io::Result<LinkAddr> {
    let found = getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address.filter(|a| a.family() == Some(AddressFamily::Packet)))
        .and_then(|address| address.as_link_addr().copied());
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no interface {interface}")))
}

fn template(destination: [u8; 6], source: [u8; 6], (address, port): (Ipv4Addr, u16)) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    frame[..6].copy_from_slice(&destination);
    frame[6..12].copy_from_slice(&source);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[IP] = 0x45;
    let total = (FRAME - IP) as u16;
    frame[IP + 2..IP + 4].copy_from_slice(&total.to_be_bytes());
    frame[IP + 8] = 64;
    frame[IP + 9] = 17;
    frame[IP + 16..IP + 20].copy_from_slice(&address.octets());
    frame[UDP..UDP + 2].copy_from_slice(&4_242_u16.to_be_bytes());
    frame[UDP + 2..UDP + 4].copy_from_slice(&port.to_be_bytes());
    // The UDP checksum stays 0: none (RFC 768).
    frame[UDP + 4..UDP + 6].copy_from_slice(&(total - 20).to_be_bytes());
    frame
}

fn set_source(frame: &mut [u8; FRAME], source: Ipv4Addr) {
    frame[IP + 12..IP + 16].copy_from_slice(&source.octets());
    frame[IP + 10..IP + 12].copy_from_slice(&[0, 0]);
    let sum = checksum(&frame[IP..UDP]);
    frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());
}

/// The internet checksum (RFC 1071).
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

/// Addresses that [`flood`] uses, for tests that look for them.
pub fn sources(first: Ipv4Addr, count: u32) -> impl Iterator<Item = IpAddr> {
    (0..count).map(move |n| IpAddr::V4(Ipv4Addr::from_bits(first.to_bits().wrapping_add(n))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_valid_datagrams_that_differ_in_their_source() {
        let mut frame = template([1; 6], [2; 6], (Ipv4Addr::new(10, 9, 0, 1), 9));
        for source in [Ipv4Addr::new(11, 0, 0, 1), Ipv4Addr::new(11, 255, 255, 255)] {
            set_source(&mut frame, source);
            assert_eq!(checksum(&frame[IP..UDP]), 0, "a header sums up to zero with its checksum");
            assert_eq!(frame[IP + 12..IP + 16], source.octets());
        }
    }
}
