//! XDP features of a driver, from the generic netlink family `netdev` (Linux 6.3,
//! `Documentation/netlink/specs/netdev.yaml`).
//!
//! Two requests with a number or a name each, so the messages are built here: a fixed header, and attributes of a
//! length, a type and a value.

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

/// Features of a driver's native XDP, as far as they matter to a program that passes and drops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpFeatures {
    /// The driver runs programs.
    pub native: bool,
    /// It does so for multi-buffer frames, which a large MTU requires.
    pub multi_buffer: bool,
}

// Linux include/uapi/linux/genetlink.h and netdev.h.
const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const DEVICE_GET: u8 = 1;
const DEVICE_IFINDEX: u16 = 1;
const DEVICE_XDP_FEATURES: u16 = 3;
const ACT_BASIC: u64 = 1;
const ACT_RX_SG: u64 = 1 << 5;

const REQUEST: u16 = 1;
const ERROR: u16 = 2;
/// Of `nlmsghdr` and `genlmsghdr` together.
const HEADERS: usize = 20;

/// Queries the kernel in this thread's network namespace. `None` if it does not support the query: before 6.3.
///
/// # Errors
/// If netlink fails, or there is no such interface.
pub fn xdp_features(ifindex: u32) -> io::Result<Option<XdpFeatures>> {
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let family = ask(&socket, &message(CONTROLLER, GET_FAMILY, FAMILY_NAME, b"netdev\0"));
    let family = match family {
        Ok(answer) => attribute(&answer, FAMILY_ID).and_then(|value| value.first_chunk().copied()),
        Err(error) if error.raw_os_error() == Some(nix::libc::ENOENT) => None,
        Err(error) => return Err(error),
    };
    let Some(family) = family.map(u16::from_ne_bytes) else { return Ok(None) };
    let answer = ask(&socket, &message(family, DEVICE_GET, DEVICE_IFINDEX, &ifindex.to_ne_bytes()))?;
    let flags = attribute(&answer, DEVICE_XDP_FEATURES).and_then(|value| value.first_chunk().copied());
    Ok(flags
        .map(u64::from_ne_bytes)
        .map(|flags| XdpFeatures { native: flags & ACT_BASIC != 0, multi_buffer: flags & ACT_RX_SG != 0 }))
}

fn message(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let length = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    let mut body = vec![command, 1, 0, 0];
    body.extend(length(value.len().saturating_add(4)).to_ne_bytes());
    body.extend(attribute.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
    let mut message = u32::from(length(body.len().saturating_add(16))).to_ne_bytes().to_vec();
    message.extend(family.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

fn ask(socket: &Socket, request: &[u8]) -> io::Result<Vec<u8>> {
    socket.send(request, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let field = |at: usize| answer.get(at..).and_then(|rest| rest.first_chunk().copied());
    if field(4).map(u16::from_ne_bytes) == Some(ERROR) {
        let code =
            answer.get(16..).and_then(|rest| rest.first_chunk().copied()).map_or(0, i32::from_ne_bytes);
        return Err(io::Error::from_raw_os_error(code.saturating_neg()));
    }
    Ok(answer)
}

/// The value of an attribute in an answer.
fn attribute(answer: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = answer.get(HEADERS..)?;
    while let Some(([length, kind], _)) = rest.as_chunks::<2>().0.split_first_chunk::<2>() {
        let length = usize::from(u16::from_ne_bytes(*length));
        // The upper two bits are flags for nesting and byte order.
        if u16::from_ne_bytes(*kind) & 0x3fff == wanted {
            return rest.get(4..length);
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_no_native_xdp() {
        // Older kernels lack these.
        let features = xdp_features(1).unwrap();
        assert!(features.is_none_or(|features| features == XdpFeatures::default()), "{features:?}");
        assert!(xdp_features(u32::MAX >> 1).map_or(true, |features| features.is_none()));
    }

    #[test]
    fn attributes_are_found_or_not_there() {
        let mut answer = vec![0; HEADERS];
        answer.extend(5_u16.to_ne_bytes());
        answer.extend(7_u16.to_ne_bytes());
        answer.extend([9, 0, 0, 0]);
        answer.extend(6_u16.to_ne_bytes());
        answer.extend(0x8003_u16.to_ne_bytes());
        answer.extend([1, 2, 0, 0]);
        assert_eq!(attribute(&answer, 7), Some(&[9][..]));
        assert_eq!(attribute(&answer, 3), Some(&[1, 2][..]));
        assert_eq!(attribute(&answer, 4), None);
        // However it is truncated, parsing terminates and does not panic.
        for length in 0..answer.len() {
            let _value = attribute(&answer[..length], 4);
        }
        assert_eq!(attribute(&[0; 64], 4), None, "attributes of no length");
    }
}
