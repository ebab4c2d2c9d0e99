//! Bounds and habits of reassembly.

use std::time::Duration;

use documented::DocumentedFields;

use super::policy::OverlapPolicy;
use super::signature::OF_A_CAPTURE;
use crate::kernel::SignatureChecks;

/// Bounds and habits of reassembly. Hitting a bound is counted in [`super::Counters`].
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Maximum TCP connections tracked at once, including lingering closed ones. Once the table is full, the
    /// longest-idle connection is dropped from it.
    pub max_connections: usize,
    /// Connections of which only one side was seen yet, or whose handshake is not complete; at least 1. A flood
    /// of SYN can take no more of the table than this.
    pub max_half_open: usize,
    /// Maximum bytes buffered behind a gap, in one direction of one connection. Buffers grow by doubling, so they may use
    /// twice as much memory.
    #[documented_fields(rename = "max_stream_buffer_bytes")]
    pub max_buffered_per_half: usize,
    /// Maximum bytes buffered behind gaps, across all connections.
    #[documented_fields(rename = "max_buffer_mib")]
    pub max_buffered: usize,
    /// Separate stretches of bytes that wait in one direction of one connection. Each also counts as 96 bytes
    /// towards the two bounds above, so that fragments of one byte cost what they take.
    pub max_pieces: usize,
    /// How far ahead of the next expected byte a segment may begin, in bytes; at most 2^30. The true receive
    /// window is not in a segment without the handshake's scale option; Linux opens it to 6 MiB by default.
    pub window: u32,
    /// Idle time after which a connection is forgotten.
    #[documented_fields(rename = "idle")]
    pub idle_timeout: Duration,
    /// The same for connections that count towards [`Self::max_half_open`].
    pub half_open_timeout: Duration,
    /// So long after its end, late segments of a connection do not begin a new one (RFC 9293, section 3.6.1:
    /// TIME-WAIT). A SYN always may.
    pub linger: Duration,
    /// So long, bytes that the peer has acknowledged may still be seen; then they are lost. A capture on several
    /// queues of a card may have an acknowledgement before what it acknowledges, by at most the time that the
    /// card holds interrupts back. What acknowledges them waits as long, so that a response never comes before
    /// its request. Zero: they are lost at once, as suits sources in strict order.
    pub acknowledged_wait: Duration,
    /// So long, a hole that nobody acknowledged may still be filled while bytes behind it wait.
    pub hole_wait: Duration,
    /// Skips shorter than this many bytes are not worth an instruction to the source: it costs system calls, and
    /// what is left out by then is at most a few aggregates of 64 KiB, of which a snap length is copied.
    pub min_skip: u64,
    /// Which copy of a byte counts if overlapping segments differ: the one that the named operating system uses. Name
    /// that of the servers.
    pub overlap: OverlapPolicy,
    /// Whether urgent bytes stay in the stream, as for servers that set `SO_OOBINLINE`. Other servers do not read them as
    /// part of it.
    pub urgent_inline: bool,
    /// Which segments with a signature the server's kernel takes.
    pub signatures: SignatureChecks,
    /// Ports of servers, sorted: they tell the roles in a connection whose handshake was missed.
    pub server_ports: Vec<u16>,
    /// Seed of the table's hash; without one, it is drawn for each process. It never shows in the output.
    pub seed: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 131_072,
            max_half_open: 32_768,
            max_buffered_per_half: 256 << 10,
            max_buffered: 64 << 20,
            max_pieces: 256,
            window: 16 << 20,
            idle_timeout: Duration::from_secs(300),
            half_open_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(5),
            acknowledged_wait: Duration::from_millis(10),
            hole_wait: Duration::from_secs(60),
            min_skip: 256 << 10,
            overlap: OverlapPolicy::Linux,
            urgent_inline: false,
            signatures: OF_A_CAPTURE,
            server_ports: Vec::new(),
            seed: None,
        }
    }
}

impl Config {
    /// The same with bounds that make sense together.
    pub(super) fn checked(mut self) -> Self {
        self.max_connections = self.max_connections.clamp(1, 1 << 30);
        self.max_half_open = self.max_half_open.clamp(1, self.max_connections);
        self.max_pieces = self.max_pieces.max(1);
        self.window = self.window.clamp(1, 1 << 30);
        self.server_ports.sort_unstable();
        self
    }
}
