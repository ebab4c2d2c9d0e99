//! Tag words of the client table's buckets, and their locks.

use sensor_common::abi::TagWord;
use sensor_common::table::{LOCK, OVERFLOW, with_tag};

use crate::atomic;
use crate::maps::TAGS;

/// Reads a word.
#[inline(always)]
pub(crate) fn read(word: *mut TagWord) -> TagWord {
    // SAFETY: a word of the tags; other CPUs change it concurrently, hence volatile.
    unsafe { word.read_volatile() }
}

/// A bucket whose lock this CPU holds.
pub(crate) struct Locked {
    /// The bucket.
    pub(crate) index: u32,
    /// Its word.
    pub(crate) word: *mut TagWord,
}

impl Locked {
    /// Takes the lock if it is free; waiting is not possible here.
    #[inline(always)]
    pub(crate) fn take(index: u32) -> Option<Self> {
        let word = TAGS.get_ptr_mut(index)?;
        let free = read(word) & !LOCK;
        // SAFETY: a word of the tags.
        let found = unsafe { atomic::compare_exchange(word, free, free | LOCK) };
        if found == free { Some(Self { index, word }) } else { None }
    }

    /// The word as it is now.
    #[inline(always)]
    pub(crate) fn word(&self) -> TagWord {
        read(self.word)
    }

    /// Only the holder of the lock changes the word, so the exchange succeeds. It serves as a barrier: writes to the
    /// slot become visible before its tag.
    #[inline(always)]
    pub(crate) fn set_tag(&self, way: u32, tag: u8) {
        let word = self.word();
        // SAFETY: a word of the tags.
        unsafe { atomic::compare_exchange(self.word, word, with_tag(word, way, tag)) };
    }

    /// Marks that a key of this bucket lives in the next of its buckets, before that key's tag is set there.
    #[inline(always)]
    pub(crate) fn mark_overflow(&self) {
        let word = self.word();
        // SAFETY: a word of the tags.
        unsafe { atomic::compare_exchange(self.word, word, word | OVERFLOW) };
    }

    /// Ends the lock.
    #[inline(always)]
    pub(crate) fn release(&self) {
        let word = self.word();
        // SAFETY: a word of the tags.
        unsafe { atomic::compare_exchange(self.word, word, word & !LOCK) };
    }
}
