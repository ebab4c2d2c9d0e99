//! A segment of an established connection.

use super::assembler::{Arrival, Doubt};
use super::connection::{Connection, Context, Next, Phase};
use super::counters::{Invalid, Refused, add, bump};
use super::protocol::{CloseCause, Missing, Protocol, Side};
use super::sequence::Sequence;
use crate::capture::{Flags, Integrity, Segment};

/// The control bits that decide how a segment is processed.
const CONTROL: u8 = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0 | Flags::URG.0 | Flags::ACK.0;

impl<S> Connection<S> {
    /// Takes a segment that is next in order and only has to be handed on; returns whether it was.
    #[inline]
    pub(super) fn take_plain<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> bool {
        let established = self.phase == Phase::Established;
        let (own, other) = (self.look(side), self.look(side.other()));
        let acknowledged = Sequence(segment.acknowledgement);
        let plain = established
            && segment.flags.0 & CONTROL == Flags::ACK.0
            && own.expected == Sequence(segment.sequence)
            && segment.payload.len() == segment.length as usize
            && segment.integrity != Integrity::Unverifiable
            && own.is_plain()
            && other.assembler.is_none()
            && other.known
            // A FIN may be waiting for what this brings.
            && (!other.fin_known || other.ended)
            && !acknowledged.after(other.expected)
            && match side {
                Side::Client => {
                    let kernel = &context.config.signatures;
                    self.proven
                        && self.turned_away.is_empty()
                        && self.is_acceptable_at_once(segment, kernel)
                }
                Side::Server => self.proven,
            };
        if !plain {
            return false;
        }
        self.note_accepted(side, segment);
        let (own, other) = self.halves(side);
        own.highest = own.highest.max(own.expected.plus(segment.length));
        other.note_acknowledged(acknowledged);
        if side == Side::Client {
            self.keep_taken(Sequence(segment.sequence), segment.payload, context);
        }
        self.hand_over(side, segment.payload, context);
        true
    }

    /// Takes any segment.
    pub(super) fn receive<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> Next {
        let flags = segment.flags;
        if flags.has(Flags::RST) {
            return self.reset(side, segment, context);
        }
        if flags.has(Flags::SYN) {
            return self.synchronise_again(side, segment, context);
        }
        // Linux drops what has no ACK, data or not (RFC 9293, section 3.10.7.4, fifth).
        if !flags.has(Flags::ACK) {
            context.counters.count_invalid(Invalid::Flags);
            return Next::Keep;
        }
        let start = Sequence(segment.sequence);
        let end = start.plus(segment.length);
        let window = context.config.window;
        let reopened = self.reopening_known && side == Side::Client && start == self.reopening.plus(1);
        let half = self.half(side);
        let wide = segment.length > window;
        if !half.known || (!half.seen && !half.isn_known && !half.accepts(start, end, window)) {
            half.begin(start);
        }
        if wide || !half.accepts(start, end, window) {
            if (reopened || self.may_be_made_up(side, segment)) && !wide {
                self.close(CloseCause::Reused, context);
                return Next::Anew;
            }
            context.counters.count_invalid(Invalid::Sequence);
            return Next::Keep;
        }
        if side == Side::Client && !self.is_taken(segment, context) {
            return Next::Keep;
        }
        if side == Side::Server && self.contradicts(segment, window) {
            bump(&mut context.counters.disproven);
            self.close(CloseCause::Reused, context);
            return Next::Anew;
        }
        self.note_accepted(side, segment);
        let half = self.half(side);
        half.seen = true;
        half.highest = half.highest.max(end);
        self.look_for_proof(side, segment, context);
        self.acknowledge(side.other(), Sequence(segment.acknowledgement), context);
        self.note_urgent(side, segment, context);
        // Its sender has sent what comes before, so the bytes that the source left out lie there.
        self.pass_skipped(side, start, context);
        self.payload(side, segment, context);
        self.note_fin(side, segment, context);
        self.settle(context);
        self.arm(context);
        Next::Keep
    }

    fn acknowledge<P>(&mut self, side: Side, acknowledged: Sequence, context: &mut Context<'_, P>) {
        let half = self.half(side);
        if !half.known {
            half.begin(acknowledged);
        }
        if acknowledged.after(half.highest) && !half.skipping {
            bump(&mut context.counters.unseen_acknowledged);
        }
        half.note_acknowledged(acknowledged);
    }

