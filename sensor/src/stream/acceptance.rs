//! Which of a client's segments the server's kernel accepts.
//!
//! The application never reads what its kernel drops. A decoy that is dropped must not be read here either, or it would
//! take the place of the bytes that follow. The rules are those of Linux (`tcp_v4_rcv`, `tcp_validate_incoming`,
//! `tcp_ack` and `tcp_check_req`; 6.1 to 6.18), which are those of RFC 9293, 5961 and 7323 with a few of its own;
//! `tests/tests/kernel/insertion` tests each of them on a running kernel.
//!
//! The server's own segments are accepted unchecked: its host is the one to protect, and the mirror sees them leave.

use std::time::Duration;

use super::assembler::Doubt;
use super::connection::{Connection, Context};
use super::counters::{Refusal, Refused};
use super::protocol::{Protocol, Side};
use super::sequence::Sequence;
use super::signature::Fate;
use crate::capture::{Direction, Flags, Integrity, Segment, TcpOptions, Verdict};
use crate::kernel::SignatureChecks;

/// The verdict on a client's segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The server's kernel accepts it.
    Accepted,
    /// It accepts nothing new: all of it was seen, and lies before what the kernel has acknowledged.
    Old,
    /// It drops it, provided that everything the server sent was seen, which is unknown. The server's acknowledgement
    /// decides.
    Dubious(Refusal),
    /// It drops it.
    Refused(Refusal),
}

/// What the server's kernel knows about its client, as far as it affects acceptance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acceptance {
    /// The timestamp that segments must not be older than (`ts_recent`; RFC 7323, section 4.3).
    recent: u32,
    /// Windows that the client announced: the current one and the largest, scaled.
    client_window: u32,
    max_window: u32,
    /// Sequence number of the client's segment that announced the current one (`snd_wl1`).
    window_from: Sequence,
    /// The first byte beyond the server's window, with `edge_known`.
    edge: Sequence,
    /// Window shifts of both sides.
    client_scale: u8,
    server_scale: u8,
    /// The SYN was seen, with what it offered.
    offered: bool,
    offers_timestamps: bool,
    offers_scale: bool,
    /// Timestamps were negotiated.
    timestamps: bool,
    recent_known: bool,
    edge_known: bool,
    /// Whether windows can be interpreted: the handshake was seen.
    scales_known: bool,
}

/// Timestamps may be older by this much (`TCP_PAWS_WINDOW`).
const PAWS_WINDOW: i32 = 1;

/// Segments that no receiver accepts, on any connection.
#[inline]
pub(super) fn integrity(segment: &Segment<'_>, kernel: &SignatureChecks) -> Result<(), Refusal> {
    // A server's checksums are left to its card, and it signs only if configured to.
    if segment.direction == Some(Direction::Egress) {
        return Ok(());
    }
    match segment.verify() {
        Verdict::Fails => return Err(Refusal::Checksum),
        Verdict::Holds | Verdict::Unknown => {}
    }
    if segment.header.options.is_empty() {
        return Ok(());
    }
    match kernel.judge(&TcpOptions::parse(segment.header.options)) {
        Fate::Taken => Ok(()),
        // For data, the acknowledgement decides. The answer to a SYN acknowledges all of it; a valid reset has no
        // answer.
        Fate::Unknown if !segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::RST) => Ok(()),
        Fate::Unknown | Fate::Dropped => Err(Refusal::Signature),
    }
}

impl Acceptance {
    /// Records what a SYN offers.
    pub(super) fn offer(&mut self, segment: &Segment<'_>) {
        let options = TcpOptions::parse(segment.header.options);
        self.offered = true;
        self.offers_timestamps = options.timestamps.is_some();
        self.offers_scale = options.window_scale.is_some();
        self.client_scale = options.window_scale.unwrap_or_default();
        if let Some((stamp, _)) = options.timestamps {
            (self.recent, self.recent_known) = (stamp, true);
        }
        self.client_window = u32::from(segment.header.window);
        self.max_window = self.client_window;
        self.window_from = Sequence(segment.sequence);
    }

    /// Records what the answer to the SYN agrees to.
    pub(super) fn agree(&mut self, segment: &Segment<'_>) {
        let options = TcpOptions::parse(segment.header.options);
        // A server that answers with an option was offered it (RFC 7323, sections 2.2 and 3.2).
        self.timestamps = options.timestamps.is_some() && (self.offers_timestamps || !self.offered);
        self.scales_known = self.offered || options.window_scale.is_none();
        match options.window_scale {
            Some(shift) if self.offers_scale || !self.offered => self.server_scale = shift,
            _ => (self.server_scale, self.client_scale) = (0, 0),
        }
        // The window of a SYN is never scaled (RFC 7323, section 2.2).
        if segment.flags.has(Flags::ACK) && self.scales_known {
            self.note_edge(Sequence(segment.acknowledgement).plus(u32::from(segment.header.window)));
        }
    }

