//! Delivers from a connection to the protocol.

use super::advice::TELL_AGAIN;
use super::connection::{Connection, Context, Copying};
use super::counters::{add, bump};
use super::deadlines::Deadline;
use super::protocol::{Advice, CloseCause, Missing, Protocol, Side};
use super::sequence::Sequence;

impl<S> Connection<S> {
    /// Delivers the next bytes of a side, without any urgent byte among them.
    pub(super) fn deliver<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        bytes: &[u8],
        context: &mut Context<'_, P>,
    ) {
        let half = self.half(side);
        let place = half.urgent.minus(half.expected);
        let urgent = usize::try_from(place).ok().filter(|_| half.urgent_known);
        let Some((before, rest)) = urgent.and_then(|place| bytes.split_at_checked(place)) else {
            return self.hand_over(side, bytes, context);
        };
        self.hand_over(side, before, context);
        if let Some((_urgent, after)) = rest.split_first() {
            let half = self.half(side);
            half.expected = half.expected.plus(1);
            half.urgent_known = false;
            bump(&mut context.counters.urgent_bytes);
            self.hand_over(side, after, context);
        }
    }

    /// Delivers bytes to the protocol.
    #[inline]
    pub(super) fn hand_over<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        bytes: &[u8],
        context: &mut Context<'_, P>,
    ) {
        let half = self.half(side);
        half.expected = half.expected.plus(u32::try_from(bytes.len()).unwrap_or_default());
        if bytes.is_empty() {
            return;
        }
        if let Some(state) = &mut self.state {
            let advice = context.protocol.data(state, side, bytes, context.time);
            if advice != Advice::Continue {
                self.heed(side, advice, context);
            }
        }
    }

    /// Reports that the bytes up to a number are missing.
    pub(super) fn pass_over<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        until: Sequence,
        why: Missing,
        context: &mut Context<'_, P>,
    ) {
        let told = self.state.is_some();
        let half = self.half(side);
        let length = until.since(half.expected);
        if length == 0 || half.ended || !told {
            return;
        }
        half.expected = until;
        half.urgent_known &= !until.after(half.urgent);
        let is_cut = why == Missing::NotCaptured && !half.skipping;
        match why {
            Missing::NotCaptured => add(&mut context.counters.not_captured_bytes, length),
            Missing::Lost => {
                bump(&mut context.counters.gaps);
                add(&mut context.counters.lost_bytes, length);
            }
        }
        if let Some(state) = &mut self.state {
            let advice = context.protocol.missing(state, side, u64::from(length), why, context.time);
            self.heed(side, advice, context);
        }
        if is_cut && self.copying == Copying::Whole && context.time.since(self.told_copying) >= TELL_AGAIN {
            self.tell_copying(context.time);
        }
    }

    /// Lets the protocol check its state again.
    pub(super) fn wake<P: Protocol<State = S>>(&mut self, context: &mut Context<'_, P>) {
        if let Some(state) = &mut self.state {
            let advice = context.protocol.wake(state, context.time);
            // A skip would apply to one side, and there is none here.
            if !matches!(advice, Advice::Continue | Advice::Skip(_)) {
                self.heed(Side::Client, advice, context);
            }
        }
    }

    /// Reports what the source left out on purpose, up to a number at most.
    pub(super) fn pass_skipped<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        until: Sequence,
        context: &mut Context<'_, P>,
    ) {
        let half = self.half(side);
        if let Some(end) = half.skip_end() {
            let end = half.first().map_or(end, |(start, ..)| end.min(start));
            let end = if half.fin_known { end.min(half.fin) } else { end };
            self.pass_over(side, until.min(end), Missing::NotCaptured, context);
        }
    }

    /// How far the peer is believed to have received a side's bytes.
    ///
    /// The server is believed: its host is the one to protect. A client may acknowledge what was never sent, which the
    /// server's kernel refuses (RFC 5961, section 5.2); if believed, it could have the sensor write off responses. So
    /// its acknowledgements count up to what the server was seen to send, or what the source was told to leave out.
    pub(super) fn believed(&mut self, side: Side) -> Sequence {
        let half = self.half(side);
        if !half.acknowledged_known || !half.known || half.ended {
            return half.expected;
        }
        let acknowledged = self.clamp_acknowledged(side, self.look(side).acknowledged);
        let half = self.half(side);
        if half.fin_known { acknowledged.min(half.fin) } else { acknowledged }
    }

    /// Processes an acknowledgement of a side's bytes, as far as it is believed.
    pub(super) fn clamp_acknowledged(&mut self, side: Side, acknowledged: Sequence) -> Sequence {
        let half = self.half(side);
        match side {
            Side::Client => acknowledged,
            Side::Server => {
                let skipped = half.skip_end().unwrap_or(half.highest);
                acknowledged.min(half.highest.max(skipped))
            }
        }
    }

    /// Delivers everything possible in the order of cause and effect; then ends what has ended.
    pub(super) fn settle<P: Protocol<State = S>>(&mut self, context: &mut Context<'_, P>) {
        loop {
            let client = self.drain(Side::Client, context);
            let server = self.drain(Side::Server, context);
            if !client && !server {
                break;
            }
        }
        self.end(Side::Client, context);
        self.end(Side::Server, context);
        if self.client_half.ended && self.server_half.ended && self.state.is_some() {
            self.close(CloseCause::Fin, context);
        }
    }

    /// Delivers the bytes on a side that no longer have to wait; returns whether there were any.
    fn drain<P: Protocol<State = S>>(&mut self, side: Side, context: &mut Context<'_, P>) -> bool {
        let before = self.look(side).expected;
        while self.state.is_some() {
            let half = self.look(side);
            let Some((start, end, gate)) = half.first() else {
                let believed = self.believed(side);
                self.pass_skipped(side, believed, context);
                break;
            };
            if start.after(half.expected) {
                self.pass_skipped(side, start, context);
            }
            let expected = self.look(side).expected;
            let other = self.look(side.other());
            let dubious = self.look(side).first_is_dubious();
            let held = gate.is_some_and(|gate| {
                other.known && gate.after(other.expected) && !(dubious && gate.after(other.highest))
            });
            let doubtful = self.look(side).first_is_doubtful(other, context.time);
            if start.after(expected) || ((held || doubtful) && end.after(expected)) {
                break;
            }
            self.deliver_first(side, context);
        }
        self.look(side).expected != before
    }

    /// Delivers the new part of the first waiting piece.
    fn deliver_first<P: Protocol<State = S>>(&mut self, side: Side, context: &mut Context<'_, P>) {
        let half = self.half(side);
        let Some(piece) = half.pop(context.counters) else { return };
        let known = half.expected.since(piece.start);
        if !piece.end.after(half.expected) || half.ended {
            return;
        }
        match &piece.bytes {
            Some(bytes) => {
                if side == Side::Client {
                    self.keep_taken(piece.start, bytes, context);
                }
                self.deliver(side, bytes.get(known as usize..).unwrap_or_default(), context);
            }
            None => self.pass_over(side, piece.end, Missing::NotCaptured, context),
        }
    }

    /// Ends a side whose FIN is reached, once everything it acknowledges was delivered.
    fn end<P: Protocol<State = S>>(&mut self, side: Side, context: &mut Context<'_, P>) {
        let half = self.half(side);
        if !half.fin_known || half.ended || half.expected.before(half.fin) {
            return;
        }
        if half.expected.after(half.fin) {
            // As in Linux, where the FIN goes with a segment that others cover.
            half.fin_known = false;
            bump(&mut context.counters.overrun_fins);
            return;
        }
        let other = side.other();
        let (believed, reached) = (self.believed(other), self.look(other).expected);
        if believed.after(reached) {
            return;
        }
        self.finish_side(side, context);
    }

    fn finish_side<P: Protocol<State = S>>(&mut self, side: Side, context: &mut Context<'_, P>) {
        let half = self.half(side);
        half.expected = half.fin.plus(1);
        half.highest = half.highest.max(half.expected);
        half.ended = true;
        half.skipping = false;
        half.clear(context.counters);
        if let Some(state) = &mut self.state {
            context.protocol.end(state, side, context.time);
        }
    }

    /// Advances to a number, whatever is missing.
    pub(super) fn force<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        target: Sequence,
        context: &mut Context<'_, P>,
    ) {
        let mut target = target;
        while self.state.is_some() && self.look(side).expected.before(target) && !self.look(side).ended {
            if self.look(side).first_is_doubtful(self.look(side.other()), context.time) {
                target = target.min(self.discard_first(side, context));
                continue;
            }
            let half = self.look(side);
            match half.first() {
                Some((start, _, gate)) if !start.after(half.expected) => {
                    if !gate.is_some_and(|gate| self.give_up_hole(side.other(), gate, context)) {
                        self.deliver_first(side, context);
                    }
                }
                first => {
                    let until = first.map_or(target, |(start, ..)| start.min(target));
                    self.lose(side, until, context);
                }
            }
            self.settle(context);
        }
    }

    /// Gives up a piece that the peer has not accepted; returns how far there is more.
    fn discard_first<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        context: &mut Context<'_, P>,
    ) -> Sequence {
        let half = self.half(side);
        if let Some(doubt) = half.pop(context.counters).and_then(|piece| piece.dubious) {
            context.counters.count_refusal(doubt.why);
        }
        let believed = self.believed(side);
        self.look(side).buffered_end().map_or(believed, |end| end.max(believed))
    }

    /// Gives up a side's next gap, up to a number that the peer is believed to have received; returns whether there was
    /// one.
    fn give_up_hole<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        gate: Sequence,
        context: &mut Context<'_, P>,
    ) -> bool {
        let until = gate.min(self.believed(side));
        let half = self.look(side);
        let until = half.first().map_or(until, |(start, ..)| until.min(start));
        let hole = until.after(half.expected);
        if hole {
            self.lose(side, until, context);
        }
        hole
    }

    fn lose<P: Protocol<State = S>>(&mut self, side: Side, until: Sequence, context: &mut Context<'_, P>) {
        self.pass_skipped(side, until, context);
        self.pass_over(side, until, Missing::Lost, context);
    }

    /// Advances to the end of everything that waits or was acknowledged.
    pub(super) fn flush<P: Protocol<State = S>>(&mut self, context: &mut Context<'_, P>) {
        for side in [Side::Client, Side::Server] {
            let believed = self.believed(side);
            let end = self.look(side).buffered_end().map_or(believed, |end| end.max(believed));
            self.force(side, end, context);
        }
        for side in [Side::Client, Side::Server] {
            let half = self.look(side);
            if self.state.is_some() && half.fin_known && !half.ended && half.expected == half.fin {
                self.finish_side(side, context);
            }
        }
    }

    /// Ensures that nothing waits for ever.
    pub(super) fn arm<P: Protocol<State = S>>(&mut self, context: &mut Context<'_, P>) {
        if self.state.is_none() {
            return;
        }
        for side in [Side::Client, Side::Server] {
            self.arm_acknowledged(side, context);
        }
        for side in [Side::Client, Side::Server] {
            let (serial, half) = (self.serial, self.half(side));
            if half.assembler.is_some() && !half.waits_hole {
                half.waits_hole = true;
                let at = context.time.plus(context.config.hole_wait);
                let deadline = Deadline { at, index: context.index, serial, side, sequence: half.expected };
                context.deadlines.holes.push_back(deadline);
            }
        }
    }

    fn arm_acknowledged<P: Protocol<State = S>>(&mut self, side: Side, context: &mut Context<'_, P>) {
        let believed = self.believed(side);
        let (serial, half) = (self.serial, self.look(side));
        let held = half.assembler.as_ref().and_then(|waiting| waiting.run_end(half.expected));
        let acknowledged = believed.after(half.expected).then_some(believed);
        let Some(sequence) = acknowledged.or(held) else { return };
        // A side that was never seen to send will not arrive late.
        if context.config.acknowledged_wait.is_zero() || !half.seen {
            return self.force(side, sequence, context);
        }
        let half = self.half(side);
        if !half.waits_acknowledged {
            half.waits_acknowledged = true;
            let at = context.time.plus(context.config.acknowledged_wait);
            let deadline = Deadline { at, index: context.index, serial, side, sequence };
            context.deadlines.acknowledged.push_back(deadline);
        }
    }
}
