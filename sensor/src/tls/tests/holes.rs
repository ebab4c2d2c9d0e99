//! Connections of which parts are missing.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

/// A conversation with large bodies on both sides: each byte tells where it stands.
fn talks() -> &'static [Talk] {
    static TALKS: OnceLock<Vec<Talk>> = OnceLock::new();
    TALKS.get_or_init(|| {
        let numbered = |count: u32| (0..count).flat_map(|number| format!("{number:07}\n").into_bytes());
        let body: Vec<u8> = numbered(6_250).collect();
        let response = [b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n", &body[..]].concat();
        let request = [b"POST /upload HTTP/1.1\r\nContent-Length: 50000\r\n\r\n", &body[..]].concat();
        let turns = [TURNS[0], (TURNS[2].0, &response[..]), (&request[..], TURNS[1].1), TURNS[0], TURNS[2]];
        suites().into_iter().map(|suite| talk(suite, &turns)).collect()
    })
}

/// Every piece that was told stands in what was said, in order.
fn in_order(told: &[Piece], said: &[u8]) -> bool {
    let mut rest = said;
    told.iter().all(|piece| match piece {
        Piece::Missing(_) => true,
        Piece::Bytes(bytes) => {
            let found = memchr::memmem::find(rest, bytes);
            if let Some(at) = found {
                rest = &rest[at + bytes.len()..];
            }
            found.is_some()
        }
    })
}

/// Plays a talk in segments of which only the first bytes are there, as the mirror copies them.
fn snapped(talk: &Talk, segment: usize, snap: usize) -> Wire {
    let mut wire = Wire::knowing(talk);
    for (side, flight) in &talk.flights {
        for piece in flight.chunks(segment) {
            let (there, missing) = piece.split_at(snap.min(piece.len()));
            wire.data(*side, there);
            if !missing.is_empty() {
                wire.missing(*side, missing.len() as u64);
            }
        }
    }
    wire
}

#[test]
fn heads_of_messages_are_read_with_a_snap_length() {
    for talk in talks() {
        for (segment, snap) in [(65_000, 4_096), (65_000, 1_500), (20_000, 4_096), (9_000, 2_000)] {
            let mut wire = snapped(talk, segment, snap);
            let context = format!("{segment} {snap}: {:?}", wire.tls.counters());
            let (client, server) = (wire.read(Side::Client), wire.read(Side::Server));
            for head in [&b"GET /first"[..], b"GET /third", b"POST /upload"] {
                let count = memchr::memmem::find_iter(&client, head).count();
                let expected = memchr::memmem::find_iter(&talk.inside[0], head).count();
                assert_eq!(count, expected, "{context}");
            }
            let count = memchr::memmem::find_iter(&server, b"HTTP/1.1 ").count();
            assert_eq!(count, 5, "{context}");
            assert!(in_order(&wire.tls.inner().told[0], &talk.inside[0]), "{context}");
            assert!(in_order(&wire.tls.inner().told[1], &talk.inside[1]), "{context}");
            assert!(wire.tls.inner().unverified, "{context}");
            assert_eq!(wire.close(), Outcome::Decrypted, "{context}");
        }
    }
}

#[test]
fn what_is_missing_is_told_by_its_length() {
    for talk in talks() {
        let wire = snapped(talk, 65_000, 4_096);
        let told = &wire.tls.inner().told[1];
        let length: u64 = told
            .iter()
            .map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.len() as u64,
                Piece::Missing(length) => *length,
            })
            .sum();
        assert_eq!(length, talk.inside[1].len() as u64, "{:?}", wire.tls.counters());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Any segments may be missing, or cut: nothing is told that was not said, and not in another order.
    #[test]
    fn nothing_is_made_up(
        which in 0_usize..64,
        sizes in proptest::collection::vec(200_usize..20_000, 1..8),
        fates in proptest::collection::vec((0_u8..6, 0_usize..3_000), 1..24),
    ) {
        let talk = &talks()[which % talks().len()];
        let mut wire = Wire::knowing(talk);
        let mut step = 0;
        for (number, (side, flight)) in talk.flights.iter().enumerate() {
            let mut rest = &flight[..];
            while !rest.is_empty() && !wire.stopped {
                let (piece, after) = rest.split_at(sizes[step % sizes.len()].min(rest.len()));
                rest = after;
                let (fate, keep) = fates[step % fates.len()];
                step += 1;
                let keep = match fate {
                    _ if number < 2 => piece.len(),
                    0 => 0,
                    1 => keep.min(piece.len()),
                    _ => piece.len(),
                };
                if keep > 0 {
                    wire.data(*side, &piece[..keep]);
                }
                if keep < piece.len() && !wire.stopped {
                    wire.missing(*side, (piece.len() - keep) as u64);
                }
            }
        }
        for side in [Side::Client, Side::Server] {
            prop_assert!(in_order(&wire.tls.inner().told[side as usize], &talk.inside[side as usize]));
        }
        let outcome = wire.close();
        prop_assert!(matches!(outcome, Outcome::Decrypted | Outcome::Partly), "{:?}", outcome);
    }
}
