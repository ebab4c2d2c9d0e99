//! Header blocks that were inspected before. Many clients send the same headers with every request; one hash of the whole
//! block then replaces the walk over them.

use std::hash::BuildHasher as _;

/// Slots of the table. A block with a request id is never looked up again and only takes another one's slot.
const PLACES: usize = 1 << 12;
/// Longest block remembered: common servers accept no more.
const LONGEST: usize = 8 << 10;

/// No value in it led to a finding.
const CLEAN: u64 = 1;
/// It has neither credentials nor a referrer with a query.
const BARE: u64 = 2;

/// A direct-mapped table of keyed hashes, so that nobody can construct a block that collides with another.
pub(super) struct Blocks {
    hashes: foldhash::quality::RandomState,
    places: Box<[u64]>,
}

/// What is known of a block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    hash: Option<u64>,
    /// No value in it leads to a finding.
    pub(super) is_clean: bool,
    /// It has neither credentials nor a referrer with a query.
    pub(super) is_bare: bool,
}

impl Blocks {
    pub(super) fn new() -> Self {
        Self { hashes: foldhash::quality::RandomState::default(), places: vec![0; PLACES].into_boxed_slice() }
    }

    /// What is known of a block.
    #[inline]
    pub(super) fn look(&self, block: Option<&[u8]>) -> Seen {
        let Some(block) = block.filter(|block| block.len() <= LONGEST) else { return Seen::default() };
        let hash = self.hashes.hash_one(block) & !(CLEAN | BARE);
        let place = self.places.get(at(hash)).copied().unwrap_or_default();
        let flags = if place & !(CLEAN | BARE) == hash { place } else { 0 };
        Seen { hash: Some(hash), is_clean: flags & CLEAN != 0, is_bare: flags & BARE != 0 }
    }

    /// Remembers the result for a block.
    pub(super) fn note(&mut self, seen: Seen) {
        let flags = if seen.is_clean { CLEAN } else { 0 } | if seen.is_bare { BARE } else { 0 };
        if let Some(hash) = seen.hash
            && flags != 0
            && let Some(place) = self.places.get_mut(at(hash))
        {
            *place = hash | flags;
        }
    }
}

/// From the high bits of the hash; the low ones hold flags.
fn at(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or_default() & (PLACES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_known_for_what_was_noted_of_it() {
        let mut blocks = Blocks::new();
        let seen = blocks.look(Some(b"Host: a"));
        assert!(!seen.is_clean && !seen.is_bare);
        blocks.note(Seen { is_clean: true, ..seen });
        let again = blocks.look(Some(b"Host: a"));
        assert!(again.is_clean && !again.is_bare);
        assert!(!blocks.look(Some(b"Host: b")).is_clean);
        blocks.note(Seen { is_bare: true, ..again });
        assert!(blocks.look(Some(b"Host: a")).is_bare);
        assert!(!blocks.look(None).is_clean && !blocks.look(Some(&[b'a'; LONGEST + 1])).is_clean);
    }
}
