//! A connection.

use super::acceptance::Acceptance;
use super::config::Config;
use super::counters::{Counters, bump};
use super::deadlines::Deadlines;
use super::half::Half;
use super::protocol::{CloseCause, Opening, Protocol, Side};
use super::recent::{Kept, Recent};
use super::sequence::Sequence;
use crate::capture::{Endpoint, Segment};
use crate::clock::Timestamp;

/// The state of a connection.
///
/// ```text
///            SYN                     SYN|ACK
///   (none) -------> SynSent -----------------------> SynReceived <------- (none)
///     |                |                                  |      SYN|ACK
///     | data           | data of a side that fits         | anything of the client, data of the server
///     v                v                                  v
///   Established <-------------------------------------------
///     |        |
///     |        | the protocol wants no more
///     |        +---------------------------------> Stopped ---> (none) after the idle timeout
///     | both FIN reached, RST in place
///     +------------------------------------------> Closed ----> (none) after the linger time
/// ```
///
/// A SYN with another number starts the connection anew: at once from `SynSent`, `Closed` and `Stopped`; otherwise when
/// the server answers it or its sender continues from it, because a live receiver ignores it (RFC 5961, section 4.2).
/// The protocol sees a connection from `Established` on, until it leaves that state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A SYN was seen.
    SynSent,
    /// Its answer was seen.
    SynReceived,
    /// Bytes flow.
    Established,
    /// It has ended; late segments may still arrive.
    Closed,
    /// The protocol needs no more of it.
    Stopped,
}

/// The list of the table that a connection is in; each has its own timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Not established, or only one side was seen.
    HalfOpen,
    Open,
    Stopped,
    Closed,
}

impl Class {
    pub(super) const ALL: [Self; 4] = [Self::HalfOpen, Self::Open, Self::Stopped, Self::Closed];
}

/// A connection, and the state kept for the protocol.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) client_half: Half,
    pub(super) server_half: Half,
    /// Time of the last segment that keeps it alive; in a handshake and after the end, of the first.
    pub(super) last_seen: Timestamp,
    /// Present in the phase `Established` only.
    pub(super) state: Option<S>,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    /// Interface of the first segment.
    pub(super) interface: u32,
    /// Whether the server is behind that interface and not on this host.
    pub(super) crossed: bool,
    /// Distinguishes it from other connections that use the same table entry at other times.
    pub(super) serial: u32,
    /// Sequence number of a SYN that may start it anew, with `reopening_known`.
    pub(super) reopening: Sequence,
    pub(super) reopening_known: bool,
    pub(super) phase: Phase,
    /// The list it is in.
    pub(super) class: Class,
    /// State that decides which of the client's segments are accepted.
    pub(super) acceptance: Acceptance,
    /// The client's last accepted segments, latest first, and the last one that was not accepted.
    pub(super) taken: [Kept; 2],
    pub(super) turned_away: Kept,
    /// Where its first segment started, if the handshake was missed.
    pub(super) began: Sequence,
    /// Whether the client was shown to receive what the server sends; one that forges its address does not.
    pub(super) proven: bool,
    /// Whether the handshake was missed.
    pub(super) midstream: bool,
    /// How much of long segments is needed, and whether and when the source was told last.
    pub(super) copying: Copying,
    pub(super) tell_copying: bool,
    pub(super) told_copying: Timestamp,
    /// Whether the source has to be instructed.
    pub(super) notice: bool,
}

/// How much of long segments the protocol needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Copying {
    /// It has not said.
    #[default]
    Usual,
    Whole,
    Beginnings,
}

/// What a connection needs to process a segment.
pub(super) struct Context<'a, P> {
    pub(super) protocol: &'a mut P,
    pub(super) counters: &'a mut Counters,
    pub(super) config: &'a Config,
    pub(super) deadlines: &'a mut Deadlines,
    pub(super) recent: &'a mut Recent,
    /// Time of the segment, or of the deadline, that makes bytes available.
    pub(super) time: Timestamp,
    /// The connection's entry in the table.
    pub(super) index: usize,
}