    /// Records the position of the urgent byte: the one before the urgent pointer, as systems have always interpreted
    /// it (RFC 6093, section 3.1). Only the last pointer counts, even if an earlier one's byte has not been reached, as
    /// in Linux.
    fn note_urgent<P>(&mut self, side: Side, segment: &Segment<'_>, context: &Context<'_, P>) {
        if !segment.flags.has(Flags::URG) || context.config.urgent_inline {
            return;
        }
        let place = Sequence(segment.sequence).plus(u32::from(segment.urgent.saturating_sub(1)));
        let half = self.half(side);
        let newer = !half.urgent_known || place.after(half.urgent);
        if newer && !place.before(half.expected) {
            half.urgent = place;
            half.urgent_known = true;
        }
    }

    fn note_fin<P>(&mut self, side: Side, segment: &Segment<'_>, context: &mut Context<'_, P>) {
        if !segment.flags.has(Flags::FIN) {
            return;
        }
        let fin = Sequence(segment.sequence).plus(segment.length);
        let half = self.half(side);
        if half.ended || fin.before(half.expected) {
            return;
        }
        half.highest = half.highest.max(fin.plus(1));
        if !half.fin_known || fin.before(half.fin) {
            if half.fin_known {
                bump(&mut context.counters.overrun_fins);
            }
            half.fin = fin;
            half.fin_known = true;
        }
    }

