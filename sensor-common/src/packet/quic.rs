//! QUIC: only so far that connections to a port can be counted. What is inside is not read.

use super::Frame;
use super::segment::locate;
use crate::abi::ClientKey;

/// The first datagram of a QUIC connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuicInitial {
    /// Its source.
    pub source: ClientKey,
    /// The source's port.
    pub source_port: u16,
    /// The destination's port.
    pub port: u16,
}

const UDP: u8 = 17;
/// A client pads datagrams with Initial packets to 1,200 bytes (RFC 9000, section 14.1).
const MIN_DATAGRAM: u16 = 1_200;
const V1: u32 = 1;
/// RFC 9369.
const V2: u32 = 0x6b33_43cf;

/// An Initial packet over UDP; none if the frame is anything else, or has options or extension headers.
#[inline(always)]
#[must_use]
pub fn quic_initial<F: Frame + ?Sized>(frame: &F) -> Option<QuicInitial> {
    let (offset, is_v6) = locate(frame).ok()?;
    if is_v6 {
        let header: &[u8; 40] = frame.bytes(offset)?;
        if header[6] != UDP {
            return None;
        }
        let source = ClientKey {
            hi: u64::from_be_bytes([
                header[8], header[9], header[10], header[11], header[12], header[13], header[14], header[15],
            ]),
            lo: u64::from_be_bytes([
                header[16], header[17], header[18], header[19], header[20], header[21], header[22],
                header[23],
            ]),
        };
        return initial(frame, offset.wrapping_add(40), source);
    }
    let header: &[u8; 20] = frame.bytes(offset)?;
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    if header[0] != 0x45 || header[9] != UDP || is_fragment {
        return None;
    }
    let source = ClientKey::from_v4(u32::from_be_bytes([header[12], header[13], header[14], header[15]]));
    initial(frame, offset.wrapping_add(20), source)
}

/// The UDP header, and the first five bytes of a long header (RFC 9000, section 17.2).
#[inline(always)]
fn initial<F: Frame + ?Sized>(frame: &F, start: usize, source: ClientKey) -> Option<QuicInitial> {
    let header: &[u8; 13] = frame.bytes(start)?;
    let is_whole = u16::from_be_bytes([header[4], header[5]]) >= MIN_DATAGRAM.wrapping_add(8);
    let version = u32::from_be_bytes([header[9], header[10], header[11], header[12]]);
    // The form, the fixed bit, and the type of the packet; its lower bits are protected.
    let kind = header[8] & 0xf0;
    let is_initial = (version == V1 && kind == 0xc0) || (version == V2 && kind == 0xd0);
    if !is_whole || !is_initial {
        return None;
    }
    let source_port = u16::from_be_bytes([header[0], header[1]]);
    Some(QuicInitial { source, source_port, port: u16::from_be_bytes([header[2], header[3]]) })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    fn frame(is_v6: bool, length: u16, quic: [u8; 5]) -> Vec<u8> {
        let udp = [&[0xc0, 0x01, 0x01, 0xbb][..], &length.to_be_bytes(), &[0, 0], &quic].concat();
        let network = if is_v6 {
            let mut header = [0; 40];
            (header[0], header[6], header[8], header[23]) = (0x60, UDP, 0x20, 9);
            header.to_vec()
        } else {
            let mut header = [0; 20];
            (header[0], header[9]) = (0x45, UDP);
            header[12..16].copy_from_slice(&[192, 0, 2, 7]);
            header.to_vec()
        };
        let kind: [u8; 2] = if is_v6 { [0x86, 0xdd] } else { [8, 0] };
        [&[0; 12][..], &kind, &network, &udp].concat()
    }

    #[test]
    fn first_datagrams_are_told_from_everything_else() {
        let v4 = ClientKey::from_v4(0xc000_0207);
        let v6 = ClientKey { hi: 0x20 << 56, lo: 9 };
        let found = |source| Some(QuicInitial { source, source_port: 0xc001, port: 443 });
        for (is_v6, length, quic, expected) in [
            (false, 1_208, [0xc3, 0, 0, 0, 1], found(v4)),
            (true, 1_358, [0xcf, 0, 0, 0, 1], found(v6)),
            (false, 1_208, [0xd0, 0x6b, 0x33, 0x43, 0xcf], found(v4)),
            // Too short, a handshake packet, a retry of version 2, version negotiation, a short header, DNS.
            (false, 1_207, [0xc3, 0, 0, 0, 1], None),
            (false, 1_208, [0xe3, 0, 0, 0, 1], None),
            (false, 1_208, [0xc0, 0x6b, 0x33, 0x43, 0xcf], None),
            (false, 1_208, [0xc3, 0, 0, 0, 0], None),
            (false, 1_208, [0x43, 0, 0, 0, 1], None),
            (false, 1_208, [0xc3, 0x81, 1, 0, 0], None),
        ] {
            assert_eq!(quic_initial(&frame(is_v6, length, quic)[..]), expected, "{quic:x?}");
        }
    }

    #[test]
    fn nothing_is_made_of_what_is_cut_fragmented_or_not_udp() {
        let whole = frame(false, 1_208, [0xc3, 0, 0, 0, 1]);
        for length in 0..whole.len() {
            assert_eq!(quic_initial(&whole[..length]), None, "{length}");
        }
        for (at, value) in [(23, 6), (20, 0x20), (14, 0x46)] {
            let mut other = whole.clone();
            other[at] = value;
            assert_eq!(quic_initial(&other[..]), None, "byte {at}");
        }
    }
}
