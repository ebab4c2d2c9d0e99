//! Mirrored TCP segments: what is copied, and the record that carries it.

use bytemuck::{Pod, Zeroable};

use super::client::ClientKey;

/// Written by user space field by field through shared memory, read by the mirror for each segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MirrorSettings {
    /// One bit for each TCP port of this host whose segments are mirrored.
    pub ports: [u64; PORT_WORDS],
    /// Most payload bytes of one segment that are copied; at most [`MAX_SNAP`].
    pub snap: u32,
    /// 1 while user space waits for the next record to wake it, 0 while it looks by itself.
    pub wake: u32,
    /// 0 while no flow has an instruction, so that none is looked for.
    pub instructions: u32,
    /// Blocks in the ring of each CPU, less one; their number is a power of two.
    pub block_mask: u32,
    /// Where `sk_buff` has the two bits of `ip_summed`: the byte's offset and, from bit 16 on, the bits to shift it by;
    /// [`UNKNOWN_PLACE`] where the kernel does not tell.
    pub ip_summed: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// See [`MirrorSettings::ip_summed`].
pub const UNKNOWN_PLACE: u32 = u32::MAX;

/// Words of [`MirrorSettings::ports`].
pub const PORT_WORDS: usize = 1024;

/// Payload bytes in one record; longer segments take several.
pub const CHUNK: u32 = 4096;
/// Records that one segment may take.
pub const MAX_CHUNKS: u32 = 16;
/// Payload bytes of one segment that can be copied: an aggregate (GRO, GSO) of 64 KiB.
pub const MAX_SNAP: u32 = CHUNK * MAX_CHUNKS;

/// Bytes of a ring in one entry of the map of blocks: a record belongs to the block that it begins in.
pub const BLOCK: u32 = 64 << 10;
/// The bytes of a block, and room for the end of a record that begins at its end.
pub type Block = [u8; BLOCK as usize + size_of::<MirrorHeader>() + CHUNK as usize];

/// How far the ring of one CPU has been written and read, in bytes since it was made; each in a cache line of its own.
/// Records follow one another at multiples of eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RingPositions {
    /// Where the next record will begin. Only that CPU writes it, behind the record.
    pub written: u64,
    /// 1 while that CPU writes a record, else 0.
    pub writing: u64,
    /// Fills the cache line.
    pub reserved: [u64; 6],
    /// What user space has done with. Only user space writes it.
    pub read: u64,
    /// Fills the cache line.
    pub reserved_too: [u64; 7],
}

/// Bytes from the beginning of a record to that of the next one.
#[inline(always)]
#[must_use]
pub const fn record_size(captured: u32) -> u64 {
    (size_of::<MirrorHeader>() as u64).wrapping_add(captured as u64).wrapping_add(7) & !7
}

/// Which way a segment crossed the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MirrorDirection {
    /// Towards this host: requests.
    Ingress = 0,
    /// Away from it: responses.
    Egress = 1,
}

/// Set in [`MirrorHeader::direction`] beside a [`MirrorDirection`] by the programs of inner interfaces: the segment crossed
/// its interface the other way, since the server is behind the interface and not on this host.
pub const CROSSED: u8 = 4;

/// [`MirrorHeader::direction`] of a piece of a datagram towards this host that only user space can read: an IP
/// fragment, or IPv6 with extension headers.
///
/// What follows the header are bytes of the frame from the IP header on. `length` is how many there are of the datagram,
/// `sequence` is the place of this piece among them, and `flags` are [`datagram_flags`]; addresses, ports and what else
/// TCP has are 0. The pieces of a datagram follow one another in their ring, with the same time.
pub const DATAGRAM: u8 = 2;

/// What else is known of a datagram.
pub mod datagram_flags {
    /// The kernel put it together from several (GRO): its TCP checksum is that of none.
    pub const AGGREGATE: u8 = 1;
}

/// Pieces that a datagram may take: 65,535 bytes and an IPv6 header.
pub const MAX_PIECES: u32 = 17;

/// Bytes of [`DATAGRAM`] records that a CPU copies in a second, so that a flood of fragments, which are nearly always
/// hostile, neither fills its ring nor keeps the reader busy.
pub const DATAGRAM_RATE: u64 = 8 << 20;
/// Bytes of them that it copies at once.
pub const DATAGRAM_BURST: u64 = 1 << 20;

/// What the kernel knows of the checksums of a segment that it mirrors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum MirrorChecksum {
    /// They hold: the card or the kernel said so, or nobody but this host's own stack has touched the segment.
    #[default]
    Holds = 0,
    /// The TCP checksum is still to be verified; the segment was copied whole for that.
    Unverified = 1,
    /// As [`Self::Unverified`], on a kernel that does not say whether the checksum is a partial one, which its
    /// offloading sender left to be completed.
    UnverifiedOrPartial = 2,
    /// It was not verified, and the segment is too long for one record.
    Unverifiable = 3,
}

impl MirrorChecksum {
    /// All of them, by their number.
    pub const ALL: [Self; 4] = [Self::Holds, Self::Unverified, Self::UnverifiedOrPartial, Self::Unverifiable];
}

/// The head of a record in a ring; `captured` bytes follow it: the TCP options, then payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MirrorHeader {
    /// When, by the kernel's monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds.
    pub time: u64,
    /// Source address.
    pub source: ClientKey,
    /// Destination address.
    pub destination: ClientKey,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Index of the interface.
    pub ifindex: u32,
    /// Sequence number of the first byte.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Payload bytes on the wire, from `sequence` on.
    pub length: u32,
    /// Bytes of this record behind the header.
    pub captured: u32,
    /// Urgent pointer.
    pub urgent: u16,
    /// Control bits of the TCP header.
    pub flags: u8,
    /// A [`MirrorDirection`], perhaps with [`CROSSED`], or [`DATAGRAM`].
    pub direction: u8,
    /// Window, as in the TCP header.
    pub window: u16,
    /// Checksum, as in the TCP header.
    pub checksum: u16,
    /// The sequence number behind the last byte that the other side was seen to send while its segments were left
    /// out, where `peer_sent_known` says so.
    pub peer_sent: u32,
    /// Data offset and reserved bits, as in the TCP header.
    pub data_offset: u8,
    /// How many of the captured bytes are TCP options; in the first record of a segment, all of them are there.
    pub options: u8,
    /// A [`MirrorChecksum`].
    pub integrity: u8,
    /// Whether `peer_sent` holds.
    pub peer_sent_known: u8,
}

/// A connection, as instructions name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct FlowKey {
    /// The peer's address.
    pub client: ClientKey,
    /// This host's address.
    pub server: ClientKey,
    /// The peer's port.
    pub client_port: u16,
    /// This host's port.
    pub server_port: u16,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// What user space says about a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FlowInstruction {
    /// By [`MirrorDirection`]: the sequence number before which no payload is needed, where `skips` says so.
    pub skip_until: [u32; 2],
    /// By [`MirrorDirection`]: the number behind the last byte that was left out, where `has_sent` says so. The mirror
    /// writes it; it says nothing of segments before the instruction.
    pub sent: [u32; 2],
    /// By [`MirrorDirection`]: whether `skip_until` holds.
    pub skips: [u8; 2],
    /// Whether nothing of the connection is needed until its next SYN.
    pub stop: u8,
    /// By bit of [`MirrorDirection`]: whether `sent` holds.
    pub has_sent: u8,
}
