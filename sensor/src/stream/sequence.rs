//! Sequence numbers.

use std::cmp::Ordering;

/// A sequence number; compared modulo 2^32 (RFC 9293, section 3.4), so there is no order among any three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sequence(pub(super) u32);

impl Sequence {
    /// The number of the byte `count` later.
    #[inline]
    pub(super) const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// Bytes from `other` to this one; negative if this one is earlier.
    #[inline]
    pub(super) const fn minus(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// Bytes from `earlier` to this one; 0 if it is not earlier.
    #[inline]
    pub(super) const fn since(self, earlier: Self) -> u32 {
        if self.after(earlier) { self.0.wrapping_sub(earlier.0) } else { 0 }
    }

    #[inline]
    pub(super) const fn after(self, other: Self) -> bool {
        self.minus(other) > 0
    }

    #[inline]
    pub(super) const fn before(self, other: Self) -> bool {
        self.minus(other) < 0
    }

    #[inline]
    pub(super) const fn max(self, other: Self) -> Self {
        if other.after(self) { other } else { self }
    }

    #[inline]
    pub(super) const fn min(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }

    /// How it compares with one less than 2^31 away.
    #[inline]
    pub(super) fn compare(self, other: Self) -> Ordering {
        self.minus(other).cmp(&0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_across_the_wrap() {
        let late = Sequence(u32::MAX - 1);
        let early = late.plus(5);
        assert_eq!(early, Sequence(3));
        assert!(early.after(late) && late.before(early));
        assert_eq!(early.minus(late), 5);
        assert_eq!(early.since(late), 5);
        assert_eq!(late.since(early), 0);
        assert_eq!((late.max(early), late.min(early)), (early, late));
        assert_eq!(late.compare(early), Ordering::Less);
    }
}
