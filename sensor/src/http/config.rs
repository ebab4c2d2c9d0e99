//! The bounds of the room.

use std::time::Duration;

use documented::DocumentedFields;

/// Bounds. Hitting one is counted and, where it concerns one exchange, an anomaly of it.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Maximum size of a message head; a longer one is an anomaly. The default exceeds what nginx, Apache and Node.js
    /// accept.
    #[documented_fields(rename = "max_head_bytes")]
    pub head_bytes: usize,
    /// Maximum headers kept per message.
    #[documented_fields(rename = "max_headers")]
    pub headers: usize,
    /// Maximum body bytes kept while an exchange lasts, for request and response each. Logins are recognised in them.
    #[documented_fields(rename = "max_body_bytes")]
    pub body_bytes: usize,
    /// Maximum bytes a compressed body is inflated to. Inflation also stops at 64 times the body's length, but not
    /// below 16 KiB.
    #[documented_fields(rename = "max_inflated_bytes")]
    pub inflate_bytes: usize,
    /// Maximum bytes inflated per second across all connections, beyond four times the bytes that each connection
    /// carried. An eighth of it may be used at once.
    #[documented_fields(rename = "max_inflated_bytes_per_second")]
    pub inflate_bytes_per_second: usize,
    /// Bytes of a body that are known to follow and not needed, from which on they are not asked for. Default
    /// 16 KiB.
    pub skip_bytes: u64,
    /// Most requests of a connection that wait for their response. Default 128, at most 65,535.
    pub pipeline: usize,
    /// Most streams of a connection in HTTP/2 whose exchange is not over. Default 1,024: servers allow 100 to 250.
    pub streams: usize,
    /// Longest line with a chunk size and its extensions, in bytes. Default 4 KiB.
    pub chunk_line_bytes: u32,
    /// Most bytes of trailers. Default 8 KiB.
    pub trailer_bytes: u32,
    /// Bytes of a connection picked up midway in which no message begins, after which it is no HTTP. Default
    /// 1 MiB: the rest of a large response may come first.
    pub probe_bytes: u32,
    /// Most messages held at a time, over all connections. Default 65,536.
    pub messages: usize,
    /// Most bytes of heads and bodies held at a time, over all connections. Default 64 MiB.
    pub buffer_bytes: usize,
    /// Most messages whose memory is kept for the next ones. Default 256.
    pub spare_messages: usize,
    /// How long a message is under way until it is told of, again and again. Default 10 s: half of what Apache gives
    /// a head before it asks for a rate.
    pub held_after: Duration,
    /// Whether connections may begin with a PROXY protocol header. It is trusted only from `identity.trusted_proxies`.
    pub proxy_protocol: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            head_bytes: 64 << 10,
            headers: 100,
            body_bytes: 16 << 10,
            inflate_bytes: 64 << 10,
            inflate_bytes_per_second: 8 << 20,
            skip_bytes: 16 << 10,
            pipeline: 128,
            streams: 1_024,
            chunk_line_bytes: 4 << 10,
            trailer_bytes: 8 << 10,
            probe_bytes: 1 << 20,
            messages: 1 << 16,
            buffer_bytes: 64 << 20,
            spare_messages: 256,
            held_after: Duration::from_secs(10),
            proxy_protocol: true,
        }
    }
}

impl Config {
    /// With what offsets and counts can hold.
    pub(super) fn bounded(mut self) -> Self {
        self.head_bytes = self.head_bytes.clamp(64, 16 << 20);
        self.pipeline = self.pipeline.clamp(1, usize::from(u16::MAX));
        self.streams = self.streams.max(1);
        self.body_bytes = self.body_bytes.min(1 << 30);
        self
    }
}
