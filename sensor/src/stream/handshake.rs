//! A connection before it is established.

use super::assembler::{Arrival, PIECE_OVERHEAD};
use super::connection::{Connection, Context, Next, Phase};
use super::counters::{Invalid, Refusal, Refused, bump};
use super::protocol::{Protocol, Side};
use super::receive::captured;
use super::sequence::Sequence;
use crate::capture::{Flags, Segment, TcpOptions};

impl<S> Connection<S> {
    /// A connection started by its SYN. Data of the SYN waits until the answer shows whether the server accepted it
    /// (TCP Fast Open; RFC 7413, section 3).
    pub(super) fn from_syn<P>(segment: &Segment<'_>, context: &mut Context<'_, P>) -> Self {
        let mut connection = Self::new(segment.source, segment.destination, segment);
        connection.acceptance.offer(segment);
        let half = &mut connection.client_half;
        half.begin_after_syn(Sequence(segment.sequence));
        let bytes = captured(segment);
        let Ok(length) = u32::try_from(bytes.len()) else { return connection };
        if length == 0 {
            return connection;
        }
        let cost = context.counters.buffered_bytes.saturating_add(u64::from(length));
        let cost = cost.saturating_add(PIECE_OVERHEAD as u64);
        if cost > (context.config.max_buffered as u64) >> 2 {
            context.counters.count_refused(Refused::Syn);
            return connection;
        }
        let extent = (half.expected, half.expected.plus(length));
        let arrival = Arrival { extent, origin: extent.0, bytes: Some(bytes), gate: None, dubious: None };
        let _nothing_there = half.insert(&arrival, context.config.overlap, context.counters);
        half.highest = half.expected.plus(segment.length);
        connection
    }

    /// A connection started by the answer to a SYN that was not seen.
    pub(super) fn from_answer(segment: &Segment<'_>) -> Self {
        let mut connection = Self::new(segment.destination, segment.source, segment);
        connection.client_half.begin_after_syn(Sequence(segment.acknowledgement.wrapping_sub(1)));
        connection.client_half.seen = false;
        connection.answered(segment);
        connection
    }

    /// Processes a segment before the connection is established.
    pub(super) fn shake<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> Next {
        let flags = segment.flags;
        let (syn, ack) = (flags.has(Flags::SYN), flags.has(Flags::ACK));
        if flags.has(Flags::RST) {
            return self.refused(side, segment, context);
        }
        if (syn && flags.has(Flags::FIN)) || (!syn && !ack) {
            context.counters.count_invalid(Invalid::Flags);
            return Next::Keep;
        }
        match (syn, ack) {
            (true, false) => self.another_syn(side, segment, context),
            (true, true) => self.answer(side, segment, context),
            _ => self.first_data(side, segment, context),
        }
    }

    fn another_syn<P>(&mut self, side: Side, segment: &Segment<'_>, context: &mut Context<'_, P>) -> Next {
        let isn = Sequence(segment.sequence);
        if side == Side::Client && isn == self.client_half.isn {
            bump(&mut context.counters.repeated_syns);
            return Next::Keep;
        }
        if side == Side::Client && self.phase == Phase::SynReceived {
            self.reopening = isn;
            self.reopening_known = true;
            return Next::Keep;
        }
        // The sender of a SYN is the client, whatever was seen from it before. Simultaneous open (RFC 9293, section
        // 3.5) does not occur between a client and a server.
        Next::Anew
    }

    fn answer<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> Next {
        let half = &mut self.client_half;
        let acknowledged = Sequence(segment.acknowledgement);
        let first = half.isn.plus(1);
        let data = acknowledged.minus(first);
        if side == Side::Client || data < 0 || acknowledged.after(half.highest.max(first)) {
            if side == Side::Server && self.answers_reopening(segment) {
                return Next::Anew;
            }
            context.counters.count_invalid(Invalid::Handshake);
            return Next::Keep;
        }
        if self.phase == Phase::SynReceived && self.server_half.isn == Sequence(segment.sequence) {
            bump(&mut context.counters.repeated_syns);
            return Next::Keep;
        }
        if data == 0 {
            half.clear(context.counters);
            half.highest = first;
        }
        self.answered(segment);
        if segment.length > 0 {
            return self.go_on(Side::Server, &after_syn(segment), context);
        }
        Next::Keep
    }

