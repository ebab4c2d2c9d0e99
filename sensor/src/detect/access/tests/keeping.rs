//! What is learned is taken a piece at a time.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use super::*;
use crate::detect::learning::{PIECE, Taken};

const PEOPLE: u32 = 20_000;

/// Many principals, and an order of each.
fn crowd(detector: &mut Access) {
    for who in 0..PEOPLE {
        assert!(order(detector, u64::from(who), who, who).is_empty());
    }
}

/// What is in a file, in bytes.
fn sizes(learned: &serde_json::Value) -> [usize; 2] {
    ["people", "objects"].map(|part| learned["known"][part].as_str().map_or(0, str::len) * 3 / 4)
}

#[test]
fn pieces_are_what_all_at_once_is() {
    let mut detector = detector();
    crowd(&mut detector);
    let (mut begun, mut pieces) = (None, 0_usize);
    let learned = loop {
        match detector.take(begun.take()) {
            Taken::Part(part) => begun = Some(part),
            Taken::All(finish) => break finish().unwrap(),
        }
        pieces += 1;
    };
    // Of each principal an entry of 42 bytes, of each order one of 23.
    assert_eq!(sizes(&learned), [PEOPLE as usize * 42, PEOPLE as usize * 23]);
    assert!(pieces >= 2 * PEOPLE as usize / PIECE, "{pieces} pieces");
    assert_eq!(learned, all(&mut detector).unwrap());
}

/// Exchanges come between the pieces, and principals that are new.
#[test]
fn nobody_is_left_out_who_was_there() {
    let mut first = detector();
    crowd(&mut first);
    let (mut begun, mut others) = (None, PEOPLE..);
    let learned = loop {
        match first.take(begun.take()) {
            Taken::Part(part) => begun = Some(part),
            Taken::All(finish) => break finish().unwrap(),
        }
        for who in others.by_ref().take(100) {
            order(&mut first, u64::from(who), who, who);
        }
    };
    let people = entries(&learned, "people", 42, 0);
    let owners = entries(&learned, "objects", 23, 8);
    let all: Vec<Who> = (0..PEOPLE).map(|who| number_of(api_key(who))).collect();
    assert!(all.iter().all(|who| people.contains(who)), "principals");
    assert!(all.iter().all(|who| owners.contains(who)), "owners of orders");
    assert_eq!(detector().restore(&learned), Ok(()));
}

/// A principal in each entry of a table in a file.
fn entries(learned: &serde_json::Value, part: &str, size: usize, at: usize) -> BTreeSet<Who> {
    let bytes = BASE64_STANDARD_NO_PAD.decode(learned["known"][part].as_str().unwrap()).unwrap();
    let entries = bytes.chunks_exact(size);
    entries.map(|entry| Who::from_le_bytes(entry[at..at + 4].try_into().unwrap())).collect()
}
