//! Counts what a client does to the protocol itself; the detector judges the counts.
//!
//! Counted is what conforming clients rarely do; `detect::http2_abuse` has the thresholds and their sources. Frames that
//! respond to the server are not counted: each of its HEADERS and DATA frames grants an allowance.

use std::time::Duration;

use crate::clock::Timestamp;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a client did since the last report.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Abuse {
            /// Streams that it opened, as a reference for the other counts.
            pub streams: u32,
            $($(#[$doc])* pub $name: u32,)*
        }

        impl Abuse {
            /// All counts except `streams`, by name.
            #[must_use]
            pub const fn kinds(&self) -> [(&'static str, u32); [$(stringify!($name)),*].len()] {
                [$((stringify!($name), self.$name)),*]
            }

            /// Adds another report's counts.
            pub const fn add(&mut self, other: &Self) {
                self.streams = self.streams.saturating_add(other.streams);
                $(self.$name = self.$name.saturating_add(other.$name);)*
            }
        }
    };
}

kinds! {
    /// Streams that it reset, or made the server reset by breaking a rule, within a second and before the response ended.
    resets,
    /// CONTINUATION frames after the eighth of a header block.
    continuations,
    /// Small header blocks that decode to more than the maximum head.
    bombs,
    /// SETTINGS frames without ACK.
    settings,
    /// PING frames without ACK that no content from the server preceded.
    pings,
    /// Frames without payload that end nothing.
    empty_frames,
    /// PRIORITY frames beyond a hundred per stream.
    priorities,
    /// WINDOW_UPDATE frames beyond ten per DATA frame from the server.
    window_updates,
    /// Requests that a proxy would turn into a different request, or into two, by forwarding them as HTTP/1: line breaks or
    /// NUL in a field, `transfer-encoding`, a wrong `content-length` (RFC 9113, section 10.3).
    smuggling,
    /// Frames that the protocol forbids in the state that the stream or connection was in.
    violations,
}

/// Counts are reported once one kind reaches this, and when the connection ends.
const BATCH: u32 = 8;

/// Age below which a reset counts: Envoy's premature reset (`premature_reset_min_stream_lifetime_seconds`).
pub(super) const EARLY: Duration = Duration::from_secs(1);

/// CONTINUATION frames per block that do not count: nghttp2's limit (`NGHTTP2_DEFAULT_MAX_CONTINUATIONS`).
pub(super) const USUAL_CONTINUATIONS: u32 = 8;

/// A connection's counts, and its client's allowances.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) since_told: Abuse,
    /// Allowances: frames of each kind that are not counted.
    pings: u32,
    priorities: u32,
    window_updates: u32,
}

impl Default for Tally {
    fn default() -> Self {
        Self { since_told: Abuse::default(), pings: EARNED_PINGS, priorities: 100, window_updates: 100 }
    }
}

/// Allowance of pings after content: gRPC servers tolerate this many (`GRPC_ARG_HTTP2_MAX_PING_STRIKES`).
const EARNED_PINGS: u32 = 2;

impl Tally {
    /// The server sent HEADERS or DATA.
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

    /// The counts to report, if they have reached [`BATCH`] or the connection is over.
    pub(super) fn due(&mut self, is_over: bool) -> Option<Abuse> {
        let counts = self.since_told.kinds();
        let least = if is_over { 1 } else { BATCH };
        let is_rare = self.since_told.bombs > 0 || self.since_told.smuggling > 0;
        let is_due = is_rare || counts.iter().any(|(_, count)| *count >= least);
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
