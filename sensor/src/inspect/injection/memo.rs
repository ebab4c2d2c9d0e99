//! Values known to be harmless: clients repeat the same headers and cookies.

/// Slots of the table.
const PLACES: usize = 1 << 14;

/// Longest value remembered.
const LONGEST: usize = 1 << 10;

/// A direct-mapped table of keyed hashes, so that nobody can construct a value that collides with another.
pub(super) struct Memo {
    hashes: ahash::RandomState,
    places: Vec<u64>,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self { hashes: ahash::RandomState::new(), places: vec![0; PLACES] }
    }

    /// The hash of a value; none if it is too long to remember. `place` separates equal texts that are judged differently.
    #[inline]
    pub(super) fn hash(&self, place: u8, text: &[u8]) -> Option<u64> {
        (text.len() <= LONGEST).then(|| self.hashes.hash_one((place, text)))
    }

    #[inline]
    pub(super) fn is_known(&self, hash: u64) -> bool {
        self.places.get(at(hash)) == Some(&hash)
    }

    pub(super) fn clear(&mut self) {
        self.places.fill(0);
    }

    pub(super) fn note(&mut self, hash: u64) {
        if let Some(place) = self.places.get_mut(at(hash)) {
            *place = hash;
        }
    }
}

fn at(hash: u64) -> usize {
    usize::try_from(hash).unwrap_or_default() & (PLACES - 1)
}
