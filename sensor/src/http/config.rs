//! The bounds of the room.

use std::time::Duration;

use documented::DocumentedFields;

/// Bounds. Hitting one is counted and, where it concerns one exchange, an anomaly of it.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Longest head of a message; more is an anomaly. The default is more than what nginx, Apache and Node.js
    /// take.
    #[documented_fields(rename = "max_head_bytes")]
    pub head_bytes: usize,
    /// Most headers of a message that are kept.
    #[documented_fields(rename = "max_headers")]
    pub headers: usize,
    /// Most bytes kept of a body while its exchange lasts, of request and response each. Logins are looked for in
    /// them.
    #[documented_fields(rename = "max_body_bytes")]
    pub body_bytes: usize,
    /// Most bytes that a compressed body is inflated to. It also comes to no more than 64 times its length, but 16 KiB at
    /// least.
    #[documented_fields(rename = "max_inflated_bytes")]
    pub inflate_bytes: usize,
    /// Most bytes that compressed bodies are inflated to in a second, in all connections together, beyond four times
    /// what the connection of each has brought. An eighth of it may be used at once.
    #[documented_fields(rename = "max_inflated_bytes_per_second")]
    pub inflate_bytes_per_second: usize,
    /// Bytes of a body that are known to follow and not needed, from which on they are not asked for. Default
    /// 16 KiB.
    pub skip_bytes: u64,
    /// Most requests of a connection that wait for their response. Default 128, at most 65,535.
    pub pipeline: usize,
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
    /// Whether connections may begin with a PROXY protocol header. Only that of `identity.trusted_proxies` is
    /// believed.
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
        self.body_bytes = self.body_bytes.min(1 << 30);
        self
    }
}
