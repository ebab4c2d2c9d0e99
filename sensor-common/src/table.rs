//! Geometry of the client table: which buckets and ways may hold a key.
//!
//! A key has three candidate buckets of seven ways. One is near: in a small part of the table whose tags, slots and
//! address translations fit a CPU's caches, and where a key lives if there is room. A host with some ten thousand
//! clients never touches the rest. Of the two far buckets, the emptier takes the key (two-choice hashing; Mitzenmacher,
//! "The power of two choices in randomized load balancing", 2001), so that a table with a third to spare holds all its
//! clients. A bucket's seven 8-bit tags and its lock share one word, so that a source that is not in the table is
//! recognised with one or two loads from a small array, without touching a slot.

use crate::abi::{ClientKey, TagWord};

/// Ways of a bucket.
pub const WAYS: u32 = 7;

/// The lock bit of a tag word.
pub const LOCK: TagWord = 1;

/// The bit of a tag word that marks that some key of this bucket lives in the next of its buckets. It stays set; all it
/// costs is a look-up.
pub const OVERFLOW: TagWord = 2;

/// Ways in use from which a far bucket sends new keys to the other one, if that is emptier. Below this, a key that is
/// not in the table is recognised by its first far word.
pub const CROWDED: u64 = 3;

/// Whether a new key goes to its second far bucket, given how many ways of both are in use.
#[inline(always)]
#[must_use]
pub const fn prefers_second(first: u64, second: u64) -> bool {
    first >= CROWDED && second < first
}

/// Maximum near buckets: their tags take 128 KiB, their slots 7 MiB.
pub const MAX_NEAR: u32 = 1 << 14;

/// Near buckets of a table of `buckets`, at least 1; the far ones follow, at least 1 of them.
#[inline(always)]
#[must_use]
pub const fn near_buckets(buckets: u32) -> u32 {
    let quarter = buckets >> 2;
    if quarter > MAX_NEAR {
        MAX_NEAR
    } else if quarter == 0 {
        1
    } else {
        quarter
    }
}

/// Fingerprints in one word of the doorkeeper.
pub const DOORKEEPER_WAYS: u32 = 4;

/// The candidate buckets and the tag of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The near bucket, tried first; its lock guards admission of the key.
    pub near: u32,
    /// The first far bucket.
    pub first: u32,
    /// The second far bucket.
    pub second: u32,
    /// The tag, never 0.
    pub tag: u8,
    hash: u64,
}

impl Places {
    /// The candidates of a key in a table of `buckets` buckets, at least [`MIN_BUCKETS`].
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the halves and top byte of the hash are meant")]
    pub const fn of(key: ClientKey, seed: [u64; 2], buckets: u32) -> Self {
        let hash = mix(key, seed);
        let near = near_buckets(buckets);
        let far = buckets.wrapping_sub(near);
        let other = hash.wrapping_mul(0x9fb2_1c65_1e98_df25);
        let top = (other >> 56) as u8;
        Self {
            near: reduce(hash as u32, near),
            first: near.wrapping_add(reduce((hash >> 32) as u32, far)),
            second: near.wrapping_add(reduce((other >> 24) as u32, far)),
            tag: if top == 0 { 1 } else { top },
            hash,
        }
    }

    /// The doorkeeper's word index (before masking) and 16-bit fingerprint, never 0.
    #[inline(always)]
    #[must_use]
    pub const fn doorkeeper(&self) -> (u32, u64) {
        let mixed = self.hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
        let fingerprint = mixed & 0xffff;
        ((mixed >> 32) as u32, if fingerprint == 0 { 1 } else { fingerprint })
    }
}

/// Clients that can be marked because prefixes within their networks are longer; each takes some 100 bytes.
pub const MARKS: u32 = 4_096;

/// Budgets for the networks of sources without a place in the table: one for each IPv4 /16, and 16,384 for IPv6.
pub const NETWORKS: u32 = (1 << 16) + (1 << 14);

/// Which budget a source without a place uses: one for each IPv4 /16, and for IPv6 one of the /32s (the smallest
/// allocation of a provider, RIPE-738) that a keyed hash puts together.
#[inline(always)]
#[must_use]
pub const fn network(source: ClientKey, seed: [u64; 2]) -> u32 {
    match source.to_v4() {
        Some(address) => address >> 16,
        None => 1 << 16 | (mix(ClientKey { hi: source.hi >> 32, lo: 0 }, seed) >> 50) as u32,
    }
}

/// Budgets of sites: 512 KiB. Only sites that owe something keep a place, mostly for milliseconds: a packet costs its site
/// a fraction of what it costs its client.
pub const SITES: u32 = 1 << 13;

