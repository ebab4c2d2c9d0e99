//! A sliding window in steps: a ring of parts, the oldest of which is cleared when a new one starts.

use std::time::Duration;

use super::Moment;
use crate::duration::milliseconds;

/// Parts of a window.
pub(super) const SLOTS: usize = 8;
const RING: u64 = SLOTS as u64;

/// Length of a window. It covers at least the requested time, and at most a seventh more: the current part comes on
/// top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    slot_millis: u64,
}

impl Span {
    /// Of at least so long; at least 7 ms.
    pub(crate) fn of(duration: Duration) -> Self {
        let millis = milliseconds(duration);
        Self { slot_millis: millis.div_ceil(RING - 1).max(1) }
    }

    /// Whether something that happened at `at` is within the window.
    pub(crate) fn covers(self, at: Moment, now: Moment) -> bool {
        self.slot(now).saturating_sub(self.slot(at)) < RING
    }

    fn slot(self, now: Moment) -> u64 {
        now.millis().checked_div(self.slot_millis).unwrap_or(0)
    }
}

/// The content of a part of a window.
pub(super) trait Part: Copy {
    const EMPTY: Self;
}

impl Part for u32 {
    const EMPTY: Self = 0;
}

impl<const WORDS: usize> Part for [u64; WORDS] {
    const EMPTY: Self = [0; WORDS];
}

/// The ring. All calls to one ring must have the same span; a time before the latest counts as the latest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots<T> {
    parts: [T; SLOTS],
    newest: u64,
}

impl<T: Part> Default for Slots<T> {
    fn default() -> Self {
        Self { parts: [T::EMPTY; SLOTS], newest: 0 }
    }
}

impl<T: Part> Slots<T> {
    /// Updates the part that `now` falls into, after clearing expired ones.
    pub(super) fn change(&mut self, now: Moment, span: Span, change: impl FnOnce(&mut T)) {
        let slot = span.slot(now).max(self.newest);
        let over = slot.saturating_sub(self.newest).min(RING);
        for step in 1..=over {
            if let Some(part) = self.parts.get_mut(index(self.newest.saturating_add(step))) {
                *part = T::EMPTY;
            }
        }
        self.newest = slot;
        if let Some(part) = self.parts.get_mut(index(slot)) {
            change(part);
        }
    }

    /// The parts within the window.
    pub(super) fn live(&self, now: Moment, span: Span) -> impl Iterator<Item = &T> {
        let passed = span.slot(now).saturating_sub(self.newest);
        let newest = self.newest;
        self.parts.iter().zip(0_u64..).filter_map(move |(part, place)| {
            let age = newest.wrapping_sub(place) % RING;
            (age.saturating_add(passed) < RING).then_some(part)
        })
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % RING).unwrap_or(0)
}
