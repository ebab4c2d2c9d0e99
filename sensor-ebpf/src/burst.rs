//! Long responses: whether a server has sent a part of one since the client last said something.
//!
//! A fingerprint for each connection, in an array without locks. On a collision the later one wins, which costs copies.

use aya_ebpf::programs::TcContext;
use sensor_common::abi::{self, FlowKey, MirrorDirection};
use sensor_common::packet::SegmentHeader;

use crate::instruction::flow_key;
use crate::maps::BURSTS;

/// A server's aggregates that are longer than this, and that the snap length truncates anyway, are the rest of a large
/// body unless they start with a response. Their bytes reveal nothing that the sequence number does not.
const BULK: u32 = 16 << 10;
/// Bytes copied of one: enough for the end of a short body and the status line of the next response.
const REST_OF_BODY: u32 = 256;

/// The same of one that starts with a TLS record and follows another without a request in between: enough for most
/// heads, should a response begin in it after all, as to requests sent together or in HTTP/2.
const REST_OF_RECORDS: u32 = 512;

#[inline(always)]
const fn at_most(snap: u32, bytes: u32) -> u32 {
    if snap < bytes { snap } else { bytes }
}

/// What a payload starts with.
enum Begins {
    /// A status line (RFC 9112, section 4).
    Response,
    /// A TLS record (RFC 8446, section 5.2), which may contain one.
    Record,
    Nothing,
}

#[inline(always)]
fn begins_response(context: &TcContext, segment: &SegmentHeader) -> Begins {
    match context.load::<[u8; 4]>(segment.payload) {
        Ok(first) if first == *b"HTTP" => Begins::Response,
        Ok([23, 3, 3, _]) => Begins::Record,
        Ok(_) | Err(_) => Begins::Nothing,
    }
}

/// How much is copied of a server's segment, of which `snap` bytes would be.
#[inline(always)]
pub(crate) fn snap(context: &TcContext, segment: &SegmentHeader, length: u32, snap: u32) -> u32 {
    if length <= BULK || length <= snap {
        return snap;
    }
    match begins_response(context, segment) {
        Begins::Nothing => at_most(snap, REST_OF_BODY),
        // Only if no request came in between: then a response may begin here.
        Begins::Record if goes_on(&flow_key(segment, MirrorDirection::Egress)) => {
            at_most(snap, REST_OF_RECORDS)
        }
        Begins::Record | Begins::Response => snap,
    }
}

/// The client says something: what the server sends next may be the start of a response.
#[inline(always)]
pub(crate) fn end(flow: &FlowKey) {
    let (place, fingerprint) = find(flow);
    let Some(known) = BURSTS.get_ptr_mut(place) else { return };
    // SAFETY: array entries live as long as the program; CPUs write whole words.
    if unsafe { known.read_volatile() } == fingerprint {
        // SAFETY: as above.
        unsafe { known.write_volatile(0) };
    }
}

/// The server sends a long segment; whether it had sent one since the client last said something.
#[inline(always)]
fn goes_on(flow: &FlowKey) -> bool {
    let (place, fingerprint) = find(flow);
    let Some(known) = BURSTS.get_ptr_mut(place) else { return false };
    // SAFETY: as above.
    let goes_on = unsafe { known.read_volatile() } == fingerprint;
    if !goes_on {
        // SAFETY: as above.
        unsafe { known.write_volatile(fingerprint) };
    }
    goes_on
}

/// Where a connection's fingerprint is, and the fingerprint, never 0.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a fingerprint is part of a hash")]
fn find(flow: &FlowKey) -> (u32, u32) {
    let FlowKey { client, server, client_port, server_port, .. } = *flow;
    let ports = (client_port as u64) << 16 | server_port as u64;
    let addresses = client.hi.rotate_left(32) ^ client.lo ^ server.lo.rotate_left(17);
    // Fibonacci hashing: the upper bits of a product with 2^64 divided by the golden ratio.
    let hash = (addresses ^ ports).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((hash >> 48) as u32 & (abi::BURSTS - 1), (hash >> 16) as u32 | 1)
}
