//! Every shape of two overlapping segments, under every policy.
//!
//! That `Linux` is what Linux does is established in `tests/linux_overlaps.rs`.

use super::*;

/// Sends what is given out of order, then the bytes that are missing before it as dots.
fn waiting(policy: OverlapPolicy, segments: &[(u32, &str)]) -> (String, Counters) {
    let mut wire = Wire::established(Config { overlap: policy, ..Config::default() });
    for (offset, data) in segments {
        wire.client(*offset, data.as_bytes());
    }
    let first = segments.iter().map(|(offset, _)| *offset).min().unwrap_or(0);
    wire.client(0, &vec![b'.'; first as usize]);
    let counters = wire.counters().clone();
    let mut text = String::new();
    for told in wire.finish() {
        match told {
            Told::Data(Side::Client, data) => text.push_str(std::str::from_utf8(&data).unwrap()),
            Told::Missing(_, length, _) => text.push_str(&"?".repeat(usize::try_from(length).unwrap())),
            Told::Data(..) | Told::Open { .. } | Told::End(_) | Told::Close(_) => {}
        }
    }
    (text, counters)
}

/// The shapes: name, the later segment (the earlier is `aaaa` at byte 4), and what is read under the rules of
/// `first`, `bsd`, `old-linux`, `linux`, `solaris`, `last`.
const SHAPES: [(&str, u32, &str, [&str; 6]); 13] = [
    ("before the start, to the start", 2, "bb", ["..bbaaaa"; 6]),
    (
        "before the start, into it",
        2,
        "bbbb",
        ["..bbaaaa", "..bbbbaa", "..bbbbaa", "..bbbbaa", "..bbaaaa", "..bbbbaa"],
    ),
    (
        "before the start, to the end",
        2,
        "bbbbbb",
        ["..bbaaaa", "..bbbbbb", "..bbbbbb", "..bbbbbb", "..bbbbbb", "..bbbbbb"],
    ),
    (
        "before the start, beyond the end",
        2,
        "bbbbbbbb",
        ["..bbaaaabb", "..bbbbbbbb", "..bbbbbbbb", "..bbbbbbbb", "..bbbbbbbb", "..bbbbbbbb"],
    ),
    (
        "at the start, into it",
        4,
        "bb",
        ["....aaaa", "....aaaa", "....aaaa", "....aaaa", "....aaaa", "....bbaa"],
    ),
    ("the same extent", 4, "bbbb", ["....aaaa", "....aaaa", "....bbbb", "....aaaa", "....bbbb", "....bbbb"]),
    (
        "at the start, beyond the end",
        4,
        "bbbbbb",
        ["....aaaabb", "....aaaabb", "....bbbbbb", "....bbbbbb", "....bbbbbb", "....bbbbbb"],
    ),
    ("within", 5, "bb", ["....aaaa", "....aaaa", "....aaaa", "....aaaa", "....aaaa", "....abba"]),
    (
        "after the start, to the end",
        6,
        "bb",
        ["....aaaa", "....aaaa", "....aaaa", "....aaaa", "....aaaa", "....aabb"],
    ),
    (
        "after the start, beyond the end",
        6,
        "bbbb",
        ["....aaaabb", "....aaaabb", "....aaaabb", "....aaaabb", "....aabbbb", "....aabbbb"],
    ),
    ("at the end", 8, "bb", ["....aaaabb"; 6]),
    ("after the end", 9, "bb", ["....aaaa?bb"; 6]),
    (
        "from the first byte",
        0,
        "bbbbbb",
        ["bbbbaaaa", "bbbbbbaa", "bbbbbbaa", "bbbbbbaa", "bbbbaaaa", "bbbbbbaa"],
    ),
];

const fn column(policy: OverlapPolicy) -> usize {
    match policy {
        OverlapPolicy::First | OverlapPolicy::Vista | OverlapPolicy::BsdRight => 0,
        OverlapPolicy::Bsd
        | OverlapPolicy::Hpux10
        | OverlapPolicy::Irix
        | OverlapPolicy::Macos
        | OverlapPolicy::Windows => 1,
        OverlapPolicy::OldLinux => 2,
        OverlapPolicy::Linux => 3,
        OverlapPolicy::OldSolaris | OverlapPolicy::Solaris | OverlapPolicy::Hpux11 => 4,
        OverlapPolicy::Last => 5,
    }
}

