//! What functions are by their names, worked out once for each: searching a template for words takes longer than all look-ups
//! of an exchange that finds everything in the cache.

use super::bfla::is_powerful;
use super::business_flow::Flow;

/// Functions that are remembered, in sets of a cache line each: more than most sites have.
const SETS: usize = 512;
const WAYS: usize = 8;

/// Bits of a word below the hash of its function: whether there is one, whether it is powerful, and the flow.
const LOW: u64 = 0xff;
const THERE: u64 = 0x80;
const POWERFUL: u64 = 0x40;
const FLOW: u64 = 0x0f;

/// What a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nature {
    /// See [`is_powerful`].
    pub(super) is_powerful: bool,
    /// The flow of the business that it is.
    pub(super) flow: Option<Flow>,
}

/// What many functions are.
pub(super) struct Natures(Vec<[u64; WAYS]>);

impl Natures {
    pub(super) fn new() -> Self {
        Self(vec![[0; WAYS]; SETS])
    }

    /// Of a function, by its hash.
    #[inline]
    pub(super) fn of(&mut self, function: u64, method: Option<&str>, route: &str) -> Nature {
        let wanted = (function & !LOW) | THERE;
        let set = self.0.get(Self::set(function));
        match set.and_then(|set| set.iter().find(|word| **word & (!LOW | THERE) == wanted)) {
            Some(word) => Nature::from_bits(*word),
            None => self.add(function, Nature::of(method, route)),
        }
    }

    /// Not by the lowest bits, which a word does not keep.
    fn set(function: u64) -> usize {
        usize::try_from(function >> 8).unwrap_or_default() & SETS.saturating_sub(1)
    }

    /// In place of the one that came first.
    #[cold]
    fn add(&mut self, function: u64, nature: Nature) -> Nature {
        if let Some(set) = self.0.get_mut(Self::set(function)) {
            set.rotate_right(1);
            if let Some(first) = set.first_mut() {
                *first = (function & !LOW) | nature.bits();
            }
        }
        nature
    }
}

impl Nature {
    fn of(method: Option<&str>, route: &str) -> Self {
        Self { is_powerful: is_powerful(method, route), flow: Flow::of(method, route) }
    }

    fn bits(self) -> u64 {
        let flow = Flow::ALL.iter().position(|flow| Some(*flow) == self.flow);
        let flow = flow.and_then(|place| u64::try_from(place.saturating_add(1)).ok()).unwrap_or_default();
        let powerful = if self.is_powerful { POWERFUL } else { 0 };
        THERE | powerful | (flow & FLOW)
    }

    #[inline]
    fn from_bits(bits: u64) -> Self {
        let flow = usize::try_from(bits & FLOW).ok().and_then(|number| number.checked_sub(1));
        Self { is_powerful: bits & POWERFUL != 0, flow: flow.and_then(|place| Flow::ALL.get(place).copied()) }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use foldhash::quality::FixedState;

    use super::*;

    #[test]
    fn what_is_remembered_is_what_is_worked_out() {
        let (hasher, mut natures) = (FixedState::with_seed(3), Natures::new());
        let routes: Vec<String> = ["register", "reset", "coupons", "pay", "stock", "orders", "admin"]
            .iter()
            .flat_map(|word| (0..600).map(move |number| format!("/api/{word}/t{number}")))
            .collect();
        // Twice: then some are remembered, and some have lost their places.
        for _ in 0..2 {
            for (route, method) in routes.iter().flat_map(|route| [(route, "GET"), (route, "POST")]) {
                let function = hasher.hash_one((method, route));
                assert_eq!(
                    natures.of(function, Some(method), route),
                    Nature::of(Some(method), route),
                    "{route}"
                );
            }
        }
        let all: Vec<_> = routes.iter().filter_map(|route| Nature::of(Some("POST"), route).flow).collect();
        assert!(Flow::ALL.iter().filter(|flow| **flow != Flow::Lookup).all(|flow| all.contains(flow)));
    }
}
