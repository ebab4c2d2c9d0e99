//! Why something does not work at present.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nothing, or the last reason. Shared by a task and whoever reports.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    fn why(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It does not work. Returns whether it did, or failed for another reason before.
    pub(super) fn tell(&self, why: String) -> bool {
        let mut told = self.why();
        let is_news = told.as_ref() != Some(&why);
        *told = Some(why);
        is_news
    }

    /// It works.
    pub(super) fn clear(&self) {
        *self.why() = None;
    }

    /// Why it does not.
    pub(super) fn get(&self) -> Option<String> {
        self.why().clone()
    }
}