    /// Records what a server's segment reveals about what it has accepted and will accept.
    #[inline]
    pub(super) fn note_server(&mut self, segment: &Segment<'_>) {
        if self.scales_known {
            let window = u32::from(segment.header.window) << self.server_scale;
            self.note_edge(Sequence(segment.acknowledgement).plus(window));
        }
        if segment.header.options.is_empty() {
            return;
        }
        // A server sends timestamps only if both agreed; it echoes the one that it compares segments against.
        if let Some((_, echo)) = TcpOptions::parse(segment.header.options).timestamps {
            self.timestamps = true;
            if echo != 0 && (!self.recent_known || newer(echo, self.recent)) {
                (self.recent, self.recent_known) = (echo, true);
            }
        }
    }

    fn note_edge(&mut self, edge: Sequence) {
        // Linux never shrinks a window it has announced.
        if !self.edge_known || edge.after(self.edge) {
            (self.edge, self.edge_known) = (edge, true);
        }
    }

    /// Whether a timestamp is too old (PAWS; RFC 7323, section 5.3).
    #[inline]
    pub(super) fn is_outdated(&self, stamp: Option<u32>) -> bool {
        let checks = self.timestamps && self.recent_known && self.recent != 0;
        stamp.is_some_and(|stamp| checks && self.recent.wrapping_sub(stamp).cast_signed() > PAWS_WINDOW)
    }

    /// Adopts the timestamp of a segment that starts at or before the server's last acknowledgement
    /// (`tcp_replace_ts_recent`; RFC 7323, section 4.3).
    #[inline]
    fn note_stamp(&mut self, stamp: Option<u32>, at_edge: bool) {
        if let Some(stamp) = stamp
            && at_edge
            && self.timestamps
            && (!self.recent_known || !newer(self.recent, stamp))
        {
            (self.recent, self.recent_known) = (stamp, true);
        }
    }

    /// Adopts the client's window (`tcp_may_update_window`).
    #[inline]
    fn note_window(&mut self, segment: &Segment<'_>, advances: bool) {
        let window = u32::from(segment.header.window) << self.client_scale;
        let start = Sequence(segment.sequence);
        let wider = start == self.window_from && window > self.client_window;
        if advances || start.after(self.window_from) || wider {
            self.client_window = window;
            self.window_from = start;
            self.max_window = self.max_window.max(window);
        }
    }
}

/// Whether a timestamp is newer than another (RFC 7323, section 5.2).
const fn newer(stamp: u32, than: u32) -> bool {
    stamp.wrapping_sub(than).cast_signed() > 0
}

impl<S> Connection<S> {
    /// Whether a client's segment qualifies for the fast path without further checks.
    #[inline]
    pub(super) fn is_acceptable_at_once(&self, segment: &Segment<'_>, kernel: &SignatureChecks) -> bool {
        let acknowledged = Sequence(segment.acknowledgement);
        let server = &self.server_half;
        let (stamp, is_unsigned) = match segment.header.options {
            [] => (None, true),
            options => {
                let options = TcpOptions::parse(options);
                let stamp = options.timestamps.map(|(stamp, _)| stamp);
                (stamp, kernel.judge(&options) == Fate::Taken)
            }
        };
        let is_behind = server.acknowledged_known && acknowledged.before(server.acknowledged);
        let is_known = server.seen && !acknowledged.after(server.highest) && !is_behind;
        is_known && is_unsigned && !self.acceptance.is_outdated(stamp) && !self.reaches_beyond_window(segment)
    }

    /// Records an accepted segment.
    #[inline]
    pub(super) fn note_accepted(&mut self, side: Side, segment: &Segment<'_>) {
        if side == Side::Server {
            return self.acceptance.note_server(segment);
        }
        let acknowledged = Sequence(segment.acknowledgement);
        let server = &self.server_half;
        if server.acknowledged_known && acknowledged.before(server.acknowledged) {
            return;
        }
        let advances = !server.acknowledged_known || acknowledged.after(server.acknowledged);
        let at_edge = !self.client_half.acknowledged_known
            || !Sequence(segment.sequence).after(self.client_half.acknowledged);
        let stamp = match segment.header.options {
            [] => None,
            options => TcpOptions::parse(options).timestamps.map(|(stamp, _)| stamp),
        };
        self.acceptance.note_stamp(stamp, at_edge);
        self.acceptance.note_window(segment, advances);
    }

    /// Whether all of a segment's payload lies beyond the server's window, as far as known.
    #[inline]
    fn reaches_beyond_window(&self, segment: &Segment<'_>) -> bool {
        self.acceptance.edge_known
            && segment.length > 0
            && !Sequence(segment.sequence).before(self.acceptance.edge)
    }