#[test]
fn every_shape_under_every_policy() {
    for policy in OverlapPolicy::ALL {
        for (name, offset, data, expected) in SHAPES {
            let (text, counters) = waiting(policy, &[(4, "aaaa"), (offset, data)]);
            assert_eq!(text, expected[column(policy)], "{name}, {}", policy.label());
            let overlaps =
                u64::from(!matches!(name, "before the start, to the start" | "at the end" | "after the end"));
            assert_eq!((counters.overlaps, counters.conflicting_overlaps), (overlaps, overlaps), "{name}");
        }
    }
}

#[test]
fn names_lead_back_to_their_policies() {
    for policy in OverlapPolicy::ALL {
        assert_eq!(OverlapPolicy::from_label(policy.label()), Some(policy));
    }
    assert_eq!(OverlapPolicy::from_label("plan9"), None);
}

#[test]
fn equal_overlaps_are_no_conflict() {
    let (text, counters) = waiting(OverlapPolicy::Linux, &[(1, "bcd"), (2, "cdef"), (1, "bcdefg")]);
    assert_eq!(text, ".bcdefg");
    assert_eq!((counters.overlaps, counters.conflicting_overlaps), (2, 0));
}

#[test]
fn one_segment_over_several() {
    let segments = [(2, "aa"), (6, "bb"), (10, "cc"), (1, "dddddddddd")];
    assert_eq!(waiting(OverlapPolicy::First, &segments).0, ".daaddbbddcc");
    assert_eq!(waiting(OverlapPolicy::Last, &segments).0, ".ddddddddddc");
    assert_eq!(waiting(OverlapPolicy::Linux, &segments).0, ".ddddddddddc");
    assert_eq!(waiting(OverlapPolicy::Solaris, &segments).0, ".dddddddddcc");
}

#[test]
fn one_segment_across_the_hole_between_two() {
    let segments = [(1, "aaa"), (6, "bbb"), (2, "cccccc")];
    assert_eq!(waiting(OverlapPolicy::First, &segments).0, ".aaaccbbb");
    assert_eq!(waiting(OverlapPolicy::Last, &segments).0, ".accccccb");
    assert_eq!(waiting(OverlapPolicy::Linux, &segments).0, ".aaaccccb");
}

#[test]
fn a_neighbour_joined_counts_from_where_the_other_began() {
    // The second is at the end of the first; the third begins before the second, but not before what both are.
    let segments = [(2, "aa"), (4, "bb"), (3, "cccc")];
    assert_eq!(waiting(OverlapPolicy::Linux, &segments).0, "..aabbc");
    assert_eq!(waiting(OverlapPolicy::Bsd, &segments).0, "..aaccc");
}

#[test]
fn a_neighbour_behind_an_older_segment_is_not_joined() {
    // As read by Linux 6.18: `a` is met before `b`, which `d` would otherwise become part of.
    let segments = [(5, "aaa"), (1, "bbbbb"), (12, "ccccc"), (6, "ddd")];
    assert_eq!(waiting(OverlapPolicy::Linux, &segments).0, ".bbbbbaad???ccccc");
}

#[test]
fn what_is_in_order_may_still_win_over_what_waits() {
    for (policy, expected) in [
        (OverlapPolicy::Linux, "bbbbbb"),
        (OverlapPolicy::First, "bbaabb"),
        (OverlapPolicy::Solaris, "bbbbbb"),
    ] {
        assert_eq!(waiting(policy, &[(2, "aa"), (0, "bbbbbb")]).0, expected, "{}", policy.label());
    }
}

#[test]
fn what_was_delivered_stays() {
    for policy in OverlapPolicy::ALL {
        let mut wire = Wire::established(Config { overlap: policy, ..Config::default() });
        wire.client(0, b"aaaa");
        wire.client(0, b"bbbb");
        wire.client(2, b"bbbb");
        assert_eq!(wire.take(), [client(b"aaaabb")], "{}", policy.label());
    }
}
