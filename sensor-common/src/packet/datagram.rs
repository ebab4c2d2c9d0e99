//! Datagrams towards this host that may carry TCP in a form that only user space can parse: fragments, IPv4 with
//! options, and IPv6 with extension headers.
//!
//! Whether Linux accepts one depends on options, on routing headers, and on earlier datagrams; see `capture::datagram`
//! of the daemon. This module only locates such a datagram, and skips it if it cannot carry TCP.

use super::extension::next_header;
use super::segment::locate;
use super::{Frame, NoSegment};

/// The location of a datagram in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Offset of the IP header.
    pub start: usize,
    /// Length by the IP header, that header included; the rest of the frame if the header says 0.
    pub length: Option<usize>,
}

const TCP: u8 = 6;

/// A datagram that may carry TCP, or part of it.
///
/// # Errors
/// If it does not, or cannot be read.
#[inline(always)]
pub fn datagram<F: Frame + ?Sized>(frame: &F) -> Result<Datagram, NoSegment> {
    let (start, is_v6) = locate(frame)?;
    if is_v6 { datagram_v6(frame, start) } else { datagram_v4(frame, start) }
}

#[inline(always)]
fn datagram_v4<F: Frame + ?Sized>(frame: &F, start: usize) -> Result<Datagram, NoSegment> {
    let header: &[u8; 20] = frame.bytes(start).ok_or(NoSegment::Unread)?;
    if header[0] >> 4 != 4 || header[9] != TCP {
        return Err(NoSegment::Other);
    }
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    Ok(Datagram { start, length: Some(length) })
}

#[inline(always)]
fn datagram_v6<F: Frame + ?Sized>(frame: &F, start: usize) -> Result<Datagram, NoSegment> {
    let header: &[u8; 40] = frame.bytes(start).ok_or(NoSegment::Unread)?;
    let extension: &[u8; 8] = frame.bytes(start.wrapping_add(40)).ok_or(NoSegment::Unread)?;
    // A datagram's protocol is that of its first fragment; Linux ignores the field in the others.
    let is_later =
        header[6] == next_header::FRAGMENT && u16::from_be_bytes([extension[2], extension[3]]) & 0xfff8 != 0;
    if header[0] >> 4 != 6
        || !leads_on(header[6])
        || !(is_later || extension[0] == TCP || leads_on(extension[0]))
    {
        return Err(NoSegment::Other);
    }
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    Ok(Datagram { start, length: if length == 0 { None } else { Some(length.wrapping_add(40)) } })
}

/// Whether TCP may follow a header. After others, Linux accepts none: authentication headers need a security
/// association, and it does not implement mobility, host identity or Shim6.
#[inline(always)]
#[must_use]
pub(super) const fn leads_on(protocol: u8) -> bool {
    matches!(
        protocol,
        next_header::HOP_BY_HOP | next_header::ROUTING | next_header::FRAGMENT | next_header::DESTINATION
    )
}
