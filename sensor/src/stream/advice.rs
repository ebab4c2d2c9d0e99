//! The protocol's advice, and the instructions for the source that follow from it.

use std::time::Duration;

use super::connection::{Connection, Context, Copying, Phase};
use super::protocol::{Advice, CloseCause, Protocol, Side};
use super::streams::Instruction;
use crate::clock::Timestamp;

/// Longest skip, in bytes: half the range in which sequence numbers are unambiguous.
const MAX_SKIP: u32 = 1 << 30;

/// How soon a source that still cuts segments is told again to copy them whole: it may have forgotten that, or may have
/// no room at the moment.
pub(super) const TELL_AGAIN: Duration = Duration::from_secs(1);

impl<S> Connection<S> {
    /// Follows the protocol's advice after bytes of a side.
    pub(super) fn heed<P: Protocol<State = S>>(
        &mut self,
        side: Side,
        advice: Advice,
        context: &mut Context<'_, P>,
    ) {
        match advice {
            Advice::Continue => {}
            Advice::Whole => self.choose(Copying::Whole, context.time),
            Advice::Beginnings => self.choose(Copying::Beginnings, context.time),
            Advice::Stop => {
                self.notice = true;
                self.close(CloseCause::Stopped, context);
            }
            Advice::Skip(count) => {
                let half = self.half(side);
                let length = u32::try_from(count).unwrap_or(MAX_SKIP).min(MAX_SKIP);
                let until = half.expected.plus(length);
                // While it skips, a protocol may repeat the advice with every byte that arrives anyway.
                if half.skip_end() == Some(until) || length == 0 {
                    return;
                }
                half.skip_until = until;
                half.skipping = true;
                if count >= context.config.min_skip {
                    half.tell_skip = true;
                    self.notice = true;
                }
            }
        }
    }

    fn choose(&mut self, copying: Copying, time: Timestamp) {
        // A protocol repeats it with all bytes.
        if self.copying != copying {
            self.copying = copying;
            self.tell_copying(time);
        }
    }

    /// The source is to be told how much of long segments to copy.
    pub(super) fn tell_copying(&mut self, time: Timestamp) {
        self.told_copying = time;
        self.tell_copying = true;
        self.notice = true;
    }
}

/// An instruction for the source; if there are more, they follow with the next segment.
pub(super) fn instruct<S>(connection: &mut Connection<S>, side: Side) -> Option<Instruction> {
    if !connection.notice {
        return None;
    }
    connection.notice = false;
    let (client, server) = (connection.client, connection.server);
    if connection.phase == Phase::Stopped {
        return Some(Instruction::Stop { client, server });
    }
    if std::mem::take(&mut connection.tell_copying) {
        connection.notice = connection.client_half.tell_skip || connection.server_half.tell_skip;
        return Some(Instruction::Copy { client, server, whole: connection.copying == Copying::Whole });
    }
    let side = if connection.look(side).tell_skip { side } else { side.other() };
    let half = connection.half(side);
    if !std::mem::take(&mut half.tell_skip) {
        return None;
    }
    let sequence = half.skip_end()?.0;
    let (source, destination) = match side {
        Side::Client => (client, server),
        Side::Server => (server, client),
    };
    connection.notice = connection.look(side.other()).tell_skip;
    Some(Instruction::SkipUntil { side, source, destination, sequence })
}
