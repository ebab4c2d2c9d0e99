//! What detectors have learned, taken a piece at a time: the thread that reads HTTP cannot stop for a whole table.
//!
//! A piece is copied as it is; what a file needs of it is made later, elsewhere. Between two pieces exchanges are seen, so
//! the pieces are not all of one moment. A detector that takes several sees to it that nothing known from the first to the
//! last of them is left out.

use std::any::Any;
use std::collections::BTreeMap;

#[cfg(test)]
use super::Detector;
use super::Detectors;

/// Entries of tables that one piece has at most: below 1 ms.
pub(super) const PIECE: usize = 4_096;

/// What a detector has taken so far.
pub type Begun = Box<dyn Any + Send>;

/// Makes the stored form of what was taken.
pub type Finish = Box<dyn FnOnce() -> Option<serde_json::Value> + Send>;

/// What a detector has after a piece.
pub enum Taken {
    /// More is to come.
    Part(Begun),
    /// It has all.
    All(Finish),
}

/// What has been taken of all detectors.
#[derive(Default)]
pub struct Learning {
    /// The detector that is next.
    next: usize,
    begun: Option<Begun>,
    done: Vec<(&'static str, Finish)>,
}

impl Learning {
    /// What was learned, by the detectors' names. This takes as long as it takes.
    #[must_use]
    pub fn finish(self) -> BTreeMap<String, serde_json::Value> {
        let learned = self.done.into_iter().filter_map(|(name, finish)| Some((name.to_owned(), finish()?)));
        learned.collect()
    }

    /// What one detector has learned, for tests.
    #[cfg(test)]
    pub(crate) fn of(name: &'static str, learned: serde_json::Value) -> Self {
        Self { done: vec![(name, Box::new(|| Some(learned)))], ..Self::default() }
    }
}

impl Detectors {
    /// Takes a piece of what detectors have learned; whether that was the last one.
    pub fn learn(&mut self, learning: &mut Learning) -> bool {
        let Some(detector) = self.detectors.get_mut(learning.next) else { return true };
        match detector.take(learning.begun.take()) {
            Taken::Part(begun) => learning.begun = Some(begun),
            Taken::All(finish) => {
                learning.done.push((detector.name(), finish));
                learning.next = learning.next.saturating_add(1);
            }
        }
        learning.next >= self.detectors.len()
    }

    /// All that detectors have learned, at once.
    #[must_use]
    pub fn learned(&mut self) -> BTreeMap<String, serde_json::Value> {
        let mut learning = Learning::default();
        while !self.learn(&mut learning) {}
        learning.finish()
    }
}

/// All of what one detector has learned.
#[cfg(test)]
pub(super) fn all<D: Detector + ?Sized>(detector: &mut D) -> Option<serde_json::Value> {
    let mut begun = None;
    loop {
        match detector.take(begun.take()) {
            Taken::Part(part) => begun = Some(part),
            Taken::All(finish) => return finish(),
        }
    }
}
