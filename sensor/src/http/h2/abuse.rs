//! What a client does to the protocol itself, counted for whoever judges it.
//!
//! What counts is what conforming clients have no reason to do often: see `detect::http2_abuse` for the thresholds and
//! where they come from. Frames that answer something are not counted: each frame of the server that carries content
//! earns some.

use std::time::Duration;

use crate::clock::Timestamp;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a client did since this was last told.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Abuse {
            /// Streams that it opened: what the others are measured by.
            pub streams: u32,
            $($(#[$doc])* pub $name: u32,)*
        }

        impl Abuse {
            /// All but the streams, by name.
            #[must_use]
            pub const fn kinds(&self) -> [(&'static str, u32); [$(stringify!($name)),*].len()] {
                [$((stringify!($name), self.$name)),*]
            }

            /// Adds what another one counted.
            pub const fn add(&mut self, other: &Self) {
                self.streams = self.streams.saturating_add(other.streams);
                $(self.$name = self.$name.saturating_add(other.$name);)*
            }
        }
    };
}

kinds! {
    /// Streams that it reset, or made the server reset by breaking rules, within a second and before their response ended.
    resets,
    /// CONTINUATION frames of one header block beyond the eighth.
    continuations,
    /// Small header blocks that stand for lists larger than a head may be.
    bombs,
    /// SETTINGS but acknowledgements.
    settings,
    /// PING but acknowledgements, that no content of the server preceded.
    pings,
    /// Frames that carry nothing and end nothing.
    empty_frames,
    /// PRIORITY beyond a hundred for each stream.
    priorities,
    /// WINDOW_UPDATE beyond ten for each DATA frame of the server.
    window_updates,
    /// Frames that the protocol does not allow where they came.
    violations,
}

/// So many of one kind are told at once, the rest when the connection ends.
const BATCH: u32 = 8;

/// How young a stream is that is reset too early: what Envoy calls a premature reset
/// (`premature_reset_min_stream_lifetime_seconds`).
pub(super) const EARLY: Duration = Duration::from_secs(1);

/// Frames of one block that are usual: what nghttp2 allows (`NGHTTP2_DEFAULT_MAX_CONTINUATIONS`).
pub(super) const USUAL_CONTINUATIONS: u32 = 8;

/// The counts of a connection, and what its client has earned.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) since_told: Abuse,
    /// Frames that may yet come without being counted.
    pings: u32,
    priorities: u32,
    window_updates: u32,
}

impl Default for Tally {
    fn default() -> Self {
        Self { since_told: Abuse::default(), pings: EARNED_PINGS, priorities: 100, window_updates: 100 }
    }
}

/// Pings that content earns: gRPC takes as many without it for an offence (`GRPC_ARG_HTTP2_MAX_PING_STRIKES`).
const EARNED_PINGS: u32 = 2;

impl Tally {
    /// The server sent a head or DATA.
    pub(super) fn note_content(&mut self, is_data: bool) {
        self.pings = EARNED_PINGS;
        if is_data {
            self.window_updates = self.window_updates.saturating_add(10).min(10_000);
        }
    }

    /// The client opened a stream.
    pub(super) fn note_stream(&mut self) {
        self.since_told.streams = self.since_told.streams.saturating_add(1);
        self.priorities = self.priorities.saturating_add(100).min(10_000);
        self.window_updates = self.window_updates.saturating_add(10).min(10_000);
    }

    pub(super) fn note_reset(&mut self, began: Timestamp, now: Timestamp) {
        if now.since(began) < EARLY {
            bump(&mut self.since_told.resets);
        }
    }

    pub(super) fn note_ping(&mut self) {
        spend(&mut self.pings, &mut self.since_told.pings);
    }

    pub(super) fn note_priority(&mut self) {
        spend(&mut self.priorities, &mut self.since_told.priorities);
    }

    pub(super) fn note_window_update(&mut self) {
        spend(&mut self.window_updates, &mut self.since_told.window_updates);
    }

    /// What is to be told, if enough of it has come together.
    pub(super) fn due(&mut self, is_over: bool) -> Option<Abuse> {
        let counts = self.since_told.kinds();
        let least = if is_over { 1 } else { BATCH };
        let is_due = counts.iter().any(|(_, count)| *count >= least) || self.since_told.bombs > 0;
        is_due.then(|| std::mem::take(&mut self.since_told))
    }
}

pub(super) const fn bump(count: &mut u32) {
    *count = count.saturating_add(1);
}

const fn spend(earned: &mut u32, count: &mut u32) {
    match earned.checked_sub(1) {
        Some(left) => *earned = left,
        None => bump(count),
    }
}
