//! What most elements of a stream have in common.
//!
//! R. S. Boyer, J. S. Moore, "MJRTY: a fast majority vote algorithm" (1981/1991): one candidate and one count find a
//! stream's majority, if there is one. The count is bounded, so that a new majority is found soon.

/// A candidate for the majority.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Majority {
    candidate: u64,
    lead: u8,
}

impl Majority {
    /// One more vote.
    pub(crate) const fn vote(&mut self, value: u64) {
        if self.lead == 0 {
            self.candidate = value;
        }
        self.lead =
            if self.candidate == value { self.lead.saturating_add(1) } else { self.lead.saturating_sub(1) };
    }

    /// Whether a value leads clearly.
    pub(crate) const fn is(&self, value: u64) -> bool {
        self.candidate == value && self.lead > 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_leads_and_a_mixture_does_not() {
        let mut majority = Majority::default();
        for value in [1, 1, 2, 1, 1, 3, 1] {
            majority.vote(value);
        }
        assert!(majority.is(1) && !majority.is(2));
        let mut mixture = Majority::default();
        (0..100).for_each(|value| mixture.vote(value));
        assert!((0..100).all(|value| !mixture.is(value)));
    }
}
