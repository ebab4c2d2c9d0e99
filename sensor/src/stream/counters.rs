//! Counters of reassembly.

use super::protocol::CloseCause;

impl CloseCause {
    /// All of them, in the order of their metrics.
    pub const ALL: [Self; 7] =
        [Self::Fin, Self::Rst, Self::Idle, Self::Evicted, Self::Reused, Self::Stopped, Self::EndOfCapture];

    /// Its name as a metric's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::Reused => "reused",
            Self::Stopped => "stopped",
            Self::EndOfCapture => "end_of_capture",
        }
    }
}

/// Why a segment had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invalid {
    /// Control bits that no receiver accepts: neither SYN, RST nor ACK; SYN with FIN.
    Flags,
    /// Outside any possible receive window (RFC 9293, section 3.10.7.4).
    Sequence,
    /// A reset that is not at the next byte (RFC 5961, section 3.2).
    Reset,
    /// A SYN or its answer that does not match the connection.
    Handshake,
}

impl Invalid {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Flags, Self::Sequence, Self::Reset, Self::Handshake];

    /// Its name as a metric's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Flags => "flags",
            Self::Sequence => "sequence",
            Self::Reset => "reset",
            Self::Handshake => "handshake",
        }
    }
}

/// Why the receiver's kernel does not accept a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its checksum is wrong (RFC 9293, section 3.1).
    Checksum,
    /// It is signed (RFC 2385, RFC 5925), and the server has no key for it.
    Signature,
    /// Its timestamp is older than those of accepted segments (PAWS; RFC 7323, section 5).
    Timestamp,
    /// It acknowledges data that was not sent (RFC 9293, section 3.10.7.4).
    AckUnsent,
    /// It acknowledges too little (RFC 5961, section 5.2).
    AckOld,
    /// It lies beyond the window (RFC 9293, section 3.10.7.4).
    Window,
    /// A server's segment that came from outside, or a client's that left this host.
    Direction,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Checksum,
        Self::Signature,
        Self::Timestamp,
        Self::AckUnsent,
        Self::AckOld,
        Self::Window,
        Self::Direction,
    ];

    /// Its name as a metric's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Checksum => "checksum",
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
            Self::AckUnsent => "ack_unsent",
            Self::AckOld => "ack_old",
            Self::Window => "window",
            Self::Direction => "direction",
        }
    }
}

/// Which bound made bytes continue out of turn, with the gap before them lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// [`super::Config::max_buffered_per_half`].
    PerHalf,
    /// [`super::Config::max_pieces`].
    Pieces,
    /// [`super::Config::max_buffered`]: the half that had waited longest gave way.
    Total,
    /// A quarter of that, the maximum for data of SYNs: the data was not kept.
    Syn,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::PerHalf, Self::Pieces, Self::Total, Self::Syn];

    /// Its name as a metric's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PerHalf => "per_half",
            Self::Pieces => "pieces",
            Self::Total => "total",
            Self::Syn => "syn",
        }
    }
}

/// Totals since the start; the last three are current values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Segments taken in.
    pub segments: u64,
    /// Their payload bytes, as on the wire.
    pub bytes: u64,
    /// Connections announced to the protocol.
    pub opened: u64,
    /// Those of them whose handshake was missed.
    pub midstream: u64,
    /// Connections whose client was shown to receive what the server sends.
    pub proven: u64,
    /// Connections that started in the middle with forged bytes, and gave way when the server acknowledged others.
    pub disproven: u64,
    /// Connections also seen on another interface with other addresses; they count once.
    pub twins: u64,
    /// Segments whose bytes differ from an earlier copy of the same bytes.
    pub conflicts: u64,
    /// Payload bytes that had been delivered, or were waiting, before.
    pub retransmitted_bytes: u64,
    /// Keep-alive probes with a byte of garbage (RFC 9293, section 3.8.4).
    pub keep_alives: u64,
    /// Segments that overlapped waiting ones.
    pub overlaps: u64,
    /// Those among them that differed in an overlapping byte.
    pub conflicting_overlaps: u64,
    /// Segments that arrived out of order.
    pub out_of_order: u64,
    /// Segments that waited because they acknowledge bytes not seen yet.
    pub held: u64,
    /// Gaps given up ([`super::Missing::Lost`]).
    pub gaps: u64,
    /// Their bytes.
    pub lost_bytes: u64,
    /// Bytes of [`super::Missing::NotCaptured`].
    pub not_captured_bytes: u64,
    /// Payload bytes after the sender's FIN.
    pub after_fin_bytes: u64,
    /// FINs that never took effect because bytes came in their place.
    pub overrun_fins: u64,
    /// Urgent bytes removed from the stream.
    pub urgent_bytes: u64,
    /// Segments that acknowledge data that was not seen being sent.
    pub unseen_acknowledged: u64,
    /// Segments of closed connections.
    pub late: u64,
    /// Segments without data of unknown connections.
    pub stray: u64,
    /// Retransmitted SYNs.
    pub repeated_syns: u64,
    /// Handshakes that never completed.
    pub handshakes_incomplete: u64,
    /// Connections, announced or not, evicted for a newer half-open one.
    pub half_open_evicted: u64,
    /// Announced connections that are open now.
    pub active: u64,
    /// Bytes waiting now, counted as for [`super::Config::max_buffered`].
    pub buffered_bytes: u64,
    /// Table entries in use now, including half-open and lingering ones.
    pub tracked: u64,
    pub(super) closed: [u64; CloseCause::ALL.len()],
    pub(super) invalid: [u64; Invalid::ALL.len()],
    pub(super) refused: [u64; Refused::ALL.len()],
    pub(super) refusals: [u64; Refusal::ALL.len()],
}

impl Counters {
    /// Connections closed for a cause.
    #[must_use]
    pub fn closed(&self, cause: CloseCause) -> u64 {
        self.closed.get(cause as usize).copied().unwrap_or_default()
    }

    /// Segments without effect for a cause.
    #[must_use]
    pub fn invalid(&self, cause: Invalid) -> u64 {
        self.invalid.get(cause as usize).copied().unwrap_or_default()
    }

    /// Segments that the server's kernel would drop, for a reason.
    #[must_use]
    pub fn refusals(&self, reason: Refusal) -> u64 {
        self.refusals.get(reason as usize).copied().unwrap_or_default()
    }

    /// The same, for all reasons.
    #[must_use]
    pub fn all_refusals(&self) -> u64 {
        self.refusals.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Times that a bound on waiting bytes was hit.
    #[must_use]
    pub fn refused(&self, cause: Refused) -> u64 {
        self.refused.get(cause as usize).copied().unwrap_or_default()
    }

    pub(super) fn count_closed(&mut self, cause: CloseCause) {
        self.closed.get_mut(cause as usize).map(bump).unwrap_or_default();
    }

    pub(super) fn count_invalid(&mut self, cause: Invalid) {
        self.invalid.get_mut(cause as usize).map(bump).unwrap_or_default();
    }

    pub(super) fn count_refusal(&mut self, reason: Refusal) {
        self.refusals.get_mut(reason as usize).map(bump).unwrap_or_default();
    }

    pub(super) fn count_refused(&mut self, cause: Refused) {
        self.refused.get_mut(cause as usize).map(bump).unwrap_or_default();
    }
}

/// Adds one.
#[inline]
pub(super) const fn bump(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}

/// Adds as many.
#[inline]
pub(super) const fn add(counter: &mut u64, count: u32) {
    *counter = counter.wrapping_add(count as u64);
}
