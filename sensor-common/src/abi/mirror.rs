//! Mirrored TCP segments: what is copied, and the record that carries it.

use bytemuck::{Pod, Zeroable};

use super::client::ClientKey;

/// Written field by field by user space through shared memory, read by the mirror for each segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MirrorSettings {
    /// One bit per TCP port of this host whose segments are mirrored.
    pub ports: [u64; PORT_WORDS],
    /// Maximum payload bytes copied of one segment; at most [`MAX_SNAP`].
    pub snap: u32,
    /// 1 while user space sleeps until the next record, 0 while it polls.
    pub wake: u32,
    /// 0 while no flow has an instruction, to skip the look-up.
    pub instructions: u32,
    /// Number of blocks in each CPU's ring, minus one; the number is a power of two.
    pub block_mask: u32,
    /// Location of the two bits of `ip_summed` in `sk_buff`: the byte's offset and, from bit 16 on, the shift;
    /// [`UNKNOWN_PLACE`] if the kernel's BTF does not have it.
    pub ip_summed: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// See [`MirrorSettings::ip_summed`].
pub const UNKNOWN_PLACE: u32 = u32::MAX;

/// Words of [`MirrorSettings::ports`].
pub const PORT_WORDS: usize = 1024;

/// Payload bytes in one record; longer segments take several records.
pub const CHUNK: u32 = 4096;
/// Maximum records per segment.
pub const MAX_CHUNKS: u32 = 16;
/// Maximum payload bytes copied of a segment: an aggregate (GRO, GSO) of 64 KiB.
pub const MAX_SNAP: u32 = CHUNK * MAX_CHUNKS;

/// Bytes of a ring per entry of the map of blocks: a record belongs to the block in which it starts.
pub const BLOCK: u32 = 64 << 10;
/// Bytes of a block, plus room for the rest of a record that starts at its end.
pub type Block = [u8; BLOCK as usize + size_of::<MirrorHeader>() + CHUNK as usize];

/// Write and read positions of one CPU's ring, in bytes since it was created; each on its own cache line. Records are
/// aligned to eight bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RingPositions {
    /// Where the next record will start. Only that CPU writes it, after the record.
    pub written: u64,
    /// 1 while that CPU writes a record, else 0.
    pub writing: u64,
    /// Fills the cache line.
    pub reserved: [u64; 6],
    /// End of what user space has consumed. Only user space writes it.
    pub read: u64,
    /// Fills the cache line.
    pub reserved_too: [u64; 7],
}

/// Distance from the start of a record to the start of the next.
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

/// Set in [`MirrorHeader::direction`] together with a [`MirrorDirection`] by the programs of inner interfaces: the
/// segment crossed its interface the other way, because the server is behind the interface and not on this host.
pub const CROSSED: u8 = 4;

/// [`MirrorHeader::direction`] of a piece of a datagram towards this host that only user space can parse: an IP
/// fragment, or IPv6 with extension headers.
///
/// The header is followed by bytes of the frame, from the IP header on. `length` is the datagram's length, `sequence`
/// the offset of this piece in it, and `flags` are [`datagram_flags`]; addresses, ports and the other TCP fields are 0.
/// The pieces of a datagram are adjacent in their ring and have the same time.
pub const DATAGRAM: u8 = 2;

/// Further properties of a datagram.
pub mod datagram_flags {
    /// The kernel coalesced it from several (GRO), so its TCP checksum matches none of them.
    pub const AGGREGATE: u8 = 1;
}

/// Maximum pieces of a datagram: 65,535 bytes and an IPv6 header.
pub const MAX_PIECES: u32 = 17;

/// Bytes of [`DATAGRAM`] records that a CPU copies per second, so that a flood of fragments, nearly always hostile,
/// neither fills its ring nor keeps the reader busy.
pub const DATAGRAM_RATE: u64 = 8 << 20;
/// Burst of that budget, in bytes.
pub const DATAGRAM_BURST: u64 = 1 << 20;

/// Bytes of long segments that a CPU copies whole per second, see [`copying::WHOLE`]: at about 1 ns for each byte to copy,
/// decrypt and read it, a quarter of a CPU.
pub const WHOLE_RATE: u64 = 250_000_000;
/// Burst of that budget, in bytes: a quarter of a second.
pub const WHOLE_BURST: u64 = WHOLE_RATE / 4;