    /// The server's kernel's verdict on a client's segment, other than SYN and RST, on an established connection.
    pub(super) fn judge(&self, segment: &Segment<'_>, kernel: &SignatureChecks) -> Judgement {
        let options = TcpOptions::parse(segment.header.options);
        let stamp = options.timestamps.map(|(stamp, _)| stamp);
        if self.acceptance.is_outdated(stamp) {
            return Judgement::Refused(Refusal::Timestamp);
        }
        let end = Sequence(segment.sequence).plus(segment.length);
        let end = if segment.flags.has(Flags::FIN) { end.plus(1) } else { end };
        let client = &self.client_half;
        // What was acknowledged but has not arrived here is late, not a retransmission.
        let is_here = !end.after(client.expected);
        if client.acknowledged_known && end.before(client.acknowledged) && is_here {
            return Judgement::Old;
        }
        if let Some(refusal) = self.judge_acknowledgement(segment) {
            return refusal;
        }
        if self.reaches_beyond_window(segment) {
            return Judgement::Dubious(Refusal::Window);
        }
        if kernel.judge(&options) != Fate::Taken {
            return Judgement::Dubious(Refusal::Signature);
        }
        if segment.integrity == Integrity::Unverifiable && segment.length > 0 {
            return Judgement::Dubious(Refusal::Checksum);
        }
        Judgement::Accepted
    }

    /// An acknowledgement must not exceed what was sent, and must not lie further behind what was acknowledged than the
    /// largest window that the client announced (RFC 5961, section 5.2), or all that it has acknowledged if that is
    /// less.
    fn judge_acknowledgement(&self, segment: &Segment<'_>) -> Option<Judgement> {
        let server = &self.server_half;
        if !server.known || !server.seen {
            return None;
        }
        let acknowledged = Sequence(segment.acknowledgement);
        let sent = segment.peer_sent.map_or(server.highest, |sent| server.highest.max(Sequence(sent)));
        if acknowledged.after(sent) {
            return Some(Judgement::Dubious(Refusal::AckUnsent));
        }
        if !server.acknowledged_known || !acknowledged.before(server.acknowledged) {
            return None;
        }
        // Including one that is exactly 2^31 behind, which is neither before nor after.
        let behind = server.acknowledged.0.wrapping_sub(acknowledged.0);
        let most = if self.acceptance.offered && server.isn_known {
            let all = server.acknowledged.minus(server.isn.plus(1));
            // Beyond 2 GiB the difference is meaningless.
            u32::try_from(all).unwrap_or(u32::MAX).min(self.acceptance.max_window)
        } else {
            1 << 30
        };
        (behind > most).then_some(Judgement::Refused(Refusal::AckOld))
    }

    /// Whether a segment came from its sender's side: a server's segments leave this host, a client's arrive. If the
    /// server is behind the interface, it is the other way round for both, as for the first segment. A sender on one
    /// side alone can play a client or a server, but not both ends of one connection.
    #[inline]
    pub(super) fn comes_from_its_side(&self, side: Side, segment: &Segment<'_>) -> bool {
        if segment.crossed != self.crossed {
            return false;
        }
        match segment.direction {
            None => true,
            Some(Direction::Ingress) => side == Side::Client,
            Some(Direction::Egress) => side == Side::Server,
        }
    }

    /// Keeps a segment until the server acknowledges it. Its acknowledgement and its FIN are ignored.
    pub(super) fn suspend<P: Protocol<State = S>>(
        &mut self,
        segment: &Segment<'_>,
        why: Refusal,
        context: &mut Context<'_, P>,
    ) {
        let half = &self.client_half;
        let end = Sequence(segment.sequence).plus(segment.length);
        if segment.length == 0 || !end.after(half.expected) || half.ended || self.state.is_none() {
            return context.counters.count_refusal(why);
        }
        let waiting = half.assembler.as_ref().map_or(0, |waiting| waiting.cost());
        if waiting.saturating_add(segment.payload.len()) > context.config.max_buffered_per_half {
            context.counters.count_refused(Refused::PerHalf);
            return context.counters.count_refusal(why);
        }
        // The mirror delivers segments in the order of cause and effect; a capture may not.
        let patience =
            if segment.direction.is_none() { context.config.acknowledged_wait } else { Duration::ZERO };
        let gate =
            (why == Refusal::AckUnsent && !patience.is_zero()).then_some(Sequence(segment.acknowledgement));
        let doubt = Doubt { why, until: segment.time.plus(patience) };
        self.wait(Side::Client, segment, gate, Some(doubt), context);
        self.arm(context);
    }
}