/// Whose budget a client uses besides its own: that of its IPv4 /24 or IPv6 /48, for each set of limits. A /48 is what
/// one customer may be given (RFC 6177), and has 65,536 networks that each count as a client. `None` for link-local
/// addresses: all of a link share one prefix.
///
/// Clients with different limits do not share: a debt under one limit is no debt under another with a shorter burst, so
/// either could clear the other's.
#[inline(always)]
#[must_use]
pub const fn site(client: ClientKey, scope: u16) -> Option<u64> {
    // No IPv6 site begins like this: these addresses are link-local.
    const V4: u64 = 0xfe80 << 32;
    let network = match client.to_v4() {
        Some(address) => V4 | (address >> 8) as u64,
        None if client.is_link_local() => return None,
        None => client.hi >> 16,
    };
    Some(network << 16 | scope as u64)
}

/// The two places that may hold the budget of a site.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "parts of the hash are meant")]
pub const fn site_places(site: u64, seed: [u64; 2]) -> [u32; 2] {
    let hash = mix(ClientKey { hi: site, lo: 0 }, seed);
    [(hash >> 32) as u32 & (SITES - 1), hash as u32 & (SITES - 1)]
}

/// Maps 32 bits evenly onto `0..buckets` without a division (Lemire, "Fast random integer generation in an
/// interval", 2019).
#[inline(always)]
const fn reduce(hash: u32, buckets: u32) -> u32 {
    ((hash as u64).wrapping_mul(buckets as u64) >> 32) as u32
}

/// A keyed multiply-and-shift mix. Not cryptographic: senders cannot observe where a key lands.
#[inline(always)]
const fn mix(key: ClientKey, seed: [u64; 2]) -> u64 {
    let mut hash = (key.hi ^ seed[0]).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^= hash >> 32;
    hash = (hash ^ key.lo ^ seed[1]).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 32)
}

/// Index of the first slot of a bucket.
#[inline(always)]
#[must_use]
pub const fn first_slot(bucket: u32) -> u32 {
    bucket.wrapping_mul(WAYS)
}

/// The tag of a way, counted from 0.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "one byte is meant")]
pub const fn tag_of(word: TagWord, way: u32) -> u8 {
    (word >> way_shift(way)) as u8
}

/// The word with the tag of a way replaced.
#[inline(always)]
#[must_use]
pub const fn with_tag(word: TagWord, way: u32, tag: u8) -> TagWord {
    let shift = way_shift(way);
    (word & !(0xff << shift)) | ((tag as u64) << shift)
}

/// A word whose bits 15, 23 … 63 are set where the tag of way 0, 1 … 6 equals `tag`.
///
/// A way above a true match may be marked too (borrow of the subtraction): callers compare the key anyway.
#[inline(always)]
#[must_use]
pub const fn matches(word: TagWord, tag: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let different = word ^ ONES.wrapping_mul(tag as u64);
    different.wrapping_sub(ONES) & !different & 0x8080_8080_8080_8000
}

/// The way of the lowest mark in a non-zero result of [`matches`], and the result without it.
#[inline(always)]
#[must_use]
pub const fn next_match(marks: u64) -> (u32, u64) {
    // The lowest mark is 2^(8k+7) for byte k; the multiplication moves entry k of a table to the top byte.
    // The BPF target has no instruction that counts trailing zeros.
    let lowest = marks & marks.wrapping_neg();
    let byte = (lowest >> 7).wrapping_mul(0x0001_0203_0405_0607) >> 56;
    ((byte as u32).wrapping_sub(1), marks & marks.wrapping_sub(1))
}

/// Ways in use, from the tags alone and without a branch.
#[inline(always)]
#[must_use]
pub const fn occupied(word: TagWord) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f00;
    let used = (((word & LOW).wrapping_add(LOW)) | word) & 0x8080_8080_8080_8000;
    (used >> 7).wrapping_mul(0x0101_0101_0101_0101) >> 56
}

#[inline(always)]
const fn way_shift(way: u32) -> u32 {
    way.wrapping_mul(8).wrapping_add(8)
}

/// The smallest table: one near bucket and one far one.
pub const MIN_BUCKETS: u32 = 2;