    /// Delivers a segment's bytes, or queues them.
    pub(super) fn payload<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) {
        let start = Sequence(segment.sequence);
        let end = start.plus(segment.length);
        let half = self.half(side);
        if segment.length == 0 {
            return;
        }
        if !end.after(half.expected) {
            if segment.length == 1 && end == half.expected {
                return bump(&mut context.counters.keep_alives);
            }
            add(&mut context.counters.retransmitted_bytes, segment.length);
            if side == Side::Client {
                self.compare_again(start, captured(segment), context);
            }
            return;
        }
        if half.ended {
            return add(&mut context.counters.after_fin_bytes, end.since(half.expected));
        }
        add(&mut context.counters.retransmitted_bytes, half.expected.since(start));
        if side == Side::Client && half.expected.after(start) {
            self.compare_again(start, captured(segment), context);
        }
        let gate = self.gate(side, segment, context);
        let half = self.look(side);
        let first = half.first().map(|(start, ..)| start);
        let alone = first.is_none_or(|first| !end.after(first));
        if gate.is_none() && !start.after(half.expected) && alone {
            self.deliver_segment(side, segment, context);
        } else if self.state.is_some() {
            self.wait(side, segment, gate, None, context);
            self.settle(context);
            self.bound(side, context);
        }
    }

    /// What a segment must wait for on the other side, because its sender had received it before.
    /// This also applies to acknowledgements that are not believed: waiting is harmless, and shows a server's lost
    /// bytes before the client's next ones if the server continues in time. A server that was never seen is not waited
    /// for.
    fn gate<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> Option<Sequence> {
        let other = side.other();
        let acknowledged = Sequence(segment.acknowledgement);
        let believed = self.clamp_acknowledged(other, acknowledged);
        self.pass_skipped(other, believed, context);
        let half = self.look(other);
        let gate = if half.fin_known { acknowledged.min(half.fin) } else { acknowledged };
        let ahead = gate.minus(half.expected);
        let sends = half.seen || other == Side::Client;
        let near = ahead > 0 && ahead <= context.config.window.cast_signed();
        (near && sends && half.known && !half.ended).then_some(gate)
    }

    /// Delivers a segment that is next in order.
    fn deliver_segment<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) {
        let start = Sequence(segment.sequence);
        let known = self.look(side).expected.since(start) as usize;
        if side == Side::Client {
            self.keep_taken(start, captured(segment), context);
        }
        self.deliver(side, captured(segment).get(known..).unwrap_or_default(), context);
        self.pass_over(side, start.plus(segment.length), Missing::NotCaptured, context);
    }

    /// Queues a segment until its turn; a dubious one until the server has acknowledged it.
    pub(super) fn wait<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        gate: Option<Sequence>,
        dubious: Option<Doubt>,
        context: &mut Context<'_, P>,
    ) {
        let origin = Sequence(segment.sequence);
        let half = self.half(side);
        bump(if origin.after(half.expected) {
            &mut context.counters.out_of_order
        } else {
            &mut context.counters.held
        });
        let bytes = captured(segment);
        let start = origin.max(half.expected);
        let split = origin.plus(u32::try_from(bytes.len()).unwrap_or_default());
        let end = origin.plus(segment.length);
        let known = bytes.get(start.since(origin) as usize..).filter(|bytes| !bytes.is_empty());
        let mut overlap = 0_u32;
        let mut conflicting = false;
        let rest = start.max(split);
        for (extent, bytes) in [((start, rest), known), ((rest, end), None)] {
            if extent.1.after(extent.0) {
                let arrival = Arrival { extent, origin, bytes, gate, dubious };
                let met = half.insert(&arrival, context.config.overlap, context.counters);
                overlap = overlap.saturating_add(met.bytes);
                conflicting |= met.conflicting;
            }
        }
        if overlap > 0 {
            bump(&mut context.counters.overlaps);
            add(&mut context.counters.retransmitted_bytes, overlap);
        }
        if conflicting {
            bump(&mut context.counters.conflicting_overlaps);
            if side == Side::Client {
                self.tell_conflict(context);
            }
        }
    }

    /// Releases everything that waits on a side if it is too much.
    fn bound<P: Protocol<State = S>>(&mut self, side: Side, context: &mut Context<'_, P>) {
        let Some(waiting) = &self.look(side).assembler else { return };
        let refused = if waiting.cost() > context.config.max_buffered_per_half {
            Refused::PerHalf
        } else if waiting.len() > context.config.max_pieces {
            Refused::Pieces
        } else {
            return;
        };
        context.counters.count_refused(refused);
        if let Some(end) = waiting.end() {
            self.force(side, end, context);
        }
    }

    /// A reset counts only if its receiver would accept it: at the next byte (RFC 5961, section 3.2).
    ///
    /// The receiver's next expected byte is also what it acknowledged last; that helps if the sensor has missed bytes.
    /// The server's resets are also believed at the end of all that it sent, and among what is left out.
    fn reset<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> Next {
        let at = Sequence(segment.sequence);
        let believed = self.believed(side);
        let half = self.half(side);
        let skipped = half.skip_end().is_some_and(|end| at.after(half.expected) && !at.after(end));
        let waiting = half.assembler.as_ref();
        let run_end = waiting.and_then(|waiting| waiting.run_end(half.expected));
        let in_place = match side {
            // As `tcp_validate_incoming`: at the next byte, at the end of all that was received, or at a FIN.
            Side::Client => {
                !half.known
                    || at == half.expected
                    || at == believed
                    || run_end == Some(at)
                    || waiting.and_then(|waiting| waiting.end()) == Some(at)
                    || (half.ended && at.plus(1) == half.expected)
            }
            Side::Server => {
                !half.known || at == half.expected || at == believed || at == half.highest || skipped
            }
        };
        if in_place {
            self.close(CloseCause::Rst, context);
        } else {
            context.counters.count_invalid(Invalid::Reset);
        }
        Next::Keep
    }

    /// SYN on an established connection: retransmitted, or starting anew.
    fn synchronise_again<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> Next {
        let isn = Sequence(segment.sequence);
        let half = self.look(side);
        if segment.flags.has(Flags::FIN) {
            context.counters.count_invalid(Invalid::Flags);
        } else if half.isn_known && half.isn == isn {
            bump(&mut context.counters.repeated_syns);
        } else if !segment.flags.has(Flags::ACK) {
            self.reopening = isn;
            self.reopening_known = true;
        } else if self.answers_reopening(segment) || side == Side::Server {
            self.close(CloseCause::Reused, context);
            return Next::Anew;
        } else {
            context.counters.count_invalid(Invalid::Handshake);
        }
        Next::Keep
    }

    /// Whether a SYN|ACK answers the SYN that asked to start anew; with TCP Fast Open, also its data (RFC 7413).
    pub(super) fn answers_reopening(&self, segment: &Segment<'_>) -> bool {
        let data = Sequence(segment.acknowledgement).minus(self.reopening.plus(1));
        self.reopening_known && (0..=1 << 16).contains(&data)
    }
}

/// The captured bytes of a segment, never more than its length.
pub(super) fn captured<'a>(segment: &Segment<'a>) -> &'a [u8] {
    segment.payload.get(..segment.length as usize).unwrap_or(segment.payload)
}
