//! Whether a client exists at all, and what happens to segments that its server does not accept.
//!
//! A sender with a forged address does not receive what the server sends: it does not know the server's initial
//! sequence number, and the server will not acknowledge bytes sent without a connection.

use super::acceptance::Judgement;
use super::connection::{Connection, Context};
use super::counters::add;
use super::protocol::{Protocol, Side};
use super::receive::captured;
use super::sequence::Sequence;
use crate::capture::Segment;

impl<S> Connection<S> {
    /// Whether the server's kernel accepts a client's segment; handles the cases in which it does not, or may not.
    pub(super) fn is_taken<P: Protocol<State = S>>(
        &mut self,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) -> bool {
        let start = Sequence(segment.sequence);
        match self.judge(segment, &context.config.signatures) {
            Judgement::Accepted => {
                self.compare_refused(start, captured(segment), context);
                return true;
            }
            Judgement::Old => {
                add(&mut context.counters.retransmitted_bytes, segment.length);
                self.compare_again(start, captured(segment), context);
            }
            Judgement::Dubious(why) => self.suspend(segment, why, context),
            Judgement::Refused(why) => {
                context.counters.count_refusal(why);
                self.keep_refused(start, captured(segment), context);
            }
        }
        false
    }

    /// Whether the client exists: it knows the server's initial sequence number, or the server has acknowledged bytes
    /// of it that were seen.
    pub(super) fn look_for_proof<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        context: &mut Context<'_, P>,
    ) {
        if self.proven {
            return;
        }
        let acknowledged = Sequence(segment.acknowledgement);
        let (client, server) = (&self.client_half, &self.server_half);
        let is_shown = match side {
            // What it acknowledges was checked before.
            Side::Client => server.isn_known && server.seen && acknowledged.after(server.isn),
            Side::Server if client.isn_known => {
                client.seen && acknowledged.after(client.isn.plus(1)) && !acknowledged.after(client.highest)
            }
            Side::Server => {
                client.seen && acknowledged.after(self.began) && !acknowledged.after(client.highest)
            }
        };
        if is_shown {
            self.prove(context);
        }
    }

    /// Whether an unproven connection that was met in the middle may be somebody else's fabrication: then a client's
    /// segment elsewhere starts it anew.
    pub(super) fn may_be_made_up(&self, side: Side, segment: &Segment<'_>) -> bool {
        self.midstream && !self.proven && side == Side::Client && segment.length > 0
    }

    /// Whether the server acknowledges other bytes of its client than were seen: those were fabricated.
    pub(super) fn contradicts(&self, segment: &Segment<'_>, window: u32) -> bool {
        let client = &self.client_half;
        let apart = Sequence(segment.acknowledgement).minus(client.expected).unsigned_abs();
        self.midstream && !self.proven && client.seen && apart > window
    }
}