/// Buckets that hold `clients` in 64 % of the ways, at least [`MIN_BUCKETS`].
///
/// At two thirds, one in a million clients finds both its far buckets full.
#[must_use]
pub const fn buckets_for(clients: u32) -> u32 {
    let ways = clients.saturating_add(clients / 2).saturating_add(clients / 16);
    let buckets = ways.div_ceil(WAYS);
    if buckets < MIN_BUCKETS { MIN_BUCKETS } else { buckets }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_matching_way_is_found(word: u64, tag in 1_u8..) {
            let mut marks = matches(word, tag);
            let mut found = [false; WAYS as usize];
            while marks != 0 {
                let (way, rest) = next_match(marks);
                found[way as usize] = true;
                marks = rest;
            }
            for way in 0..WAYS {
                prop_assert!(found[way as usize] || tag_of(word, way) != tag);
            }
        }

        #[test]
        fn tags_are_written_where_they_are_read(word: u64, way in 0..WAYS, tag: u8) {
            let written = with_tag(word, way, tag);
            prop_assert_eq!(tag_of(written, way), tag);
            prop_assert_eq!(written & 0xff, word & 0xff);
            let used = (0..WAYS).filter(|way| tag_of(written, *way) != 0).count() as u64;
            prop_assert_eq!(occupied(written), used);
            for other in (0..WAYS).filter(|other| *other != way) {
                prop_assert_eq!(tag_of(written, other), tag_of(word, other));
            }
        }

        #[test]
        fn places_are_in_range(hi: u64, lo: u64, seed: [u64; 2], buckets in MIN_BUCKETS..1 << 28) {
            let places = Places::of(ClientKey { hi, lo }, seed, buckets);
            let near = near_buckets(buckets);
            prop_assert!(places.near < near && places.tag != 0);
            prop_assert!((near..buckets).contains(&places.first) && (near..buckets).contains(&places.second));
        }
    }

    #[test]
    fn sites_are_told_apart_by_network_and_limits() {
        let of = |text: &str, scope| {
            let octets = match text.parse::<std::net::IpAddr>().unwrap() {
                std::net::IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                std::net::IpAddr::V6(address) => address.octets(),
            };
            let half = |from: usize| u64::from_be_bytes(*octets[from..].first_chunk().unwrap());
            site(ClientKey { hi: half(0), lo: half(8) }, scope)
        };
        for (one, other) in [
            ("192.0.2.1", "192.0.2.255"),
            ("2001:db8:1::1", "2001:db8:1:ffff::9"),
            ("fd00:1:2:3::1", "fd00:1:2:4::1"),
        ] {
            assert_eq!(of(one, 3), of(other, 3));
            assert_ne!(of(one, 3), of(other, 4));
        }
        for (one, other) in [
            ("192.0.2.1", "192.0.3.1"),
            ("2001:db8:1::1", "2001:db8:2::1"),
            ("0.0.0.1", "::1"),
            ("192.0.2.1", "0:c0:2::1"),
        ] {
            assert!(of(one, 0).is_some() && of(one, 0) != of(other, 0), "{one} {other}");
        }
        assert_eq!(of("fe80::1", 0), None);
    }

    #[test]
    fn sites_have_two_places_each() {
        let places = |number: u64| site_places(number << 16, [7, 11]);
        let both = (0..10_000).map(places);
        assert!(both.clone().flatten().all(|place| place < SITES));
        assert!(both.filter(|[first, second]| first == second).count() < 10);
    }

    /// Clients refused, and clients in near buckets.
    fn fill(clients: u32) -> (u32, u32) {
        let buckets = buckets_for(clients);
        let mut load = vec![0_u32; buckets as usize];
        let (mut refused, mut near) = (0, 0);
        for address in 0..clients {
            let places = Places::of(ClientKey::from_v4(0x0a00_0000 + address), [7, 11], buckets);
            let (first, second) = (load[places.first as usize], load[places.second as usize]);
            let far = if prefers_second(first.into(), second.into()) { places.second } else { places.first };
            let is_near = load[places.near as usize] < WAYS;
            let chosen = if is_near { places.near } else { far };
            if load[chosen as usize] < WAYS {
                load[chosen as usize] += 1;
                near += u32::from(is_near);
            } else {
                refused += 1;
            }
        }
        (refused, near)
    }

    #[test]
    fn networks_have_budgets_of_their_own() {
        let v4 = |a: u32| network(ClientKey::from_v4(a), [7, 11]);
        assert_eq!((v4(0x0a01_0000), v4(0x0a01_ffff), v4(0x0a02_0000)), (0x0a01, 0x0a01, 0x0a02));
        let v6 = |hi: u64| network(ClientKey { hi, lo: 9 }, [7, 11]);
        let first = v6(0x2001_0db8_0000_0000);
        assert_eq!(v6(0x2001_0db8_ffff_ffff), first);
        assert_ne!(v6(0x2001_0db9_0000_0000), first);
        assert!((1 << 16..NETWORKS).contains(&first));
    }

    #[test]
    fn a_sized_table_takes_all_its_clients() {
        for clients in [20_000, 200_000, 1_000_000] {
            assert_eq!(fill(clients).0, 0, "of {clients} consecutive addresses");
        }
    }

    #[test]
    fn few_clients_of_a_large_table_are_near() {
        let buckets = buckets_for(1_000_000);
        let mut load = vec![0_u32; near_buckets(buckets) as usize];
        for address in 0..60_000 {
            let places = Places::of(ClientKey::from_v4(0x0a00_0000 + address), [7, 11], buckets);
            load[places.near as usize] += 1;
        }
        let near: u32 = load.iter().map(|keys| (*keys).min(WAYS)).sum();
        assert!(near > 58_000, "{near}");
    }
}
