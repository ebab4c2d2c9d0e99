//! Stacks of VLAN tags and chains of IPv6 extension headers that are longer than any honest sender's.
//!
//! Linux strips any number of priority tags from a frame, and follows any number of destination options and routing
//! headers (established by experiment on 6.18: `tests/tests/kernel/datagrams`). A parser that stopped at the second
//! could be evaded. The walks here are loops off the ordinary path: in the kernel each is a function that the verifier
//! checks once, whoever calls it.

use super::Frame;
use super::extension::{extension_len, is_extension, next_header};

/// Maximum VLAN tags followed.
pub const MAX_TAGS: usize = 64;

/// Maximum IPv6 extension headers followed.
pub const MAX_EXTENSIONS: usize = 64;

/// Where a walk ended, packed into one number, which is what a kernel-side function can return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk(u64);

/// The same, for matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// This protocol, or `EtherType`, starts at this offset.
    At(u16, usize),
    /// The bytes end before the headers do.
    Truncated,
    /// There are more headers than the walk follows.
    TooDeep,
    /// A fragment header: what follows is part of a datagram.
    Fragment,
}

const FOUND: u64 = 1;
const TRUNCATED: u64 = 2;
const TOO_DEEP: u64 = 3;
const FRAGMENT: u64 = 4;

impl Walk {
    const fn at(protocol: u16, offset: usize) -> Self {
        // Offsets are those of readable bytes: far below 2^32.
        Self(FOUND << 56 | (protocol as u64) << 32 | offset as u64 & 0xffff_ffff)
    }

    const fn stopped(why: u64) -> Self {
        Self(why << 56)
    }

    /// The number.
    #[inline(always)]
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// From the number; an invalid one counts as a truncated frame.
    #[inline(always)]
    #[must_use]
    pub const fn of(number: u64) -> Self {
        Self(number)
    }

    /// Where it ended.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the fields of a packed number")]
    pub const fn ended(self) -> Ended {
        match self.0 >> 56 {
            FOUND => Ended::At((self.0 >> 32) as u16, (self.0 & 0xffff_ffff) as usize),
            TOO_DEEP => Ended::TooDeep,
            FRAGMENT => Ended::Fragment,
            _ => Ended::Truncated,
        }
    }
}

/// Whether an `EtherType` announces a VLAN tag: 802.1Q, 802.1ad, and the older QinQ type, which Linux leaves alone.
#[inline(always)]
#[must_use]
pub const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

/// Follows the tags from the one at `start` on, after `before` earlier ones.
#[inline(always)]
#[must_use]
pub fn tags<F: Frame + ?Sized>(frame: &F, start: usize, before: usize) -> Walk {
    let mut offset = start;
    for _ in before..MAX_TAGS {
        let Some(tag) = frame.bytes::<4>(offset) else { return Walk::stopped(TRUNCATED) };
        let ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        offset = F::forget(offset.wrapping_add(4), ethertype);
        if !is_tag(ethertype) {
            return Walk::at(ethertype, offset);
        }
    }
    Walk::stopped(TOO_DEEP)
}

/// Follows extension headers from `start` on; `first` announces the first of them.
#[inline(always)]
#[must_use]
pub fn extensions<F: Frame + ?Sized>(frame: &F, first: u8, start: usize) -> Walk {
    let mut protocol = first;
    let mut offset = start;
    for _ in 0..MAX_EXTENSIONS {
        let Some(header) = frame.bytes::<8>(offset) else { return Walk::stopped(TRUNCATED) };
        if protocol == next_header::FRAGMENT && u16::from_be_bytes([header[2], header[3]]) & 0xfff8 != 0 {
            return Walk::stopped(FRAGMENT);
        }
        let length = extension_len(protocol, header[1]);
        protocol = header[0];
        offset = F::forget(offset.wrapping_add(length), u16::from_be_bytes([header[0], header[1]]));
        if !is_extension(protocol) {
            return Walk::at(protocol as u16, offset);
        }
    }
    Walk::stopped(TOO_DEEP)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn numbers_are_read_back() {
        for (walk, ended) in [
            (Walk::at(0x86dd, 65_535), Ended::At(0x86dd, 65_535)),
            (Walk::at(6, 0), Ended::At(6, 0)),
            (Walk::stopped(TRUNCATED), Ended::Truncated),
            (Walk::stopped(TOO_DEEP), Ended::TooDeep),
            (Walk::stopped(FRAGMENT), Ended::Fragment),
            (Walk::of(0), Ended::Truncated),
        ] {
            assert_eq!(Walk::of(walk.number()).ended(), ended);
        }
    }

    #[test]
    fn both_bounds_are_exact() {
        let tag = |kind: u16| [0, 0, kind.to_be_bytes()[0], kind.to_be_bytes()[1]];
        let stack = |count: usize| -> Vec<u8> {
            (1..count).flat_map(|_| tag(0x8100)).chain(tag(0x0800)).chain([0; 64]).collect()
        };
        assert_eq!(tags(&*stack(64), 0, 0).ended(), Ended::At(0x0800, 256));
        assert_eq!(tags(&*stack(62), 0, 2).ended(), Ended::At(0x0800, 248));
        assert_eq!(tags(&*stack(65), 0, 0).ended(), Ended::TooDeep);
        assert_eq!(tags(&*stack(63), 0, 2).ended(), Ended::TooDeep);
        let chain = |count: usize| -> Vec<u8> {
            (0..count).flat_map(|n| [if n + 1 < count { 60 } else { 6 }, 0, 1, 4, 0, 0, 0, 0]).collect()
        };
        assert_eq!(extensions(&*chain(64), 60, 0).ended(), Ended::At(6, 512));
        assert_eq!(extensions(&*chain(65), 60, 0).ended(), Ended::TooDeep);
        assert_eq!(extensions(&chain(9)[..64], 60, 0).ended(), Ended::Truncated);
    }
}