    /// Records the contents of a SYN|ACK.
    fn answered(&mut self, segment: &Segment<'_>) {
        self.acceptance.agree(segment);
        self.server_half.begin_after_syn(Sequence(segment.sequence));
        self.client_half.note_acknowledged(Sequence(segment.acknowledgement));
        self.phase = Phase::SynReceived;
    }

    /// A segment that is neither SYN nor RST.
    fn first_data<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> Next {
        let window = context.config.window;
        let (own, other) = self.halves(side);
        let start = Sequence(segment.sequence);
        let acknowledged = Sequence(segment.acknowledgement);
        let fits = segment.length <= window
            && (!own.known || own.accepts(start, start.plus(segment.length), window))
            && (!other.known || !acknowledged.before(other.expected));
        let empty = segment.length == 0;
        let completes = side == Side::Client && self.phase == Phase::SynReceived;
        let reopened = self.reopening_known && start == self.reopening.plus(1);
        if completes
            && !reopened
            && let Some(refusal) = self.judge_completion(segment)
        {
            context.counters.count_refusal(refusal);
            return Next::Keep;
        }
        if !fits {
            if (self.reopening_known && !reopened) || empty {
                context.counters.count_invalid(Invalid::Sequence);
                return Next::Keep;
            }
            // The handshake did not belong to this conversation: a SYN that was answered with a challenge, for example.
            return Next::Anew;
        }
        if empty && !completes {
            return Next::Keep;
        }
        if side == Side::Client && self.phase == Phase::SynSent {
            self.judge_syn_data(start, context);
        }
        self.go_on(side, segment, context)
    }

    /// Why the server's kernel does not accept a segment as the last of the handshake (`tcp_check_req`): it must
    /// acknowledge exactly what the server sent, and not be older than the SYN.
    fn judge_completion(&self, segment: &Segment<'_>) -> Option<Refusal> {
        let server = &self.server_half;
        let acknowledged = Sequence(segment.acknowledgement);
        let stamp = TcpOptions::parse(segment.header.options).timestamps.map(|(stamp, _)| stamp);
        if acknowledged.before(server.isn.plus(1)) {
            Some(Refusal::AckOld)
        } else if acknowledged.after(server.highest) {
            Some(Refusal::AckUnsent)
        } else if self.acceptance.is_outdated(stamp) {
            Some(Refusal::Timestamp)
        } else {
            None
        }
    }

    /// Without an answer to the SYN, the client's next segment shows whether data of the SYN was accepted: it continues
    /// after that data, or starts again.
    fn judge_syn_data<P>(&mut self, start: Sequence, context: &mut Context<'_, P>) {
        if start == self.client_half.expected {
            self.client_half.clear(context.counters);
        }
    }

    fn go_on<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> Next {
        self.establish(false, context);
        self.last_seen = segment.time;
        self.settle(context);
        self.receive(side, segment, context)
    }

    /// A reset of a connection that is not established (RFC 9293, section 3.10.7.3).
    fn refused<P>(&mut self, side: Side, segment: &Segment<'_>, context: &mut Context<'_, P>) -> Next {
        let (own, other) = self.halves(side);
        let at = Sequence(segment.sequence);
        let acknowledged = Sequence(segment.acknowledgement);
        let expected = own.known && (at == own.expected || at == own.highest);
        let answers = !own.known
            && segment.flags.has(Flags::ACK)
            && !acknowledged.before(other.expected)
            && !acknowledged.after(other.highest);
        if expected || answers {
            self.client_half.clear(context.counters);
            self.server_half.clear(context.counters);
            bump(&mut context.counters.handshakes_incomplete);
            return Next::Remove;
        }
        context.counters.count_invalid(Invalid::Reset);
        Next::Keep
    }
}

/// The same segment without its SYN.
fn after_syn<'a>(segment: &Segment<'a>) -> Segment<'a> {
    let flags = Flags(segment.flags.0 & !Flags::SYN.0);
    Segment { sequence: segment.sequence.wrapping_add(1), flags, ..*segment }
}