/// What happens to a connection's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Keep,
    /// It is removed.
    Remove,
    /// It is removed, and the segment starts a new one.
    Anew,
}

impl<S> Connection<S> {
    /// A connection that a segment starts.
    pub(super) fn new(client: Endpoint, server: Endpoint, first: &Segment<'_>) -> Self {
        Self {
            client_half: Half::default(),
            server_half: Half::default(),
            last_seen: first.time,
            state: None,
            client,
            server,
            interface: first.interface,
            crossed: first.crossed,
            serial: 0,
            reopening: Sequence(0),
            reopening_known: false,
            phase: Phase::SynSent,
            class: Class::HalfOpen,
            acceptance: Acceptance::default(),
            taken: [Kept::default(); 2],
            turned_away: Kept::default(),
            began: Sequence(0),
            proven: false,
            midstream: false,
            copying: Copying::Usual,
            tell_copying: false,
            told_copying: Timestamp::default(),
            notice: false,
        }
    }

    #[inline]
    pub(super) const fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client_half,
            Side::Server => &mut self.server_half,
        }
    }

    #[inline]
    pub(super) const fn look(&self, side: Side) -> &Half {
        match side {
            Side::Client => &self.client_half,
            Side::Server => &self.server_half,
        }
    }

    /// A side's half, and the other one.
    #[inline]
    pub(super) const fn halves(&mut self, side: Side) -> (&mut Half, &mut Half) {
        match side {
            Side::Client => (&mut self.client_half, &mut self.server_half),
            Side::Server => (&mut self.server_half, &mut self.client_half),
        }
    }

    /// The list it belongs in.
    #[inline]
    pub(super) const fn proper_class(&self) -> Class {
        match self.phase {
            Phase::Established if self.client_half.seen && self.server_half.seen => Class::Open,
            Phase::SynSent | Phase::SynReceived | Phase::Established => Class::HalfOpen,
            Phase::Closed => Class::Closed,
            Phase::Stopped => Class::Stopped,
        }
    }

    /// Announces it to the protocol.
    pub(super) fn establish<P: Protocol<State = S>>(
        &mut self,
        midstream: bool,
        context: &mut Context<'_, P>,
    ) {
        let opening = Opening {
            client: self.client,
            server: self.server,
            time: self.last_seen,
            interface: self.interface,
            midstream,
        };
        self.phase = Phase::Established;
        self.midstream = midstream;
        self.state = Some(context.protocol.open(&opening));
        bump(&mut context.counters.opened);
        bump(&mut context.counters.active);
        if midstream {
            bump(&mut context.counters.midstream);
        }
    }

    /// The client was shown to receive what the server sends.
    pub(super) fn prove<P: Protocol<State = S>>(&mut self, context: &mut Context<'_, P>) {
        if self.proven {
            return;
        }
        if let Some(state) = &mut self.state {
            self.proven = true;
            bump(&mut context.counters.proven);
            context.protocol.proven(state);
        }
    }

    /// Ends it; waiting bytes are delivered first, with the gaps before them lost, unless the protocol had stopped it.
    pub(super) fn close<P: Protocol<State = S>>(&mut self, cause: CloseCause, context: &mut Context<'_, P>) {
        if cause != CloseCause::Stopped {
            self.flush(context);
        }
        self.client_half.clear(context.counters);
        self.server_half.clear(context.counters);
        let stopped = cause == CloseCause::Stopped;
        // Flushing may itself have stopped it.
        if let Some(state) = self.state.take() {
            context.protocol.close(state, cause, context.time);
            context.counters.count_closed(cause);
            context.counters.active = context.counters.active.saturating_sub(1);
            self.phase = if stopped { Phase::Stopped } else { Phase::Closed };
            self.last_seen = context.time;
        } else if matches!(self.phase, Phase::SynSent | Phase::SynReceived) {
            bump(&mut context.counters.handshakes_incomplete);
            self.phase = Phase::Closed;
        }
    }
}