/// What the kernel knows about the checksums of a mirrored segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum MirrorChecksum {
    /// Valid: verified by the card or the kernel, or the segment never left this host's own stack.
    #[default]
    Holds = 0,
    /// The TCP checksum is unverified; the segment was copied whole so that user space can verify it.
    Unverified = 1,
    /// As [`Self::Unverified`], on a kernel that does not reveal whether the checksum is partial, left by the sender's
    /// offload to be completed.
    UnverifiedOrPartial = 2,
    /// Unverified, and the segment is too long for one record.
    Unverifiable = 3,
}

impl MirrorChecksum {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Holds, Self::Unverified, Self::UnverifiedOrPartial, Self::Unverifiable];
}

/// The header of a record in a ring, followed by `captured` bytes: TCP options, then payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MirrorHeader {
    /// Time by the kernel's monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds.
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
    /// Bytes of this record after the header.
    pub captured: u32,
    /// Urgent pointer.
    pub urgent: u16,
    /// Control bits of the TCP header.
    pub flags: u8,
    /// A [`MirrorDirection`], optionally with [`CROSSED`], or [`DATAGRAM`].
    pub direction: u8,
    /// Window, as in the TCP header.
    pub window: u16,
    /// Checksum, as in the TCP header.
    pub checksum: u16,
    /// The sequence number after the last byte that the other side sent while its segments were left out; valid if
    /// `peer_sent_known` is set.
    pub peer_sent: u32,
    /// Data offset and reserved bits, as in the TCP header.
    pub data_offset: u8,
    /// How many of the captured bytes are TCP options; the first record of a segment contains all of them.
    pub options: u8,
    /// A [`MirrorChecksum`].
    pub integrity: u8,
    /// Whether `peer_sent` is valid.
    pub peer_sent_known: u8,
}

/// A port of this host of which the mirror tells without copying anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct PortKey {
    /// The address that answered; none (0) for [`PortSight::Quic`].
    pub address: ClientKey,
    /// The port.
    pub port: u16,
    /// A [`PortSight`].
    pub sight: u16,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// What was seen of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum PortSight {
    /// A SYN with ACK left from it: something behind this host's address listens, here or where it is translated to.
    Answered = 0,
    /// A QUIC connection to a watched TCP port's number.
    Quic = 1,
}

/// When and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PortSeen {
    /// The last time by the kernel's monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds.
    pub time: u64,
    /// How often. Exact for one CPU at a time.
    pub count: u64,
}

/// Ports remembered; the one seen longest ago is forgotten for a new one.
pub const PORTS_SEEN: u32 = 1_024;
/// Fingerprints of connections on which a server sends a long response.
pub const BURSTS: u32 = 4_096;
/// Fingerprints of clients' QUIC connections, so that several first datagrams of one count once.
pub const QUIC_CLIENTS: u32 = 4_096;

/// A connection, as used in instructions.
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

/// Values of [`FlowInstruction::copying`].
pub mod copying {
    /// The snap length applies, as to connections without an instruction.
    pub const SNAPPED: u8 = 0;
    /// Nothing of the connection is needed until its next SYN.
    pub const NOTHING: u8 = 1;
    /// Segments are copied whole, up to [`super::MAX_SNAP`] and within [`super::WHOLE_RATE`]: where the next message
    /// starts can only be read from the bytes themselves. The mirror itself sets it for a connection that starts with
    /// TLS or HTTP/2, or changes to another protocol (101), since the first long segment may come before user space has seen why.
    pub const WHOLE: u8 = 2;
}

/// An instruction for a connection: user space's, or the mirror's own first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct FlowInstruction {
    /// By [`MirrorDirection`]: payload before this sequence number is not needed; valid if set in `skips`.
    pub skip_until: [u32; 2],
    /// By [`MirrorDirection`]: the sequence number after the last byte left out; valid if set in `has_sent`. Written by
    /// the mirror; it does not cover segments before the instruction.
    pub sent: [u32; 2],
    /// By [`MirrorDirection`]: whether `skip_until` is valid.
    pub skips: [u8; 2],
    /// How much of its segments is copied: see [`copying`].
    pub copying: u8,
    /// By bit of [`MirrorDirection`]: whether `sent` is valid.
    pub has_sent: u8,
}
