//! Whether a client is there at all, and what is done with what its server does not take.
//!
//! Whoever forges an address does not get what the server sends: it knows neither the number that the server began with,
//! nor will the server acknowledge what it sent amid nothing.

use super::acceptance::Judgement;
use super::connection::{Connection, Context};
use super::counters::add;
use super::protocol::{Protocol, Side};
use super::receive::captured;
use super::sequence::Sequence;
use crate::capture::Segment;

impl<S> Connection<S> {
    /// Whether the server's kernel takes a segment of the client; what is to be done where it does not, or may not, is
    /// done.
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

    /// Whether the client is there: it knows the number that the server began with, or the server has acknowledged bytes
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
            // What it acknowledges was judged before.
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

    /// Whether a connection that was met in the middle, and is not proven, may be one that somebody else made up: then a
    /// client's segment elsewhere begins it anew.
    pub(super) fn may_be_made_up(&self, side: Side, segment: &Segment<'_>) -> bool {
        self.midstream && !self.proven && side == Side::Client && segment.length > 0
    }

    /// Whether the server speaks of other bytes of its client than were seen: those were made up.
    pub(super) fn contradicts(&self, segment: &Segment<'_>, window: u32) -> bool {
        let client = &self.client_half;
        let apart = Sequence(segment.acknowledgement).minus(client.expected).unsigned_abs();
        self.midstream && !self.proven && client.seen && apart > window
    }
}
