//! Bounds on the detectors' blocks, however confident they are: a detector's fault must not become an outage.

use std::collections::VecDeque;
use std::time::Duration;

use super::config::DecideConfig;
use crate::clock::Timestamp;

/// The bound that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tripped {
    /// Too many blocks within a minute.
    BlocksPerMinute,
    /// Too large a share of the clients.
    BlockedShare,
}

impl Tripped {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::BlocksPerMinute, Self::BlockedShare];

    /// The label of its metric, and its key in the configuration.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::BlocksPerMinute => "max_blocks_per_minute",
            Self::BlockedShare => "max_blocked_share",
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// The blocks of the last minute. Only blocks carried out count: signals without an action, and decisions only
/// recorded, do not.
#[derive(Debug, Default)]
pub(super) struct KillSwitch {
    recent: VecDeque<Timestamp>,
}

impl KillSwitch {
    /// Whether another block would exceed a bound.
    #[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a share of counts")]
    pub(super) fn check(
        &mut self,
        config: &DecideConfig,
        now: Timestamp,
        blocked: usize,
        clients: u64,
    ) -> Option<Tripped> {
        // A clock that was set back empties the window: its times are meaningless.
        self.recent.retain(|at| *at <= now && now.since(*at) < MINUTE);
        if self.recent.len() >= config.max_blocks_per_minute as usize {
            return Some(Tripped::BlocksPerMinute);
        }
        let share = (blocked as f64 + 1.0) / (clients.max(1) as f64);
        let matters = blocked >= config.min_blocked as usize;
        (matters && share > config.max_blocked_share).then_some(Tripped::BlockedShare)
    }

    /// The client was blocked.
    pub(super) fn note(&mut self, now: Timestamp) {
        self.recent.push_back(now);
    }
}
