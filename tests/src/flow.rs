//! Segments between two sockets.

use std::net::{IpAddr, SocketAddr};

use crate::packet::Frame;

/// A segment without data from one address to another.
#[must_use]
pub fn segment(from: SocketAddr, to: SocketAddr, flags: u8) -> Vec<u8> {
    let (mut bytes, destination, ports) = match from.ip() {
        IpAddr::V4(source) => (Frame::v4(source).tcp(flags).bytes(), 30, 34),
        IpAddr::V6(source) => (Frame::v6(source).tcp(flags).bytes(), 38, 54),
    };
    let address = match to.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    bytes[destination..destination + address.len()].copy_from_slice(&address);
    bytes[ports..ports + 2].copy_from_slice(&from.port().to_be_bytes());
    bytes[ports + 2..ports + 4].copy_from_slice(&to.port().to_be_bytes());
    bytes
}
